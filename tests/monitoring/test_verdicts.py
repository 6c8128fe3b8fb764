"""Verdicts on constructed curves, and on three trainings of the lecture's kind."""

import numpy as np
import pytest

from minidl.data import Loader, load_or_digits
from minidl.layers import Dense, Flatten, Sequential, Sigmoid
from minidl.losses import SigmoidCrossEntropy
from minidl.monitoring import LossJumps, fit_verdicts, learning_rate_verdict, update_verdict
from minidl.optimizers import SGD
from minidl.training import Trainer

T = np.arange(30.0)


def history(train, val, train_error=None, val_error=None):
    columns = {"epoch": np.arange(1, len(train) + 1), "train_loss": train, "val_loss": val}
    if train_error is not None:
        columns |= {"train_accuracy": 1 - train_error, "val_accuracy": 1 - val_error}
    return columns


def kinds(*curves):
    return [verdict.kind for verdict in fit_verdicts(history(*curves))]


def test_curves_that_diverge_are_overfitting():
    train = np.exp(-T / 5)
    val = 0.5 + 0.02 * (T - 9) ** 2 / 9
    (verdict,) = fit_verdicts(history(train, val))
    assert verdict.kind == "overfitting"
    # The minimum is at T = 9, epoch 10: 0.5; the median of the last three is that of T = 28: 0.5 + 0.802.
    assert "after epoch 10 (0.5)" in verdict.text and "160 %" in verdict.text
    assert "regularisation" in verdict.text and "early stopping" in verdict.text


def test_it_says_if_the_accuracy_rose_nevertheless():
    train, val = np.exp(-T / 5), 0.5 + 0.02 * np.abs(T - 9)
    (verdict,) = fit_verdicts(history(train, val, 0.2 * np.exp(-T), 0.2 - 0.001 * T))
    assert verdict.kind == "overfitting" and "accuracy has still improved" in verdict.text


def test_curves_far_apart_are_overfitting_without_a_rise():
    train, val = 0.01 + np.exp(-T), 0.6 + np.exp(-T)
    assert kinds(train, val, 0.001 + 0.5 * np.exp(-T), 0.15 + 0.5 * np.exp(-T)) == ["overfitting"]


def test_close_but_high_is_underfitting():
    level = 1.2 + np.exp(-T)
    (verdict,) = fit_verdicts(history(level, level + 0.02, 0.3 + 0 * T, 0.31 + 0 * T))
    assert verdict.kind == "underfitting"
    assert (
        "training error 30.00 %, validation error 31.00 %" in verdict.text and "bigger model" in verdict.text
    )


def test_high_but_falling_is_still_learning():
    train = 2.3 - 0.05 * T
    (verdict,) = fit_verdicts(history(train, train + 0.02, 0.9 - 0.02 * T, 0.91 - 0.02 * T))
    assert verdict.kind == "still learning" and "train longer" in verdict.text


def test_close_and_low_is_well_fitted():
    train = 0.02 + np.exp(-T / 3)
    assert kinds(train, train * 1.1, 0.005 + 0 * T, 0.009 + 0 * T) == ["well fitted"]


def test_noise_asks_for_bigger_batches():
    train = 0.02 + np.exp(-T / 3)
    rough = train * (1 + 0.4 * (-1) ** T)
    verdicts = fit_verdicts(history(train, rough, 0.005 + 0 * T, 0.009 + 0 * T))
    assert [verdict.kind for verdict in verdicts][1:] == ["noisy"] and "bigger batches" in verdicts[1].text


def test_noise_is_measured_in_standard_deviations():
    values = 1 + 0.2 * np.random.default_rng(0).normal(size=400)
    (verdict,) = [v for v in fit_verdicts(history(np.ones(400), values)) if v.kind == "noisy"]
    assert float(verdict.text.split("about ")[1].split(" %")[0]) == pytest.approx(20, abs=3)


def test_too_few_epochs_missing_validation_and_nan():
    assert kinds(np.ones(2), np.ones(2)) == ["too short"]
    assert kinds(np.ones(9), np.full(9, np.nan)) == ["too short"]
    assert [v.kind for v in fit_verdicts({"train_loss": [1.0, 0.5, 0.2]})] == ["too short"]
    assert fit_verdicts({}) and kinds(np.array([1.0, 2.0, np.nan]), np.ones(3)) == ["diverged"]


@pytest.mark.parametrize(
    ("curve", "kind"),
    [
        (np.exp(-T / 3), "good"),
        (0.3 + np.exp(-T / 2), "good"),
        (2.3 - 0.03 * T, "too low"),
        (2.3 * np.exp(-T / 40), "too low"),
        (2.3 - 0.001 * T, "too low"),
        (2.3 + 0.2 * (-1) ** T, "too high"),
        (1 + T, "too high"),
        (2.3 + 0.01 * (-1) ** T, "stuck"),
        (0.8 + np.exp(-T / 2) + 0.15 * (-1) ** T, "too high"),
        (np.append(np.exp(-T), np.nan), "too high"),
        (np.ones(5), "unclear"),
    ],
)
def test_learning_rate_by_the_shape_of_the_curve(curve, kind):
    verdict = learning_rate_verdict(curve)
    assert verdict.kind == kind and verdict.text.endswith(".")


def test_a_schedule_is_not_judged_by_the_shape():
    falling, curve = 0.1 - 0.003 * T, 2.3 - 0.03 * T
    assert learning_rate_verdict(curve, falling).kind == "unclear"
    assert learning_rate_verdict(curve, 0 * T + 0.1).kind == "too low"
    assert "of 0.1" in learning_rate_verdict(curve, 0.1).text
    assert learning_rate_verdict(1 + T, falling).kind == "too high"


@pytest.fixture(scope="module")
def images():
    return load_or_digits().train


@pytest.mark.parametrize(("eta", "kind"), [(0.025, "too low"), (0.25, "good"), (2.5, "too high")])
def test_the_lectures_three_learning_rates(images, eta, kind):
    """UU and the book's chapter 3: 784-30-10 sigmoid network, cross-entropy, batches of 10."""
    if len(images) < 16_000:
        pytest.skip("needs MNIST")
    train = images.subset(16_000)
    model = Sequential([Flatten(), Dense(30), Sigmoid(), Dense(10)])
    model.build((1, 28, 28), rng=0)
    monitor = LossJumps()
    loader = Loader(train.images, train.labels, 10)
    Trainer(model, SigmoidCrossEntropy(scale="examples"), SGD(eta), callbacks=[monitor]).fit(loader, 3)
    verdict = learning_rate_verdict([row["loss"] for row in monitor.table.rows], eta)
    assert verdict.kind == kind, verdict.text


def test_updates():
    assert update_verdict({"w": [0.5, 0.5, 1e-3, 1.2e-3]}).kind == "healthy"
    assert update_verdict({"w": [1e-3] * 4, "v": [0.05] * 4}) == (
        "large",
        "A step changes the weights by 0.001 (w) to 0.05 (v) of their size, where about 0.001 is healthy: try a lower "
        "learning rate.",
    )
    assert update_verdict({"w": [1e-6] * 4}).kind == "small"
    assert update_verdict({"w": [np.nan, 0.0]}).kind == update_verdict({}).kind == "unclear"
