"""The outcome of one run as a table of text."""

from __future__ import annotations

from typing import Any

_COLUMNS = {"": 6, "epoch": 6, "train loss": 11, "train acc.": 11, "valid. loss": 12, "valid. acc.": 12}


def run_table(trainer: Any, title: str) -> str:
    """Return the best and the last epoch of a finished run, and what it took.

    Parameters
    ----------
    trainer : Trainer
        After `fit`.
    title : str
        Of the data set.
    """
    head = "".join(name.rjust(width) for name, width in _COLUMNS.items())
    lines = [f"Accuracy in per cent on {title}", head, "-" * len(head)]
    rows, best = trainer.history.rows, trainer.best
    if best is not None and best.epoch is not None:
        lines.append(_line("best", rows[best.epoch - 1]))
    lines.append(_line("last", rows[-1]))
    if len(rows) < trainer.epochs:
        lines.append(f"stopped early, after {len(rows)} of {trainer.epochs} epochs")
    training = sum(row["train_seconds"] for row in trainer.timings)
    validation = sum(row["validation_seconds"] for row in trainer.timings)
    lines.append(f"{training:.1f} s of training, {validation:.1f} s of validation")
    return "\n".join(lines)


def _line(name: str, row: dict[str, Any]) -> str:
    cells = [
        name,
        str(row["epoch"]),
        f"{row['train_loss']:.4f}",
        _per_cent(row.get("train_accuracy")),
        f"{row['val_loss']:.4f}",
        _per_cent(row.get("val_accuracy")),
    ]
    return "".join(cell.rjust(width) for cell, width in zip(cells, _COLUMNS.values(), strict=True))


def _per_cent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"
