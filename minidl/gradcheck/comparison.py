"""Gradients against central differences, tensor by tensor."""

from __future__ import annotations

import numpy as np

from minidl.gradcheck.differences import Objective, slope
from minidl.gradcheck.report import TensorReport, diagnose

Arrays = dict[str, np.ndarray | None]


class Gradient:
    """What backward said: the array, and whether a second pass added to it."""

    def __init__(self, value: np.ndarray | None, accumulated: bool) -> None:
        self.value = value
        self.accumulated = accumulated


def pair(first: Arrays, second: Arrays, repeatable: bool) -> dict[str, Gradient]:
    """Mark the gradients that the second of two equal passes changed."""
    return {name: Gradient(first[name], repeatable and _changed(first[name], second[name])) for name in first}


def _changed(first: np.ndarray | None, second: np.ndarray | None) -> bool:
    if first is None or second is None or first.shape != second.shape:
        return False
    return not np.allclose(first, second, rtol=1e-9, atol=1e-12, equal_nan=True)


class Comparison:
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

    def of(self, name: str, array: np.ndarray, gradients: dict[str, Gradient]) -> list[TensorReport]:
        """Return the report of one tensor, and those of its random directions if it was sampled."""
        gradient = gradients[name]
        found = gradient.value
        if found is None or found.shape != array.shape:
            return [self._unusable(name, array, found)]
        if self.max_entries is None or self.max_entries >= array.size:
            return [self._entries(name, array, gradient, np.arange(array.size))]
        chosen = self._sample(found, self.max_entries)
        directions = [self._direction(f"{name} (random direction {k})", array, found) for k in (1, 2)]
        return [self._entries(name, array, gradient, chosen), *directions]

    def _sample(self, gradient: np.ndarray, count: int) -> np.ndarray:
        """Draw entries: half of them where the gradient is not zero, the others anywhere.

        Below units that are off and behind the black border of an image most of a gradient is zero,
        and a handful of zeros would say nothing about it.
        """
        alive = np.flatnonzero(gradient)
        first = self.generator.choice(alive, min(count - count // 2, len(alive)), replace=False)
        others = np.ones(gradient.size, bool)
        others[first] = False
        rest = self.generator.choice(np.flatnonzero(others), count - len(first), replace=False)
        return np.sort(np.concatenate([first, rest]))

    def _entries(self, name: str, array: np.ndarray, gradient: Gradient, chosen: np.ndarray) -> TensorReport:
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
