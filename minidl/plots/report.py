"""Self-contained HTML reports: one file that needs no network, no script and no other file.

A report is a list of sections (`Heading`, `Paragraph`, `Notice`, `Code`, `Facts`, `Table`,
`Picture`, `Pictures`). All text is escaped; pictures are embedded; the page's own security policy
forbids it to load anything, so that it can be mailed, archived and opened years later.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from minidl.files import atomic_write
from minidl.plots.report_style import CSS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What a browser may load for the page: nothing but what stands in it.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

Cell = str | tuple[str, str]  # text, or text above small print


@dataclass(frozen=True)
class Heading:
    """A heading; those of level 2 make up the table of contents."""

    text: str
    level: int = 2

    def html(self, number: int = 0) -> str:
        return f'<h{self.level} id="section-{number}">{escape(self.text)}</h{self.level}>'


@dataclass(frozen=True)
class Paragraph:
    """Plain text."""

    text: str

    def html(self) -> str:
        return f"<p>{escape(self.text)}</p>"


@dataclass(frozen=True)
class Notice:
    """Text that must not be overlooked."""

    text: str

    def html(self) -> str:
        return f'<p class="notice" role="note">{escape(self.text)}</p>'


@dataclass(frozen=True)
class Code:
    """A command or a file's text, as it is."""

    text: str

    def html(self) -> str:
        return f'<pre tabindex="0"><code>{escape(self.text)}</code></pre>'


@dataclass(frozen=True)
class Facts:
    """Names and values."""

    pairs: Sequence[tuple[str, str]]

    def html(self) -> str:
        items = (f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in self.pairs)
        return f'<dl class="facts">{"".join(items)}</dl>'


@dataclass(frozen=True)
class Table:
    """A table whose first column names the rows.

    Attributes
    ----------
    header : sequence of Cell
    rows : sequence of sequences of Cell
        A cell is a text, or two: the second is set small below the first.
    caption : str
    numeric : sequence of int
        Columns to align to the right.
    """

    header: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    numeric: Sequence[int] = ()

    def html(self) -> str:
        caption = f"<caption>{escape(self.caption)}</caption>" if self.caption else ""
        head = "".join(self._cell("th", "col", column, cell) for column, cell in enumerate(self.header))
        body = "".join(f"<tr>{self._row(row)}</tr>" for row in self.rows)
        return (
            f'<div class="scroll" tabindex="0"><table>{caption}<thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
        )

    def _row(self, row: Sequence[Cell]) -> str:
        first = self._cell("th", "row", 0, row[0])
        return first + "".join(self._cell("td", "", column, cell) for column, cell in enumerate(row[1:], 1))

    def _cell(self, tag: str, scope: str, column: int, cell: Cell) -> str:
        attributes = f' scope="{scope}"' if scope else ""
        attributes += ' class="number"' if column in self.numeric else ""
        text, small = (cell, "") if isinstance(cell, str) else cell
        below = f"<small>{escape(small)}</small>" if small else ""
        return f"<{tag}{attributes}>{escape(text)}{below}</{tag}>"


@dataclass(frozen=True)
class Picture:
    """A figure with a caption, embedded in the page.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
    alt : str
        What the picture shows, for readers who cannot see it.
    caption : str
    format : {"svg", "png"}
        SVG for lines and text; PNG for figures made of many small images.
    """

    figure: Figure
    alt: str
    caption: str = ""
    format: Literal["svg", "png"] = "svg"

    def html(self) -> str:
        width, height = (round(96 * inches) for inches in self.figure.get_size_inches())
        caption = f"<figcaption>{escape(self.caption)}</figcaption>" if self.caption else ""
        return (
            f'<figure><img src="{data_uri(self.figure, self.format)}" alt="{escape(self.alt)}" '
            f'width="{width}" height="{height}">{caption}</figure>'
        )


@dataclass(frozen=True)
class Pictures:
    """Pictures side by side where the page is wide enough.

    Attributes
    ----------
    pictures : sequence of Picture
    width : float
        Least width of one in rem (16 CSS pixels), unless the page is narrower.
    """

    pictures: Sequence[Picture]
    width: float = 30

    def html(self) -> str:
        figures = "".join(picture.html() for picture in self.pictures)
        return f'<div class="pictures" style="--width: {self.width:g}rem">{figures}</div>'


Section = Heading | Paragraph | Notice | Code | Facts | Table | Picture | Pictures


def data_uri(figure: Figure, format: Literal["svg", "png"]) -> str:
    """Return a figure as a ``data:`` address that an ``<img>`` can show."""
    from matplotlib import rc_context

    stream = io.BytesIO()
    if format == "png":
        figure.savefig(stream, format="png", metadata={"Software": None})
        return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"
    # A fixed salt and no date: the same numbers give the same bytes. Text becomes outlines, so that
    # the picture looks alike whatever fonts the reader has.
    with rc_context({"svg.hashsalt": "minidl", "svg.fonttype": "path"}):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(stream, format="svg", metadata=nothing)
    svg = stream.getvalue()
    svg = svg[svg.index(b"<svg") :]  # without the DOCTYPE, which names a file on the network
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode('ascii')}"


def render(title: str, sections: Sequence[Section], *, subtitle: str = "") -> str:
    """Return the report as one HTML page."""
    contents, body = [], []
    for number, section in enumerate(sections):
        if isinstance(section, Heading):
            body.append(section.html(number))
            if section.level == 2:
                contents.append(f'<a href="#section-{number}">{escape(section.text)}</a>')
        else:
            body.append(section.html())
    navigation = f'<nav aria-label="Contents">{" ".join(contents)}</nav>' if len(contents) > 1 else ""
    below = f'<p class="subtitle">{escape(subtitle)}</p>' if subtitle else ""
    newline = "\n"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<style>{CSS}</style>
</head>
<body>
<header><h1>{escape(title)}</h1>{below}{navigation}</header>
<main>
{newline.join(body)}
</main>
</body>
</html>
"""


def write_report(path: str | Path, title: str, sections: Sequence[Section], *, subtitle: str = "") -> Path:
    """Write the report to `path`, atomically, and return the path."""
    page = render(title, sections, subtitle=subtitle)
    with atomic_write(path) as stream:
        stream.write(page)
    return Path(path)
