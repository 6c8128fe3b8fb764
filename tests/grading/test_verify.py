"""`minidl exercise verify` finds what makes an exercise unfair.

Each test breaks one thing in a made-up exercise that is in order, and looks for the sentence that says so.
"""

import dataclasses

import numpy as np
import pytest

from minidl.cli.main import main
from minidl.grading.finding import find_exercise
from minidl.grading.mutate import mutants
from minidl.grading.spec import Exercise
from minidl.grading.testing import Plan
from minidl.grading.verify import Options, lazy, mistakes, reference, static, verify
from minidl.grading.verify.check import Context
from minidl.grading.worker import ForkServer
from tests.grading import tiny

PRIVATE = (
    tiny.PRIVATE
    + '''

@task("1.2", points=1, visibility="hidden", hint="other sizes")
def test_forward_again(submission, rng):
    """Dense.forward works for a single example."""
    secret_number = 7.125
    layer = submission.new("Dense", 2, 2)
    layer.weight = np.full((2, 2), secret_number)
    y = layer.forward(np.ones((1, 2)))
    expect.close(y, np.full((1, 2), 2 * secret_number), "Dense.forward(x)")
'''
)
PUBLIC = tiny.PUBLIC.replace('@task("1.3", points=1.5)', '@task("1.3", points=1.5, hint="the chain rule")')
MISTAKES = """\
[[mutants]]
name = "no bias"
tasks = ["1.2"]
hint = "added to every row"
old = "return x @ self.weight + self.bias"
new = "return x @ self.weight"

[[mutants]]
name = "the sum"
file = "tools.py"
tasks = ["1.1"]
hint = "this is the sum"
old = ["x.sum()", " / x.size"]
new = ["x.sum().copy()", ""]

[[mutants]]
name = "no transpose"
tasks = ["1.3"]
hint = "do not fit"
old = "self._x.T @ dy"
new = "self._x @ dy"
"""
AGREEMENT = """\
def agree_mean(submission, rng):
    x = rng.normal(size=5)
    assert abs(submission.call("mean", x) - x.mean()) < 1e-12
"""


@pytest.fixture
def course(tmp_path):
    """The folder of an exercise that is in order, but for the number of its mutants."""
    folder = tiny.write_course(tmp_path / "course") / "ex01_tiny"
    for name, text in {
        "tests/test_private.py": PRIVATE,
        "tests/test_public.py": PUBLIC,
        "mutants.toml": MISTAKES,
        "agreement.py": AGREEMENT,
        "exercise.toml": tiny.TOML.replace("points = 2\n", "points = 3\n"),
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def server():
    with ForkServer() as server:
        yield server


def replace(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def context(course, server, **options):
    exercise = Exercise.read(course)
    return Context(exercise, Plan.of(exercise), Options(**{"seeds": 2, **options}), server)


def only(check):
    """Return the single problem of a check."""
    assert len(check.problems) == 1, check.problems
    return check.problems[0]


def plan_check(course):
    exercise = Exercise.read(course)
    return static.check_plan(exercise, Plan.of(exercise), "plan")


@pytest.fixture
def less_lazy(monkeypatch):
    """Let two lazy forms be enough where they are not what is looked at."""
    monkeypatch.setattr(lazy, "FORMS", lazy.FORMS[:2])
    monkeypatch.setattr(lazy, "MIXTURES", 0)


@pytest.mark.usefixtures("less_lazy")
def test_an_exercise_in_order(course, server):
    exercise = Exercise.read(course)
    seen = []
    checks = verify(exercise, Options(seeds=1, in_process=1), seen.append)
    assert seen == checks and len(checks) == 9
    assert [check.name for check in checks if not check.ok] == ["typical mistakes"]
    assert only(checks[-1]) == "mutants.toml lists 3 mistakes, it should list at least 8"
    assert checks[0].note == "3 tasks, 9.5 points, 3 public and 3 private tests"


# The plan and the hand-out -----------------------------------------------------------------------


def test_points_that_do_not_add_up(course):
    replace(course / "exercise.toml", "points = 3.5", "points = 4")
    assert "its tests have 3.5; make them equal" in only(verify(Exercise.read(course))[0])


def test_a_task_without_private_tests(course):
    (course / "tests/test_private.py").write_text(
        PRIVATE.replace('@task("1.2", points=1', '@task("1.1", points=1')
    )
    replace(course / "exercise.toml", 'title = "The mean"\npoints = 3', 'title = "The mean"\npoints = 4')
    replace(
        course / "exercise.toml",
        'title = "The forward pass"\npoints = 3',
        'title = "The forward pass"\npoints = 2',
    )
    assert only(plan_check(course)) == "task 1.2 has no private test"


def test_visibilities_and_hints(course):
    replace(
        course / "tests/test_private.py", 'visibility="hidden", hint="other sizes"', 'visibility="visible"'
    )
    replace(course / "tests/test_public.py", 'points=2, hint="', 'points=2, visibility="hint", hint="')
    assert plan_check(course).problems == (
        "test_forward_again has no hint",
        "test_forward is a public test of visibility 'hint': students have its text anyway",
        "test_forward_again is a private test of visibility 'visible', which shows its values",
    )


def test_a_hand_out_that_depends_on_the_process(course, monkeypatch):
    exercise = Exercise.read(course)
    assert static.check_build(exercise, "build").ok
    monkeypatch.setattr(static, "handout_archive", lambda exercise: b"other bytes")
    assert "other bytes" in only(static.check_build(exercise, "build"))


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("handout.md", "# A tiny", "`return x @ self.weight   + self.bias`\n\n# A tiny",
         "README.md holds a line of the solution of task 1.2 (layers.py): return x @ self.weight + self.bias"),
        ("source/layers.py", "Return dx.", "Return dx: `self.grad_bias = dy.sum(axis=0)`.",
         "layers.py holds a line of the solution of task 1.3 (layers.py): self.grad_bias = dy.sum(axis=0)"),
        ("tests/test_public.py", "Public tests.", "Like test_forward_again.",
         "tests/test_public.py holds a name of the private tests: test_forward_again"),
        ("handout.md", "# A tiny", "It is 7.125.\n# A tiny",
         "README.md holds a number of the private tests: 7.125"),
        ("exercise.toml", 'title = "A tiny exercise"', 'title = "think of other shapes"',
         "exercise.toml holds a text of the private tests: think of other shapes"),
    ],
)  # fmt: skip
def test_secrets_in_the_hand_out(course, file, old, new, problem):
    assert static.check_secrets(Exercise.read(course)).ok
    replace(course / file, old, new)
    assert only(static.check_secrets(Exercise.read(course))) == problem


# The reference and the skeleton ------------------------------------------------------------------


def test_a_reference_that_loses_points_for_some_seeds(course, server):
    replace(
        course / "source/tools.py", "return x.sum() / x.size", "return x.sum() / x.size if x[0] < 0.5 else 7"
    )
    text = (course / "tests/test_private.py").read_text()
    assert text  # the private test draws one number
    check = reference.check_reference(context(course, server, seeds=30))
    assert 1 <= len(check.problems) <= 2 * reference.MOST_SHOWN
    assert "with the secret 'verify " in check.problems[0]
    assert not reference.check_in_process(context(course, server, seeds=5, in_process=5)).ok


def test_a_reference_that_is_almost_too_slow(course, server):
    replace(
        course / "source/tools.py", "return x.sum()", "import time\n    time.sleep(0.2)\n    return x.sum()"
    )
    replace(course / "exercise.toml", "seconds = 1", "seconds = 0.3")
    problem = only(reference.check_reference(context(course, server, seeds=1)))
    assert problem == "a test needed 0.2 s of the 0.3 s it may take"


def test_a_skeleton_that_gets_points(course, server):
    # The private test of the mean asks for nothing that the skeleton lacks.
    replace(
        course / "tests/test_private.py", 'expect.close(submission.call("mean", x), x[0], "mean(x)")', "pass"
    )
    problems = reference.check_skeleton(context(course, server)).problems
    assert problems[0] == "test_mean_of_one gives 2 points for the skeleton"
    assert problems[1] == "test_mean_of_one of task 1.1 says of the skeleton: passed"


def test_a_skeleton_that_fails_in_another_way(course, server):
    replace(course / "source/tools.py", "    # BEGIN", "    x.no_such_thing\n    # BEGIN")
    problems = reference.check_skeleton(context(course, server)).problems
    assert len(problems) == 2
    assert (
        "test_mean of task 1.1 says of the skeleton: mean(float64 (4, 3)) raised AttributeError"
        in problems[0]
    )


def test_disagreement_with_the_library(course, server):
    replace(course / "agreement.py", "x.mean()", "x.sum()")
    problem = only(reference.check_agreement(context(course, server)))
    assert problem.startswith("agree_mean with the secret 'verify 0':") and "AssertionError" in problem
    (course / "agreement.py").write_text("def agree_mean(submission, rng):\n")
    assert "cannot be run: IndentationError" in only(reference.check_agreement(context(course, server)))
    (course / "agreement.py").write_text("x = 1\n")
    assert "no function agree_" in only(reference.check_agreement(context(course, server)))
    (course / "agreement.py").unlink()
    assert "agreement.py is missing" in only(reference.check_agreement(context(course, server)))


# Lazy answers ------------------------------------------------------------------------------------


def lazy_check(course, server, monkeypatch, *forms):
    """Check for some of the forms, without mixtures."""
    monkeypatch.setattr(lazy, "FORMS", forms)
    monkeypatch.setattr(lazy, "MIXTURES", 0)
    return lazy.check_lazy(context(course, server))


def test_tests_that_demand_right_values(course, server):
    check = lazy.check_lazy(context(course, server))
    assert check.ok and check.name == "lazy answers"
    assert check.note == f"{4 * len(lazy.FORMS) + lazy.MIXTURES} submissions that do nothing get nothing"


MANNERS = """
    x = rng.normal(size=(4, 3))
    sent = submission.array(x)
    found = submission.call("mean", sent)
    expect.unchanged(sent, x, "x")
"""
ANY = (
    "returns None",
    "returns its first argument",
    "returns zeros of the right shape and type",
    "raises TypeError",
)


@pytest.mark.parametrize(
    ("body", "forms"),
    [
        (MANNERS, ANY[:3]),
        (f"{MANNERS}    expect.dtype(found, np.float64)\n", ANY[1:3]),
        (f"{MANNERS}    expect.shape(found, ())\n", ANY[2:3]),
        ('    expect.raises(lambda: submission.call("mean", 1), "TypeError")\n', ANY[3:]),
        ('    expect.close(submission.call("mean", np.array([1.0, -1.0])), 0.0)\n', ANY[2:3]),
        (f"{MANNERS}    expect.close(found, x.mean())\n", ()),
    ],
)
def test_a_test_that_looks_at_no_value(course, server, monkeypatch, body, forms):
    replace(
        course / "tests/test_private.py",
        '    x = rng.normal(size=1)\n    expect.close(submission.call("mean", x), x[0], "mean(x)")\n',
        body,
    )
    check = lazy_check(course, server, monkeypatch, *ANY)
    if not forms:
        assert check.ok
        return
    problem = only(check)
    start = f"exercise 01, task 1.1: test_mean_of_one gives 2 points to a submission that {forms[0]}"
    assert problem.startswith(
        f"{start} (and to {2 * len(forms) - 1} more like it: {forms[0]} in task 1.1 and is right"
    )
    assert problem.endswith("; let the test demand a right value as well")


def test_one_lazy_task_among_right_ones(course, server, monkeypatch):
    """With a right forward pass, the test of the backward pass has to look at its values too."""
    private = (course / "tests/test_private.py").read_text()
    changed = private.replace(
        'expect.close(layer.backward(dy), dy @ w.T, "Dense.backward(dy)", batch=5)',
        'layer.backward(dy)\n    expect.shape(layer.forward(w), (4, 3), "Dense.forward(x)")',
    ).replace("layer.weight = w", "w = np.eye(4)\n    layer.weight = w[:, :3]")
    assert changed != private
    (course / "tests/test_private.py").write_text(changed)
    problem = only(lazy_check(course, server, monkeypatch, "returns None"))
    assert (
        "task 1.3: test_dx gives 2 points to a submission that returns None in task 1.3 and is right elsewhere;"
        in problem
    )


def test_a_test_that_cannot_cope_with_a_lazy_answer(course, server, monkeypatch):
    replace(
        course / "tests/test_public.py",
        'expect.close(layer.forward(x), x @ w + b, "Dense.forward(x)")',
        'expect.close(layer.forward(x).sum(), (x @ w + b).sum(), "the sum")',
    )
    problem = only(lazy_check(course, server, monkeypatch, "returns None"))
    assert "task 1.2: test_forward itself failed on a submission that returns None" in problem
    assert "AttributeError: 'NoneType' object has no attribute 'sum'" in problem


def test_mixtures_find_what_no_single_form_does(course, server, monkeypatch):
    """A test that two lazy answers of different kinds pass together."""
    replace(
        course / "tests/test_private.py",
        'expect.close(layer.backward(dy), dy @ w.T, "Dense.backward(dy)", batch=5)',
        "expect.that(layer.forward(w) is None and layer.backward(dy) == 0, 'none')",
    )
    assert lazy_check(course, server, monkeypatch, "returns None", "returns 0.0").ok
    monkeypatch.setattr(lazy, "MIXTURES", 12)
    monkeypatch.setattr(lazy, "FORMS", ("returns None", "returns 0.0"))
    assert "test_dx gives 2 points to a submission that does one lazy thing or another (mixture" in only(
        lazy.check_lazy(context(course, server))
    )


LAZY_SOURCE = """\
def f(a, b, *, c=1):
    # BEGIN SOLUTION 1.1
    # HINT think
    a[0] = b
    a += c
    total = b + 1
    total += 1

    def inner(x):
        return x

    if b:
        return total, [True]
    return {"k": inner(a)}
    # END SOLUTION


class K:
    def g(self):
        # BEGIN SOLUTION 1.2
        self.x, self.y[0] = 1.5, 2
        self.n += 1
        return self.x
        # END SOLUTION
"""


def test_what_a_lazy_text_is():
    titles = {"1.1", "1.2"}

    def body(form, tasks=titles):
        return lazy.lazy_text(LAZY_SOURCE, "f.py", tasks, lambda block: form).partition("\n\nimport")[0]

    assert "def f(a, b, *, c=1):\n    return a\n" in body("returns its first argument")
    assert "def f(a, b, *, c=1):\n    return c\n" in body("returns its last argument")
    assert "return (a, b, c,)" in body("returns all its arguments") and "return ()" in body(
        "returns all its arguments"
    )
    assert "def g(self):\n        return 0.0\n" in body("returns its first argument"), "there is none"
    only_one = body("returns None", {"1.2"})
    assert "total = b + 1" in only_one and "self.x" not in only_one and "SOLUTION" not in only_one
    shaped = body(lazy.FORMS[-1])
    assert "        return x\n" in shaped and "total += 1\n" in shaped, "what stays inside is as it was"
    space = {}
    exec(lazy.lazy_text(LAZY_SOURCE, "f.py", titles, lambda block: lazy.FORMS[-2]), space)
    a = np.array([1.0, 2.0])
    assert space["f"](a, 3) == (0, [False]) and a.tolist() == [0.0, 2.0]
    assert space["f"](a, 0)["k"].tolist() == [0.0, 0.0]
    k = space["K"]()
    k.y, k.n = [5], 7
    assert k.g() == 0 and (k.x, k.y, k.n) == (0.0, [0], 7)


# Mistakes ----------------------------------------------------------------------------------------


def tried(course, server, name):
    [mistake] = [m for m in mistakes.read_mistakes(Exercise.read(course)) if m.name == name]
    return mistakes.try_mistake(context(course, server), mistake)


def test_mistakes_that_are_told(course, server):
    for mistake in mistakes.read_mistakes(Exercise.read(course)):
        assert mistakes.try_mistake(context(course, server), mistake) == []


def test_a_mistake_that_no_test_notices(course, server):
    replace(course / "mutants.toml", 'return x @ self.weight"', 'return self.bias + x @ self.weight"')
    assert tried(course, server, "no bias") == ["'no bias' loses no points in task 1.2"]


def test_a_mistake_that_costs_points_elsewhere(course, server):
    replace(course / "mutants.toml", 'return x @ self.weight"', 'self._x = 0 * x; return x @ self.weight"')
    assert tried(course, server, "no bias") == ["'no bias' loses points in task 1.3 (test_backward)"]


def test_a_mistake_that_is_told_otherwise(course, server):
    replace(course / "mutants.toml", "this is the sum", "that is the sum")
    [problem] = tried(course, server, "the sum")
    assert problem.startswith("'the sum' is not told 'that is the sum' but\nmean(x): ")


def test_a_test_that_fails_itself(course, server):
    replace(
        course / "tests/test_public.py",
        '    expect.close(layer.grad_weight, x.T @ dy, "grad_weight", batch=5)',
        "    expect.that(1 / 0 < 7, 'never')",
    )
    found = tried(course, server, "no bias")
    assert found[0].startswith("'no bias': test_backward itself failed\n") and "ZeroDivisionError" in found[0]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('old = "self._x.T @ dy"', 'old = "self"', "'no transpose' replaces a text that occurs"),
        ('tasks = ["1.3"]', 'tasks = ["1.9"]', "no task '1.9'"),
        ('file = "tools.py"', 'file = "other.py"', "file must be one of layers.py, tools.py"),
        ('"x.sum().copy()", ""', '"x.sum().copy()"', "new must be as many texts as old has"),
        ('hint = "do not fit"\n', "", "hint is missing"),
    ],
)
def test_a_file_of_mutants_with_mistakes(course, server, old, new, message):
    replace(course / "mutants.toml", old, new)
    assert message in only(mistakes.check_mutants(context(course, server)))


def test_a_task_without_a_mistake(course, server):
    text = MISTAKES.split("\n\n")
    (course / "mutants.toml").write_text(
        "\n\n".join(text[1:] + [text[1].replace("the sum", f"sum {i}", 1) for i in range(8)])
    )
    problems = mistakes.check_mutants(context(course, server)).problems
    assert [p for p in problems if "has no mistake" in p] == ["mutants.toml has no mistake in task 1.2"]


# Automatic mutants -------------------------------------------------------------------------------


def test_automatic_mutants(course, server, monkeypatch):
    """The suite of the made-up exercise checks no gradient of the bias: those mutants survive, and are listed."""
    everything = mutants(Exercise.read(course))
    few = [mutant for mutant in everything if "grad_bias" in mutant.was or mutant.file == "tools.py"]
    assert 8 <= len(few) < len(everything)
    monkeypatch.setattr(mistakes, "mutants", lambda exercise: few)
    check = mistakes.check_automatic(context(course, server))
    problem = only(check)
    assert "less than 98%" in problem and "argued to be equivalent" in problem
    assert 'was = "self.grad_bias = dy.sum(axis=0)"' in problem
    assert "x.sum()" not in problem.partition("these survive")[2], "the mean is tested well"
    listed = problem.partition("these survive; write a test for each, or argue in equivalents.toml:\n")[2]
    text = "\n".join(line[6:] if line.startswith(" " * 6) else line for line in listed.splitlines())
    argued = text.replace('why = ""', 'why = "Nobody looks at this gradient here."')
    (course / "equivalents.toml").write_text(argued)
    again = mistakes.check_automatic(context(course, server))
    assert again.ok and "(100.0%)" in again.note
    replaced = argued.replace("Dense.backward/statement dropped/", "Dense.backward/statement dropped/0", 1)
    first = next(mutant for mutant in few if mutant.id.startswith("mean/operator/"))
    (course / "equivalents.toml").write_text(
        replaced + f'\n[[equivalents]]\nid = "{first.id}"\nwhy = "This is not true at all."\n'
    )
    problems = mistakes.check_automatic(context(course, server)).problems
    assert any("is no mutant of the reference any more" in p for p in problems)
    assert any(f"calls {first.id} equivalent, but test_mean fails on it" in p for p in problems)


def test_a_mutant_that_hangs_counts_as_killed(course, server):
    replace(course / "exercise.toml", "seconds = 1", "seconds = 0.2")
    mutant = mutants(Exercise.read(course))[0]
    text = tiny.LAYERS.replace("self._x = x", "while True: pass")
    hanging = dataclasses.replace(mutant, text=text)
    assert mistakes.killed_by(context(course, server), hanging).status == "timeout"


# The command -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("less_lazy")
def test_the_command(course, capsys):
    root = str(course.parent)
    assert main(["exercise", "verify", "1", "--exercises", root, "--seeds", "1"]) == 1
    out = capsys.readouterr().out
    assert "exercise 1: A tiny exercise\n  ok       description" in out
    assert "  PROBLEM  typical mistakes" in out and "    - mutants.toml lists 3 mistakes" in out
    assert out.endswith("there are problems\n")
    assert main(["exercise", "verify", "1", "--exercises", root, "--seeds", "0"]) == 2
    assert "--seeds must be from 1" in capsys.readouterr().err
    assert find_exercise(1, root).name == "tiny"
