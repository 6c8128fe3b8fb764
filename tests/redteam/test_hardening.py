"""What the red team once got through with, one test for each hole: it stays closed."""

import hashlib
import io
import sys
import time
import tracemalloc

import numpy as np
import pytest

from minidl.cli.main import main
from minidl.errors import DataError
from minidl.grading import expect
from minidl.grading.archives import IntakeError, check_names
from minidl.grading.grade import Options, grade_class
from minidl.grading.intake import Source, find_submissions, take
from minidl.grading.jobs import Pool
from minidl.grading.mismatch import Mismatch, shown
from minidl.grading.reports.clean import cell
from minidl.grading.spec import Exercise
from minidl.grading.worker import open_submission
from minidl.grading.worker.errors import StudentError
from minidl.grading.worker.inside.values import MAX_BITS, decode
from minidl.grading.worker.inside.wire import FrameError
from tests.redteam.archives import make_tar
from tests.redteam.arena import ROOT

NOTHING = ("layers.py",)


def decoded(tree, arrays=()):
    return decode(tree, list(arrays), lambda *_: None)


# The grader's memory and time -----------------------------------------------------------------------


def test_an_answer_names_each_array_once():
    """One array in a list of thousands is a short frame and, made an array, all the memory there is."""
    array = np.ones(3)
    assert len(decoded([{"a": 0}, {"a": 1}], [array, array])) == 2
    with pytest.raises(FrameError, match="named before"):
        decoded([{"a": 0}, {"a": 0}], [array])
    with pytest.raises(FrameError, match="named before"):
        decoded({"d": [[1, {"a": 0}], [2, {"t": [{"a": 0}]}]]}, [array])


def test_what_can_come_back_can_be_sent_again(tmp_path):
    """Otherwise the test fails by itself where it hands an answer on, and staff have to look."""
    (tmp_path / "layers.py").write_text(
        "def make(kind):\n"
        "    deep = 'x'\n"
        "    for _ in range(27):\n"
        "        deep = [deep]\n"
        "    return {'deep': deep, 'deeper': [[deep]], 'long': 'x' * 1_000_000}[kind]\n"
        "def take(value):\n    return True\n"
    )
    exercise = Exercise(
        id="01",
        name="made",
        title="",
        hours=1,
        files=NOTHING,
        tasks=(),
        folder=tmp_path,
        functions=("make", "take"),
    )
    with open_submission(tmp_path, exercise) as submission:
        assert submission.call("take", submission.call("make", "deep")) is True
        with pytest.raises(StudentError, match="nested"):
            submission.call("make", "deeper")
        long = submission.call("make", "long")
        with pytest.raises(StudentError, match="cannot be sent"):
            submission.call("take", [long, long])
    assert decoded(2**MAX_BITS - 1) and decoded(-(2**MAX_BITS) + 1)
    with pytest.raises(FrameError, match="integer"):
        decoded(2**MAX_BITS)


def test_millions_of_nans_are_explained_cheaply():
    nans = np.full(4_000_000, np.nan, np.float16)
    tracemalloc.start()
    with pytest.raises(Mismatch, match="4000000 of 4000000 values are NaN or infinite"):
        expect.finite(nans, "the loss")
    assert tracemalloc.get_traced_memory()[1] < 4 * nans.size
    tracemalloc.stop()


@pytest.mark.parametrize(
    "before", [[[1], [2, 3]], "abc", ["a", "b"], {"a": 1}, [np.ones(3)] * 2, np.ones(2, complex)]
)
def test_what_was_there_before_may_be_anything(before):
    with pytest.raises(Mismatch, match="all 2 values are wrong"):
        expect.close(np.array([1.0, 2.0]), np.array([3.0, 5.0]), before=before)


@pytest.mark.parametrize("answer", [[[1], [2, 3]], None, "x", {"a": [1]}, [np.ones(3), "x"]])
def test_an_answer_that_is_no_array_fails_the_test_and_not_the_grader(answer):
    with pytest.raises(Mismatch):
        expect.not_aliased(answer, answer)


def test_a_message_about_thousands_of_arrays_is_short():
    start = time.process_time()
    text = shown([[np.ones(900, complex)] * 100] * 1000)
    assert len(text) <= 201 and "complex128 array of shape (900,)" in text
    assert time.process_time() - start < 1
    assert shown([1, "a", None]) == "[1, 'a', None]" and len(shown("x" * 10**6)) <= 201


# The class ------------------------------------------------------------------------------------------


def test_one_student_does_not_take_the_place_of_the_class(tmp_path):
    """A file with the very name that the exercise asks for made the folder of the class one submission."""
    (tmp_path / "layers.py").write_text("x = 1\n")
    assert [source.path for source in find_submissions(tmp_path, NOTHING)] == [tmp_path]
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "old").mkdir()
    assert len(find_submissions(tmp_path, NOTHING)) == 1
    (tmp_path / "anna.zip").write_bytes(b"")
    with pytest.raises(DataError, match=r"layers.py makes this folder one submission, but 'anna.zip'"):
        find_submissions(tmp_path, NOTHING)
    (tmp_path / "anna.zip").unlink()
    (tmp_path / "old" / "layers.py").write_text("")
    with pytest.raises(DataError, match="'old' looks like another one"):
        find_submissions(tmp_path, NOTHING)


def test_nobody_gets_the_id_of_another(tmp_path):
    """Not even somebody whose name is another's name and checksum."""
    mark = hashlib.sha256(b"anna.zip").hexdigest()
    names = ["anna.zip", "Anna.tar", f"anna-{mark[:8]}.zip", f"ANNA-{mark[:8]}.tar", f"anna-{mark[:16]}.zip"]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    found = find_submissions(tmp_path, NOTHING)
    assert sorted(source.path.name for source in found) == sorted(names)
    assert len({source.id.casefold() for source in found}) == len(names)


def test_a_fault_in_reading_one_submission_costs_nobody_else(tmp_path, monkeypatch):
    """A bug of the grader, or no memory, while an archive is read: that one is not final, the others are."""
    (tmp_path / "class").mkdir()
    for name in ("anna.zip", "ben.zip"):  # neither can be taken, so that no process has to be started
        (tmp_path / "class" / name).write_bytes(b"")

    def broken(source: Source, files):
        if source.id == "anna":
            raise MemoryError("all of it")
        return take(source, files)

    monkeypatch.setattr(sys.modules[Pool.__module__], "take", broken)
    exercise = Exercise.read(ROOT / "exercises" / "ex01_dense")
    result = grade_class(exercise, tmp_path / "class", tmp_path / "out", Options(jobs=1, formats=()))
    anna, ben = result.submissions
    assert not anna.complete and "MemoryError" in anna.trouble and anna.points == 0
    assert ben.complete and ben.reason and not result.complete


def test_names_that_take_long_to_compare_are_refused(tmp_path):
    deep = tmp_path / "deep.tar.gz"
    make_tar(deep, {f"{i}{'/a' * 200}": b"" for i in range(600)})
    start = time.process_time()
    assert "folders deep" in take(Source("deep", deep), NOTHING).reason
    marks = tmp_path / "marks.tar.gz"
    make_tar(marks, {f"{i}a{chr(0x315) * 450}{chr(0x334) * 450}": b"" for i in range(600)})
    assert "characters" in take(Source("marks", marks), NOTHING).reason
    assert time.process_time() - start < 1
    with pytest.raises(IntakeError):
        check_names([("a/" * 51 + "b", False)])
    assert check_names([("a/" * 50 + "b", False)])


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "|a", "\uff1d1", "\uff201", " =1"])
def test_no_cell_is_a_formula_whatever_separates_cells(text):
    for whole in (text, f"a;{text}", f"a; {text}", f'a;"{text}'):
        found = cell(whole)
        assert all(part.strip(' "').startswith("'") for part in found.split(";")[-1:]), found
    assert cell("anna; ben - both") == "anna; ben - both"


def test_a_name_that_the_terminal_cannot_show_does_not_end_the_run(tmp_path, monkeypatch):
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "J\xf6rg_\u5317\u4eac.zip").write_bytes(b"")
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding="ascii", write_through=True))
    assert (
        main(["grade", "1", str(tmp_path / "class"), "--out", str(tmp_path / "out"), "--format", "csv"]) == 0
    )
    assert b"J\\xf6rg_\\u5317\\u4eac  0 / 40" in printed.getvalue()


def test_an_encoding_that_cannot_be_changed_is_left_alone(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert main(["grade", "1", "nowhere", "--out", "out"]) == 2
    assert "nowhere" in capsys.readouterr().err
