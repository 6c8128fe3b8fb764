"""The table that ``model.summary()`` prints."""

from __future__ import annotations

from minidl.errors import StateError
from minidl.layers.base import Layer


def summarise(model: Layer) -> str:
    """Return one line for each layer: path, kind, output shape, parameters, FLOPs for one example.

    A multiplication and an addition count as two operations; elementwise functions count as none.

    Raises
    ------
    StateError
        If the model has not been built.
    """
    if model.output_shape is None:
        raise StateError("summary: shapes are not known yet; call build(input_shape) first")
    rows = [("layer", "kind", "output", "parameters", "FLOPs")]
    for path, layer in model.named_layers():
        if layer.children():
            continue
        own = sum(int(parameter.value.size) for parameter in layer.parameters.values())
        kind = type(getattr(layer, "layer", layer)).__name__
        rows.append((path or "-", kind, _shape(layer.output_shape), f"{own:,}", f"{layer.flops():,}"))
    total = ("total", "", _shape(model.output_shape), f"{model.parameter_count():,}", f"{model.flops():,}")
    widths = [max(len(row[column]) for row in [*rows, total]) for column in range(5)]
    rule = "-" * (sum(widths) + 8)
    lines = [
        _line(rows[0], widths),
        rule,
        *(_line(row, widths) for row in rows[1:]),
        rule,
        _line(total, widths),
    ]
    return "\n".join([f"input {_shape(model.input_shape)}", *lines])


def _shape(shape: object) -> str:
    return "(" + ", ".join(map(str, shape)) + ")" if isinstance(shape, tuple) else str(shape)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    left = [text.ljust(width) for text, width in zip(row[:3], widths[:3], strict=True)]
    right = [text.rjust(width) for text, width in zip(row[3:], widths[3:], strict=True)]
    return "  ".join([*left, *right]).rstrip()
