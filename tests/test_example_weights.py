"""Weights of the examples in every loss: by hand, as repetitions, against PyTorch, in a `Trainer`."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from minidl import Dense, Sequential
from minidl.errors import ConfigError, DeviceError, ShapeError
from minidl.example_weights import ExampleWeights
from minidl.losses import MeanSquaredError, SigmoidCrossEntropy, SoftDice, SoftmaxCrossEntropy
from minidl.multitask import MultiTaskLoss
from minidl.optimizers import SGD
from minidl.softmax import softmax
from minidl.training import Trainer, evaluate

CLASS_WEIGHTS = (0.5, 1.0, 2.0)
# Every form of every loss, with the targets it takes.
FORMS = {
    "softmax": (SoftmaxCrossEntropy(), "labels"),
    "softmax, soft targets": (SoftmaxCrossEntropy(), "soft"),
    "softmax, class weights": (SoftmaxCrossEntropy(class_weights=CLASS_WEIGHTS), "labels"),
    "softmax, class weights, soft": (SoftmaxCrossEntropy(class_weights=CLASS_WEIGHTS), "soft"),
    "softmax, smoothed": (SoftmaxCrossEntropy(label_smoothing=0.2), "labels"),
    "softmax, mean by weights": (SoftmaxCrossEntropy(weight_mean="weights"), "labels"),
    "softmax, mean by weights, soft": (
        SoftmaxCrossEntropy(class_weights=CLASS_WEIGHTS, weight_mean="weights", label_smoothing=0.1),
        "soft",
    ),
    "sigmoid": (SigmoidCrossEntropy(), "labels"),
    "sigmoid by examples": (SigmoidCrossEntropy(scale="examples"), "soft"),
    "squares": (MeanSquaredError(), "soft"),
    "quadratic": (MeanSquaredError(scale="quadratic"), "labels"),
    "dice": (SoftDice(), "labels"),
    "dice over all": (SoftDice(per="all", smooth=0.3), "labels"),
}
RATIOS = [name for name in FORMS if "dice" in name or "mean by weights" in name]


@pytest.fixture
def data():
    rng = np.random.default_rng(5)
    return {
        "outputs": rng.normal(size=(6, 3)),
        "labels": np.array([0, 2, 1, 1, 0, 2]),
        "soft": rng.dirichlet(np.ones(3), 6),
        "counts": np.array([1, 0, 3, 1, 2, 4]),
    }


def given(form, data):
    loss, targets = FORMS[form]
    outputs = softmax(data["outputs"]) if "dice" in form else data["outputs"]
    return loss, outputs, data[targets]


@pytest.mark.parametrize("form", FORMS)
def test_a_weight_is_how_often_an_example_is_there(form, data):
    """Weights 1, 0, 3, … are the loss of the examples repeated; a mean is over 11 of them instead of 6."""
    loss, outputs, targets = given(form, data)
    counts = data["counts"]
    scale = 1 if form in RATIOS else counts.sum() / len(counts)
    weighted = loss.forward(outputs, targets, counts.astype(float))
    gradient = loss.backward()
    assert weighted == pytest.approx(
        scale * loss.forward(outputs.repeat(counts, 0), targets.repeat(counts, 0))
    )
    repeated = scale * loss.backward()
    owner = np.arange(6).repeat(counts)
    summed = np.array([repeated[owner == row].sum(axis=0) for row in range(6)])
    np.testing.assert_allclose(gradient, summed, atol=1e-15)


@pytest.mark.parametrize("form", FORMS)
def test_weights_of_one_change_nothing(form, data):
    loss, outputs, targets = given(form, data)
    plain, gradient = loss.forward(outputs, targets), loss.backward()
    assert loss.forward(outputs, targets, np.ones(6)) == pytest.approx(plain, rel=1e-14)
    np.testing.assert_allclose(loss.backward(), gradient, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("form", FORMS)
def test_float32_stays_float32(form, data):
    loss, outputs, targets = given(form, data)
    value = loss.forward(outputs.astype(np.float32), targets, data["counts"].astype(np.float64))
    assert value.dtype == np.float32 and loss.backward().dtype == np.float32


def test_by_hand():
    # Squared errors 1 and 4, weights 1.5 and 0.5: (1.5 + 2) / 2; gradient 2 a (y - t) / 2 = a y.
    loss = MeanSquaredError()
    assert loss.forward(np.array([[1.0], [2.0]]), np.zeros(2), np.array([1.5, 0.5])) == pytest.approx(1.75)
    np.testing.assert_allclose(loss.backward(), [[1.5], [1.0]])
    # Two guesses among two classes cost log 2 each: (3 + 1) log 2 / 2, or log 2 divided by the weights.
    guesses, labels, weights = np.zeros((2, 2)), np.array([0, 1]), np.array([3.0, 1.0])
    assert SoftmaxCrossEntropy().forward(guesses, labels, weights) == pytest.approx(2 * np.log(2))
    by_weights = SoftmaxCrossEntropy(weight_mean="weights")
    assert by_weights.forward(guesses, labels, weights) == pytest.approx(np.log(2))
    np.testing.assert_allclose(by_weights.backward(), np.array([[-3, 3], [1, -1]]) / 8)


def test_against_pytorch(data):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    weights = np.array([0.2, 1.5, 3.0, 0.0, 1.0, 0.7])
    z = torch.tensor(data["outputs"], requires_grad=True)
    each = torch.nn.functional.cross_entropy(
        z,
        torch.tensor(data["labels"]),
        weight=torch.tensor(CLASS_WEIGHTS, dtype=torch.float64),
        reduction="none",
    )
    (each * torch.tensor(weights)).mean().backward()
    loss = SoftmaxCrossEntropy(class_weights=CLASS_WEIGHTS)
    loss.forward(data["outputs"], data["labels"], weights)
    np.testing.assert_allclose(loss.backward(), z.grad.numpy(), atol=1e-15)


@pytest.mark.parametrize(
    "loss", [SoftmaxCrossEntropy(), SigmoidCrossEntropy(), MeanSquaredError(), SoftDice()]
)
def test_what_is_refused(loss):
    outputs, labels = np.full((3, 2), 0.5), np.array([0, 1, 1])
    with pytest.raises(ShapeError, match=r"weights of shape \(2,\) .* one weight for each of the 3 examples"):
        loss.forward(outputs, labels, np.ones(2))
    for bad in (-0.1, np.inf, np.nan):
        with pytest.raises(ConfigError, match="weights must be finite numbers >= 0"):
            loss.forward(outputs, labels, np.array([1.0, bad, 1.0]))
    with pytest.raises(DeviceError, match="got list"):
        loss.forward(outputs, labels, [1.0, 1.0, 1.0])


def test_a_batch_without_weight_has_no_weighted_mean():
    loss = SoftmaxCrossEntropy(weight_mean="weights")
    with pytest.raises(ConfigError, match="the sum of the weights of a batch, which is 0"):
        loss.forward(np.zeros((2, 2)), np.array([0, 1]), np.zeros(2))


def test_every_task_gets_the_weights(data):
    weights = np.array([0.2, 1.5, 3.0, 0.0, 1.0, 0.7])
    loss = MultiTaskLoss({"digit": SoftmaxCrossEntropy(), "slant": MeanSquaredError()})
    heads, targets = (data["outputs"], data["outputs"][:, :1]), (data["labels"], np.zeros((6, 1)))
    expected = SoftmaxCrossEntropy().forward(heads[0], targets[0], weights)
    expected += MeanSquaredError().forward(heads[1], targets[1], weights)
    assert loss.forward(heads, targets, weights) == pytest.approx(expected)


# In a Trainer -------------------------------------------------------------------------------------


class Pairs:
    """A loader of one batch, ``(x, (y, weights))``."""

    def __init__(self, x, y, weights):
        self.batch = x, (y, weights)

    def __len__(self):
        return 1

    def epoch(self, epoch):
        yield self.batch


def trained(loss, loader):
    model = Sequential([Dense(2)])
    model.build((1,), rng=0, dtype=np.float64)
    trainer = Trainer(model, loss, SGD(lr=0.5), progress=False, keep_best=None)
    return model, trainer.fit(loader, epochs=20)


def test_a_trainer_with_weights_is_a_trainer_with_repetitions():
    """Weights of mean one, so the mean over three is the mean over the examples each given 2, 1 and 0 times."""
    x, y, weights = np.array([[1.0], [-0.5], [2.0]]), np.array([0, 1, 1]), np.array([2.0, 1.0, 0.0])
    model, history = trained(ExampleWeights(SoftmaxCrossEntropy()), Pairs(x, y, weights))
    rows = [0, 0, 1]
    repeated = Pairs(x[rows], y[rows], np.ones(3))
    twin, expected = trained(ExampleWeights(SoftmaxCrossEntropy()), repeated)
    for name, value in model.state_dict().items():
        np.testing.assert_allclose(value, twin.state_dict()[name], rtol=1e-12)
    assert history.rows[-1]["train_loss"] == pytest.approx(expected.rows[-1]["train_loss"])
    assert 0 <= history.rows[-1]["train_accuracy"] <= 1
    split = SimpleNamespace(images=x, labels=(y, weights))
    plain = SimpleNamespace(images=x[rows], labels=y[rows])
    score = evaluate(model, ExampleWeights(SoftmaxCrossEntropy()), split)
    assert score.loss == pytest.approx(evaluate(model, SoftmaxCrossEntropy(), plain).loss)
    assert score.accuracy == pytest.approx((model.forward(x).argmax(axis=1) == y).mean())


def test_a_pair_is_asked_for():
    loss = ExampleWeights(MeanSquaredError())
    with pytest.raises(ShapeError, match=r"expected a pair \(targets, weights\), got \(3, 1\)"):
        loss.forward(np.zeros((3, 1)), np.zeros((3, 1)))
