"""Running the public tests on a student's folder."""

from __future__ import annotations

from minidl.grading.runner import PUBLIC_SECRET, Result, run
from minidl.grading.student.folder import Work
from minidl.grading.testing import Plan


def check_work(work: Work, *, task: str | None = None, seed: int = 0) -> tuple[list[Result], str]:
    """Run the public tests of an exercise by the code that grades, at the best isolation there is.

    Parameters
    ----------
    work : Work
    task : str, optional
        Only the tests of this task.
    seed : int
        Other random numbers; a solution passes with all of them.

    Returns
    -------
    results : list of Result
    level : str
        The isolation.

    Raises
    ------
    ExerciseError
        If a file is no Python, there is no such task, or the tests cannot be read.
    """
    from minidl.grading.worker import isolation_level

    work.sources()
    plan = Plan.public(work.exercise)
    tests = plan.tests
    if task is not None:
        work.exercise.task(task)
        tests = tuple(test for test in tests if test.task == task)
    secret = PUBLIC_SECRET if seed == 0 else f"{PUBLIC_SECRET} {seed}"
    return run(work.exercise, work.folder, tests, secret=secret), isolation_level()
