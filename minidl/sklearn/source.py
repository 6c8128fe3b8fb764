"""The reverse of `minidl.expressions.build`: an object as the text that makes it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from minidl.errors import ConfigError
from minidl.expressions import build

_KEPT_AS = {"kernel_size": "kernel", "pool_size": "kernel"}  # options kept under another name


def source(what: str, thing: Any, names: Mapping[str, Any]) -> str:
    """Return a call that makes an object of minidl as it was before it was built or used.

    Parameters
    ----------
    what : str
        What it is, for messages.
    thing : layer, loss, optimizer or schedule
    names : mapping of str to callable
        What may be called: of `minidl.experiments.vocabulary`.

    Raises
    ------
    ConfigError
        If there is no such text: a class of somebody else's, or a function.

    Examples
    --------
    >>> from minidl.experiments.vocabulary import optimizers
    >>> from minidl.optimizers import Momentum
    >>> source("the optimizer", Momentum(0.05, 0.9, clip_norm=1.0), optimizers())
    'Momentum(lr=0.05, clip_norm=1.0)'
    """
    text = _written(what, thing, names)
    if _written(what, build(text, names, what), names) != text:
        raise _refusal(what, thing)
    return text


def _written(what: str, thing: Any, names: Mapping[str, Any]) -> str:
    if isinstance(thing, np.ndarray):
        thing = thing.tolist()
    if thing is None or isinstance(thing, bool | int | float | str):
        return repr(thing)
    if isinstance(thing, np.generic):
        return repr(thing.item())
    if isinstance(thing, list):
        return f"[{', '.join(_written(what, item, names) for item in thing)}]"
    if isinstance(thing, tuple):
        items = [_written(what, item, names) for item in thing]
        return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
    if isinstance(thing, dict):
        pairs = (f"{_written(what, key, names)}: {_written(what, thing[key], names)}" for key in thing)
        return f"{{{', '.join(pairs)}}}"
    kind = type(thing)
    if names.get(kind.__name__) is not kind:
        raise _refusal(what, thing)
    return f"{kind.__name__}({', '.join(_options(what, thing, names))})"


def _options(what: str, thing: Any, names: Mapping[str, Any]) -> list[str]:
    written = []
    for name, default in _signature(type(thing)).items():
        kept = name if hasattr(thing, name) else _KEPT_AS.get(name, name)
        if not hasattr(thing, kept):
            raise _refusal(what, thing)
        value = getattr(thing, kept)
        # Where None stands for a default that depends on the rest, the attribute has what it became.
        if value is not default and (type(value) is not type(default) or value != default):
            written.append(f"{name}={_written(what, value, names)}")
    return written


def _signature(kind: type) -> dict[str, Any]:
    """Return the options of a class with their defaults, those it hands on to its base included."""
    found: dict[str, Any] = {}
    for owner in kind.__mro__:
        if "__init__" not in vars(owner):
            continue
        parameters = inspect.signature(vars(owner)["__init__"]).parameters.values()
        for option in list(parameters)[1:]:
            if option.kind not in (option.VAR_KEYWORD, option.VAR_POSITIONAL):
                found.setdefault(option.name, option.default)
        if not any(option.kind is option.VAR_KEYWORD for option in parameters):
            break
    return found


def _refusal(what: str, thing: Any) -> ConfigError:
    return ConfigError(
        f"{what}: {getattr(thing, '__name__', type(thing).__name__)} cannot be written as text, which a file needs; "
        "only minidl's own classes can"
    )
