"""What the report of a run says and draws about its training: verdicts, warnings, monitors' pictures."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from minidl.errors import ShapeError
from minidl.experiments.monitor_records import Columns, below, read_stack, read_table, read_warnings
from minidl.monitoring.detectors import MANY_DEAD, MANY_SATURATED
from minidl.monitoring.statistics import DECADES
from minidl.monitoring.verdicts import Verdict, fit_verdicts, learning_rate_verdict, update_verdict
from minidl.plots.histograms import HistogramPanel, filter_strip, histogram_heatmaps
from minidl.plots.monitoring import (
    batch_loss_plot,
    gradient_depth_plot,
    learning_rate_plot,
    share_plot,
    update_ratio_plot,
)
from minidl.plots.report import Cell, Heading, Paragraph, Picture, Section, Table

NO_MONITOR = "Not watched: the run was trained without callbacks=[Monitor()]."


def verdict_sections(run: Path, history: Columns | None) -> list[Section]:
    """Return what the curves say, each in a sentence, and the warnings of the monitors."""
    judged: list[list[Cell]] = [[name, verdict.text] for name, verdict in _verdicts(run, history)]
    sections: list[Section] = []
    if judged:
        caption = "Rules of thumb from the lectures, applied to the curves below."
        sections += [Table(["Verdict", "Because"], judged, caption=caption)]
    else:
        sections += [Paragraph("There are no curves to judge yet.")]
    warnings = read_warnings(run)
    if warnings:
        rows = [
            [f"epoch {w['epoch']}, batch {w['batch']}", f"{w['step']:,}", str(w["text"])] for w in warnings
        ]
        caption = "Warnings while training; of each kind only the first."
        sections += [Table(["Where", "Step", "Warning"], rows, caption=caption, numeric=[1])]
    elif (run / "monitor").is_dir():
        sections += [Paragraph("The monitors had nothing to warn of.")]
    return sections


def monitor_sections(run: Path, batches: int | None) -> list[Section]:
    """Return the pictures of everything the monitors have recorded.

    Parameters
    ----------
    run : Path
    batches : int or None
        Steps per epoch, for the axes.
    """
    return [
        *_batch_sections(run, batches),
        *_update_sections(run, batches),
        *_layer_sections(run, batches),
        *_filter_sections(run),
    ]


def _verdicts(run: Path, history: Columns | None) -> list[tuple[str, Verdict]]:
    found = []
    if history is not None:
        found += [(f"Fit: {verdict.kind}", verdict) for verdict in fit_verdicts(history)]
    table = read_table(run, "batches.csv")
    losses = table["loss"] if table is not None else (history or {}).get("train_loss")
    if losses is not None:
        rates = table["lr"] if table is not None else (history or {}).get("lr")
        verdict = learning_rate_verdict(losses, rates)
        found.append((f"Learning rate: {verdict.kind}", verdict))
    ratios = {
        name: x for name, x in below(read_table(run, "updates.csv"), "ratio").items() if "bias" not in name
    }
    if ratios:
        verdict = update_verdict(ratios)
        found.append((f"Updates: {verdict.kind}", verdict))
    return found


def _batch_sections(run: Path, batches: int | None) -> list[Section]:
    table, jumps = read_table(run, "batches.csv"), read_table(run, "jumps.csv")
    if table is None:
        return [Heading("Batches"), Paragraph(NO_MONITOR)]
    events = [] if jumps is None else list(zip(jumps["step"], jumps["loss"], strict=True))
    sections: list[Section] = [
        Heading("Batches"),
        Picture(
            batch_loss_plot(
                table["step"], table["loss"], highest=table["highest"], jumps=events, batches=batches
            ),
            alt=f"Loss of the batches on a logarithmic axis, from {table['loss'][0]:.3g} to {table['loss'][-1]:.3g}, "
            f"with {len(events)} jumps",
            caption="A jump is a batch far above what was usual just before.",
        ),
    ]
    if jumps is not None:
        rows = [
            [f"epoch {e:.0f}, batch {b:.0f}", f"{loss:.4g}", f"{usual:.4g}", f"{spreads:.1f}"]
            for e, b, loss, usual, spreads in zip(
                *(jumps[name] for name in ("epoch", "batch", "loss", "usual", "spreads")), strict=True
            )
        ]
        header: list[Cell] = ["Jump", "Loss", "Usual", ("Distance", "robust standard deviations of log loss")]
        sections += [Table(header, rows[:20], numeric=[1, 2, 3])]
    if np.isfinite(table["lr"]).any():
        rate = table["lr"][np.isfinite(table["lr"])]
        wide = rate.min() > 0 and rate.max() / rate.min() > 1000
        sections += [
            Picture(
                learning_rate_plot(table["step"], table["lr"], batches=batches, log=bool(wide)),
                alt=f"Learning rate of the steps, between {rate.min():.3g} and {rate.max():.3g}",
            )
        ]
    return sections


def _update_sections(run: Path, batches: int | None) -> list[Section]:
    table = read_table(run, "updates.csv")
    ratios = below(table, "ratio")
    if table is None or not ratios:
        return []
    return [
        Heading("Updates"),
        Picture(
            update_ratio_plot(table["step"], ratios, batches=batches),
            alt="Ratio of update to weight of every parameter, on a logarithmic axis with a band around 0.001",
            caption="Of the updates as they were made, with momentum, adaptive rates and clipping. Far above the band "
            "the learning rate is too high, far below too low. Biases begin at zero and may well lie above it.",
        ),
    ]


def _layer_sections(run: Path, batches: int | None) -> list[Section]:
    table, stack = read_table(run, "layers.csv"), read_stack(run, "histograms.safetensors")
    if table is None:
        return []
    layers = list(below(table, "mean"))
    sections: list[Section] = [
        Heading("Layers"),
        Paragraph(
            "Taken between steps on the first 64 training examples, always the same, with dropout off. Columns follow "
            "each other at equal distances, however many steps lie between."
        ),
    ]
    for quantity, limit, what in (
        ("dead", MANY_DEAD, "dead units, %"),
        ("saturated", MANY_SATURATED, "saturated outputs, %"),
    ):
        shares = below(table, quantity)
        if shares:
            last = ", ".join(f"{100 * x[-1]:.0f} % in {name}" for name, x in shares.items())
            sections.append(
                Picture(
                    share_plot(
                        table["step"], shares, y=what, batches=batches, limit=limit, title=_title(quantity)
                    ),
                    alt=f"{_title(quantity)} over time; at the end {last}",
                )
            )
    norms = below(table, "gradient")
    inner = [name for name in layers if name in norms]
    if len(inner) > 1:
        values = np.stack([norms[name] for name in inner], axis=1)
        figure = gradient_depth_plot(inner, values, [int(step) for step in table["step"]])
        ratio = values[-1, 0] / values[-1, -1] if values[-1, -1] > 0 else math.nan
        alt = f"Norm of the gradient by layer; at the end that of the first is {ratio:.2g} of the last one's"
        sections.append(Picture(figure, alt=alt))
    parameters = list(below(table, "parameter_gradient"))
    return sections + (_histogram_sections(stack, layers, parameters) if stack is not None else [])


def _title(quantity: str) -> str:
    if quantity == "dead":
        return "Dead ReLUs: units that are zero for every example"
    return "Saturated sigmoids and tanhs: outputs in the flat parts"


def _histogram_sections(stack: Columns, layers: list[str], parameters: list[str]) -> list[Section]:
    steps = [int(step) for step in stack["step"]]
    low, high = below(stack, "low"), below(stack, "high")
    counts, gradients = below(stack, "activation"), below(stack, "gradient")
    panels = [HistogramPanel(name, counts[name], low[name], high[name]) for name in layers if name in counts]
    sections: list[Section] = []
    if panels:
        sections.append(
            Picture(
                histogram_heatmaps(panels, steps, title="Histograms of the activations"),
                alt=f"Heat maps of the activations of {', '.join(layers)} over time",
                caption="A tanh should span [-1, 1]: crowded at its limits it is saturated, crowded at zero nearly "
                "linear.",
                format="png",
            )
        )
    for title, found, names in (
        ("Histograms of the gradients of the layers' outputs, by size", gradients, layers),
        ("Histograms of the parameters' gradients, by size", below(stack, "parameter_gradient"), parameters),
    ):
        names = [name for name in names if name in found]
        panels = [HistogramPanel(name, found[name][:, 1:], *DECADES) for name in names]
        if panels:
            figure = histogram_heatmaps(panels, steps, y="|gradient|", powers=True, title=title)
            alt = f"Heat maps: {title.lower()}, for {', '.join(names)}"
            sections.append(Picture(figure, alt=alt, caption="Zeros are left out.", format="png"))
    return sections


def _filter_sections(run: Path) -> list[Section]:
    stack = read_stack(run, "filters.safetensors")
    if stack is None or "filters" not in stack:
        return []
    try:
        figure = filter_strip(stack["filters"], [int(step) for step in stack["step"]])
    except ShapeError:
        return []
    alt = f"The first layer's filters as small images at {len(stack['step'])} steps of the training"
    return [Heading("First-layer filters over time"), Picture(figure, alt=alt, format="png")]
