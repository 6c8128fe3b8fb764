"""What can be recorded into a graph, and what cannot: reasons, as the end of a sentence."""

from __future__ import annotations

from typing import Any

from minidl import layers as kinds
from minidl.backend import launcher
from minidl.errors import ConfigError
from minidl.kernels.gpu import optimizers as fused_optimizers
from minidl.losses import SoftmaxCrossEntropy
from minidl.regularizers import L1, L2
from minidl.training.callbacks import Callback, NaNGuard, Progress
from minidl.training.evaluate import model_device
from minidl.training.resident_batches import why_not_resident

# Layers whose step asks nothing of the host, and has no number in it that the host changes from step to step.
RECORDABLE = (
    kinds.Sequential, kinds.Residual, kinds.Dense, kinds.Conv2D, kinds.MaxPool2D, kinds.AvgPool2D, kinds.L2Pool2D,
    kinds.GlobalAvgPool2D, kinds.BatchNorm, kinds.Dropout, kinds.Flatten, kinds.Reshape, kinds.Identity,
    kinds.Sigmoid, kinds.Tanh, kinds.ReLU, kinds.LeakyReLU, kinds.ELU, kinds.Softmax,
)  # fmt: skip
_HOOKS = ("on_loss", "on_gradients", "on_batch_end")


def check_option(graph: Any) -> None:
    """Raise a `ConfigError` unless `graph` is "auto", "off" or a number of steps."""
    if graph in ("auto", "off") or (isinstance(graph, int) and not isinstance(graph, bool) and graph >= 1):
        return
    raise ConfigError(
        f"Trainer: graph must be 'auto', 'off' or the steps of a graph, at least 1, got {graph!r}"
    )


def why_not(trainer: Any, train: Any) -> str | None:
    """Return why a trainer's steps cannot be recorded; None if they can."""
    parameters = list(trainer.model.named_parameters())
    if model_device(trainer.model) == "cpu":
        return "the model is on the CPU, and graphs are of a GPU"
    if launcher(parameters[0][1].value) is None:
        return "fused kernels are off, and only they leave the host out of a step"
    reasons = (
        _layers(trainer.model),
        _optimizer(trainer.optimizer, parameters),
        _loss(trainer.loss),
        _regularizers(trainer.regularizers),
        looks_into_steps(trainer.callbacks),
        _momentum(trainer.schedule, trainer.optimizer),
        why_not_resident(train, parameters[0][1].value.dtype),
    )
    return next((reason for reason in reasons if reason is not None), None)


def _layers(model: Any) -> str | None:
    for _, layer in model.named_layers():
        if type(layer) not in RECORDABLE:
            name = getattr(layer, "name", type(layer).__name__)
            return f"{name} is of a kind that is not known to leave the host out"
    return None


def _optimizer(optimizer: Any, parameters: list) -> str | None:
    name = type(optimizer).__name__
    if not fused_optimizers.applies(optimizer, parameters):
        return f"there is no kernel for {name}"
    if getattr(optimizer, "form", None) in ("lookahead", "slide"):
        return f"{name} with form={optimizer.form!r} moves the weights from the host before each step"
    return None


def _loss(loss: Any) -> str | None:
    if type(loss) is not SoftmaxCrossEntropy:
        return f"the loss is {type(loss).__name__}, not SoftmaxCrossEntropy"
    if loss.weight_mean != "batch" and loss.class_weights is not None:
        return "the loss divides by the weights of each batch"
    return None


def _regularizers(regularizers: Any) -> str | None:
    for regularizer in regularizers:
        if type(regularizer) not in (L1, L2):
            return f"{type(regularizer).__name__} is not L1 or L2"
    return None


def looks_into_steps(callbacks: Any) -> str | None:
    """Return which callback wants to be called in every step; None if all wait for the epoch's end."""
    for callback in callbacks:
        if type(callback) in (NaNGuard, Progress):
            continue  # they look once per epoch, and once per launch
        for hook in _HOOKS:
            if getattr(type(callback), hook) is not getattr(Callback, hook):
                return f"{type(callback).__name__} looks into every step"
    return None


def _momentum(schedule: Any, optimizer: Any) -> str | None:
    momentum = getattr(schedule, "momentum", None)
    if momentum is None or not hasattr(optimizer, "momentum"):
        return None
    if len({momentum(step / 97) for step in range(97)}) > 1:
        return "the schedule changes the momentum from step to step"
    return None
