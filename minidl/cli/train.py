"""``minidl train``: one network, from the command line or from a TOML file."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

# Options that set a key of minidl.experiments.config: (option, key, name of its value, help).
_OPTIONS: dict[str, list[tuple[str, str, str, str]]] = {
    "model": [
        ("--rung", "model.rung", "ID", "a network of the progression, such as 0, 3 or 2b (default 0)"),
        ("--model", "model.text", "TEXT", "a model as in Python: 'Sequential([Flatten(), Dense(10)])'"),
        ("--init-from", "model.init_from", "PATH", "start from the weights of this run or .safetensors file"),
    ],
    "data": [
        ("--data", "data.name", "NAME", "mnist, digits, fashion or kmnist (default: MNIST, or else digits)"),
        ("--data-dir", "data.dir", "DIR", "folder with the data files"),
        ("--split", "data.split", "NAME", "validation images: lecture (default), random, stratified or writers"),
        ("--fold", "data.fold", "I/K", "fold I of K validates, such as 2/5 (default: a hold-out set)"),
        ("--subset", "data.subset", "N", "only the first N training images"),
        ("--batch-size", "data.batch_size", "N", "images of a step (default 100)"),
        ("--shuffle", "data.shuffle", "WHEN", "epoch (default), once or never"),
        ("--mix", "data.mix", "TEXT", "blending of examples, such as 'Mixup(0.2)'"),
        ("--sampler", "data.sampler", "TEXT", "resampling of the classes, such as 'UnderSampling()'"),
        ("--smote", "data.smote", "K", "fill the rarer classes up by SMOTE between K neighbours"),
    ],
    "training": [
        ("--epochs", "training.epochs", "N", "passes over the training images (default 10)"),
        ("--loss", "training.loss", "TEXT", "such as 'SoftmaxCrossEntropy(label_smoothing=0.1)'"),
        ("--optimizer", "training.optimizer", "TEXT", "such as 'Adam(lr=1e-3)'"),
        ("--schedule", "training.schedule", "TEXT", "such as 'Warmup(Cosine(0.1), fraction=0.05)'"),
        ("--keep-best", "training.keep_best", "BY", "accuracy (default), loss or none"),
        ("--seed", "training.seed", "N", "seed of every random number (default 0)"),
        ("--threads", "training.threads", "N", "threads (default: one for each core)"),
        ("--device", "training.device", "NAME", "auto (default), cpu or cuda"),
        ("--out", "training.out", "DIR", "new folder of the run (default: below runs/)"),
    ],
}  # fmt: skip
# Options that may be given several times, each adding an item to a list.
_LISTS: dict[str, list[tuple[str, str, str, str]]] = {
    "model": [("--freeze", "model.freeze", "NAME", "do not train this layer or parameter")],
    "data": [("--augment", "data.augment", "TEXT", "an augmentation, such as 'RandomAffine(rotation=10)'")],
    "training": [
        ("--regularizer", "training.regularizers", "TEXT", "a penalty on the weights, such as 'L2(1e-4)'"),
        ("--callback", "training.callbacks", "TEXT", "a callback, such as 'EarlyStopping(patience=5)'"),
    ],
}
_FLAGS: dict[str, list[tuple[str, str, Any, str]]] = {
    "data": [
        ("--expand", "data.expand", True, "the lecture's expansion: each image also shifted by a pixel, four ways"),
        ("--standardize", "data.standardize", True, "bring the pixels to mean 0 and standard deviation 1"),
    ],
    "training": [("--no-monitor", "training.monitor", "none", "do not watch weights, activations and gradients")],
}  # fmt: skip


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of ``minidl``."""
    parser = subparsers.add_parser(
        "train",
        help="train one network as options or a TOML file say",
        description=(
            "Train one network into a new folder, with a report. Models, optimizers, schedules and the like are "
            "written as in Python: --optimizer 'Adam(lr=1e-3)'. Every setting has a key in a TOML file "
            "(docs/training.md); --set KEY=VALUE sets any of them. The test set is not touched: minidl evaluate "
            "opens it. A stopped run goes on with --resume."
        ),
        allow_abbrev=False,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="a TOML file; an option replaces its key")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="set a key, such as training.epochs=5"
    )
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with the run in this folder")
    parser.add_argument(
        "--seeds", type=int, metavar="N", help="train N times, with seeds 0 to N-1: mean and scatter"
    )
    parser.add_argument(
        "--folds", type=int, metavar="K", help="cross-validation: train K times, each fold validates once"
    )
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="with --seeds or --folds: so many at once (default: one a core)"
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="with --seeds or --folds: train on the workers of this Dask scheduler",
    )
    parser.add_argument("--keys", action="store_true", help="print every key of the TOML file, and stop")
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything, print the configuration, and stop"
    )
    for section in _OPTIONS:
        group = parser.add_argument_group(section)
        for option, key, metavar, text in _OPTIONS[section]:
            group.add_argument(option, dest=key, metavar=metavar, help=text)
        for option, key, metavar, text in _LISTS[section]:
            group.add_argument(
                option, dest=key, action="append", metavar=metavar, help=f"{text} (repeatable)"
            )
        for option, key, value, text in _FLAGS.get(section, []):
            group.add_argument(option, dest=key, action="store_const", const=value, help=text)
        if section == "training":
            group.add_argument(
                "--early-stopping",
                nargs="?",
                const="",
                metavar="EPOCHS",
                help="stop after so many epochs without a better validation accuracy (default 10)",
            )


def run(args: argparse.Namespace) -> int:
    """Train; return 0."""
    from minidl.experiments.config_file import config_from, key_table, merge, read_table, to_toml
    from minidl.experiments.repetition import Repetition
    from minidl.experiments.training_run import default_folder, prepare, require_new

    if args.keys:
        print(key_table())
        return 0
    settings = _settings(args)
    _check_repetition(args)
    if args.resume is not None:
        return _resume(args)
    where = str(args.config) if args.config is not None else ""
    table = {} if args.config is None else read_table(args.config)
    config_from(table, where)  # first alone, so that an error in the file is said to be there
    table = merge(table, settings)
    config = config_from(table)
    place = None if config.training.out is None else Path(config.training.out)
    if place is not None:
        require_new(place)
    if args.seeds is not None or args.folds is not None:
        seeds = tuple(config.training.seed + index for index in range(args.seeds or 1))
        plan = Repetition(config, seeds, args.folds)
        return _repeat(plan, place, args, choose_split="split" not in table.get("data", {}))
    prepared = prepare(config)
    if args.dry_run:
        print(to_toml(prepared.config), end="")
        return 0
    return _train(prepared, place or default_folder(prepared.config), resume=False)


def _resume(args: argparse.Namespace) -> int:
    from minidl.errors import ConfigError
    from minidl.experiments.repetition import is_repetition, read_repetition
    from minidl.experiments.training_run import prepare, read_config
    from minidl.training.run_folder import RunFolder

    data_dir = _only_data_dir(args)
    if is_repetition(args.resume):
        return _repeat(read_repetition(args.resume), args.resume, args, data_dir)
    device = getattr(args, "training.device")
    for option, value in (("--jobs", args.jobs), ("--cluster", args.cluster)):
        if value is not None:
            raise ConfigError(
                f"{args.resume}: {option} is for several trainings, and this is one; leave it out"
            )
    config = read_config(args.resume)
    if device is not None:
        config = config.with_values(training__device=device)
    # A run killed before its first checkpoint begins anew.
    prepared = prepare(config, data_dir=data_dir, resume=RunFolder(args.resume).last.exists())
    return _train(prepared, args.resume, resume=True)


def _train(prepared: Any, folder: Path, resume: bool) -> int:
    from minidl.experiments.report import write_run_report
    from minidl.experiments.run_table import run_table

    data, loader = prepared.data, prepared.loader
    print(
        f"{data.title}: {loader.examples:,} training images an epoch, {len(data.validation):,} for validation; "
        f"{prepared.parts.model.parameter_count():,} parameters; device {prepared.config.training.device}; "
        f"results in {folder}",
        flush=True,
    )
    trainer = prepared.fit(folder, resume=resume)  # Ctrl-C: it saves, and says how to go on
    report = write_run_report(folder)
    print("\n" + run_table(trainer, data.title))
    command = f"minidl evaluate {shlex.quote(str(folder))}"
    print(f"\nthe report is {report}\n{command} scores the best weights; --split test opens the test set")
    return 0


def _check_repetition(args: argparse.Namespace) -> None:
    from minidl.errors import ConfigError

    for option, value, least in (
        ("--seeds", args.seeds, 1),
        ("--folds", args.folds, 2),
        ("--jobs", args.jobs, 1),
    ):
        if value is not None and value < least:
            raise ConfigError(f"{option} must be at least {least}, got {value}")
    if args.seeds is None and args.folds is None and args.resume is None:
        for option, value in (("--jobs", args.jobs), ("--cluster", args.cluster)):
            if value is not None:
                raise ConfigError(
                    f"{option} is for several trainings; give --seeds N or --folds K as well, or leave it out"
                )
    if args.jobs is not None and args.cluster is not None:
        raise ConfigError("--cluster has as many trainings at once as it has workers; leave out --jobs")


def _repeat(
    plan: Any,
    folder: Path | None,
    args: argparse.Namespace,
    data_dir: Path | None = None,
    *,
    choose_split: bool = False,
) -> int:
    from minidl.experiments.config_file import to_toml
    from minidl.experiments.repeat import ready, repeat, repetition_text
    from minidl.parallel import available_cores

    if args.dry_run:
        print(to_toml(ready(plan, choose_split=choose_split)[0].config), end="")
        return 0
    jobs = args.jobs or max(1, available_cores() // (plan.config.training.threads or 1))
    options = {"jobs": jobs, "cluster": args.cluster, "data_dir": data_dir}
    runs = repeat(plan, folder, choose_split=choose_split, **options)
    print("\n" + repetition_text(runs))
    name = shlex.quote(str(runs[0].folder.parent))
    if plan.folds is not None:
        print(f"minidl compare {name} OTHER compares this with the same folds of another training")
        return 0
    print(
        f"minidl compare {name} OTHER compares this with another training, minidl ensemble {name} lets them vote"
    )
    return 0


def _settings(args: argparse.Namespace) -> list[tuple[Any, Any]]:
    """Return (key, value) of every option and every --set."""
    from minidl.experiments.config import find_key

    return [(find_key(name), value) for name, (_, value) in _given(args).items()]


def _given(args: argparse.Namespace) -> dict[str, tuple[str, Any]]:
    """Return (option, value) for every key that is set, refusing one that is set twice."""
    from minidl.errors import ConfigError
    from minidl.experiments.config import find_key
    from minidl.experiments.config_file import setting

    groups: list[dict[str, list[Any]]] = [{**_OPTIONS}, {**_LISTS}, {**_FLAGS}]
    named = {key: option for group in groups for rows in group.values() for option, key, *_ in rows}
    found: dict[str, tuple[str, Any]] = {}
    for key, option in named.items():
        value = getattr(args, key)
        if value is not None:
            found[key] = (option, _number(option, value) if find_key(key).kind == "a whole number" else value)
    if args.early_stopping is not None:
        patience = _number("--early-stopping", args.early_stopping or "10")
        callbacks = found.get("training.callbacks", ("", []))[1]
        found["training.callbacks"] = (
            "--early-stopping",
            [*callbacks, f"EarlyStopping(patience={patience})"],
        )
    for text in args.set:
        key_, value = setting(text)
        if key_.name in found:
            raise ConfigError(
                f"{found[key_.name][0]} and --set {key_.name} both set {key_.name}; leave out one"
            )
        found[key_.name] = (f"--set {key_.name}", value)
    return found


def _number(option: str, text: str) -> int:
    from minidl.errors import ConfigError

    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"{option} must be a whole number, got {text!r}") from None


def _only_data_dir(args: argparse.Namespace) -> Path | None:
    """Return --data-dir, which --resume leaves room for, as for --device: files may have moved, and runs may."""
    from minidl.errors import ConfigError
    from minidl.experiments.repetition import is_repetition

    given = _given(args)
    found = given.pop("data.dir", None)
    if not is_repetition(args.resume):
        given.pop("training.device", None)
    others = [option for option, _ in given.values()]
    others += [
        option
        for option, set_ in (
            ("--config", args.config),
            ("--dry-run", args.dry_run),
            ("--seeds", args.seeds),
            ("--folds", args.folds),
        )
        if set_
    ]
    if others:
        raise ConfigError(f"--resume takes everything from the run's folder; leave out {', '.join(others)}")
    return None if found is None else Path(found[1])
