"""Soft sharing: several networks that learn different tasks and stay near each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minidl.blocks import blocks
from minidl.errors import ConfigError, StateError
from minidl.layers.base import Parameter
from minidl.regularizers import NamedParameters, Regularizer


class SoftSharing(Regularizer):
    """Pull the networks of several tasks towards each other: ``strength/2 * sum |w_a - w_b|^2``.

    Each task keeps a network of its own (AAR, soft sharing; Duong et al. 2015). The sum goes over all pairs
    of networks and all parameters that both have, in the same place and shape, biases included; heads of
    different sizes are left out by themselves. Both sides are pulled: ``strength * (w_a - w_b)`` is added
    to the gradient of w_a, and its negative to that of w_b.

    In a `Trainer` the networks are the `Branches` of one model, and this is one of its regularizers. In a
    hand-written loop with separate models call the methods, and the optimizer, with `together`.

    Parameters
    ----------
    strength : float
        Zero or more.
    between : sequence of str
        Paths of the networks, at least two: ``("digit", "parity")`` for
        ``Branches({"digit": network, "parity": network})``.
    only : sequence of str, optional
        Layers or parameters to share, by their path in a network: ``("0", "2.weight")``. By default all.

    Examples
    --------
    ::

        parameters = together(digit=digit_network, parity=parity_network)
        sharing = SoftSharing(0.01, between=("digit", "parity"))
        ...  # forward and backward of both
        sharing.add_gradient(parameters)
        optimizer.step(parameters)
    """

    def __init__(self, strength: float, between: Sequence[str], only: Sequence[str] | None = None) -> None:
        super().__init__(strength)
        self.between = tuple(between)
        if (
            isinstance(between, str)
            or len(set(self.between)) < 2
            or len(set(self.between)) < len(self.between)
        ):
            raise ConfigError(
                f"SoftSharing: between must name two or more different networks, got {between!r}"
            )
        if isinstance(only, str):
            raise ConfigError(f"SoftSharing: only must be a list of layers, got {only!r}; write [{only!r}]")
        self.only = None if only is None else tuple(only)

    def penalty(self, named_parameters: NamedParameters) -> float:
        """Return what the penalty adds to the loss."""
        total = 0.0
        for (_, a), (_, b) in self.pairs(named_parameters):
            difference = (a.value - b.value).reshape(-1)
            total += float(difference.dot(difference))
        return 0.5 * self.strength * total

    def add_gradient(self, named_parameters: NamedParameters) -> None:
        """Add the gradient of the penalty to the gradients of both sides, in place; not to frozen ones."""
        for pair in self.pairs(named_parameters):
            for (name, one), (_, other) in (pair, pair[::-1]):
                if one.frozen:
                    continue
                if one.grad is None:
                    raise StateError(
                        f"SoftSharing: parameter {name!r} has no gradient; run backward before add_gradient"
                    )
                for g, w, v in blocks(one.grad, one.value, other.value):
                    g += self.strength * (w - v)

    def pairs(
        self, named_parameters: NamedParameters
    ) -> list[tuple[tuple[str, Parameter], tuple[str, Parameter]]]:
        """Return the pairs of (name, parameter) that are pulled together.

        Raises
        ------
        ConfigError
            If there is none.
        """
        parameters = list(named_parameters)
        networks = {name: self._below(name, parameters) for name in self.between}
        found = [
            ((f"{one}.{path}", a), (f"{other}.{path}", networks[other][path]))
            for i, one in enumerate(self.between)
            for other in self.between[i + 1 :]
            for path, a in networks[one].items()
            if path in networks[other] and networks[other][path].value.shape == a.value.shape
        ]
        if not found:
            raise ConfigError(
                f"SoftSharing: {' and '.join(self.between)} have no parameter in the same place and of the "
                "same shape; name branches of the model, or layers of theirs in only"
            )
        return found

    def _below(self, network: str, named_parameters: NamedParameters) -> dict[str, Parameter]:
        prefix = f"{network}."
        paths = {
            name.removeprefix(prefix): parameter
            for name, parameter in named_parameters
            if name.startswith(prefix)
        }
        if self.only is None:
            return paths
        return {
            path: parameter
            for path, parameter in paths.items()
            if any(path == place or path.startswith(f"{place}.") for place in self.only)
        }

    def __repr__(self) -> str:
        return f"SoftSharing({self.strength:g}, between={self.between!r})"


def together(**models: Any) -> list[tuple[str, Parameter]]:
    """Return the parameters of several models under their names: ``("digit.0.weight", …)``."""
    return [
        (f"{name}.{path}", parameter)
        for name, model in models.items()
        for path, parameter in model.named_parameters()
    ]
