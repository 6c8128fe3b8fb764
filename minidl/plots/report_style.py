"""The style sheet of the HTML reports: light and dark, screen and paper, wide and narrow."""

CSS = """
:root {
  --ink: #1d1f23; --muted: #5c6370; --paper: #ffffff; --line: #d9dce1; --soft: #f4f5f7;
  --accent: #0072b2; --warn-ink: #5f2b00; --warn: #fff1e2; --warn-line: #d55e00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e4e6ea; --muted: #a0a7b4; --paper: #17191d; --line: #383c44; --soft: #22252b;
    --accent: #6db9ea; --warn-ink: #ffd9b8; --warn: #3a2413; --warn-line: #e07b2c;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0 auto; max-width: 80rem; padding: 1.5rem clamp(1rem, 3vw, 2.5rem) 4rem;
  background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
header { border-bottom: 2px solid var(--accent); padding-bottom: 1rem; margin-bottom: 1.5rem; }
h1 { font-size: clamp(1.5rem, 4vw, 2.1rem); line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.35rem; line-height: 1.3; margin: 2.75rem 0 .75rem; }
h3 { font-size: 1.08rem; margin: 1.75rem 0 .5rem; }
p { max-width: 48rem; margin: .6rem 0; }
.subtitle { color: var(--muted); margin: 0; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin-top: .9rem; font-size: .92rem; }
a { color: var(--accent); text-underline-offset: .15em; }
.notice {
  max-width: none; border-left: .35rem solid var(--warn-line); background: var(--warn);
  color: var(--warn-ink); padding: .8rem 1rem; font-weight: 600;
}
.facts {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr));
  gap: .7rem 2rem; margin: 1rem 0;
}
.facts dt { color: var(--muted); font-size: .82rem; }
.facts dd { margin: 0; overflow-wrap: anywhere; }
pre {
  background: var(--soft); border: 1px solid var(--line); border-radius: .3rem;
  padding: .7rem .9rem; overflow-x: auto; font: .88rem/1.5 ui-monospace, Menlo, Consolas, monospace;
}
.scroll { overflow-x: auto; margin: 1rem 0; }
table {
  border-collapse: collapse; min-width: min(100%, 34rem);
  font-size: .92rem; font-variant-numeric: tabular-nums;
}
caption {
  caption-side: bottom; text-align: left; color: var(--muted); font-size: .85rem; padding-top: .5rem;
}
th, td { text-align: left; vertical-align: top; padding: .45rem .7rem; border-bottom: 1px solid var(--line); }
thead th { font-size: .82rem; line-height: 1.3; vertical-align: bottom; border-bottom: 2px solid var(--ink); }
tbody th { font-weight: 600; }
tbody tr:hover { background: var(--soft); }
td.number, th.number { text-align: right; white-space: nowrap; }
small { display: block; color: var(--muted); font-size: .82em; font-weight: 400; white-space: normal; }
figure { margin: 1.25rem 0; }
figure img {
  display: block; max-width: 100%; height: auto; background: #fff;
  border: 1px solid var(--line); border-radius: .3rem; padding: .4rem;
}
figcaption { color: var(--muted); font-size: .88rem; margin-top: .4rem; max-width: 48rem; }
.pictures {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, var(--width)), 1fr));
  gap: .5rem 1.5rem; align-items: start;
}
.pictures figure { margin: .5rem 0; }
@media print {
  :root {
    --ink: #000; --muted: #444; --paper: #fff; --line: #bbb; --soft: #fff; --warn: #fff; --warn-ink: #000;
  }
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav { display: none; }
  .scroll { overflow: visible; }
  table { font-size: 8pt; }
  th, td { padding: .25rem .35rem; }
  h2, h3 { break-after: avoid; }
  figure, tr, .notice { break-inside: avoid; }
}
"""
