"""The measured results of the repository: from finished runs into docs/results, from there into the tables.

``python -m benchmarks.results collect RUN --as NAME`` takes what a finished ``minidl progression`` or ``minidl beyond
final`` has left and writes ``docs/results/NAME.json`` (what was measured, on what, how, when) and ``NAME.runs.json``
(``run.json`` of every network). ``write`` makes docs/results/README.md, its pictures and the ladder's table in
README.md from these files; ``check`` says whether they agree, and a test does the same. No number is typed by hand.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.results_figures import Picture, pictures
from benchmarks.results_tables import ladder_section, results_page
from minidl.errors import ConfigError, DataError, MinidlError
from minidl.experiments.records import read_mapping, read_progression
from minidl.experiments.steps import ladder_steps
from minidl.files import atomic_write, read_json, write_json

ROOT = Path(__file__).resolve().parents[1]
FORMAT = 1
BEGIN, END = "<!-- ladder: made by python -m benchmarks.results write -->", "<!-- end of the ladder -->"
RUN_FACTS = (
    "seed", "folder", "accuracy", "correct", "examples", "validation_accuracy", "best_epoch", "epochs", "seconds",
    "members",
)  # fmt: skip
ROW_FACTS = (
    "rung", "title", "architecture", "lecture", "published", "parameters", "epochs", "train_images", "recipe",
    "status", "mean", "sd", "wilson", "by_validation", "seconds", "ensemble", "vote",
)  # fmt: skip


def collect(run: Path, name: str, folder: Path, notes: Sequence[str] = ()) -> list[Path]:
    """Write the results of a finished run into the folder of results.

    Parameters
    ----------
    run : Path
        Folder of a progression, or of a recipe after ``minidl beyond final``.
    name : str
        Of the file: lower-case letters, digits and dashes.
    folder : Path
        ``docs/results``.
    notes : sequence of str
        What should be known of the measurement and is in no file.

    Returns
    -------
    list of Path
        The two files.

    Raises
    ------
    ConfigError, DataError
        If the name is none, or there are no results in `run`.
    """
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ConfigError(f"--as: give a name of lower-case letters, digits and dashes, got {name!r}")
    try:
        found, networks = _found(run)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{run}: its results are damaged or incomplete ({type(error).__name__}: {error})"
        ) from None
    runs = {
        f"{path.parent.parent.name}/{path.parent.name}": _without_folders(_required(path))
        for path in networks
    }
    write_json(folder / f"{name}.json", {"format": FORMAT, "name": name, **found, "notes": list(notes)})
    with atomic_write(folder / f"{name}.runs.json") as stream:  # a line for each network
        lines = [f"{json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in runs.items()]
        stream.write("{\n" + ",\n".join(lines) + "\n}\n")
    return [folder / f"{name}.json", folder / f"{name}.runs.json"]


def _found(run: Path) -> tuple[dict[str, Any], list[Path]]:
    """Return what is kept of a run, and where run.json of its networks is."""
    if (run / "final.json").is_file():
        found = _beyond(read_json(run / "final.json"), _required(run / "validation.json"))
        networks = sorted(run.glob("seed-*/run.json"), key=lambda path: int(path.parent.name[5:]))
    else:
        results = read_progression(run)
        found = _progression(results, (read_mapping(run / "progression.json") or {}).get("plan") or {})
        steps = ladder_steps(run, results)
        found["steps"] = asdict(steps) if any(min(step.runs) > 1 for step in steps.steps) else None
        networks = [
            run / one["folder"] / "run.json"
            for row in results["rungs"]
            for one in row["runs"]
            if not row["ensemble"]
        ]
    return found, networks


def read_results(folder: Path) -> list[dict[str, Any]]:
    """Return the contents of all files of results, by kind and name.

    Raises
    ------
    DataError
        If one is damaged.
    """
    found = []
    for path in sorted(folder.glob("*.json")):
        if path.name.endswith(".runs.json"):
            continue
        value = read_mapping(path)
        if value is None or value.get("format") != FORMAT or value.get("name") != path.stem:
            raise DataError(f"{path}: this file is damaged; collect the run again")
        found.append(value)
    return sorted(found, key=lambda value: (value["kind"] != "progression", value["name"]))


def rendered(root: Path) -> dict[Path, str]:
    """Return what the files that are made from results should be: README.md and docs/results/README.md.

    Raises
    ------
    DataError
        If README.md has no place for the table.
    """
    results = read_results(root / "docs" / "results")
    readme = root / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise DataError(f"{readme}: the lines {BEGIN} and {END} mark the place of the table; put them back")
    return {
        readme: f"{before}{BEGIN}\n{ladder_section(results)}\n{END}{after}",
        root / "docs" / "results" / "README.md": results_page(results),
    }


def disagreements(root: Path) -> list[str]:
    """Return a sentence for every file that is not what the results make of it."""
    wrong = [path for path, text in rendered(root).items() if _text(path) != text]
    wrong += [path for path, picture in _pictures(root).items() if picture.digest not in _text(path)]
    return [
        f"{path.relative_to(root)} is not what the files of docs/results make of it: python -m benchmarks.results write"
        for path in wrong
    ]


def write(root: Path) -> None:
    """Write the tables, and draw the pictures whose numbers have changed."""
    texts = rendered(root)
    for path, picture in _pictures(root).items():
        if picture.digest not in _text(path):
            texts[path] = picture.svg()
    for path, text in texts.items():
        with atomic_write(path) as stream:
            stream.write(text)


def _pictures(root: Path) -> dict[Path, Picture]:
    folder = root / "docs" / "results"
    return {folder / name: picture for name, picture in pictures(read_results(folder)).items()}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0, 1 if files disagree, 2 after a mistake."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.results", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    actions = parser.add_subparsers(dest="action", required=True)
    taking = actions.add_parser("collect", help="take the results of a finished run")
    taking.add_argument("run", type=Path, metavar="RUN")
    taking.add_argument(
        "--as", dest="name", required=True, metavar="NAME", help="name of the file in docs/results"
    )
    taking.add_argument("--note", action="append", default=[], metavar="TEXT", help="what no file says")
    actions.add_parser("write", help="make README.md's table and docs/results/README.md")
    actions.add_parser("check", help="say whether they are what the files make of them")
    args = parser.parse_args(arguments)
    try:
        if args.action == "collect":
            for path in collect(args.run, args.name, args.root / "docs" / "results", args.note):
                print(f"written to {path}")
        elif args.action == "write":
            write(args.root)
        else:
            wrong = disagreements(args.root)
            print("\n".join(wrong) or "README.md and docs/results agree")
            return 1 if wrong else 0
    except MinidlError as error:
        print(f"benchmarks.results: error: {error}", file=sys.stderr)
        return 2
    return 0


def _progression(results: dict[str, Any], plan: dict[str, Any]) -> dict[str, Any]:
    rows = []
    for row in results["rungs"]:
        runs = [{key: run[key] for key in RUN_FACTS if key in run} for run in row["runs"]]
        rows.append({**{key: row[key] for key in ROW_FACTS}, "n": len(runs), "runs": runs})
    return {
        "kind": "progression",
        **_how(results),
        "preset": results["preset"],
        "changes": plan.get("changes") or {},
        "split": results.get("split", "test"),
        # Where the files lay on the machine is nobody's business.
        "data": {key: value for key, value in results["data"].items() if key != "source"},
        "seeds": results["seeds"],
        "jobs": results["jobs"],
        "threads": plan.get("threads"),
        "device": results["device"],
        "rungs": rows,
        "vault": results["vault"],
    }


def _beyond(final: dict[str, Any], validation: dict[str, Any]) -> dict[str, Any]:
    keys = ("recipe", "data", "is_mnist", "division", "networks", "labels", "vault")
    return {
        "kind": "beyond",
        **_how({**final, "started": final["trained"], "seconds": None}),
        **{key: final[key] for key in keys},
        "validation": {key: validation[key] for key in ("images", "single", "ensembles")},
        "config": _without_folders(final["config"]),
    }


def _how(found: dict[str, Any]) -> dict[str, Any]:
    machine = _without_folders(found["machine"])
    return {
        "command": found["command"],
        "started": found["started"],
        "seconds": found["seconds"],
        "machine": {
            "processor": machine.get("processor"),
            "cores": int(machine["cores"]) if machine.get("cores") is not None else None,
            "system": machine.get("system"),
        },
        "versions": found["versions"],
    }


def _required(path: Path) -> dict[str, Any]:
    found = read_mapping(path)
    if found is None:
        raise DataError(
            f"{path}: this file is missing or damaged; results without it are not traced to their settings"
        )
    return found


def _without_folders(value: Any) -> Any:
    """Return the settings without the folders of the machine they were used on, and with its system in a word."""
    if isinstance(value, dict):
        kept = {
            key: _without_folders(item)
            for key, item in value.items()
            if key not in ("dir", "out", "hostname")
        }
        return (
            {**kept, "system": kept["system"].partition("-")[0]}
            if isinstance(kept.get("system"), str)
            else kept
        )
    return [_without_folders(item) for item in value] if isinstance(value, list) else value


if __name__ == "__main__":
    sys.exit(main())
