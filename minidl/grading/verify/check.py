"""The checks of an exercise, one after the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from minidl.errors import ConfigError
from minidl.grading.spec import Exercise, Limits
from minidl.grading.testing import Plan


@dataclass(frozen=True)
class Check:
    """The outcome of one check.

    Attributes
    ----------
    name : str
        What was looked at.
    note : str
        What was found where all is well: numbers.
    problems : tuple of str
        What is wrong, a line or more for each; empty if nothing is.
    """

    name: str
    note: str = ""
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


@dataclass(frozen=True)
class Options:
    """What `verify` does.

    Attributes
    ----------
    seeds : int
        For how many secrets the reference has to get all points.
    in_process : int
        For how many of them also without isolation (L0).
    mutants : bool
        Whether the automatic mutants are run as well, which takes minutes.
    level : str
        Isolation of the workers: "best", "L1", "L2".
    secret : str
        Where the secrets come from.
    """

    seeds: int = 200
    in_process: int = 5
    mutants: bool = False
    level: str = "best"
    secret: str = "verify"

    def secrets(self, count: int) -> list[str]:
        """Return the first secrets."""
        return [f"{self.secret} {i}" for i in range(count)]


@dataclass(frozen=True)
class Context:
    """What the checks share: the exercise, its plan, the options, a fork server."""

    exercise: Exercise
    plan: Plan
    options: Options
    server: Any = None

    def hurried(self, seconds: float = 6.0) -> Exercise:
        """Return the exercise with less time for a test: a mutant that hangs need not be waited for."""
        limits = Limits(min(seconds, self.exercise.limits.seconds), self.exercise.limits.memory_mb)
        return dataclasses.replace(self.exercise, limits=limits)


def verify(
    exercise: Exercise, options: Options | None = None, on_check: Callable[[Check], None] | None = None
) -> list[Check]:
    """Check an exercise.

    Parameters
    ----------
    exercise : Exercise
        Read from the course folder.
    options : Options, optional
    on_check : callable, optional
        Called with every check as soon as it is done.

    Returns
    -------
    list of Check
        The exercise is fair if all are `ok`.
    """
    done: list[Check] = []
    for check in _checks(exercise, options or Options()):
        done.append(check)
        if on_check is not None:
            on_check(check)
    return done


def _checks(exercise: Exercise, options: Options) -> Iterator[Check]:
    from minidl.grading.verify import lazy, mistakes, reference, static

    name = "description, points and tests"
    try:
        plan = Plan.of(exercise)
    except ConfigError as error:
        yield Check(name, problems=(str(error),))
        return
    yield static.check_plan(exercise, plan, name)
    name = "hand-out is built from its source"
    try:
        yield static.check_build(exercise, name)
    except ConfigError as error:
        yield Check(name, problems=(str(error),))
        return
    yield static.check_secrets(exercise)
    with _server() as server:
        context = Context(exercise, plan, options, server)
        yield reference.check_reference(context)
        yield reference.check_in_process(context)
        yield reference.check_agreement(context)
        yield reference.check_skeleton(context)
        yield lazy.check_lazy(context)
        yield mistakes.check_mutants(context)
        if options.mutants:
            yield mistakes.check_automatic(context)


@contextmanager
def _server() -> Iterator[Any]:
    """Keep one process that has NumPy and forks the workers, where the machine can fork."""
    from minidl.grading.worker import ForkServer

    with ForkServer() as server:
        yield server
