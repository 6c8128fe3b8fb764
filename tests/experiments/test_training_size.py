"""Network and SVM over the size of the training set: settings, draws, table and picture."""

from __future__ import annotations

import json

import numpy as np
import pytest

from minidl.data import load
from minidl.errors import ConfigError, ShapeError
from minidl.experiments import training_size
from minidl.experiments.training_size import (
    BOOK_NETWORK,
    BOOK_SIZES,
    BOOK_SVM,
    FULL,
    METHODS,
    Method,
    Plan,
    conclusion,
    measure,
    network,
    table,
)
from minidl.plots.training_size import training_size_plot

TINY = Plan(sizes=(50, 200), repeats=2, shown=2000, validation=100)


@pytest.fixture(scope="module")
def digits():
    return load("digits")


class Recorder:
    """An estimator that notes what it is given; "accurate" by the share of its first pixel sums."""

    given: list

    def __init__(self, given):
        self.given = given

    def fit(self, X, y):
        self.given.append((X.copy(), y.copy()))

    def score(self, X, y):
        return len(y) / 1000


def test_the_books_network_and_svm():
    """more_data.py: network2 with 30 hidden units, batches of 10, eta 0.5, lambda = size / 10,000."""
    for size, epochs in ((100, 15_000), (50_000, 30)):
        wanted = network(size, 10, FULL.shown, 3).get_params()
        assert (wanted["epochs"], wanted["batch_size"], wanted["random_state"]) == (epochs, 10, 3)
        assert (wanted["optimizer"], wanted["l2"]) == ("SGD(lr=0.5)", 1e-4)
        assert wanted["loss"] == "SigmoidCrossEntropy(scale='examples')" and not wanted["early_stopping"]
    x = np.random.default_rng(0).random((40, 784), np.float32)
    made = network(40, 10, 40, 0).fit(x, np.arange(40) % 10).network_
    assert made.parameter_count() == 784 * 30 + 30 + 30 * 10 + 10
    assert [method.make(100, 10, 0, 0).get_params()["gamma"] for method in METHODS[1:]] == ["auto", "scale"]
    assert METHODS[1].make(100, 10, 0, 0).C == 1 and METHODS[1].make(100, 10, 0, 0).kernel == "rbf"
    assert len(BOOK_SIZES) == len(BOOK_NETWORK) == len(BOOK_SVM) == len(FULL.sizes) == 9


def test_biases_start_from_a_normal_distribution():
    x, y = np.zeros((20, 784), np.float32), np.arange(20) % 10
    biases = [
        network(20, 10, 20, seed)
        .set_params(optimizer="SGD(0)", l2=0.0)
        .fit(x, y)
        .network_.state_dict()["0.bias"]
        for seed in range(10)
    ]
    assert np.std(biases) == pytest.approx(1, abs=0.15)


def test_all_methods_get_the_same_images_and_smaller_sets_are_parts_of_larger_ones(digits):
    seen: list[list] = [[], []]
    methods = tuple(Method(f"m{i}", lambda *_, i=i: Recorder(seen[i])) for i in range(2))
    sizes, accuracy, _ = measure(digits, TINY, methods=methods)
    assert sizes.tolist() == [50, 200] and accuracy.shape == (2, 2, 2) and (accuracy == 10).all()
    first, second = seen
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(first, second, strict=True))
    small, large, small_again, large_again = (x for x, _ in first)
    assert np.array_equal(large[:50], small) and np.array_equal(large_again[:50], small_again)
    # The first draw is the beginning of the file, scaled to [0, 1]; the second another one.
    assert np.array_equal(small, digits.train.images[:50].reshape(50, 784) / np.float32(255))
    assert not np.array_equal(small, small_again) and small.max() == 1
    others: list = []
    measure(digits, TINY, methods=(Method("m", lambda *_: Recorder(others)),), seed=1)
    assert not np.array_equal(others[2][0], small_again)
    assert digits.vault.openings == []


def test_the_whole_training_set_is_no_second_draw_for_a_method_without_chance(digits):
    seen: list = []
    everything = len(digits.train)
    plan = Plan(sizes=(50, everything, everything + 1), repeats=3, shown=10, validation=10**6)
    methods = (Method("m", lambda *_: Recorder(seen)),)
    sizes, accuracy, facts = measure(digits, plan, methods=methods)
    assert sizes.tolist() == [50, everything]  # what the data do not have is left out
    assert [len(y) for _, y in seen] == [50, everything, 50, 50]
    assert (accuracy[0, 1] == accuracy[0, 1, 0]).all()
    assert not np.array_equal(seen[2][0], seen[3][0])  # every draw is another
    assert facts["plan"]["validation"] == len(digits.validation)


def test_it_runs_and_repeats_itself(digits, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    out = tmp_path / "new" / "folder"
    text = training_size.run(digits, out, plan=TINY)
    assert sorted(path.name for path in out.iterdir()) == ["svm.json", "svm.png"]
    found = json.loads((out / "svm.json").read_text())
    accuracy = np.array(found["accuracy"])
    assert accuracy.shape == (3, 2, 2) and found["plan"]["shown"] == 2000
    assert (accuracy[2, 1] > 80).all() and (accuracy[:, 1].mean(axis=1) > accuracy[:, 0].mean(axis=1)).all()
    assert "scikit-learn digits (NOT MNIST)" in text and "[" not in text  # the book is about MNIST
    assert len(capsys.readouterr().err.splitlines()) == 12
    again = measure(digits, TINY, methods=METHODS[:1])[1]
    assert np.array_equal(again[0], accuracy[0])


def test_too_few_images(digits):
    with pytest.raises(ConfigError, match="needs at least 2,000 training images"):
        measure(digits, Plan(sizes=(2000, 5000)))


def test_table_and_conclusion():
    sizes = np.array([100, 5000])
    accuracy = np.array([[[70, 72], [93, 93]], [[25, 27], [91, 92]], [[60, 62], [95, 96]]], float)
    book = {METHODS[0].name: ("sizes", "values")}
    lines = table(sizes, accuracy, book).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1].split() == [*"100 71.00 ± 1.41 [69.09] 26.00 ± 1.41 61.00 ± 1.41".split()]
    assert "[93.24]" in lines[2] and "±" not in table(sizes, accuracy[:, :, :1], {})
    told = conclusion(sizes, accuracy)
    assert "is -45.0 points from the network at 100 images and -1.5 at 5,000" in told
    assert "with the gamma of today -10.0 and +2.5." in told


def test_the_picture_shows_every_curve_and_the_book():
    pytest.importorskip("matplotlib")
    sizes, accuracy = np.array([100, 1000]), np.array([[[70.0, 72], [90, 91]], [[25, 35], [80, 81]]])
    book = {"b": (np.array([100, 5000]), np.array([26.0, 92.0]))}
    figure = training_size_plot(sizes, accuracy, ["a", "b"], book=book, title="T", note="7 images")
    (axes,) = figure.axes
    means = [container.lines[0].get_ydata().tolist() for container in axes.containers]
    assert means == [[71, 90.5], [30, 80.5]]
    bars = axes.containers[1].lines[2][0].get_segments()[0][:, 1]
    np.testing.assert_allclose(bars, [30 - 50**0.5, 30 + 50**0.5])  # 25 and 35: sd sqrt(2 * 5^2 / 1)
    assert any(np.array_equal(line.get_ydata(), [26, 92]) for line in axes.lines)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "a",
        "b",
        "the book's number, one run",
    ]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["100", "1,000", "5,000"]
    assert axes.get_title(loc="left") == "T" and "7 images" in axes.get_ylabel()
    alone = training_size_plot(sizes, accuracy[:, :, :1], ["a", "b"]).axes[0]
    assert len(alone.get_legend().get_texts()) == 2
    with pytest.raises(ShapeError, match=r"accuracy has shape \(2, 2, 2\), expected \(1 methods, 2 sizes"):
        training_size_plot(sizes, accuracy, ["a"])
