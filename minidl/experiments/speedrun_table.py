"""The speedrun as a table of text."""

from __future__ import annotations

from typing import Any


def speedrun_text(results: dict[str, Any]) -> str:
    """Return the table of a speedrun, its mean, the machine, and whether the goal was reached."""
    data, split = results["data"], results["split"]
    lines = [
        f"{data['title']}: {data['train']:,} training images, accuracy on {results['examples']:,} {split} images",
        f"{'seed':<6}{'training, s':>12}{'CPU, s':>10}{'accuracy, %':>14}",
    ]
    lines += [
        f"{row['seed']:<6}{row['wall_seconds']:>12.2f}{row['cpu_seconds']:>10.2f}{row['accuracy']:>14.2f}"
        for row in results["networks"]
    ]
    mean = {name: results[name]["mean"] for name in ("wall_seconds", "cpu_seconds", "accuracy")}
    lines.append(
        f"{'mean':<6}{mean['wall_seconds']:>12.2f}{mean['cpu_seconds']:>10.2f}{mean['accuracy']:>14.2f}"
        + ("" if results["accuracy"]["sd"] is None else f" ± {results['accuracy']['sd']:.2f}")
    )
    return "\n".join([*lines, "", *_times(results), _machine(results), _verdict(results)])


def _times(results: dict[str, Any]) -> list[str]:
    load = results["load_seconds"]
    parts = [] if load is None else [f"loading {load:.2f} s"]
    parts += [
        f"training {results['wall_seconds']['mean']:.2f} s",
        f"evaluation {results['evaluation_seconds']['mean']:.2f} s",
    ]
    upload = results["upload_seconds"]
    if upload is None:
        return ["one network: " + ", ".join(parts) + "; nothing is compiled or warmed up"]
    recording = results["recording_seconds"]["mean"]
    return [
        f"one network: {', '.join(parts)}; of the training, {recording:.2f} s for the first steps and the recording",
        f"the images went to the GPU before, once for all networks: {upload:.2f} s",
    ]


def _machine(results: dict[str, Any]) -> str:
    machine, versions = results["machine"], results["versions"]
    where = "" if machine["device"] == "cpu" else f"device {machine['device']}, "
    line = where + (
        f"{machine['processor']}, {machine['threads']} of {machine['cores']} cores, Python {versions['python']}, "
        f"NumPy {versions['numpy']}, minidl {versions['minidl']}"
    )
    load = machine["load_average"]
    if load is not None and load > 0.5:
        line += f"; load {load:.1f} before the start: others worked here too, the CPU time says more"
    return line


def _verdict(results: dict[str, Any]) -> str:
    data, goal = results["data"], results["goal"]
    aim = f"{goal['accuracy']:.1f} % of MNIST's test images after less than {goal['wall_seconds']:g} s of training"
    if not data["is_mnist"]:
        return f"ATTENTION: the data are {data['title']}. This is NOT MNIST, and the goal, {aim}, not for it."
    if results["split"] != "test":
        return f"The goal is {aim}; these are the validation images, the vault stayed shut."
    return f"The goal, {aim}, mean of all seeds: {'reached' if goal['reached'] else 'NOT reached'}."
