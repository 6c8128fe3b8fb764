"""A student's classes among ours: layers, the loss and the optimizer, as the table ``[train]`` describes them.

They run in this process, on the student's own machine. What they raise is turned into one sentence with the
student's file and line.
"""

from __future__ import annotations

import importlib
import inspect
import linecache
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from minidl.errors import MinidlError
from minidl.grading.mismatch import describe
from minidl.grading.spec import ExerciseError
from minidl.grading.train_plan import Argument, LayerPlan, LossPlan, OptimizerPlan
from minidl.layers import Layer, Parameter
from minidl.layers.base import Shape
from minidl.random import Seeds


@contextmanager
def blaming(folder: Path, what: str) -> Iterator[None]:
    """Turn an exception out of the student's code into an `ExerciseError` that names the line.

    Parameters
    ----------
    folder : Path
        Where the student's files lie.
    what : str
        What was called.
    """
    try:
        yield
    except MinidlError:
        raise
    except (Exception, SystemExit) as error:
        raise ExerciseError(f"{_place(error, folder)}{_problem(error, what)}") from error


def _place(error: BaseException, folder: Path) -> str:
    """Return ``layers.py:42: `` for the innermost line of the student's, or nothing."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: "
    inside = folder.resolve()
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if inside in Path(frame.filename).resolve().parents:
            quoted = f"`{frame.line}`: " if frame.line and not isinstance(error, NotImplementedError) else ""
            return f"{folder / Path(frame.filename).name}:{frame.lineno}: {quoted}"
    return ""


def _problem(error: BaseException, what: str) -> str:
    if isinstance(error, NotImplementedError):
        return f"{error or 'this raises NotImplementedError'}: not done yet, and the training calls {what}"
    if isinstance(error, SystemExit):
        return f"{what} ended the program with exit()"
    return f"{what} raised {type(error).__name__}: {error}"


@contextmanager
def student_classes(folder: Path, files: Iterable[str], names: Iterable[str]) -> Iterator[dict[str, type]]:
    """Import the student's files and yield classes of them by name.

    The files can import one another. Nothing of them is left among the imported modules afterwards.

    Raises
    ------
    ExerciseError
        If a file cannot be imported, or none has a class of one of the names.
    """
    modules = [Path(name).stem for name in files]
    before = {name: sys.modules.pop(name) for name in modules if name in sys.modules}
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, str(folder.resolve()))
    linecache.checkcache()
    importlib.invalidate_caches()
    try:
        found: dict[str, Any] = {}
        for module in modules:
            with blaming(folder, f"importing {module}.py"):
                found = {**vars(importlib.import_module(module)), **found}
        for name in names:
            if not isinstance(found.get(name), type):
                raise ExerciseError(f"{folder}: there is no class {name} in {', '.join(files)}")
        yield {name: found[name] for name in names}
    finally:
        sys.path.remove(str(folder.resolve()))
        sys.dont_write_bytecode = writes
        for module in modules:
            sys.modules.pop(module, None)
        sys.modules.update(before)


class StudentLayer(Layer):
    """A student's layer in the place of one of ours, with the same initial parameters.

    Parameters
    ----------
    ours : Layer
        Not built.
    plan : LayerPlan
    kind : type
        The student's class.
    folder : Path
        Of the student's files.
    """

    def __init__(self, ours: Layer, plan: LayerPlan, kind: type, folder: Path) -> None:
        super().__init__()
        self.ours, self.plan_, self.kind, self.folder = ours, plan, kind, folder
        self.name = plan.name
        self.layer: Any = None

    def setup(self, input_shape: Shape, seeds: Seeds) -> Shape:
        plan, ours = self.plan_, self.ours
        shape = ours.build(input_shape, seeds, self.dtype)
        facts: dict[Argument, Any] = {"inputs": input_shape[0], "input_shape": input_shape}
        arguments = [facts[a] if a in facts else _fact(ours, a) for a in plan.arguments]
        shown = f"{plan.name}({', '.join(map(str, arguments))})"
        with blaming(self.folder, shown):
            self.layer = self.kind(*arguments)
        for method in (plan.forward, plan.backward):
            if not callable(getattr(self.layer, method, None)):
                raise ExerciseError(f"{self.folder}: {plan.name} has no method {method}")
        for name, (attribute, _) in plan.parameters.items():
            parameter = ours.parameters[name]
            own: Any = getattr(self.layer, attribute, None)
            if np.shape(own) != parameter.value.shape:
                raise ExerciseError(
                    f"{self.folder}: {shown}.{attribute} is {describe(own)}, expected the shape {parameter.value.shape}"
                )
            self.parameters[name] = Parameter(parameter.value.copy(), parameter.decay)
        self._takes_train = _positional(getattr(self.layer, plan.forward)) >= 2
        return shape

    def forward(self, x: Any, train: bool = False) -> Any:
        self._check_input(x)
        call = f"{self.plan_.name}.{self.plan_.forward}"
        with blaming(self.folder, call):
            for name, (attribute, _) in self.plan_.parameters.items():
                setattr(self.layer, attribute, self.parameters[name].value)
            if self.plan_.mode:
                setattr(self.layer, self.plan_.mode, train)
            method = getattr(self.layer, self.plan_.forward)
            y = method(x, train) if self._takes_train else method(x)
        self._cache = x.shape
        return self._answer(y, (len(x), *self.output_shape), f"{call}(x)", x.dtype)

    def backward(self, dy: Any) -> Any:
        shape = self._saved(dy)
        call = f"{self.plan_.name}.{self.plan_.backward}"
        with blaming(self.folder, call):
            dx = getattr(self.layer, self.plan_.backward)(dy)
        for name, (_, attribute) in self.plan_.parameters.items():
            parameter = self.parameters[name]
            gradient = getattr(self.layer, attribute, None)
            what = f"{self.plan_.name}.{attribute} after {self.plan_.backward}(dy)"
            parameter.grad = self._answer(gradient, parameter.value.shape, what, parameter.value.dtype)
        return self._answer(dx, shape, f"{call}(dy)", dy.dtype)

    def _answer(self, value: Any, shape: Shape, what: str, dtype: Any) -> np.ndarray:
        if np.shape(value) != tuple(shape):
            raise ExerciseError(
                f"{self.folder}: {what} is {describe(value)}, expected the shape {tuple(shape)}"
            )
        return np.asarray(value, dtype=dtype)


class StudentLoss:
    """A student's loss in the place of the softmax cross-entropy."""

    def __init__(self, plan: LossPlan, kind: type, folder: Path, classes: int) -> None:
        self.plan, self.folder, self.classes = plan, folder, classes
        with blaming(folder, f"{plan.name}()"):
            self.loss = kind()
        for method in (plan.forward, plan.backward):
            if not callable(getattr(self.loss, method, None)):
                raise ExerciseError(f"{folder}: {plan.name} has no method {method}")
        self._takes_targets = _positional(getattr(self.loss, plan.backward)) >= 1

    def forward(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        """Return the mean loss of a batch."""
        if self.plan.targets == "one-hot":
            targets = np.eye(self.classes, dtype=outputs.dtype)[targets]
        self._given = outputs.shape, outputs.dtype, targets
        call = f"{self.plan.name}.{self.plan.forward}"
        with blaming(self.folder, call):
            value = getattr(self.loss, self.plan.forward)(outputs, targets)
        if np.shape(value) != () or value is None:
            raise ExerciseError(f"{self.folder}: {call} returned {describe(value)}, expected a single number")
        return float(value)

    def backward(self) -> np.ndarray:
        """Return the gradient of the outputs."""
        shape, dtype, targets = self._given
        call = f"{self.plan.name}.{self.plan.backward}"
        with blaming(self.folder, call):
            method = getattr(self.loss, self.plan.backward)
            dx = method(targets) if self._takes_targets else method()
        if np.shape(dx) != shape:
            raise ExerciseError(f"{self.folder}: {call} returned {describe(dx)}, expected the shape {shape}")
        return np.asarray(dx, dtype=dtype)


class StudentOptimizer:
    """A student's optimizer in the place of ours: an object of its own for every parameter."""

    def __init__(self, ours: Any, plan: OptimizerPlan, kind: type, folder: Path) -> None:
        self.plan, self.kind, self.folder = plan, kind, folder
        self.lr = ours.lr
        self.arguments = [_fact(ours, argument) for argument in plan.arguments]
        self.objects: dict[str, Any] = {}

    def prepare(self, named_parameters: Any) -> None:
        """Nothing is done before the forward pass."""

    def flush_denormals(self) -> None:
        """What the student's class remembers is its own."""

    def step(self, named_parameters: Iterable[tuple[str, Parameter]]) -> None:
        """Change the parameters in place."""
        for name, parameter in named_parameters:
            call = f"{self.plan.name}.{self.plan.method}"
            with blaming(self.folder, call):
                if name not in self.objects:
                    self.objects[name] = self.kind(*self.arguments)
                new = getattr(self.objects[name], self.plan.method)(parameter.value, parameter.grad)
            if new is None:
                continue  # it has changed the array itself
            if np.shape(new) != parameter.value.shape:
                raise ExerciseError(
                    f"{self.folder}: {call} returned {describe(new)} for a parameter of shape {parameter.value.shape}"
                )
            parameter.value[...] = new


def _fact(ours: Any, argument: Argument) -> Any:
    if not isinstance(argument, str):
        return argument
    if not hasattr(ours, argument):
        raise ExerciseError(
            f"[train]: our {type(ours).__name__} has no {argument!r} to pass on to the student's class"
        )
    return getattr(ours, argument)


def _positional(method: Any) -> int:
    parameters = inspect.signature(method).parameters.values()
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
