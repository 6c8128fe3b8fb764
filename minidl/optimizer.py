"""What all optimizers share: memory by parameter name, decay, clipping, and the walk over the arrays.

The formulas are in `minidl.optimizers`. Large arrays reach them in pieces that fit the cache
(`minidl.blocks`), so a formula may use temporary arrays freely.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from minidl import parallel
from minidl.backend import Array, device_of, namespace, to_device
from minidl.blocks import blocks
from minidl.clipping import clip_norm, clip_values
from minidl.errors import CheckpointError, ConfigError, ShapeError, StateError
from minidl.kernels.gpu import optimizers as gpu
from minidl.layers.base import Parameter

WORTH_SHARING = 60  # blocks beyond one for each parameter, from which threads share the update (measured)

NamedParameters = Iterable[tuple[str, Parameter]]


class Optimizer:
    """Base of the optimizers.

    Parameters
    ----------
    lr : float
        Learning rate, zero or more. The attribute may be assigned at any time, by a schedule for one.
    weight_decay : float
        Decoupled: before the update, ``w *= 1 - lr * weight_decay``, for parameters with
        ``decay=True``. The gradient and the memory never see it. For SGD this is the same as an L2
        penalty of that strength (`minidl.regularizers.L2`), for all others it is not (Loshchilov and
        Hutter 2019; erratum 13).
    clip_norm : float, optional
        Upper bound for the Euclidean norm of all gradients together (`minidl.clipping.clip_norm`).
    clip_value : float, optional
        Upper bound for the size of every component; applied before `clip_norm`.

    Attributes
    ----------
    steps : int
        Steps taken.

    Raises
    ------
    ConfigError
        If an option makes no sense.
    """

    slots: tuple[str, ...] = ()  # names of the arrays remembered per parameter, in `update` order
    update: Callable[..., None]

    def __init__(
        self,
        lr: float,
        *,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        self.lr = lr
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.clip_value = clip_value
        self.steps = 0
        self._control: gpu.Control | None = None
        self._state: dict[str, tuple[Array, ...]] = {}
        self._require("lr", lr, 0 <= lr < math.inf, "a finite number >= 0")
        self._require("weight_decay", weight_decay, 0 <= weight_decay < math.inf, "a finite number >= 0")
        for option, limit in (("clip_norm", clip_norm), ("clip_value", clip_value)):
            self._require(
                option, limit, limit is None or 0 < limit < math.inf, "a finite number > 0, or None"
            )

    @property
    def control(self) -> gpu.Control | None:
        """On a GPU: the learning rate and the number of the step, in its memory."""
        # A property, not an attribute: it is no option, and has no place in a run's configuration.
        return self._control

    @control.setter
    def control(self, control: gpu.Control | None) -> None:
        self._control = control

    def prepare(self, named_parameters: NamedParameters) -> None:
        """Called before the forward pass. Only the look-ahead forms of `Nesterov` do anything here."""

    def step(self, named_parameters: NamedParameters) -> None:
        """Change the parameters in place.

        Parameters
        ----------
        named_parameters : iterable of (str, Parameter)
            Frozen ones are passed over: neither they nor their memory change, and clipping does not
            count them. The rate of each is ``lr * parameter.lr_factor``. Clipping may scale gradients.

        Raises
        ------
        StateError
            If a parameter that is not frozen has no gradient.
        ShapeError
            If a gradient has another shape than its parameter.
        """
        parameters = [(name, parameter) for name, parameter in named_parameters if not parameter.frozen]
        self._check_gradients(parameters)
        if self.clip_value is not None:
            clip_values([parameter.grad for _, parameter in parameters], self.clip_value)
        if self.clip_norm is not None and parameters:
            clip_norm([parameter.grad for _, parameter in parameters], self.clip_norm)
        self.steps += 1
        if gpu.applies(self, parameters):
            gpu.step(self, parameters)
            return
        pieces: list[tuple[tuple[Array, ...], float, tuple[Any, ...]]] = []
        for name, parameter in parameters:
            lr = self._rate(parameter)
            shrink = 1.0 - lr * float(self.weight_decay) if parameter.decay else 1.0
            arguments = self._arguments(name, lr)
            memory = self._memory(name, parameter.value)
            pieces += [(piece, shrink, arguments) for piece in _pieces(parameter, memory)]
        team = parallel.team()
        if team is None or len(pieces) - len(parameters) < WORTH_SHARING:
            self._update_all(pieces)
        else:
            team.run([partial(self._update_all, pieces[k :: team.size]) for k in range(team.size)])

    def _update_all(self, pieces: list[tuple[tuple[Array, ...], float, tuple[Any, ...]]]) -> None:
        for (w, g, *remembered), shrink, arguments in pieces:
            if callable(g):
                g = g()
            if shrink != 1.0:
                w *= shrink
            self.update(w, g, *remembered, *arguments)

    def _rate(self, parameter: Parameter) -> float:
        # Python floats: a NumPy float64 would turn float32 arithmetic into float64.
        return float(self.lr) * float(parameter.lr_factor)

    def _arguments(self, name: str, lr: float) -> tuple[Any, ...]:
        """Return what `update` is given after the arrays, once for each parameter and step."""
        return (lr,)

    def flush_denormals(self) -> None:
        """Set remembered numbers below 1e-30 to zero.

        The memory of a unit that is no longer active shrinks geometrically until it reaches the
        denormal numbers (below 1.2e-38 in float32), with which processors calculate many times more
        slowly. Called once per epoch this costs one pass; it changes no weight that float32 could
        show.
        """
        for memory in self._state.values():
            for array in memory:
                for (piece,) in blocks(array):
                    piece[abs(piece) < 1e-30] = 0

    def state_dict(self) -> dict[str, Any]:
        """Return everything a resumed run needs besides the options.

        Returns
        -------
        dict
            ``"step"``, the number of steps taken, and arrays such as ``"velocity/1.weight"``, which
            are not copied.
        """
        state: dict[str, Any] = {"step": self.steps}
        for name, memory in self._state.items():
            state.update((f"{slot}/{name}", array) for slot, array in zip(self.slots, memory, strict=True))
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the state another optimizer of the same kind returned. Arrays are copied.

        Raises
        ------
        CheckpointError
            If the state is not of this kind of optimizer or incomplete; nothing is changed then. A
            shape that does not fit its parameter is found by the next `step`.
        """
        kind = type(self).__name__
        if "step" not in state:
            raise CheckpointError(
                f"{kind}: the optimizer state has no 'step'; it is not from minidl or damaged"
            )
        names = dict.fromkeys(key.partition("/")[2] for key in state if key != "step")
        expected = {f"{slot}/{name}" for name in names for slot in self.slots}
        wrong = sorted(expected ^ (state.keys() - {"step"}))
        if wrong:
            raise CheckpointError(
                f"{kind}: the optimizer state does not fit: per parameter it needs "
                f"{', '.join(self.slots) or 'no arrays'}; missing or unexpected: {', '.join(wrong)}"
            )
        self.steps = int(state["step"])
        self._state = {name: tuple(state[f"{slot}/{name}"].copy() for slot in self.slots) for name in names}

    def _memory(self, name: str, w: Array) -> tuple[Array, ...]:
        memory = self._state.get(name)
        if memory is None:
            memory = self._state[name] = tuple(namespace(w).zeros_like(w) for _ in self.slots)
        elif memory and (
            memory[0].shape != w.shape or memory[0].dtype != w.dtype or type(memory[0]) is not type(w)
        ):
            memory = self._state[name] = tuple(self._fitted(name, array, w) for array in memory)
        return memory

    def _fitted(self, name: str, array: Array, w: Array) -> Array:
        # The parameter was moved or changed its type, or the state comes from a checkpoint.
        if array.shape != w.shape:
            raise CheckpointError(
                f"{type(self).__name__}: the state of {name!r} has shape {array.shape} but the parameter has "
                f"{w.shape}; load a state that belongs to this model"
            )
        return to_device(array, device_of(w)).astype(w.dtype)

    def _check_gradients(self, parameters: list[tuple[str, Parameter]]) -> None:
        for name, parameter in parameters:
            gradient = parameter.product or parameter.grad
            if gradient is None:
                raise StateError(
                    f"{type(self).__name__}: parameter {name!r} has no gradient; run backward before "
                    "step, or freeze the parameter (minidl.transfer.freeze)"
                )
            if gradient.shape != parameter.value.shape:
                raise ShapeError(
                    f"{type(self).__name__}: parameter {name!r} has shape {parameter.value.shape} but its "
                    f"gradient {gradient.shape}; backward must set a gradient of the parameter's shape"
                )

    def _require(self, option: str, value: Any, holds: bool, expected: str) -> None:
        if not holds:
            raise ConfigError(f"{type(self).__name__}: {option} must be {expected}, got {value!r}")

    def _require_choice(self, option: str, value: Any, *choices: str) -> None:
        self._require(option, value, value in choices, "one of " + ", ".join(map(repr, choices)))


def _pieces(parameter: Parameter, memory: tuple[Array, ...]) -> Iterator[tuple[Any, ...]]:
    """Return matching pieces of a parameter's value, gradient and memory; a gradient may be a function."""
    if parameter.product is None:
        yield from blocks(parameter.value, parameter.grad, *memory)
    else:
        yield from parameter.product.pieces(parameter.value, memory)
