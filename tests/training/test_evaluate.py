"""Predictions, loss and accuracy over a whole set."""

import numpy as np
import pytest

from minidl.data.datasets import Split
from minidl.errors import ConfigError, ShapeError
from minidl.layers import Dense, Sequential
from minidl.losses import MeanSquaredError, SoftmaxCrossEntropy
from minidl.training import evaluate, predict
from minidl.training.evaluate import count_correct
from tests.training.toys import blobs, loader, network


def test_predictions_do_not_depend_on_the_batches():
    model, images = network(), blobs(50).images
    whole = model.forward(images)
    assert whole.dtype == np.float32
    for batch_size in (1, 7, 50, 500):
        logits = predict(model, images, batch_size=batch_size)
        assert logits.shape == (50, 3) and logits.dtype == np.float32
        np.testing.assert_allclose(logits, whole, rtol=2e-6, atol=2e-6)


def test_bytes_are_scaled_and_floats_are_not():
    model = Sequential([Dense(2, bias=False)])
    model.build((1,), dtype=np.float64)
    model.load_state_dict({"0.weight": np.array([[1.0, -2.0]])})
    assert predict(model, np.array([[51]], np.uint8)).tolist() == [[0.2, -0.4]]
    assert predict(model, np.array([[51]], np.uint8), scale=1).tolist() == [[51, -102]]
    assert predict(model, np.array([[51]], np.float32)).tolist() == [[51, -102]]


def test_a_layer_that_reuses_its_output_array():
    class Reuse:
        def forward(self, x):
            self.y = getattr(self, "y", np.empty((2, 1), np.float32))
            self.y[: len(x)] = x
            return self.y[: len(x)]

        def backward(self, dy):
            return dy

    model = Sequential([Reuse()])
    model.build((1,))
    images = np.arange(5, dtype=np.float32)[:, None]
    assert np.array_equal(predict(model, images, batch_size=2), images)


def test_loss_and_accuracy_against_one_pass_over_everything():
    model, loss, split = network(), SoftmaxCrossEntropy(), blobs(50)
    logits = model.forward(split.images)
    expected = float(loss.forward(logits, split.labels))
    for batch_size in (7, 50):
        score = evaluate(model, loss, split, batch_size=batch_size)
        assert score.loss == pytest.approx(expected, rel=1e-6)
        assert score.accuracy == np.mean(logits.argmax(1) == split.labels)
    from_loader = evaluate(model, loss, loader(split, batch_size=7))
    assert from_loader.loss == pytest.approx(expected, rel=1e-6)
    assert from_loader.accuracy == score.accuracy


def test_evaluation_leaves_the_model_as_it_was():
    model, split = network(), blobs(50)
    before = {name: x.copy() for name, x in model.state_dict().items()}
    states = [repr(generator.bit_generator.state) for _, generator in model.named_generators()]
    first = evaluate(model, SoftmaxCrossEntropy(), split)
    assert evaluate(model, SoftmaxCrossEntropy(), split) == first
    assert all(np.array_equal(x, before[name]) for name, x in model.state_dict().items())
    assert [repr(generator.bit_generator.state) for _, generator in model.named_generators()] == states


def test_counting_correct_answers():
    outputs = np.array([[1.0, 2.0], [3.0, 0.0], [0.0, 1.0]])  # guesses 1, 0, 1
    assert count_correct(outputs, np.array([1, 1, 1])) == 2
    assert count_correct(outputs, np.array([[0, 1], [1, 0], [1, 0]])) == 2  # one-hot 1, 0, 0
    assert count_correct(outputs, np.array([[0.4, 0.6], [0.5, 0.5], [1, 0]])) == 2  # shares: 1, 0, 0
    assert count_correct(outputs, np.array([[0.0, 2.0], [1, 0], [1, 0]])) is None  # a regression
    assert count_correct(outputs, np.array([[-1.0, 2.0], [1, 0], [1, 0]])) is None
    assert count_correct(outputs, np.array([[1, 1], [1, 0], [1, 0]])) is None  # several labels at once
    assert count_correct(outputs, np.array([0.1, 0.2, 0.3])) is None  # no classes
    assert count_correct(outputs[:, :1], np.array([[0], [1], [0]])) is None  # one column
    assert count_correct((outputs, outputs), np.array([1, 1, 1])) is None  # two heads
    # Two images of two pixels: guesses 1, 0 and 1, 1; half of the first and all of the second right.
    maps = np.array([[[0.0, 1.0], [1.0, 0.0]], [[0.0, 0.0], [1.0, 1.0]]])
    assert count_correct(maps, np.array([[1, 1], [1, 1]])) == 1.5


def test_accuracy_is_none_for_a_regression():
    model = Sequential([Dense(1)])
    model.build((6,))
    split = blobs(20)
    score = evaluate(model, MeanSquaredError(), Split(split.images, split.labels.astype(np.float32)))
    assert score.accuracy is None and score.loss > 0


@pytest.mark.parametrize(
    "images, options, error",
    [
        (np.zeros((0, 6), np.uint8), {}, ShapeError),
        (np.zeros((3, 6), np.int64), {}, ShapeError),
        (np.zeros((3, 6), np.uint8), {"batch_size": 0}, ConfigError),
    ],
)
def test_bad_input(images, options, error):
    with pytest.raises(error):
        predict(network(), images, **options)


def test_labels_that_do_not_fit():
    class Pair:
        images, labels = np.zeros((3, 6), np.float32), np.zeros(2, int)

    with pytest.raises(ShapeError, match="3 images but 2 labels"):
        evaluate(network(), SoftmaxCrossEntropy(), Pair)
