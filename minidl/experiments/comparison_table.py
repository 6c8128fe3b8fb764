"""A comparison of runs as text."""

from __future__ import annotations

from textwrap import wrap

from minidl.evaluation.comparison import DIFFERENT, TOO_FEW, Comparison, Pair
from minidl.evaluation.wording import p_text, points
from minidl.experiments.comparing import RunComparison
from minidl.experiments.run_groups import differences

MOST_SENTENCES = 6
_WEIGHTS = {"best": "the best epoch", "last": "the last epoch"}


def comparison_text(result: RunComparison) -> str:
    """Return the tables, the notes, and the sentences to quote."""
    level = f"{100 * (1 - result.comparison.alpha):g} %"
    lines = [f"Accuracy in per cent on {result.images}, weights of {_WEIGHTS[result.weights]}", ""]
    lines += _group_table(result.comparison, level)
    unequal = differences(result.groups)
    if len(unequal) > 1 and any(map(len, unequal.values())):
        lines += ["", "what sets the groups apart:"]
        lines += [f"  {name}: {_settings(settings)}" for name, settings in unequal.items()]
    comparisons = [result.comparison]
    if result.networks is not None and result.networks is not result.comparison:
        comparisons.append(result.networks)
    for comparison in comparisons:
        if comparison.pairs:
            lines += ["", *_pair_table(comparison, level)]
    if not result.comparison.pairs:
        lines += ["", "one group only: give another to compare it with"]
    for text in [*(f"note: {note}" for note in result.notes), *_worth_quoting(result)]:
        lines += ["", *wrap(text, 110, break_long_words=False, break_on_hyphens=False)]
    return "\n".join(lines)


def _worth_quoting(result: RunComparison) -> list[str]:
    """Return the sentences; of more than a few pairs only those that found something."""
    found = result.sentences()
    if len(result.comparison.pairs) <= MOST_SENTENCES:
        return found
    pairs = [*result.comparison.pairs]
    telling = [text for text, pair in zip(found, pairs, strict=False) if pair.verdict == DIFFERENT]
    few = [text for text, pair in zip(found, pairs, strict=False) if pair.verdict == TOO_FEW][:1]
    return [*telling, *few, f"--json FILE writes the sentences about all {len(pairs)} pairs"]


def _group_table(comparison: Comparison, level: str) -> list[str]:
    number = "runs" if comparison.folds is None else "folds"
    rows = [["group", number, "mean", "sd", f"{level} interval", "lowest", "highest"]]
    for group in comparison.groups:
        sd = "-" if group.sd is None else f"{group.sd:.2f}"
        interval = "-" if group.low is None else f"{group.low:.2f} to {group.high:.2f}"
        ends = [f"{group.values.min():.2f}", f"{group.values.max():.2f}"]
        rows.append([group.name, str(len(group.values)), f"{group.mean:.2f}", sd, interval, *ends])
    return _aligned(rows)


def _pair_table(comparison: Comparison, level: str) -> list[str]:
    several = len(comparison.pairs) > 1 and comparison.correction != "none"
    head = ["difference", "points", f"{level} interval", "effect", "p"]
    rows = [[*head, *([f"p ({comparison.correction})"] if several else []), "verdict"]]
    for pair in comparison.pairs:
        effect = "-" if pair.effect is None else f"{pair.effect:+.1f} sd"
        cells = [f"{pair.b} - {pair.a}", points(pair.difference), _interval(pair), effect, _p(pair.p_value)]
        rows.append([*cells, *([_p(pair.corrected)] if several else []), pair.verdict])
    tests = ", ".join(dict.fromkeys(pair.test for pair in comparison.pairs if pair.test))
    return [*([f"{tests}:"] if tests else []), *_aligned(rows)]


def _interval(pair: Pair) -> str:
    return "-" if pair.low is None or pair.high is None else f"{points(pair.low)} to {points(pair.high)}"


def _p(value: float | None) -> str:
    return "-" if value is None else p_text(value).removeprefix("p ").removeprefix("= ")


def _settings(settings: dict[str, str]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in settings.items())


def _aligned(rows: list[list[str]]) -> list[str]:
    """Return rows as lines: the first and the last-named columns to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    words = {0} | ({len(rows[0]) - 1} if rows[0][-1] == "verdict" else set())
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if index in words else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
