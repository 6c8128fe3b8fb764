"""What a gradient check found, in numbers and in words.

The thresholds of the verdict are those of the Stanford course cs231n ("Neural networks part 3,
gradient checks"), which the lecture FAU follows.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np

from minidl.errors import MinidlError


class GradientCheckError(MinidlError, AssertionError):
    """A backward pass does not fit its forward pass; the message is the report."""


@dataclass(frozen=True)
class TensorReport:
    """The comparison of one gradient array.

    Attributes
    ----------
    name : str
        ``"dx"`` or the dotted path of a parameter.
    shape : tuple of int
    checked : int
        How many entries were compared.
    index : tuple of int
        Where the worst entry is; empty for a random direction, which has no entry.
    analytic, numeric : float
        What `backward` says there, and what central differences say.
    error : float
        ``|a - n| / max(|a|, |n|, floor)`` of the worst entry.
    ok : bool
        Whether every entry is within the tolerance.
    hint : str
        What usually causes an error of this kind; empty when `ok`.
    """

    name: str
    shape: tuple[int, ...]
    checked: int
    index: tuple[int, ...]
    analytic: float
    numeric: float
    error: float
    ok: bool
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.name}[{', '.join(map(str, self.index))}]" if self.index else self.name
        line = f"{self.name}: worst relative error {self.error:.1e} over {self.checked} entries: {verdict(self.error)}"
        if self.ok:
            return line
        return (
            f"{line}\n    at {place}: backward gives {self.analytic:.10g}, "
            f"central differences give {self.numeric:.10g}\n    hint: {self.hint}"
        )


@dataclass(frozen=True)
class GradientReport:
    """The outcome of a gradient check.

    Attributes
    ----------
    subject : str
        Name of the layer, loss or model.
    mode : str
        ``"train"``, ``"eval"`` or ``"loss"``.
    tensors : list of TensorReport
    problems : list of str
        Broken rules that are not numbers: a changed argument, a wrong shape or dtype, a forward pass
        that cannot be repeated.
    """

    subject: str
    mode: str
    tensors: list[TensorReport] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything agrees and no rule was broken."""
        return not self.problems and all(tensor.ok for tensor in self.tensors)

    @property
    def worst(self) -> TensorReport | None:
        """The tensor in the worst state: a failed one before a good one, then by error."""
        return max(self.tensors, key=lambda tensor: (not tensor.ok, tensor.error), default=None)

    @property
    def error(self) -> float:
        """Largest relative error of all tensors."""
        return max((tensor.error for tensor in self.tensors), default=0.0)

    @property
    def hints(self) -> list[str]:
        """The hint of every tensor that failed, and every problem."""
        return [tensor.hint for tensor in self.tensors if not tensor.ok] + self.problems

    def __str__(self) -> str:
        lines = [f"gradient check of {self.subject} ({self.mode}): {'passed' if self.ok else 'FAILED'}"]
        lines += [f"  {problem}" for problem in self.problems]
        lines += [f"  {tensor}" for tensor in self.tensors]
        return "\n".join(lines)

    def raise_if_failed(self) -> None:
        """Raise a `GradientCheckError` with the report as its message unless the check passed."""
        if not self.ok:
            raise GradientCheckError(str(self))


def verdict(error: float) -> str:
    """Return the lecture's word for a relative error: wrong, uneasy, fine with kinks, or good."""
    if not error <= 1e-2:
        return "wrong"
    if error > 1e-4:
        return "uneasy"
    if error > 1e-7:
        return "fine with kinks"
    return "good"


def diagnose(analytic: np.ndarray, numeric: np.ndarray, wrong: np.ndarray, batch: int) -> str:
    """Return the likeliest cause of a difference between two gradients.

    Parameters
    ----------
    analytic, numeric : array
        All entries of a tensor in its shape, or a sample of them in one dimension.
    wrong : array of bool
        Which entries differ by more than the tolerance.
    batch : int
        Number of examples, to recognise a forgotten or doubled mean.
    """
    if not np.isfinite(analytic).all():
        return "the gradient from backward holds NaN or infinity"
    if not analytic.any():
        return "the gradient from backward is zero everywhere: backward never computes it, or loses it"
    if not numeric.any():
        return "the output does not depend on this tensor, so the gradient should be zero"
    factor = float((analytic * numeric).sum() / (numeric * numeric).sum())
    if _same(analytic, factor * numeric):
        return _name_factor(factor, batch)
    rearranged = _name_rearrangement(analytic, numeric)
    if rearranged:
        return rearranged
    share = f"{int(wrong.sum())} of {wrong.size} entries are wrong"
    if 2 * wrong.sum() < wrong.size:
        return f"{share} and the others are right: look at borders, padding, overlaps and index ranges"
    offset = float((analytic - numeric).mean())
    if _same(analytic - offset, numeric):
        return (
            f"every entry is off by the same amount, {offset:.6g}: a term that does not depend on the entry"
        )
    return f"{share}, with no single factor: a term of the formula is missing or wrong"


def _name_factor(factor: float, batch: int) -> str:
    if np.isclose(factor, -1, rtol=1e-5):
        return "wrong sign: the gradient from backward is the right one times -1"
    off = f"off by a constant factor of {factor:.6g}"
    if batch > 1 and np.isclose(abs(factor), batch, rtol=1e-5):
        return f"{off}, the batch size: the mean over the batch is forgotten"
    if batch > 1 and np.isclose(abs(factor) * batch, 1, rtol=1e-5):
        return f"{off}, one over the batch size {batch}: the mean over the batch is counted twice"
    if factor < 0:
        return f"{off}: wrong sign, and a constant besides"
    return f"{off}: a constant of the formula is missing, doubled or upside down"


def _name_rearrangement(analytic: np.ndarray, numeric: np.ndarray) -> str:
    if analytic.ndim < 2:
        return ""
    if analytic.ndim == 4:
        if _same(analytic[:, :, ::-1, ::-1], numeric):
            return (
                "flipped: the kernel runs backwards along both axes (convolution against cross-correlation)"
            )
    for axes in itertools.islice(itertools.permutations(range(analytic.ndim)), 1, None):
        turned = analytic.transpose(axes)
        if turned.shape == numeric.shape and _same(turned, numeric):
            return f"transposed: the gradient from backward has its axes in the order {axes} of the right one"
    return ""


def _same(left: np.ndarray, right: np.ndarray) -> bool:
    return bool(np.allclose(left, right, rtol=1e-5, atol=1e-6 * float(np.abs(right).max())))
