"""Reports: complete, in the formats other programs read, silent on what is hidden, and harmless."""

import base64
import csv
import io
import json
import random
import re
import time
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from minidl.errors import ConfigError, DataError
from minidl.grading.outcomes import Graded, Header, Outcome, Planned, graded
from minidl.grading.reports import FORMATS, check_formats, write_class, write_student
from minidl.grading.reports.clean import cell, fenced, inline, line, plain
from minidl.grading.reports.exchange import classroom, classroom_output, gradescope, junit
from minidl.grading.reports.feedback import html, markdown
from minidl.grading.reports.overview import grades_csv, overview
from minidl.plots.grading import plot_scores, plot_tasks

SEED = "5ecre7-5eed"
TESTS = (
    Planned("test_forward", "1.1", "forward multiplies and adds", 2, "visible", "y = x W + b"),
    Planned("test_batch", "1.1", "a batch of one works", 1.5, "hint", "is the first axis the batch?"),
    Planned("test_secret", "1.2", "large inputs do not overflow", 3, "hidden", "subtract the largest first"),
)
HEADER = Header(
    exercise="01",
    title="The dense layer & softmax",
    files=("layers.py",),
    tasks=(("1.1", "Dense: forward"), ("1.2", "Softmax <stable>")),
    tests=TESTS,
    digest="ab" * 32,
    seed=SEED,
    isolation="L2",
    budget=120.0,
    versions={"minidl": "0.6", "Python": "3.12.1", "NumPy": "2.4.0"},
    started="2026-03-01T10:00:00+00:00",
)
# What a submission may put into its exceptions, its output and its names.
EVIL = (
    "</pre></code><script>alert(1)</script><img src=x onerror=alert(2)>\n```\n# heading\n````sh\n"
    "[click](javascript:alert(3)) ![x](http://evil.example/x.png) | cell |\n"
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J \x00NUL \x08\x07 \ud800 \ufffe \u202egnitirw\n]]> <!-- &amp; &bogus;"
)


def submission(*outcomes, **options):
    done = {outcome.test.name: outcome for outcome in outcomes}
    return Graded(
        **{
            "id": "alice",
            "source": "alice.zip",
            "digest": "cd" * 32,
            "isolation": "L2",
            "finished": True,
            **options,
        },
        outcomes=tuple(done.get(test.name, Outcome(test)) for test in TESTS),
    )


def passed(index):
    return Outcome(TESTS[index], "passed", seconds=0.25)


def failed(index, **options):
    values = {"message": "STAFF-ONLY expected 3.14159", "shown": "shapes differ", "output": "PRINTED"}
    return Outcome(TESTS[index], **{"status": "failed", **values, **options})


GOOD = submission(*map(passed, range(3)))
MIXED = submission(passed(0), failed(1), failed(2, shown="hint: subtract the largest first"), seconds=1.5)
HOSTILE = submission(
    *(failed(i, shown=EVIL, message=EVIL, output=EVIL, cause=EVIL) for i in range(3)),
    ignored=("<b>x</b>|`y`",), notes=("layers.py: <i>*note*</i>",),
)  # fmt: skip
REFUSED = submission(reason="a name leads out of the archive: '../../<script>'", missing=("layers.py",))
TROUBLE = submission(passed(0), trouble="the grading process ended early (signal 9)")
ALL = {"good": GOOD, "mixed": MIXED, "hostile": HOSTILE, "refused": REFUSED, "trouble": TROUBLE}
STUDENT_FORMATS = {
    "markdown": markdown,
    "html": html,
    "gradescope": lambda *v: json.dumps(gradescope(*v), ensure_ascii=False),
    "junit": junit,
    "classroom": lambda *v: json.dumps(classroom(*v), ensure_ascii=False),
}


class Page(HTMLParser):
    """Collects tags, checks that they close in order, and keeps the text."""

    VOID = frozenset({"meta", "img", "br", "hr", "link"})

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.text, self.attributes = [], [], "", []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


# --- points -----------------------------------------------------------------------------------------


def test_points_are_those_of_the_plan():
    assert (HEADER.points, GOOD.points, MIXED.points, REFUSED.points) == (6.5, 6.5, 2, 0)
    begin = {"id": "a", "source": "a.zip", "digest": ""}
    forged = [{"name": "test_more", "status": "passed"}, {"name": "test_forward", "status": "passed"}]
    result = graded(HEADER, begin, forged)
    assert (len(result.outcomes), result.points) == (3, 2)  # a test outside the plan counts for nothing
    assert [o.status for o in result.outcomes] == ["passed", "not_run", "not_run"]
    with pytest.raises(DataError, match="unknown status 'won'"):
        graded(HEADER, begin, [{"name": "test_forward", "status": "won"}])


def test_points_are_final_only_if_nothing_of_the_graders_failed():
    assert GOOD.complete and MIXED.complete and REFUSED.complete
    assert not TROUBLE.complete
    assert not submission(failed(0, status="error")).complete
    assert not submission(passed(0), finished=False).complete


# --- what may be seen -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STUDENT_FORMATS)
@pytest.mark.parametrize("which", ALL)
def test_students_never_get_the_seed_or_the_full_message(name, which):
    text = STUDENT_FORMATS[name](HEADER, ALL[which])
    assert SEED not in text
    assert "STAFF-ONLY" not in text and "3.14159" not in text
    assert "signal 9" not in text


@pytest.mark.parametrize("name", STUDENT_FORMATS)
def test_what_was_printed_is_shown_for_visible_tests_only(name):
    """The output of a hidden test could hold its inputs."""
    make = STUDENT_FORMATS[name]
    for i, test in enumerate(TESTS):
        text = make(HEADER, submission(failed(i, output=f"MY-INPUT-{i}")))
        assert (f"MY-INPUT-{i}" in text) == (test.visibility == "visible")


@pytest.mark.parametrize("name", STUDENT_FORMATS)
def test_hidden_tests_say_title_and_hint(name):
    text = STUDENT_FORMATS[name](HEADER, MIXED)
    assert "large inputs do not overflow" in text
    assert "subtract the largest first" in text


@pytest.mark.parametrize("name", STUDENT_FORMATS)
def test_the_reason_and_the_trouble_are_told(name):
    make = STUDENT_FORMATS[name]
    assert "leads out of the archive" in make(HEADER, REFUSED).replace("\\", "")
    assert "incomplete" in make(HEADER, TROUBLE)
    assert "incomplete" not in make(HEADER, MIXED)


# --- harmless ---------------------------------------------------------------------------------------

BAD_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e]")


@pytest.mark.parametrize("name", STUDENT_FORMATS)
def test_no_control_character_survives(name):
    text = STUDENT_FORMATS[name](HEADER, HOSTILE)
    assert not BAD_CHARACTERS.search(text)
    assert "\\u001b" not in text and "[31m" not in text
    assert "red" in text  # what can be read is kept
    text.encode("utf-8")


def test_html_has_only_its_own_elements():
    allowed = set(Page(html(HEADER, MIXED)).tags)
    page = Page(html(HEADER, HOSTILE))
    assert set(page.tags) <= allowed
    assert not allowed & {"script", "img", "iframe", "link"}
    assert "<script>alert(1)</script>" in page.text  # shown as text
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert not any("javascript:" in (value or "") for _, value in page.attributes)
    policy = dict(page.attributes)["content"]
    assert "default-src 'none'" in html(HEADER, HOSTILE) and policy
    table = Page(overview(HEADER, [HOSTILE, REFUSED]))
    assert "script" not in table.tags


def blocks(text):
    """Return the lines of a Markdown text outside its fenced blocks, and the blocks."""
    outside, inside, fence = [], [], None
    for row in text.split("\n"):
        run = re.match(r"\s*(`{3,})", row)
        if fence is None and run:
            fence = run[1]
            inside.append([])
        elif fence is not None and re.fullmatch(rf"\s*`{{{len(fence)},}}\s*", row):
            fence = None
        elif fence is not None:
            inside[-1].append(row)
        else:
            outside.append(row)
    assert fence is None, "a block is left open"
    return outside, ["\n".join(rows) for rows in inside]


def test_markdown_keeps_foreign_text_in_fences():
    outside, inside = blocks(markdown(HEADER, HOSTILE))
    assert len(inside) == 4  # three tests, and the output of the visible one
    assert all("# heading" in text and "````sh" in text for text in inside)
    text = "\n".join(outside)
    assert "<script>" not in text and not re.search(r"(?<!\\)\]\(", text) and "<i>" not in text
    assert [row for row in outside if row.startswith("#")] == [
        "# Exercise 1: The dense layer \\& softmax",
        "## Task 1.1: Dense: forward (0 / 3.5)",
        "## Task 1.2: Softmax \\<stable\\> (0 / 3)",
    ]


def test_a_fence_is_longer_than_any_row_of_backticks():
    for count in (1, 3, 4, 17):
        _, (inside,) = blocks(fenced(f"a\n{'`' * count}\nb"))
        assert inside == f"a\n{'`' * count}\nb"


def test_text_is_made_plain():
    assert plain("a\x1b[1;31mb\x1b[0mc") == "abc"
    assert plain("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\") == "link"
    assert plain("a\r\nb\rc\td  \n\n") == "a\nb\nc\td"
    assert plain("\x00\x01") == "\N{REPLACEMENT CHARACTER}" * 2
    assert plain("\x00" * 500) == "\N{REPLACEMENT CHARACTER}" * 3
    assert plain("größer ≥ 日本 🙂") == "größer ≥ 日本 🙂"
    long = plain("x" * 10**6, 100)
    assert len(long) < 150 and long.endswith("[cut here: there is more]")
    assert line("a\n b\t c" * 100, 20) == "a b ca b ca b ca b\N{HORIZONTAL ELLIPSIS}"
    assert inline("*a* _b_ <c> [d](e) | 1") == r"\*a\* \_b\_ \<c\> \[d\](e) \| 1"
    starts = {"1. x": "1\\. x", "# x": "\\# x", "- x": "\\- x", "---": "\\---", "0.6": "0.6", "-1": "-1"}
    assert {text: inline(text) for text in starts} == starts
    assert "://" not in inline("http://evil.example") and "www." not in inline("www.evil.example")
    for text in ("=1+1", "+1", "-1", "@x", "|x"):
        assert cell(text) == f"'{text}"


def test_cleaning_takes_time_in_proportion():
    random_ = random.Random(0)
    text = "".join(random_.choice("\x1b[]0;m`\x00<a\n") for _ in range(200_000))
    began = time.process_time()
    for function in (plain, fenced, inline, line):
        function(text)
        function("\x1b]" * 100_000)
        function("\x1b[" + "0;" * 100_000)
    assert (
        time.process_time() - began < 10
    )  # it takes half a second; with the square of the length, many minutes


# --- the formats ------------------------------------------------------------------------------------

GRADESCOPE_TEST = {
    "name": str, "name_format": str, "number": str, "score": (int, float), "max_score": (int, float), "status": str,
    "output": str, "output_format": str, "visibility": str, "tags": list, "extra_data": dict,
}  # fmt: skip
GRADESCOPE = {
    "score": (int, float), "execution_time": (int, float), "output": str, "output_format": str, "visibility": str,
    "stdout_visibility": str, "extra_data": dict, "tests": list,
}  # fmt: skip
SHOWN = {"hidden", "after_due_date", "after_published", "visible"}
FORMATS_OF_TEXT = {"text", "html", "simple_format", "md", "ansi"}


@pytest.mark.parametrize("which", ALL)
def test_gradescope(which):
    """The keys and values are those of Gradescope's specification of results.json."""
    graded_one = ALL[which]
    value = json.loads(json.dumps(gradescope(HEADER, graded_one), allow_nan=False))
    assert {k: type(v) for k, v in value.items()}.keys() == GRADESCOPE.keys()
    assert all(isinstance(value[key], kind) for key, kind in GRADESCOPE.items())
    for test in value["tests"]:
        assert test.keys() == GRADESCOPE_TEST.keys()
        assert all(isinstance(test[key], kind) for key, kind in GRADESCOPE_TEST.items())
        assert test["status"] in ("passed", "failed") and test["visibility"] in SHOWN
        assert {test["name_format"], test["output_format"]} <= FORMATS_OF_TEXT
        assert 0 <= test["score"] <= test["max_score"]
        assert (test["status"] == "passed") == (test["score"] > 0)
    assert value["visibility"] in SHOWN and value["stdout_visibility"] == "hidden"
    # The score at the top overrides the sum of the tests, so it must be that sum.
    assert value["score"] == sum(test["score"] for test in value["tests"]) == graded_one.points
    assert sum(test["max_score"] for test in value["tests"]) == 6.5
    by_name = {test["name"]: test["visibility"] for test in value["tests"]}
    assert by_name["1.2 large inputs do not overflow"] == "after_published"
    assert [test["number"] for test in value["tests"]] == ["1.1.1", "1.1.2", "1.2.1"]
    assert value["extra_data"]["isolation"] == "L2"


JUNIT = {  # after the schema of Jenkins' xUnit plugin: element -> (attributes needed, allowed, children)
    "testsuites": (set(), {"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors"}, {"time", "skipped", "id"},
        {"properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "testcase": ({"name"}, {"time", "classname", "group"}, {"failure", "error", "skipped", "system-out"}),
    "failure": (set(), {"type", "message"}, set()),
    "error": (set(), {"type", "message"}, set()),
    "system-err": (set(), set(), set()),
}  # fmt: skip


def test_times_of_hidden_tests_reach_no_student():
    """A submission that sleeps for as long as a number it was given is large would tell the number to its author."""
    slow = [replace_seconds(outcome, 0.25) for outcome in MIXED.outcomes]
    slower = [
        replace_seconds(outcome, 0.25 if outcome.test.visibility != "hidden" else 7.5) for outcome in slow
    ]
    one, two = submission(*slow, seconds=1.0), submission(*slower, seconds=8.25)
    for report in (gradescope, junit, classroom, classroom_output):
        assert report(HEADER, one) == report(HEADER, two)
    assert gradescope(HEADER, one)["execution_time"] == 0.5
    assert [test["duration"] for test in classroom(HEADER, one)["tests"]] == [250, 250, 0]
    root = ElementTree.fromstring(junit(HEADER, one).encode())
    assert root.get("time") == "0.500"
    assert [case.get("time") for case in root.iter("testcase")] == ["0.250", "0.250", "0.000"]


def replace_seconds(outcome, seconds):
    return Outcome(**{**outcome.__dict__, "seconds": seconds})


@pytest.mark.parametrize("which", ALL)
def test_junit(which):
    root = ElementTree.fromstring(junit(HEADER, ALL[which]).encode("utf-8"))
    for element in root.iter():
        needed, allowed, children = JUNIT[element.tag]
        assert needed <= set(element.keys()) <= needed | allowed
        assert {child.tag for child in element} <= children
        if "time" in element.attrib:
            assert re.fullmatch(r"\d+\.\d{3}", element.get("time"))
    suites = root.findall("testsuite")
    assert [suite.get("name")[:3] for suite in suites] == ["1.1", "1.2"]
    for element in (root, *suites):
        cases = list(element.iter("testcase"))
        assert int(element.get("tests")) == len(cases)
        assert int(element.get("failures")) == sum(case.find("failure") is not None for case in cases)
        assert int(element.get("errors")) == sum(case.find("error") is not None for case in cases)
    properties = [{p.get("name"): p.get("value") for p in suite.iter("property")} for suite in suites]
    assert sum(float(values["points"]) for values in properties) == ALL[which].points
    assert properties[0]["isolation"] == "L2"
    # A test that was not run must not look harmless.
    passes = sum(len(case) == 0 for case in root.iter("testcase"))
    assert passes == sum(outcome.passed for outcome in ALL[which].outcomes)


@pytest.mark.parametrize(
    ("which", "status"), [("good", "pass"), ("mixed", "fail"), ("trouble", "error"), ("refused", "fail")]
)
def test_classroom(which, status):
    text = classroom_output(HEADER, ALL[which])
    assert text.startswith("result=") and text.count("\n") == 1 and text.endswith("\n")
    value = json.loads(base64.b64decode(text[7:-1], validate=True))
    assert value == classroom(HEADER, ALL[which])
    assert (value["version"], value["max_score"], value["status"]) == (3, 6.5, status)
    assert sum(test["score"] for test in value["tests"]) == ALL[which].points
    assert all(
        test["status"] in ("pass", "fail", "error") and test["test_code"] == "" for test in value["tests"]
    )


def test_class_csv():
    everyone = [GOOD, MIXED, REFUSED, submission(passed(2), id="bob", source="=2+5", ignored=("-x",))]
    rows = list(csv.DictReader(io.StringIO(grades_csv(HEADER, everyone))))
    assert [row["points"] for row in rows] == ["6.5", "2", "0", "3"]
    assert rows[1]["task 1.1"] == "2" and rows[1]["task 1.2"] == "0" and rows[1]["percent"] == "30.8"
    assert rows[1]["not_passed"] == "2 failed"
    assert rows[2]["remark"].startswith("The submission could not be graded")
    assert rows[3]["source"] == "'=2+5"
    assert all(not (value or " ").startswith(("=", "+", "-", "@")) for row in rows for value in row.values())
    assert SEED not in grades_csv(HEADER, everyone)


# --- the class overview -----------------------------------------------------------------------------


def make_class(count=60, seed=0):
    random_ = random.Random(seed)
    causes = ["transposed", "off by a factor of N", "bias missing", "ValueError"]
    everyone = []
    for i in range(count):
        skill = random_.random()
        outcomes = [
            passed(j) if random_.random() < skill else failed(j, cause=random_.choice(causes))
            for j in range(3)
        ]
        everyone.append(submission(*outcomes, id=f"student{i:02}", digest=f"{i:064x}", seconds=0.4))
    return [
        *everyone,
        REFUSED,
        submission(*map(passed, range(3)), id="twin", digest=f"{0:064x}", seconds=0.4),
    ]


def test_overview_names_what_is_hard_and_why():
    everyone = make_class()
    page = Page(overview(HEADER, everyone))
    for heading in (
        "Distribution",
        "Hardest tests",
        "Commonest mistakes",
        "Identical submissions",
        "could not be taken",
    ):
        assert heading in page.text
    transposed = sum(
        any(o.cause == "transposed" and o.test.task == "1.1" for o in s.outcomes) for s in everyone
    )
    assert re.search(rf"transposed1.1 Dense: forward{transposed}student", page.text)
    assert "student00, twin" in page.text
    assert page.tags.count("img") == 2
    assert SEED not in page.text and "62 submissions" in page.text


def test_overview_of_odd_classes():
    assert "No submission has been graded" in overview(HEADER, [])
    assert "Every submission passed every test" in overview(HEADER, [GOOD])
    page = overview(HEADER, [REFUSED, TROUBLE])
    assert "Grading is incomplete for 1 of 2" in page
    local = Header(**{**HEADER.__dict__, "isolation": "L0"})
    assert "these are no grades" in overview(local, [GOOD])


def test_pictures_count_everybody():
    axes = plot_scores([0, 6.5, 6.5, 3.2, 0.1], 6.5).axes[0]
    heights = [bar.get_height() for bar in axes.patches]
    assert (len(heights), sum(heights), heights[0], heights[-1]) == (20, 5, 2, 2)
    axes = plot_tasks(["1.1 a", "1.2 $b$" + "x" * 99], [0.5, 1.0]).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [50, 100]
    assert np.all(np.diff([bar.get_y() for bar in axes.patches]) > 0) and axes.yaxis_inverted()
    with pytest.raises(ValueError):
        plot_scores([], 5)
    with pytest.raises(ValueError):
        plot_tasks(["a"], [])


# --- writing ----------------------------------------------------------------------------------------


def test_files_and_formats(tmp_path):
    write_student(tmp_path / "students", HEADER, MIXED, FORMATS)
    names = ["classroom.json", "classroom.txt", "feedback.html", "feedback.md", "junit.xml", "results.json"]
    assert sorted(path.name for path in (tmp_path / "students" / "alice").iterdir()) == names
    write_class(tmp_path / "staff", HEADER, [MIXED], FORMATS)
    assert sorted(path.name for path in (tmp_path / "staff").iterdir()) == ["grades.csv", "overview.html"]
    (written,) = write_student(tmp_path / "one", HEADER, HOSTILE, ["gradescope"])
    assert json.loads(written.read_text(encoding="utf-8"))["score"] == 0
    assert write_class(tmp_path / "none", HEADER, [MIXED], ["junit"]) == []
    assert check_formats([]) == FORMATS
    assert check_formats(["junit,csv", "html"]) == ("csv", "html", "junit")
    with pytest.raises(ConfigError, match="no format 'pdf'"):
        check_formats(["pdf"])


def test_reports_are_the_same_bytes_every_time():
    for make in (*STUDENT_FORMATS.values(), lambda h, s: overview(h, [s]), lambda h, s: grades_csv(h, [s])):
        assert make(HEADER, MIXED) == make(HEADER, MIXED)


def test_feedback_does_not_depend_on_times():
    """Grades and feedback are the same for any number of jobs and after a resume; seconds are not."""
    slow = submission(
        *(Outcome(**{**o.__dict__, "seconds": 9.0, "peak_rss_mb": 77.0}) for o in MIXED.outcomes),
        seconds=55.0,
    )
    for make in (markdown, html, classroom):
        if make is not classroom:
            assert make(HEADER, slow) == make(HEADER, MIXED)
    assert grades_csv(HEADER, [slow]) == grades_csv(HEADER, [MIXED])
