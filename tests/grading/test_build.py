"""From the annotated source to the hand-out: what is in it, what is not, and that the bytes repeat."""

import io
import os
import stat
import zipfile

import pytest

from minidl.grading.build import (
    api_table,
    archive,
    build,
    handout_archive,
    handout_files,
    reference_files,
    submission_files,
    tasks_table,
    write_files,
)
from minidl.grading.markers import blocks, reference, skeleton
from minidl.grading.spec import Exercise, ExerciseError
from tests.grading.tiny import write_course

TITLES = {"1.1": 'The "first" task', "1.2": "The second"}
SOURCE = '''\
import numpy as np


def double(x):
    """Return 2 x."""
    # BEGIN SOLUTION 1.1
    # HINT add x to itself
    import math
    y = x + x

    return y
    # END SOLUTION


def half(x):
    if x:
        # BEGIN SOLUTION 1.2
        x = x / 2
        # END SOLUTION
    return x
'''
SKELETON = '''\
import numpy as np


def double(x):
    """Return 2 x."""
    # TODO task 1.1: The "first" task
    # hint: add x to itself
    raise NotImplementedError("task 1.1: The \\"first\\" task")


def half(x):
    if x:
        # TODO task 1.2: The second
        raise NotImplementedError("task 1.2: The second")
    return x
'''


@pytest.fixture
def course(tmp_path):
    """The folder of a made-up exercise."""
    return write_course(tmp_path / "course") / "ex01_tiny"


def replace(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


# Marks -------------------------------------------------------------------------------------------


def test_the_skeleton_by_hand():
    assert skeleton(SOURCE, TITLES, "a.py") == SKELETON


def test_the_skeleton_says_which_task_is_missing():
    names = {}
    exec(skeleton(SOURCE, TITLES, "a.py"), names)
    with pytest.raises(NotImplementedError, match='task 1.1: The "first" task'):
        names["double"](1)


def test_the_reference_is_the_source_without_marks_and_hints():
    names = {}
    text = reference(SOURCE, "a.py")
    exec(text, names)
    assert names["double"](3) == 6 and names["half"](3) == 1.5
    assert "SOLUTION" not in text and "HINT" not in text
    assert len(text.splitlines()) == len(SOURCE.splitlines()) - 5


def test_blocks_know_their_place():
    first, second = blocks(SOURCE, "a.py")
    assert (first.task, first.first, first.last, first.indent) == ("1.1", 6, 12, "    ")
    assert first.hints == ("add x to itself",)
    assert second.solution == ("        x = x / 2",)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("# END SOLUTION\n\n\ndef half", "\n\n\ndef half", "begins inside that of line 6"),
        (
            "        x = x / 2\n        # END SOLUTION",
            "        x = x / 2",
            "line 17: # END SOLUTION is missing",
        ),
        ("    # BEGIN SOLUTION 1.1\n", "", "without # BEGIN"),
        ("# BEGIN SOLUTION 1.2", "# BEGIN SOLUTION 1.7", "no task '1.7'; the tasks are 1.1, 1.2"),
        ("        # END SOLUTION", "    # END SOLUTION", "indented like line 17"),
        ("# BEGIN SOLUTION 1.2", "# Begin solution 1.2", "alone on their lines"),
        ("# BEGIN SOLUTION 1.2", "# BEGIN SOLUTION", "alone on their lines"),
        ("        x = x / 2\n", "", "line 17: this solution is empty"),
        ("def double(x):", "def double(x:", "no Python"),
    ],
)
def test_wrong_marks_are_named_with_their_line(old, new, message):
    assert SOURCE.count(old) == 1
    with pytest.raises(ExerciseError, match=message):
        skeleton(SOURCE.replace(old, new), TITLES, "a.py")


def test_a_solution_on_the_level_of_the_module_is_refused():
    with pytest.raises(ExerciseError, match="level of the module"):
        blocks("# BEGIN SOLUTION 1.1\nx = 1\n# END SOLUTION\n", "a.py")


# Hand-outs ---------------------------------------------------------------------------------------


def test_what_is_in_a_hand_out(course):
    files = handout_files(Exercise.read(course))
    assert list(files) == [
        "README.md", "exercise.toml", "layers.py", "tests/conftest.py", "tests/test_public.py", "tools.py",
    ]  # fmt: skip
    assert b'raise NotImplementedError("task 1.2: The forward pass")' in files["layers.py"]
    assert not any(b"grad_bias = dy.sum" in content for content in files.values())
    assert not any(b"SOLUTION" in content for content in files.values())


def test_the_tables_of_the_page(course):
    exercise = Exercise.read(course)
    assert "| 1.3 | The backward pass | 3.5 |" in tasks_table(exercise)
    assert tasks_table(exercise).endswith("| | together | 8.5 |")
    assert "| class `Dense` | `forward`, `backward` | `weight`, `bias`," in api_table(exercise)
    page = handout_files(exercise)["README.md"].decode()
    assert tasks_table(exercise) in page and api_table(exercise) in page and "{{" not in page


def test_line_ends_of_the_checkout_do_not_matter(course):
    before = handout_archive(Exercise.read(course))
    for path in course.rglob("*.*"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert handout_archive(Exercise.read(course)) == before


def test_an_archive_depends_on_names_and_contents_alone():
    files = {"b.txt": b"2", "a/run": b"1"}
    content = archive(files, "top", executable=frozenset({"a/run"}))
    assert content == archive(dict(reversed(files.items())), "top", executable=frozenset({"a/run"}))
    with zipfile.ZipFile(io.BytesIO(content)) as stream:
        assert stream.namelist() == ["top/a/run", "top/b.txt"]
        assert {member.date_time[0] for member in stream.infolist()} == {1980}
        assert stat.filemode(stream.getinfo("top/a/run").external_attr >> 16) == "-rwxr-xr-x"
        assert stat.filemode(stream.getinfo("top/b.txt").external_attr >> 16) == "-rw-r--r--"


def test_building_again_gives_the_same_bytes(course, tmp_path):
    exercise = Exercise.read(course)
    folder, packed = build(exercise, tmp_path / "dist")
    first = packed.read_bytes()
    for path in course.rglob("*"):
        os.utime(path, (1, 1))
    assert build(exercise, tmp_path / "dist") == [folder, packed]
    assert packed.read_bytes() == first == handout_archive(exercise)
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*.*")} == set(handout_files(exercise))


def test_building_touches_no_folder_with_other_files(course, tmp_path):
    mine = tmp_path / "dist" / "ex01_tiny" / "mine.py"
    mine.parent.mkdir(parents=True)
    mine.write_text("x = 1\n")
    with pytest.raises(ExerciseError, match=r"mine\.py is not part of the hand-out"):
        build(Exercise.read(course), tmp_path / "dist")
    assert [path.name for path in mine.parent.iterdir()] == ["mine.py"]
    with pytest.raises(ExerciseError, match="not empty"):
        write_files({"a": b""}, mine.parent)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("handout.md", "{{tasks}}", "", "{{tasks}} must occur once"),
        ("handout.md", "{{api}}", "see {{api}} here", "{{api}} must stand alone"),
        ("source/tools.py", "# BEGIN SOLUTION 1.1", "# BEGIN SOLUTION 1.2", "no # BEGIN SOLUTION 1.1"),
    ],
)
def test_mistakes_of_an_author_are_named(course, file, old, new, message):
    replace(course / file, old, new)
    with pytest.raises(ExerciseError, match=message):
        handout_files(Exercise.read(course))


@pytest.mark.parametrize("file", ["handout.md", "source/tools.py", "tests/test_public.py"])
def test_a_missing_file_is_named(course, file):
    (course / file).unlink()
    with pytest.raises(ExerciseError, match="this file is missing"):
        handout_files(Exercise.read(course))


def test_a_later_exercise_comes_with_the_solution_of_the_earlier(course):
    later = course.parent / "ex02_later"
    (later / "source").mkdir(parents=True)
    (later / "source" / "more.py").write_text(
        "def f():\n    # BEGIN SOLUTION 2.1\n    return 1\n    # END SOLUTION\n"
    )
    (later / "exercise.toml").write_text(
        'id = "02"\nname = "later"\ntitle = "Later"\nhours = 1\nfiles = ["more.py"]\n'
        'uses = [{ exercise = "01", files = ["tools.py"] }]\n'
        '[entry]\nfunctions = ["f"]\n[[tasks]]\nid = "2.1"\ntitle = "F"\npoints = 1\n'
    )
    exercise = Exercise.read(later)
    assert reference_files(exercise) == {"more.py": b"def f():\n    return 1\n"}
    assert list(submission_files(exercise)) == ["tools.py", "more.py"]
    assert submission_files(exercise, {"more.py": b"x"})["more.py"] == b"x"
    assert b"return x.sum() / x.size" in submission_files(exercise)["tools.py"]
