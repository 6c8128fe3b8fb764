"""The transfer experiment in its small form: what it compares, what it writes, what its sentences say."""

import json

import numpy as np
import pytest

from minidl.cli.main import main
from minidl.data import DataSet, Split, Vault, load
from minidl.errors import ConfigError, DataError, ShapeError
from minidl.experiments import transfer
from minidl.experiments.transfer import METHODS, Outcome, Settings, run, transfer_experiment
from minidl.plots.transfer import transfer_plot

SMALL = Settings(examples=(2, 6), repeats=2, steps=60, pretraining=400, pretraining_epochs=6, filters=(4, 6))


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.fixture(scope="module")
def outcome(digits):
    return transfer_experiment(digits, SMALL, seed=1)


def test_every_method_learns_the_new_digits_and_the_test_set_stays_closed(digits, outcome):
    assert outcome.accuracy.shape == (len(METHODS), 2, 2)
    assert (outcome.accuracy[:, 1].mean(axis=1) > 50).all()  # chance is 20 %
    assert (outcome.body > 80).all()
    assert outcome.accuracy[:, 1].mean() > outcome.accuracy[:, 0].mean()  # more labels help
    assert digits.vault.openings == []


def test_the_same_seed_gives_the_same_numbers(digits, outcome):
    again = transfer_experiment(digits, SMALL, seed=1)
    assert np.array_equal(again.accuracy, outcome.accuracy)
    assert not np.array_equal(transfer_experiment(digits, SMALL, seed=2).accuracy, outcome.accuracy)


def test_the_new_task_never_sees_the_old_digits_nor_the_body_the_new_ones(digits, monkeypatch):
    """Images are marked by their digit, so that every loader shows what it holds."""

    def marked(split):
        images = np.broadcast_to(split.labels[:, None, None, None], split.images.shape).astype(np.uint8)
        return Split(images.copy(), split.labels)

    data = DataSet(
        "digits", "marked", "", digits.classes, marked(digits.train), marked(digits.validation), digits.vault
    )
    seen = []
    monkeypatch.setattr(
        transfer, "Loader", lambda images, labels, *a, **o: seen.append((images, labels)) or _Stop()
    )
    with pytest.raises(_Stop):
        transfer_experiment(data, SMALL)
    monkeypatch.undo()
    ((old, labels),) = seen
    assert set(np.unique(old)) == {0, 1, 2, 3, 4} and len(old) == 400
    assert np.array_equal(old[:, 0, 0, 0], labels)
    new = transfer._task(data.train, 5)
    assert set(np.unique(new.images)) == {5, 6, 7, 8, 9} and np.array_equal(
        new.images[:, 0, 0, 0] - 5, new.labels
    )
    picked = transfer._picked(new, 6, transfer.Seeds(0))
    assert (new.labels[picked] == np.arange(5)[:, None]).all() and len(np.unique(picked)) == 30


class _Stop(Exception):
    def __len__(self):
        raise self


def test_fine_tuning_starts_from_the_trained_body(digits, monkeypatch):
    """With no learning at all the features are still those of the body, and the body stays as it was."""
    seeds = transfer.Seeds(0)
    old = transfer._task(digits.train, 0)
    body = transfer._pretrained(old.subset(200), SMALL, seeds)
    before = {name: np.copy(x) for name, x in body.state_dict().items()}
    made = []
    monkeypatch.setattr(transfer, "RATE", 0.0)
    real = transfer.replace_head
    monkeypatch.setattr(transfer, "replace_head", lambda *a, **o: made.append(real(*a, **o)) or made[-1])
    new = transfer._task(digits.train, 5)
    transfer._compare(body, new.subset(20), new.subset(30), SMALL, seeds, None)
    (model,) = made
    for name, x in body.state_dict().items():
        assert np.array_equal(x, before[name])
        if name.startswith(("0.", "3.")):
            assert np.array_equal(x, model.state_dict()[name]), name
    assert not np.array_equal(model.state_dict()["7.weight"], before["7.weight"])
    factors = transfer_factors(model)
    assert factors["0.weight"] == pytest.approx(0.1) and factors["9.weight"] == 1 and not frozen(model)


def transfer_factors(model):
    return {name: parameter.lr_factor for name, parameter in model.named_parameters()}


def frozen(model):
    return [name for name, parameter in model.named_parameters() if parameter.frozen]


def test_the_log_has_both_phases_as_in_the_lecture(outcome):
    lines = outcome.log.splitlines()
    assert lines[0] == "frozen body, new head (30 images, 6 of each class)"
    assert lines[1].split() == ["epoch", "train_loss", "valid_loss", "error_rate", "time"]
    assert [line.split()[0] for line in lines[2:22]] == [str(k) for k in range(20)]  # 60 steps of 3 batches
    assert lines[22].startswith("learning-rate range test: ")
    assert lines[23] == "everything, rates 1e-04 (first layer) to 1e-03 (last)"
    assert len(lines) == 45 and all(" %" in line for line in lines[25:])


def made_up(gain, repeats=3, spread=0.0):
    """An outcome in which fine-tuning gains so many points at 1 and at 10 examples."""
    accuracy = np.full((4, 2, repeats), 50.0)
    accuracy[2] += np.array(gain)[:, None] + spread * np.arange(repeats)
    return Outcome(Settings(examples=(1, 10), repeats=repeats), accuracy, np.zeros(repeats), "")


def test_the_sentences_follow_the_numbers():
    text = made_up([8, -3]).sentences()
    assert "With 1 examples of each new class the fine-tuned network is right on 58.0 %" in text
    assert "the one trained from scratch on 50.0 %; with 10 it is 47.0 % against 50.0 %." in text
    assert "is ahead with 1 and behind with 10 of them." in text
    assert "is ahead with 1 and 10 of them." in made_up([8, 3]).sentences()
    assert "is neither ahead nor behind with any number of them." in made_up([0, 0]).sentences()
    # Gains of 1, 11, 21: mean 11, standard error 10/sqrt(3) = 5.8, and 11 < 11.5.
    assert "neither" in made_up([1, 1], spread=10).sentences()
    assert "is ahead with 1 and 10 of them." in made_up([2, 2], spread=10).sentences()  # 12 > 11.5
    assert "neither" in made_up([9, 9], repeats=1).sentences()  # one repeat says nothing


def test_what_is_written(digits, tmp_path):
    text = run(digits, tmp_path / "out", seed=3, settings=SMALL)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "transfer.json",
        "transfer.png",
        "transfer.txt",
    ]
    assert (tmp_path / "out/transfer.txt").read_text(encoding="utf-8") == text + "\n"
    stored = json.loads((tmp_path / "out/transfer.json").read_text())
    assert (
        stored["seed"] == 3
        and stored["settings"]["examples"] == [2, 6]
        and stored["methods"] == list(METHODS)
    )
    mean = np.array(stored["accuracy"])[2, 1].mean()
    assert f"{mean:.1f} ±" in text and "accuracy on 5 to 9" in text
    assert (tmp_path / "out/transfer.png").read_bytes().startswith(b"\x89PNG")


def test_data_that_will_not_do(digits, tmp_path):
    few = DataSet(
        "digits", "few", "", digits.classes, digits.train.subset(40), digits.validation, digits.vault
    )
    with pytest.raises(DataError, match="needs ten classes and 100 training images of each of the last five"):
        run(few, tmp_path / "out")
    half = digits.train.subset(np.flatnonzero(digits.train.labels < 5))
    five = DataSet("digits", "five", "", digits.classes[:5], half, half, Vault(half))
    with pytest.raises(DataError, match="needs ten classes"):
        run(five, tmp_path / "out", settings=SMALL)
    (tmp_path / "file").write_text("kept")
    with pytest.raises(ConfigError, match="this is a file"):
        run(digits, tmp_path / "file", settings=SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_command(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(transfer, "Settings", lambda: SMALL)
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "transfer", "--data", "digits", "--out", "here"]) == 0
    printed = capsys.readouterr().out
    assert (
        printed.startswith("frozen body, new head")
        and "fine-tuned" in printed
        and "written to here" in printed
    )
    assert main(["demo", "transfer", "--data", "digits", "--subset", "20", "--out", "small"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert errors[-1].startswith("minidl: error: ") and not (tmp_path / "small").exists()


def test_the_picture_shows_mean_and_deviation():
    accuracy = np.array([[[80.0, 84.0], [90.0, 90.0]], [[85.0, 85.0], [95.0, 97.0]]])
    figure = transfer_plot(np.array([3, 30]), accuracy, ("plain", "tuned"), title="A heading")
    (axes,) = figure.axes
    plain, tuned = axes.containers
    np.testing.assert_allclose(plain.lines[0].get_ydata(), [82, 90])
    np.testing.assert_allclose(tuned.lines[0].get_ydata(), [85, 96])
    low, high = plain.lines[2][0].get_segments()[0][:, 1]
    assert (low, high) == pytest.approx((82 - 8**0.5, 82 + 8**0.5))
    assert axes.get_title(loc="left") == "A heading" and axes.get_xscale() == "log"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["3", "30"]
    assert "%" in axes.get_ylabel()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["plain", "tuned"]
    assert axes.get_legend().get_title().get_text() == "mean ± sd of 2 repeats"
    with pytest.raises(ShapeError, match="accuracy has shape"):
        transfer_plot(np.array([3, 30, 100]), accuracy, ("plain", "tuned"))
