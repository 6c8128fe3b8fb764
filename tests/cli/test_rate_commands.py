"""``minidl plot schedule`` and ``minidl lr-find``: what they write, and what they refuse."""

import pytest

from minidl.cli import main as command_line
from minidl.cli.picture_file import check_picture_name, save_picture
from minidl.errors import ConfigError
from minidl.plots import schedule_curves
from minidl.schedules import Cosine, sample
from minidl.training import History

START = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(words, capsys):
    """Run a command that must fail; return its one line of complaint."""
    try:
        code = command_line.main(words)
    except SystemExit as exit_:  # argparse
        assert exit_.code == 2
        return capsys.readouterr().err.splitlines()[-1]
    captured = capsys.readouterr()
    assert code == 2 and captured.out == ""
    assert captured.err.startswith("minidl: error: ") and captured.err.count("\n") == 1
    return captured.err


# plot


def test_a_schedule_is_drawn_to_a_sensible_place(folder, capsys):
    assert command_line.main(["plot", "schedule", "Warmup(Cosine(0.1), fraction=0.05)", "OneCycle(0.5)"]) == 0
    assert capsys.readouterr().out == "wrote schedule.png\n"
    assert [path.name for path in folder.iterdir()] == ["schedule.png"]
    assert (folder / "schedule.png").read_bytes().startswith(START[".png"])


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf", ".PNG"])
def test_formats_go_by_the_name_and_the_folder_is_made(folder, suffix):
    words = ["plot", "schedule", "Cosine(0.1)", "--epochs", "5", "--batches", "7", "--log"]
    assert command_line.main([*words, "--out", f"new/curve{suffix}"]) == 0
    assert (folder / f"new/curve{suffix}").read_bytes().startswith(START[suffix.lower()])


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_same_picture_has_the_same_bytes(folder, suffix):
    for name in ("a", "b"):
        save_picture(schedule_curves({"Cosine(0.1)": sample(Cosine(0.1))}), folder / f"{name}{suffix}")
    assert (folder / f"a{suffix}").read_bytes() == (folder / f"b{suffix}").read_bytes()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["Cosin(0.1)"], "SCHEDULE: there is no 'Cosin'; did you mean 'Cosine'?"),
        (["Cosine(0.1)", "Cosine(lrr=0.1)"], "Cosine has no option 'lrr'; did you mean 'lr'?"),
        (["Cosine(-1)"], "lr must be a finite number, at least 0"),
        (["Cosine('x')"], "lr must be a finite number, at least 0"),
        (["Warmup(Cosine(0.1), fraction='x')"], "Warmup cannot be made from"),
        (["Cosine(0.1"], "is not a call"),
        (["3"], "expected a call"),
        (["StepDecay(1, factor=1e300, every=0.1)"], "is no finite number"),
        (["Product([Constant(1e300), Constant(1e300)])"], "not a finite number"),
        (["Cosine(0.1)"] * 2 + [f"Constant({k})" for k in range(8)], "at most 7 schedules"),
        (["Cosine(0.1)", "--epochs", "0"], "--epochs must be 1 or more, got 0"),
        (["Cosine(0.1)", "--epochs", "3", "--batches", "-1"], "--batches must be 1 or more, got -1"),
        (["Cosine(0.1)", "--batches", "3"], "--batches needs --epochs"),
        (["Cosine(0.1)", "--epochs", "1000", "--batches", "9999"], "steps must be from 1 to 1,000,000"),
        (["Cosine(0.1)", "--out", "x.jpg"], "--out x.jpg: a picture's name ends in .png, .svg or .pdf"),
        (["Cosine(0.1)", "--out", "x"], "--out x: a picture's name ends in"),
        (["Cosine(0.1)", "--colour", "red"], "unrecognized arguments: --colour red"),
        ([], "required: SCHEDULE"),
    ],
)
def test_a_wrong_schedule_command_writes_nothing(folder, capsys, words, complaint):
    assert complaint in refused(["plot", "schedule", *words], capsys)
    assert list(folder.iterdir()) == []


def test_a_folder_is_no_file(folder, capsys):
    (folder / "x.png").mkdir()
    assert "this is a folder" in refused(["plot", "schedule", "Cosine(0.1)", "--out", "x.png"], capsys)
    with pytest.raises(ConfigError, match="this is a folder"):
        check_picture_name(folder / "x.png")


def test_a_picture_that_does_not_exist(folder, capsys):
    assert "invalid choice: 'nothing'" in refused(["plot", "nothing"], capsys)
    assert "required: PICTURE" in refused(["plot"], capsys)


# lr-find

QUICK = ["lr-find", "--data", "digits", "--subset", "300", "--batch-size", "30"]


def test_the_range_test_prints_a_suggestion_and_writes_curve_and_table(folder, capsys):
    words = ["--model", "Sequential([Flatten(), Dense(30), ReLU(), Dense(10)])", "--optimizer", "SGD(0.1)"]
    assert command_line.main([*QUICK, *words, "--regularizer", "L2(1e-4)", "--high", "100"]) == 0
    out = capsys.readouterr().out
    assert "suggested rate (steepest fall):" in out and "NOT MNIST" in out
    assert out.endswith("wrote lr-find.png and lr-find.csv\n")
    suggestion = float(out.split("steepest fall):")[1].split()[0])
    assert 0.01 < suggestion < 5
    assert (folder / "lr-find.png").read_bytes().startswith(START[".png"])
    table = History.read_csv(folder / "lr-find.csv")
    assert table.columns == ["lr", "loss", "smoothed"] and 10 < len(table) <= 100
    assert table["lr"][0] == pytest.approx(1e-5)
    assert sorted(path.name for path in folder.iterdir()) == ["lr-find.csv", "lr-find.png"]


def test_the_same_seed_gives_the_same_table(folder):
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        words = ["--steps", "20", "--linear", "--low", "0.01", "--seed", seed, "--out", f"{name}.png"]
        assert command_line.main([*QUICK, *words]) == 0
    assert (folder / "a.csv").read_bytes() == (folder / "b.csv").read_bytes()
    assert (folder / "a.csv").read_bytes() != (folder / "c.csv").read_bytes()
    rates = History.read_csv(folder / "a.csv")["lr"]
    assert rates[1] - rates[0] == pytest.approx(rates[2] - rates[1])


def test_a_curve_that_is_of_no_use_says_so(folder, capsys):
    assert command_line.main([*QUICK, "--low", "1e-9", "--high", "1e-7"]) == 0
    out = capsys.readouterr().out
    assert "suggested" not in out and "this curve is of no use" in out
    assert (folder / "lr-find.png").exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--optimizer", "Adm(0.1)"], "--optimizer: there is no 'Adm'; did you mean 'Adam'?"),
        (["--optimizer", "SGD(0.1, momentum=0.9)"], "--optimizer: SGD has no option 'momentum'"),
        (["--loss", "CrossEntropy()"], "--loss: there is no 'CrossEntropy'"),
        (["--regularizer", "L3(1)"], "--regularizer: there is no 'L3'"),
        (["--rung", "99"], "99"),
        (["--model", "Sequential([Dens(10)])"], "did you mean 'Dense'?"),
        (["--low", "0"], "0 < low < high"),
        (["--low", "1", "--high", "0.1"], "0 < low < high"),
        (["--steps", "3"], "steps must be an integer >= 10"),
        (["--batch-size", "0"], "--batch-size must be 1 or more, got 0"),
        (["--low", "small"], "invalid float value: 'small'"),
        (["--out", "curve.csv"], "a picture's name ends in"),
        (["--data", "cifar"], "invalid choice: 'cifar'"),
    ],
)
def test_a_wrong_lr_find_command_writes_nothing(folder, capsys, words, complaint):
    assert complaint in refused([*QUICK, *words], capsys)
    assert list(folder.iterdir()) == []
