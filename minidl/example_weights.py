"""A weight for every example, for a training loop that knows only targets."""

from __future__ import annotations

from typing import Any

from minidl.backend import Array
from minidl.errors import ShapeError


class ExampleWeights:
    """Let a loss take pairs ``(targets, weights)`` where it took targets.

    The losses of minidl take the weights of the examples as a third argument of ``forward``; a
    `Trainer` hands over two. With this loss, and a loader whose batches are ``(x, (y, weights))``, it
    trains with weights; `minidl.training.evaluate` takes a data set whose ``labels`` are such a pair.
    Accuracy is counted without the weights.

    Parameters
    ----------
    loss : Loss
        Whose ``forward`` takes ``(outputs, targets, weights)``.

    Examples
    --------
    >>> import numpy as np
    >>> from minidl.losses import MeanSquaredError
    >>> loss = ExampleWeights(MeanSquaredError())
    >>> y, weights = np.zeros((2, 1)), np.array([1.5, 0.5])
    >>> float(loss.forward(np.array([[1.0], [2.0]]), (y, weights)))    # (1.5 * 1 + 0.5 * 4) / 2
    1.75
    """

    def __init__(self, loss: Any) -> None:
        self.loss = loss

    def forward(self, outputs: Array, targets: tuple[Array, Array]) -> Array:
        """Return the weighted loss of a batch.

        Raises
        ------
        ShapeError
            If the targets are not a pair.
        """
        return self.loss.forward(outputs, *self._pair(targets))

    def backward(self) -> Array:
        """Return the gradient of the last loss with respect to the outputs."""
        return self.loss.backward()

    def main(self, outputs: Array, targets: tuple[Array, Array]) -> tuple[Array, Array]:
        """Return what accuracy is counted on: the outputs, and the targets without their weights."""
        return outputs, self._pair(targets)[0]

    def _pair(self, targets: Any) -> tuple[Array, Array]:
        if not isinstance(targets, tuple) or len(targets) != 2:
            raise ShapeError(
                "ExampleWeights: expected a pair (targets, weights), got "
                f"{getattr(targets, 'shape', type(targets).__name__)}"
            )
        return targets
