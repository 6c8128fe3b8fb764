"""The loss of networks that run side by side (`minidl.layers.stacked`)."""

from __future__ import annotations

from minidl.backend import Array, launcher, namespace
from minidl.kernels.gpu.activation import IDENTITY, sum_rows
from minidl.kernels.gpu.launch import THREADS
from minidl.kernels.gpu.softmax import cross_entropy
from minidl.softmax import log_softmax


class StackedCrossEntropy:
    """Softmax cross-entropy of each network of a stack by itself.

    Parameters
    ----------
    networks : int

    Attributes
    ----------
    scores : array, shape (networks * N, K)
        The last outputs, network after network.
    """

    def __init__(self, networks: int) -> None:
        self.networks = networks
        self.scores: Array = None
        self._gradient: Array = None

    def forward(self, outputs: Array, labels: Array) -> Array:
        """Return the loss of every network, (networks,).

        Parameters
        ----------
        outputs : array, shape (N, networks * K)
            Of a stack.
        labels : array of int64, shape (networks * N,)
            The first network's N, then the second's, ...
        """
        xp, batch = namespace(outputs), outputs.shape[0]
        columns = xp.ascontiguousarray(outputs.T).reshape(self.networks, -1, batch)
        self.scores = scores = xp.ascontiguousarray(columns.transpose(0, 2, 1)).reshape(len(labels), -1)
        if launcher(scores) is None:
            log_p = log_softmax(scores)
            picks = xp.arange(len(labels)) * scores.shape[1] + labels
            losses = -log_p.reshape(-1)[picks].reshape(self.networks, batch).sum(axis=1) / batch
            self._gradient = xp.exp(log_p)
            self._gradient.reshape(-1)[picks] -= 1
            self._gradient /= batch
            return losses
        examples, classes = scores.shape
        each, self._gradient = xp.empty(examples, scores.dtype), xp.empty(scores.shape, scores.dtype)
        blocks = -(-examples // THREADS)
        cross_entropy(
            (blocks,), scores, labels, None, None, each, self._gradient, xp.empty(blocks, scores.dtype),
            examples, classes, 1.0, 0.0, 1 / batch,
        )  # fmt: skip
        losses = xp.empty(self.networks, scores.dtype)
        sum_rows((self.networks,), None, each, None, losses, self.networks, batch, IDENTITY, 0.0)
        return losses

    def backward(self) -> Array:
        """Return the gradient of the sum of the losses, (N, networks * K), in batch-last memory."""
        gradient = self._gradient.reshape(self.networks, -1, self._gradient.shape[1])
        columns = namespace(gradient).ascontiguousarray(gradient.transpose(0, 2, 1))
        return columns.reshape(-1, gradient.shape[1]).T
