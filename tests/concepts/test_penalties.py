"""L1 against L2: two weights in closed form, a network's weights, their histograms."""

from __future__ import annotations

import numpy as np
import pytest

from minidl.errors import ShapeError
from minidl.experiments.concepts import penalties
from minidl.experiments.concepts.penalties import KEPT, Plan, Trained, conclusion, prune, strongest
from minidl.experiments.concepts.two_weights import LOWEST, H, loss, with_l1, with_l2
from minidl.layers import Parameter
from minidl.plots.concepts.penalties import ellipse_plot, weights_plot

SMALL = Plan(l1=(1e-4, 3e-3), l2=(1e-3,), images=400, hidden=20, steps=200)


def test_the_minima_with_a_penalty_are_minima():
    generator = np.random.default_rng(0)
    around = generator.normal(scale=0.1, size=(500, 2))
    for strength in (0.0, 0.2, 1.5, 9.0):
        for minimum, penalty in (
            (with_l2(strength), lambda w: 0.5 * (w**2).sum(axis=-1)),
            (with_l1(strength), lambda w: np.abs(w).sum(axis=-1)),
        ):
            lowest = loss(minimum) + strength * penalty(minimum)
            others = loss(minimum + around) + strength * penalty(minimum + around)
            assert lowest <= others.min()
    assert with_l1(0) == pytest.approx(LOWEST) and with_l2(0) == pytest.approx(LOWEST)


def test_l1_sets_a_weight_to_zero_and_l2_does_not():
    assert with_l1(1.5)[0] == 0 < with_l1(1.5)[1]
    assert np.all(with_l2(1.5) > 0) and np.all(with_l2(100) > 0)
    # Zero is the minimum once the strength exceeds every part of the gradient there, H w*.
    steepest = np.abs(H @ LOWEST).max()
    assert with_l1(steepest * 1.01).tolist() == [0, 0] and with_l1(steepest * 0.99).any()


def test_pruning_keeps_the_largest():
    parts = [Parameter(np.array([[3.0, -1], [0.5, 2]])), Parameter(np.array([-4.0, 0.1]))]
    weights = np.concatenate([part.value.ravel() for part in parts])
    prune(parts, weights, 0.5)
    assert parts[0].value.tolist() == [[3, 0], [0, 2]] and parts[1].value.tolist() == [-4, 0]
    prune(parts, weights, 0.001)  # at least one stays
    assert parts[1].value.tolist() == [-4, 0] and not parts[0].value.any()


def test_measures_of_the_weights():
    weights = np.array([9.0, -0.0005, 0.0001, 0.25, 0.25, -0.25, 0.25, 0, 0, 0])
    pruned = np.array([90.0, 89.5, 89.0, 88.0, 89.2, 10, 10, 10, 10, 10])
    one = Trained("x", 90.0, weights, pruned)
    assert one.zeros == pytest.approx(0.5)
    assert one.concentration == pytest.approx(9 / 10.0006)
    assert one.needed == KEPT[4]
    others = [Trained(str(value), value, weights, pruned) for value in (94.0, 93.9, 93.0)]
    # sqrt(94 * 6 / 5000) = 0.34, / 300: 1.4
    assert strongest(others, 5000).name == "93.9" and strongest(others, 300).name == "93.0"


def test_two_sentences_and_pictures(shown):
    text, found = shown(penalties, "l1-l2", SMALL, ["ellipses", "l1-l2"])
    by_name = {each["penalty"]: each for each in found["networks"]}
    assert list(by_name) == ["no penalty", "L2(0.001)", "L1(0.0001)", "L1(0.003)"]
    assert by_name["L1(0.003)"]["zeros"] > 0.4 > 0.2 > by_name["no penalty"]["zeros"]
    assert by_name["L1(0.003)"]["largest_tenth"] > by_name["L2(0.001)"]["largest_tenth"]
    for each in found["networks"]:
        assert each["accuracy_kept"][0] == each["accuracy"] > 70
    assert found["two_weights"]["L1"][0] == 0 and "of which one is exactly zero" in text


def test_the_sentences_follow_the_numbers():
    def network(name, accuracy, zeros, kept):
        pruned = np.where(np.arange(10) <= kept, accuracy, 0)
        return Trained(name, accuracy, np.repeat([0.0, 1.0], [zeros, 100 - zeros]), pruned)

    shown = [network("no penalty", 93, 2, 1), network("L2(1)", 94, 30, 2), network("L1(1)", 92, 80, 4)]
    told = conclusion(shown, {"L2": np.array([0.125, 0.5]), "L1": np.array([0.0, 0.75])})
    assert "L2 leaves (0.12, 0.50) and L1 (0, 0.75), of which one is exactly zero" in told
    assert "80 % of the weights are below 0.001 with L1(1), 30 % with L2(1) and 2 % without" in told
    assert "accuracies of 92.0, 94.0 and 93.0 %." in told
    assert "largest 10 % of the weights with L1, 30 % with L2 and 50 % without." in told
    assert "neither of them zero" in conclusion(shown, {"L2": np.ones(2), "L1": np.ones(2)})


def test_the_pictures_draw_what_they_are_given():
    pytest.importorskip("matplotlib")
    x = np.linspace(-1, 1, 5)
    points = {"L2": (np.array([0.3, 0.4]), 0.5), "L1": (np.array([0.0, 0.75]), 0.5)}
    paths = {name: np.ones((3, 2)) for name in points}
    figure = ellipse_plot((x, x, np.add.outer(x**2, x**2)), np.array([0.9, 0.8]), points, paths, title="T")
    circle, diamond = (axes.lines[2].get_xydata() for axes in figure.axes)
    assert np.linalg.norm(circle, axis=1) == pytest.approx(np.full(len(circle), 0.5))
    assert np.abs(diamond).sum(axis=1) == pytest.approx(np.full(len(diamond), 0.75))
    kept = (np.array([1.0, 0.1]), np.array([[90.0, 20], [91, 80]]))
    figure = weights_plot(["a", "b"], [np.linspace(-1, 1, 50), np.zeros(50)], kept, title="T")
    first, second, below = figure.axes
    assert sum(bar.get_height() for bar in first.patches) == 50
    assert max(bar.get_height() for bar in second.patches) == 50
    assert [line.get_ydata().tolist() for line in below.lines] == kept[1].tolist()
    with pytest.raises(ShapeError, match="weights_plot: 1 networks"):
        weights_plot(["a"], [np.zeros(3)] * 2, kept)
