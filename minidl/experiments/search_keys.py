"""Putting a value into a configuration: a whole key, or one option inside the text of a constructor call.

``data.batch_size`` is a key. ``training.optimizer.lr`` is the option ``lr`` of the call in the key
``training.optimizer``; ``training.regularizers.0.strength`` that of the first of several;
``model.text.layers.1.units`` goes by the second element of the list in the option ``layers``. An option
may be given by name or by place, or not at all: then it is added.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from minidl.errors import ConfigError
from minidl.experiments import vocabulary
from minidl.experiments.config import Config, Key, find_key, keys
from minidl.experiments.config_file import config_from
from minidl.expressions import options_of, suggestion

# The keys that hold constructor calls, and what these may name.
VOCABULARIES: dict[str, Callable[[], vocabulary.Names]] = {
    "model.text": vocabulary.layers,
    "model.layers": vocabulary.layers,
    "data.augment": vocabulary.augmentations,
    "data.mix": vocabulary.mixes,
    "data.sampler": vocabulary.samplers,
    "training.loss": vocabulary.losses,
    "training.optimizer": vocabulary.optimizers,
    "training.schedule": vocabulary.schedules,
    "training.regularizers": vocabulary.regularizers,
    "training.callbacks": vocabulary.callbacks,
    "training.monitor": vocabulary.monitors,
}

# What a search may not vary, and why.
FIXED = {
    "data.name": "all trials are compared on the same validation images",
    "data.dir": "all trials are compared on the same validation images",
    "data.split": "all trials are compared on the same validation images",
    "data.fold": "all trials are compared on the same validation images",
    "training.seed": "each trial has a seed of its own, which follows from search.seed",
    "training.threads": "it changes the speed, and the last bits, but no result worth choosing by",
    "training.device": "it changes the speed, and the last bits, but no result worth choosing by",
    "training.monitor": "it changes nothing in the training",
    "training.keep_best": "search.objective chooses the best epoch",
    "training.checkpoint_every": "it changes nothing in the training",
    "training.out": "each trial has its own folder below that of the search",
}


def place(name: str) -> tuple[Key, list[str]]:
    """Return the configuration key that a dotted name begins with, and the rest of its parts.

    Raises
    ------
    ConfigError
        If it begins with no key, or is one of `FIXED`.
    """
    parts = name.split(".")
    key = find_key(".".join(parts[:2]), "search.space: ")
    if key.name in FIXED:
        raise ConfigError(f"search.space: {key.name} is not for searching: {FIXED[key.name]}")
    if len(parts) > 2 and key.name not in VOCABULARIES:
        raise ConfigError(
            f"search.space: {key.name} holds {key.kind} and has no option {'.'.join(parts[2:])!r}"
        )
    return key, parts[2:]


def check_names(config: Config, names: Iterable[str]) -> None:
    """Refuse names that lead nowhere, lie within each other, or would change nothing.

    Raises
    ------
    ConfigError
    """
    names = list(names)
    for name in names:
        place(name)
        for other in names:
            if other != name and other.startswith(f"{name}."):
                raise ConfigError(f"search.space: {other} lies within {name}; leave out one of them")
    if config.training.schedule is not None and "training.optimizer.lr" in names:
        raise ConfigError(
            "search.space: training.schedule replaces the optimizer's lr, so training.optimizer.lr would change "
            "nothing; search training.schedule.lr, or leave out the schedule"
        )


def with_parameters(config: Config, parameters: dict[str, Any]) -> Config:
    """Return the configuration of a trial.

    Parameters
    ----------
    config : Config
    parameters : dict
        Values by dotted name.

    Raises
    ------
    ConfigError
        If a name leads nowhere, or a value is refused.
    """
    values: dict[str, Any] = {key.name: config[key.name] for key in keys()}
    for name, value in parameters.items():
        key, path = place(name)
        values[key.name] = _put(key, values[key.name], path, value, name) if path else value
    table: dict[str, dict[str, Any]] = {}
    for dotted, value in values.items():
        if value is not None:
            section, _, option = dotted.partition(".")
            table.setdefault(section, {})[option] = value
    return config_from(table)


def _put(key: Key, held: Any, path: list[str], value: Any, name: str) -> Any:
    """Return the value of a key with one option of its text replaced."""
    names = VOCABULARIES[key.name]()
    if key.is_text:
        if held is None:
            raise ConfigError(f"search.space: {name}: {key.name} is not given; write it with any value there")
        return _replaced(held, path, value, names, name)
    index = _index(path[0], len(held), name)
    if len(path) == 1:
        return (*held[:index], value, *held[index + 1 :])
    return (*held[:index], _replaced(held[index], path[1:], value, names, name), *held[index + 1 :])


def _index(text: str, count: int, name: str) -> int:
    if not text.isdecimal() or int(text) >= count:
        raise ConfigError(
            f"search.space: {name}: {text!r} must be the number of one of {count} elements, counted from 0"
        )
    return int(text)


def _replaced(text: str, path: list[str], value: Any, names: vocabulary.Names, name: str) -> str:
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ConfigError(f"search.space: {name}: {text!r} is not a call such as Adam(lr=1e-3)") from None
    return ast.unparse(_descend(tree, path, value, names, name))


def _descend(node: ast.expr, path: list[str], value: Any, names: vocabulary.Names, name: str) -> ast.expr:
    """Return the tree with the node at the end of the path replaced by the value."""
    if not path:
        return _literal(value, names)
    part, rest = path[0], path[1:]
    if isinstance(node, ast.List | ast.Tuple):
        index = _index(part, len(node.elts), name)
        node.elts[index] = _descend(node.elts[index], rest, value, names, name)
        return node
    if isinstance(node, ast.Name):  # a bare class name is a call without options
        node = ast.Call(node, [], [])
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names):
        raise ConfigError(f"search.space: {name}: {ast.unparse(node)} has no option {part!r}")
    made = names[node.func.id]
    known, open_ended = options_of(made)
    if part not in known and not open_ended:
        raise ConfigError(
            f"search.space: {name}: {node.func.id} has no option {part!r}{suggestion(part, known)}"
        )
    for keyword in node.keywords:
        if keyword.arg == part:
            keyword.value = _descend(keyword.value, rest, value, names, name)
            return node
    places = [
        p.name for p in inspect.signature(made).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    position = places.index(part) if part in places else len(places)
    if position < len(node.args):
        node.args[position] = _descend(node.args[position], rest, value, names, name)
    elif rest:
        raise ConfigError(
            f"search.space: {name}: {ast.unparse(node)} does not give {part!r}; write it out first"
        )
    else:
        node.keywords.append(ast.keyword(part, _literal(value, names)))
    return node


def _literal(value: Any, names: vocabulary.Names) -> ast.expr:
    """Return a value as it stands in a call: a text that names a class is itself a call."""
    if isinstance(value, str):
        try:
            tree = ast.parse(value, mode="eval").body
        except (SyntaxError, ValueError):
            return ast.Constant(value)
        called = tree.func if isinstance(tree, ast.Call) else tree
        if isinstance(called, ast.Name) and called.id in names:
            return tree
        return ast.Constant(value)
    return ast.parse(repr(value), mode="eval").body
