"""The gradient check of a layer, a loss, or a whole model.

The check works on a deep copy in float64, so that the object it is given, with its parameters,
buffers and random generators, is left exactly as it was. Before every forward pass the copy's
buffers and generators are put back: a dropout layer then drops the same units each time, and the
output is a function of the input and the parameters alone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import numpy as np

from minidl.backend import to_cpu
from minidl.errors import ConfigError
from minidl.gradcheck.comparison import Arrays, Comparison, Gradient, pair
from minidl.gradcheck.differences import STEP, Objective, projection, separated
from minidl.gradcheck.frozen import (
    Run,
    as_list,
    like,
    parameters_of,
    randomize_state,
    require_methods,
    twin_of,
)
from minidl.gradcheck.report import GradientReport
from minidl.layers.base import Layer
from minidl.random import Seeds

NOT_REPEATABLE = (
    "not repeatable: forward gives another output for the same input, so it draws random numbers or keeps state "
    "that the check cannot see (keep them in `generator` and `buffers`)"
)


def check_layer(
    layer: Any,
    input_shape: tuple[int, ...],
    *,
    batch: int = 3,
    train: bool = True,
    seed: int = 0,
    h: float = STEP,
    rtol: float = 1e-6,
    atol: float | None = None,
    max_entries: int | None = None,
    x: np.ndarray | None = None,
    randomize: bool = True,
) -> GradientReport:
    """Check the gradient of a layer's input and of every parameter.

    Parameters
    ----------
    layer : Layer or any object with ``forward(x[, train])`` and ``backward(dy)``
        A layer that is not built yet is built (the copy is). The parameters of a foreign object are
        found in its `parameters`, a dict of name to an object with `value` and `grad`.
    input_shape : tuple of int
        Shape of one example, without the batch axis.
    batch : int
        Number of examples.
    train : bool
        The mode of the forward pass.
    seed : int
        Decides the input, the projection, and the parameters.
    h : float
        Step of the central differences; multiplied by the size of entries above 1.
    rtol, atol : float
        An entry is right if ``|a - n| <= atol + rtol * |n|``. By default `atol` is `rtol` times the
        size of gradient that rounding lets a central difference resolve to 1e-6, about 1e-4 of the
        largest output.
    max_entries : int, optional
        Compare only that many entries of each tensor, drawn at random, besides two random
        directions. By default every entry is compared.
    x : array, optional
        An input of your own instead of the generated one, whose values are distinct and off zero.
    randomize : bool
        Move parameters and buffers off their initial values first. A bias or a shift that starts
        at zero would hide what is done with it.

    Returns
    -------
    GradientReport

    Raises
    ------
    ConfigError
        If the object has no usable forward and backward.
    """
    name = getattr(layer, "name", None) or type(layer).__name__
    require_methods(layer, name, "forward", "backward")
    generator = Seeds(seed).generator("gradcheck")
    drawn = separated((batch, *input_shape), generator)
    x = drawn if x is None else np.array(x, dtype=np.float64, order="C")
    twin = twin_of(layer)
    if isinstance(twin, Layer) and twin.input_shape is None:
        twin.build(tuple(x.shape[1:]), Seeds(seed).child("build"), np.float64)
    if randomize:
        randomize_state(twin, x.shape, generator)
    run = Run(twin, train)
    base = run.outputs(x)
    weights = projection(base, generator)
    objective = Objective(lambda: run.outputs(x), weights, base, len(x))
    problems = [] if _equal(objective.evaluate(), base) else [NOT_REPEATABLE]
    gradients = _layer_gradients(run, x, weights, problems)
    tensors = {"dx": x, **{path: parameter.value for path, parameter in parameters_of(twin)}}
    comparison = Comparison(objective, h, rtol, atol, max_entries, generator)
    reports = [report for key, array in tensors.items() for report in comparison.of(key, array, gradients)]
    return GradientReport(name, "train" if train else "eval", reports, problems)


def check_loss(
    loss: Any,
    outputs_shape: tuple[int, ...],
    targets: Any,
    *,
    seed: int = 0,
    h: float = STEP,
    rtol: float = 1e-6,
    atol: float | None = None,
    outputs: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> GradientReport:
    """Check the gradient of a loss with respect to the network's outputs.

    Parameters
    ----------
    loss : object with ``forward(outputs, targets)`` and ``backward()``
    outputs_shape : tuple of int
        Shape of the outputs, batch axis included.
    targets : array
        What the loss compares them with.
    seed, h, rtol, atol
        As for `check_layer`.
    outputs : array, optional
        Outputs of your own, for a loss that takes only some values, such as probabilities.
    weights : array, shape (N,), optional
        Weights of the examples, the third argument of the losses of minidl.

    Returns
    -------
    GradientReport
        Its one tensor is called ``"dx"``.
    """
    name = type(loss).__name__
    require_methods(loss, name, "forward", "backward")
    generator = Seeds(seed).generator("gradcheck")
    x = (
        separated(tuple(outputs_shape), generator)
        if outputs is None
        else np.array(outputs, np.float64, order="C")
    )
    twin = copy.deepcopy(loss)
    goal = copy.deepcopy(targets)
    extra = () if weights is None else (np.array(weights, np.float64),)

    def evaluate() -> list[np.ndarray]:
        return [np.array(twin.forward(x.copy(), goal, *extra), dtype=np.float64)]

    given = x.copy()
    problems: list[str] = []
    base = [np.array(twin.forward(given, goal, *extra), dtype=np.float64)]
    first = np.array(twin.backward())
    second = np.array(twin.backward())
    if not np.array_equal(given, x):
        problems.append("input mutated: the loss changed the outputs it was given")
    if not np.array_equal(goal, targets):
        problems.append("input mutated: the loss changed the targets it was given")
    if base[0].shape != ():
        problems.append(
            f"forward must return one number, the mean over the batch; it has shape {base[0].shape}"
        )
        return GradientReport(name, "loss", [], problems)
    objective = Objective(evaluate, [np.ones(())], base, len(x))
    gradients = pair({"dx": first}, {"dx": second}, repeatable=True)
    comparison = Comparison(objective, h, rtol, atol, None, generator)
    return GradientReport(name, "loss", comparison.of("dx", x, gradients), problems)


def check_model(
    model: Any,
    loss: Any,
    x: np.ndarray,
    targets: Any,
    *,
    regularizers: Iterable[Any] = (),
    train: bool = True,
    max_entries: int | None = 10,
    seed: int = 0,
    h: float = STEP,
    rtol: float = 1e-5,
    atol: float | None = None,
    loss_scale: float = 1.0,
) -> GradientReport:
    """Check the gradient of loss plus penalties for a real model on real data.

    The model keeps the parameters it has. The lecture's advice: use few examples, train for a moment
    first, and check without regularisation before checking with it, because the penalty's gradient
    can hide a wrong one of the data.

    Parameters
    ----------
    model : Layer or foreign object
        Built. A float32 model is checked on a float64 copy.
    loss : object with ``forward(outputs, targets)`` and ``backward()``
    x : array, shape (N, ...)
        A few examples.
    targets : array
    regularizers : iterable of objects with `penalty` and `add_gradient`
    train : bool
        The mode of the forward pass; dropout is frozen.
    max_entries : int or None
        Entries compared in each tensor, drawn at random, besides two random directions, each of
        which tests all entries of a tensor at once. None compares every entry.
    seed, h, atol
        As for `check_layer`.
    rtol : float
        Ten times that of a layer: the rounding errors of a deep model add up.
    loss_scale : float
        The loss, with its penalties, is multiplied by this for the check, and the report's numbers are
        those of the scaled loss. For a loss so small by its definition, such as a mean over very many
        terms, that its gradients are below 1e-9 (FAU, cs231n): beside a loss far below one `atol` lets
        any gradient pass. Scaling does not bring back digits that the loss has lost to rounding.

    Returns
    -------
    GradientReport
    """
    regularizers = list(regularizers)
    if not 0 < loss_scale < np.inf:
        raise ConfigError(f"check_model: loss_scale must be a finite number above 0, got {loss_scale!r}")
    name = getattr(model, "name", None) or type(model).__name__
    require_methods(model, name, "forward", "backward")
    require_methods(loss, type(loss).__name__, "forward", "backward")
    generator = Seeds(seed).generator("gradcheck")
    twin, objective_loss = twin_of(model), copy.deepcopy(loss)
    x = np.array(to_cpu(x), dtype=np.float64, order="C")
    goal = copy.deepcopy(targets)
    run = Run(twin, train)

    def evaluate() -> list[np.ndarray]:
        value = objective_loss.forward(run.raw(x.copy()), goal)
        penalty = sum(regularizer.penalty(parameters_of(twin)) for regularizer in regularizers)
        return [np.array(value + penalty, dtype=np.float64)]

    base = evaluate()
    problems = [] if _equal(evaluate(), base) else [NOT_REPEATABLE]
    passes = []
    for _ in range(2):
        evaluate()
        dx = twin.backward(objective_loss.backward())
        for regularizer in regularizers:
            regularizer.add_gradient(parameters_of(twin))
        passes.append({"dx": None if dx is None else np.array(dx), **run.gradients()})
    passes = [
        {key: None if grad is None else grad * loss_scale for key, grad in found.items()} for found in passes
    ]
    objective = Objective(evaluate, [np.full((), float(loss_scale))], base, len(x))
    tensors = {"dx": x, **{path: parameter.value for path, parameter in parameters_of(twin)}}
    comparison = Comparison(objective, h, rtol, atol, max_entries, generator)
    gradients = pair(passes[0], passes[1], repeatable=not problems)
    reports = [report for key, array in tensors.items() for report in comparison.of(key, array, gradients)]
    return GradientReport(name, "train" if train else "eval", reports, problems)


def _layer_gradients(
    run: Run, x: np.ndarray, weights: list[np.ndarray], problems: list[str]
) -> dict[str, Gradient]:
    """Run forward and backward twice and note every broken rule in `problems`."""
    passes: list[Arrays] = []
    for _ in range(2):
        given = x.copy()
        outputs = run.raw(given)
        kept = [np.array(y) for y in as_list(outputs)]
        dy = like(outputs, [weight.copy() for weight in weights])
        dx = run.layer.backward(dy)
        passes.append({"dx": None if dx is None else np.array(dx), **run.gradients()})
    if not np.array_equal(given, x):
        problems.append("input mutated: the array x given to forward was changed")
    if not _equal(as_list(dy), weights):
        problems.append("input mutated: the array dy given to backward was changed")
    if not _equal(as_list(outputs), kept):
        problems.append("output mutated: backward changed the array that forward had returned")
    for name, array in {"the output": as_list(outputs)[0], **passes[0]}.items():
        if array is not None and array.dtype != np.float64:
            problems.append(
                f"wrong dtype: {name} is {array.dtype} for a float64 input; nothing may be converted"
            )
    return pair(passes[0], passes[1], repeatable=NOT_REPEATABLE not in problems)


def _equal(left: list[Any], right: list[Any]) -> bool:
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(left, right, strict=True))
