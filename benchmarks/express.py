"""The trials behind the preset ``express``: candidates of a rung, trained and compared on validation images.

``python -m benchmarks.express run`` trains every candidate that docs/results/trials/express.json does not have yet and
adds it there, one by one, so that it can be stopped and goes on. ``write`` makes docs/express.md from that file,
``check`` says whether they agree, and a test does the same. The test images take no part: the vault stays shut.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from minidl.data import Split, load
from minidl.errors import DataError, MinidlError
from minidl.experiments.ladder import LADDER
from minidl.experiments.recipes import AFFINE, ELASTIC, Recipe, recipe_for
from minidl.experiments.records import read_mapping
from minidl.experiments.runs import Run, score_run, train_run
from minidl.files import atomic_write, read_json, write_json
from minidl.jobs import Workers
from minidl.losses import SoftmaxCrossEntropy
from minidl.machine import machine_facts
from minidl.training.checkpoint import read_safetensors

ROOT = Path(__file__).resolve().parents[1]
FORMAT = 1
# What the candidates differ in; the rest of a recipe they share.
SETTINGS = {"epochs": "Epochs", "lr": "Peak rate", "l2": "L2", "augment": "Distortions", "dropout": "Dropout"}


@dataclass(frozen=True)
class Candidate:
    """One way to train a rung, one seed.

    Attributes
    ----------
    rung : str
    epochs : int
    lr : float
        Peak of the one-cycle schedule, Nesterov 0.9, batches of 128.
    l2 : float
        In network3's scaling.
    augment : str
    dropout : tuple of float
    seed : int
    """

    rung: str
    epochs: int
    lr: float
    l2: float = 0.0
    augment: str = "none"
    dropout: tuple[float, ...] = (0.0, 0.0, 0.0)
    seed: int = 0

    @property
    def recipe(self) -> Recipe:
        """The recipe, scored with the last weights: the rate is zero there, and no epoch is picked."""
        return Recipe(
            self.epochs, 128, "nesterov", self.lr, "one-cycle", self.l2,
            augment=self.augment, dropout=self.dropout, report="last", vote_weights="last",
        )  # fmt: skip


DROPOUT = (0.1, 0.3, 0.3)
CANDIDATES: tuple[Candidate, ...] = (
    Candidate("10", 20, 0.05, 0.1, AFFINE, DROPOUT),
    Candidate("10", 20, 0.05, 0.1, ELASTIC, DROPOUT),
    Candidate("10", 20, 0.05, 0.1, ELASTIC, (0.1, 0.5, 0.5)),
    Candidate("9", 12, 0.1, 0.1, AFFINE),
    Candidate("9", 12, 0.05, 0.1, ELASTIC),
    Candidate("9", 8, 0.1, 0.1, AFFINE),
    Candidate("8", 8, 0.1, 0.1, AFFINE),
    Candidate("5", 8, 0.1, 0.1, AFFINE),
    Candidate("4", 8, 0.1, 0.1, AFFINE),
    Candidate("3", 8, 0.1, 0.1),
    Candidate("3", 12, 0.1, 0.1),
    Candidate("2", 8, 1.0, 0.02),
    Candidate("2", 12, 1.0, 0.02),
    Candidate("1", 8, 1.0, 0.02),
    Candidate("1", 12, 1.0, 0.02),
    Candidate("0", 20, 1.0, 0.02),
    Candidate("0", 10, 1.0, 0.0),
)


def train(candidate: Candidate, training: Split, validation: Split) -> dict[str, Any]:
    """Train a candidate and return its row: settings, validation accuracy in per cent, loss, seconds."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run(candidate.rung, candidate.recipe, candidate.seed, Path(folder, "run"), "mnist")
        outcome = train_run(run, training, validation)
        score_run(run, validation, split="validation")
        score = read_json(run.folder / "validation.json")
        arrays, _ = read_safetensors(run.folder / "validation_outputs.safetensors")
    loss = SoftmaxCrossEntropy().forward(arrays["logits"].astype(np.float64), validation.labels)
    return {
        **asdict(candidate),
        **{name: score[name] for name in ("accuracy", "correct", "examples")},
        "loss": float(loss),
        "seconds": outcome["seconds"],
    }


def run(path: Path, jobs: int) -> None:
    """Train what is not in the file yet, and add each row when it is there."""
    empty: dict[str, Any] = {"format": FORMAT, "trials": []}
    found = read_trials(path) if path.exists() else empty
    done = [_candidate(row) for row in found["trials"]]
    waiting = [candidate for candidate in CANDIDATES if candidate not in done]
    print(f"{len(done)} of {len(done) + len(waiting)} candidates are trained")
    if not waiting:
        return
    data = load("mnist")
    with Workers(jobs, shared=(data.train, data.validation)) as workers:
        for index, row in workers.run(train, waiting):
            found["trials"].append({**row, **trial_facts()})
            write_json(path, found)
            print(f"rung {row['rung']}: {row['accuracy']:.2f} % {waiting[index]}", flush=True)


def trial_facts() -> dict[str, Any]:
    """Return date, machine (its system in a word) and versions, as a row of trials has them."""
    facts = machine_facts()
    facts["machine"]["system"] = facts["machine"]["system"].partition("-")[0]
    return {"date": datetime.now(timezone.utc).date().isoformat(), **facts}


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
            _ = _candidate(row).recipe, float(row["accuracy"]), float(row["loss"]), float(row["seconds"])
            _ = str(row["machine"]["processor"]), str(row["date"])
    except (KeyError, TypeError, ValueError):
        raise DataError(
            f"{path}: this file of trials is missing or damaged; delete it and call python -m benchmarks.express run"
        ) from None
    return found


def page(found: dict[str, Any]) -> str:
    """Return docs/express.md."""
    lines = [HEAD.strip()]
    groups: dict[tuple[str, Recipe], list[dict[str, Any]]] = {}
    for row in found["trials"]:
        candidate = _candidate(row)
        groups.setdefault((candidate.rung, candidate.recipe), []).append(row)
    for rung in LADDER:
        rows = [(recipe, group) for (name, recipe), group in groups.items() if name == rung.id]
        used = recipe_for(rung, "express")
        lines += ["", f"## Rung {rung.id}: {rung.title}", ""]
        if not rows:
            lines.append(f"Not tried by itself. `express` takes: {_settings(used)}.")
            continue
        lines += [
            f"| {' | '.join(SETTINGS.values())} | n | Validation, % | Loss | Seconds | |",
            "|" + "---:|" * 3 + "---|---|" + "---:|" * 4 + "---|",
        ]
        for recipe, group in sorted(rows, key=lambda pair: -fmean(row["accuracy"] for row in pair[1])):
            lines.append(_line(recipe, group, chosen=recipe == used))
        if all(recipe != used for recipe, _ in rows):
            lines += ["", f"`express` takes: {_settings(used)}."]
    machines = sorted({row["machine"]["processor"] for row in found["trials"]})
    dates = sorted({row["date"] for row in found["trials"]})
    when = " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else "never"
    lines += ["", f"Measured {when} on {', '.join(machines) or 'no machine'}, one thread a network."]
    return "\n".join(lines) + "\n"


HEAD = """
# How the express recipes were chosen

Made by `python -m benchmarks.express write` from [results/trials/express.json](results/trials/express.json);
`python -m benchmarks.express run` trains what is not there yet. The 10,000 validation images of MNIST judge; the
test images take no part. Every candidate trains with Nesterov's momentum 0.9, one cycle of the learning rate and
batches of 128, and is scored with its last weights. With one network each, a difference below some 0.1 points is
chance: the loss beside the accuracy is the steadier guide, and the shorter training was taken where two were alike.
The seconds are of a shared machine with two to four trainings at once: rough figures.
"""


def _line(recipe: Recipe, group: Sequence[dict[str, Any]], chosen: bool) -> str:
    accuracies = [row["accuracy"] for row in group]
    scatter = f" ± {stdev(accuracies):.2f}" if len(group) > 1 else ""
    cells = [
        *_cells(recipe),
        str(len(group)),
        f"{fmean(accuracies):.2f}{scatter}",
        f"{fmean(row['loss'] for row in group):.4f}",
        f"{fmean(row['seconds'] for row in group):.0f}",
        "`express`" if chosen else "",
    ]
    return f"| {' | '.join(cells)} |"


def _cells(recipe: Recipe) -> list[str]:
    dropout = ", ".join(f"{p:g}" for p in recipe.dropout) if any(recipe.dropout) else "-"
    augment = "-" if recipe.augment == "none" else f"`{recipe.augment}`"
    return [str(recipe.epochs), f"{recipe.lr:g}", f"{recipe.l2:g}", augment, dropout]


def _settings(recipe: Recipe) -> str:
    return ", ".join(
        f"{name.lower()} {cell}" for name, cell in zip(SETTINGS.values(), _cells(recipe), strict=True)
    )


def _candidate(row: dict[str, Any]) -> Candidate:
    values = {field.name: row[field.name] for field in fields(Candidate)}
    return Candidate(**{**values, "dropout": tuple(values["dropout"])})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 if page and file disagree, 2 after a mistake."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.express", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    actions = parser.add_subparsers(dest="action", required=True)
    running = actions.add_parser("run", help="train the candidates that are not in the file yet")
    running.add_argument("--jobs", type=int, default=2, metavar="N", help="networks at once (default 2)")
    actions.add_parser("write", help="make docs/express.md")
    actions.add_parser("check", help="say whether it is what the file makes of it")
    args = parser.parse_args(arguments)
    trials, document = (
        args.root / "docs" / "results" / "trials" / "express.json",
        args.root / "docs" / "express.md",
    )
    try:
        if args.action == "run":
            try:
                run(trials, args.jobs)
            except KeyboardInterrupt:
                print("\nStopped. What is trained is kept; the same command goes on.", file=sys.stderr)
                return 130
            return 0
        text = page(read_trials(trials))
        if args.action == "write":
            with atomic_write(document) as stream:
                stream.write(text)
        elif not document.exists() or document.read_text(encoding="utf-8") != text:
            print("docs/express.md is not what the trials make of it: python -m benchmarks.express write")
            return 1
    except MinidlError as error:
        print(f"benchmarks.express: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
