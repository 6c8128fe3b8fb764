"""The HTML reports of a progression and of a single run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from minidl.experiments.records import (
    read_first_weight,
    read_history,
    read_mapping,
    read_predictions,
    read_progression,
)
from minidl.experiments.report_monitoring import monitor_sections, verdict_sections
from minidl.experiments.report_pictures import (
    curve_sections,
    filter_sections,
    ladder_section,
    mistake_sections,
)
from minidl.experiments.report_tables import (
    DASH,
    comparison_sections,
    header_sections,
    independence_sections,
    is_done,
    results_table,
    step_sections,
    text,
    vault_sections,
)
from minidl.plots.report import Code, Facts, Heading, Paragraph, Section, write_report


def write_progression_report(
    folder: str | Path, *, test_images: np.ndarray | None = None, test_labels: np.ndarray | None = None
) -> Path:
    """Write ``report.html`` of a progression into its folder.

    May be called at any time, also while rungs are missing: what there is not is said in a sentence.

    Parameters
    ----------
    folder : str or Path
        Holds ``results.json`` and the run folders it names.
    test_images : (N, 1, H, W) uint8 array, optional
        The images the networks were scored on, of the test or the validation set: for the gallery of mistakes.
    test_labels : (N,) integer array, optional
        Their classes, for the confusion matrix and the comparison of rungs.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    DataError
        If ``results.json`` is missing, damaged, or of another format.
    """
    folder = Path(folder)
    results = read_progression(folder)
    data, rungs = results.get("data") or {}, results.get("rungs") or []
    labels, split = None if test_labels is None else np.asarray(test_labels), results.get("split", "test")
    sections: list[Section] = [*header_sections(results)]
    sections += [Heading("Results"), results_table(results), *ladder_section(results)]
    sections += [
        Heading("Is each rung better than the one before?"),
        *step_sections(folder, results),
        *comparison_sections(folder, rungs, labels, split),
    ]
    sections += independence_sections(folder, rungs, labels, split)
    name, run = best_run(folder, rungs)
    sections += [Heading("The mistakes that remain")]
    if run is None:
        sections += [Paragraph("No rung is finished yet.")]
    else:
        sections += mistake_sections(name, read_predictions(run, split), test_images, labels, data)
    sections += [Heading("First-layer filters")]
    sections += filter_sections(
        [(_named(r), read_first_weight(folder / r["runs"][0]["folder"])) for r in _trained(rungs)]
    )
    sections += [Heading("Training curves")]
    sections += curve_sections(
        [(_named(r), [read_history(folder / x["folder"]) for x in r["runs"]]) for r in _trained(rungs)]
    )
    sections += [Heading("Openings of the test set"), *vault_sections(results)]
    subtitle = f"{data.get('title', 'unknown data')} · preset {results.get('preset', 'unknown')}"
    return write_report(folder / "report.html", "The lecture's progression", sections, subtitle=subtitle)


def write_run_report(
    run_folder: str | Path, *, test_images: np.ndarray | None = None, test_labels: np.ndarray | None = None
) -> Path:
    """Write ``report.html`` of one run into its folder.

    Parameters
    ----------
    run_folder : str or Path
        Any of ``run.json``, ``history.csv``, ``results.json``, ``checkpoints/``, ``monitor/`` and
        ``test_outputs.safetensors`` may be missing.
    test_images, test_labels : array, optional
        As for `write_progression_report`.

    Returns
    -------
    Path
        The report.
    """
    folder = Path(run_folder)
    run, results = read_mapping(folder / "run.json"), read_mapping(folder / "results.json")
    sections: list[Section] = [Heading("Result")]
    if results is None:
        sections += [
            Paragraph("There is no readable results.json: the run is unfinished, or it was interrupted.")
        ]
    else:
        sections += [Facts([(name, value) for name, value in _flat(results) if value != ""])]
    best = ((results or {}).get("best") or {}).get("epoch")
    history = read_history(folder)
    sections += [Heading("Verdicts"), *verdict_sections(folder, history)]
    sections += [Heading("Training curves")]
    sections += curve_sections([("This run", [history])], best_epoch=best, scales=("linear", "log"))
    sections += monitor_sections(folder, _batches(run))
    sections += [Heading("First-layer filters"), *filter_sections([("This run", read_first_weight(folder))])]
    predictions = read_predictions(folder)
    if predictions is not None:
        labels = None if test_labels is None else np.asarray(test_labels)
        sections += [Heading("Mistakes on the test set")]
        sections += mistake_sections("this run", predictions, test_images, labels, {})
    sections += [Heading("Configuration")]
    if run is None:
        sections += [Paragraph("There is no readable run.json.")]
    else:
        sections += [Facts(_summary(run)), Paragraph("All of run.json:")]
        sections += [Code(json.dumps(run, indent=2, ensure_ascii=False))]
    path = folder.resolve()
    return write_report(folder / "report.html", f"Run {path.parent.name}/{path.name}", sections)


def _batches(run: dict[str, Any] | None) -> int | None:
    """Return the steps per epoch that ``run.json`` names."""
    training = (run or {}).get("training")
    batches = training.get("batches") if isinstance(training, dict) else None
    return batches if isinstance(batches, int) and batches > 0 else None


def _summary(run: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the choices of a run in a few words each."""
    training: Any = run.get("training")
    training = training if isinstance(training, dict) else {}
    train: Any = training.get("train")
    train = train if isinstance(train, dict) else {}
    pairs = [
        ("Layers", _layers(training.get("layers"))),
        ("Loss", _call(training.get("loss"))),
        ("Optimizer", _call(training.get("optimizer"))),
        ("Regularizers", ", ".join(map(_call, training.get("regularizers") or []))),
        ("Schedule", _call(training.get("schedule"))),
        ("Augmentation", _call(train.get("augment"))),
        ("Batch size", text(train.get("batch_size"))),
        ("Epochs", text(training.get("epochs"))),
        ("Training examples", text(train.get("examples"))),
        ("Seed", text(run.get("seed"))),
        ("Started", text(run.get("started"))),
    ]
    return [(name, value) for name, value in pairs if value not in ("", DASH)]


def _call(described: Any) -> str:
    """Return a described object as it would be written: ``Momentum(lr=0.1, momentum=0.9)``."""
    if not isinstance(described, dict) or "class" not in described:
        return "" if described is None else str(described)
    options = (
        f"{name}={_call(value) if isinstance(value, dict) else value}"
        for name, value in described.items()
        if name not in ("class", "name") and value is not None
    )
    return f"{described['class']}({', '.join(options)})"


def _layers(layers: Any) -> str:
    if not isinstance(layers, dict):
        return ""
    containers = {path.rpartition(".")[0] for path in layers} | {"model"}
    return ", ".join(
        str(layer.get("class", path)) + (f"({layer['units']})" if "units" in layer else "")
        for path, layer in layers.items()
        if isinstance(layer, dict) and (path not in containers or len(layers) == 1)
    )


def best_run(folder: Path, rungs: list[dict[str, Any]]) -> tuple[str, Path | None]:
    """Return the ensemble, or else the run of the highest validation accuracy: its name and folder.

    The choice is made on the validation set, never on the test set.
    """
    done = [rung for rung in rungs if is_done(rung) and rung.get("runs")]
    for rung in done:
        if rung.get("ensemble"):
            return f"the ensemble (rung {rung['rung']})", folder / rung["runs"][0]["folder"]
    runs = [(run.get("validation_accuracy"), rung, run) for rung in done for run in rung["runs"]]
    validated = [entry for entry in runs if entry[0] is not None]
    if not validated:
        # No validation was recorded: the last rung, by its place in the ladder and not by its score.
        return (f"rung {done[-1]['rung']}", folder / done[-1]["runs"][0]["folder"]) if done else ("", None)
    _, rung, run = max(validated, key=lambda entry: entry[0])
    return f"rung {rung['rung']}, seed {text(run.get('seed'))}", folder / run["folder"]


def _trained(rungs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rung for rung in rungs if not rung.get("ensemble") and rung.get("runs")]


def _named(rung: dict[str, Any]) -> str:
    return f"Rung {rung['rung']}: {rung.get('title') or rung.get('architecture') or ''}".rstrip(": ")


def _flat(value: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, item in value.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(item, dict):
            pairs += _flat(item, f"{name}: ")
        else:
            pairs.append((name, f"{item:.6g}" if isinstance(item, float) else text(item)))
    return pairs
