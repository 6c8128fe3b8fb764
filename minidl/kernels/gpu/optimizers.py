"""The update rules of `minidl.optimizers`, one launch for all parameters of a network.

Every rule is a few operations on each weight, so the time it takes is that of reading and writing the arrays:
once each, here. In the array library every operation would read and write them again. And most arrays are
biases of some ten numbers, for which a launch of their own would be mostly launch. So a kernel takes up to
`SLOTS` parameters; the second number of a block says which it works on.

The learning rate and the number of the step are read from the device's memory: a recorded step must not
contain them as fixed numbers (`minidl.kernels.gpu.counters`). What belongs to a parameter and not to a
step, its share of the rate and its decay, is an ordinary argument.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from minidl.backend import Array, capturing, launcher, namespace
from minidl.kernels.gpu.counters import Counter
from minidl.kernels.gpu.launch import THREADS, Kernel

SLOTS = 10  # parameters of one launch; the lecture's largest network has so many
BLOCKS = (
    264  # for each, at most: two for each multiprocessor of an H100; every thread then has several weights
)
OUTSIDE, INSIDE, REFORMULATED = range(3)

# One slot: a parameter, its gradient, up to two arrays remembered, how many of the optimizer's steps it has
# missed, its factor of the rate, its weight decay.
_SLOT = "real* w#, const real* g#, real* first#, real* second#, int size#, int missed#, double factor#, double decay#"
_LENGTH = 8
_EMPTY = (None, None, None, None, 0, 0, 0.0, 0.0)
_ARGUMENTS = ",\n    ".join(_SLOT.replace("#", str(k)) for k in range(SLOTS))

_PICK = """
#define SLOT(k)                                                                       \\
    case k:                                                                           \\
        w = w##k; g = g##k; first = first##k; second = second##k;                     \\
        size = size##k; missed = missed##k; factor = factor##k; decay = decay##k;     \\
        break;
    real *w = 0, *first = 0, *second = 0;
    const real* g = 0;
    int size = 0, missed = 0;
    double factor = 0, decay = 0;
    switch (blockIdx.y) { CASES }
    // As on the host: in double, then rounded once. Weights that do not decay have decay 0, and shrink 1.
    real rate = real(lr[0] * factor), shrink = real(1.0 - lr[0] * factor * decay);
""".replace("CASES", " ".join(f"SLOT({k})" for k in range(SLOTS)))

_DIVISOR = """
__device__ inline real divisor(real squares, real eps, int eps_inside) {
    return eps_inside ? sqrt(squares + eps) : sqrt(squares) + eps;
}
"""


def _filled(source: str) -> str:
    return source.replace("PARAMETERS", _ARGUMENTS).replace("PICK", _PICK)


def _slots(lr: np.ndarray, slots: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Yield (w, g, first, second, missed, lr factor, rate, shrink) of every slot in use."""
    for start in range(0, len(slots), _LENGTH):
        w, g, first, second, _, missed, factor, decay = slots[start : start + _LENGTH]
        if w is not None:
            rate = float(lr[0]) * float(factor)
            real = w.dtype.type
            yield w, g, first, second, missed, rate, real(rate), real(1.0 - rate * float(decay))


def _divisor(squares: np.ndarray, eps: float, eps_inside: int) -> np.ndarray:
    eps = squares.dtype.type(eps)
    return np.sqrt(squares + eps) if eps_inside else np.sqrt(squares) + eps


def _sgd(lr: np.ndarray, *slots: Any) -> None:
    """``w <- w - lr g``."""
    for w, g, _, _, _, _, rate, shrink in _slots(lr, slots):
        w[...] = w * shrink - rate * g


sgd = Kernel(
    "sgd",
    _filled(r"""
extern "C" __global__ void sgd(const real* lr, PARAMETERS) {
PICK
    FOR_EACH(i, size) w[i] = w[i] * shrink - rate * g[i];
}
"""),
    _sgd,
)


def _momentum(lr: np.ndarray, mu: float, form: int, *slots: Any) -> None:
    """``v <- mu v + g; w <- w - lr v``, and the two other forms."""
    for w, g, velocity, _, _, _, rate, shrink in _slots(lr, slots):
        if form == INSIDE:
            velocity[...] = mu * velocity - rate * g
            w[...] = w * shrink + velocity
        else:
            velocity[...] = mu * velocity + g
            w[...] = w * shrink - rate * (velocity if form == OUTSIDE else g + mu * velocity)


momentum = Kernel(
    "momentum",
    _filled(r"""
extern "C" __global__ void momentum(const real* lr, real mu, int form, PARAMETERS) {
PICK
    FOR_EACH(i, size) {
        real slope = g[i];
        real v = mu * first[i] + (form == 1 ? -rate * slope : slope);
        real step = form == 0 ? -rate * v                   // outside
                  : form == 1 ? v                           // inside
                              : -rate * (slope + mu * v);   // Nesterov's, reformulated
        first[i] = v;
        w[i] = w[i] * shrink + step;
    }
}
"""),
    _momentum,
)


def _scaled(lr: np.ndarray, keep: float, add: float, eps: float, eps_inside: int, *slots: Any) -> None:
    """``G <- keep G + add g^2; w <- w - lr g / (sqrt(G) + eps)``: Adagrad (1, 1), RMSProp (gamma, 1 - gamma)."""
    for w, g, squares, _, _, _, rate, shrink in _slots(lr, slots):
        squares[...] = keep * squares + add * g * g
        w[...] = w * shrink - rate * g / _divisor(squares, eps, eps_inside)


scaled = Kernel(
    "scaled",
    _DIVISOR
    + _filled(r"""
extern "C" __global__ void scaled(
    const real* lr, real keep, real add, real eps, int eps_inside, PARAMETERS) {
PICK
    FOR_EACH(i, size) {
        real slope = g[i], sum = keep * first[i] + add * slope * slope;
        first[i] = sum;
        w[i] = w[i] * shrink - rate * slope / divisor(sum, eps, eps_inside);
    }
}
"""),
    _scaled,
)


def _adam(
    lr: np.ndarray,
    steps: np.ndarray,
    beta1: float,
    beta2: float,
    eps: float,
    eps_inside: int,
    correct: int,
    *slots: Any,
) -> None:
    """``m <- beta1 m + (1 - beta1) g; v <- beta2 v + (1 - beta2) g^2; w <- w - lr m_hat / (sqrt(v_hat) + eps)``."""
    for w, g, mean, square_mean, missed, rate, _, shrink in _slots(lr, slots):
        real, t = w.dtype.type, int(steps[0]) - int(missed)
        c1, c2 = (1 - beta1**t, 1 - beta2**t) if correct else (1.0, 1.0)
        mean[...] = real(beta1) * mean + real(1 - beta1) * g
        square_mean[...] = real(beta2) * square_mean + real(1 - beta2) * g * g
        small = eps * (c2 if eps_inside else math.sqrt(c2))
        w[...] = w * shrink - real(rate * math.sqrt(c2) / c1) * mean / _divisor(
            square_mean, small, eps_inside
        )


adam = Kernel(
    "adam",
    _DIVISOR
    + _filled(r"""
extern "C" __global__ void adam(
    const real* lr, const int64* steps, double beta1, double beta2, double eps, int eps_inside, int correct,
    PARAMETERS) {
PICK
    // The corrections are the same for all weights. Powers of doubles are slow: one thread of a block
    // computes them for the others.
    __shared__ double corrected[2];
    if (threadIdx.x == 0) {
        double t = double(steps[0] - missed);
        double c1 = correct ? 1.0 - pow(beta1, t) : 1.0, c2 = correct ? 1.0 - pow(beta2, t) : 1.0;
        corrected[0] = lr[0] * factor * sqrt(c2) / c1;
        corrected[1] = eps * (eps_inside ? c2 : sqrt(c2));
    }
    __syncthreads();  // the others wait for it
    rate = real(corrected[0]);
    real small = real(corrected[1]);
    FOR_EACH(i, size) {
        real slope = g[i];
        real m = real(beta1) * first[i] + real(1.0 - beta1) * slope;
        real v = real(beta2) * second[i] + real(1.0 - beta2) * slope * slope;
        first[i] = m;
        second[i] = v;
        w[i] = w[i] * shrink - rate * m / divisor(v, small, eps_inside);
    }
}
"""),
    _adam,
)


# What the optimizers call -------------------------------------------------------------------------


class Control:
    """What changes from step to step, on the device.

    Parameters
    ----------
    like : array

    Attributes
    ----------
    lr : array of one number of the parameters' type
        The learning rate.
    steps : Counter
        The number of the step.
    """

    def __init__(self, like: Array) -> None:
        self.lr = namespace(like).zeros(1, like.dtype)
        self.steps = Counter(like)
        self._rate: float | None = None

    def set_rate(self, rate: float) -> None:
        """Write the learning rate, unless it is there already. Not while a graph is recorded."""
        if rate != self._rate:
            self.lr.fill(rate)
            self._rate = rate

    def forget_rate(self) -> None:
        """Say that something else has written to `lr`, a replayed graph."""
        self._rate = None


def applies(optimizer: Any, parameters: Sequence[tuple[str, Any]]) -> bool:
    """Return whether there is a kernel for this very class, and for the device of the parameters."""
    if not parameters or launcher(parameters[0][1].value) is None:
        return False
    if type(optimizer).__module__ != "minidl.optimizers" or type(optimizer).__name__ not in _RULES:
        return False
    return all(
        parameter.value.flags.c_contiguous and parameter.value.dtype == parameters[0][1].value.dtype
        for _, parameter in parameters
    )


def step(optimizer: Any, parameters: Sequence[tuple[str, Any]]) -> None:
    """Update all parameters: what `Optimizer.step` does once it has counted the step and clipped."""
    first = parameters[0][1].value
    control = optimizer.control
    if control is None or type(control.lr) is not type(first) or control.lr.dtype != first.dtype:
        control = optimizer.control = Control(first)
    if not capturing(first):
        control.set_rate(float(optimizer.lr))
    kernel, options = _RULES[type(optimizer).__name__](optimizer)
    if kernel is adam:
        options = (control.steps.count(optimizer.steps), *options)
    slots = [_slot(optimizer, name, parameter) for name, parameter in parameters]
    for start in range(0, len(slots), SLOTS):
        part = slots[start : start + SLOTS]
        blocks = -(-max(slot[0].size for slot in part) // THREADS)
        filled = [value for slot in part + [_EMPTY] * (SLOTS - len(part)) for value in slot]
        kernel((min(blocks, BLOCKS), len(part)), control.lr, *options, *filled)


def _slot(optimizer: Any, name: str, parameter: Any) -> tuple[Any, ...]:
    w = parameter.value
    memory = (*optimizer._memory(name, w), None, None)[:2]
    # What `update` would be given after the arrays: for Adam, the parameter's own number of updates.
    _, *updates = optimizer._arguments(name, 0.0)
    missed = optimizer.steps - updates[0] if updates else 0
    decay = float(optimizer.weight_decay) if parameter.decay else 0.0
    g = namespace(w).ascontiguousarray(parameter.grad)
    return w, g, *memory, w.size, missed, float(parameter.lr_factor), decay


# The kernel of an optimizer, and its arguments between the rate and the parameters.
Rule = Callable[[Any], tuple[Kernel, tuple[Any, ...]]]


def _of_sgd(_: Any) -> tuple[Kernel, tuple[Any, ...]]:
    return sgd, ()


def _of_momentum(opt: Any) -> tuple[Kernel, tuple[Any, ...]]:
    # The look-ahead forms have moved the weights back before they come here: the step is that of "outside".
    return momentum, (opt.momentum, {"inside": INSIDE, "reformulated": REFORMULATED}.get(opt.form, OUTSIDE))


def _of_adagrad(opt: Any) -> tuple[Kernel, tuple[Any, ...]]:
    return scaled, (1.0, 1.0, opt.eps, int(opt.eps_inside))


def _of_rmsprop(opt: Any) -> tuple[Kernel, tuple[Any, ...]]:
    return scaled, (opt.gamma, 1 - opt.gamma, opt.eps, int(opt.eps_inside))


def _of_adam(opt: Any) -> tuple[Kernel, tuple[Any, ...]]:
    return adam, (opt.beta1, opt.beta2, opt.eps, int(opt.eps_inside), int(opt.bias_correction))


_RULES: dict[str, Rule] = {
    "SGD": _of_sgd,
    "Momentum": _of_momentum,
    "Nesterov": _of_momentum,
    "Adagrad": _of_adagrad,
    "RMSProp": _of_rmsprop,
    "Adam": _of_adam,
    "AdamW": _of_adam,
}
