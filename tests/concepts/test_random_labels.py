"""Random labels are learned by heart, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest

from minidl.errors import ShapeError
from minidl.experiments.concepts import random_labels as experiment
from minidl.experiments.concepts.random_labels import (
    CASES,
    Outcome,
    Plan,
    conclusion,
    epochs_to_all,
    random_labels,
    table,
)
from minidl.plots.concepts.random_labels import random_labels_plot
from minidl.random import Seeds

SMALL = Plan(images=100, hidden=150, batch_size=25, epochs=60, rate=0.003, shares=(0.0, 1.0))


def test_labels_are_redrawn_from_all_classes():
    labels = np.full(20_000, 3)
    assert np.array_equal(random_labels(labels, 0.0, 10, Seeds(0)), labels)
    half, whole = (random_labels(labels, share, 10, Seeds(0)) for share in (0.5, 1.0))
    # A redrawn label is the right one in one case of ten.
    assert (half != 3).mean() == pytest.approx(0.45, abs=0.01)
    assert np.bincount(whole, minlength=10) / 20_000 == pytest.approx([0.1] * 10, abs=0.01)
    assert np.array_equal(half[half != 3], whole[half != 3])  # what was random stays so


def test_shuffled_pixels_and_noise(digits):
    split = digits.train.subset(50)
    shuffled = experiment._changed(split, "shuffled pixels", Seeds(0))
    again = experiment._changed(digits.train.subset(20), "shuffled pixels", Seeds(0))
    assert np.array_equal(shuffled.images[:20], again.images)  # in the same way in every image
    assert not np.array_equal(shuffled.images, split.images)
    assert np.array_equal(np.sort(shuffled.images.reshape(50, -1)), np.sort(split.images.reshape(50, -1)))
    noise = experiment._changed(split, "noise for pixels", Seeds(0)).images
    assert noise.shape == split.images.shape and noise.dtype == np.uint8
    assert abs(np.corrcoef(noise.ravel(), split.images.ravel())[0, 1]) < 0.05


def test_two_sentences_and_a_picture(shown):
    text, found = shown(experiment, "random-labels", SMALL)
    training = np.array(found["training_accuracy"])
    true, random, shuffled, noise = found["validation_accuracy"]
    assert (training.max(axis=1) == 100).all() and (training[:, -1] > 95).all() and training.shape == (4, 60)
    assert true > 65 and shuffled > 60 and random < 25 and noise < 25
    assert found["accuracy_by_share"][1] == [true, random]
    assert found["weights"] == 785 * 150 + 151 * 10 and found["images"] == 100
    assert f"it is right on {true:.1f} % and on {random:.1f} % (guessing: 10 %)" in text
    assert epochs_to_all(training[1]) > epochs_to_all(training[0])


def test_the_sentences_follow_the_numbers():
    learning = np.array([[50, 100.0], [20, 60], [50, 100], [30, 90]])
    outcome = Outcome(learning, np.array([92.0, 10.5, 91, 9]), np.zeros((2, 1)), 1234)
    told = conclusion(outcome, 500, 10)
    assert (
        "learns 100.0 % of its 500 training labels where they are true (all after 2 epochs) and 60.0 %"
        in told
    )
    assert "where they are random, yet" in told and "1,234 weights" in told
    assert (
        "still reaches 91.0 %, and with noise for pixels, of which it learned 90.0 % by heart, 9.0 %." in told
    )
    assert table(outcome).splitlines()[2].split() == ["random", "labels", "60.0", "%", "never", "10.5", "%"]


def test_the_picture_draws_what_it_is_given():
    pytest.importorskip("matplotlib")
    learning = np.array([[50, 100.0], [20, 60]])
    by_share = (np.array([0, 100]), np.array([[100, 60.0], [92, 10]]))
    figure = random_labels_plot(CASES[:2], learning, np.array([92.0, 10]), by_share, chance=10, title="T")
    above, left, right = figure.axes
    assert [line.get_ydata().tolist() for line in above.lines] == learning.tolist()
    assert [bar.get_width() for bar in left.patches] == [92, 10]
    assert right.lines[1].get_ydata().tolist() == [92, 10]
    with pytest.raises(ShapeError, match="random_labels_plot: 3 cases"):
        random_labels_plot(CASES[:3], learning, np.array([92.0, 10]), by_share, chance=10)
