"""What `minidl exercise package` writes works where it is unpacked, and gives no points when it cannot grade."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from minidl.cli.main import main
from minidl.errors import ConfigError
from minidl.grading.build import reference_files, submission_files
from minidl.grading.finding import find_exercise, find_exercises
from minidl.grading.package import course_files, grader_files, package
from minidl.grading.package_texts import fill
from minidl.grading.spec import Exercise, ExerciseError
from tests.grading.tiny import write_course

ROOT = Path(__file__).parents[2]
GRADER = "my-course/grader@0a1b2c3"
needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="the autograder is a shell script")


def contents(path):
    """Return what is in a folder or archive, by name."""
    if path.is_dir():
        return {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()}
    with zipfile.ZipFile(path) as stream:
        return {name: stream.read(name) for name in stream.namelist()}


@pytest.fixture(scope="module")
def autograder(tmp_path_factory):
    """A folder as Gradescope has it, with the autograder unpacked."""
    folder = tmp_path_factory.mktemp("autograder")
    [path] = package(find_exercise(1), "gradescope", folder / "out")
    with zipfile.ZipFile(path) as stream:
        stream.extractall(folder / "source")
    return folder


def grade(autograder, submission, python=sys.executable):
    """Run the autograder on a submission, a dict of files; return its exit code and result."""
    folder = autograder / "submission"
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in submission.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "MINIDL_EXERCISES_DIR")}
    environment |= {"AUTOGRADER_ROOT": str(autograder), "MINIDL_PYTHON": str(python)}
    script = ["bash", str(autograder / "source" / "run_autograder")]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, json.loads((autograder / "results" / "results.json").read_text())


# Gradescope --------------------------------------------------------------------------------------


@needs_bash
def test_the_autograder_grades(autograder):
    text = reference_files(find_exercise(1))["layers.py"].replace(b"dy.sum(axis=0)", b"dy.mean(axis=0)")
    # A file of the student with a name of the grader's must not matter.
    hostile = b"raise SystemExit('not this one')\n"
    code, result = grade(
        autograder, {"layers.py": text, "minidl/__init__.py": hostile, "run_autograder": b"exit 3"}
    )
    lost = [test["name"] for test in result["tests"] if test["status"] == "failed"]
    assert code == 0 and result["score"] == 40 - sum(t["max_score"] - t["score"] for t in result["tests"])
    assert 0 < len(lost) < 8 and all(name.startswith("1.2 ") for name in lost)
    assert "minidl: error" not in json.dumps(result)


@needs_bash
def test_a_submission_without_the_file_gets_nothing(autograder):
    code, result = grade(autograder, {"solution.py": b"x = 1\n"})
    assert code == 0 and result["score"] == 0
    assert "layers.py" in result["output"]


@needs_bash
def test_a_grader_that_does_not_start_gives_no_points(autograder):
    (autograder / "results").mkdir(exist_ok=True)
    (autograder / "results" / "results.json").write_text('{"score": 40}')
    code, result = grade(autograder, {"layers.py": b""}, autograder / "no-such-python")
    assert code != 0
    assert result["score"] == 0 and "not your fault" in result["output"]


def test_what_the_autograder_is_made_of(autograder):
    names = {p.relative_to(autograder / "source").as_posix() for p in (autograder / "source").rglob("*.*")}
    assert {"setup.sh", "minidl/grading/runner.py", "exercises/ex01_dense/tests/test_private.py"} <= names
    assert not [name for name in names if "source/layers.py" in name or "mutants" in name or ".pyc" in name]
    for script in ("setup.sh", "run_autograder"):
        text = (autograder / "source" / script).read_text()
        assert text.startswith("#!/usr/bin/env bash\n# Exercise 1: The dense layer")
    assert "--require-isolation L2" in text


def test_the_solution_is_in_no_package_for_others(tmp_path):
    exercise = find_exercise(1)
    packed = package(exercise, "gradescope", tmp_path) + package(
        exercise, "github-classroom", tmp_path, grader=GRADER
    )
    handout = package(exercise, "plain", tmp_path)[0]
    for path in [*packed, handout]:
        found = [
            name
            for name, content in contents(path).items()
            if b"self.grad_weight = self._x.T @ dy" in content
        ]
        assert found == [], path


@pytest.mark.parametrize("target", ["gradescope", "plain", "github-classroom"])
def test_packing_again_gives_the_same_bytes(tmp_path, target):
    exercise = find_exercise(1)
    options = {"grader": GRADER} if target == "github-classroom" else {}

    def digest(folder):
        written = package(exercise, target, folder, **options)
        files = {path.name: contents(path) for path in written}
        raw = [path.read_bytes() for path in written if path.is_file()]
        return hashlib.sha256(repr((files, raw)).encode()).hexdigest()

    assert digest(tmp_path / "a") == digest(tmp_path / "b") == digest(tmp_path / "a")


# The others --------------------------------------------------------------------------------------


def test_github_classroom(tmp_path):
    [folder] = package(find_exercise(1), "github-classroom", tmp_path, isolation="L1", grader=GRADER)
    files = contents(folder)
    workflow = files["template/.github/workflows/classroom.yml"].decode()
    assert "repository: my-course/grader\n          ref: 0a1b2c3\n" in workflow
    assert "--require-isolation L1" in workflow and "persist-credentials: false" in workflow
    page = files["INSTRUCTIONS.md"].decode()
    assert "--grader my-course/grader@COMMIT" in page and "can still edit the workflow" in page
    assert b"raise NotImplementedError" in files["template/layers.py"]
    private = [name for name in files if "test_private" in name]
    assert private == ["grader/exercises/ex01_dense/tests/test_private.py"]


def test_plain(tmp_path):
    handout, folder = package(find_exercise(1), "plain", tmp_path)
    assert "ex01_dense/README.md" in contents(handout)
    course = folder / "exercises" / "ex01_dense"
    assert Exercise.read(course).points == 40
    assert contents(course) == {
        name: (find_exercise(1).folder / name).read_bytes() for name in contents(course)
    }
    assert {"source/layers.py", "mutants.toml", "agreement.py"} <= contents(course).keys()
    assert "**Not for students**" in (folder / "README.md").read_text()


def test_an_exercise_that_builds_on_others(tmp_path):
    """Instructors get the earlier solutions, without which nothing can be verified; students are told what to bring."""
    exercise = find_exercise(8)
    handout, folder = package(exercise, "plain", tmp_path / "plain")
    there = find_exercises(folder / "exercises")
    assert [each.id for each in there] == ["01", "03", "04", "05", "06", "08"]
    assert submission_files(there[-1]) == submission_files(exercise)
    assert not any("layers" in name for name in contents(handout)), "they have their own"
    [top] = package(exercise, "github-classroom", tmp_path, grader=GRADER)
    page = contents(top)["INSTRUCTIONS.md"].decode()
    assert "runs the grader on `training.py`, `layers.py`, `optimizers.py`" in " ".join(page.split())
    assert "minidl exercise start 8 . --from FOLDER --ours" in page
    [top] = package(find_exercise(1), "github-classroom", tmp_path, grader=GRADER)
    assert "exercise start" not in contents(top)["INSTRUCTIONS.md"].decode()


def test_every_place_is_filled_in():
    assert fill("a @number@ b@v4 @@number@", {"number": "1"}) == b"a 1 b@v4 @1"
    with pytest.raises(KeyError):
        fill("@nothing@", {})


def test_options_that_make_no_sense(tmp_path):
    exercise = find_exercise(1)
    for message, target, options in (
        ("no platform 'moodle'", "moodle", {}),
        ("must be L1 or L2", "plain", {"isolation": "L0"}),
        ("for github-classroom, and for nothing else", "plain", {"grader": GRADER}),
        ("for github-classroom, and for nothing else", "github-classroom", {}),
        ("must be OWNER/REPOSITORY@COMMIT", "github-classroom", {"grader": "grader"}),
    ):
        with pytest.raises(ConfigError, match=message):
            package(exercise, target, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    _, folder = package(find_exercise(1), "plain", tmp_path)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ExerciseError, match=r"notes\.txt is not part of the package"):
        package(find_exercise(1), "plain", tmp_path)


def test_an_incomplete_exercise_is_not_packed(tmp_path):
    folder = write_course(tmp_path / "course") / "ex01_tiny"
    assert len(course_files(Exercise.read(folder), solution=True)) == 6
    assert "exercises/ex01_tiny/tests/test_private.py" in grader_files(Exercise.read(folder))
    (folder / "tests" / "test_private.py").unlink()
    with pytest.raises(ExerciseError, match="this file is missing"):
        package(Exercise.read(folder), "gradescope", tmp_path / "out")


def test_the_commands(tmp_path, capsys):
    assert main(["exercise", "build", "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    where = lines.index(str(tmp_path / "ex01_dense"))
    assert "ex01_dense.zip  sha256 " in lines[where + 1]
    assert len(lines) == 2 * sum(1 for _ in (ROOT / "exercises").glob("ex*/exercise.toml"))
    assert main(["exercise", "package", "1", "--for", "plain", "--out", str(tmp_path / "p")]) == 0
    assert capsys.readouterr().out.splitlines()[0] == str(tmp_path / "p" / "ex01_dense.zip")
    with zipfile.ZipFile(io.BytesIO((tmp_path / "p" / "ex01_dense.zip").read_bytes())) as stream:
        assert stream.testzip() is None
    assert (tmp_path / "p" / "ex01_dense.zip").read_bytes() == (tmp_path / "ex01_dense.zip").read_bytes()
