"""The pictures of docs/results, from the files of results; each says in its file what numbers it was drawn from.

An SVG drawn by another version of Matplotlib differs in a thousand places, so that a test cannot compare it with what
is there. It compares the digest of the numbers instead, which stands in the file as its description.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.results_tables import Results, chosen_rungs
from minidl.experiments.ladder import LADDER

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOOKS = 1  # counted up when the drawing changes, so that `write` draws anew
BOOK_VOTE = 99.67  # per cent, LECTURE section 2


@dataclass(frozen=True)
class Picture:
    """A picture to be: the numbers in it, and who draws them."""

    facts: dict[str, Any]
    draw: Callable[[dict[str, Any]], Figure]

    @property
    def digest(self) -> str:
        """What the numbers are known by: it stands in the file."""
        text = json.dumps([LOOKS, self.draw.__name__, self.facts], sort_keys=True)
        return f"drawn from {hashlib.sha256(text.encode()).hexdigest()}"

    def svg(self) -> str:
        """Draw it. The same numbers give the same file with the same Matplotlib."""
        import matplotlib

        stream = io.StringIO()
        with matplotlib.rc_context({"svg.hashsalt": "minidl"}):
            metadata = {"Date": None, "Description": self.digest}
            self.draw(self.facts).savefig(stream, format="svg", metadata=metadata)
        return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def pictures(results: Sequence[Results]) -> dict[str, Picture]:
    """Return the pictures that the results make, by the names of their files."""
    found = {}
    columns = {
        preset: [_point(row and row[1]) for row in rows] for preset, rows in chosen_rungs(results).items()
    }
    if columns:
        book = [rung.published for rung in LADDER]
        found["ladder.svg"] = Picture({"book": book, "presets": columns}, ladder_picture)
    for each in results:
        if each["kind"] == "beyond":
            labels = each["labels"][0]
            rows = [["single", labels["single"]["values"]]]
            rows += [[f"votes of {vote['members']}", vote["values"]] for vote in labels["ensembles"]]
            facts = {
                "recipe": each["recipe"],
                "labels": labels["labels"],
                "rows": rows,
                "mnist": each["is_mnist"],
            }
            found[f"{each['name']}.svg"] = Picture(facts, votes_picture)
    return found


def _point(row: dict[str, Any] | None) -> list[float | None] | None:
    return None if row is None or row["mean"] is None else [row["mean"], row["sd"]]


def ladder_picture(facts: dict[str, Any]) -> Figure:
    """Draw the error of every rung, the book's and that of every preset with its standard deviation."""
    from minidl.plots.concepts.series import SERIES
    from minidl.plots.style import (
        INK,
        LABEL_SIZE,
        TICK_SIZE,
        head_figure,
        new_figure,
        plain_log_ticks,
        style_axes,
    )

    figure = new_figure(7.6, 0.42 * len(LADDER) + 1.4)
    head_figure(figure, "Errors on MNIST's test images, rung by rung: mean ± sd over the seeds")
    axes = figure.subplots()
    axes.set_xscale("log")
    places = np.arange(len(LADDER))
    book = 100 - np.array(facts["book"])
    axes.scatter(book, places, marker="D", s=60, facecolor="white", edgecolor=INK, label="the book", zorder=2)
    count, everything = len(facts["presets"]), [*book]
    for index, (preset, points) in enumerate(facts["presets"].items()):
        colour, _, marker = SERIES[index]
        rows = [place for place, point in enumerate(points) if point is not None]
        error = np.array([100 - points[row][0] for row in rows])
        sd = np.array([points[row][1] or 0.0 for row in rows])
        low = np.minimum(sd, 0.9 * error)  # a logarithmic axis has no zero
        height = np.array(rows) + 0.18 * (index - (count - 1) / 2)
        axes.errorbar(error, height, xerr=[low, sd], fmt=marker, color=colour, markersize=5, capsize=2.5,
                      linewidth=1.4, label=preset, zorder=3)  # fmt: skip
        everything += [*(error - low), *(error + sd)]
    low, high = min(everything) / 1.15, max(everything) * 1.15
    style_axes(axes, x="test error, % (log scale)", grid="x")
    axes.set_xlim(low, high)
    axes.set_ylim(len(LADDER) - 0.5, -0.5)
    axes.set_yticks(places, [f"{rung.id}  {rung.title}" for rung in LADDER])
    axes.tick_params(axis="y", length=0, labelsize=TICK_SIZE + 0.5)
    axes.spines["left"].set_visible(False)
    plain_log_ticks(axes.xaxis, low, high)
    figure.legend(loc="outside lower center", ncols=count + 1, fontsize=LABEL_SIZE - 0.5, frameon=False)
    return figure


def votes_picture(facts: dict[str, Any]) -> Figure:
    """Draw every network's and every vote's accuracy as a point, those of equal accuracy one above the other."""
    from minidl.plots.style import BLUE, MUTED, TICK_SIZE, VERMILION, head_figure, new_figure, style_axes

    rows = facts["rows"]
    figure = new_figure(7.2, 0.75 * len(rows) + 1.3)
    head_figure(figure, f"Recipe {facts['recipe']}: every network and every vote, labels {facts['labels']}")
    axes = figure.subplots()
    for place, (_, values) in enumerate(rows):
        seen: Counter[float] = Counter()
        for value in sorted(values):
            axes.plot(
                value, place - 0.09 * seen[value], "o", color=BLUE, markersize=5, alpha=0.8, clip_on=False
            )
            seen[value] += 1
        mean = float(np.mean(values))
        axes.plot([mean, mean], [place - 0.32, place + 0.25], color=VERMILION, linewidth=1.6)
        axes.annotate(f"{mean:.3f}", (mean, place + 0.25), xytext=(3, -1), textcoords="offset points", va="top",
                      color=VERMILION, fontsize=TICK_SIZE)  # fmt: skip
    if facts["mnist"]:
        axes.axvline(BOOK_VOTE, color=MUTED, linestyle="--", linewidth=1)
        axes.annotate(f"the lecture's vote, {BOOK_VOTE:.2f}", (BOOK_VOTE, -0.55), xytext=(3, 0), va="top",
                      textcoords="offset points", color=MUTED, fontsize=TICK_SIZE)  # fmt: skip
    style_axes(axes, x="accuracy on the test images, % (line: mean)", grid="x")
    axes.set_ylim(len(rows) - 0.35, -0.6)
    axes.set_yticks(range(len(rows)), [f"{name} ({len(values)})" for name, values in rows])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    return figure
