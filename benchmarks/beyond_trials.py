"""The trials behind the recipe ``six`` of ``minidl beyond``: networks compared on other writers' validation images.

``python -m benchmarks.beyond_trials run`` trains, for a few epochs, every candidate that
docs/results/trials/beyond.json does not have yet and adds it there, one by one, so that it can be stopped and goes on.
``write`` makes the table in docs/beyond.md from that file, ``check`` says whether they agree, and a test does the same.
The test images take no part: they are taken out of the data before anything is trained.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.express import trial_facts
from minidl.errors import DataError, MinidlError
from minidl.experiments.beyond.recipes import ELASTIC, BeyondRecipe, find_recipe
from minidl.experiments.beyond.training import load_divided, read_recipe, read_validation, train_recipe
from minidl.experiments.records import read_mapping
from minidl.files import atomic_write, write_json

ROOT = Path(__file__).resolve().parents[1]
FORMAT = 1
EPOCHS = 8
LADDER = find_recipe("ladder")
BEGIN, END = "<!-- trials: made by python -m benchmarks.beyond_trials write -->", "<!-- end of the trials -->"
FACTS = ("name", "layers", "epochs", "seed", "accuracy", "loss", "seconds", "parameters", "date", "machine")


def _convolution(filters: int, size: int, *pool: str) -> tuple[str, ...]:
    """Return a convolution with normalisation; a pooling between them costs less than one behind them."""
    return (f"Conv2D({filters}, {size}, weight_init=He())", *pool, "BatchNorm()", "ReLU()")


def _candidate(name: str, *layers: tuple[str, ...]) -> BeyondRecipe:
    flat = tuple(text for group in layers for text in group)
    return BeyondRecipe(
        name, "a trial", (*flat, "Flatten()", "Dropout(0.3)", "Dense(10)"), augment=(ELASTIC,)
    )


def _candidates() -> tuple[BeyondRecipe, ...]:
    pool = "MaxPool2D(2)"
    six = replace(find_recipe("six"), why="a trial")
    slower = replace(
        six, name="six-slower", optimizer=LADDER.optimizer, schedule=LADDER.schedule, regularizers=()
    )
    normal = ("BatchNorm()", "MaxPool2D(2)", "ReLU()")
    return (
        replace(LADDER, augment=(ELASTIC,), why="a trial"),
        _candidate("three", (_convolution(20, 5)[0], *normal), (_convolution(64, 5)[0], *normal), _convolution(128, 3)),
        _candidate("four", _convolution(24, 5, pool), _convolution(48, 3), _convolution(64, 3, pool),
                   _convolution(128, 3)),
        _candidate("four-wide", (_convolution(24, 5)[0], *normal), _convolution(48, 5), _convolution(96, 3),
                   (_convolution(128, 3)[0], *normal)),
        _candidate("five", (_convolution(24, 5)[0], *normal), _convolution(48, 3), _convolution(64, 3),
                   _convolution(64, 3), (_convolution(96, 3)[0], *normal)),
        slower,
        replace(six, name="six-no-decay", regularizers=()),
        six,
    )  # fmt: skip


CANDIDATES = _candidates()


def run(path: Path, folder: Path) -> None:
    """Train what is not in the file yet, and add each row when it is there."""
    found: dict[str, Any] = read_trials(path) if path.exists() else {"format": FORMAT, "trials": []}
    done = [row["name"] for row in found["trials"]]
    waiting = [recipe for recipe in CANDIDATES if recipe.name not in done]
    print(f"{len(done)} of {len(done) + len(waiting)} candidates are trained")
    if not waiting:
        return
    data = load_divided("mnist")
    for recipe in waiting:
        train_recipe(recipe, data, folder / recipe.name, 1, epochs=EPOCHS)
        found["trials"].append(row_of(folder / recipe.name))
        write_json(path, found)


def row_of(folder: Path) -> dict[str, Any]:
    """Return the row of a trained candidate: settings, the last epoch's validation accuracy in per cent and loss."""
    recipe, network = read_recipe(folder), folder / "seed-0"
    trained = read_validation(network)
    with (network / "history.csv").open(newline="", encoding="utf-8") as stream:
        last = list(csv.DictReader(stream))[-1]
    settings = recipe["config"]["training"]
    return {
        "name": recipe["name"],
        "layers": recipe["config"]["model"]["layers"],
        "augment": recipe["config"]["data"]["augment"],
        **{key: settings.get(key) for key in ("optimizer", "schedule", "regularizers", "callbacks")},
        "epochs": trained["epochs"],
        "seed": 0,
        "accuracy": 100 * float(last["val_accuracy"]),
        "loss": float(last["val_loss"]),
        "seconds": trained["seconds"],
        "parameters": trained["parameters"],
        **trial_facts(),
    }


def read_trials(path: Path) -> dict[str, Any]:
    """Return the content of the file of trials.

    Raises
    ------
    DataError
        If there is none, or it is damaged.
    """
    found = read_mapping(path)
    try:
        if found is None or found["format"] != FORMAT:
            raise ValueError
        for row in found["trials"]:
            if any(row[fact] is None for fact in FACTS):
                raise ValueError
            _ = (
                float(row["accuracy"]),
                float(row["loss"]),
                float(row["seconds"]),
                str(row["machine"]["processor"]),
            )
            _ = [str(text) for text in row["layers"]]
    except (KeyError, TypeError, ValueError):
        raise DataError(
            f"{path}: this file of trials is missing or damaged; delete it and call python -m benchmarks.beyond_trials "
            "run"
        ) from None
    return found


def table(found: dict[str, Any]) -> str:
    """Return the table for docs/beyond.md."""
    lines = [
        "| Network | Otherwise | Parameters | Validation, % | Loss | Seconds |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for row in sorted(found["trials"], key=lambda row: row["loss"]):
        cells = [_network(row["layers"]), _otherwise(row), f"{row['parameters']:,}", f"{row['accuracy']:.2f}",
                 f"{row['loss']:.4f}", f"{row['seconds']:.0f}"]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    machines = sorted({row["machine"]["processor"] for row in found["trials"]})
    epochs = sorted({row["epochs"] for row in found["trials"]})
    lines += ["", f"{', '.join(map(str, epochs))} epochs, seed 0, one thread each; {', '.join(machines)}."]
    return "\n".join(lines)


def _network(layers: Sequence[str]) -> str:
    """Return a network in short: 24x5x5 pool 48x3x3 … 10."""
    words = []
    for text in layers:
        kind, _, rest = text.partition("(")
        numbers = [part.strip(" )") for part in rest.split(",")]
        if kind == "Conv2D":
            words.append(f"{numbers[0]}@{numbers[1]}x{numbers[1]}")
        elif kind == "MaxPool2D":
            words.append("pool")
        elif kind == "Dense":
            words.append(numbers[0])
    return ", ".join(words)


def _otherwise(row: dict[str, Any]) -> str:
    return ", ".join([f"`{row['optimizer']}`", *(f"`{text}`" for text in row["regularizers"] or ())])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 if page and file disagree, 2 after a mistake."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.beyond_trials", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    actions = parser.add_subparsers(dest="action", required=True)
    running = actions.add_parser("run", help="train the candidates that are not in the file yet")
    running.add_argument(
        "--out", type=Path, default=Path("runs/beyond-trials"), metavar="DIR",
        help="folder of the networks (default: %(default)s)",
    )  # fmt: skip
    actions.add_parser("write", help="put the table into docs/beyond.md")
    actions.add_parser("check", help="say whether it is what the file makes of it")
    args = parser.parse_args(arguments)
    trials = args.root / "docs" / "results" / "trials" / "beyond.json"
    document = args.root / "docs" / "beyond.md"
    try:
        if args.action == "run":
            try:
                run(trials, args.out)
            except KeyboardInterrupt:
                print("\nStopped. What is trained is kept; the same command goes on.", file=sys.stderr)
                return 130
            return 0
        before = document.read_text(encoding="utf-8")
        after = _with_table(before, table(read_trials(trials)), document)
        if args.action == "write":
            with atomic_write(document) as stream:
                stream.write(after)
        elif before != after:
            print(
                "docs/beyond.md is not what the trials make of it: python -m benchmarks.beyond_trials write"
            )
            return 1
    except (MinidlError, OSError) as error:
        print(f"benchmarks.beyond_trials: error: {error}", file=sys.stderr)
        return 2
    return 0


def _with_table(text: str, rows: str, document: Path) -> str:
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise DataError(
            f"{document}: the lines {BEGIN!r} and {END!r} are missing; put them where the table belongs"
        )
    return f"{head}{BEGIN}\n\n{rows}\n\n{END}{tail}"


if __name__ == "__main__":
    sys.exit(main())
