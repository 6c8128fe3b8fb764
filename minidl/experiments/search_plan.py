"""What a search is asked to do: the ``[search]`` table of a configuration, and the file that remembers it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from minidl.errors import CheckpointError, ConfigError
from minidl.experiments.config import Config, shown
from minidl.experiments.config_file import config_from, read_table
from minidl.experiments.parts import make_parts
from minidl.experiments.search_keys import check_names, with_parameters
from minidl.experiments.training_run import with_default_model
from minidl.expressions import build, suggestion
from minidl.files import read_json
from minidl.search.propose import MOST_TRIALS, grid_points
from minidl.search.spaces import KINDS, Categorical, Space, text_of

FORMAT = 1
METHODS = ("random", "grid", "bayesian")
OBJECTIVES = ("accuracy", "loss")
TRIALS = 20
BATCH = 4
SHRINK = 0.5
_KEYS = ("method", "trials", "stages", "seed", "objective", "sampler", "pruner", "batch", "space")
_STAGE_KEYS = ("trials", "epochs", "shrink")


@dataclass(frozen=True)
class Stage:
    """One stage of a search.

    Attributes
    ----------
    trials : int or None
        None on a grid, which has as many as it has points.
    epochs : int or None
        Of every trial; None for ``training.epochs``.
    shrink : float
        Width of the ranges as a share of those of the stage before, around its best trial. It means
        nothing in the first.
    """

    trials: int | None
    epochs: int | None = None
    shrink: float = SHRINK


@dataclass(frozen=True)
class SearchPlan:
    """What a search is asked to do.

    Attributes
    ----------
    config : Config
        Of every trial, but for what is searched.
    space : Space
        By dotted name (`minidl.experiments.search_keys`).
    method : {"random", "grid", "bayesian"}
    stages : tuple of Stage
    seed : int
    objective : {"accuracy", "loss"}
        Of the validation images, at its best epoch.
    sampler : str
        Optuna's, as a constructor call.
    pruner : str or None
    batch : int
        Trials that Optuna proposes at a time.
    """

    config: Config
    space: Space
    method: str = "random"
    stages: tuple[Stage, ...] = (Stage(TRIALS),)
    seed: int = 0
    objective: str = "accuracy"
    sampler: str = "TPESampler()"
    pruner: str | None = None
    batch: int = BATCH

    def __post_init__(self) -> None:
        _check_choice("method", self.method, METHODS)
        _check_choice("objective", self.objective, OBJECTIVES)
        _check_count("seed", self.seed, 0)
        _check_count("batch", self.batch, 1)
        if not self.space:
            raise ConfigError(
                'search.space is empty; name what to vary, such as "training.optimizer.lr" = "Log(1e-4, 1)"'
            )
        check_names(self.config, self.space)
        for index, stage in enumerate(self.stages):
            _check_stage(stage, index, self)
        if self.method == "grid":
            grid_points(self.space)
        if self.method == "bayesian":
            from minidl.search.bayesian import make_pruner, make_sampler

            make_sampler(self.sampler, 0)
            make_pruner(self.pruner)
        self._try_ends()

    def _try_ends(self) -> None:
        """Make the objects of a trial at every end of every range: a slip of the pen shows itself here."""
        middle = {name: dimension.at(0.5) for name, dimension in self.space.items()}
        for name, dimension in self.space.items():
            several = isinstance(dimension, Categorical)
            for value in dimension.grid() if several else (dimension.at(0.0), dimension.at(1.0)):
                try:
                    make_parts(
                        with_default_model(with_parameters(self.config, {**middle, name: value})), None
                    )
                except ConfigError as error:
                    raise ConfigError(f"search.space: with {name} = {shown(value)}: {error}") from None

    @property
    def maximize(self) -> bool:
        """Whether a larger value is better."""
        return self.objective == "accuracy"

    def as_dict(self) -> dict[str, Any]:
        """Return what ``search.json`` keeps; `read_plan` makes the plan of it again."""
        optuna = {"sampler": self.sampler, "pruner": self.pruner, "batch": self.batch}
        return {
            "config": self.config.table(),
            "search": {
                "method": self.method,
                "stages": [
                    {name: getattr(stage, name) for name in _STAGE_KEYS if getattr(stage, name) is not None}
                    for stage in self.stages
                ],
                "seed": self.seed,
                "objective": self.objective,
                **{
                    key: value
                    for key, value in optuna.items()
                    if self.method == "bayesian" and value is not None
                },
                "space": {name: text_of(dimension) for name, dimension in self.space.items()},
            },
        }

    def with_trials(self, trials: int) -> SearchPlan:
        """Return the plan with another number of trials.

        Raises
        ------
        ConfigError
            On a grid, or with several stages.
        """
        _check_count("--trials", trials, 1)
        if self.method == "grid":
            raise ConfigError("--trials: a grid has as many trials as points; give its ranges other points")
        if len(self.stages) > 1:
            raise ConfigError("--trials: each stage of this search has its own trials; change search.stages")
        return replace(self, stages=(replace(self.stages[0], trials=trials),))


def plan_from(table: Mapping[str, Any], where: str = "") -> SearchPlan:
    """Return the plan of a configuration with a ``[search]`` table.

    Raises
    ------
    ConfigError
        If anything in it makes no sense.
    """
    before = f"{where}: " if where else ""
    searched = table.get("search")
    if not isinstance(searched, Mapping):
        raise ConfigError(
            f"{before}there is no [search] table; write one with [search.space], such as "
            '"training.optimizer.lr" = "Log(1e-4, 1)"'
        )
    config = config_from({name: values for name, values in table.items() if name != "search"}, where)
    for name in searched:
        if name not in _KEYS:
            raise ConfigError(f"{before}there is no key 'search.{name}'{suggestion(name, _KEYS)}")
    options = {name: value for name, value in searched.items() if name not in ("space", "trials", "stages")}
    for name in ("sampler", "pruner", "batch"):
        if name in options and options.get("method") != "bayesian":
            raise ConfigError(f'{before}search.{name} is for search.method = "bayesian"; leave it out')
        if name in options and name != "batch" and not isinstance(options[name], str):
            raise ConfigError(f"{before}search.{name} must be a text, got {shown(options[name])}")
    try:
        space = read_space(searched.get("space", {}))
        return SearchPlan(config, space, stages=_stages(searched), **options)
    except ConfigError as error:
        raise ConfigError(f"{before}{error}") from None


def read_search_file(path: str | Path) -> SearchPlan:
    """Return the plan that a TOML file describes."""
    return plan_from(read_table(path), str(path))


def read_space(table: Any) -> Space:
    """Return the space that a table of texts describes; its dotted names may be quoted or nested tables.

    Raises
    ------
    ConfigError
        If a text describes no range.
    """
    if not isinstance(table, Mapping):
        raise ConfigError("search.space must be a table of names and ranges")
    space: Space = {}
    for name, text in _flat(table):
        made: Any = build(text, KINDS, f"search.space: {name}")
        if type(made) not in KINDS.values():
            raise ConfigError(f"search.space: {name}: expected a range such as Log(1e-4, 1), got {text!r}")
        space[name] = made
    return space


def _flat(table: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for name, value in table.items():
        pairs += _flat(value, f"{before}{name}.") if isinstance(value, Mapping) else [(before + name, value)]
    return pairs


def _stages(searched: Mapping[str, Any]) -> tuple[Stage, ...]:
    grid = searched.get("method") == "grid"
    if "stages" not in searched:
        return (Stage(searched.get("trials", None if grid else TRIALS)),)
    if "trials" in searched:
        raise ConfigError("search.trials and search.stages both say how many trials; leave out search.trials")
    stages = searched["stages"]
    if not isinstance(stages, list) or not stages or not all(isinstance(each, Mapping) for each in stages):
        raise ConfigError(
            "search.stages must be a list such as [{trials = 20, epochs = 1}, {trials = 10, epochs = 5}]"
        )
    for each in stages:
        for name in each:
            if name not in _STAGE_KEYS:
                raise ConfigError(f"search.stages: there is no {name!r}{suggestion(name, _STAGE_KEYS)}")
    return tuple(Stage(**{"trials": None if grid else TRIALS, **each}) for each in stages)


def _check_stage(stage: Stage, index: int, plan: SearchPlan) -> None:
    name = f"search.stages[{index}]." if len(plan.stages) > 1 or stage.epochs is not None else "search."
    if plan.method == "grid":
        if stage.trials is not None:
            raise ConfigError(f"{name}trials: a grid has as many trials as points; leave it out")
    else:
        _check_count(f"{name}trials", stage.trials, 1, MOST_TRIALS)
    if stage.epochs is not None:
        _check_count(f"{name}epochs", stage.epochs, 1)
        if "training.epochs" in plan.space:
            raise ConfigError(f"{name}epochs and training.epochs in search.space contradict each other")
    shrink: Any = stage.shrink
    if isinstance(shrink, bool) or not isinstance(shrink, int | float) or not 0 < shrink <= 1:
        raise ConfigError(f"{name}shrink must be above 0 and at most 1, got {shown(shrink)}")


def _check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"search.{name} must be one of {', '.join(choices)}, got {shown(value)}")


def _check_count(name: str, value: Any, least: int, most: int | None = None) -> None:
    name = name if "." in name or name.startswith("-") else f"search.{name}"
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} must be a whole number of at least {least}, got {shown(value)}")
    if most is not None and value > most:
        raise ConfigError(f"{name} must be at most {most:,}, got {value:,}")


def read_plan(folder: Path) -> SearchPlan:
    """Return the plan of a search that was started in `folder`.

    Raises
    ------
    ConfigError, CheckpointError
        If there is none, or its file is damaged.
    """
    path = folder / "search.json"
    if not path.is_file():
        raise ConfigError(f"{folder}: there is no search here (no search.json); give the folder of --out")
    try:
        found = read_json(path)
        return plan_from({**found["plan"]["config"], "search": found["plan"]["search"]})
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: this file is damaged ({error}); start a new search") from None


def default_folder(data: str, method: str) -> Path:
    """Return the name of a new folder below ``runs/``, with the time in it."""
    name = f"search-{data}-{method}-{datetime.now():%Y%m%d-%H%M%S}"
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(folder for folder in (Path("runs") / each for each in names) if not folder.exists())
