"""The command line as a whole: exit codes, error lines, pipes and Ctrl-C."""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import minidl
from minidl.cli import main as command_line
from minidl.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
# Output is buffered, as it is for a user: some machines set PYTHONUNBUFFERED.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}


class Command:
    """A command that does what a test wants; it stands in for a module of `minidl.cli`."""

    def __init__(self, run):
        self.run = run

    def add_parser(self, subparsers):
        subparsers.add_parser("probe").add_argument("--size", type=int, default=1)


@pytest.fixture
def probe(monkeypatch):
    """Make ``minidl probe`` run the given function."""

    def install(run):
        monkeypatch.setattr(command_line, "COMMANDS", {"probe": Command(run)})

    return install


def raising(error):
    def run(args: argparse.Namespace) -> int:
        raise error

    return run


def minidl_command(*words, **options):
    return subprocess.run(
        [sys.executable, "-m", "minidl", *words],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )


def test_module_and_version():
    done = minidl_command("--version")
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, f"minidl {minidl.__version__}", "")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "required: COMMAND"),
        (["no-such-command"], "invalid choice: 'no-such-command'"),
        (["--no-such-option"], "minidl: error"),
        (["summary"], "--rung"),
        (["summary", "--rung", "3", "--preset", "slow"], "invalid choice: 'slow'"),
    ],
)
def test_a_wrong_command_line_exits_with_2(words, complaint, capsys):
    with pytest.raises(SystemExit) as exit_:
        command_line.main(words)
    assert exit_.value.code == 2
    assert complaint in capsys.readouterr().err


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as exit_:
        command_line.main(["--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    assert [name for name in command_line.COMMANDS if not re.search(rf"\n    {name}\s", text)] == []


@pytest.mark.parametrize("name", list(command_line.COMMANDS))
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as exit_:
        command_line.main([name, "--help"])
    assert exit_.value.code == 0
    assert f"usage: minidl {name}" in capsys.readouterr().out


def test_the_exit_code_of_a_command_is_passed_on(probe):
    probe(lambda args: 3 + args.size)
    assert command_line.main(["probe", "--size", "4"]) == 7


def test_an_error_for_the_user_is_one_line_and_exit_code_2(probe, capsys):
    probe(raising(ConfigError("rungs must be numbers from 0 to 11, got 'x'")))
    assert command_line.main(["probe"]) == 2
    captured = capsys.readouterr()
    assert captured.err == "minidl: error: rungs must be numbers from 0 to 11, got 'x'\n"
    assert captured.out == ""


def test_a_refusal_of_the_system_names_the_file(probe, capsys):
    probe(raising(PermissionError(13, "Permission denied", "/somewhere/report.html")))
    assert command_line.main(["probe"]) == 2
    assert capsys.readouterr().err == "minidl: error: /somewhere/report.html: Permission denied\n"


@pytest.mark.parametrize("error", [ValueError("a bug"), OSError("no file is named")])
def test_a_bug_keeps_its_traceback(probe, error):
    probe(raising(error))
    with pytest.raises(type(error), match=str(error)):
        command_line.main(["probe"])


def test_ctrl_c_exits_with_130(probe, capsys):
    probe(raising(KeyboardInterrupt()))
    assert command_line.main(["probe"]) == 130
    assert capsys.readouterr().err == "minidl: stopped\n"


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_reader_that_went_away_is_no_traceback(lines):
    """A short text fails when the buffer is flushed, a long one while it is printed."""
    source = f"""
import sys
from minidl.cli import main as command_line
class Talkative:
    def add_parser(self, subparsers):
        subparsers.add_parser("talk")
    def run(self, args):
        for _ in range({lines}):
            print("x" * 80)
        return 0
command_line.COMMANDS = {{"talk": Talkative()}}
sys.exit(command_line.main(["talk"]))
"""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", source],
        env=ENVIRONMENT,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_summary_prints_the_network_of_the_lecture(capsys):
    assert command_line.main(["summary", "--rung", "3"]) == 0
    text = capsys.readouterr().out
    # Two convolutions of 20 and 40 filters, then 100 and 10 units:
    # 20*26 + 40*(20*25 + 1) + 640*100 + 100 + 100*10 + 10 = 520 + 20,040 + 64,100 + 1,010 = 85,670.
    assert "85,670" in text
    assert "Conv2D" in text


def test_summary_of_a_rung_that_does_not_exist(capsys):
    assert command_line.main(["summary", "--rung", "99"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("minidl: error: ") and "99" in captured.err
    assert captured.err.count("\n") == 1
