"""Checkpoints: everything a run needs to go on as if it had never stopped, in one file.

A checkpoint is a safetensors file. Its tensors are named ``model/<path>``, ``optimizer/<name>`` and
``callbacks/<callback>/<name>``; everything that is not an array (the epoch, the history, the states
of the random generators, the optimizer's counters) is one JSON text in the file's metadata. Weights
and state travel in one file that replaces the last one atomically, so they cannot disagree after a
crash. Nothing is pickled: reading a checkpoint runs no code from it.

Format: https://huggingface.co/docs/safetensors (eight bytes of header length, a JSON header, raw
little-endian arrays).
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from minidl.backend import Array, to_cpu, to_device
from minidl.errors import CheckpointError, ConfigError
from minidl.files import atomic_write
from minidl.freezing import learning, restore_learning
from minidl.training.evaluate import model_device

FORMAT = 1
FILE_KEY = "minidl"  # our entry in the metadata; files of other programs do not have it


def write_checkpoint(path: str | Path, tensors: dict[str, Array], state: dict[str, Any]) -> None:
    """Write arrays and a JSON state to one file, atomically.

    Parameters
    ----------
    path : str or Path
    tensors : dict of str to array
        Arrays of any device and memory order.
    state : dict
        Anything JSON can hold. Floats read back as the same bits.
    """
    numpy_io = safetensors_numpy()
    # Not np.ascontiguousarray: it turns 0-d arrays into 1-d ones.
    host = {name: np.asarray(to_cpu(x), order="C") for name, x in tensors.items()}
    header = json.dumps({"format": FORMAT, "crc32": _checksum(host), "state": state})
    data = numpy_io.save(host, metadata={FILE_KEY: header})
    with atomic_write(path, "wb") as stream:
        stream.write(data)


def read_checkpoint(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `write_checkpoint` wrote.

    Returns
    -------
    tensors : dict of str to numpy.ndarray
    state : dict

    Raises
    ------
    CheckpointError
        If the file is missing, truncated or damaged, of another program, or of another format.
    """
    path = Path(path)
    tensors, metadata = read_safetensors(path)
    if FILE_KEY not in metadata:
        raise CheckpointError(
            f"{path}: this safetensors file is not a minidl checkpoint; "
            "plain weights are read with minidl.training.import_weights"
        )
    try:
        header = json.loads(metadata[FILE_KEY])
        version, checksum, state = header["format"], header["crc32"], header["state"]
    except (ValueError, KeyError, TypeError):
        raise CheckpointError(f"{path}: the checkpoint's state is damaged; use another") from None
    if version != FORMAT:
        raise CheckpointError(
            f"{path}: the checkpoint has format {version}, this version of minidl reads format {FORMAT}"
        )
    if checksum != _checksum(tensors):
        raise CheckpointError(f"{path}: the checkpoint's arrays are damaged (wrong checksum); use another")
    return tensors, state


def read_safetensors(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read any safetensors file: its arrays by name, and its metadata.

    Raises
    ------
    CheckpointError
        If the file is missing or not a complete safetensors file of NumPy's types.
    """
    safetensors_numpy()
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: there is no such checkpoint")
    try:
        with safe_open(str(path), framework="numpy") as stream:
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}
            return tensors, dict(stream.metadata() or {})
    except (SafetensorError, TypeError, AttributeError, ValueError) as error:
        # The last three: types NumPy does not have, such as bfloat16.
        raise CheckpointError(f"{path}: this is not a complete safetensors file ({error})") from None


def load_weights(model: Any, path: str | Path) -> dict[str, Any]:
    """Load the weights and buffers of a checkpoint (``best.safetensors``, ``last.safetensors``).

    Parameters
    ----------
    model : Layer
        Built with the shapes of the model that was saved.
    path : str or Path

    Returns
    -------
    dict
        The checkpoint's state, of which ``"epoch"`` says when it was taken.

    Raises
    ------
    CheckpointError
        If the file is damaged or its arrays do not fit; the model is unchanged then.
    """
    tensors, state = read_checkpoint(path)
    try:
        model.load_state_dict(_below(tensors, "model/"))
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    return state


# The state of a run ------------------------------------------------------------------------------


def capture(model: Any, optimizer: Any, callbacks: dict[str, Any]) -> tuple[dict[str, Array], dict[str, Any]]:
    """Copy everything that changes while training.

    Parameters
    ----------
    model : Layer
    optimizer : optimizer
    callbacks : dict of str to object
        Objects with `state_dict` and `load_state_dict` by name.

    Returns
    -------
    tensors : dict of str to array
        Copies, which later steps do not change.
    state : dict
        The rest, ready for JSON.
    """
    tensors = {f"model/{name}": x.copy() for name, x in model.state_dict().items()}
    scalars: dict[str, dict[str, Any]] = {}
    for group, owner in _stateful(optimizer, callbacks).items():
        arrays, scalars[group] = _split(owner.state_dict())
        tensors.update({f"{group}/{name}": x.copy() for name, x in arrays.items()})
    states = {name: generator.bit_generator.state for name, generator in model.named_generators()}
    # The states of some generators (MT19937, Philox) hold arrays, which become lists.
    generators = json.loads(json.dumps(states, default=np.ndarray.tolist))
    return tensors, {"scalars": scalars, "generators": generators, **learning(model)}


def restore(
    model: Any,
    optimizer: Any,
    callbacks: dict[str, Any],
    tensors: dict[str, np.ndarray],
    state: dict[str, Any],
) -> None:
    """Put everything back that `capture` had copied.

    Raises
    ------
    CheckpointError
        If the checkpoint is of another model, optimizer or set of callbacks.
    """
    owners = _stateful(optimizer, callbacks)
    generators = dict(model.named_generators())
    if set(state["scalars"]) != set(owners) or set(state["generators"]) != set(generators):
        raise CheckpointError(
            f"the checkpoint holds the state of {_names(state['scalars'], state['generators'])}, "
            f"this run has {_names(owners, generators)}"
        )
    for name, generator in generators.items():
        saved, own = (
            each["bit_generator"] for each in (state["generators"][name], generator.bit_generator.state)
        )
        if saved != own:
            raise CheckpointError(
                f"the checkpoint's random numbers of layer {name} are of the generator {saved}, this version of "
                f"minidl draws them from {own}; train anew, or take the weights alone (load_weights)"
            )
    model.load_state_dict(_below(tensors, "model/"))
    restore_learning(model, state)
    device = model_device(model)
    for group, owner in owners.items():
        arrays = {name: to_device(x, device) for name, x in _below(tensors, f"{group}/").items()}
        owner.load_state_dict({**arrays, **state["scalars"][group]})
    for name, generator in generators.items():
        generator.bit_generator.state = state["generators"][name]


def _stateful(optimizer: Any, callbacks: dict[str, Any]) -> dict[str, Any]:
    return {"optimizer": optimizer, **{f"callbacks/{name}": callback for name, callback in callbacks.items()}}


def _split(state: dict[str, Any]) -> tuple[dict[str, Array], dict[str, Any]]:
    """Separate arrays from what JSON can hold."""
    arrays, scalars = {}, {}
    for name, value in state.items():
        if value is None or isinstance(value, bool | int | float | str):
            scalars[name] = value
        elif isinstance(value, np.generic):
            scalars[name] = value.item()
        else:
            arrays[name] = value
    return arrays, scalars


def _below(tensors: dict[str, Array], prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}


def _names(groups: Any, generators: Any) -> str:
    random = [f"the generator of layer {name}" for name in sorted(generators)]
    return ", ".join([*sorted(groups), *random])


def _checksum(tensors: dict[str, np.ndarray]) -> int:
    # safetensors checks the header and the sizes, not the numbers.
    crc = 0
    for name in sorted(tensors):
        crc = zlib.crc32(tensors[name].tobytes(), zlib.crc32(name.encode(), crc))
    return crc


def safetensors_numpy() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise ConfigError(
            "checkpoints need the package safetensors, which is not installed; install it with "
            "pip install safetensors, or train without run_dir"
        ) from None
    return safetensors.numpy
