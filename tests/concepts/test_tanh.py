"""Sigmoid against tanh."""

from __future__ import annotations

import numpy as np
import pytest

from minidl.errors import ShapeError
from minidl.experiments.concepts import tanh
from minidl.experiments.concepts.tanh import Plan, conclusion, measure, reached, table
from minidl.experiments.ladder import find_rung
from minidl.plots.concepts.tanh import tanh_plot

SMALL = Plan(images=400, epochs=3, repeats=2, validation=50, levels=(20.0, 99.9))


@pytest.fixture(scope="module")
def accuracy(digits):
    return measure(digits, SMALL)


def test_the_networks_are_those_of_the_lecture():
    two, exercise = (find_rung(tanh.RUNGS[name]) for name in ("sigmoid", "tanh"))
    assert (two.activation, exercise.activation) == ("sigmoid", "tanh")
    assert two.architecture == exercise.architecture and two.eta == exercise.eta == 0.1


def test_accuracies_after_every_epoch(accuracy, digits):
    assert {name: values.shape for name, values in accuracy.items()} == {"sigmoid": (2, 3), "tanh": (2, 3)}
    assert (
        accuracy["tanh"][:, -1].mean() > 30 > accuracy["sigmoid"][:, -1].mean()
    )  # it has not begun to learn
    assert not np.array_equal(accuracy["tanh"][0], accuracy["tanh"][1])
    fewer = Plan(images=20, epochs=1, repeats=1, validation=50)
    assert [measure(digits, fewer, seed=seed)["tanh"].shape for seed in (0, 1)] == [(1, 1), (1, 1)]


def test_when_a_level_is_reached():
    assert [reached(np.array([10.0, 60.0, 55.0]), level) for level in (5, 10, 60, 61)] == [1, 1, 2, None]


def test_two_sentences_and_a_picture(shown, accuracy, monkeypatch):
    monkeypatch.setattr(tanh, "measure", lambda *args, **options: accuracy)
    text, found = shown(tanh, "tanh", SMALL)
    assert found["accuracy"]["tanh"] == accuracy["tanh"].tolist()
    assert f"tanh is at {accuracy['tanh'][:, 0].mean():.2f} %" in text


def test_the_sentences_follow_the_numbers():
    plan = Plan(images=500, epochs=3, levels=(50.0, 90.0, 99.0))
    numbers = {
        "sigmoid": np.array([[10.0, 60, 90], [10, 60, 92]]),
        "tanh": np.array([[80.0, 90, 91], [80, 92, 91.4]]),
    }
    told = conclusion(plan, numbers)
    assert "tanh is at 80.00 % and the sigmoid at 10.00 %" in told
    assert "50 % is reached in epoch 1 by tanh and in epoch 2 by the sigmoid" in told
    assert "90 % is reached in epoch 2 by tanh and in epoch 3 by the sigmoid." in told and "99 %" not in told
    assert "+0.20 points from the sigmoid's 91.00 %, no more than" in told and "instead of 50 and" in told
    numbers["tanh"][:, -1] = 95
    told = conclusion(Plan(epochs=3, levels=(93.0,)), numbers)
    assert "+4.00 points" in told and ", more than the trainings" in told
    assert "93 % is reached by tanh alone, in epoch 3" in told
    assert table(plan, numbers).splitlines()[1].split() == [
        "sigmoid", "10.00", "60.00", "91.00", "epoch", "2", "epoch", "3", "-",
    ]  # fmt: skip


def test_the_picture_draws_what_it_is_given():
    pytest.importorskip("matplotlib")
    figure = tanh_plot({"a": np.array([[90.0, 98], [80, 100]]), "b": np.array([[50.0, 60]])}, title="T")
    left, right = figure.axes
    assert left.lines[2].get_ydata().tolist() == [85, 99] and left.lines[0].get_xdata().tolist() == [1, 2]
    assert right.lines[1].get_ydata().tolist() == [20, 0.05] and right.get_yscale() == "log"
    with pytest.raises(ShapeError, match="tanh_plot"):
        tanh_plot({"a": np.array([90.0])})
