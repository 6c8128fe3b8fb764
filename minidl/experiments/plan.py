"""What a progression is asked to do, and the file that remembers it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from minidl.errors import ConfigError
from minidl.experiments.ladder import Rung, find_rung
from minidl.experiments.recipes import Recipe, recipe_for
from minidl.files import read_json
from minidl.parallel import available_cores

SPLITS = ("test", "validation")


@dataclass(frozen=True)
class Plan:
    """What a progression is asked to do.

    Parameters
    ----------
    preset : {"quick", "express", "lecture", "corrected"}
    rungs : tuple of str
        Ids. An ensemble brings the networks it needs of the rung before with it.
    seeds : int
        Networks of each rung, with seeds 0, 1, ...
    data : str
        Name of the data set.
    device : {"auto", "cpu", "cuda"}
    jobs : int
        Networks trained at once, each in its own process with BLAS on one thread.
    changes : dict
        Fields of `Recipe` to set otherwise in every rung.
    command : str
        The command line that repeats it.
    threads : int
        Threads of each network. They decide the last bits of its weights, so a stopped progression goes on
        with as many.
    split : {"test", "validation"}
        The images that the networks are scored on. "validation" leaves the vault shut; with it recipes are
        chosen. The weights of the best epoch were chosen on the same images, so it is a little too good.
    """

    preset: str
    rungs: tuple[str, ...]
    seeds: int
    data: str
    device: str
    jobs: int
    changes: dict[str, Any] = field(default_factory=dict)
    command: str = ""
    threads: int = 1
    split: str = "test"

    def __post_init__(self) -> None:
        if min(self.seeds, self.jobs, self.threads) < 1:
            raise ConfigError(
                f"seeds, jobs and threads must be at least 1, got {self.seeds}, {self.jobs} and {self.threads}"
            )
        if self.split not in SPLITS:
            raise ConfigError(f"split must be one of {', '.join(SPLITS)}, got {self.split!r}")
        for rung_id in self.rungs:
            recipe_for(find_rung(rung_id), self.preset, **self.changes)

    def recipe(self, rung: Rung, images: int) -> Recipe:
        """Return the recipe of a rung for a training set of so many images."""
        return recipe_for(rung, self.preset, images, **self.changes)


def read_plan(folder: Path) -> Plan:
    """Return the plan of a progression that was started in `folder`.

    Raises
    ------
    ConfigError
        If there is none, or its file is damaged.
    """
    path = folder / "progression.json"
    try:
        found = read_json(path)
        plan = found["plan"]
        return Plan(**{**plan, "rungs": tuple(plan["rungs"])})
    except FileNotFoundError:
        raise ConfigError(
            f"{folder}: there is no progression here (no progression.json); give the folder of --out"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{path}: this file is damaged ({error}); start a new progression") from None


def default_jobs(device: str, networks: int) -> int:
    """Return how many networks to train at once: one for each core, one for all on a GPU."""
    return 1 if device == "cuda" else max(1, min(available_cores(), networks))


def default_folder(data: str, preset: str) -> Path:
    """Return the name of a new folder below ``runs/``, with the time in it."""
    name = f"progression-{data}-{preset}-{datetime.now():%Y%m%d-%H%M%S}"
    taken = (Path("runs") / f"{name}-{number}" for number in itertools.count(2))
    folder = Path("runs") / name
    while folder.exists():
        folder = next(taken)
    return folder
