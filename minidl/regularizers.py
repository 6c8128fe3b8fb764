"""Penalties on the weights, added to the loss.

A penalty changes the gradient before the optimizer sees it. That is not the same as the
``weight_decay`` of an optimizer, which shrinks the weights themselves: the two coincide for plain
SGD alone (see `L2`).

Only parameters with ``decay=True`` are touched: weights, not biases, not the scale and shift of a
normalisation. Frozen parameters are not counted either.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from minidl.backend import Array, namespace
from minidl.blocks import blocks
from minidl.errors import ConfigError, StateError
from minidl.layers.base import Parameter

NamedParameters = Iterable[tuple[str, Parameter]]


class Regularizer:
    """Base of the penalties.

    Parameters
    ----------
    strength : float
        Factor of the penalty, zero or more.

    Raises
    ------
    ConfigError
        If `strength` is negative or not a finite number.
    """

    def __init__(self, strength: float) -> None:
        self.strength = float(strength)
        if not 0 <= self.strength < math.inf:
            raise ConfigError(
                f"{type(self).__name__}: strength must be a finite number >= 0, got {strength!r}"
            )

    def penalty(self, named_parameters: NamedParameters) -> float:
        """Return what the penalty adds to the loss.

        It reads every weight, so ask once per report rather than once per step.
        """
        total: Array = 0.0
        for _, parameter in _decaying(named_parameters):
            total = total + self.measure(parameter.value)
        return self.strength * float(total)

    def add_gradient(self, named_parameters: NamedParameters) -> None:
        """Add the gradient of the penalty to the gradients, in place.

        Raises
        ------
        StateError
            If a parameter has no gradient yet.
        """
        for name, parameter in _decaying(named_parameters):
            if parameter.grad is None:
                raise StateError(
                    f"{type(self).__name__}: parameter {name!r} has no gradient; "
                    "run backward before add_gradient"
                )
            for g, w in blocks(parameter.grad, parameter.value):
                g += self.strength * self.slope(w)

    def measure(self, w: Array) -> Array:
        """Return the penalty of one array at strength one, a 0-d array."""
        raise NotImplementedError

    def slope(self, w: Array) -> Array:
        """Return the derivative of `measure`, shaped like `w`."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.strength:g})"


class L2(Regularizer):
    """Squared norm, ``strength/2 * sum(w^2)``; its gradient is ``strength * w``.

    The lecture (AAR) writes the penalty as the norm itself; shrinking in proportion to `w` needs the
    *squared* norm (Nielsen, ch. 3, eq. 87; erratum 13). For plain SGD the step is ``w (1 - lr
    strength) - lr g``, exactly decoupled weight decay of the same strength; for every optimizer with
    a memory the two differ (Loshchilov and Hutter 2019).

    Parameters
    ----------
    strength : float
        Zero or more. Nielsen divides his lambda by a size, in two ways; `L2.book` and `L2.network3`
        convert.

    Examples
    --------
    >>> L2.network3(0.1, batches=5000)
    L2(2e-05)
    >>> L2.book(1.0, examples=50000)
    L2(2e-05)
    """

    @classmethod
    def book(cls, lam: float, examples: int) -> L2:
        """Nielsen's book, eq. 87: ``lambda / (2n) * sum(w^2)``, so the strength is lambda / n.

        Parameters
        ----------
        lam : float
            Lambda as printed.
        examples : int
            n, the size of the training set.
        """
        return cls(lam / _positive("L2.book", "examples", examples))

    @classmethod
    def network3(cls, lam: float, batches: int) -> L2:
        """Nielsen's network3.py: ``lambda / 2 * sum(w^2) / (n/m)``, so the strength is lambda / batches.

        Ten times the book's for batches of ten: lambda = 0.1 there is lambda = 1.0 in the book.

        Parameters
        ----------
        lam : float
            ``lmbda`` of the code.
        batches : int
            ``num_training_batches`` = n/m, mini-batches per epoch.
        """
        return cls(lam / _positive("L2.network3", "batches", batches))

    def measure(self, w: Array) -> Array:
        flat = w.reshape(-1)
        return 0.5 * namespace(w).dot(flat, flat)

    def slope(self, w: Array) -> Array:
        return w


class L1(Regularizer):
    """Sum of absolute values, ``strength * sum |w|``; its gradient is ``strength * sign(w)``.

    Every weight is pulled to zero at the same speed, so few large weights remain (UU; Nielsen, ch. 3,
    eq. 95 and 96). At w = 0, where the derivative does not exist, it is taken to be 0, as in the book.

    Parameters
    ----------
    strength : float
        Zero or more.
    """

    @classmethod
    def book(cls, lam: float, examples: int) -> L1:
        """Nielsen's book, eq. 95: ``lambda / n * sum |w|``, so the strength is lambda / n."""
        return cls(lam / _positive("L1.book", "examples", examples))

    def measure(self, w: Array) -> Array:
        return namespace(w).abs(w).sum()

    def slope(self, w: Array) -> Array:
        return namespace(w).sign(w)


def _decaying(named_parameters: NamedParameters) -> Iterator[tuple[str, Parameter]]:
    return ((name, parameter) for name, parameter in named_parameters if parameter.decay and not parameter.frozen)


def _positive(call: str, option: str, value: int) -> int:
    if not value > 0:
        raise ConfigError(f"{call}: {option} must be at least 1, got {value!r}")
    return value
