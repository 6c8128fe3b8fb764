"""Optimizers: what to do with a gradient, in order of increasing difficulty.

Each class is its formula: `update` gets the weights `w`, their gradient `g`, the arrays the method
remembers, and the learning rate, and changes `w` and the memory in place. All the rest is in
`minidl.optimizer`.
"""

from __future__ import annotations

import math
from typing import Any

from minidl.backend import Array, namespace
from minidl.errors import StateError
from minidl.layers.base import Parameter
from minidl.optimizer import NamedParameters, Optimizer

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Momentum", "Nesterov", "Optimizer", "RMSProp"]


class SGD(Optimizer):
    """Stochastic gradient descent: ``w <- w - lr g`` (UU eq. 5, AAR).

    Parameters
    ----------
    lr : float
    **options
        `weight_decay`, `clip_norm`, `clip_value` of `Optimizer`.
    """

    def __init__(self, lr: float = 0.1, **options: Any) -> None:
        super().__init__(lr, **options)

    def update(self, w: Array, g: Array, lr: float) -> None:
        w -= lr * g


class Momentum(Optimizer):
    """A ball with friction: gradients that agree add up, those that alternate cancel.

    - ``form="outside"``: ``v <- mu v + g; w <- w - lr v`` (AAR, PyTorch);
    - ``form="inside"``: ``v <- mu v - lr g; w <- w + v`` (Nielsen ch. 3, cs231n).

    Both take the same steps while the rate is constant. When a schedule lowers it, "outside" slows
    down at once and "inside" only as the old velocity fades. The velocity is a weighted *sum* of
    gradients, not an average (erratum 12): a constant gradient moves ``w`` by ``lr g / (1 - mu)``.

    Parameters
    ----------
    lr : float
    momentum : float
        mu in [0, 1); 0.9 to 0.99 works (AAR).
    form : {"outside", "inside"}
    **options
        `weight_decay`, `clip_norm`, `clip_value` of `Optimizer`.
    """

    slots = ("velocity",)

    def __init__(
        self, lr: float = 0.1, momentum: float = 0.9, *, form: str = "outside", **options: Any
    ) -> None:
        super().__init__(lr, **options)
        self._require("momentum", momentum, 0 <= momentum < 1, "in [0, 1)")
        self._require_choice("form", form, "outside", "inside")
        self.momentum = momentum
        self.form = form

    def update(self, w: Array, g: Array, velocity: Array, lr: float) -> None:
        velocity *= self.momentum
        if self.form == "outside":
            velocity += g
            w -= lr * velocity
        else:
            velocity -= lr * g
            w += velocity


class Nesterov(Optimizer):
    """Momentum with the gradient taken where the velocity is about to lead.

    - ``form="lookahead"``, the idea: ``v <- mu v + grad(w - lr mu v); w <- w - lr v``.
    - ``form="reformulated"``, the same in the variable ``u = w - lr mu v``, the point looked at:
      ``v <- mu v + g(u); u <- u - lr (g + mu v)`` (Bengio et al. 2013, PyTorch). The gradient is
      needed where the weights already are, so nothing has to be moved. At a constant rate and from
      ``v = 0`` the gradients and losses seen are those of "lookahead"; what is stored is u, not w.
    - ``form="slide"``, as AAR prints it: ``v <- mu v + grad(w + mu v); w <- w - lr v``. With this v
      the sign and the factor are wrong (erratum 9): it looks back instead of ahead, by 1/lr times
      the distance. It is here to be compared.

    "lookahead" and "slide" need `prepare` before the forward pass, which moves the weights to the
    point looked at; `step` moves them back, bit for bit, before it updates.

    Parameters
    ----------
    lr : float
    momentum : float
        mu in [0, 1).
    form : {"reformulated", "lookahead", "slide"}
    **options
        `weight_decay`, `clip_norm`, `clip_value` of `Optimizer`.
    """

    slots = ("velocity",)

    def __init__(
        self, lr: float = 0.1, momentum: float = 0.9, *, form: str = "reformulated", **options: Any
    ) -> None:
        super().__init__(lr, **options)
        self._require("momentum", momentum, 0 <= momentum < 1, "in [0, 1)")
        self._require_choice("form", form, "reformulated", "lookahead", "slide")
        self.momentum = momentum
        self.form = form
        self._origins: dict[str, Array] = {}  # where the weights were before `prepare`

    def update(self, w: Array, g: Array, velocity: Array, lr: float) -> None:
        velocity *= self.momentum
        velocity += g
        if self.form == "reformulated":
            w -= lr * (g + self.momentum * velocity)
        else:
            w -= lr * velocity

    def prepare(self, named_parameters: NamedParameters) -> None:
        """Move the weights to the point where the gradient is wanted.

        Called twice without a `step` between, it starts again from the same weights.
        """
        if self.form == "reformulated":
            return
        parameters = list(named_parameters)
        self._return(parameters)
        for name, parameter in parameters:
            if parameter.frozen:
                continue
            w = parameter.value
            reach = self.momentum if self.form == "slide" else -self._rate(parameter) * self.momentum
            (velocity,) = self._memory(name, w)
            self._origins[name] = w.copy()
            w += reach * velocity

    def step(self, named_parameters: NamedParameters) -> None:
        parameters = list(named_parameters)
        if self.form != "reformulated":
            for name, parameter in parameters:
                if name not in self._origins and not parameter.frozen:
                    raise StateError(
                        f"Nesterov: form={self.form!r} needs prepare(named_parameters) before the forward "
                        f"pass, but {name!r} was not prepared; call it, or use form='reformulated'"
                    )
            self._check_gradients(
                [(name, parameter) for name, parameter in parameters if not parameter.frozen]
            )
            self._return(parameters)
        super().step(parameters)

    def state_dict(self) -> dict[str, Any]:
        """Return the state; see `Optimizer.state_dict`.

        Raises
        ------
        StateError
            Between `prepare` and `step`, when the weights are not where training has brought them.
        """
        if self._origins:
            raise StateError("Nesterov: take the state after step, not between prepare and step")
        return super().state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._origins = {}

    def _return(self, parameters: list[tuple[str, Parameter]]) -> None:
        for name, parameter in parameters:
            origin = self._origins.pop(name, None)
            if origin is not None:
                parameter.value[...] = origin


class Adagrad(Optimizer):
    """A rate of its own for every weight, falling with the gradients it has seen (Duchi et al. 2011).

    ``G <- G + g^2; w <- w - lr g / (sqrt(G) + eps)``

    Parameters
    ----------
    lr : float
    eps : float
        Keeps the division finite while G is 0.
    eps_inside : bool
        Divide by ``sqrt(G + eps)``, as AAR prints for this and the following optimizers (erratum
        11). At G = 0, 1e-8 inside the root acts like 1e-4 outside.
    **options
        `weight_decay`, `clip_norm`, `clip_value` of `Optimizer`.
    """

    slots = ("square_sum",)

    def __init__(
        self, lr: float = 0.01, *, eps: float = 1e-8, eps_inside: bool = False, **options: Any
    ) -> None:
        super().__init__(lr, **options)
        self._require("eps", eps, 0 < eps < math.inf, "a finite number > 0")
        self.eps = eps
        self.eps_inside = eps_inside

    def update(self, w: Array, g: Array, square_sum: Array, lr: float) -> None:
        square_sum += g * g
        w -= lr * g / _root(square_sum, self.eps, self.eps_inside)


class RMSProp(Optimizer):
    """Adagrad that forgets: an average of squared gradients in place of their sum (Hinton 2012).

    ``G <- gamma G + (1 - gamma) g^2; w <- w - lr g / (sqrt(G) + eps)``

    Parameters
    ----------
    lr : float
    gamma : float
        In [0, 1), about 0.9 (AAR); PyTorch calls it alpha.
    eps, eps_inside
        As in `Adagrad`.
    **options
        `weight_decay`, `clip_norm`, `clip_value` of `Optimizer`.
    """

    slots = ("square_mean",)

    def __init__(
        self,
        lr: float = 0.001,
        gamma: float = 0.9,
        *,
        eps: float = 1e-8,
        eps_inside: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(lr, **options)
        self._require("gamma", gamma, 0 <= gamma < 1, "in [0, 1)")
        self._require("eps", eps, 0 < eps < math.inf, "a finite number > 0")
        self.gamma = gamma
        self.eps = eps
        self.eps_inside = eps_inside

    def update(self, w: Array, g: Array, square_mean: Array, lr: float) -> None:
        square_mean *= self.gamma
        square_mean += (1 - self.gamma) * g * g
        w -= lr * g / _root(square_mean, self.eps, self.eps_inside)


class Adam(Optimizer):
    """Momentum for the direction and RMSProp for the size of the step (Kingma and Ba 2015).

    ``m <- beta1 m + (1 - beta1) g; v <- beta2 v + (1 - beta2) g^2``; after t steps
    ``m_hat = m / (1 - beta1^t)`` and ``v_hat = v / (1 - beta2^t)`` undo the pull of the zeros m and v
    start from; ``w <- w - lr m_hat / (sqrt(v_hat) + eps)``. The steps are those of the parameter: one that
    was frozen at first starts at t = 1 when it is let go.

    Parameters
    ----------
    lr : float
    beta1, beta2 : float
        In [0, 1).
    eps, eps_inside
        As in `Adagrad`; AAR prints ``sqrt(v_hat + eps)``.
    bias_correction : bool
        If false, m and v are used as they are: the lecture's "almost Adam", whose first step is
        ``lr (1 - beta1) / sqrt(1 - beta2)``, 3.2 times too long with the default values.
    **options
        `weight_decay` (decoupled, which makes this AdamW), `clip_norm`, `clip_value` of `Optimizer`.
    """

    slots = ("mean", "square_mean")

    def __init__(
        self,
        lr: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        *,
        eps: float = 1e-8,
        eps_inside: bool = False,
        bias_correction: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(lr, **options)
        self._require("beta1", beta1, 0 <= beta1 < 1, "in [0, 1)")
        self._require("beta2", beta2, 0 <= beta2 < 1, "in [0, 1)")
        self._require("eps", eps, 0 < eps < math.inf, "a finite number > 0")
        self.beta1, self.beta2 = beta1, beta2
        self.eps = eps
        self.eps_inside = eps_inside
        self.bias_correction = bias_correction
        self._updates: dict[str, int] = {}  # of each parameter; fewer than `steps` if it has been frozen

    def update(self, w: Array, g: Array, mean: Array, square_mean: Array, lr: float, t: int) -> None:
        mean *= self.beta1
        mean += (1 - self.beta1) * g
        square_mean *= self.beta2
        square_mean += (1 - self.beta2) * g * g
        c1 = 1 - self.beta1**t if self.bias_correction else 1.0
        c2 = 1 - self.beta2**t if self.bias_correction else 1.0
        # m_hat / (sqrt(v_hat) + eps), with sqrt(c2) taken out of the root: no v_hat needs computing.
        eps = self.eps * (c2 if self.eps_inside else math.sqrt(c2))
        w -= lr * math.sqrt(c2) / c1 * mean / _root(square_mean, eps, self.eps_inside)

    def _arguments(self, name: str, lr: float) -> tuple[Any, ...]:
        self._updates[name] = t = self._updates.get(name, 0) + 1
        return lr, t

    def state_dict(self) -> dict[str, Any]:
        """Return the state; see `Optimizer.state_dict`.

        ``"updates/<name>"`` counts the updates of a parameter that missed some of the steps.
        """
        # Sorted, so that a checkpoint of a resumed run has the same bytes.
        late = {name: count for name, count in sorted(self._updates.items()) if count != self.steps}
        return {**super().state_dict(), **{f"updates/{name}": count for name, count in late.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        late = {key.partition("/")[2]: int(state[key]) for key in state if key.startswith("updates/")}
        super().load_state_dict(
            {key: value for key, value in state.items() if not key.startswith("updates/")}
        )
        self._updates = {**dict.fromkeys(self._state, self.steps), **late}


class AdamW(Adam):
    """Adam with decoupled weight decay switched on (Loshchilov and Hutter 2019).

    ``w <- w - lr weight_decay w``, then the update of `Adam`. An L2 penalty with Adam would be
    divided by ``sqrt(v_hat)`` along with the gradient, so weights with large gradients would hardly
    decay.

    Parameters
    ----------
    lr, beta1, beta2, **options
        As in `Adam`.
    weight_decay : float
        0.01, the default of PyTorch.
    """

    def __init__(
        self,
        lr: float = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        *,
        weight_decay: float = 0.01,
        **options: Any,
    ) -> None:
        super().__init__(lr, beta1, beta2, weight_decay=weight_decay, **options)


def _root(squares: Array, eps: float, eps_inside: bool) -> Array:
    xp = namespace(squares)
    if eps_inside:
        return xp.sqrt(squares + eps)
    root = xp.sqrt(squares)
    root += eps
    return root
