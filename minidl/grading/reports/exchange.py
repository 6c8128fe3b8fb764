"""Results in the formats of other programs: Gradescope, JUnit, GitHub Classroom.

All three reach students, so they hold what the feedback holds and no more.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree

from minidl.grading.outcomes import Graded, Header, Outcome
from minidl.grading.reports.clean import line, plain
from minidl.grading.reports.feedback import WORDS, ignored, output_of, remarks, score_line, text_of

# Gradescope shows a hidden test after the grades are published; until then it also keeps the total back.
_GRADESCOPE = {"visible": "visible", "hint": "visible", "hidden": "after_published"}


def gradescope(header: Header, submission: Graded) -> dict[str, Any]:
    """Return the value of Gradescope's ``results.json``."""
    numbers: dict[str, int] = {}
    tests = []
    for outcome in submission.outcomes:
        test = outcome.test
        numbers[test.task] = numbers.get(test.task, 0) + 1
        tests.append(
            {
                "name": f"{test.task} {line(test.title)}",
                "name_format": "text",
                "number": f"{test.task}.{numbers[test.task]}",
                "score": outcome.points,
                "max_score": test.points,
                "status": "passed" if outcome.passed else "failed",
                "output": _text(outcome),
                "output_format": "text",
                "visibility": _GRADESCOPE[test.visibility],
                "tags": [f"task {test.task}"],
                "extra_data": {"status": outcome.status},
            }
        )
    return {
        "score": submission.points,
        "execution_time": round(_seconds(submission.outcomes), 3),
        "output": "\n".join(_remarks(submission)),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "extra_data": {
            "exercise": header.exercise,
            "isolation": submission.isolation,
            "complete": submission.complete,
            "minidl": header.versions.get("minidl", ""),
        },
        "tests": tests,
    }


def junit(header: Header, submission: Graded) -> str:
    """Return JUnit XML: a suite for each task, the points as properties."""
    root = ElementTree.Element("testsuites", name=f"exercise {header.exercise}: {submission.id}")
    root.attrib.update(_counts(list(submission.outcomes)))
    for task, title in header.tasks:
        outcomes = submission.of_task(task)
        attributes = {"name": f"{task} {line(title)}", **_counts(outcomes)}
        suite = ElementTree.SubElement(root, "testsuite", attributes)
        values = {
            "points": sum(o.points for o in outcomes),
            "max_points": sum(o.test.points for o in outcomes),
            "isolation": submission.isolation,
        }
        properties = ElementTree.SubElement(suite, "properties")
        for name, value in values.items():
            ElementTree.SubElement(properties, "property", name=name, value=str(value))
        for outcome in outcomes:
            _junit_case(suite, header, outcome)
        notes = _remarks(submission)
        if notes and task == header.tasks[0][0]:
            ElementTree.SubElement(suite, "system-err").text = "\n".join(notes)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def classroom(header: Header, submission: Graded) -> dict[str, Any]:
    """Return the result, version 3, that GitHub Classroom's reporter reads."""
    statuses = {"passed": "pass", "error": "error"}
    tests = []
    for outcome in submission.outcomes:
        status = statuses.get(outcome.status, "fail")
        tests.append(
            {
                "name": f"{outcome.test.task} {line(outcome.test.title)}",
                "status": status,
                "score": outcome.points,
                "max_score": outcome.test.points,
                "task_id": outcome.test.task,
                "message": None if outcome.passed else _text(outcome),
                "test_code": "",  # the source of a test is never shown
                "filename": "",
                "line_no": 0,
                "duration": round(1000 * _seconds([outcome])),
            }
        )
    if not submission.complete:
        status = "error"
    else:
        status = "pass" if all(outcome.passed for outcome in submission.outcomes) else "fail"
    level = f"isolation {submission.isolation}"
    message = "\n".join([score_line(header, submission), level, *_remarks(submission)])
    return {"version": 3, "status": status, "max_score": header.points, "message": message, "tests": tests}


def classroom_output(header: Header, submission: Graded) -> str:
    """Return the line for the file that ``$GITHUB_OUTPUT`` names: the result in base64, which is one line."""
    text = json.dumps(classroom(header, submission), allow_nan=False)
    return f"result={base64.b64encode(text.encode('utf-8')).decode('ascii')}\n"


def _text(outcome: Outcome) -> str:
    if outcome.passed:
        return ""
    parts = [WORDS[outcome.status], text_of(outcome)]
    if output_of(outcome):
        parts += ["", "Your code printed:", output_of(outcome)]
    return "\n".join(parts).rstrip()


def _counts(outcomes: list[Outcome]) -> dict[str, str]:
    # A test that was not run is a failure: readers of the format take a skipped one for harmless.
    return {
        "tests": str(len(outcomes)),
        "failures": str(sum(o.status not in ("passed", "error") for o in outcomes)),
        "errors": str(sum(o.status == "error" for o in outcomes)),
        "time": f"{_seconds(outcomes):.3f}",
    }


def _seconds(outcomes: Iterable[Outcome]) -> float:
    """Return the time of tests that are not hidden.

    That of a hidden test stays with the staff: a submission could sleep for as long as a number it was given is large,
    and its author would read the number here.
    """
    return math.fsum(o.seconds for o in outcomes if o.test.visibility != "hidden")


def _junit_case(suite: ElementTree.Element, header: Header, outcome: Outcome) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        name=line(outcome.test.title),
        classname=f"exercise{header.exercise}.task{outcome.test.task}",
        time=f"{_seconds([outcome]):.3f}",
    )
    if outcome.passed:
        return
    kind = "error" if outcome.status == "error" else "failure"
    element = ElementTree.SubElement(case, kind, message=line(text_of(outcome)), type=outcome.status)
    element.text = plain(_text(outcome))


def _remarks(submission: Graded) -> list[str]:
    return [text for text in (*remarks(submission), ignored(submission)) if text]
