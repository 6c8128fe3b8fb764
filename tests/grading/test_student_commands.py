"""`minidl exercise list | start | check | submit` as a student uses them."""

import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from minidl.cli.main import main
from minidl.grading import check, find_exercise
from minidl.grading.build import reference_files
from minidl.grading.runner import Result
from minidl.grading.spec import ExerciseError
from minidl.grading.student.folder import Work
from minidl.grading.student.report import report
from minidl.grading.student.submit import unfinished
from tests.grading.tiny import write_course


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """The student's empty folder, with the course elsewhere."""
    course = write_course(tmp_path / "course")
    monkeypatch.setenv("MINIDL_EXERCISES_DIR", str(course))
    (tmp_path / "desk").mkdir()
    monkeypatch.chdir(tmp_path / "desk")
    return tmp_path / "desk"


def solve(folder, old="", new=""):
    for name, content in reference_files(find_exercise(1)).items():
        (folder / name).write_text(content.decode().replace(old, new) if old else content.decode())


def contents(folder):
    return {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_from_start_to_submit(desk, capsys):
    assert main(["exercise", "list"]) == 0
    assert " 1     8.5    0.5  A tiny exercise" in capsys.readouterr().out

    assert main(["exercise", "start", "1"]) == 0
    assert "minidl exercise check 1" in capsys.readouterr().out
    folder = desk / "ex01_tiny"
    assert "NotImplementedError" in (folder / "layers.py").read_text()
    assert not list(folder.rglob("*private*"))

    assert main(["exercise", "check", "1"]) == 1
    out = capsys.readouterr().out
    assert "not done yet: task 1.1 The mean" in out
    assert "0 of 4.5 points of the public tests. The exercise has 8.5; 4 more come from" in out
    assert "Next: task 1.1, The mean." in out

    solve(folder, "x.sum() / x.size", "x.sum()")
    assert main(["exercise", "check", "1"]) == 1
    out = capsys.readouterr().out
    assert "mean(x): the value is wrong" in out
    assert "likely cause: this is the sum" in out
    assert "calls: mean(float64 (4, 3))" in out
    assert "hint: add up, then divide" in out
    assert "3.5 of 4.5 points" in out

    solve(folder)
    assert main(["exercise", "check", "1"]) == 0
    assert "4.5 of 4.5 points" in capsys.readouterr().out
    for place in (desk, folder):
        os.chdir(place)
        assert main(["exercise", "check", "1", "--task", "1.2", "--seed", "7"]) == 0
        assert "2 of 2 points" in capsys.readouterr().out
    os.chdir(desk)

    (folder / "notes.py").write_text("secret = 1")
    assert main(["exercise", "submit", "1"]) == 0
    out = capsys.readouterr().out
    assert "To hand in: ex01_tiny/ex01_tiny_submission.zip (layers.py, tools.py)" in out
    assert "Not done" not in out
    with zipfile.ZipFile(folder / "ex01_tiny_submission.zip") as archive:
        assert archive.namelist() == ["layers.py", "tools.py"]
        assert archive.read("tools.py") == (folder / "tools.py").read_bytes()


def test_start_never_overwrites_work(desk, capsys):
    main(["exercise", "start", "1"])
    folder = desk / "ex01_tiny"
    (folder / "layers.py").write_text("my work")
    (folder / "tests" / "test_public.py").unlink()
    before = contents(folder)
    assert main(["exercise", "start", "1"]) == 2
    assert "layers.py exists already" in capsys.readouterr().err
    assert contents(folder) == before
    # Without a conflict what is missing comes back, and a folder with other files is no conflict.
    (folder / "layers.py").unlink()
    (folder / "own.txt").write_text("mine")
    assert main(["exercise", "start", "1"]) == 0
    assert (folder / "tests" / "test_public.py").exists()
    assert (folder / "own.txt").read_text() == "mine"


def test_start_elsewhere_and_errors(desk, capsys):
    assert main(["exercise", "start", "1", "deep/er"]) == 0
    assert "minidl exercise check 1 deep/er" in capsys.readouterr().out
    assert main(["exercise", "check", "1", "deep/er"]) == 1
    (desk / "file").write_text("")
    for words, message in [
        (["start", "9"], "there is no exercise '9'"),
        (["start", "1", "file"], "this is a file"),
        (["start", "1", "new", "--ours"], "builds on no earlier exercise"),
        (["check", "1"], "there is no folder of exercise 1 here"),
        (["check", "1", "nowhere"], "there is no such folder"),
        (["check", "2", "deep/er"], "belongs to exercise 1 (tiny), not to 2"),
        (["check", "1", "deep/er", "--task", "1.9"], "has no task '1.9'"),
        (["list", "--exercises", "nowhere"], "there is no folder nowhere"),
        (["train", "1", "deep/er", "--out", "picture.txt"], "a picture's name ends in"),
    ]:
        capsys.readouterr()
        assert main(["exercise", *words]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert not (desk / "new").exists()


def builds_on_the_first(course):
    other = write_course(course / "two") / "ex01_tiny"
    folder = other.rename(course / "ex02_more")
    (course / "two").rmdir()
    text = (
        (folder / "exercise.toml")
        .read_text()
        .replace('"01"', '"02"')
        .replace('name = "tiny"', 'name = "more"')
    )
    text = text.replace('id = "1.', 'id = "2.').replace(
        'files = ["layers.py", "tools.py"]', 'files = ["tools.py"]'
    )
    uses = 'uses = [{ exercise = "01", files = ["layers.py"] }]\n'
    tasks = "".join(f'[[tasks]]\nid = "2.{i}"\ntitle = "T"\npoints = 1\n' for i in (1,))
    head = text.partition("[[tasks]]")[0].replace("\n[limits]", f"{uses}\n[limits]")
    (folder / "exercise.toml").write_text(head + tasks)
    source = (folder / "source" / "tools.py").read_text().replace("SOLUTION 1.1", "SOLUTION 2.1")
    (folder / "source" / "tools.py").write_text(source)
    (folder / "source" / "layers.py").unlink()


def test_start_takes_over_earlier_work(desk, capsys):
    builds_on_the_first(desk.parent / "course")
    assert main(["exercise", "start", "2"]) == 2
    assert "add --from DIR" in capsys.readouterr().err
    assert not (desk / "ex02_more").exists()
    main(["exercise", "start", "1"])
    solve(desk / "ex01_tiny", '"""Layers."""', '"""My layers."""')
    for words, message in (
        (["nowhere"], "--from: nowhere: there is no such folder"),
        (["."], "--from: . has none of what exercise 2 still needs: layers.py of exercise 1"),
        (["ex01_tiny", "--from", "ex01_tiny"], "--from: ex01_tiny: nothing more is needed from here"),
    ):
        assert main(["exercise", "start", "2", "--from", *words]) == 2
        assert message in capsys.readouterr().err
        assert not (desk / "ex02_more").exists()
    assert main(["exercise", "start", "2", "--from", "ex01_tiny"]) == 0
    assert (desk / "ex02_more" / "layers.py").read_text().startswith('"""My layers."""')
    assert main(["exercise", "start", "2", "other", "--ours"]) == 0
    ours = (desk / "other" / "layers.py").read_text()
    assert ours.startswith('"""Layers."""')
    assert "SOLUTION" not in ours and "NotImplementedError" not in ours
    # It is handed in with the rest, for the new files import it; without it nothing can be checked.
    assert Work.find("2", desk / "other").sources().keys() == {"tools.py", "layers.py"}
    (desk / "other" / "layers.py").unlink()
    with pytest.raises(ExerciseError, match="layers.py is missing; exercise 2 hands in tools.py, layers.py"):
        Work.find("2", desk / "other")


def test_a_folder_works_without_the_course(desk, capsys, monkeypatch):
    main(["exercise", "start", "1"])
    solve(desk / "ex01_tiny")
    monkeypatch.setenv("MINIDL_EXERCISES_DIR", str(desk / "gone"))
    assert main(["exercise", "check", "1"]) == 0
    assert main(["exercise", "submit", "1"]) == 0
    assert main(["exercise", "list"]) == 0


def test_files_alone_are_enough(desk, capsys):
    solve(desk)
    assert main(["exercise", "check", "1", "."]) == 0
    (desk / "tools.py").unlink()
    assert main(["exercise", "check", "1", "."]) == 2
    assert "tools.py is missing; exercise 1 hands in layers.py, tools.py" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"def mean(x):\n    return (x.sum()\n", "tools.py:2: this is no Python, '(' was never closed"),
        (b"def mean(x):\nreturn 1\n", "tools.py:2: this is no Python"),
        (b"# \xff\n", "tools.py:1: this file is not UTF-8"),
        (b"x = '" + b"\0" + b"'", "tools.py:1: "),
        (b"#" * 1_100_000, "1,100,000 bytes"),
    ],
)
def test_a_file_that_is_no_python_is_refused_with_its_line(desk, capsys, content, message):
    main(["exercise", "start", "1"])
    (desk / "ex01_tiny" / "tools.py").write_bytes(content)
    before = contents(desk)
    capsys.readouterr()
    for command in ("check", "submit", "train"):
        assert main(["exercise", command, "1"]) == 2
        assert message in capsys.readouterr().err
    assert contents(desk) == before


def test_submit_says_what_is_missing_and_writes_nevertheless(desk, capsys):
    main(["exercise", "start", "1"])
    (desk / "ex01_tiny" / "tools.py").write_bytes(reference_files(find_exercise(1))["tools.py"])
    assert main(["exercise", "submit", "1", "--out", "outbox"]) == 0
    out = capsys.readouterr().out
    assert "Not done: task 1.2, The forward pass (2 points)" in out
    assert "Not done: task 1.3" in out
    assert "Not done: task 1.1" not in out
    assert "2 of 3 public tests fail" in out
    assert (desk / "outbox" / "ex01_tiny_submission.zip").exists()


def test_unfinished_tasks_are_found_without_running_anything(desk):
    source = b'def f():\n    raise NotImplementedError("task 1.3: x")\nraise SystemExit\nraise KeyError("task 1.2")\n'
    assert [spec.id for spec in unfinished(find_exercise(1), {"layers.py": source})] == ["1.3"]


def test_what_the_code_prints_is_shown_with_a_failure(desk, capsys):
    main(["exercise", "start", "1"])
    solve(desk / "ex01_tiny", "return x.sum() / x.size", "print('x is', x.shape)\n    return 0.0")
    main(["exercise", "check", "1", "--task", "1.1"])
    out = capsys.readouterr().out
    assert "your code printed:" in out
    assert "x is (4, 3)" in out


def test_what_is_printed_in_a_test_that_is_not_visible_stays_hidden(desk):
    exercise = find_exercise(1)
    result = Result(
        "t", "1.1", "A title.", "failed", 0, 1, "hint", "", "full", "shown", output="the input was 3"
    )
    assert "the input was 3" not in report(exercise, [result], "L2")
    assert "the input was 3" in report(exercise, [replace(result, visibility="visible")], "L2")
    many = report(exercise, [replace(result, visibility="visible", output="x\n" * 500)], "L2")
    assert many.count("x\n") == 20
    assert "480 lines before these" in many


# In a notebook -------------------------------------------------------------------------------------


def notebook(desk, old="", new=""):
    namespace = {"__name__": "__main__"}
    for content in reference_files(find_exercise(1)).values():
        text = content.decode().replace(old, new) if old else content.decode()
        exec(text, namespace)
    return namespace


def test_check_in_a_notebook(desk, capsys):
    check(1, namespace=notebook(desk))
    out = capsys.readouterr().out
    assert "4.5 of 4.5 points" in out
    assert "This is not a grade" in out
    assert "in this process, without protection" in out
    check("01", task="1.1", mean=lambda x: x.sum())
    out = capsys.readouterr().out
    assert "likely cause: this is the sum" in out
    assert "0 of 1 points" in out
    assert "Dense" not in out
    check(1, namespace=notebook(desk, "return dy @", "return dy.T @"), task="1.3")
    assert "ValueError" in capsys.readouterr().out


def test_check_in_a_notebook_with_a_part_of_it(desk, capsys):
    space = notebook(desk)
    check(1, Dense=space["Dense"])
    out = capsys.readouterr().out
    assert "3.5 of 4.5 points" in out
    assert "mean is not defined" in out
    with pytest.raises(ExerciseError, match="none of Dense, mean was given"):
        check(1, namespace={})
    with pytest.raises(ExerciseError, match="no exercise '7'"):
        check(7, namespace=space)


# pytest --------------------------------------------------------------------------------------------


def test_plain_pytest_works_in_the_folder(desk):
    main(["exercise", "start", "1"])
    solve(desk / "ex01_tiny", "x.sum() / x.size", "x.sum()")
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(words, cwd=desk / "ex01_tiny", env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "1 failed, 2 passed" in done.stdout
    assert "task 1.1: mean gives the mean of all values." in done.stdout
    assert "likely cause: this is the sum" in done.stdout
    assert "hint: add up, then divide" in done.stdout


def test_the_points_of_a_single_task(desk, capsys):
    """The tests of the other tasks were not run: they are not among those that students do not have."""
    main(["exercise", "start", "1"])
    capsys.readouterr()
    main(["exercise", "check", "1", "--task", "1.1"])
    assert (
        "0 of 1 points of the public tests of task 1.1. It has 3; 2 more come from tests you do not have."
        in capsys.readouterr().out
    )
    main(["exercise", "check", "1", "--task", "1.2"])
    assert "0 of 2 points of the public tests of task 1.2.\n" in capsys.readouterr().out


def test_a_shape_stays_in_one_line(desk):
    result = Result("t", "1.1", "It works.", "failed", 0, 1, "visible", "")
    shape = "(1, 2, 3, 4)"
    for words in range(60, 100):
        text = report(find_exercise(1), [replace(result, shown=f"{'x' * words} {shape} [0, 1, 2]")], "L2")
        assert shape in text and "[0, 1, 2]" in text and "\u00a0" not in text


@pytest.mark.parametrize("command", [["build"], ["package", "1", "--for", "plain"], ["submit", "1"]])
def test_a_folder_that_is_a_file_is_named_with_its_option(desk, capsys, command):
    main(["exercise", "start", "1"])
    (desk / "taken").write_text("mine")
    for place in ("taken", "taken/below/it"):
        assert main(["exercise", *command, "--out", place]) == 2
        error = capsys.readouterr().err
        told = "--out: taken is a file, a folder is needed; name another, or move the file away"
        assert error == f"minidl: error: {told}\n"
    assert (desk / "taken").read_text() == "mine"


def test_start_takes_each_file_from_where_it_is(desk, capsys):
    """Yours where --from names a folder that has it, the course's elsewhere."""
    for name in ("01", "02"):  # two earlier exercises
        folder = write_course(desk.parent / "other") / "ex01_tiny"
        text = (folder / "exercise.toml").read_text().replace('id = "01"', f'id = "{name}"')
        text = text.replace('id = "1.', f'id = "{int(name)}.').partition("[train]")[0]
        (folder / "exercise.toml").write_text(text.replace('name = "tiny"', f'name = "part{name}"'))
        for file in (folder / "source").glob("*.py"):
            file.write_text(file.read_text().replace("SOLUTION 1.", f"SOLUTION {int(name)}."))
        folder.rename(desk.parent / "course" / f"ex{name}_part{name}")
    (desk.parent / "course" / "ex01_tiny").rename(desk.parent / "first")
    builds_on_the_first(desk.parent / "course")
    later = desk.parent / "course" / "ex02_more"
    text = (
        (later / "exercise.toml")
        .read_text()
        .replace('id = "02"', 'id = "03"')
        .replace('id = "2.', 'id = "3.')
    )
    text = text.replace('name = "more"', 'name = "last"').replace(
        'files = ["tools.py"]', 'files = ["last.py"]'
    )
    text = text.replace(
        'uses = [{ exercise = "01", files = ["layers.py"] }]',
        'uses = [{ exercise = "01", files = ["layers.py"] }, { exercise = "02", files = ["tools.py"] }]',
    )
    (later / "exercise.toml").write_text(text)
    source = (later / "source" / "tools.py").read_text().replace("SOLUTION 2.1", "SOLUTION 3.1")
    (later / "source" / "tools.py").unlink()
    (later / "source" / "last.py").write_text(source)
    later.rename(desk.parent / "course" / "ex03_last")
    (desk / "mine").mkdir()
    (desk / "mine" / "tools.py").write_text("# my tools\n")
    assert main(["exercise", "start", "3", "--from", "mine"]) == 2
    assert "builds on layers.py of exercise 1: add --from DIR for each" in capsys.readouterr().err
    assert main(["exercise", "start", "3", "--from", "mine", "--ours"]) == 0
    assert (desk / "ex03_last" / "tools.py").read_text() == "# my tools\n"
    assert (desk / "ex03_last" / "layers.py").read_text().startswith('"""Layers."""')
    (desk / "mine" / "layers.py").write_text("# my layers\n")
    assert main(["exercise", "start", "3", "all", "--from", "mine"]) == 0
    assert (desk / "all" / "layers.py").read_text() == "# my layers\n"
    (desk / "mine" / "layers.py").write_text("def broken(:\n")
    assert main(["exercise", "start", "3", "new", "--from", "mine"]) == 2
    assert "mine/layers.py:1: this is no Python" in capsys.readouterr().err and not (desk / "new").exists()
    assert list(Work.find("3", desk / "all").sources()) == ["last.py", "layers.py", "tools.py"]
