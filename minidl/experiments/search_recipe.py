"""The lecture's recipe for choosing hyper-parameters, step by step (AAR; cs231n).

1. Look at the initial loss.
2. Overfit a small sample.
3. Find a learning rate that makes the loss drop within about 100 iterations, with a small weight decay on.
4. Coarse grid: a few rates around it and weight decays 1e-4, 1e-5 and 0, for 1 to 5 epochs.
5. Refine around the best for 10 to 20 epochs, without decay of the rate.
6. Look at the curves, and go back to step 5.

The folder it fills::

    recipe.json          the configuration, and what steps 1 to 3 found
    coarse/, refine/     the searches of steps 4 and 5 (`minidl.experiments.search`)
    report.html
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from minidl.data import DataSet
from minidl.errors import CheckpointError, ConfigError
from minidl.experiments.config import Config, shown
from minidl.experiments.data_digest import data_identity
from minidl.experiments.records import read_history
from minidl.experiments.report_tables import DASH
from minidl.experiments.search import Search
from minidl.experiments.search_plan import SearchPlan, Stage
from minidl.experiments.search_records import number_text, value_text
from minidl.experiments.search_report import write_search_report
from minidl.experiments.search_trial import sealed
from minidl.experiments.training_run import Prepared, prepare
from minidl.files import read_json, write_json
from minidl.monitoring.verdicts import fit_verdicts
from minidl.plots import lr_range_curve
from minidl.plots.report import Cell, Heading, Notice, Paragraph, Picture, Section, Table
from minidl.regularizers import L2
from minidl.search.spaces import Categorical, Dimension, Log
from minidl.training import lr_range_test
from minidl.training.prechecks import check_chance_loss, check_overfit_batches
from minidl.training.prechecks.result import WRONG, CheckResult

RATES = (1e-1, 1e-2, 1e-3, 1e-4)
ITERATIONS = 100
SMALL_DECAY = 1e-4
DECAYS = (1e-4, 1e-5, 0.0)
DROPPED = 0.9  # of the first loss, or less: it has dropped
STAGES = (Stage(None, epochs=2), Stage(6, epochs=10))
FILE = "recipe.json"


def recipe_stages(table: Any, where: str) -> tuple[Stage, Stage]:
    """Return the coarse and the fine stage that a ``[search]`` table asks for.

    Raises
    ------
    ConfigError
        If it says anything else.
    """
    if not isinstance(table, Mapping) or set(table) - {"stages"}:
        raise ConfigError(
            f"{where}: the recipe varies the learning rate and the weight decay by itself; of a [search] table it "
            "takes stages alone, such as stages = [{epochs = 2}, {epochs = 10, trials = 6}]"
        )
    given = table.get("stages", [{}, {}])
    if not isinstance(given, list) or len(given) != 2 or not all(isinstance(each, Mapping) for each in given):
        raise ConfigError(
            f"{where}: search.stages of a recipe are two tables, coarse and fine, got {shown(given)}"
        )
    allowed = ({"epochs"}, {"epochs", "trials"})
    for each, names in zip(given, allowed, strict=True):
        for name, value in each.items():
            if name not in names:
                raise ConfigError(
                    f"{where}: search.stages of a recipe have no {name!r} here; there are {sorted(names)}"
                )
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigError(
                    f"{where}: search.stages: {name} must be a whole number of at least 1, got {value!r}"
                )
    coarse, fine = (replace(stage, **each) for stage, each in zip(STAGES, given, strict=True))
    return coarse, fine


def run_recipe(
    config: Config,
    data: DataSet,
    folder: Path,
    *,
    stages: tuple[Stage, Stage] = STAGES,
    jobs: int = 1,
    cluster: str | None = None,
    say: Callable[[str], None] = print,
) -> Path:
    """Take the six steps; a recipe that was stopped goes on where it was.

    Parameters
    ----------
    config : Config
        Its schedule and its weight decay are left out, its learning rate does not matter.
    data : DataSet
        Its test set is left out at once.
    folder : Path
    stages : (Stage, Stage)
        Epochs of the coarse grid; epochs and trials of the refinement.
    jobs, cluster, say
        As for `Search`.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    ConfigError
        If one of the first three steps fails, with what to do about it: what follows would be a waste of time.
    """
    data = sealed(data)
    if config.training.schedule is not None:
        say(f"training.schedule = {config.training.schedule} is left out: the recipe searches without decay")
        config = config.with_values(training__schedule=None)
    config, decay_name = _with_decay(config)
    prepared = prepare(config.with_values(training__threads=config.training.threads or 1), data=data)
    _check_folder(folder, config, data)

    checks, rates, test = _first_steps(prepared, say)
    record = {
        "config": config.table(),
        "data": data_identity(data),
        "checks": [{"name": each.name, "verdict": each.verdict, "finding": each.finding} for each in checks],
        "rates": rates,
    }
    write_json(folder / FILE, record)
    rate = _chosen_rate(checks, rates)

    say(
        f"\n4. Coarse grid, {stages[0].epochs} epochs: rates around {rate:.2g}, "
        f"weight decay {', '.join(map(str, DECAYS))}"
    )
    coarse_space: dict[str, Dimension] = {
        "training.optimizer.lr": Log(rate / 10, rate * 10, points=5),
        decay_name: Categorical(list(DECAYS)),
    }
    workers: dict[str, Any] = {"jobs": jobs, "cluster": cluster, "say": say}
    plan = SearchPlan(config, coarse_space, "grid", (stages[0],), config.training.seed)
    coarse = Search(plan, data, folder / "coarse", **workers).run()
    _say_best(coarse, say)

    say(f"\n5. Refine around it, {stages[1].epochs} epochs, {stages[1].trials} trials at random")
    best = coarse["best"]["parameters"]
    fine_space: dict[str, Dimension] = {
        "training.optimizer.lr": coarse_space["training.optimizer.lr"].around(
            best["training.optimizer.lr"], 0.4
        ),
        decay_name: _decays_near(best[decay_name]),
    }
    plan = SearchPlan(config, fine_space, "random", (stages[1],), config.training.seed)
    fine = Search(plan, data, folder / "refine", **workers).run()
    _say_best(fine, say)

    say("\n6. Look at the curves")
    history = read_history(folder / "refine" / fine["best"]["folder"])
    for verdict in [] if history is None else fit_verdicts(history):
        say(f"   {verdict.kind}: {verdict.text}")
    before = [*_step_sections(checks, rates, test), *_coarse_section(coarse, decay_name)]
    return write_search_report(folder / "refine", before, folder / "report.html", "The recipe")


def _first_steps(
    prepared: Prepared, say: Callable[[str], None]
) -> tuple[list[CheckResult], dict[str, Any], Any]:
    """Take steps 1 to 3; return the checks, what came of the rates, and the range test."""
    parts, data, seed = prepared.parts, prepared.data, prepared.config.training.seed
    subject = (parts.model, parts.loss, data.train.images, data.train.labels)
    options: dict[str, Any] = {"classes": len(data.classes), "seed": seed}
    say("1. The initial loss, without penalties")
    checks = [check_chance_loss(*subject, **options, name="initial loss")]
    say(checks[-1].row())
    say("\n2. Overfit a small sample")
    checks.append(check_overfit_batches(*subject, **options, name="overfit batches"))
    say(checks[-1].row())
    say(
        f"\n3. A learning rate that makes the loss drop within {ITERATIONS} iterations, weight decay {SMALL_DECAY:g}"
    )
    test = lr_range_test(parts.model, parts.loss, parts.optimizer, parts.loader,
                         regularizers=[L2(SMALL_DECAY)], low=1e-6, high=10.0)  # fmt: skip
    candidates = [*RATES, *([] if test.suggestion is None else [float(f"{test.suggestion:.2g}")])]
    rates: dict[str, Any] = {}
    for rate in sorted(set(candidates), reverse=True):
        first, last = _losses(prepared, rate)
        rates[f"{rate:g}"] = {"first": first, "last": last if np.isfinite(last) else None}
        note = ", the range test's suggestion" if rate not in RATES else ""
        say(f"   {rate:<8g} from {first:.3f} to {last:.3f}{note}")
    return checks, rates, test


def _losses(prepared: Prepared, rate: float) -> tuple[float, float]:
    """Train a copy with one rate; return the loss of the first iteration and the mean of the last ten."""
    parts, losses = prepared.parts, []
    model, loss, optimizer = copy.deepcopy((parts.model, parts.loss, parts.optimizer))
    optimizer.lr, penalty = rate, L2(SMALL_DECAY)
    parameters = list(model.named_parameters())
    batches = itertools.chain.from_iterable(parts.loader.epoch(epoch) for epoch in range(ITERATIONS))
    with np.errstate(all="ignore"):
        for x, y in itertools.islice(batches, ITERATIONS):
            optimizer.prepare(parameters)
            losses.append(float(loss.forward(model.forward(x, train=True), y)))
            if not np.isfinite(losses[-1]):
                return losses[0], float("inf")
            model.backward(loss.backward())
            penalty.add_gradient(parameters)
            optimizer.step(parameters)
    return losses[0], float(np.mean(losses[-10:]))


def _chosen_rate(checks: list[CheckResult], rates: dict[str, Any]) -> float:
    """Return the rate to search around, unless there is something to be mended first."""
    for check in checks:
        if check.verdict == WRONG:
            raise ConfigError(f"the recipe stops here: {check.name}: {check.finding}; {check.advice}")
    dropped = {
        rate: found["last"]
        for rate, found in rates.items()
        if found["last"] is not None and found["last"] <= DROPPED * found["first"]
    }
    if not dropped:
        raise ConfigError(
            f"the recipe stops here: no rate makes the loss drop within {ITERATIONS} iterations; "
            "look at the data and the initial weights (minidl precheck), or take another optimizer"
        )
    return float(min(dropped, key=lambda rate: dropped[rate]))


def _with_decay(config: Config) -> tuple[Config, str]:
    """Return the configuration with an L2 penalty, and the name of its strength."""
    texts = config.training.regularizers
    for place, text in enumerate(texts):
        if text.strip().partition("(")[0] == "L2":
            return config, f"training.regularizers.{place}.strength"
    return (
        config.with_values(training__regularizers=(*texts, "L2(0)")),
        f"training.regularizers.{len(texts)}.strength",
    )


def _decays_near(best: float) -> Dimension:
    return Log(best / 5, best * 5) if best > 0 else Categorical([0.0, min(d for d in DECAYS if d > 0)])


def _check_folder(folder: Path, config: Config, data: DataSet) -> None:
    if not (folder / FILE).exists():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConfigError(f"{folder}: this exists already; choose another --out")
        return
    found = read_json(folder / FILE)
    if (found.get("config"), found.get("data")) != (_as_read(config), data_identity(data)):
        raise CheckpointError(
            f"{folder}: this folder holds a recipe with other settings; choose another --out"
        )


def _as_read(config: Config) -> dict[str, Any]:
    return {section: dict(values) for section, values in config.table().items()}


def _say_best(results: dict[str, Any], say: Callable[[str], None]) -> None:
    best = results["best"]
    values = ", ".join(f"{name} = {number_text(value)}" for name, value in best["parameters"].items())
    say(f"   best: {value_text(best)} with {values}")
    for sentence in results["borders"]:
        say(f"   at the border: {sentence}")


def _step_sections(checks: list[CheckResult], rates: dict[str, Any], test: Any) -> list[Section]:
    rows: list[list[Cell]] = [
        [f"{place}. {check.name}", check.verdict, (check.finding, check.advice)]
        for place, check in enumerate(checks, 1)
    ]
    tried: list[list[Cell]] = [
        [rate, f"{found['first']:.3f}", DASH if found["last"] is None else f"{found['last']:.3f}"]
        for rate, found in rates.items()
    ]
    figure = lr_range_curve(test.rates, test.losses, test.smoothed, suggestion=test.suggestion,
                            lowest=test.lowest, divergence=test.divergence)  # fmt: skip
    return [
        Heading("Steps 1 and 2: before training"),
        Table(["Step", "Verdict", "Finding"], rows),
        Heading("Step 3: a learning rate"),
        Table(["Rate", "First loss", f"After {ITERATIONS} iterations"], tried, numeric=[1, 2],
              caption=f"Training loss, the mean of the last ten iterations, with weight decay {SMALL_DECAY:g}."),
        Picture(figure, test.verdict, test.verdict),
    ]  # fmt: skip


def _coarse_section(coarse: dict[str, Any], decay_name: str) -> list[Section]:
    best = coarse["best"]
    rate, decay = best["parameters"]["training.optimizer.lr"], best["parameters"][decay_name]
    text = f"{coarse['trials']['all']} trials; the best, {value_text(best)}, has rate {rate:.3g} and decay {decay:g}."
    sections: list[Section] = [Heading("Step 4: coarse grid"), Paragraph(text)]
    sections += [Notice(sentence) for sentence in coarse["borders"]]
    return [*sections, Paragraph("What follows is step 5, the refinement, and with its curves step 6.")]
