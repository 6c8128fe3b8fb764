"""Which parameters learn, and how fast: freezing, and learning rates for each layer.

Names are dotted paths as in `Layer.named_parameters`. The name of a layer stands for everything inside
it: ``"1"`` is ``1.weight`` and ``1.bias``, not ``10.weight``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from minidl.errors import ConfigError, StateError
from minidl.expressions import suggestion
from minidl.layers.base import Parameter


def freeze(model: Any, *names: str) -> list[str]:
    """Keep layers as they are: the features somebody else has learned.

    Optimizers and penalties pass over frozen parameters, and `Layer.backward_parameters` (which the
    `Trainer` calls) goes no further down than the lowest layer that learns. A batch normalisation whose
    gamma and beta are both frozen uses its running averages in training, too, and leaves them alone.
    Dropout goes on dropping: it has nothing that could be frozen.

    Parameters
    ----------
    model : Layer
        Built.
    *names : str
        Layers or single parameters, such as ``"0"`` or ``"4.bias"``; none stands for the whole model.

    Returns
    -------
    list of str
        The parameters that are now frozen because of this call or were already.

    Raises
    ------
    ConfigError
        If there is no layer or parameter of such a name; nothing is changed then.
    """
    return _freeze(model, names, True)


def unfreeze(model: Any, *names: str) -> list[str]:
    """Let layers learn again; the opposite of `freeze`, with the same parameters and errors."""
    return _freeze(model, names, False)


def frozen_parameters(model: Any) -> list[str]:
    """Return the names of the parameters that are frozen."""
    return [name for name, parameter in model.named_parameters() if parameter.frozen]


def set_lr_factors(model: Any, factors: Mapping[str, float]) -> None:
    """Give layers learning rates of their own, as factors of the optimizer's.

    Parameters
    ----------
    model : Layer
        Built.
    factors : dict of str to float
        Layer or parameter to factor, zero or more, such as ``{"0": 0.1, "3": 0.3}``. Of a layer and
        something inside it, the longer name counts. What is not named keeps its factor (1 at first).

    Raises
    ------
    ConfigError
        If a name does not exist or a factor is negative or not a finite number; nothing is changed then.
    """
    chosen: dict[str, float] = {}
    for name in sorted(factors, key=lambda name: len(str(name))):
        factor = check_factor("set_lr_factors", f"the factor of {name!r}", factors[name])
        chosen.update((path, factor) for path, _ in select(model, [name], "set_lr_factors"))
    for path, parameter in model.named_parameters():
        if path in chosen:
            parameter.lr_factor = chosen[path]


def lr_factors(model: Any) -> dict[str, float]:
    """Return the factor of every parameter that does not have 1."""
    return {name: p.lr_factor for name, p in model.named_parameters() if p.lr_factor != 1.0}


def layer_groups(model: Any) -> list[list[str]]:
    """Return the layers of a network in groups that are given one learning rate, input first.

    A group begins at each layer with weights; layers that have only scales and shifts, such as a
    batch normalisation, join the group before them.

    Parameters
    ----------
    model : Layer
        Built; usually a `Sequential`, whose own layers (not those inside them) are grouped.

    Returns
    -------
    list of list of str
        Names of layers.
    """
    groups: list[list[str]] = []
    for name, layer in model.children():
        parameters = [parameter for _, parameter in layer.named_parameters()]
        if not parameters:
            continue
        if groups and not any(parameter.decay for parameter in parameters):
            groups[-1].append(name)
        else:
            groups.append([name])
    return groups


def discriminative(
    model: Any,
    lowest: float = 0.1,
    highest: float = 1.0,
    *,
    groups: Sequence[Sequence[str]] | None = None,
) -> list[tuple[list[str], float]]:
    """Let layers near the input learn more slowly: their features are the most general.

    Group k of K gets ``lowest * (highest / lowest) ** (k / (K - 1))``, a single group `highest`: the
    spread of fast.ai, whose ``slice(3e-5, 3e-4)`` (lecture AAR) is ``lr=3e-4`` for the optimizer and
    ``lowest=0.1`` here.

    Parameters
    ----------
    model : Layer
        Built.
    lowest, highest : float
        Factors of the optimizer's rate for the first and the last group, above zero.
    groups : sequence of sequence of str, optional
        Names of layers, input first; `layer_groups` by default.

    Returns
    -------
    list of (list of str, float)
        The groups and their factors.

    Raises
    ------
    ConfigError
        If a factor is not above zero, there is nothing to group, or a name does not exist.
    """
    for option, factor in (("lowest", lowest), ("highest", highest)):
        if check_factor("discriminative", option, factor) == 0:
            raise ConfigError(f"discriminative: {option} must be above 0, got {factor!r}; use freeze for 0")
    chosen = [list(group) for group in (layer_groups(model) if groups is None else groups)]
    if not chosen:
        raise ConfigError(
            "discriminative: the model has no layers with parameters inside it; give groups=[['…'], …], or "
            "build it first"
        )
    steps = len(chosen) - 1
    spread = [
        (group, lowest * (highest / lowest) ** (k / steps) if steps else float(highest))
        for k, group in enumerate(chosen)
    ]
    set_lr_factors(model, {name: factor for group, factor in spread for name in group})
    return spread


def learning(model: Any) -> dict[str, Any]:
    """Return what is frozen and which factors differ from one, for ``run.json`` and checkpoints.

    Returns
    -------
    dict
        ``"frozen"``, a list of names, and ``"lr_factors"``, names to factors, each where there are any.
    """
    found = {"frozen": frozen_parameters(model), "lr_factors": lr_factors(model)}
    return {key: value for key, value in found.items() if value}


def restore_learning(model: Any, state: Mapping[str, Any]) -> None:
    """Put back what `learning` returned; other keys of `state` do not matter."""
    frozen, factors = state.get("frozen", ()), state.get("lr_factors", {})
    for name, parameter in model.named_parameters():
        parameter.frozen = name in frozen
        parameter.lr_factor = float(factors.get(name, 1.0))


def select(model: Any, names: Sequence[str], what: str) -> list[tuple[str, Parameter]]:
    """Return the parameters that the names stand for, in the model's order.

    Parameters
    ----------
    model : Layer
        Built.
    names : sequence of str
        Layers or parameters.
    what : str
        Who asks, for messages.

    Raises
    ------
    ConfigError
        Names the first that does not exist, and the nearest that does.
    StateError
        If the model has not been built.
    """
    require_built(model, what)
    is_one = selector(names, known_names(model), what)
    return [(path, parameter) for path, parameter in model.named_parameters() if is_one(path)]


def selector(names: Sequence[str], known: Sequence[str], what: str) -> Callable[[str], bool]:
    """Return a function that says whether a dotted path is one of `names` or inside one of them.

    Raises
    ------
    ConfigError
        If a name is not in `known`.
    """
    for name in names:
        if name not in known:
            raise ConfigError(
                f"{what}: there is no layer or parameter {name!r}{suggestion(str(name), known)}"
            )
    return lambda path: any(path == name or path.startswith(name + ".") for name in names)


def known_names(model: Any) -> list[str]:
    """Return the dotted paths of all layers, parameters and buffers."""
    return list(dict.fromkeys(_known(model)))


def require_built(model: Any, what: str) -> None:
    """Raise a `StateError` unless the model has been built."""
    if getattr(model, "output_shape", None) is None:
        raise StateError(f"{what}: the model has no parameters yet; call build(input_shape) first")


def _known(model: Any) -> Iterator[str]:
    yield from (path for path, _ in model.named_layers() if path)
    yield from (path for path, _ in model.named_parameters())
    yield from (path for path, _ in model.named_buffers())


def _freeze(model: Any, names: Sequence[str], frozen: bool) -> list[str]:
    what = "freeze" if frozen else "unfreeze"
    require_built(model, what)
    chosen = select(model, names, what) if names else list(model.named_parameters())
    for _, parameter in chosen:
        parameter.frozen = frozen
        parameter.grad = None  # of an earlier step; a frozen bottom would keep it
    return [name for name, _ in chosen]


def check_factor(what: str, option: str, value: Any) -> float:
    """Return a factor of the learning rate; raise a `ConfigError` unless it is a finite number >= 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ConfigError(f"{what}: {option} must be a finite number >= 0, got {value!r}")
    return float(value)
