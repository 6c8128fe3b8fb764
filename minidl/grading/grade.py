"""Grading a class: every submission by the same plan, seed and isolation, with a record that survives a kill."""

from __future__ import annotations

import hashlib
import os
import platform
import secrets
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from minidl._version import __version__
from minidl.errors import ConfigError, DataError
from minidl.grading.intake import Source, clear, find_submissions, take
from minidl.grading.job import plan_of, private_files
from minidl.grading.jobs import Pool
from minidl.grading.outcomes import Graded, Header, Planned
from minidl.grading.record import Record
from minidl.grading.reports import FORMATS, write_class, write_student
from minidl.grading.spec import Exercise

RECORD = Path("staff") / "record.jsonl"


@dataclass(frozen=True)
class Options:
    """How to grade.

    Attributes
    ----------
    jobs : int or None
        Grading processes; as many as there are cores when None.
    private : Path or None
        Folder of private tests, in place of the exercise's own.
    require : str or None
        The least isolation level; grading does not begin below it.
    seed : str or None
        The secret; drawn when None.
    budget : float or None
        Seconds for one submission, after which its remaining tests are not run. When None, as many as its tests
        may take together, so that a submission loses no point that it could have had.
    formats : collection of str
        Of `minidl.grading.reports.FORMATS`.
    """

    jobs: int | None = None
    private: Path | None = None
    require: str | None = None
    seed: str | None = None
    budget: float | None = None
    formats: Collection[str] = FORMATS


@dataclass(frozen=True)
class ClassResult:
    """What came of it.

    Attributes
    ----------
    header : Header
    submissions : list of Graded
        Ordered by id.
    kept : int
        How many an earlier run had graded.
    """

    header: Header
    submissions: list[Graded]
    kept: int

    @property
    def complete(self) -> bool:
        """Whether all points are final."""
        return all(submission.complete for submission in self.submissions)


def grade_class(
    exercise: Exercise,
    place: str | Path,
    out: str | Path,
    options: Options | None = None,
    *,
    resume: bool = False,
    on_graded: Callable[[Graded, int, int], None] | None = None,
) -> ClassResult:
    """Grade all submissions and write the reports.

    Parameters
    ----------
    exercise : Exercise
    place : path
        Folder of submissions, or one submission.
    out : path
        Folder for the results: ``staff/`` (record with the seed, CSV, overview) and ``students/ID/``.
    options : Options, optional
    resume : bool
        Go on with the record in `out`. Submissions graded to the end are kept, if they have not changed.
    on_graded : callable, optional
        Called with each submission when it is done, how many are, and of how many.

    Returns
    -------
    ClassResult

    Raises
    ------
    ConfigError
        If the isolation that is required cannot be had, or a record was made in another way than now.
    DataError
        If there is nothing to grade, or there is a record already and `resume` is not set.
    """
    out, options = Path(out), options or Options()
    header = make_header(exercise, options)
    sources = find_submissions(place, exercise.handed_in)
    _keep_apart(Path(place), out)
    path = out / RECORD
    with Record.resume(path) if resume else Record.create(path, header) as record:
        if resume:
            _must_match(record.header, header, options, path)
        known = {s.id: s.digest for s in record.submissions.values() if s.complete}
        kept = _grade(exercise, sources, record, out, options, known, on_graded)
        submissions = [record.submissions[source.id] for source in sources]
        for submission in submissions:
            if submission.id in kept:  # the formats may be others than last time
                write_student(out / "students", record.header, submission, options.formats)
        write_class(out / "staff", record.header, submissions, options.formats)
        return ClassResult(record.header, submissions, len(kept))


def replay(
    exercise: Exercise, place: str | Path, out: str | Path, name: str, options: Options | None = None
) -> tuple[Graded, Graded]:
    """Grade one submission again with the record's seed; return what the record has, and what came now.

    Nothing is written.

    Raises
    ------
    ConfigError
        If the exercise, its tests or the isolation are others than then.
    DataError
        If the record or the submission is missing, or the submission has changed.
    """
    out, options = Path(out), options or Options()
    record = Record.read(out / RECORD)
    before = record.submissions.get(name)
    sources = [source for source in find_submissions(place, exercise.handed_in) if source.id == name]
    if before is None or not sources:
        where = f"{out / RECORD}" if before is None else f"{place}"
        raise DataError(f"--replay: {where} has no submission {name!r}")
    if take(sources[0], exercise.handed_in).digest != before.digest:
        raise DataError(
            f"--replay: the submission {name} is not the one that was graded: its files have changed"
        )
    options = replace(options, seed=record.header.seed, budget=record.header.budget)
    header = make_header(exercise, options)
    _must_match(replace(record.header, versions=header.versions), header, options, out / RECORD)
    import tempfile

    with tempfile.TemporaryDirectory(prefix="minidl-replay-") as folder:
        with Record.create(Path(folder) / RECORD, header) as again:
            _grade(exercise, sources, again, Path(folder), replace(options, formats=()), {}, None)
        return before, again.submissions[name]


def differences(before: Graded, after: Graded) -> list[str]:
    """Return in which tests two gradings of a submission differ, times and memory aside."""
    found = []
    for one, other in zip(before.outcomes, after.outcomes, strict=True):
        a, b = ((o.status, o.message, o.shown, o.cause) for o in (one, other))
        if a != b:
            what = f"{one.status}, now {other.status}" if a[0] != b[0] else "the messages differ"
            found.append(f"{one.test.name}: {what}")
    return found


def make_header(exercise: Exercise, options: Options) -> Header:
    """Return what identifies a grading run; refuses one whose isolation would be less than required."""
    from minidl.grading.worker.level import LEVELS, isolation_level

    level = isolation_level()
    if level == "L0":
        raise ConfigError(
            "this machine can start no process for a submission (L0): grading is not possible here"
        )
    if options.require is not None and LEVELS.index(level) < LEVELS.index(options.require):
        raise ConfigError(
            f"--require-isolation: {options.require} is required and this machine offers {level}; "
            "grade on Linux 5.13 or newer, or see docs/grading.md for what the levels mean"
        )
    if options.seed == "":
        raise ConfigError("--seed must not be empty: the tests' random numbers would be known to everybody")
    plan = plan_of(exercise, options.private)
    budget = options.budget if options.budget is not None else len(plan.tests) * exercise.limits.seconds
    if not 0 < budget < 1e6:
        raise ConfigError(f"--budget must be above 0 and below a million seconds, got {budget:g}")
    return Header(
        exercise=exercise.id,
        title=exercise.title,
        files=exercise.handed_in,
        tasks=tuple((task.id, task.title) for task in exercise.tasks),
        tests=tuple(Planned(t.name, t.task, t.title, t.points, t.visibility, t.hint) for t in plan.tests),
        digest=exercise_digest(exercise, options.private),
        seed=options.seed if options.seed is not None else secrets.token_hex(16),
        isolation=level,
        budget=float(budget),
        versions={"minidl": __version__, "Python": platform.python_version(), "NumPy": np.__version__},
        started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def exercise_digest(exercise: Exercise, private: Path | None = None) -> str:
    """Return the SHA-256 of everything that a grade depends on: description, tests and props."""
    files = [exercise.folder / "exercise.toml", exercise.public_tests, *private_files(exercise, private)]
    if exercise.props_file is not None:
        files.append(exercise.props_file)
    total = hashlib.sha256()
    for file in files:
        data = file.read_bytes()
        total.update(f"{file.name}\0{len(data)}\0".encode() + data)
    return total.hexdigest()


def _grade(
    exercise: Exercise,
    sources: Sequence[Source],
    record: Record,
    out: Path,
    options: Options,
    known: dict[str, str],
    on_graded: Callable[[Graded, int, int], None] | None,
) -> set[str]:
    """Grade what is not known; return the ids that were passed over."""
    header, work = record.header, out / "staff" / "work"
    setup: dict[str, Any] = {
        "exercise": str(exercise.folder.resolve()),
        "private": None if options.private is None else str(options.private.resolve()),
        "seed": header.seed,
        "level": header.isolation,
        "budget": header.budget,
    }
    kept = {source.id for source in sources}
    done = 0
    _sweep(work)
    try:
        pool = Pool(setup, sources, exercise.handed_in, known, work, options.jobs or _cores())
        for events in pool.events():
            record.append(events)
            for event in events:
                submission = record.submissions[event["id"]]
                kept.discard(submission.id)
                ended = event["event"] == "done"
                # Of a single submission there are results at any moment, should somebody else stop the run.
                if ended or len(sources) == 1:
                    write_student(out / "students", header, submission, options.formats)
                if ended:
                    done += 1
                    if on_graded is not None:
                        on_graded(submission, done, len(sources))
    finally:
        _sweep(work)
    return kept


def _sweep(work: Path) -> None:
    """Remove what a run has left behind that was killed."""
    if work.is_dir():
        for folder in work.iterdir():
            clear(folder)
        work.rmdir()


def _must_match(recorded: Header, now: Header, options: Options, path: Path) -> None:
    if options.seed is not None and recorded.seed != options.seed:
        raise ConfigError(f"{path}: this record was begun with another --seed; leave it out to go on")
    names = {
        "digest": "the tests or the description of the exercise have changed since",
        "exercise": f"it is of exercise {recorded.exercise}",
        "isolation": f"it was begun at isolation level {recorded.isolation}, here it is {now.isolation}",
        "budget": f"it was begun with --budget {recorded.budget:g}",
        "versions": f"it was begun with {_versions(recorded)}, here is {_versions(now)}",
    }
    before, after = asdict(recorded), asdict(now)
    for name, problem in names.items():
        if before[name] != after[name]:
            raise ConfigError(
                f"{path}: the record cannot be used with what is here: {problem}; grade into a new folder"
            )


def _versions(header: Header) -> str:
    return ", ".join(f"{name} {version}" for name, version in header.versions.items())


def _keep_apart(place: Path, out: Path) -> None:
    inside, folder = place.resolve(), out.resolve()
    if folder == inside or inside in folder.parents:
        raise ConfigError(f"--out: {out} lies in the folder of the submissions; give a folder elsewhere")
    for entry in map(Path, sys.path):
        searched = entry.resolve()
        if place.is_dir() and (searched == inside or inside in searched.parents):
            raise ConfigError(
                f"Python searches {searched} for modules, so that a submission there could run as part of the "
                "grader; start `minidl grade` from another folder"
            )


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
