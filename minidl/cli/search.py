"""``minidl search``: many short trainings to find hyper-parameters."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the ``search`` command to the command line."""
    parser = subparsers.add_parser(
        "search",
        help="find hyper-parameters: random, grid, Bayesian, coarse to fine",
        description=(
            "Train many networks for a short time and choose by the validation images; the test set stays shut. CONFIG "
            "is a file as for `minidl train --config`, with a [search] table that says what to vary. Everything is "
            "written to a folder; a stopped search goes on with --resume, and counts every trial once."
        ),
        epilog="docs/search.md describes the [search] table and the recipe.",
        allow_abbrev=False,
    )
    parser.add_argument("config", nargs="?", type=Path, metavar="CONFIG", help="the TOML file")
    parser.add_argument(
        "--recipe",
        action="store_true",
        help="the lecture's six steps: initial loss, overfit a small sample, find a rate, coarse grid, refine, look at "
        "the curves; CONFIG then needs no [search] table",
    )
    parser.add_argument(
        "--trials", type=int, metavar="N", help="how many trials (default: as in the file, or 20)"
    )
    parser.add_argument("--jobs", type=int, metavar="K", help="trials at once (default: one for each core)")
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="a Dask scheduler, such as tcp://10.0.0.5:8786; --jobs is not used",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="new folder for the results (default: below runs/)"
    )
    parser.add_argument(
        "--resume",
        type=Path,
        metavar="DIR",
        help="go on with the search in this folder; with --trials, more of it",
    )
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="folder with the data files")


def run(args: argparse.Namespace) -> int:
    """Search; return 0."""
    from minidl.errors import ConfigError

    if args.jobs is not None and args.jobs < 1:
        raise ConfigError(f"--jobs must be at least 1, got {args.jobs}")
    if args.jobs is not None and args.cluster is not None:
        raise ConfigError("--jobs is for this machine, --cluster for others; leave out one of them")
    if (args.config is None) == (args.resume is None):
        raise ConfigError("give the file of a new search, or --resume with the folder of one; not both")
    if args.recipe:
        return _recipe(args)
    return _search(args)


def _search(args: argparse.Namespace) -> int:
    from minidl.errors import ConfigError
    from minidl.experiments.search import Search
    from minidl.experiments.search_plan import default_folder, read_plan, read_search_file
    from minidl.experiments.search_records import read_trials
    from minidl.experiments.search_report import result_table, write_search_report
    from minidl.experiments.training_run import load_whole

    if args.resume is not None:
        if args.out is not None:
            raise ConfigError("--resume goes on in its own folder; leave out --out")
        plan = read_plan(args.resume)
    else:
        plan = read_search_file(args.config)
    if args.trials is not None:
        plan = plan.with_trials(args.trials)
    data = load_whole(plan.config, args.data_dir)
    folder = args.resume or args.out or default_folder(data.name, plan.method)
    search = Search(plan, data, folder, jobs=_jobs(args, plan.config), cluster=args.cluster, say=_say)
    print(f"{data.title}: {plan.method} search, results in {folder}", flush=True)
    with _saying_how_to_resume(folder):
        results = search.run()
    report = write_search_report(folder)
    print("\n" + result_table(results, read_trials(folder)))
    print(f"\n{results['seconds']:.0f} s; the report is {report}")
    print(f"minidl train --config {shlex.quote(str(folder / 'best.toml'))} trains the best again")
    return 0


def _recipe(args: argparse.Namespace) -> int:
    from minidl.errors import ConfigError
    from minidl.experiments.config_file import read_table
    from minidl.experiments.search_plan import default_folder
    from minidl.experiments.search_recipe import run_recipe
    from minidl.experiments.training_run import load_whole

    for option in ("trials", "resume"):
        if getattr(args, option) is not None:
            raise ConfigError(
                f"--recipe: leave out --{option}; to go on with a stopped recipe give the same --out"
            )
    config, stages = _recipe_config(read_table(args.config), str(args.config))
    data = load_whole(config, args.data_dir)
    folder = args.out or default_folder(data.name, "recipe")
    with _saying_how_to_resume(folder, args.config):
        report = run_recipe(
            config, data, folder, stages=stages, jobs=_jobs(args, config), cluster=args.cluster, say=_say
        )
    print(f"the report is {report}")
    return 0


def _recipe_config(table: dict[str, Any], where: str) -> tuple[Any, Any]:
    from minidl.experiments.config_file import config_from
    from minidl.experiments.search_recipe import recipe_stages

    stages = recipe_stages(table.get("search", {}), where)
    return config_from({name: values for name, values in table.items() if name != "search"}, where), stages


def _jobs(args: argparse.Namespace, config: Any) -> int:
    from minidl.backend import choose_device
    from minidl.parallel import available_cores

    if args.jobs is not None or args.cluster is not None:
        return args.jobs or 1
    return 1 if choose_device(config.training.device) == "cuda" else available_cores()


def _saying_how_to_resume(folder: Path, config: Path | None = None) -> Any:
    from contextlib import contextmanager

    @contextmanager
    def block() -> Any:
        try:
            yield
        except KeyboardInterrupt:
            again = f"--resume {shlex.quote(str(folder))}"
            if config is not None:
                again = f"{shlex.quote(str(config))} --recipe --out {shlex.quote(str(folder))}"
            print(f"\nStopped. To go on: minidl search {again}", file=sys.stderr)
            raise

    return block()


def _say(line: str) -> None:
    print(line, flush=True)
