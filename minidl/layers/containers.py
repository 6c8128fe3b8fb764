"""Layers made of layers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from minidl import parallel
from minidl.backend import Array, namespace
from minidl.errors import ConfigError, ShapeError
from minidl.layers.base import Layer, Shape
from minidl.layers.conv import Conv2D
from minidl.layers.foreign import Foreign, as_layer
from minidl.layers.fused import ConvMaxPool, fuse
from minidl.layers.shards import Shards, splittable
from minidl.random import Seeds


class _Container(Layer):
    """What containers share: named children, built with names that tell their place."""

    path = ""

    def _build_child(self, name: str, child: Layer, input_shape: Shape, seeds: Seeds) -> Shape:
        path = f"{self.path}.{name}" if self.path else name
        if isinstance(child, _Container):
            child.path = path
        kind = type(child.layer if isinstance(child, Foreign) else child).__name__
        child.name = f"layer {path} ({kind})"
        return child.build(input_shape, seeds.child(name), self.dtype)

    def flops(self) -> int:
        return sum(child.flops() for _, child in self.children())


class Sequential(_Container):
    """One layer after another: ``y = f_L(... f_2(f_1(x)))``.

    Backward is the chain rule from the last layer to the first (lecture TUE):
    ``delta_l = delta_{l+1} df_l/dh_l``.

    Parameters
    ----------
    layers : sequence of layers
        Ours, or any object with ``forward(x)`` and ``backward(dy)``.

    Examples
    --------
    >>> from minidl.layers import Dense, ReLU
    >>> model = Sequential([Dense(100), ReLU(), Dense(10)])
    >>> model.build((784,), rng=0)
    (10,)
    >>> [name for name, _ in model.named_parameters()]
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    fused = True  # False, before `plan`: run the plain layers one after another, for one who watches them

    def __init__(self, layers: Sequence[Any]) -> None:
        super().__init__()
        self.layers = [as_layer(layer) for layer in layers]
        if len({id(layer) for layer in self.layers}) < len(self.layers):
            raise ConfigError(
                "Sequential: the same layer object stands in it twice; make a layer for each place"
            )

    def children(self) -> list[tuple[str, Any]]:
        return [(str(index), layer) for index, layer in enumerate(self.layers)]

    def setup(self, input_shape: Shape, seeds: Seeds) -> Shape:
        shape = input_shape
        for name, layer in self.children():
            shape = self._build_child(name, layer, shape, seeds)
        self.plan()
        return shape

    def plan(self) -> None:
        # What is run: the layers, some of them fused.
        self._steps = fuse(self.layers) if self.fused else list(self.layers)
        self._learning = [index for index, step in enumerate(self._steps) if any(step.named_parameters())]
        self._sharded = _convolving_runs(self._steps) if self.fused else []
        self._team_size = 1
        self._pieces: list[tuple[int, Any]] = []

    def forward(self, x: Array, train: bool = False) -> Array:
        self._check_input(x)
        pieces = self._pieces_for(x)
        self._cache = (pieces,)
        for _, piece in pieces:
            x = piece.forward(x, train)
        return x

    def backward(self, dy: Array) -> Array:
        (pieces,) = self._saved(dy)
        for _, piece in reversed(pieces):
            dy = piece.backward(dy)
        return dy

    def backward_parameters(self, dy: Array) -> None:
        (pieces,) = self._saved(dy)
        lowest = self._lowest_trained()
        for start, piece in reversed(pieces):
            if start > lowest:
                dy = piece.backward(dy)
            elif isinstance(piece, Shards):
                if lowest < start + len(piece.layers):
                    piece.backward_parameters(dy, lowest - start)
            elif start == lowest:
                piece.backward_parameters(dy)

    def _lowest_trained(self) -> int:
        """Return the first step that learns. No step below it asks for a gradient, so backward may stop there."""
        for index in self._learning:
            if any(not parameter.frozen for _, parameter in self._steps[index].named_parameters()):
                return index
        return len(self._steps)

    def _pieces_for(self, x: Array) -> list[tuple[int, Any]]:
        """Return what to run for this batch: steps, or copies of several of them on threads; each with its place."""
        team = parallel.team()
        if not self._sharded or team is None or not splittable(x, team.size):
            return list(enumerate(self._steps))
        if self._team_size != team.size:
            self._team_size, self._pieces = team.size, []
            end = 0
            for run in self._sharded:
                self._pieces += enumerate(self._steps[end : run.start], start=end)
                self._pieces.append((run.start, Shards(self._steps[run], team.size)))
                end = run.stop
            self._pieces += enumerate(self._steps[end:], start=end)
        return self._pieces


def _convolving_runs(steps: Sequence[Layer]) -> list[slice]:
    """Return the runs of steps that treat every example on its own and have a convolution among them."""
    runs, start = [], 0
    for alike, group in itertools.groupby(steps, key=lambda step: step.per_example):
        run = list(group)
        if alike and any(isinstance(step, Conv2D | ConvMaxPool) for step in run):
            runs.append(slice(start, start + len(run)))
        start += len(run)
    return runs


class Residual(_Container):
    """Add the input to the output of `body`: ``y = body(x) + shortcut(x)``.

    Backward: the gradient flows through both and adds up.

    Parameters
    ----------
    body : layer
    shortcut : layer, optional
        Brings the input to the shape of the body's output, such as a strided 1x1 convolution. By default the
        input itself is added.

    References
    ----------
    He et al. 2016.
    """

    def __init__(self, body: Any, shortcut: Any = None) -> None:
        super().__init__()
        self.body = as_layer(body)
        self.shortcut = None if shortcut is None else as_layer(shortcut)

    def children(self) -> list[tuple[str, Any]]:
        return [("body", self.body)] + ([] if self.shortcut is None else [("shortcut", self.shortcut)])

    def setup(self, input_shape: Shape, seeds: Seeds) -> Shape:
        shape = self._build_child("body", self.body, input_shape, seeds)
        other = input_shape
        if self.shortcut is not None:
            other = self._build_child("shortcut", self.shortcut, input_shape, seeds)
        if shape != other:
            raise ShapeError(
                f"{self.name}: the body returns shape {shape} and the shortcut {other}, which cannot be added; "
                "give a shortcut layer that changes the shape alike"
            )
        return shape

    def forward(self, x: Array, train: bool = False) -> Array:
        self._check_input(x)
        self._cache = True
        return self.body.forward(x, train) + (x if self.shortcut is None else self.shortcut.forward(x, train))

    def backward(self, dy: Array) -> Array:
        self._saved(dy)
        return self.body.backward(dy) + (dy if self.shortcut is None else self.shortcut.backward(dy))

    def backward_parameters(self, dy: Array) -> None:
        self._saved(dy)
        for _, child in self.children():
            child.backward_parameters(dy)


class Branches(_Container):
    """Send the same input through several layers: heads of a multi-task network, or parallel paths.

    Parameters
    ----------
    branches : mapping of str to layer, or sequence of layers
        With a mapping the keys become part of the parameters' names.
    merge : {None, "concat"}
        None: `forward` returns a tuple with one output for each branch and `backward` takes a tuple of
        gradients (several heads, lecture AAR "hard sharing"). "concat": the outputs are joined along the
        first axis after the batch, channels or features.

    Notes
    -----
    Backward: the gradients that the branches return for their common input add up.
    """

    def __init__(self, branches: Mapping[str, Any] | Sequence[Any], merge: str | None = None) -> None:
        super().__init__()
        if merge not in (None, "concat"):
            raise ConfigError(f"Branches: merge must be None or 'concat', got {merge!r}")
        named = branches if isinstance(branches, Mapping) else {str(i): b for i, b in enumerate(branches)}
        if not named:
            raise ConfigError("Branches: give at least one branch")
        self.branches = {str(name): as_layer(branch) for name, branch in named.items()}
        self.merge = merge

    def children(self) -> list[tuple[str, Any]]:
        return list(self.branches.items())

    def setup(self, input_shape: Shape, seeds: Seeds) -> Shape:
        shapes = [
            self._build_child(name, branch, input_shape, seeds) for name, branch in self.branches.items()
        ]
        if self.merge is None:
            return tuple(shapes)
        if any(shape[1:] != shapes[0][1:] for shape in shapes):
            raise ShapeError(
                f"{self.name}: outputs of shapes {shapes} differ in more than the first axis, so cannot be joined"
            )
        self._ends = [sum(shape[0] for shape in shapes[: i + 1]) for i in range(len(shapes))]
        return (self._ends[-1], *shapes[0][1:])

    def forward(self, x: Array, train: bool = False) -> Any:
        self._check_input(x)
        self._cache = True
        outputs = tuple(branch.forward(x, train) for branch in self.branches.values())
        return outputs if self.merge is None else namespace(x).concatenate(outputs, axis=1)

    def backward(self, dy: Any) -> Array:
        pairs = zip(self.branches.values(), self._parts(dy), strict=True)
        gradients = [branch.backward(part) for branch, part in pairs]
        return sum(gradients[1:], start=gradients[0])

    def backward_parameters(self, dy: Any) -> None:
        for branch, part in zip(self.branches.values(), self._parts(dy), strict=True):
            branch.backward_parameters(part)

    def _parts(self, dy: Any) -> list[Any]:
        """Return the gradient of each branch's output."""
        if self.merge is None:
            if not isinstance(dy, tuple | list) or len(dy) != len(self.branches):
                raise ShapeError(
                    f"{self.name}: backward expected one gradient for each of the {len(self.branches)} branches"
                )
            return list(dy)
        self._saved(dy)
        starts = [0, *self._ends[:-1]]
        return [dy[:, start:end] for start, end in zip(starts, self._ends, strict=True)]
