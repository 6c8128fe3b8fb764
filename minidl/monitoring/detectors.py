"""Units that have stopped learning, and gradients that do not arrive. Pure functions of arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from minidl.layers import Layer, ReLU, Sigmoid, Tanh

SATURATED = 0.95  # of the way from the middle to a limit: the slope is below a tenth of its maximum
MANY_DEAD = 0.5
MANY_SATURATED = 0.7
NARROW = 0.1
VANISHING = 1e-3
EXPLODING = 1e3


def dead_units(output: np.ndarray) -> np.ndarray:
    """Say which units of a ReLU are zero for every example.

    The gradient of such a unit is zero as well, so the examples cannot bring it back (FAU: dying ReLU).

    Parameters
    ----------
    output : array, shape (N, units) or (N, channels, H, W)
        Of images a unit is a channel: all places share the weights.

    Returns
    -------
    numpy.ndarray of bool, shape (units,) or (channels,)
    """
    others = tuple(axis for axis in range(output.ndim) if axis != 1)
    return np.asarray(output.max(axis=others) <= 0)


def saturated_share(layer: Layer, values: np.ndarray) -> float:
    """Return the share of a sigmoid's or tanh's outputs that lie in its flat parts.

    That is beyond 95 % of the way from the middle to a limit: |y| > 0.95 for tanh, y < 0.025 or
    y > 0.975 for the sigmoid. The derivative there is less than a tenth of its maximum.
    """
    centred = 2 * values - 1 if isinstance(layer, Sigmoid) else values
    return float((np.abs(centred) > SATURATED).mean())


def layer_state(layer: Layer, output: np.ndarray, values: np.ndarray) -> dict[str, float]:
    """Return the numbers the detectors watch.

    Parameters
    ----------
    layer : Layer
        The activation, or any other.
    output : array, shape (N, …)
        All of its outputs.
    values : array, shape (M,)
        A sample of them.

    Returns
    -------
    dict
        ``mean``, ``std``, ``low``, ``high``; ``dead`` (share of units) of a ReLU; ``saturated`` (share
        of outputs) of a sigmoid or tanh.
    """
    state = {
        "mean": float(values.mean()),
        "std": float(values.std()),
        "low": float(values.min()),
        "high": float(values.max()),
    }
    if isinstance(layer, ReLU) and output.ndim > 1:
        state["dead"] = float(dead_units(output).mean())
    elif isinstance(layer, Sigmoid | Tanh):
        state["saturated"] = saturated_share(layer, values)
    return state


def activation_warnings(states: Mapping[str, Mapping[str, float]]) -> dict[str, str]:
    """Return what is wrong with the activations, by kind.

    Parameters
    ----------
    states : mapping of layer names to `layer_state`, in the order of the layers
        The last layer's outputs may saturate: they are the answer.

    Returns
    -------
    dict of str to str
        Any of "dead", "saturated", "narrow" with a sentence.
    """
    found: dict[str, str] = {}
    inner = list(states.items())[:-1]
    dead = {name: s["dead"] for name, s in inner if s.get("dead", 0) >= MANY_DEAD}
    if dead:
        found["dead"] = (
            f"dead ReLUs, zero for every example of the probe: {_shares(dead)}; try a lower learning rate, He "
            "initialisation, or LeakyReLU"
        )
    saturated = {name: s["saturated"] for name, s in inner if s.get("saturated", 0) >= MANY_SATURATED}
    if saturated:
        found["saturated"] = (
            f"saturated activations, with a slope below a tenth of its maximum: {_shares(saturated)}; try smaller "
            "initial weights, scaled inputs, or a lower learning rate"
        )
    narrow = {
        name: max(-s["low"], s["high"])
        for name, s in inner
        if "saturated" in s and s["low"] < 0 and max(-s["low"], s["high"]) < NARROW
    }
    if narrow:
        reach = ", ".join(f"{name} {reach:.2g}" for name, reach in narrow.items())
        found["narrow"] = (
            f"tanh should span [-1, 1], but its largest size is {reach}: the layer is nearly linear; try larger "
            "initial weights"
        )
    return found


def gradient_warning(norms: Mapping[str, float]) -> dict[str, str]:
    """Return what is wrong with the gradients on their way from the last layer to the first, by kind.

    Parameters
    ----------
    norms : mapping of str to float
        Euclidean norm of the gradient with respect to each layer's output, in the order of the layers.

    Returns
    -------
    dict of str to str
        Nothing, or one of "vanishing", "exploding" with a sentence.
    """
    ratio = first_to_last(list(norms.values()))
    if ratio is None or VANISHING <= ratio <= EXPLODING:
        return {}
    first, last = next(iter(norms)), list(norms)[-1]
    text = f"the gradient's norm is {norms[last]:.2g} at {last} but {norms[first]:.2g} at {first}, {ratio:.2g} of it"
    if ratio < 1:
        return {
            "vanishing": f"{text}: it vanishes on its way to the first layers; try ReLU, He initialisation, "
            "batch normalisation or residual connections"
        }
    return {
        "exploding": f"{text}: it explodes on its way to the first layers; try smaller initial weights, batch "
        "normalisation or clip_norm"
    }


def first_to_last(norms: Sequence[float]) -> float | None:
    """Return the first of some gradient norms by the last; None if that tells nothing."""
    if len(norms) < 2 or not all(map(math.isfinite, norms)) or norms[-1] <= 0:
        return None
    return norms[0] / norms[-1]


def _shares(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{100 * share:.0f} % in {name}" for name, share in shares.items())
