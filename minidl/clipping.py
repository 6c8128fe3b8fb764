"""Gradient clipping: bound a step when a loss has cliffs.

Both functions change the gradient arrays in place.
"""

from __future__ import annotations

from collections.abc import Sequence

from minidl.backend import Array, device_of, namespace
from minidl.blocks import blocks


def clip_values(gradients: Sequence[Array], limit: float) -> None:
    """Clip every component to [-limit, limit]. This changes the direction of the step.

    Parameters
    ----------
    gradients : sequence of array
        Changed in place.
    limit : float
        Above zero.
    """
    for gradient in gradients:
        xp = namespace(gradient)
        for (piece,) in blocks(gradient):
            xp.clip(piece, -limit, limit, out=piece)


def clip_norm(gradients: Sequence[Array], limit: float) -> Array:
    """Scale all gradients by one factor so that their joint Euclidean norm is at most `limit`.

    With ``n = sqrt(sum of g^2 over every component of every array)``, each array is multiplied by
    ``min(1, limit / n)``: the direction stays (Pascanu, Mikolov and Bengio 2013). PyTorch divides by
    ``n + 1e-6`` instead.

    Parameters
    ----------
    gradients : sequence of array
        Changed in place, and only if the norm exceeds `limit`.
    limit : float
        Above zero.

    Returns
    -------
    0-d array
        The norm before clipping, on the gradients' device.
    """
    squares: Array = sum(_square_sum(gradient) for gradient in gradients)
    xp = namespace(squares)
    norm: Array = xp.sqrt(squares)
    if device_of(norm) == "cpu":
        if norm <= limit:
            return norm
        factor = limit / norm
    else:  # on a GPU, comparing here would wait for the device: multiply in any case
        factor = limit / xp.maximum(norm, limit)
    for gradient in gradients:
        for (piece,) in blocks(gradient):
            piece *= factor
    return norm


def _square_sum(gradient: Array) -> Array:
    # Flattened in memory order, a transposed gradient needs no copy.
    flat = (gradient if gradient.flags.c_contiguous else gradient.T).reshape(-1)
    return namespace(flat).dot(flat, flat)
