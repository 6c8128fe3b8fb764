"""The class that the red team is in, what it must not find, and the grading of it."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from minidl.grading.build import reference_files
from minidl.grading.finding import find_exercise
from minidl.grading.outcomes import Graded
from minidl.grading.record import Record
from tests.redteam.archives import Handed, handed_in, make_files
from tests.redteam.cases import Case, compose, read_cases

ROOT = Path(__file__).resolve().parents[2]
NOBODY = 65534
SECONDS = 0.75  # for a test: most attacks on time are waited for once
# Tests whose calls are those of other tests: without them the class is graded in half the time.
LEFT_OUT = re.compile(
    r"test_(dense_forward|dense_grad_\w+_numerically|dense_grad_(bias|input)|cross_entropy)\w*"
)
PORT = 47_123

# What must not come out, and where each lies.
CANARIES = {
    name: f"CANARY-{name}-5c1f7be2" for name in ("FILE", "TESTS", "REFERENCE", "OTHER", "SEED", "ENVIRONMENT")
}


@dataclass
class Arena:
    """Folders of a red-team run.

    Attributes
    ----------
    root : Path
        With ``exercises``, ``submissions``, ``secret`` and ``out``.
    cases, handed : list
        What is in ``submissions``, besides honest ones.
    told : dict
        What `tests.redteam.watched` said of the run.
    graded : dict of str to Graded
    """

    root: Path
    cases: list[Case]
    handed: list[Handed]
    told: dict = field(default_factory=dict)
    graded: dict[str, Graded] = field(default_factory=dict)

    @property
    def submissions(self) -> Path:
        return self.root / "submissions"

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def mark(self) -> Path:
        return self.root / "trace" / "redteam-was-here"

    def places(self) -> dict[str, str]:
        """Return the paths that an attacker might know."""
        exercise = self.root / "exercises" / "ex01_dense"
        return {
            "secret": str(self.root / "secret" / "notes.txt"),
            "tests": str(exercise / "tests" / "test_private.py"),
            "reference": str(exercise / "source" / "layers.py"),
            "other": str(self.submissions / "honest.py"),
            "record": str(self.out / "staff" / "record.jsonl"),
            "grades": str(self.out / "staff" / "grades.csv"),
            "minidl": str(ROOT / "minidl" / "__init__.py"),
        }

    def state(self) -> dict[str, tuple]:
        """Return all files that nobody may touch: kind, owner, date, content."""
        found = {}
        for top in ("exercises", "submissions", "secret", "trace"):
            for path in sorted((self.root / top).rglob("*")):
                status = path.lstat()
                content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
                digest = hashlib.sha256(content).hexdigest()
                found[str(path)] = (
                    status.st_mode,
                    status.st_uid,
                    status.st_mtime_ns,
                    status.st_nlink,
                    digest,
                )
        return found

    def grade(self, user: str, jobs: int, *options: str, seconds: float = 300) -> None:
        """Grade the class with the command, as this user or another."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "REDTEAM_CANARY": CANARIES["ENVIRONMENT"],
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "MPLCONFIGDIR": str(self.root / "plots"),
        }
        program = [
            *(sys.executable, "-m", "minidl", "grade", "1", str(self.submissions), "--out", str(self.out)),
            *("--exercises", str(self.root / "exercises"), "--seed", CANARIES["SEED"], "--jobs", str(jobs)),
            *("--require-isolation", "L2", *options),
        ]
        watched = [sys.executable, "-m", "tests.redteam.watched", user, str(seconds), *program]
        done = subprocess.run(
            watched, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=seconds + 60
        )
        lines = done.stdout.splitlines()
        assert done.returncode == 0 and lines, done.stderr[-2000:]
        self.told = {**json.loads(lines[-1]), "printed": done.stdout, "errors": done.stderr}
        self.graded = Record.read(self.out / "staff" / "record.jsonl").submissions


def make_arena(*, everybody: bool = True, owner: int = 0, whole: bool = False) -> Arena:
    """Return a new class: honest submissions and hostile ones.

    Parameters
    ----------
    everybody : bool
        Take all submissions; otherwise those that concern another user.
    owner : int
        Whose the files are.
    whole : bool
        Take the exercise as it is; otherwise without some tests, and with limits that are reached sooner.
    """
    root = Path(tempfile.mkdtemp(prefix="redteam-"))
    cases = [case for case in read_cases() if everybody or case.user]
    arena = Arena(root, cases, handed_in() if everybody else [])
    root.chmod(0o755)
    for name in ("submissions", "secret", "trace", "out", "plots"):
        (root / name).mkdir()
    _copy_exercise(root / "exercises" / "ex01_dense", whole)
    (root / "secret" / "notes.txt").write_text(CANARIES["FILE"])
    reference = reference_files(find_exercise(1))["layers.py"].decode()
    prelude = (Path(__file__).parent / "prelude.py").read_text(encoding="utf-8")
    for name, value in (("PLACES", arena.places()), ("MARK", str(arena.mark)), ("PORT", PORT)):
        prelude = prelude.replace(
            f"\n{name} = {type(value)()!r}\n".replace("''", '""'), f"\n{name} = {value!r}\n"
        )
    honest = f"{reference}\n# {CANARIES['OTHER']}\n"
    (arena.submissions / "honest.py").write_text(honest)
    (arena.submissions / "wrong_relu.py").write_text(honest.replace("np.maximum(x, 0)", "np.abs(x)"))
    for case in cases:
        (arena.submissions / f"{case.name}.py").write_text(
            compose(case, reference, prelude), encoding="utf-8"
        )
    files = make_files(reference, str(arena.mark))
    for handed in arena.handed:
        handed.make(arena.submissions / handed.name, files)
    if owner:
        # What the grading user's own files are at stake, not only those of root.
        for path in (*root.rglob("*"), root):
            os.chown(path, owner, owner, follow_symlinks=False)
    return arena


def _copy_exercise(folder: Path, whole: bool) -> None:
    original = find_exercise(1)
    shutil.copytree(original.folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
    if not whole:
        spec = folder / "exercise.toml"
        text = spec.read_text(encoding="utf-8")
        text = re.sub(r"^seconds = .*$", f"seconds = {SECONDS}", text, flags=re.MULTILINE)
        text = re.sub(r"^memory_mb = .*$", "memory_mb = 256", text, flags=re.MULTILINE)
        points: Counter[str] = Counter()
        for path in (folder / "tests").glob("*.py"):
            path.write_text(_fewer_tests(path.read_text(encoding="utf-8"), points), encoding="utf-8")
        for task in original.tasks:
            there = rf'(\[\[tasks\]\]\nid = "{task.id}"\n.*\npoints = ).*\n'
            text = re.sub(there, rf"\g<1>{points[task.id]}\n" if points[task.id] else "", text)
        spec.write_text(text, encoding="utf-8")
    for path, name in (
        (folder / "tests" / "test_private.py", "TESTS"),
        (folder / "source" / "layers.py", "REFERENCE"),
    ):
        path.write_text(
            f"{path.read_text(encoding='utf-8')}\n_CANARY = '{CANARIES[name]}'\n", encoding="utf-8"
        )


def _fewer_tests(text: str, points: Counter[str]) -> str:
    """Return a file of tests without those in `LEFT_OUT`; add the points of the others to those of their tasks."""
    lines = text.splitlines()
    for node in ast.parse(text).body:
        if not isinstance(node, ast.FunctionDef) or not node.decorator_list:
            continue
        mark = node.decorator_list[0]
        if LEFT_OUT.fullmatch(node.name):
            lines[mark.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - mark.lineno + 1)
        else:
            points[mark.args[0].value] += next(k.value.value for k in mark.keywords if k.arg == "points")
    return "\n".join(lines)


def listening() -> bool:
    """Return whether anybody listens at the port that the attackers try to open."""
    try:
        socket.create_connection(("127.0.0.1", PORT), 1).close()
    except OSError:
        return False
    return True


def texts_of(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files below a folder with their texts."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path, path.read_text(encoding="utf-8")
