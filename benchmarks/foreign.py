"""A student's naive layer among ours: what it costs, and that the rest keeps its fast path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks import models
from benchmarks.contest import Contestant, in_turn
from minidl import layers
from minidl.experiments.ladder import INPUT_SHAPE, build_model

PLACES = {
    "after the first pooling": 2,
    "after the second pooling": 5,
    "in the dense part": 8,
}  # ReLUs of rung 3
OURS, UNFUSED = "none", "none, nothing fused"
BATCHES_IN_TURN = 8


class StudentReLU:
    """A ReLU as a student writes it: two methods, nothing else."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Return max(0, x)."""
        self.x = x
        return np.maximum(x, 0)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """Pass the gradient on where x was positive."""
        return dy * (self.x > 0)


def model(place: int | None, fused: bool = True, seed: int = 0) -> layers.Sequential:
    """Return rung 3, built, with the ReLU at `place` exchanged for a student's."""
    children: list[Any] = list(build_model("3", "quick").layers)
    if place is not None:
        if not isinstance(children[place], layers.ReLU):
            raise ValueError(f"layer {place} of rung 3 is no ReLU")
        children[place] = StudentReLU()
    network = layers.Sequential(children)
    network.fused = fused
    network.build(INPUT_SHAPE, rng=seed)
    return network


def measure(
    batch_sizes: Sequence[int], thread_counts: Sequence[int], seconds: float, rounds: int
) -> list[dict[str, Any]]:
    """Time training steps of rung 3 with no foreign layer, with one in each place, and with nothing fused."""
    print(
        f"{'batch':>5}  {'threads':>7}  {'student layer':<26}{'median':>9}{'ratio':>7}{'minimum':>9}{'ratio':>7}"
    )
    rows = []
    for batch in batch_sizes:
        batches = models.random_batches(batch, BATCHES_IN_TURN)
        forms = {OURS: model(None)} | {name: model(place) for name, place in PLACES.items()}
        forms[UNFUSED] = model(None, fused=False)
        for count in thread_counts:
            entries = [
                Contestant("minidl", name, count, _numbered(form, batches)) for name, form in forms.items()
            ]
            in_turn(entries, seconds, rounds)
            for entry in entries:
                row = {
                    "batch": batch,
                    "threads": count,
                    "student": entry.variant,
                    "median_us": entry.median,
                    "minimum_us": entry.minimum,
                    "median_ratio": entry.median / entries[0].median,
                    "minimum_ratio": entry.minimum / entries[0].minimum,
                }
                rows.append(row)
                print(
                    f"{batch:>5}  {count:>7}  {entry.variant:<26}{entry.median:>9.0f}{row['median_ratio']:>7.2f}"
                    f"{entry.minimum:>9.0f}{row['minimum_ratio']:>7.2f}",
                    flush=True,
                )
    return rows


def _numbered(network: layers.Sequential, batches: list) -> Callable[[int], Any]:
    step = models.training_step(network)
    return lambda number: step(*batches[number % len(batches)])
