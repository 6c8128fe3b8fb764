"""Every row of the threat table, attempted: the score is what is honest, and the machine is as it was.

A whole class of hostile submissions (`submissions/`, `archives.py`) is graded once by the command itself, as the user
who runs the tests; if that is root, what concerns the user is graded again as an ordinary one.
"""

import base64
import csv
import functools
import io
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from minidl.grading.archives import shown
from minidl.grading.grade import Options, differences, grade_class
from minidl.grading.runner import run
from minidl.grading.spec import Exercise
from minidl.grading.testing import Plan
from minidl.grading.worker import ForkServer, isolation_level
from tests.redteam.archives import ALL, REFUSED, handed_in
from tests.redteam.arena import CANARIES, NOBODY, ROOT, SECONDS, listening, make_arena, texts_of
from tests.redteam.cases import read_cases

pytestmark = pytest.mark.skipif(
    isolation_level() != "L2", reason="needs L2 isolation: Linux 5.13 or later with Landlock and seccomp"
)

CASES = {case.name: case for case in read_cases()}
HANDED = handed_in()
# Controls, and marks that turn the direction of writing.
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@functools.cache
def is_there_an_ordinary_user():
    """Whether this is root, and somebody without rights can read Python and this folder."""
    if os.geteuid() != 0:
        return False
    again = [sys.executable, "-c", "import minidl.grading.grade, numpy"]
    program = f"import os; os.setgid({NOBODY}); os.setuid({NOBODY}); os.execv({again[0]!r}, {again!r})"
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True).returncode == 0


def graded(user, *options, **settings):
    """Grade a class as a user, and note what changed in the folders around it."""
    owner = 0 if user == "me" else NOBODY
    arena = make_arena(owner=owner, **settings)
    before = arena.state()
    assert not listening()
    arena.grade(
        "me" if user == "me" else str(owner), 2, *options, seconds=1800 if settings.get("whole") else 120
    )
    after = arena.state()
    arena.most = Exercise.read(arena.root / "exercises" / "ex01_dense").points
    arena.changed = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
    return arena


@pytest.fixture(scope="module")
def mine():
    arena = graded("me")
    yield arena
    shutil.rmtree(arena.root)


@pytest.fixture(scope="module", params=["me", "nobody"])
def arena(request, mine):
    if request.param == "me":
        yield mine
    elif not is_there_an_ordinary_user():
        pytest.skip("needs root, and somebody else who can read Python and this folder")
    else:
        arena = graded("nobody", "--format", "csv,junit", everybody=False)
        yield arena
        shutil.rmtree(arena.root)


def passed(submission):
    return {outcome.test.name for outcome in submission.outcomes if outcome.passed}


def names(submission):
    return {outcome.test.name for outcome in submission.outcomes}


def test_every_row_of_the_table_is_tried():
    tried = {
        int(match[1])
        for name in (*CASES, *(h.name for h in HANDED))
        if (match := re.match(r"row(\d\d)_", name))
    }
    assert tried == set(range(1, 41))


# The score ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_the_score_is_honest(mine, name):
    submission = mine.graded[name]
    assert passed(submission) == CASES[name].passes(names(submission))
    assert submission.complete and not submission.reason and submission.isolation == "L2"


@pytest.mark.parametrize("handed", HANDED, ids=lambda handed: ascii(handed.name))
def test_archives_and_files_get_what_they_earn(mine, handed):
    submission = next(s for s in mine.graded.values() if s.source == shown(handed.name)[1:-1])
    assert submission.complete
    assert bool(submission.reason) == (handed.earns == REFUSED), submission.reason
    assert passed(submission) == (names(submission) if handed.earns == ALL else set())
    assert re.fullmatch(r"\w[\w.-]*", submission.id)


def test_scores_do_not_depend_on_the_user(arena):
    for case in arena.cases:
        submission = arena.graded[case.name]
        assert passed(submission) == case.passes(names(submission)), case.name


def test_workers_of_an_ordinary_user(mine, tmp_path):
    """Where Python itself is out of an ordinary user's reach, the workers at least can be one."""
    if os.geteuid() != 0 or is_there_an_ordinary_user():
        pytest.skip("the whole grader runs as an ordinary user in the other tests")
    exercise = Exercise.read(mine.root / "exercises" / "ex01_dense")
    plan = Plan.of(exercise)
    with ForkServer(user=(NOBODY, NOBODY)) as server:
        for case in (case for case in mine.cases if case.user):
            shutil.copy(mine.submissions / f"{case.name}.py", tmp_path / "layers.py")
            results = run(exercise, tmp_path, plan.tests, secret="", level="L2", server=server)
            assert {r.test for r in results if r.passed} == case.passes({test.name for test in plan.tests})
            assert not any("BREACH" in f"{r.output}\n{r.message}" for r in results), case.name
    assert not mine.mark.exists() and not listening()


def test_the_others_get_what_they_get_alone(mine, tmp_path):
    """Graded by another number of jobs, without the command, and without anybody hostile."""
    chosen = ("honest", "wrong_relu", "row33_public_numbers", "row37_chance")
    for name in chosen:
        shutil.copy(mine.submissions / f"{name}.py", tmp_path)
    exercise = Exercise.read(mine.root / "exercises" / "ex01_dense")
    options = Options(jobs=1, require="L2", seed=CANARIES["SEED"], formats=())
    alone = {s.id: s for s in grade_class(exercise, tmp_path, mine.root / "alone", options).submissions}
    for name in chosen:
        assert differences(mine.graded[name], alone[name]) == []
        assert mine.graded[name].points == alone[name].points
    assert passed(alone["honest"]) == names(alone["honest"])
    assert 0 < alone["wrong_relu"].points < alone["honest"].points


# The machine -------------------------------------------------------------------------------------


def test_nobody_broke_out(arena):
    """No attempt that has to fail succeeded; the submissions say so themselves."""
    for submission in arena.graded.values():
        for outcome in submission.outcomes:
            assert "BREACH" not in f"{outcome.output}\n{outcome.message}", submission.id


def test_attempts_would_be_noticed(mine, tmp_path):
    """Outside of the jail the same lines find the secret, and say so."""
    text = (mine.submissions / "row12_reading.py").read_text()
    done = subprocess.run([sys.executable, "-"], input=text, cwd=tmp_path, capture_output=True, text=True)
    assert "BREACH read secret: " in done.stdout and CANARIES["FILE"] in done.stdout


def test_nothing_is_left_behind(arena):
    """No process, no file, no change of one, nobody who listens."""
    assert arena.told["code"] == 0
    assert arena.told["left"] == []
    assert arena.changed == [] and not arena.mark.exists()
    assert {path.name for path in arena.out.iterdir()} == {"staff", "students"}
    assert not (arena.out / "staff" / "work").exists()
    assert not listening()


def test_it_took_no_longer_than_the_limits_allow(arena):
    """What a submission made the grader wait for is its own, and bounded."""
    for submission in arena.graded.values():
        late = sum(outcome.status == "timeout" for outcome in submission.outcomes)
        assert submission.seconds < late * SECONDS + 25, submission.id  # the machine may be busy
        assert all(outcome.seconds < 15 for outcome in submission.outcomes), submission.id


def test_secrets_stay_secret(arena):
    """What lies about is in no file that was written, and the seed in the record alone."""
    record = arena.out / "staff" / "record.jsonl"
    printed = arena.told["printed"] + arena.told["errors"]
    for path, text in [*texts_of(arena.out), (None, printed)]:
        for name, canary in CANARIES.items():
            assert canary not in text or (name == "SEED" and path == record), (name, path)
    assert record.stat().st_mode & 0o777 == 0o600 and record.parent.stat().st_mode & 0o777 == 0o700


# The reports -------------------------------------------------------------------------------------


def students(arena, name):
    found = [(path, text) for path, text in texts_of(arena.out / "students") if path.name == name]
    assert len(found) == len(arena.graded)
    return found


def strings(value):
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


def test_hints_hold_no_expected_values(mine):
    for name in ("row38_one_percent", "row39_asks_for_the_answer", "row33_public_numbers"):
        for outcome in mine.graded[name].outcomes:
            if outcome.test.visibility == "hint" and outcome.status == "failed":
                values = re.findall(r"worst at .*|got -?\d.*, expected -?\d.*", outcome.message)
                for _, text in [*texts_of(mine.out / "students" / name), (None, outcome.shown)]:
                    assert not any(value in text for value in values), outcome.test.name


def test_no_report_holds_hidden_characters(mine):
    for path, text in texts_of(mine.out):
        assert not HIDDEN.search(text), path
    for name in ("results.json", "classroom.json"):
        for path, text in students(mine, name):
            assert not any(HIDDEN.search(found) for found in strings(json.loads(text))), path
    assert not HIDDEN.search(mine.told["printed"])


class Tags(HTMLParser):
    """What a page would load, run, or lead to."""

    def __init__(self):
        super().__init__()
        self.evil = []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name.startswith("on") or (
                name in ("href", "src") and not value.startswith(("#", "data:image/"))
            ):
                self.evil.append((tag, name, value))
        if tag in ("script", "iframe", "object", "embed", "form", "base", "link"):
            self.evil.append((tag, "", ""))


def test_pages_hold_no_foreign_tags(mine):
    pages = students(mine, "feedback.html")
    for path, text in [*pages, (mine.out / "staff", (mine.out / "staff" / "overview.html").read_text())]:
        tags = Tags()
        tags.feed(text)
        assert tags.evil == [], path
    text = next(text for path, text in pages if path.parent.name == "row18_text")
    assert "&lt;script&gt;" in text


def test_markdown_is_not_foreign(mine):
    """Outside of blocks of code nothing of a submission is a tag, a link, a picture or a heading."""
    for path, text in students(mine, "feedback.md"):
        fence, outside = "", []
        for row in text.split("\n"):
            ticks = re.match(r" *(`{3,})", row)
            if not fence:
                fence = ticks[1] if ticks else ""
                outside += [] if ticks else [row]
            elif ticks and len(ticks[1]) >= len(fence) and not row.strip(" `"):
                fence = ""
        assert not fence, path
        plain = re.sub(r"\\[^\w\s]", "", "\n".join(outside))
        assert not re.search(r"<[a-z/!]|\]\(|://|^#+ A heading", plain, re.MULTILINE), path


def test_other_programs_can_read_the_reports(mine):
    for _, text in students(mine, "junit.xml"):
        root = ElementTree.fromstring(text)
        assert {element.tag for element in root.iter()} <= {
            "testsuites", "testsuite", "properties", "property", "testcase", "failure", "error", "system-err"
        }  # fmt: skip
    for path, text in students(mine, "classroom.txt"):
        assert re.fullmatch(r"result=[A-Za-z0-9+/=]+\n", text), path
        assert json.loads(base64.b64decode(text.removeprefix("result=")))["max_score"] == mine.most


def test_no_cell_is_a_formula(mine):
    """Whatever sign separates the cells where the table is opened."""
    text = (mine.out / "staff" / "grades.csv").read_text()
    for sign in ",;\t":
        for row in csv.reader(io.StringIO(text), delimiter=sign):
            assert not any(cell.lstrip(' "').startswith(("=", "+", "@", "|")) for cell in row), row
    assert text.count("cmd|") == 1


@pytest.mark.slow
@pytest.mark.parametrize("user", ["me", "nobody"])
def test_the_whole_exercise_with_its_own_limits(user):
    """All tasks, the time and memory that students have, and all submissions as both users."""
    if user == "nobody" and not is_there_an_ordinary_user():
        pytest.skip("needs root, and somebody else who can read Python and this folder")
    arena = graded(user, whole=True)
    for test in (test_scores_do_not_depend_on_the_user, test_nobody_broke_out, test_nothing_is_left_behind):
        test(arena)
    test_secrets_stay_secret(arena)
    shutil.rmtree(arena.root)
