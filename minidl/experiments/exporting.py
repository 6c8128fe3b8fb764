"""Hand a trained network over to PyTorch: its weights as a file, its layers as source text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from minidl.errors import CheckpointError, ConfigError
from minidl.experiments.ladder import INPUT_SHAPE, build_model
from minidl.experiments.parts import make_model
from minidl.experiments.scoring import recipe_of, weights_file
from minidl.experiments.training_run import read_config, read_run
from minidl.layers import Layer
from minidl.training.checkpoint import load_weights
from minidl.training.exchange import export_weights
from minidl.training.torch_source import torch_source


def trained_model(folder: Path, weights: str | None = None) -> tuple[Layer, Path]:
    """Return the network of a run with its weights, and the file they are from. No data set is needed.

    Parameters
    ----------
    folder : Path
        Of a run of ``minidl train``, or of one network of a progression.
    weights : {"best", "last"}, optional
        By default the best, or the last where none were kept.

    Raises
    ------
    CheckpointError
        If there is no such run, or it is damaged.
    """
    record = read_run(folder)
    asked = record.get("config")
    if isinstance(asked, dict) and asked.get("command") == "train":
        model = make_model(read_config(folder))
    elif isinstance(asked, dict) and "rung" in asked:
        model = build_model(str(asked["rung"]), recipe_of(asked, folder))
    else:
        raise CheckpointError(
            f"{folder}: this run was started neither by minidl train nor by minidl progression, so its model is "
            "not known; use minidl.training.export_weights and torch_source"
        )
    path = weights_file(folder, weights)
    model.build(INPUT_SHAPE, dtype=record.get("dtype", "float32"))
    load_weights(model, path)
    return model, path


@dataclass(frozen=True)
class Export:
    """What was handed over.

    Attributes
    ----------
    weights : Path
        The checkpoint that the weights are from.
    source : str
        The PyTorch module.
    """

    weights: Path
    source: str


def export_run(folder: Path, file: Path, weights: str | None = None) -> Export:
    """Write the weights of a run for PyTorch.

    Parameters
    ----------
    folder : Path
        As for `trained_model`.
    file : Path
        A new ``.safetensors`` file.
    weights : {"best", "last"}, optional
        By default the best, or the last where none were kept.

    Raises
    ------
    ConfigError
        If the file exists already or is not named ``….safetensors``, or a layer has no equivalent.
    MinidlError
        If there is no such run, or it is damaged. Nothing is written then.
    """
    if file.suffix != ".safetensors":
        raise ConfigError(f"{file}: the weights go to a safetensors file; name it {file.stem}.safetensors")
    if file.exists():
        raise ConfigError(f"{file}: this file exists already; choose another name")
    model, checkpoint = trained_model(folder, weights)
    source = torch_source(model, file.name)
    export_weights(model, file)
    return Export(checkpoint, source)
