"""Histograms of activations and gradients, and the detectors that look at the same numbers."""

from __future__ import annotations

import math

import numpy as np

from minidl.monitoring.detectors import activation_warnings, gradient_warning, layer_state
from minidl.monitoring.place import Place
from minidl.monitoring.probe import LayerView, View, look_inside
from minidl.monitoring.sampler import Sampler, warn
from minidl.monitoring.statistics import histogram, magnitudes, norm, sample, value_range
from minidl.monitoring.storage import Notes, Stack, Table

LOOKS = 3  # in a row, before a warning about gradients
KEPT = 200  # looks; of more, every second, every fourth … is kept


class Histograms(Sampler):
    """Look at every layer on a fixed probe: histograms, dead and saturated units, gradients by depth.

    The probe is the first 64 examples of the first epoch. It is sent through a twin of the network in
    evaluation mode between two steps (`minidl.monitoring.probe`), so training with and without is the
    same to the bit.

    Written to ``monitor/layers.csv``: for every look the columns ``mean/2 ReLU``, ``std/…``,
    ``low/…``, ``high/…``, ``dead/…`` (share of a ReLU's units that are zero for the whole probe),
    ``saturated/…`` (share of a sigmoid's or tanh's outputs in the flat parts), ``gradient/…`` (norm
    of d loss / d output) and ``parameter_gradient/2.weight``. Written to
    ``monitor/histograms.safetensors``: ``activation/2 ReLU`` (S, 50) with ``low/…`` and ``high/…``
    (S,), and by size ``gradient/…`` and ``parameter_gradient/…`` (S, 65), see
    `minidl.monitoring.statistics`. Of more than 200 looks every second one is kept, of more than 400
    every fourth, and so on.

    Parameters
    ----------
    every : int, optional
        Steps between looks; by default often at first, later twice an epoch.

    Attributes
    ----------
    table : Table
    histograms : Stack
    notes : Notes
    """

    def __init__(self, every: int | None = None) -> None:
        super().__init__(every)
        self.table = Table("layers.csv")
        self.histograms = Stack("histograms.safetensors")
        self.notes = Notes("warnings-layers.json")

    def stores(self) -> list[Table | Stack | Notes]:
        return [self.table, self.histograms, self.notes]

    def look(self, place: Place) -> None:
        if self.probe is None:
            return
        x, targets = self.probe
        view = look_inside(self.model, x, self.loss, targets)
        states, norms = {}, {}
        arrays: dict[str, np.ndarray] = {}
        for layer in view.layers:
            values = sample(layer.output)
            states[layer.name] = layer_state(layer.layer, layer.output, values)
            if layer.gradient is not None:
                norms[layer.name] = norm(layer.gradient)
            arrays.update(_histograms(layer, values))
        parameter_norms = {name: norm(gradient) for name, gradient in view.gradients.items()}
        for name, gradient in view.gradients.items():
            arrays[f"parameter_gradient/{name}"] = magnitudes(sample(gradient))
        row = {f"{quantity}/{name}": value for name, s in states.items() for quantity, value in s.items()}
        row |= {f"gradient/{name}": value for name, value in norms.items()}
        row |= {f"parameter_gradient/{name}": value for name, value in parameter_norms.items()}
        self._keep(place, row, arrays)
        self._warn(place, view, states, norms)

    def _keep(self, place: Place, row: dict[str, float], arrays: dict[str, np.ndarray]) -> None:
        self.table.add(place, row)
        self.histograms.add(place, arrays)
        # Which looks are kept depends on their number alone, so that a resumed run keeps the same.
        stride = 1
        while math.ceil(len(self.table.rows) / stride) > KEPT:
            stride *= 2
        if stride > 1:
            kept = {row["step"] for row in self.table.rows[::stride]}
            steps = [step for _, step in self.histograms.places]
            self.histograms.keep([index for index, step in enumerate(steps) if step in kept])

    def _warn(self, place: Place, view: View, states: dict, norms: dict[str, float]) -> None:
        found = activation_warnings(states)
        # Norms of layers with weights: in between, pooling and activations always lose some. A single look may
        # mislead, above all the first: where the last layer's weights begin at zero, nothing gets through yet.
        learning = [layer.name for layer in view.layers if layer.layer.parameters and layer.name in norms]
        recent = [
            # A layer that was frozen until now has no gradient in the earlier rows.
            gradient_warning({name: row[key] for name in learning if (key := f"gradient/{name}") in row})
            for row in self.table.rows[-LOOKS:]
        ]
        if len(recent) == LOOKS and all(warning.keys() == recent[0].keys() for warning in recent):
            found |= recent[-1]
        for kind, text in found.items():
            warn(self.notes, place, kind, text)


def _histograms(layer: LayerView, values: np.ndarray) -> dict[str, np.ndarray]:
    low, high = value_range(layer.layer, values)
    arrays = {
        f"activation/{layer.name}": histogram(values, low, high),
        f"low/{layer.name}": np.array(low, np.float32),
        f"high/{layer.name}": np.array(high, np.float32),
    }
    if layer.gradient is not None:
        arrays[f"gradient/{layer.name}"] = magnitudes(sample(layer.gradient))
    return arrays
