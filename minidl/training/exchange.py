"""Weights to and from PyTorch, as safetensors files.

The i-th layer of a `Sequential` becomes entry i of a ``torch.nn.Sequential``, with PyTorch's names
and shapes. What differs:

==================  =======================  ============================
layer               minidl                   PyTorch
==================  =======================  ============================
Dense / Linear      weight (in, out)         weight (out, in)
BatchNorm           gamma, beta              weight, bias
BatchNorm           batches                  num_batches_tracked
==================  =======================  ============================

Convolution kernels, (out, in, kh, kw) and cross-correlated in both, go as they are. In PyTorch::

    model.load_state_dict(safetensors.torch.load_file(path))
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from minidl.backend import Array, to_cpu
from minidl.errors import CheckpointError
from minidl.files import atomic_write
from minidl.layers import BatchNorm, Dense
from minidl.training.checkpoint import read_safetensors, safetensors_numpy

_BATCHNORM = {"gamma": "weight", "beta": "bias", "batches": "num_batches_tracked"}


def export_weights(model: Any, path: str | Path) -> None:
    """Write the weights and buffers of a model for PyTorch.

    Parameters
    ----------
    model : Layer
    path : str or Path
    """
    tensors = {name: np.asarray(_turned(x, turn), order="C") for name, x, turn in _entries(model)}
    data = safetensors_numpy().save(tensors, metadata={"format": "pt"})
    with atomic_write(path, "wb") as stream:
        stream.write(data)


def import_weights(model: Any, path: str | Path) -> None:
    """Read weights that PyTorch or `export_weights` wrote, converting them to the model's dtype.

    Parameters
    ----------
    model : Layer
        Built, with the same layers.
    path : str or Path

    Raises
    ------
    CheckpointError
        If the file is damaged, or lists every array that is missing, unexpected or of another
        shape; the model is unchanged then. A missing ``num_batches_tracked`` is left as it is.
    """
    tensors, _ = read_safetensors(path)
    own = {name: (x, turn) for name, x, turn in _entries(model)}
    problems = [
        f"missing {name}" for name in own if name not in tensors and not name.endswith("num_batches_tracked")
    ]
    problems += [f"unexpected {name}" for name in tensors if name not in own]
    problems += [
        f"{name} has shape {tensors[name].shape} where the model has {_turned(x, turn).shape}"
        for name, (x, turn) in own.items()
        if name in tensors and tensors[name].shape != _turned(x, turn).shape
    ]
    if problems:
        raise CheckpointError(f"{path}: these weights do not fit the model: {'; '.join(problems)}")
    state = dict(model.state_dict())
    for (name, (_, turn)), path_here in zip(own.items(), _paths(model), strict=True):
        if name in tensors:
            state[path_here] = _turned(tensors[name], turn)
    model.load_state_dict(state)


def _entries(model: Any) -> list[tuple[str, Array, bool]]:
    """Return (PyTorch's name, our array, whether it is to be transposed) of every array."""
    entries = []
    for path, layer in model.named_layers():
        names = _BATCHNORM if isinstance(layer, BatchNorm) else {}
        for name, x in _arrays(layer).items():
            torch_name = names.get(name, name)
            entries.append((_join(path, torch_name), x, isinstance(layer, Dense) and name == "weight"))
    return entries


def _paths(model: Any) -> list[str]:
    """Return our dotted names, in the order of `_entries`."""
    return [_join(path, name) for path, layer in model.named_layers() for name in _arrays(layer)]


def _arrays(layer: Any) -> dict[str, Array]:
    parameters = getattr(layer, "parameters", None) or {}
    values = {name: parameter.value for name, parameter in parameters.items()}
    return {**values, **(getattr(layer, "buffers", None) or {})}


def _turned(x: Array, turn: bool) -> np.ndarray:
    host = to_cpu(x)
    return host.T if turn else host


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
