"""The progression as a table of text."""

from __future__ import annotations

from typing import Any

_COLUMNS = {
    "rung": 4, "network": 25, "seed": 6, "accuracy": 13, "mean +- sd": 15, "lecture": 7, "published": 9,
    "parameters": 10, "epochs": 6, "seconds": 7,
}  # fmt: skip


def table_head(title: str, split: str = "test", **names: str) -> str:
    """Return the lines above the table; `title` names the data set, `names` replace those of columns."""
    rule = "-" * (sum(_COLUMNS.values()) + 2 * (len(_COLUMNS) - 1))
    return (
        f"{split.capitalize()} accuracy in per cent on {title}\n"
        + _line([names.get(name, name) for name in _COLUMNS])
        + f"\n{rule}"
    )


def table_row(row: dict[str, Any], seed: str, accuracy: str, seconds: float | None) -> str:
    """Return a line of the table.

    Parameters
    ----------
    row : dict
        A rung of ``results.json``.
    seed, accuracy : str
        Which networks the line is about, and how well they did.
    seconds : float or None
        Training time of a network.
    """
    mean = "-" if row["mean"] is None else f"{row['mean']:.2f}"
    if row["sd"] is not None:
        mean += f" +- {row['sd']:.2f}"
    cells = [
        row["rung"],
        row["title"],
        seed,
        accuracy,
        mean,
        "-" if row["lecture"] is None else f"{row['lecture']:.2f}",
        "-" if row["published"] is None else f"{row['published']:.2f}",
        f"{row['parameters']:,}",
        str(row["epochs"]),
        "-" if seconds is None else f"{seconds:.1f}",
    ]
    return _line(cells)


def full_table(results: dict[str, Any]) -> str:
    """Return the whole table, with the 95 % Wilson interval of every rung."""
    title = results["data"]["title"]
    split = results.get("split", "test")
    head = f"{title}, preset {results['preset']}"
    lines = [table_head(head, split, seed="seeds", accuracy="95 % interval")]
    for row in results["rungs"]:
        interval = "-" if row["wilson"] is None else "{:.2f}-{:.2f}".format(*row["wilson"])
        lines.append(table_row(row, str(len(row["runs"])), interval, row["seconds"]))
    if not results["data"]["is_mnist"]:
        lines.append(
            f"The data are {title}: the lecture's numbers, measured on MNIST, cannot be compared with these."
        )
    if split == "validation":
        lines.append(
            "The validation images also chose each network's best epoch, which makes these numbers a little too good; "
            "the lecture's are of the test images, which were left alone."
        )
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    widths = list(_COLUMNS.values())
    left = [text.ljust(width) for text, width in zip(cells[:2], widths[:2], strict=True)]
    return "  ".join([*left, *(text.rjust(width) for text, width in zip(cells[2:], widths[2:], strict=True))])
