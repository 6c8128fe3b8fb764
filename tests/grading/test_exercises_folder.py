"""The exercises as a whole: all of them are listed, installed, and rebuilt from their sources."""

import configparser
import fnmatch
import re
from pathlib import Path

import pytest

from minidl.grading.build import handout_files
from minidl.grading.finding import find_exercises
from minidl.grading.mutate import mutants, read_equivalents
from minidl.grading.verify import static
from minidl.grading.verify.mistakes import FEWEST_MUTANTS, read_mistakes

ROOT = Path(__file__).parents[2]
EXERCISES = find_exercises(ROOT / "exercises")
each = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.folder_name)


def installed():
    """Return the patterns of setup.cfg by the folder they are installed in, below share/minidl."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    section = config["options.data_files"]
    return {folder.removeprefix("share/minidl/"): value.split() for folder, value in section.items()}


@each
def test_every_file_is_installed_in_its_place(exercise):
    """Without, `minidl exercise start` and `minidl grade` would work in a checkout alone."""
    patterns = installed()
    missing = []
    for path in exercise.folder.rglob("*"):
        name = path.relative_to(ROOT).as_posix()
        if path.is_file() and "__pycache__" not in name and not path.name.startswith("."):
            wanted = patterns.get(name.rpartition("/")[0], [])
            if not any(fnmatch.fnmatch(name, pattern) for pattern in wanted):
                missing.append(name)
    assert missing == []


def test_no_pattern_of_setup_cfg_is_empty():
    empty = [pattern for values in installed().values() for pattern in values if not list(ROOT.glob(pattern))]
    assert empty == []


@each
def test_it_is_listed(exercise):
    page = (ROOT / "exercises" / "README.md").read_text(encoding="utf-8")
    link = f"[{exercise.title}]({exercise.folder_name}/handout.md)"
    assert f"| {exercise.number} | {link} | {exercise.points:g} | {exercise.hours:g} |" in page


@each
def test_it_is_well_formed(exercise):
    assert static.check_secrets(exercise).problems == ()
    assert len(read_mistakes(exercise)) >= FEWEST_MUTANTS
    assert read_equivalents(exercise).keys() <= {mutant.id for mutant in mutants(exercise)}
    page = handout_files(exercise)["README.md"].decode()
    assert "{{" not in page and re.match(rf"# Exercise {exercise.number}: ", page)
