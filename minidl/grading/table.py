"""Reading a table of TOML key by key, so that a mistake in it is named by file and key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from minidl.errors import ConfigError
from minidl.expressions import suggestion

_MISSING = object()


class Table:
    """A table of a TOML file.

    Parameters
    ----------
    values : mapping
    where : str
        File and table, for messages.
    """

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self.values, self.where = values, where

    @classmethod
    def read(cls, path: Path) -> Table:
        """Read a file.

        Raises
        ------
        ConfigError
            If it cannot be read or is no TOML.
        """
        from minidl.experiments.config_file import read_table

        return cls(read_table(path), str(path))

    def only(self, *known: str) -> Table:
        """Return this table, or refuse a key that is not among `known`."""
        for key in self.values:
            if key not in known:
                raise ConfigError(f"{self.where}: there is no key {key!r}{suggestion(key, known)}")
        return self

    def keys(self) -> Iterable[str]:
        """Return the keys."""
        return self.values.keys()

    def get(self, key: str) -> Any:
        """Return what is there, or None."""
        return self.values.get(key)

    def refuse(self, key: str, expected: str) -> NoReturn:
        """Raise the error for a wrong or missing value."""
        if key not in self.values:
            raise ConfigError(f"{self.where}: {key} is missing; it must be {expected}")
        raise ConfigError(f"{self.where}: {key} must be {expected}, got {self.values[key]!r}")

    def text(self, key: str, default: Any = _MISSING) -> str:
        """Return a text that is not empty."""
        value = self._value(key, default, "a text")
        if value is default:
            return value
        if not isinstance(value, str) or not value.strip():
            self.refuse(key, "a text")
        return value

    def number(self, key: str, default: Any = _MISSING, least: float | None = None) -> float:
        """Return a number of at least `least`."""
        wanted = "a number" if least is None else f"a number of at least {least:g}"
        value = self._value(key, default, wanted)
        if value is default:
            return value
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
            self.refuse(key, wanted)
        if least is not None and value < least:
            self.refuse(key, wanted)
        return value

    def whole(self, key: str, default: Any = _MISSING, least: int = 0) -> int:
        """Return a whole number of at least `least`."""
        value = self._value(key, default, f"a whole number of at least {least}")
        if value is default:
            return value
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            self.refuse(key, f"a whole number of at least {least}")
        return value

    def texts(self, key: str, default: Any = _MISSING) -> tuple[str, ...]:
        """Return a list of texts."""
        value = self._value(key, default, "a list of texts")
        if value is default:
            return value
        if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
            self.refuse(key, "a list of texts")
        return tuple(value)

    def table(self, key: str) -> Table:
        """Return a table inside this one, empty if it is missing."""
        value = self.values.get(key, {})
        if not isinstance(value, Mapping):
            self.refuse(key, "a table")
        return Table(value, f"{self.where}, [{key}]")

    def tables(self, key: str) -> list[Table]:
        """Return a list of tables, ``[[key]]``."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
            self.refuse(key, f"a list of tables, each written as [[{key}]]")
        return [Table(item, f"{self.where}, [[{key}]] number {i}") for i, item in enumerate(value, 1)]

    def _value(self, key: str, default: Any, expected: str) -> Any:
        if key in self.values:
            return self.values[key]
        if default is _MISSING:
            self.refuse(key, expected)
        return default
