"""The PyTorch module that takes the weights of a model, as source text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from minidl.errors import ConfigError, StateError
from minidl.layers import (
    ELU,
    AvgPool2D,
    BatchNorm,
    Branches,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    Identity,
    L2Pool2D,
    LeakyReLU,
    MaxPool2D,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from minidl.layers.foreign import Foreign
from minidl.training.evaluate import model_dtype
from minidl.training.torch_classes import CLASSES, NEEDED_BY


def torch_source(model: Any, weights: str | None = None) -> str:
    """Return Python source that builds `model` in PyTorch.

    The module takes the weights that `minidl.training.export_weights` writes by ``load_state_dict``, and
    in evaluation computes the same within rounding. In training it differs in two ways: PyTorch draws
    other dropout masks, and moves the running averages of a batch normalisation by ``1 - momentum`` from
    the first batch on, where minidl starts with the plain mean of the batches.

    Parameters
    ----------
    model : Layer
        Built.
    weights : str, optional
        Name of the file with the weights; the source then loads it.

    Returns
    -------
    str
        A module that defines ``model``.

    Raises
    ------
    StateError
        If the model has not been built.
    ConfigError
        If it holds a layer that is not minidl's own.

    Examples
    --------
    >>> model = Sequential([Dense(2), ReLU()])
    >>> model.build((3,))
    (2,)
    >>> print(torch_source(model))
    import torch
    from torch import nn
    <BLANKLINE>
    model = nn.Sequential(
        nn.Linear(3, 2),
        nn.ReLU(),
    )
    """
    if getattr(model, "output_shape", None) is None:
        raise StateError("torch_source: shapes are not known yet; call build(input_shape) first")
    writer = _Writer()
    expression = writer.write(model, "")
    wide = model_dtype(model) == "float64"
    parts = ["import torch\nfrom torch import nn\n", *(f"\n{CLASSES[name]}" for name in writer.classes)]
    parts.append(("\n" if writer.classes else "") + f"model = {expression}{'.double()' if wide else ''}\n")
    if weights is not None:
        parts[0] = "import torch\nfrom safetensors.torch import load_file\nfrom torch import nn\n"
        parts.append(f"model.load_state_dict(load_file({json.dumps(weights)}))\nmodel.eval()\n")
    return "\n".join(parts).rstrip("\n")


class _Writer:
    """Collects the helper classes that the expressions use, in order of first use."""

    def __init__(self) -> None:
        self.classes: list[str] = []

    def write(self, layer: Any, indent: str) -> str:
        write = _WRITERS.get(type(layer))
        if write is None:
            own = layer.layer if isinstance(layer, Foreign) else layer
            raise ConfigError(
                f"torch_source: {layer.name}: {type(own).__name__} is a layer of your own, so its equivalent in "
                "PyTorch is not known; write that module yourself (export_weights works all the same)"
            )
        return write(self, layer, indent)

    def needs(self, name: str) -> str:
        for other in NEEDED_BY.get(name, ()):
            self.needs(other)
        if name not in self.classes:
            self.classes.append(name)
        return name

    def block(self, opening: str, lines: Iterable[str], indent: str, closing: str) -> str:
        body = "".join(f"{indent}    {line},\n" for line in lines)
        return f"{opening}\n{body}{indent}{closing}"

    # One method for each kind of layer ---------------------------------------------------------

    def sequential(self, layer: Sequential, indent: str) -> str:
        inside = [self.write(child, indent + "    ") for child in layer.layers]
        return self.block("nn.Sequential(", inside, indent, ")") if inside else "nn.Sequential()"

    def residual(self, layer: Residual, indent: str) -> str:
        inside = [self.write(child, indent + "    ") for _, child in layer.children()]
        return self.block(f"{self.needs('Residual')}(", inside, indent, ")")

    def branches(self, layer: Branches, indent: str) -> str:
        inside = [
            f"{json.dumps(name)}: {self.write(child, indent + '    ')}" for name, child in layer.children()
        ]
        kind = self.needs("Branches" if layer.merge is None else "JoinedBranches")
        return self.block(f"{kind}({{", inside, indent, "})")

    def dense(self, layer: Dense, indent: str) -> str:
        bias = "" if layer.bias else ", bias=False"
        return f"nn.Linear({layer.input_shape[0]}, {layer.units}{bias})"

    def conv(self, layer: Conv2D, indent: str) -> str:
        options = [str(layer.input_shape[0]), str(layer.filters), f"kernel_size={layer.kernel}"]
        if layer.stride != (1, 1):
            options.append(f"stride={layer.stride}")
        kind = "nn.Conv2d"
        if (even := _even(layer.pixels)) is None:
            kind = self.needs("PaddedConv2d")
            options.append(f"sides={_sides(layer.pixels)}")
        elif even != (0, 0):
            options.append(f"padding={even}")
        if not layer.bias:
            options.append("bias=False")
        return f"{kind}({', '.join(options)})"

    def max_pool(self, layer: MaxPool2D, indent: str) -> str:
        even = _poolable(layer)
        if even is not None:
            return f"nn.MaxPool2d({_window(layer)}{_padding(even)})"
        pad = f'nn.ConstantPad2d({_sides(layer.pixels)}, float("-inf"))'
        return f"nn.Sequential({pad}, nn.MaxPool2d({_window(layer)}))"

    def avg_pool(self, layer: AvgPool2D, indent: str) -> str:
        return self.mean(layer, layer.count_padding)

    def mean(self, layer: Any, count_padding: bool) -> str:
        even = _poolable(layer)
        if even is not None:
            counted = "" if count_padding or even == (0, 0) else ", count_include_pad=False"
            return f"nn.AvgPool2d({_window(layer)}{_padding(even)}{counted})"
        if count_padding:
            return f"nn.Sequential(nn.ZeroPad2d({_sides(layer.pixels)}), nn.AvgPool2d({_window(layer)}))"
        return f"{self.needs('PaddedAvgPool2d')}({_window(layer)}, sides={_sides(layer.pixels)})"

    def l2_pool(self, layer: L2Pool2D, indent: str) -> str:
        if layer.mode == "mean":
            return f"{self.needs('RootMeanSquare')}({self.mean(layer, False)})"
        pad = [] if _even(layer.pixels) == (0, 0) else [f"nn.ZeroPad2d({_sides(layer.pixels)})"]
        pool = f"nn.LPPool2d(2, {_window(layer)})"
        return f"nn.Sequential({pad[0]}, {pool})" if pad else pool

    def batch_norm(self, layer: BatchNorm, indent: str) -> str:
        kind = "nn.BatchNorm2d" if len(layer.input_shape) == 3 else "nn.BatchNorm1d"
        # PyTorch's momentum is the weight of the new batch, ours that of the old average.
        return (
            f"{kind}({layer.input_shape[0]}, eps={layer.eps!r}, momentum={round(1 - layer.momentum, 12)!r})"
        )

    def dropout(self, layer: Dropout, indent: str) -> str:
        if layer.scaling == "train":
            return f"nn.Dropout({layer.p!r})"
        return f"{self.needs('TestScaledDropout')}({1 - layer._keep!r})"

    def reshape(self, layer: Reshape, indent: str) -> str:
        unflatten = f"nn.Unflatten(1, {layer.output_shape})"
        return unflatten if len(layer.input_shape) == 1 else f"nn.Sequential(nn.Flatten(), {unflatten})"

    def global_avg_pool(self, layer: GlobalAvgPool2D, indent: str) -> str:
        return "nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())"


def _plain(text: str) -> Callable[[_Writer, Any, str], str]:
    return lambda writer, layer, indent: text.format(layer=layer)


_WRITERS: dict[type, Callable[[_Writer, Any, str], str]] = {
    Sequential: _Writer.sequential,
    Residual: _Writer.residual,
    Branches: _Writer.branches,
    Dense: _Writer.dense,
    Conv2D: _Writer.conv,
    MaxPool2D: _Writer.max_pool,
    AvgPool2D: _Writer.avg_pool,
    L2Pool2D: _Writer.l2_pool,
    GlobalAvgPool2D: _Writer.global_avg_pool,
    BatchNorm: _Writer.batch_norm,
    Dropout: _Writer.dropout,
    Reshape: _Writer.reshape,
    Flatten: _plain("nn.Flatten()"),
    Identity: _plain("nn.Identity()"),
    Sigmoid: _plain("nn.Sigmoid()"),
    Tanh: _plain("nn.Tanh()"),
    ReLU: _plain("nn.ReLU()"),
    LeakyReLU: _plain("nn.LeakyReLU({layer.slope!r})"),
    ELU: _plain("nn.ELU({layer.alpha!r})"),
    Softmax: _plain("nn.Softmax(dim=1)"),
}


def _even(pixels: Any) -> tuple[int, int] | None:
    """Return (vertical, horizontal) padding if opposite sides have the same, else None."""
    (top, bottom), (left, right) = pixels
    return (top, left) if top == bottom and left == right else None


def _poolable(layer: Any) -> tuple[int, int] | None:
    """Return the padding if PyTorch's pooling takes it: even, and at most half the window."""
    even = _even(layer.pixels)
    if even is None or any(2 * side > size for side, size in zip(even, layer.kernel, strict=True)):
        return None
    return even


def _padding(even: tuple[int, int]) -> str:
    return "" if even == (0, 0) else f", padding={even}"


def _sides(pixels: Any) -> tuple[int, int, int, int]:
    """Return (left, right, top, bottom), the order of torch.nn.functional.pad."""
    (top, bottom), (left, right) = pixels
    return left, right, top, bottom


def _window(layer: Any) -> str:
    return f"{layer.kernel}" if layer.stride == layer.kernel else f"{layer.kernel}, stride={layer.stride}"
