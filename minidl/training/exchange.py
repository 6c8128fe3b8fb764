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

Convolution kernels, (out, in, kh, kw) and cross-correlated in both, go as they are. Layers inside a
`Sequential`, `Residual` (body, shortcut) or `Branches` keep their dotted names. In PyTorch::

    model.load_state_dict(safetensors.torch.load_file(path))

`minidl.training.torch_source` writes the source of such a model. A batch normalisation has the same `eps`
(inside the root) and the same unbiased running variance in both, but PyTorch's momentum is the weight of
the new batch: 0.1 there is 0.9 here. In training, minidl's running averages start as the plain mean of the
batches seen, PyTorch's as 0 and 1; from batch ``1 / (1 - momentum)`` on both follow the same rule.
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
    arrays = model.state_dict()
    tensors = {
        name: np.asarray(_turned(arrays[ours], turn), order="C") for ours, name, turn in torch_entries(model)
    }
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
    arrays = model.state_dict()
    own = {name: (arrays[ours], turn, ours) for ours, name, turn in torch_entries(model)}
    problems = [
        f"missing {name}" for name in own if name not in tensors and not name.endswith("num_batches_tracked")
    ]
    problems += [f"unexpected {name}" for name in tensors if name not in own]
    problems += [
        f"{name} has shape {tensors[name].shape} where the model has {_turned(x, turn).shape}"
        for name, (x, turn, _) in own.items()
        if name in tensors and tensors[name].shape != _turned(x, turn).shape
    ]
    if problems:
        raise CheckpointError(f"{path}: these weights do not fit the model: {'; '.join(problems)}")
    state = dict(model.state_dict())
    for name, (_, turn, ours) in own.items():
        if name in tensors:
            state[ours] = _turned(tensors[name], turn)
    model.load_state_dict(state)


def torch_entries(model: Any) -> list[tuple[str, str, bool]]:
    """Return (our name, PyTorch's name, whether its axes are swapped there) of every array of a model."""
    entries = []
    for path, layer in model.named_layers():
        renamed = _BATCHNORM if isinstance(layer, BatchNorm) else {}
        for name in [*(getattr(layer, "parameters", None) or {}), *(getattr(layer, "buffers", None) or {})]:
            turned = isinstance(layer, Dense) and name == "weight"
            entries.append((_join(path, name), _join(path, renamed.get(name, name)), turned))
    return entries


def _turned(x: Array, turn: bool) -> np.ndarray:
    host = to_cpu(x)
    return host.T if turn else host


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
