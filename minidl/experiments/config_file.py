"""Configurations as TOML: reading and checking a file, ``key=value`` on a command line, writing one back."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from minidl.errors import ConfigError
from minidl.experiments.config import SECTIONS, Config, Key, find_key, keys, shown
from minidl.expressions import suggestion

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LARGEST = 1_000_000  # bytes; no configuration comes near


def read_table(path: str | Path) -> dict[str, Any]:
    """Return the content of a TOML file.

    Raises
    ------
    ConfigError
        If it cannot be read or is no TOML; the line is named.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such configuration file")
    if path.stat().st_size > LARGEST:
        raise ConfigError(f"{path}: this file is too large for a configuration ({LARGEST:,} bytes are read)")
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: this file is not UTF-8 text, as TOML has to be") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: this is no TOML: {error or 'too deeply nested'}") from None


def config_from(table: Mapping[str, Any], where: str = "") -> Config:
    """Return the configuration that nested dictionaries describe.

    Parameters
    ----------
    table : mapping
        ``{"data": {...}, "model": {...}, "training": {...}}``; what is left out has its default.
    where : str
        Where the table comes from, for messages: "train.toml".

    Raises
    ------
    ConfigError
        If a section or key does not exist, or a value has the wrong type, makes no sense, or
        contradicts another.
    """
    before = f"{where}: " if where else ""
    sections: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    for section, values in table.items():
        if section not in SECTIONS:
            if isinstance(values, Mapping):
                raise ConfigError(f"{before}there is no section {section!r}{suggestion(section, SECTIONS)}")
            find_key(section, before)  # a key outside of its section: says where it belongs
        if not isinstance(values, Mapping):
            raise ConfigError(f"{before}{section!r} is a section; write [{section}] and its keys below")
        for option, value in values.items():
            key = find_key(f"{section}.{option}", before)
            sections[section][option] = _typed(key, value, before)
    try:
        return Config(*(kind(**sections[name]) for name, kind in SECTIONS.items()))
    except ConfigError as error:
        raise ConfigError(f"{before}{error}") from None


def _typed(key: Key, value: Any, before: str) -> Any:
    """Return `value` in the type of the key, or refuse it."""
    if key.name == "model.rung" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # rung = 3 is what one writes
    good = False
    if key.type is bool:
        good = isinstance(value, bool)
    elif key.type in (int, int | None):
        good = isinstance(value, int) and not isinstance(value, bool)
    elif key.is_text:
        good = _is_text(value)
    elif key.type == tuple[str, ...]:
        good = isinstance(value, list | tuple) and all(map(_is_text, value))
    elif key.type == dict[str, float]:
        good = isinstance(value, Mapping) and all(map(_is_number, value.values()))
    else:
        good = value == "inverse-frequency" or (
            isinstance(value, list | tuple) and bool(value) and all(map(_is_number, value))
        )
    if not good:
        raise ConfigError(f"{before}{key.name} must be {key.kind}, got {shown(value)}")
    if isinstance(value, list | tuple):
        return tuple(float(x) if _is_number(x) else x for x in value)
    return {str(k): float(v) for k, v in value.items()} if isinstance(value, Mapping) else value


def _is_text(value: Any) -> bool:
    # A lone surrogate, from bytes on a command line that are no UTF-8, could be written nowhere.
    return (
        isinstance(value, str) and bool(value.strip()) and not any("\ud800" <= c <= "\udfff" for c in value)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def setting(text: str) -> tuple[Key, Any]:
    """Read ``training.epochs=5``, as ``--set`` takes it.

    The value is written as in TOML; a text may do without its quotes:
    ``training.optimizer=Adam(lr=1e-3)``.

    Raises
    ------
    ConfigError
        If there is no such key, or no value.
    """
    name, equals, value = text.partition("=")
    if not equals or not value.strip():
        raise ConfigError(f"--set {text}: write it as KEY=VALUE, such as --set training.epochs=5")
    key = find_key(name.strip(), "--set: ")
    return key, _value(key, value.strip())


def _value(key: Key, text: str) -> Any:
    if key.name == "model.rung" or (key.is_text and text[0] not in "\"'"):
        return text.strip("\"'")
    try:
        found = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        found = {}
    if set(found) != {"value"}:
        return text  # no TOML: the check of the type says what is expected
    return found["value"]


def merge(table: Mapping[str, Any], settings: Iterable[tuple[Key, Any]]) -> dict[str, Any]:
    """Return `table` with the values of some keys replaced."""
    merged = {name: dict(values) if isinstance(values, Mapping) else values for name, values in table.items()}
    for key, value in settings:
        section = merged.setdefault(key.section, {})
        if isinstance(section, dict):  # else the file is wrong, and its reader says so
            section[key.option] = value
    return merged


def to_toml(config: Config, note: str = "") -> str:
    """Return the configuration as the text of a TOML file.

    Parameters
    ----------
    config : Config
    note : str
        A line of comment for its top.
    """
    lines = [f"# {note}", ""] if note else []
    for section, values in config.table().items():
        lines.append(f"[{section}]")
        lines += [f"{name} = {toml_value(value)}" for name, value in values.items()]
        lines.append("")
    return "\n".join(lines)


def key_table() -> str:
    """Return every key with its kind, default and meaning, as a table of Markdown."""
    rows = [("key", "value", "default", "meaning")]
    for key in keys():
        kind = ", ".join(key.choices) if key.choices else key.kind
        kind += f", at least {key.least}" if key.least is not None else ""
        default = "-" if key.default is None else f"`{toml_value(key.default)}`"
        rows.append((f"`{key.name}`", kind, default, key.help))
    rows.insert(1, ("---",) * 4)
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def toml_value(value: Any) -> str:
    """Return a value as TOML has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON's escapes are TOML's; only DEL is escaped by one and not by the other.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml_value(str(k))} = {toml_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return repr(value)
