"""The scripts and pages of the packages. ``@name@`` is filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping


def fill(text: str, values: Mapping[str, str]) -> bytes:
    """Put values in the places of ``@name@``; every place must have one."""
    return re.sub(r"@([a-z]+)@", lambda match: values[match[1]], text).encode("utf-8")


GRADESCOPE_SETUP = """\
#!/usr/bin/env bash
# Exercise @number@: @title@
# Gradescope runs this once, when it makes the image. Only this step needs a network.
set -euo pipefail

root=${AUTOGRADER_ROOT:-/autograder}
apt-get update -qq
apt-get install -y -qq python3 python3-venv
python3 -m venv /opt/minidl
/opt/minidl/bin/pip install --quiet "numpy>=2.0" "tomli>=2.0; python_version < '3.11'"
# The tests are nobody's business but the grader's.
chmod -R go-rwx "$root/source"
"""

GRADESCOPE_RUN = """\
#!/usr/bin/env bash
# Exercise @number@: @title@
# Gradescope runs this for every submission. Nothing of the submission is imported or run here: `minidl grade`
# starts a jailed process for each task and judges the values that come back.
set -uo pipefail

root=${AUTOGRADER_ROOT:-/autograder}
python=${MINIDL_PYTHON:-/opt/minidl/bin/python}
results=$root/results/results.json
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Until there is a better one, this is the result: whatever goes wrong gives no points.
mkdir -p "$root/results"
cat > "$results" <<'JSON'
{"score": 0, "tests": [],
 "output": "Grading is incomplete. This is not your fault: tell the staff, who will grade again."}
JSON

# The folder of submissions holds this one alone, whatever the student has put into it. Links stay links.
mkdir "$work/class"
cp -RP "$root/submission" "$work/class/submission"

cd "$root/source" || exit 1
"$python" -B -m minidl grade @number@ "$work/class" --out "$work/out" --exercises "$root/source/exercises" \\
    --jobs 1 --format gradescope --require-isolation @isolation@
code=$?

found=$work/out/students/submission/results.json
if [[ -f $found ]]; then
    cp "$found" "$results.part" && mv "$results.part" "$results"
fi
exit "$code"
"""

CLASSROOM_WORKFLOW = """\
# Exercise @number@: @title@
# The grader and its tests come from @repository@ at a fixed commit, not from this repository:
# changing the tests here changes nothing but what you see when you run them yourself.
name: Exercise @number@
on: [push, workflow_dispatch]
permissions:
  checks: write
  actions: read
  contents: read
jobs:
  grade:
    runs-on: ubuntu-24.04
    timeout-minutes: 10
    if: github.actor != 'github-classroom[bot]'
    steps:
      - name: The submission
        uses: actions/checkout@v4
        with:
          path: class/submission
          persist-credentials: false
      - name: The grader
        uses: actions/checkout@v4
        with:
          repository: @repository@
          ref: @commit@
          path: grader
          persist-credentials: false
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: python -I -m pip install --quiet "numpy>=2.0"
      - name: Grade
        id: minidl
        working-directory: grader
        run: |
          out=$RUNNER_TEMP/results
          python -B -m minidl grade @number@ "$GITHUB_WORKSPACE/class" --out "$out" --exercises "$PWD/exercises" \\
              --jobs 1 --format classroom,markdown --require-isolation @isolation@ || code=$?
          cat "$out/students/submission/classroom.txt" >> "$GITHUB_OUTPUT"
          cat "$out/students/submission/feedback.md" >> "$GITHUB_STEP_SUMMARY"
          exit "${code:-0}"
      - name: Report to GitHub Classroom
        if: always()
        uses: classroom-resources/autograding-grading-reporter@v1
        env:
          MINIDL_RESULTS: "${{ steps.minidl.outputs.result }}"
        with:
          runners: minidl
"""

CLASSROOM_INSTRUCTIONS = """\
# Exercise @number@ for GitHub Classroom: @title@

Made by minidl @version@. Two folders go into two repositories.

1. `grader/` is the content of **@repository@**, which belongs to the course: minidl, and the exercise with
   its private tests but without the solution. Commit it. The workflow asks for the commit `@commit@`; if yours
   has another number, run `minidl exercise package @number@ --for github-classroom --grader @repository@@COMMIT`
   again with that, or edit `ref:` in the workflow. A commit, not a branch: then nobody's push changes how
   yesterday's work was graded.
2. `template/` is the template repository of the assignment: what students start from, and
   `.github/workflows/classroom.yml`. In GitHub Classroom choose it as the starter code, and add no
   autograding tests of GitHub's own. Protect the folder `.github` (assignment settings, "protected file
   paths").@earlier@

Every push then runs the grader on @files@ and reports the points.

## What this protects, and what it does not

The grader takes from the student's repository only @files@. Tests, points and limits come from the grader's
repository, and the student's code runs in a process that sees neither (isolation @isolation@ or no grade at all).

A student can still edit the workflow in their own repository: it is theirs. So treat the points on the page as
a service to students. For the grades that count, clone the repositories at the deadline and grade them yourself:

```sh
gh classroom clone student-repos --assignment-id ID
minidl grade @number@ FOLDER-OF-REPOSITORIES --out grades --require-isolation @isolation@
```

The workflow must be able to read @repository@, so what is in it can be read by students as well, if they try.
That costs nothing: private tests draw their numbers anew from a secret of each run, and there are no stored
answers. If you want tests that nobody has seen, keep them elsewhere and grade with `--private DIR`.
"""

PLAIN_README = """\
# Exercise @number@ for instructors: @title@

Made by minidl @version@. **Not for students**: this folder holds the solution and the private tests. What they
get is `@folder@.zip`.

Check the exercise, then grade what was handed in (zip, tar, folders or single files, one for each student):

```sh
minidl exercise verify @number@ --exercises exercises
minidl grade @number@ SUBMISSIONS --out grades --exercises exercises --require-isolation L2
```

`grades/staff/grades.csv` has the points, `grades/students/` a page of feedback for each student.
"""
