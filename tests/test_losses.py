"""Losses: hand-worked numbers, SciPy and PyTorch as oracles, gradients by central differences."""

import math

import numpy as np
import pytest
from scipy import special

from minidl.errors import ConfigError, DeviceError, ShapeError, StateError
from minidl.losses import (
    MeanSquaredError,
    SigmoidCrossEntropy,
    SoftDice,
    SoftmaxCrossEntropy,
    log_softmax,
    softmax,
)
from minidl.targets import one_hot

WEIGHTS = [0.5, 2.0, 1.0, 0.1]


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def numerical_gradient(loss, outputs, targets, h=1e-5):
    gradient = np.empty_like(outputs)
    for index in np.ndindex(outputs.shape):
        ahead, behind = outputs.copy(), outputs.copy()
        ahead[index] += h
        behind[index] -= h
        gradient[index] = (loss.forward(ahead, targets) - loss.forward(behind, targets)) / (2 * h)
    return gradient


def soft_targets(rng, n, k):
    return rng.dirichlet(np.ones(k), size=n)


def _cases():
    rng = np.random.default_rng(3)
    z = rng.normal(size=(6, 4))
    labels, soft = rng.integers(0, 4, 6), soft_targets(rng, 6, 4)
    for targets in (labels, soft):
        kind = "labels" if targets is labels else "soft"
        for options in (
            {},
            {"class_weights": WEIGHTS},
            {"class_weights": WEIGHTS, "weight_mean": "weights"},
            {"label_smoothing": 0.2},
            {"label_smoothing": 0.2, "smoothing": "others"},
            {"label_smoothing": 0.2, "class_weights": WEIGHTS, "weight_mean": "weights"},
        ):
            yield pytest.param(SoftmaxCrossEntropy(**options), z, targets, id=f"softmax-{kind}-{options}")
    many = (rng.random((6, 4)) < 0.5).astype(int)
    for scale in ("elements", "examples"):
        yield pytest.param(SigmoidCrossEntropy(scale=scale), z, many, id=f"sigmoid-{scale}")
    yield pytest.param(SigmoidCrossEntropy(), z[:, :1], many[:, 0], id="sigmoid-binary")
    for scale in ("elements", "quadratic"):
        yield pytest.param(MeanSquaredError(scale=scale), z, soft, id=f"mse-{scale}")
    images = rng.uniform(0.1, 0.9, (2, 3, 4, 4))
    masks = rng.integers(0, 3, (2, 4, 4))
    for per in ("class", "all"):
        yield pytest.param(SoftDice(per=per, smooth=0.5), images, masks, id=f"dice-{per}")
        yield pytest.param(SoftDice(per=per), special.softmax(z, axis=1), labels, id=f"dice-labels-{per}")


CASES = list(_cases())


@pytest.mark.parametrize(("loss", "outputs", "targets"), CASES)
def test_gradient_agrees_with_central_differences(loss, outputs, targets):
    numeric = numerical_gradient(loss, outputs, targets)
    loss.forward(outputs, targets)
    exact = loss.backward()
    assert exact.shape == outputs.shape
    assert np.abs(exact - numeric).max() / np.abs(exact).max() < 1e-6


@pytest.mark.parametrize(("loss", "outputs", "targets"), CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_contract(loss, outputs, targets, dtype):
    outputs = outputs.astype(dtype)
    kept, kept_targets = outputs.copy(), targets.copy()
    value = loss.forward(outputs, targets)
    first = loss.backward()
    saved = first.copy()
    assert np.shape(value) == ()
    assert value.dtype == first.dtype == dtype
    np.testing.assert_array_equal(loss.backward(), saved)
    # A second forward must not disturb the gradient already handed out.
    loss.forward(outputs, targets)
    np.testing.assert_array_equal(loss.backward(), saved)
    np.testing.assert_array_equal(first, saved)
    np.testing.assert_array_equal(outputs, kept)
    np.testing.assert_array_equal(targets, kept_targets)
    # Memory order is free.
    turned = np.asfortranarray(outputs)
    assert loss.forward(turned, np.asfortranarray(targets)) == pytest.approx(value, rel=1e-6)
    np.testing.assert_allclose(loss.backward(), saved, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax_and_log_softmax_against_scipy(rng, axis):
    z = rng.normal(scale=30, size=(5, 7))
    np.testing.assert_allclose(softmax(z, axis), special.softmax(z, axis=axis), rtol=1e-13)
    np.testing.assert_allclose(log_softmax(z, axis), special.log_softmax(z, axis=axis), rtol=1e-13)
    assert softmax(z.astype(np.float32)).dtype == log_softmax(z.astype(np.float32)).dtype == np.float32


class TestSoftmaxCrossEntropy:
    def test_by_hand(self):
        # Logits (log 1, log 2, log 5) are probabilities (1/8, 2/8, 5/8). Two rows, labels 2 and 0:
        # loss = (-log 5/8 - log 1/8) / 2; gradient = (p - t) / 2.
        z = np.log([[1.0, 2.0, 5.0], [1.0, 2.0, 5.0]])
        loss = SoftmaxCrossEntropy()
        value = loss.forward(z, np.array([2, 0]))
        assert value == pytest.approx((math.log(8 / 5) + math.log(8)) / 2, rel=1e-14)
        expected = np.array([[1, 2, -3], [-7, 2, 5]]) / 16
        np.testing.assert_allclose(loss.backward(), expected, rtol=1e-13)

    def test_chance_loss_of_ten_classes(self):
        loss = SoftmaxCrossEntropy()
        assert loss.forward(np.zeros((3, 10)), np.array([1, 2, 3])) == pytest.approx(math.log(10))

    @pytest.mark.parametrize("classes", [10, 40])  # the largest logit is found in two ways
    def test_labels_against_scipy(self, rng, classes):
        z, y = rng.normal(scale=5, size=(20, classes)), rng.integers(0, classes, 20)
        expected = -special.log_softmax(z, axis=1)[np.arange(20), y].mean()
        assert SoftmaxCrossEntropy().forward(z, y) == pytest.approx(expected, rel=1e-13)

    def test_soft_targets_are_divergence_plus_entropy(self, rng):
        # Cross-entropy H(t, p) = KL(t || p) + H(t), each by SciPy.
        z, t = rng.normal(size=(5, 4)), soft_targets(rng, 5, 4)
        expected = (special.rel_entr(t, special.softmax(z, axis=1)) - special.xlogy(t, t)).sum() / 5
        assert SoftmaxCrossEntropy().forward(z, t) == pytest.approx(expected, rel=1e-12)

    def test_mixup_targets_mix_the_losses(self, rng):
        # 40 % cat and 60 % dog (AAR): the loss is linear in the targets.
        z = rng.normal(size=(1, 2))
        loss = SoftmaxCrossEntropy()
        cat, dog = (loss.forward(z, np.array([label])) for label in (0, 1))
        assert loss.forward(z, np.array([[0.4, 0.6]])) == pytest.approx(0.4 * cat + 0.6 * dog)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("smoothing", [0.0, 0.1])
    def test_logits_of_ten_thousand(self, dtype, smoothing):
        # The right class wins by 20,000 in the first row, loses by 20,000 in the second.
        z = np.array([[1e4, -1e4], [1e4, -1e4]], dtype=dtype)
        loss = SoftmaxCrossEntropy(label_smoothing=smoothing)
        # Smoothed, 0.05 sits on the wrong class: (0.05 * 20000 + 0.95 * 20000) / 2 is 10,000 again.
        assert loss.forward(z, np.array([0, 1])) == pytest.approx(1e4)
        e = smoothing / 2
        np.testing.assert_allclose(loss.backward(), [[e / 2, -e / 2], [(1 - e) / 2, (e - 1) / 2]], atol=1e-7)

    def test_weighted_cross_entropy_by_hand(self):
        # p = 1/2 everywhere, so every example costs w log 2. Labels 0, 0, 1 with w = (1, 4): the sum
        # is 6 log 2; over N = 3 that is 2 log 2, over the weights 1 + 1 + 4 = 6 it is log 2.
        z, y = np.zeros((3, 2)), np.array([0, 0, 1])
        by_batch = SoftmaxCrossEntropy(class_weights=[1, 4])
        by_weights = SoftmaxCrossEntropy(class_weights=[1, 4], weight_mean="weights")
        assert by_batch.forward(z, y) == pytest.approx(2 * math.log(2))
        assert by_weights.forward(z, y) == pytest.approx(math.log(2))

    def test_smoothing_conventions_of_erratum_16(self):
        # K = 10, e = 0.1. A one-hot row becomes .91 and .01 ("uniform") or .9 and .0111 ("others").
        # Equal logits make every p 0.1, and the gradient of the only row is p - t.
        z = np.zeros((1, 10))
        for smoothing, high, low in (("uniform", 0.91, 0.01), ("others", 0.9, 0.1 / 9)):
            loss = SoftmaxCrossEntropy(label_smoothing=0.1, smoothing=smoothing)
            loss.forward(z, np.array([3]))
            t = 0.1 - loss.backward()[0]
            np.testing.assert_allclose(t, [low] * 3 + [high] + [low] * 6, atol=1e-15)

    @pytest.mark.parametrize("smoothing", [0.0, 0.3])
    @pytest.mark.parametrize("weight_mean", ["batch", "weights"])
    @pytest.mark.parametrize("label_dtype", [np.int64, np.uint8, np.int32, np.uint64])
    def test_labels_equal_one_hot(self, rng, smoothing, weight_mean, label_dtype):
        z, y = rng.normal(size=(6, 4)), rng.integers(0, 4, 6)
        options = {"class_weights": WEIGHTS, "weight_mean": weight_mean, "label_smoothing": smoothing}
        labels, dense = SoftmaxCrossEntropy(**options), SoftmaxCrossEntropy(**options)
        value = labels.forward(z, y.astype(label_dtype))
        assert value == pytest.approx(dense.forward(z, np.eye(4)[y]), rel=1e-13)
        np.testing.assert_allclose(labels.backward(), dense.backward(), rtol=1e-12, atol=1e-16)

    def test_batch_size_and_type_may_change(self, rng):
        loss = SoftmaxCrossEntropy(class_weights=WEIGHTS)
        for n, dtype in ((6, np.float64), (2, np.float64), (2, np.float32), (6, np.float64)):
            z, y = rng.normal(size=(n, 4)).astype(dtype), rng.integers(0, 4, n)
            expected = -(special.log_softmax(z, axis=1)[np.arange(n), y] * np.array(WEIGHTS)[y]).mean()
            value = loss.forward(z, y)
            assert value == pytest.approx(expected, rel=1e-6)
            assert value.dtype == loss.backward().dtype == dtype

    @pytest.mark.parametrize("weights", [None, WEIGHTS])
    @pytest.mark.parametrize("smoothing", [0.0, 0.1])
    def test_labels_against_pytorch(self, rng, weights, smoothing):
        torch = pytest.importorskip("torch", reason="PyTorch is not installed")
        z, y = rng.normal(size=(9, 4)), rng.integers(0, 4, 9)
        other = torch.tensor(z, requires_grad=True)
        tensor_weights = None if weights is None else torch.tensor(weights, dtype=torch.float64)
        expected = torch.nn.functional.cross_entropy(
            other, torch.tensor(y), weight=tensor_weights, label_smoothing=smoothing
        )
        expected.backward()
        loss = SoftmaxCrossEntropy(class_weights=weights, weight_mean="weights", label_smoothing=smoothing)
        assert loss.forward(z, y) == pytest.approx(expected.item(), rel=1e-12)
        np.testing.assert_allclose(loss.backward(), other.grad.numpy(), rtol=1e-11, atol=1e-15)

    @pytest.mark.parametrize("weights", [None, WEIGHTS])
    @pytest.mark.parametrize("smoothing", [0.0, 0.1])
    def test_soft_targets_against_pytorch(self, rng, weights, smoothing):
        # Here PyTorch divides by N even with weights: its convention for soft targets is our "batch".
        torch = pytest.importorskip("torch", reason="PyTorch is not installed")
        z, t = rng.normal(size=(9, 4)), soft_targets(rng, 9, 4)
        tensor_weights = None if weights is None else torch.tensor(weights, dtype=torch.float64)
        expected = torch.nn.functional.cross_entropy(
            torch.tensor(z), torch.tensor(t), weight=tensor_weights, label_smoothing=smoothing
        )
        loss = SoftmaxCrossEntropy(class_weights=weights, label_smoothing=smoothing)
        assert loss.forward(z, t) == pytest.approx(expected.item(), rel=1e-12)

    @pytest.mark.parametrize(
        ("targets", "error", "words"),
        [
            (np.array([0, 4]), ConfigError, "between 0 and 3"),
            (np.array([0, -1]), ConfigError, "got labels from -1 to 0"),
            (np.array([0.0, 1.0]), ConfigError, "must be integers, got float64"),
            (np.array([0, 1, 2]), ShapeError, r"\(3,\) do not fit outputs of shape \(2, 4\)"),
            (np.array([[0], [1]]), ShapeError, r"\(2, 1\) do not fit"),
            (np.ones((2, 3)), ShapeError, r"\(2, 3\) do not fit"),
            (np.array([[1.0, 0, 0, 0], [1, 0, 1, 0]]), ConfigError, "row 1 sums to 2"),
            ([0, 1], DeviceError, "got list"),
        ],
    )
    def test_bad_targets(self, targets, error, words):
        with pytest.raises(error, match=words):
            SoftmaxCrossEntropy().forward(np.zeros((2, 4)), targets)

    @pytest.mark.parametrize(
        ("outputs", "error", "words"),
        [
            (np.zeros((2, 4), int), ConfigError, "floating point"),
            (np.zeros((2, 4, 1)), ShapeError, "Flatten"),
            (np.zeros((0, 4)), ShapeError, "at least 1"),
            (np.zeros(4), ShapeError, r"\(N, K\)"),
        ],
    )
    def test_bad_outputs(self, outputs, error, words):
        with pytest.raises(error, match=words):
            SoftmaxCrossEntropy().forward(outputs, np.zeros(len(outputs), int))

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"smoothing": "all"}, "'uniform', 'others'"),
            ({"weight_mean": "mean"}, "'batch', 'weights'"),
            ({"label_smoothing": 1.0}, "label_smoothing"),
            ({"class_weights": [1, -1]}, "class_weights"),
            ({"class_weights": [0, 1], "weight_mean": "weights"}, "above 0"),
        ],
    )
    def test_bad_options(self, options, words):
        with pytest.raises(ConfigError, match=words):
            SoftmaxCrossEntropy(**options)

    def test_wrong_number_of_class_weights(self):
        with pytest.raises(ShapeError, match="3 class weights do not fit 4 outputs"):
            SoftmaxCrossEntropy(class_weights=[1, 2, 3]).forward(np.zeros((2, 4)), np.array([0, 1]))


class TestSigmoidCrossEntropy:
    def test_by_hand(self):
        # z = log 3 is p = 3/4. One example, targets (1, 0): -log 3/4 - log 1/4, over 2 outputs.
        z = np.full((1, 2), math.log(3))
        loss = SigmoidCrossEntropy()
        assert loss.forward(z, np.array([[1, 0]])) == pytest.approx((math.log(4 / 3) + math.log(4)) / 2)
        np.testing.assert_allclose(loss.backward(), [[-1 / 8, 3 / 8]], rtol=1e-13)
        summed = SigmoidCrossEntropy(scale="examples")
        assert summed.forward(z, np.array([[1, 0]])) == pytest.approx(math.log(4 / 3) + math.log(4))
        np.testing.assert_allclose(summed.backward(), [[-1 / 4, 3 / 4]], rtol=1e-13)

    def test_against_scipy(self, rng):
        z, t = rng.normal(scale=5, size=(6, 3)), rng.random((6, 3))
        p = special.expit(z)
        expected = -(special.xlogy(t, p) + special.xlog1py(1 - t, -p)).mean()
        assert SigmoidCrossEntropy().forward(z, t) == pytest.approx(expected, rel=1e-12)

    def test_against_pytorch(self, rng):
        torch = pytest.importorskip("torch", reason="PyTorch is not installed")
        z, t = rng.normal(scale=20, size=(6, 3)), rng.random((6, 3))
        other = torch.tensor(z, requires_grad=True)
        expected = torch.nn.functional.binary_cross_entropy_with_logits(other, torch.tensor(t))
        expected.backward()
        loss = SigmoidCrossEntropy()
        assert loss.forward(z, t) == pytest.approx(expected.item(), rel=1e-12)
        np.testing.assert_allclose(loss.backward(), other.grad.numpy(), rtol=1e-10, atol=1e-17)

    def test_logits_of_ten_thousand(self):
        z = np.array([[1e4, -1e4]], dtype=np.float32)
        loss = SigmoidCrossEntropy()
        assert loss.forward(z, np.array([[1, 0]])) == 0
        np.testing.assert_array_equal(loss.backward(), [[0, 0]])
        assert loss.forward(z, np.array([[0, 1]])) == 1e4
        np.testing.assert_array_equal(loss.backward(), [[0.5, -0.5]])

    def test_labels_are_made_one_hot(self, rng):
        z, y = rng.normal(size=(5, 3)), rng.integers(0, 3, 5)
        loss = SigmoidCrossEntropy()
        assert loss.forward(z, y) == loss.forward(z, np.eye(3)[y])

    def test_one_output_takes_a_vector_without_broadcasting(self, rng):
        z, t = rng.normal(size=(5, 1)), np.array([0, 1, 1, 0, 1])
        loss = SigmoidCrossEntropy()
        assert loss.forward(z, t) == loss.forward(z, t[:, None])
        assert loss.backward().shape == (5, 1)

    def test_bad_targets(self):
        with pytest.raises(ConfigError, match=r"targets must lie in \[0, 1\]"):
            SigmoidCrossEntropy().forward(np.zeros((2, 1)), np.array([0, 2]))
        with pytest.raises(ShapeError, match="do not fit"):
            SigmoidCrossEntropy().forward(np.zeros((2, 3)), np.zeros((3, 2)))


class TestMeanSquaredError:
    def test_by_hand(self):
        # Differences (1, -2) and (0, 3): squares 1 + 4 + 9 = 14; over 4 elements 3.5, over 2N = 4
        # again 3.5 because K = 2; the gradients then agree too: 2 d / 4 = d / 2.
        y, t = np.array([[1.0, 0.0], [2.0, 5.0]]), np.array([[0.0, 2.0], [2.0, 2.0]])
        for scale in ("elements", "quadratic"):
            loss = MeanSquaredError(scale=scale)
            assert loss.forward(y, t) == 3.5
            np.testing.assert_array_equal(loss.backward(), [[0.5, -1], [0, 1.5]])

    def test_scales_differ_by_half_the_outputs(self, rng):
        y, t = rng.normal(size=(4, 10)), rng.integers(0, 10, 4)
        elements, quadratic = MeanSquaredError(), MeanSquaredError(scale="quadratic")
        assert quadratic.forward(y, t) == pytest.approx(5 * elements.forward(y, t))
        nielsen = sum(0.5 * np.linalg.norm(a - b) ** 2 for a, b in zip(y, np.eye(10)[t], strict=True)) / 4
        assert quadratic.forward(y, t) == pytest.approx(nielsen)

    def test_against_pytorch(self, rng):
        torch = pytest.importorskip("torch", reason="PyTorch is not installed")
        y, t = rng.normal(size=(4, 3, 2)), rng.normal(size=(4, 3, 2))
        expected = torch.nn.functional.mse_loss(torch.tensor(y), torch.tensor(t)).item()
        assert MeanSquaredError().forward(y, t) == pytest.approx(expected, rel=1e-13)

    def test_a_vector_of_values_does_not_broadcast(self):
        # (3, 1) - (3,) would be a 3x3 table.
        y, t = np.array([[1.0], [2.0], [3.0]]), np.array([1.0, 2.0, 4.0])
        assert MeanSquaredError().forward(y, t) == pytest.approx(1 / 3)


class TestSoftDice:
    def test_by_hand(self):
        # One image of 4 pixels, p = (1, .5, 0, 0), g = (1, 1, 0, 0), s = 1:
        # A = 2 * 1.5 + 1 = 4, B = 1.5 + 2 + 1 = 4.5, loss = 1 - 8/9;
        # d/dp = (8/9 - 2 g) / 4.5 = (-20/81, -20/81, 16/81, 16/81).
        p = np.array([1, 0.5, 0, 0]).reshape(1, 1, 2, 2)
        g = np.array([1, 1, 0, 0]).reshape(1, 2, 2)
        for per in ("class", "all"):
            loss = SoftDice(per=per)
            assert loss.forward(p, g) == pytest.approx(1 / 9)
            np.testing.assert_allclose(loss.backward().ravel(), np.array([-20, -20, 16, 16]) / 81)

    def test_per_class_weighs_a_rare_class_like_a_common_one(self):
        # 99 pixels of class 0, one of class 1, everything called class 0. Per class: Dice is
        # 198/199 and 0 (s -> 0), mean loss about 1/2; all together 2 * 99 / 200, loss 1/100.
        labels = np.zeros((1, 100), int)
        labels[0, 0] = 1
        p = np.zeros((1, 2, 100))
        p[:, 0] = 1
        assert SoftDice(smooth=1e-9).forward(p, labels) == pytest.approx(1 - 99 / 199, abs=1e-6)
        assert SoftDice(smooth=1e-9, per="all").forward(p, labels) == pytest.approx(0.01, abs=1e-6)

    def test_hard_predictions_give_one_minus_f1(self, rng):
        # With p in {0, 1} soft Dice is the F1 score.
        metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
        p, g = rng.integers(0, 2, (50, 1)), rng.integers(0, 2, 50)
        expected = 1 - metrics.f1_score(g, p[:, 0])
        assert SoftDice(smooth=1e-12).forward(p.astype(float), g) == pytest.approx(expected)

    def test_absent_class_costs_nothing(self):
        assert SoftDice().forward(np.zeros((2, 1)), np.array([0, 0])) == 0

    def test_logits_are_refused(self):
        with pytest.raises(ConfigError, match="end the model with Softmax or Sigmoid"):
            SoftDice().forward(np.array([[3.0, -2.0]]), np.array([0]))

    def test_bad_options(self):
        with pytest.raises(ConfigError, match="smooth"):
            SoftDice(smooth=0)
        with pytest.raises(ConfigError, match="per must be one of"):
            SoftDice(per="image")


@pytest.mark.parametrize("kind", [SoftmaxCrossEntropy, SigmoidCrossEntropy, MeanSquaredError, SoftDice])
def test_backward_before_forward(kind):
    with pytest.raises(StateError, match=f"{kind.__name__}: backward was called before forward"):
        kind().backward()


def test_one_hot_puts_the_classes_on_axis_one():
    labels = np.array([[0, 2], [1, 1]])
    expected = [[[1, 0], [0, 0], [0, 1]], [[0, 0], [1, 1], [0, 0]]]
    np.testing.assert_array_equal(one_hot(labels, 3), expected)
    assert one_hot(labels, 3).dtype == np.float32
