"""Reading exercise.toml, finding exercises, marks of tests, and the plan that fixes the points."""

import dataclasses
import re

import pytest

from minidl.grading import Exercise, ExerciseError, Plan, find_exercise, find_exercises, load_tests, task
from minidl.grading.finding import find_root
from minidl.grading.spec import Limits
from tests.grading.tiny import TOML, write_course


@pytest.fixture
def course(tmp_path):
    return write_course(tmp_path / "exercises")


def changed(course, old, new):
    path = course / "ex01_tiny" / "exercise.toml"
    text = path.read_text()
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new, 1))


def test_everything_in_the_file_arrives(course):
    exercise = Exercise.read(course / "ex01_tiny")
    assert (exercise.id, exercise.number, exercise.folder_name) == ("01", 1, "ex01_tiny")
    assert exercise.files == ("layers.py", "tools.py")
    assert exercise.imports == ("numpy",)
    assert exercise.functions == ("mean",)
    assert exercise.classes["Dense"].methods == ("forward", "backward")
    assert "grad_bias" in exercise.classes["Dense"].attributes
    assert exercise.limits == Limits(1.0, 1024)
    assert [(t.id, t.points) for t in exercise.tasks] == [("1.1", 3), ("1.2", 2), ("1.3", 3.5)]
    assert exercise.points == 8.5
    assert exercise.uses == ()
    assert exercise.train.layers["Dense"].parameters["bias"] == ("bias", "grad_bias")
    assert exercise.train.classes_for(["Dense", "Flatten"]) == ("Dense",)
    assert exercise.train.classes_for(["Flatten"]) == ()


USED = '{ exercise = "00", files = ["a.py"] }'
WRONG = {
    "an id of one digit": ('id = "01"', 'id = "1"', "id must be two digits"),
    "no title": ('title = "A tiny exercise"\n', "", "title is missing"),
    "a misspelt key": ("hours =", "hour =", "did you mean 'hours'"),
    "a misspelt key in a table": ("seconds = 1", "second = 2", "did you mean 'seconds'"),
    "a file outside": ('"layers.py", ', '"../layers.py", ', "names of Python files"),
    "a file twice": ('"layers.py", ', '"tools.py", ', "every file once"),
    "earlier work that is no list": ("[limits]", 'uses = { exercise = "00", files = ["a.py"] }\n[limits]', "[[uses]]"),
    "earlier work that is later": (
        "[limits]", 'uses = [{ exercise = "01", files = ["a.py"] }]\n[limits]', "earlier exercise"
    ),
    "earlier work twice": ("[limits]", f"uses = [{USED}, {USED}]\n[limits]", "every exercise once"),
    "a private name": ('functions = ["mean"]', 'functions = ["__import__"]', "no leading underscore"),
    "a private attribute": ('"weight", "bias", "grad', '"__dict__", "bias", "grad', "no leading underscore"),
    "no points": ("points = 3\n", "points = 0\n", "a number above 0"),
    "points in words": ("points = 3\n", 'points = "3"\n', "points must be a number"),
    "a task of another exercise": ('id = "1.1"', 'id = "2.1"', "'1.1'"),
    "a task twice": ('id = "1.1"', 'id = "1.2"', "every task id once"),
    "no memory": ("seconds = 1", "memory_mb = 10", "at least 256"),
    "no time": ("seconds = 1", "seconds = 0", "at least 0.1"),
    "no TOML": ("[entry]", "[entry", "this is no TOML"),
    "files is no list": ('files = ["layers.py", "tools.py"]', 'files = "layers.py"', "a list of texts"),
    "an argument that is a list": ('arguments = ["inputs", "units"]', "arguments = [[1]]", "names and numbers"),
    "one attribute of two": ('["weight", "grad_weight"]', '["weight"]', "two names"),
    "no model": ('model = "Flatten(), Dense(10)"\n', "", "a rung of the progression"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_named_by_file_and_key(course, name):
    old, new, words = WRONG[name]
    changed(course, old, new)
    with pytest.raises(ExerciseError, match=re.escape(words)) as caught:
        Exercise.read(course / "ex01_tiny")
    assert "exercise.toml" in str(caught.value)


def test_a_missing_task_list_is_refused(course):
    path = course / "ex01_tiny" / "exercise.toml"
    path.write_text(TOML.partition("[[tasks]]")[0])
    with pytest.raises(ExerciseError, match="tasks is missing"):
        Exercise.read(course / "ex01_tiny")


@pytest.mark.parametrize("which", [1, "1", "01", "001", "tiny", "ex01_tiny", "ex01_tiny/"])
def test_an_exercise_is_found_by_number_name_and_folder(course, which):
    assert find_exercise(which, course).name == "tiny"


def test_one_that_is_not_there_is_named_with_those_that_are(course):
    with pytest.raises(ExerciseError, match=r"no exercise '2'; choose from 1 \(tiny\)"):
        find_exercise(2, course)


def test_the_folder_of_exercises_comes_from_the_environment(course, tmp_path, monkeypatch):
    monkeypatch.setenv("MINIDL_EXERCISES_DIR", str(course))
    assert [exercise.id for exercise in find_exercises()] == ["01"]
    monkeypatch.setenv("MINIDL_EXERCISES_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(ExerciseError, match="MINIDL_EXERCISES_DIR: there is no folder"):
        find_exercises()
    with pytest.raises(ExerciseError, match="holds no exercise"):
        find_root(tmp_path)


def test_two_exercises_of_one_number_are_refused(course):
    write_course(course / "other")
    (course / "other" / "ex01_tiny").rename(course / "ex01_again")
    with pytest.raises(ExerciseError, match="both have the id 01"):
        find_exercises(course)


# Tests and plans -----------------------------------------------------------------------------------


def test_load_tests_reads_marks_and_titles(course):
    tests = load_tests(course / "ex01_tiny" / "tests" / "test_public.py")
    assert [(t.name, t.task, t.points) for t in tests] == [
        ("test_mean", "1.1", 1),
        ("test_forward", "1.2", 2),
        ("test_backward", "1.3", 1.5),
    ]
    assert tests[0].title == "mean gives the mean of all values."
    assert tests[0].hint == "add up, then divide"
    assert tests[0].visibility == "visible"
    assert not list(course.rglob("__pycache__"))


BAD_TESTS = {
    "no mark": ('def test_a(submission, rng):\n    """A."""\n', "has no @task"),
    "no docstring": ('@task("1.1", points=1)\ndef test_a(submission, rng):\n    pass\n', "needs a docstring"),
    "other arguments": ('@task("1.1", points=1)\ndef test_a(rng, submission):\n    """A."""\n', "must take"),
    "no test": ("x = 1\n", "no test in this file"),
    "an exception": ("1 / 0\n", "ZeroDivisionError"),
    "no points": ('@task("1.1", points=0)\ndef test_a(submission, rng):\n    """A."""\n', "above 0"),
    "visibility": ('@task("1.1", points=1, visibility="all")\ndef test_a(submission, rng):\n    """A."""\n', "hidden"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_TESTS)
def test_a_file_of_tests_with_a_mistake_is_refused(tmp_path, name):
    text, words = BAD_TESTS[name]
    path = tmp_path / "test_public.py"
    path.write_text("from minidl.grading import task\n\n" + text)
    with pytest.raises(ExerciseError, match=words) as caught:
        load_tests(path)
    assert "test_public.py" in str(caught.value)


def test_the_plan_holds_public_and_private_tests_in_the_order_of_the_tasks(course):
    plan = Plan.of(find_exercise(1, course))
    assert [t.task for t in plan.tests] == ["1.1", "1.1", "1.2", "1.3", "1.3"]
    assert plan.points == 8.5
    assert plan.points_of("1.3") == 3.5
    assert Plan.public(find_exercise(1, course)).points == 4.5


def test_points_that_do_not_add_up_are_refused(course):
    exercise = find_exercise(1, course)
    tests = Plan.of(exercise).tests
    with pytest.raises(ExerciseError, match="task 1.1 has 3 points in exercise.toml, its tests have 1"):
        Plan(exercise, [t for t in tests if t.name != "test_mean_of_one"])
    with pytest.raises(ExerciseError, match="make them equal"):
        Plan(exercise, [dataclasses.replace(t, points=9) for t in tests], complete=False)
    with pytest.raises(ExerciseError, match="two tests are called test_mean"):
        Plan(exercise, [*tests, tests[0]])
    with pytest.raises(ExerciseError, match="has no tests"):
        Plan(exercise, [])
    with pytest.raises(ExerciseError, match="has no task '1.9'"):
        Plan(exercise, [dataclasses.replace(tests[0], task="1.9")])


def test_points_in_tenths_add_up(course):
    exercise = find_exercise(1, course)
    test = load_tests(exercise.public_tests)[0]
    thirds = [dataclasses.replace(test, name=f"test_{i}", points=0.3) for i in range(10)]
    assert Plan(exercise, thirds, complete=False).points == 3


def test_the_mark_leaves_a_function_as_it_is():
    def test_a(submission, rng):
        """A."""

    assert task("1.1", points=1)(test_a) is test_a
