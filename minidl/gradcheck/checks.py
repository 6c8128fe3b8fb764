"""The gradient check of a layer, a loss, or a whole model.

The check works on a deep copy in float64, so that the object it is given, with its parameters,
buffers and random generators, is left exactly as it was. Before every forward pass the copy's
buffers and generators are put back: a dropout layer then drops the same units each time, and the
output is a function of the input and the parameters alone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from minidl.backend import to_cpu
from minidl.errors import ConfigError
from minidl.gradcheck.differences import STEP, Objective, projection, separated, slope
from minidl.gradcheck.report import GradientReport, TensorReport, diagnose
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
    _require(layer, name, "forward", "backward")
    generator = Seeds(seed).generator("gradcheck")
    drawn = separated((batch, *input_shape), generator)
    x = drawn if x is None else np.array(x, dtype=np.float64, order="C")
    twin = _twin(layer)
    if isinstance(twin, Layer) and twin.input_shape is None:
        twin.build(tuple(x.shape[1:]), Seeds(seed).child("build"), np.float64)
    if randomize:
        _randomize(twin, x.shape, generator)
    run = _Run(twin, train)
    base = run.outputs(x)
    weights = projection(base, generator)
    objective = Objective(lambda: run.outputs(x), weights, base, len(x))
    problems = [] if _equal(objective.evaluate(), base) else [NOT_REPEATABLE]
    gradients = _layer_gradients(run, x, weights, problems)
    tensors = {"dx": x, **{path: parameter.value for path, parameter in _parameters(twin)}}
    comparison = _Comparison(objective, h, rtol, atol, max_entries, generator)
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

    Returns
    -------
    GradientReport
        Its one tensor is called ``"dx"``.
    """
    name = type(loss).__name__
    _require(loss, name, "forward", "backward")
    generator = Seeds(seed).generator("gradcheck")
    x = (
        separated(tuple(outputs_shape), generator)
        if outputs is None
        else np.array(outputs, np.float64, order="C")
    )
    twin = copy.deepcopy(loss)
    goal = copy.deepcopy(targets)

    def evaluate() -> list[np.ndarray]:
        return [np.array(twin.forward(x.copy(), goal), dtype=np.float64)]

    given = x.copy()
    problems: list[str] = []
    base = [np.array(twin.forward(given, goal), dtype=np.float64)]
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
    gradients = _pair({"dx": first}, {"dx": second}, repeatable=True)
    comparison = _Comparison(objective, h, rtol, atol, None, generator)
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

    Returns
    -------
    GradientReport
    """
    regularizers = list(regularizers)
    name = getattr(model, "name", None) or type(model).__name__
    _require(model, name, "forward", "backward")
    _require(loss, type(loss).__name__, "forward", "backward")
    generator = Seeds(seed).generator("gradcheck")
    twin, objective_loss = _twin(model), copy.deepcopy(loss)
    x = np.array(to_cpu(x), dtype=np.float64, order="C")
    goal = copy.deepcopy(targets)
    run = _Run(twin, train)

    def evaluate() -> list[np.ndarray]:
        value = objective_loss.forward(run.raw(x.copy()), goal)
        penalty = sum(regularizer.penalty(_parameters(twin)) for regularizer in regularizers)
        return [np.array(value + penalty, dtype=np.float64)]

    base = evaluate()
    problems = [] if _equal(evaluate(), base) else [NOT_REPEATABLE]
    passes = []
    for _ in range(2):
        evaluate()
        dx = twin.backward(objective_loss.backward())
        for regularizer in regularizers:
            regularizer.add_gradient(_parameters(twin))
        passes.append({"dx": None if dx is None else np.array(dx), **run.gradients()})
    objective = Objective(evaluate, [np.ones(())], base, len(x))
    tensors = {"dx": x, **{path: parameter.value for path, parameter in _parameters(twin)}}
    comparison = _Comparison(objective, h, rtol, atol, max_entries, generator)
    gradients = _pair(passes[0], passes[1], repeatable=not problems)
    reports = [report for key, array in tensors.items() for report in comparison.of(key, array, gradients)]
    return GradientReport(name, "train" if train else "eval", reports, problems)


class _Gradient:
    """What backward said: the array, and whether a second pass added to it."""

    def __init__(self, value: np.ndarray | None, accumulated: bool) -> None:
        self.value = value
        self.accumulated = accumulated


class _Run:
    """Runs a layer's forward pass from the same buffers and generator states every time."""

    def __init__(self, layer: Any, train: bool) -> None:
        self.layer = layer
        self.train = train
        self.buffers = [
            (owner, name, np.array(buffer))
            for owner in _layers(layer)
            for name, buffer in (getattr(owner, "buffers", None) or {}).items()
        ]
        generators = (getattr(owner, "generator", None) for owner in _layers(layer))
        self.generators = [
            (g, g.bit_generator.state) for g in generators if isinstance(g, np.random.Generator)
        ]

    def raw(self, x: np.ndarray) -> Any:
        for owner, name, saved in self.buffers:
            owner.buffers[name][...] = saved
        for generator, state in self.generators:
            generator.bit_generator.state = state
        return _forward(self.layer, x, self.train)

    def outputs(self, x: np.ndarray) -> list[np.ndarray]:
        return [np.array(y) for y in _as_list(self.raw(x.copy()))]

    def gradients(self) -> dict[str, np.ndarray | None]:
        found = ((path, parameter.grad) for path, parameter in _parameters(self.layer))
        return {path: None if grad is None else np.array(grad) for path, grad in found}


class _Comparison:
    """Compares gradients with central differences, tensor by tensor."""

    def __init__(
        self,
        objective: Objective,
        h: float,
        rtol: float,
        atol: float | None,
        max_entries: int | None,
        generator: np.random.Generator,
    ) -> None:
        self.objective = objective
        self.h = h
        self.rtol = rtol
        self.atol = atol
        self.max_entries = max_entries
        self.generator = generator

    def of(self, name: str, array: np.ndarray, gradients: dict[str, _Gradient]) -> list[TensorReport]:
        """Return the report of one tensor, and those of its random directions if it was sampled."""
        gradient = gradients[name]
        found = gradient.value
        if found is None or found.shape != array.shape:
            return [self._unusable(name, array, found)]
        if self.max_entries is None or self.max_entries >= array.size:
            return [self._entries(name, array, gradient, np.arange(array.size))]
        chosen = np.sort(self.generator.choice(array.size, self.max_entries, replace=False))
        directions = [self._direction(f"{name} (random direction {k})", array, found) for k in (1, 2)]
        return [self._entries(name, array, gradient, chosen), *directions]

    def _entries(self, name: str, array: np.ndarray, gradient: _Gradient, chosen: np.ndarray) -> TensorReport:
        assert gradient.value is not None
        analytic = gradient.value.reshape(-1)[chosen].astype(np.float64)
        measured = [
            self._measure(array, int(i), 1.0, a, self.h * max(1.0, abs(float(array.flat[int(i)]))))
            for i, a in zip(chosen, analytic, strict=True)
        ]
        numeric, errors, wrong, kinks = (np.array(column) for column in zip(*measured, strict=True))
        worst = int(np.argmax(np.where(wrong, errors, -1.0) if wrong.any() else errors))
        ok = not wrong.any() and not gradient.accumulated
        hint = ""
        if gradient.accumulated:
            hint = "added up over two calls: backward must overwrite the gradient, not add to it"
        elif not ok and kinks[worst]:
            hint = (
                "kink crossed: the slopes on the two sides differ here, so the input sits on a kink or a tie"
            )
        elif not ok:
            whole = chosen.size == array.size
            shape = array.shape if whole else (chosen.size,)
            hint = diagnose(
                analytic.reshape(shape), numeric.reshape(shape), wrong.reshape(shape), self.objective.batch
            )
        index = tuple(int(i) for i in np.unravel_index(int(chosen[worst]), array.shape))
        error = float(errors[worst])
        return TensorReport(
            name,
            array.shape,
            chosen.size,
            index,
            float(analytic[worst]),
            float(numeric[worst]),
            error,
            ok,
            hint,
        )

    def _direction(self, name: str, array: np.ndarray, gradient: np.ndarray) -> TensorReport:
        unit = self.generator.standard_normal(array.size)
        unit /= np.sqrt((unit * unit).sum())
        analytic = float((gradient.reshape(-1) * unit).sum())
        numeric, error, wrong, kink = self._measure(array, slice(None), unit, analytic, self.h)
        hint = ""
        if wrong:
            hint = "kink crossed on the way" if kink else "some entries that were not sampled are wrong"
        return TensorReport(name, array.shape, array.size, (), analytic, numeric, error, not wrong, hint)

    def _measure(
        self, array: np.ndarray, where: int | slice, unit: float | np.ndarray, analytic: float, h: float
    ) -> tuple[float, float, bool, bool]:
        """Return (numeric, relative error, wrong, at a kink) of one entry or direction.

        Where a difference may come from a kink inside the step, shorter steps decide: they no longer
        reach a kink nearby, and only a point that lies on it keeps two slopes.
        """
        for step in (h, h / 10, h / 100):
            found = slope(self.objective, array, where, unit, step)
            floor = self.objective.floor(step)
            difference = abs(analytic - found.central)
            finite = np.isfinite(analytic) and np.isfinite(found.central)
            error = difference / max(abs(analytic), abs(found.central), floor) if finite else np.inf
            atol = self.rtol * floor if self.atol is None else self.atol
            wrong = not difference <= atol + self.rtol * abs(found.central)
            if not wrong or not found.bends(analytic):
                return found.central, error, wrong, False
        return found.central, error, wrong, True

    def _unusable(self, name: str, array: np.ndarray, found: np.ndarray | None) -> TensorReport:
        if found is None:
            hint = "missing: backward never set this gradient"
        elif found.shape == array.shape[::-1]:
            hint = f"transposed: the gradient has shape {found.shape} where the tensor has {array.shape}"
        else:
            hint = f"wrong shape: the gradient has shape {found.shape} where the tensor has {array.shape}"
        return TensorReport(name, array.shape, 0, (), float("nan"), float("nan"), float("inf"), False, hint)


def _layer_gradients(
    run: _Run, x: np.ndarray, weights: list[np.ndarray], problems: list[str]
) -> dict[str, _Gradient]:
    """Run forward and backward twice and note every broken rule in `problems`."""
    passes: list[dict[str, np.ndarray | None]] = []
    for _ in range(2):
        given = x.copy()
        outputs = run.raw(given)
        kept = [np.array(y) for y in _as_list(outputs)]
        dy = _like(outputs, [weight.copy() for weight in weights])
        dx = run.layer.backward(dy)
        passes.append({"dx": None if dx is None else np.array(dx), **run.gradients()})
    if not np.array_equal(given, x):
        problems.append("input mutated: the array x given to forward was changed")
    if not _equal(_as_list(dy), weights):
        problems.append("input mutated: the array dy given to backward was changed")
    if not _equal(_as_list(outputs), kept):
        problems.append("output mutated: backward changed the array that forward had returned")
    for name, array in {"the output": _as_list(outputs)[0], **passes[0]}.items():
        if array is not None and array.dtype != np.float64:
            problems.append(
                f"wrong dtype: {name} is {array.dtype} for a float64 input; nothing may be converted"
            )
    return _pair(passes[0], passes[1], repeatable=NOT_REPEATABLE not in problems)


def _pair(
    first: dict[str, np.ndarray | None], second: dict[str, np.ndarray | None], repeatable: bool
) -> dict[str, _Gradient]:
    """Mark the gradients that the second of two equal passes changed."""
    return {
        name: _Gradient(first[name], repeatable and _changed(first[name], second[name])) for name in first
    }


def _changed(first: np.ndarray | None, second: np.ndarray | None) -> bool:
    if first is None or second is None or first.shape != second.shape:
        return False
    return not np.allclose(first, second, rtol=1e-9, atol=1e-12, equal_nan=True)


def _twin(layer: Any) -> Any:
    """Return a deep copy on the CPU, in float64."""
    twin = copy.deepcopy(layer)
    if isinstance(twin, Layer) and twin.input_shape is not None:
        twin.to("cpu", np.float64)
    for path, parameter in _parameters(twin):
        if not hasattr(parameter, "value") or not hasattr(parameter, "grad"):
            raise ConfigError(
                f"{type(layer).__name__}: parameters[{path!r}] must have the attributes value and grad, "
                f"as minidl.Parameter has; got {type(parameter).__name__}"
            )
        if parameter.value.dtype != np.float64:
            parameter.value = parameter.value.astype(np.float64)
    return twin


def _randomize(layer: Any, shape: tuple[int, ...], generator: np.random.Generator) -> None:
    for _, parameter in _parameters(layer):
        parameter.value[...] += generator.uniform(-0.5, 0.5, parameter.value.shape)
    if any(getattr(owner, "buffers", None) for owner in _layers(layer)):
        _forward(layer, separated(shape, generator) * 1.5 + 0.5, True)


def _layers(layer: Any) -> Iterator[Any]:
    if isinstance(layer, Layer):
        for _, inner in layer.named_layers():
            yield inner
    else:
        yield layer


def _parameters(layer: Any) -> list[tuple[str, Any]]:
    if isinstance(layer, Layer):
        return list(layer.named_parameters())
    return list((getattr(layer, "parameters", None) or {}).items())


def _forward(layer: Any, x: np.ndarray, train: bool) -> Any:
    code = getattr(layer.forward, "__code__", None)
    takes_mode = isinstance(layer, Layer) or code is None or "train" in code.co_varnames[: code.co_argcount]
    return layer.forward(x, train) if takes_mode else layer.forward(x)


def _require(thing: Any, name: str, *methods: str) -> None:
    for method in methods:
        if not callable(getattr(thing, method, None)):
            raise ConfigError(f"{name}: a gradient check needs the method {method}, which it does not have")


def _as_list(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, tuple | list) else [outputs]


def _like(outputs: Any, arrays: list[np.ndarray]) -> Any:
    return tuple(arrays) if isinstance(outputs, tuple | list) else arrays[0]


def _equal(left: list[Any], right: list[Any]) -> bool:
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(left, right, strict=True))
