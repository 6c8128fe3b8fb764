"""Grading a class: the same grades however it is run, and whatever some submissions do."""

import contextlib
import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from minidl.cli.main import main
from minidl.errors import ConfigError, DataError
from minidl.grading.grade import RECORD, Options, differences, grade_class, make_header, replay
from minidl.grading.jobs import Pool
from minidl.grading.record import Record
from minidl.grading.reports.overview import overview as grade_overview
from minidl.grading.spec import Exercise, ExerciseError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and modes of Unix")

ROOT = Path(__file__).resolve().parents[2]
SEED = "only for staff"
MARK = f"graded by a test of {os.getpid()}"  # in the environment of what a test starts
SPEC = """
id = "01"
name = "tiny"
title = "Doubling"
hours = 1
files = ["work.py"]
[limits]
seconds = 1.0
memory_mb = 512
[entry]
functions = ["double", "half"]
[[tasks]]
id = "1.1"
title = "Doubling"
points = 3
[[tasks]]
id = "1.2"
title = "Halving"
points = 2
"""
PUBLIC = '''
import numpy as np
from minidl.grading import expect, task


@task("1.1", points=2, hint="times two")
def test_double(submission, rng):
    """double doubles"""
    x = rng.normal(size=3)
    expect.close(submission.call("double", x), 2 * x, what="double(x)")


@task("1.2", points=1, visibility="hint", hint="divide")
def test_half(submission, rng):
    """half halves"""
    x = rng.normal(size=3)
    expect.close(submission.call("half", x), x / 2, what="half(x)")
'''
PRIVATE = '''
import numpy as np
from minidl.grading import expect, task


@task("1.1", points=1, visibility="hidden", hint="what is twice nothing?")
def test_double_empty(submission, rng):
    """double works without numbers"""
    expect.shape(submission.call("double", np.zeros(0)), (0,), what="double([])")


@task("1.2", points=1, visibility="hidden", hint="integers")
def test_half_large(submission, rng):
    """half works for large numbers"""
    print("a test may print; it is no answer")
    x = rng.normal(size=3) * 1e200
    expect.close(submission.call("half", x), x / 2, what="half(x)")
'''
RIGHT = "def double(x):\n    return 2 * x\n\n\ndef half(x):\n    return x / 2\n"
CLASS = {
    "anna": RIGHT,
    "ben": RIGHT.replace("2 * x", "3 * x"),
    "carla": "raise RuntimeError('<script>alert(1)</script>')\n",
    "dora": RIGHT.replace("return x / 2", "raise ValueError(repr(x))"),
    "emil": "import numpy as np\n"
    + RIGHT.replace("x / 2", "np.lib.stride_tricks.as_strided(x, (10**15,)).sum()"),
    "finn": RIGHT.replace("return 2 * x", "raise NotImplementedError('task 1.1: Doubling')"),
    "gina": RIGHT.replace("return 2 * x", "while x.size:\n        pass\n    return x"),
}
# test_double, test_double_empty, test_half, test_half_large of each, in the order of the plan.
EXPECTED = {
    "anna": ("passed", "passed", "passed", "passed"),
    "ben": ("failed", "passed", "passed", "passed"),
    "carla": ("failed", "failed", "failed", "failed"),
    "dora": ("passed", "passed", "failed", "failed"),
    "emil": ("passed", "passed", "crashed", "crashed"),
    "finn": ("not_done", "not_done", "passed", "passed"),
    "gina": ("timeout", "passed", "passed", "passed"),
    "json": ("passed", "passed", "passed", "passed"),
    "bomb": ("not_run",) * 4,
    "empty": ("not_run",) * 4,
}
POINTS = {
    "anna": 5,
    "ben": 3,
    "carla": 0,
    "dora": 3,
    "emil": 3,
    "finn": 2,
    "gina": 3,
    "json": 5,
    "bomb": 0,
    "empty": 0,
}


@pytest.fixture(scope="session")
def exercise(tmp_path_factory):
    folder = tmp_path_factory.mktemp("course") / "ex01_tiny"
    (folder / "tests").mkdir(parents=True)
    (folder / "exercise.toml").write_text(SPEC)
    (folder / "tests" / "test_public.py").write_text(PUBLIC)
    (folder / "tests" / "test_private.py").write_text(PRIVATE)
    (folder / "source").mkdir()
    (folder / "source" / "work.py").write_text(RIGHT)
    return Exercise.read(folder)


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """A class of submissions in all wrappings."""
    folder = tmp_path_factory.mktemp("submissions")
    for i, (name, text) in enumerate(CLASS.items()):
        if i % 3 == 0:
            (folder / f"{name}.py").write_text(text)
        elif i % 3 == 1:
            with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
                archive.writestr("tiny/work.py", text)
                archive.writestr("tiny/notes.txt", "hello")
        else:
            (folder / name).mkdir()
            (folder / name / "work.py").write_text(text)
    (folder / "json.py").write_text("if __name__ == 'json':\n    open('sprung', 'w')\n" + RIGHT)
    (folder / "empty").mkdir()
    with zipfile.ZipFile(folder / "bomb.zip", "w") as archive:
        archive.writestr("../work.py", RIGHT)
    return folder


@pytest.fixture(scope="session")
def once(exercise, place, tmp_path_factory):
    """The class graded in one job, started in the folder of the submissions."""
    out = tmp_path_factory.mktemp("once") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("PYTHONPATH", os.pathsep.join(["", ".", os.environ.get("PYTHONPATH", "")]))
        return out, grade_class(exercise, place, out, Options(jobs=1, seed=SEED))


def reports(out):
    """What does not depend on times: the table of the class and the feedback of every student."""
    paths = [out / "staff" / "grades.csv", *sorted(out.glob("students/*/feedback.*"))]
    return {str(path.relative_to(out)): path.read_text(encoding="utf-8") for path in paths}


def outcomes(result):
    return {
        s.id: tuple((o.status, o.message, o.shown, o.cause) for o in s.outcomes) for s in result.submissions
    }


def copy_of(out, folder):
    """Return a new folder with the record alone."""
    (folder / RECORD).parent.mkdir(parents=True)
    (folder / RECORD).write_bytes((out / RECORD).read_bytes())
    return folder


def command(exercise, *words):
    return [
        sys.executable,
        "-m",
        "minidl",
        "grade",
        "1",
        *map(str, words),
        "--exercises",
        exercise.folder.parent,
    ]


# --- what each submission gets ----------------------------------------------------------------------


def test_everybody_gets_what_is_due(once):
    _, result = once
    assert {s.id: tuple(o.status for o in s.outcomes) for s in result.submissions} == EXPECTED
    assert {s.id: s.points for s in result.submissions} == POINTS
    assert result.header.points == 5 and result.complete
    reasons = {s.id: s.reason for s in result.submissions if s.reason}
    assert reasons.keys() == {"bomb", "empty"} and "leads out of the archive" in reasons["bomb"]
    assert {s.isolation for s in result.submissions} == {result.header.isolation} <= {"L1", "L2"}
    assert next(s for s in result.submissions if s.id == "ben").ignored == ("tiny/notes.txt",)


def test_students_learn_neither_the_seed_nor_hidden_values(once):
    out, result = once
    for path in (out / "students").rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            assert SEED not in text
    hidden = next(s for s in result.submissions if s.id == "dora").outcomes[3]
    assert "e+200" in hidden.message  # the submission quoted its input; staff may see it
    assert all("e+200" not in path.read_text() for path in (out / "students" / "dora").iterdir())
    assert "<script>" not in (out / "students" / "carla" / "feedback.html").read_text()


def test_the_record_is_for_staff_and_complete(once):
    out, result = once
    assert (out / RECORD).stat().st_mode & 0o077 == 0 and (out / "staff").stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in out.iterdir()) == ["staff", "students"]
    assert sorted(path.name for path in (out / "staff").iterdir()) == [
        "grades.csv",
        "overview.html",
        "record.jsonl",
    ]
    events = [json.loads(line) for line in (out / RECORD).read_text().splitlines()]
    assert events[0]["seed"] == SEED and [test["points"] for test in events[0]["tests"]] == [2, 1, 1, 1]
    for name in CLASS:
        kinds = [event["event"] for event in events if event.get("id") == name]
        assert kinds == ["begin", "test", "test", "test", "test", "done"]
    again = Record.read(out / RECORD)
    assert [again.submissions[s.id] for s in result.submissions] == result.submissions


# --- the same grades --------------------------------------------------------------------------------


def test_two_jobs_give_the_same(exercise, place, once, tmp_path):
    seen = []
    result = grade_class(
        exercise, place, tmp_path / "out", Options(jobs=2, seed=SEED), on_graded=lambda *v: seen.append(v)
    )
    assert outcomes(result) == outcomes(once[1])
    assert reports(tmp_path / "out") == reports(once[0])
    assert sorted(s.id for s, _, _ in seen) == sorted(EXPECTED)
    assert [(done, count) for _, done, count in seen] == [(i, 10) for i in range(1, 11)]


def test_a_killed_run_goes_on_and_gives_the_same(exercise, place, once, tmp_path):
    out = tmp_path / "out"
    words = command(exercise, place, "--out", out, "--seed", SEED, "--jobs", 2)
    process = subprocess.Popen(
        words, env={**os.environ, "PYTHONPATH": str(ROOT), "MARK": MARK}, stdout=subprocess.DEVNULL
    )
    for _ in range(600):
        if (out / RECORD).is_file() and (out / RECORD).read_bytes().count(b'"done"') >= 3:
            break
        time.sleep(0.02)
    process.kill()
    process.wait()
    done = (out / RECORD).read_bytes().count(b'"done"')
    assert 3 <= done < 10
    assert not (out / "staff" / "grades.csv").exists()
    with (out / RECORD).open("ab") as stream:
        stream.write(b'{"event":"test","id":"anna","na')  # as a power cut leaves it
    result = grade_class(exercise, place, out, Options(jobs=1), resume=True)
    assert result.kept == done and result.header.seed == SEED
    assert outcomes(result) == outcomes(once[1])
    assert reports(out) == reports(once[0])
    assert len(Record.read(out / RECORD).submissions) == 10  # the torn line is gone
    assert not (out / "staff" / "work").exists()
    for _ in range(100):  # the jobs and workers of the killed run end by themselves
        if not _processes_with(MARK):
            break
        time.sleep(0.05)
    assert not _processes_with(MARK)


def _processes_with(mark):
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark.encode() in path.read_bytes():
                found.append(path.parent.name)
    return found


def test_resuming_a_finished_run_grades_nothing(exercise, place, once, tmp_path, monkeypatch):
    out = copy_of(once[0], tmp_path / "out")
    monkeypatch.setattr("minidl.grading.jobs.Job", None)  # would fail if a job were started
    result = grade_class(exercise, place, out, Options(formats=("csv", "markdown")), resume=True)
    assert result.kept == 10 and outcomes(result) == outcomes(once[1])
    assert (out / "students" / "anna" / "feedback.md").is_file()


def test_what_changed_is_graded_again(exercise, once, tmp_path):
    place = tmp_path / "submissions"
    place.mkdir()
    (place / "ben.py").write_text(RIGHT)  # handed in again, right this time
    (place / "anna.py").write_text(RIGHT)
    out = copy_of(once[0], tmp_path / "out")
    result = grade_class(exercise, place, out, Options(jobs=1), resume=True)
    assert (result.kept, [(s.id, s.points) for s in result.submissions]) == (1, [("anna", 5), ("ben", 5)])


def test_replay_repeats_one_submission(exercise, place, once, tmp_path, capsys):
    record = (once[0] / RECORD).read_bytes()
    words = ["--exercises", str(exercise.folder.parent), "--out", str(once[0]), "--replay"]
    assert main(["grade", "1", str(place), *words, "dora"]) == 0
    printed = capsys.readouterr().out
    assert "ValueError" in printed and "dora: 3 points, recorded 3" in printed and "differs" not in printed
    assert (once[0] / RECORD).read_bytes() == record
    assert main(["grade", "1", str(place), *words, "nobody"]) == 2
    assert "has no submission 'nobody'" in capsys.readouterr().err
    (tmp_path / "dora.py").write_text(RIGHT)
    with pytest.raises(DataError, match="its files have changed"):
        replay(exercise, tmp_path, once[0], "dora")


def test_another_seed_gives_other_numbers(exercise, once, tmp_path, monkeypatch):
    """Replay with a record of another seed finds other inputs in the message, and says so."""
    one, other = (make_header(exercise, Options()).seed for _ in range(2))
    assert one != other and len(one) >= 32
    (tmp_path / "dora.py").write_text(CLASS["dora"])
    out = copy_of(once[0], tmp_path / "out")
    (out / RECORD).write_bytes((out / RECORD).read_bytes().replace(SEED.encode(), b"another"))
    before, after = replay(exercise, tmp_path / "dora.py", out, "dora")
    assert differences(before, after) == [
        f"{name}: the messages differ" for name in ("test_half", "test_half_large")
    ]
    assert after.points == before.points


def test_a_submission_that_begins_anew_leaves_its_past_behind(exercise, tmp_path):
    begin = {"event": "begin", "id": "anna", "source": "anna.py", "digest": "1"}
    test = {"event": "test", "id": "anna", "name": "test_double", "status": "passed"}
    done = {"event": "done", "id": "anna", "seconds": 1.0}
    path = tmp_path / "staff" / "record.jsonl"
    with Record.create(path, make_header(exercise, Options())) as record:
        record.append([begin, test, done])
        assert (record.submissions["anna"].points, record.submissions["anna"].finished) == (2, True)
        record.append([{**begin, "digest": "2"}])
    with Record.resume(path) as record:
        anna = record.submissions["anna"]
        assert (anna.points, anna.finished, anna.digest) == (0, False, "2")


# --- what goes wrong --------------------------------------------------------------------------------


def test_isolation_that_cannot_be_had_stops_everything(exercise, place, tmp_path, monkeypatch):
    monkeypatch.setattr("minidl.grading.worker.level.isolation_level", lambda: "L1")
    with pytest.raises(ConfigError, match="L2 is required and this machine offers L1"):
        grade_class(exercise, place, tmp_path / "out", Options(require="L2"))
    assert not (tmp_path / "out").exists()
    assert make_header(exercise, Options(require="L1")).isolation == "L1"
    monkeypatch.setattr("minidl.grading.worker.level.isolation_level", lambda: "L0")
    with pytest.raises(ConfigError, match="grading is not possible here"):
        grade_class(exercise, place, tmp_path / "out", Options())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": "x"}, "another --seed"),
        ({"budget": 5.0}, "begun with --budget 4"),
    ],
)
def test_a_record_of_another_run_is_refused(exercise, place, once, tmp_path, change, message):
    out = copy_of(once[0], tmp_path / "out")
    record = (out / RECORD).read_bytes()
    with pytest.raises(ConfigError, match=message):
        grade_class(exercise, place, out, Options(**change), resume=True)
    assert (out / RECORD).read_bytes() == record


def test_a_record_of_other_tests_or_isolation_is_refused(exercise, place, once, tmp_path, monkeypatch):
    out = copy_of(once[0], tmp_path / "out")
    private = tmp_path / "private"
    private.mkdir()
    (private / "test_private.py").write_text(PRIVATE + "\n# changed\n")
    with pytest.raises(ConfigError, match="tests or the description of the exercise have changed"):
        grade_class(exercise, place, out, Options(private=private), resume=True)
    monkeypatch.setattr("minidl.grading.worker.level.isolation_level", lambda: "L1")
    if once[1].header.isolation != "L1":
        with pytest.raises(ConfigError, match="begun at isolation level L2, here it is L1"):
            grade_class(exercise, place, out, Options(), resume=True)


def test_records_are_neither_overwritten_nor_shared(exercise, place, once, tmp_path):
    with pytest.raises(DataError, match="a record of grading already; go on with --resume"):
        grade_class(exercise, place, once[0], Options())
    with pytest.raises(DataError, match="no record of grading to go on with"):
        grade_class(exercise, place, tmp_path / "none", Options(), resume=True)
    out = copy_of(once[0], tmp_path / "out")
    with Record.resume(out / RECORD), pytest.raises(DataError, match="another grading run is writing"):
        grade_class(exercise, place, out, Options(), resume=True)
    with pytest.raises(ConfigError, match="lies in the folder of the submissions"):
        grade_class(exercise, place, place / "out", Options())


@pytest.mark.parametrize("damage", ["middle", "head", "empty", "torn", "status", "format"])
def test_damaged_records(exercise, place, once, tmp_path, damage):
    out = copy_of(once[0], tmp_path / "out")
    lines = (out / RECORD).read_bytes().splitlines(keepends=True)
    if damage == "middle":
        lines[5] = lines[5][:20] + b"\n"
    elif damage == "head":
        lines[0] = lines[0].replace(b'"tests"', b'"tasts"')
    elif damage == "status":
        lines = [line.replace(b'"passed"', b'"won"') for line in lines]
    elif damage == "format":
        lines[0] = lines[0].replace(b'"format":1', b'"format":9')
    text = b"".join(lines)
    (out / RECORD).write_bytes({"empty": b"", "torn": text[:50]}.get(damage, text))
    with pytest.raises(DataError, match=r"damaged|torn off|this version reads 1"):
        grade_class(exercise, place, out, Options(), resume=True)


def test_a_test_that_fails_itself_leaves_the_grade_open(exercise, place, once, tmp_path, capsys):
    """Exit code 1, no points for it, and --resume with the same tests tries again."""
    course = tmp_path / "course" / "ex01_tiny"
    (course / "tests").mkdir(parents=True)
    for name in ("exercise.toml", "tests/test_public.py"):
        (course / name).write_bytes((exercise.folder / name).read_bytes())
    broken = PRIVATE.replace("    x = rng.normal(size=3) * 1e200", "    x = 1 / 0")
    (course / "tests" / "test_private.py").write_text(broken)
    out = tmp_path / "out"
    base = ["grade", "1", str(place / "anna.py"), "--exercises", str(course.parent), "--out", str(out)]
    words = [*base, "--format", "markdown,csv"]
    assert main(words) == 1
    printed = capsys.readouterr().out
    files = sorted(str(path.relative_to(out)) for path in out.rglob("*.*"))
    assert files == ["staff/grades.csv", "staff/record.jsonl", "students/anna/feedback.md"]
    assert "0 of 1 submissions graded, isolation L" in printed
    assert "1/1  anna  4 / 5" in printed and "grading is incomplete for anna" in printed
    feedback = (tmp_path / "out" / "students" / "anna" / "feedback.md").read_text()
    record = Record.read(out / RECORD)
    overview = grade_overview(record.header, list(record.submissions.values()))
    assert "Tests that failed themselves" in overview and "ZeroDivisionError" in overview
    assert "not graded: half works for large numbers" in feedback and "points are not final" in feedback
    assert main([*words, "--resume"]) == 1
    record = Record.read(tmp_path / "out" / RECORD)
    assert record.submissions["anna"].points == 4 and not record.submissions["anna"].complete
    assert (tmp_path / "out" / RECORD).read_bytes().count(b'"begin"') == 2


def test_a_job_that_dies_costs_only_its_submission(exercise, tmp_path, monkeypatch):
    """A test kills the grading process for one submission (a stand-in for the machine running out of memory)."""
    private = tmp_path / "private" / "ex01_tiny"
    private.mkdir(parents=True)
    marked = PRIVATE.replace("    x = rng.normal(size=3) * 1e200", KILL)
    (private / "test_private.py").write_text(marked)
    place = tmp_path / "in"
    place.mkdir()
    for name, text in {"ben": RIGHT + "\n# kill\n", "carla": RIGHT}.items():
        (place / f"{name}.py").write_text(text)
    result = grade_class(exercise, place, tmp_path / "out", Options(jobs=1, private=tmp_path / "private"))
    ben, carla = result.submissions
    assert (ben.complete, carla.complete, carla.points) == (False, True, 5)
    assert (tmp_path / "out" / RECORD).read_bytes().count(b'"begin"') == 3  # it was tried twice
    assert ben.trouble == "the grading process ended early (signal 9)" and ben.points < 5
    assert not result.complete
    assert "signal 9" in (tmp_path / "out" / "staff" / "grades.csv").read_text()


KILL = """
    import os, signal
    if "# kill" in submission.source("work.py"):
        os.kill(os.getpid(), signal.SIGKILL)
    x = rng.normal(size=3) * 1e200"""


def test_a_submission_that_is_called_like_a_module_is_not_imported(
    exercise, place, once, tmp_path, monkeypatch
):
    """The class was graded in the folder of the submissions, one of which is called json.py."""
    assert (place / "json.py").is_file()
    assert not (place / "sprung").exists()
    monkeypatch.chdir(place)
    monkeypatch.syspath_prepend("")
    with pytest.raises(ConfigError, match="could run as part of the grader"):
        grade_class(exercise, ".", tmp_path / "out", Options(jobs=1))


def test_the_budget_ends_a_slow_submission(exercise, tmp_path):
    slow = "import time\n" + RIGHT.replace("    return", "    time.sleep(0.3)\n    return")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "slow.py").write_text(slow)
    result = grade_class(exercise, tmp_path / "in", tmp_path / "out", Options(jobs=1, budget=0.1))
    (late,) = result.submissions
    statuses = [o.status for o in late.outcomes]
    assert (statuses.count("passed"), statuses.count("not_run"), late.complete) == (1, 3, True)
    assert {o.shown for o in late.outcomes} == {"", "not run: the submission had used its 0.1 seconds"}


def test_the_watch_ends_a_job_that_does_not_keep_to_the_budget(exercise, tmp_path, monkeypatch):
    monkeypatch.setattr("minidl.grading.jobs._GRACE", 0.2)
    private = tmp_path / "private"
    private.mkdir()
    (private / "test_private.py").write_text(
        PRIVATE.replace("    x = rng", "    import time; time.sleep(60)\n    x = rng")
    )
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "anna.py").write_text(RIGHT)
    clock = time.monotonic()
    options = Options(jobs=1, budget=0.8, private=private)
    result = grade_class(exercise, tmp_path / "in", tmp_path / "out", options)
    assert time.monotonic() - clock < 10
    assert result.submissions[0].trouble == "the grading process was ended after 1 seconds"
    assert (tmp_path / "out" / RECORD).read_bytes().count(b'"begin"') == 1  # a second try would end the same


def test_an_interrupted_run_leaves_no_process(exercise, place, tmp_path, monkeypatch):
    monkeypatch.setenv("MARK", MARK)

    def stop(*values):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grade_class(exercise, place, tmp_path / "out", Options(jobs=1), on_graded=stop)
    assert not (tmp_path / "out" / "staff" / "work").exists()
    assert not _processes_with(MARK)
    with Record.resume(tmp_path / "out" / RECORD) as record:
        assert len(record.submissions) < 10


def test_problems_of_a_pool_reach_the_caller(tmp_path, exercise, place, monkeypatch):
    def fail(*values):
        raise OSError(28, "No space left on device", "work")

    monkeypatch.setattr("minidl.grading.jobs.lay_out", fail)
    with pytest.raises(OSError, match="No space left"):
        grade_class(exercise, place, tmp_path / "out", Options(jobs=2))
    assert Pool({"budget": 1}, [], ["work.py"], {}, tmp_path, 3)._count == 1


def test_private_tests_come_from_a_folder(exercise, place, tmp_path):
    with pytest.raises(ExerciseError, match="no such file of tests"):
        make_header(exercise, Options(private=tmp_path))
    (tmp_path / "test_more.py").write_text(PRIVATE.replace("points=1", "points=2"))
    with pytest.raises(ExerciseError, match="task 1.1 has 3 points in exercise.toml, its tests have 4"):
        make_header(exercise, Options(private=tmp_path))
    (tmp_path / "test_more.py").write_text(PRIVATE.replace("test_half_large", "test_half_secret"))
    header = make_header(exercise, Options(private=tmp_path))
    assert [t.name for t in header.tests] == [
        "test_double",
        "test_double_empty",
        "test_half",
        "test_half_secret",
    ]
    assert header.digest != make_header(exercise, Options()).digest


# --- the command ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--jobs", "0"], "--jobs must be from 1 to 1000"),
        (["--format", "pdf"], "no format 'pdf'"),
        (["--private", "/nowhere"], "--private: there is no folder"),
        (["--budget", "-1"], "--budget must be above 0"),
        (["--budget", "nan"], "--budget must be above 0"),
        (["--budget", "inf"], "--budget must be above 0"),
        (["--resume"], "no record of grading"),
        (["--seed", ""], "--seed must not be empty"),
    ],
)
def test_wrong_options_change_nothing(exercise, place, tmp_path, capsys, words, message):
    options = ["--out", str(tmp_path / "out"), "--exercises", str(exercise.folder.parent)]
    base = ["grade", "1", str(place), *options]
    assert main([*base, *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_folders_may_be_given_relative_to_where_one_is(exercise, tmp_path, monkeypatch):
    """The grading process works in a folder of its own and must find the files all the same."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "anna.py").write_text(RIGHT)
    monkeypatch.chdir(tmp_path)
    (anna,) = grade_class(exercise, Path("in"), Path("out"), Options(jobs=1)).submissions
    assert (anna.points, anna.trouble) == (5, "")
