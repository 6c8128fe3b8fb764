"""The records of a search's trials: reading them, choosing among them, putting them into words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from minidl.errors import CheckpointError, ConfigError

Row = dict[str, Any]  # the content of a trial.json; `minidl.experiments.search_trial.run_trial` writes it


def best_row(rows: list[Row], maximize: bool) -> Row | None:
    """Return the best trial that came to its end; of equal ones the first. None if there is none."""
    done = [row for row in rows if row["state"] == "done" and row["value"] == row["value"]]
    if not done:
        return None
    return min(done, key=lambda row: (-row["value"] if maximize else row["value"], row["trial"]))


def ranked(rows: list[Row], maximize: bool) -> list[Row]:
    """Return the trials that came to an end, the longest trained first, and among those the best."""
    done = [row for row in rows if row["state"] == "done"]
    return sorted(
        done, key=lambda row: (-row["stage"], -row["value"] if maximize else row["value"], row["trial"])
    )


def read_trials(folder: str | Path) -> list[Row]:
    """Return the records of a search's trials, in their order; see `run_trial` for what they hold.

    Raises
    ------
    CheckpointError
        If there is no search, or its table is damaged.
    """
    path = Path(folder) / "trials.jsonl"
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        raise CheckpointError(f"{folder}: there is no search here (no trials.jsonl)") from None
    except ValueError as error:
        raise CheckpointError(
            f"{path}: this file is damaged ({error}); minidl search --resume mends it"
        ) from None


def top_trials(folder: str | Path, count: int) -> list[Path]:
    """Return the run folders of the best trials of a search, such as the members of an ensemble.

    Those of the last stage come first: values after different numbers of epochs cannot be compared.

    Raises
    ------
    ConfigError
        If fewer trials came to an end.
    """
    rows = read_trials(folder)
    maximize = not rows or rows[0]["objective"] == "accuracy"
    found = [Path(folder) / row["folder"] for row in ranked(rows, maximize)]
    if not 1 <= count <= len(found):
        raise ConfigError(f"{folder}: asked for the {count} best trials of {len(found)} that came to an end")
    return found[:count]


def trial_line(row: Row, done: int, total: int) -> str:
    """Return what is printed of a trial when it is over."""
    return f"{done:>4}/{total}  {value_text(row):>9}  {parameters_text(row['parameters'])}"


def value_text(row: Row) -> str:
    """Return the outcome of a trial: accuracy in per cent, a loss, or why there is none."""
    if row["state"] != "done":
        return row["state"]
    return f"{100 * row['value']:.2f} %" if row["objective"] == "accuracy" else f"{row['value']:.4f}"


def parameters_text(parameters: dict[str, Any]) -> str:
    """Return the values of a trial in one line, by the shortest names that tell them apart."""
    names = short_names(list(parameters))
    return ", ".join(f"{names[name]} {number_text(value)}" for name, value in parameters.items())


def number_text(value: Any) -> str:
    """Return a value with three digits if it is a real number."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def short_names(names: list[str]) -> dict[str, str]:
    """Return the shortest endings of dotted names that are all different."""
    length = 1
    while True:
        short = {name: ".".join(name.split(".")[-length:]) for name in names}
        if len(set(short.values())) == len(names) and not any(text.isdecimal() for text in short.values()):
            return short
        length += 1
