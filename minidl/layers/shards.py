"""Layers in a row, run on several threads, each on its part of the batch."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from functools import partial

from minidl import parallel
from minidl.backend import Array, device_of, namespace
from minidl.layers.base import Layer, Parameter, Shape

SMALLEST_SHARD = 32  # images; below, meeting costs more than sharing the work saves (measured)


class Shards:
    """Copies of a chain of layers that share the parameters and keep everything else to themselves.

    Only layers that treat every example on its own can be split this way (`Layer.per_example`): not
    dropout, whose masks come from one stream, nor batch normalisation, which looks at the whole batch.

    Parameters
    ----------
    layers : sequence of Layer
        Built, at least one.
    count : int
        Number of copies.
    """

    def __init__(self, layers: Sequence[Layer], count: int) -> None:
        self.layers = list(layers)
        self.count = count
        self._copies = [[_sharing_parameters(layer) for layer in layers] for _ in range(count)]
        self._owned: dict[str, Array] = {}
        self._bounds: list[tuple[int, int]] = []

    def forward(self, x: Array, train: bool) -> Array:
        """Return what the layers make of `x`, each copy having taken its part of the batch."""
        batch = x.shape[0]
        edges = [batch * k // self.count for k in range(self.count + 1)]
        self._bounds = list(itertools.pairwise(edges))
        output = self._buffer("output" if train else None, self.layers[-1].output_shape, x)

        def run(k: int) -> None:
            start, end = self._bounds[k]
            y = x[start:end]
            for layer, original in zip(self._copies[k], self.layers, strict=True):
                for name, parameter in original.parameters.items():
                    layer.parameters[name].value = parameter.value
                y = layer.forward(y, train)
            output[start:end] = y

        parallel.run([partial(run, k) for k in range(self.count)])
        return output

    def backward(self, dy: Array) -> Array:
        """Set the parameters' gradients to the sum over the copies, and return the gradient of the input."""
        dx = self._buffer("dx", self.layers[0].input_shape, dy)

        def run(k: int) -> None:
            start, end = self._bounds[k]
            part = dy[start:end]
            for layer in reversed(self._copies[k]):
                part = layer.backward(part)
            dx[start:end] = part

        parallel.run([partial(run, k) for k in range(self.count)])
        self._add_gradients(0)
        return dx

    def backward_parameters(self, dy: Array, bottom: int) -> None:
        """Like `backward`, down to layer number `bottom` and without its input's gradient."""

        def run(k: int) -> None:
            start, end = self._bounds[k]
            part = dy[start:end]
            for layer in reversed(self._copies[k][bottom + 1 :]):
                part = layer.backward(part)
            self._copies[k][bottom].backward_parameters(part)

        parallel.run([partial(run, k) for k in range(self.count)])
        self._add_gradients(bottom)

    def _add_gradients(self, bottom: int) -> None:
        for index, layer in enumerate(self.layers[bottom:], start=bottom):
            for name, parameter in layer.parameters.items():
                first: Array
                first, *others = (copies[index].parameters[name].grad for copies in self._copies)
                for gradient in others:
                    # In place: the copy owns this array and overwrites it at its next backward pass.
                    first += gradient
                parameter.grad = first

    def _buffer(self, name: str | None, shape: Shape, like: Array) -> Array:
        """Return an array for a whole batch: the same one from step to step, or a fresh one without a name."""
        # Batch-last memory, which is what the layers return and the dense layer above prefers.
        owned = self._owned.get(name) if name is not None else None
        if owned is None or owned.shape != (like.shape[0], *shape) or owned.dtype != like.dtype:
            memory = namespace(like).empty((*shape, like.shape[0]), like.dtype)
            owned = memory.transpose(len(shape), *range(len(shape)))
        if name is not None:
            self._owned[name] = owned
        return owned


def _sharing_parameters(layer: Layer) -> Layer:
    twin = copy.copy(layer)
    twin._cache, twin._workspace = None, {}
    twin.parameters = {name: Parameter(p.value, p.decay) for name, p in layer.parameters.items()}
    return twin


def splittable(x: Array, count: int) -> bool:
    """Return whether a batch is worth splitting among `count` threads: it is on the CPU and large enough."""
    return count > 1 and x.shape[0] >= SMALLEST_SHARD * count and device_of(x) == "cpu"
