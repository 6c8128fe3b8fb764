"""The recipes and what is known of them, as text."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from minidl.experiments.beyond.recipes import RECIPES, BeyondRecipe
from minidl.experiments.concepts.results import columns
from minidl.experiments.ladder import INPUT_SHAPE
from minidl.experiments.parts import make_model
from minidl.experiments.records import read_mapping

NOT_RUN = "not run"


def overview(folder: Path) -> str:
    """Return a table of all recipes: size, cost, validation accuracy, final accuracy; "not run" for gaps."""
    head = [
        "recipe", "parameters", "epochs", "PFLOP", "networks", "validation, %", "vote, validation, %", "test, %",
        "vote, test, %",
    ]  # fmt: skip
    return columns([head, *(_row(recipe, folder / recipe.name) for recipe in RECIPES)])


def recipe_text(recipe: BeyondRecipe) -> str:
    """Return a recipe in full: why, and every setting."""
    from textwrap import wrap

    settings = [
        ("augmentation", ", ".join(recipe.augment)),
        ("optimizer", recipe.optimizer),
        ("schedule", recipe.schedule),
        ("epochs", f"{recipe.epochs}, batches of {recipe.batch_size}"),
        ("loss", recipe.loss),
        ("callbacks", ", ".join((*recipe.regularizers, *recipe.callbacks)) or "none"),
        ("votes of", ", ".join(map(str, recipe.members))),
        ("layers", ", ".join(recipe.layers)),
    ]
    lines = [recipe.name, *wrap(recipe.why, 110)]
    for name, value in settings:
        lines += wrap(f"{name}: {value}", 110, initial_indent="  ", subsequent_indent="    ")
    return "\n".join(lines)


def validation_text(found: dict[str, Any]) -> str:
    """Return what ``validation.json`` says."""
    images = f"{found['images']:,} validation images of {found['data']} ({found['division']})"
    lines = [f"recipe {found['recipe']}, {images}"]
    if found["single"] is not None:
        lines.append(f"single networks: {accuracy_text(found['single'])}")
    lines += [f"votes of {each['members']}: {accuracy_text(each)}" for each in found["ensembles"]]
    return "\n".join(lines)


def final_text(found: dict[str, Any]) -> str:
    """Return what ``final.json`` says."""
    rows = [["labels", "images", "networks", "n", "mean, %", "sd", "lowest", "highest", "95 % interval"]]
    for version in found["labels"]:
        for name, each in [("single", version["single"])] + [
            (f"votes of {vote['members']}", vote) for vote in version["ensembles"]
        ]:
            sd = "-" if each["sd"] is None else f"{each['sd']:.3f}"
            ends = "{:.2f}-{:.2f}".format(*each["wilson"])
            numbers = [f"{each['mean']:.3f}", sd, f"{each['lowest']:.2f}", f"{each['highest']:.2f}", ends]
            rows.append([version["labels"], f"{version['examples']:,}", name, str(each["n"]), *numbers])
    opened = "; ".join(f"{each['time']} ({each['reason']})" for each in found["vault"])
    return f"recipe {found['recipe']}, test images of {found['data']}\n{columns(rows)}\nthe vault was opened: {opened}"


def accuracy_text(each: dict[str, Any]) -> str:
    """Return "99.64 ± 0.05 % (n = 5)"."""
    sd = "" if each["sd"] is None else f" ± {each['sd']:.2f}"
    return f"{each['mean']:.2f}{sd} % (n = {each['n']})"


def _row(recipe: BeyondRecipe, folder: Path) -> list[str]:
    parameters, operations = _size(recipe)
    validation, final = read_mapping(folder / "validation.json"), read_mapping(folder / "final.json")
    known = validation if validation is not None and validation.get("single") else None
    labels = final["labels"][0] if final is not None else None
    return [
        recipe.name,
        f"{parameters:,}",
        str(recipe.epochs),
        f"{operations * recipe.epochs * 50_000 / 1e15:.3f}",
        NOT_RUN if known is None else str(len(known["networks"])),
        *_accuracies(known),
        *_accuracies(labels),
    ]


def _accuracies(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return [NOT_RUN, NOT_RUN]
    votes = found["ensembles"]
    return [_short(found["single"]), f"{votes[-1]['members']}: {_short(votes[-1])}" if votes else NOT_RUN]


def _short(each: dict[str, Any]) -> str:
    return f"{each['mean']:.2f}" + ("" if each["sd"] is None else f" ± {each['sd']:.2f}")


@cache
def _size(recipe: BeyondRecipe) -> tuple[int, float]:
    """Return the parameters, and the operations of an image in training: forward and twice that backward."""
    model = make_model(recipe.config("mnist"))
    model.build(INPUT_SHAPE)
    return model.parameter_count(), 3.0 * model.flops()
