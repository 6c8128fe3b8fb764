"""What a loss is: the pair forward / backward, like a layer without parameters."""

from __future__ import annotations

from typing import Any

from minidl.backend import Array
from minidl.errors import ConfigError, StateError


class Loss:
    """Base of the losses."""

    def __init__(self) -> None:
        self.name = type(self).__name__
        self._cache: Any = None

    def forward(self, outputs: Array, targets: Array, weights: Array | None = None) -> Array:
        """Return the loss of a batch.

        Parameters
        ----------
        outputs : floating-point array, shape (N, K) or (N, K, ...)
        targets : array
        weights : array of shape (N,), optional
            Zero or more: how much each example counts, 1 where none are given. The mean stays one over N
            examples, so that weights of mean 1 leave the size of the loss as it was.

        Returns
        -------
        scalar or 0-d array
            Of the type and on the device of the outputs.

        Raises
        ------
        ShapeError, ConfigError, DeviceError
            If the targets or the weights do not fit the outputs.
        """
        raise NotImplementedError

    def backward(self) -> Array:
        """Return the gradient of the last loss with respect to the outputs, in their shape.

        Raises
        ------
        StateError
            If `forward` was not called before.
        """
        raise NotImplementedError

    def _saved(self) -> Any:
        if self._cache is None:
            raise StateError(f"{self.name}: backward was called before forward")
        return self._cache

    def _require_choice(self, option: str, value: Any, *choices: str) -> None:
        if value not in choices:
            raise ConfigError(
                f"{self.name}: {option} must be one of {', '.join(map(repr, choices))}, got {value!r}"
            )
