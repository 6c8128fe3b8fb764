"""Multi-task learning: several answers about the same input regularise each other (AAR).

Hard sharing is one encoder with several heads::

    model = Sequential([Flatten(), Dense(100), ReLU(), Branches({"digit": Dense(10), "parity": Dense(2)})])
    loss = MultiTaskLoss({"digit": SoftmaxCrossEntropy(), "parity": SoftmaxCrossEntropy()})
    train = TaskLoader(images, {"digit": digits, "parity": digits % 2}, batch_size=32)
    Trainer(model, loss, SGD(0.1)).fit(train, epochs=5)

At test time the main head, the first, is used. Soft sharing is a network for each task and a penalty
on the distance between their weights: `SoftSharing`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from minidl.backend import Array, device_of, namespace, to_device
from minidl.data.loader import Loader
from minidl.errors import ConfigError, DataError, ShapeError, StateError
from minidl.layers.base import Parameter
from minidl.loss import Loss
from minidl.soft_sharing import SoftSharing, together

__all__ = ["MultiTaskLoss", "SoftSharing", "TaskLoader", "together"]

_FORMS = {"regression": 0.5, "classification": 1.0}


class MultiTaskLoss(Loss):
    """A weighted sum of one loss for each head: ``sum_i w_i L_i``, or weighted by uncertainty.

    With `uncertainty` each task has a noise sigma_i that is trained with the network (Kendall et al.
    2018), so that the weights need no tuning::

        "regression"        L_i / (2 sigma_i^2) + log sigma_i
        "classification"    L_i / sigma_i^2 + log sigma_i

    What is trained is s_i = log sigma_i, from 0; its derivative is ``1 - L_i / sigma_i^2`` or
    ``1 - 2 L_i / sigma_i^2``. At rest sigma_i^2 is L_i or 2 L_i: a task with a small loss counts for much.
    The sum may become negative.

    Parameters
    ----------
    losses : mapping of str to Loss
        One for each output of the model, in their order; the first task is the main one, on which
        accuracy is counted.
    weights : mapping of str to float, optional
        w_i, zero or more and not all zero; 1 where none is given.
    uncertainty : {"regression", "classification"} or mapping of str to these, optional
        One form for all tasks, or one for each.

    Notes
    -----
    ``forward(outputs, targets)`` takes the tuple of outputs of a `Branches`, and as targets a dictionary
    by task or a tuple or list in their order; the weights of the examples, where there are any, go to the
    loss of every task. ``backward()`` returns a tuple of gradients.

    With `uncertainty` the optimizer needs `named_parameters` of the loss besides those of the model; a
    `Trainer` sees to that. They are exempt from weight decay.

    Raises
    ------
    ConfigError
        If an option makes no sense.

    Examples
    --------
    >>> from minidl.losses import MeanSquaredError
    >>> loss = MultiTaskLoss({"a": MeanSquaredError(), "b": MeanSquaredError()}, weights={"b": 0.5})
    >>> zero = np.zeros((1, 1))
    >>> float(loss.forward((zero + 1, zero + 2), (zero, zero)))    # 1 + 0.5 * 4
    3.0
    """

    def __init__(
        self,
        losses: Mapping[str, Any],
        *,
        weights: Mapping[str, float] | None = None,
        uncertainty: str | Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(losses, Mapping) or not losses:
            raise ConfigError(
                f"{self.name}: losses must be a dictionary of at least one loss, got {losses!r}"
            )
        self.losses = dict(losses)
        if uncertainty is not None and weights is not None:
            raise ConfigError(f"{self.name}: with uncertainty the weights are learned; leave weights out")
        self.weights = None if uncertainty is not None else self._checked_weights(weights or {})
        self.uncertainty = None if uncertainty is None else self._checked_forms(uncertainty)
        self._log_sigma = Parameter(np.zeros(len(self.losses), np.float32), decay=False)

    def forward(self, outputs: Any, targets: Any, weights: Array | None = None) -> Array:
        heads, columns = self._heads(outputs), self._columns(targets)
        extra = () if weights is None else (weights,)
        each = [
            loss.forward(head, column, *extra)
            for loss, head, column in zip(self.losses.values(), heads, columns, strict=True)
        ]
        factors = self._factors(heads[0])
        self._cache = each, factors
        total = sum(
            (factor * value for factor, value in zip(factors[1:], each[1:], strict=True)),
            start=factors[0] * each[0],
        )
        return total if self.uncertainty is None else total + self._log_sigma.value.sum()

    def backward(self) -> Any:
        each, factors = self._saved()
        if self.uncertainty is not None:
            s = self._log_sigma
            s.grad = namespace(s.value).empty_like(s.value)
            for index, (value, factor) in enumerate(zip(each, factors, strict=True)):
                s.grad[index] = 1 - 2 * factor * value
        gradients = (loss.backward() for loss in self.losses.values())
        return tuple(gradient * factor for gradient, factor in zip(gradients, factors, strict=True))

    def main(self, outputs: Any, targets: Any) -> tuple[Array, Array]:
        """Return output and target of the main task, the first."""
        return self._heads(outputs)[0], self._columns(targets)[0]

    def values(self) -> dict[str, float]:
        """Return the last loss of each task, unweighted.

        Raises
        ------
        StateError
            Before the first `forward`.
        """
        if self._cache is None:
            raise StateError(f"{self.name}: there are no values before forward")
        return {name: float(value) for name, value in zip(self.losses, self._cache[0], strict=True)}

    def sigmas(self) -> dict[str, float]:
        """Return each task's sigma; empty without `uncertainty`."""
        if self.uncertainty is None:
            return {}
        return {name: math.exp(float(s)) for name, s in zip(self.losses, self._log_sigma.value, strict=True)}

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield what is trained here: ``("loss.log_sigma", …)`` of shape (tasks,), with `uncertainty`."""
        if self.uncertainty is not None:
            yield "loss.log_sigma", self._log_sigma

    def state_dict(self) -> dict[str, Array]:
        """Return the trained arrays, which are not copied."""
        return {} if self.uncertainty is None else {"log_sigma": self._log_sigma.value}

    def load_state_dict(self, state: dict[str, Array]) -> None:
        """Take over what `state_dict` returned. Arrays are copied."""
        if self.uncertainty is not None:
            self._log_sigma.value = state["log_sigma"].copy()

    def _factors(self, head: Array) -> list[Any]:
        """Return what each loss is multiplied by."""
        if self.uncertainty is None:
            assert self.weights is not None
            return list(self.weights.values())
        s = self._log_sigma
        if s.value.dtype != head.dtype or type(s.value) is not type(head):  # it follows the model
            s.value = to_device(s.value, device_of(head)).astype(head.dtype)
        scales = namespace(head).exp(-2 * s.value)
        return [_FORMS[form] * scales[index] for index, form in enumerate(self.uncertainty.values())]

    def _heads(self, outputs: Any) -> Sequence[Array]:
        if not isinstance(outputs, tuple | list) or len(outputs) != len(self.losses):
            got = f"{len(outputs)} outputs" if isinstance(outputs, tuple | list) else "one array"
            raise ShapeError(
                f"{self.name}: expected a tuple of {len(self.losses)} outputs for {self._tasks()}, got {got}; "
                "end the model with Branches of one head for each task"
            )
        return outputs

    def _columns(self, targets: Any) -> Sequence[Array]:
        if isinstance(targets, Mapping):
            if set(targets) != set(self.losses):
                raise ShapeError(
                    f"{self.name}: expected targets for {self._tasks()}, got them for {', '.join(map(str, targets))}"
                )
            return [targets[name] for name in self.losses]
        if not isinstance(targets, tuple | list) or len(targets) != len(self.losses):
            raise ShapeError(
                f"{self.name}: expected targets for {self._tasks()}, as a dictionary or as a tuple in this "
                "order; TaskLoader makes such batches"
            )
        return targets

    def _tasks(self) -> str:
        return ", ".join(self.losses)

    def _checked_weights(self, weights: Mapping[str, float]) -> dict[str, float]:
        self._require_tasks("weights", weights)
        checked = {name: float(weights.get(name, 1.0)) for name in self.losses}
        if not all(0 <= weight < math.inf for weight in checked.values()) or not any(checked.values()):
            raise ConfigError(
                f"{self.name}: weights must be finite numbers >= 0, not all 0, got {dict(weights)!r}"
            )
        return checked

    def _checked_forms(self, uncertainty: str | Mapping[str, str]) -> dict[str, str]:
        if isinstance(uncertainty, str):
            uncertainty = dict.fromkeys(self.losses, uncertainty)
        self._require_tasks("uncertainty", uncertainty)
        for name in self.losses:
            self._require_choice(f"uncertainty of {name!r}", uncertainty.get(name), *_FORMS)
        return {name: uncertainty[name] for name in self.losses}

    def _require_tasks(self, option: str, given: Iterable[str]) -> None:
        unknown = [name for name in given if name not in self.losses]
        if unknown:
            raise ConfigError(
                f"{self.name}: {option} names no task {unknown[0]!r}; there are {self._tasks()}"
            )


class TaskLoader(Loader):
    """A `Loader` whose batches come with a target for each task.

    Parameters
    ----------
    images : numpy.ndarray
        Shape (N, ...).
    targets : mapping of str to numpy.ndarray
        For each task an array whose first axis has length N.
    batch_size : int
    **options
        Of `minidl.data.Loader`, all but `mix`.

    Raises
    ------
    DataError
        If there is no target, or one of another length.
    ConfigError
        If an option makes no sense.
    """

    def __init__(
        self, images: Any, targets: Mapping[str, np.ndarray], batch_size: int, **options: Any
    ) -> None:
        self.targets = {str(name): np.asarray(column) for name, column in targets.items()}
        if not self.targets:
            raise DataError("TaskLoader: there are no targets; give an array for each task")
        for name, column in self.targets.items():
            if column.shape[:1] != (len(images),):
                raise DataError(
                    f"TaskLoader: {len(images):,} images but targets of shape {column.shape} for {name!r}; "
                    "give one for each image"
                )
        if options.get("mix") is not None:
            raise ConfigError("TaskLoader: the targets of several tasks cannot be mixed; leave mix out")
        # Where labels would be it has the numbers of the examples, and looks up the targets by them.
        super().__init__(images, np.arange(len(images)), batch_size, **options)

    def epoch(self, epoch: int) -> Iterator[tuple[np.ndarray, Any]]:
        """Yield the batches of epoch `epoch`, from 0: images, and a dictionary of targets by task."""
        for x, rows in super().epoch(epoch):
            yield x, {name: column[rows] for name, column in self.targets.items()}
