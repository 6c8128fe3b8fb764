"""Constructed networks with a known illness."""

import numpy as np
import pytest

from minidl.initializers import Constant, Normal
from minidl.layers import Conv2D, Dense, Flatten, MaxPool2D, ReLU, Sequential, Sigmoid, Tanh
from minidl.losses import SoftmaxCrossEntropy
from minidl.monitoring import Histograms, look_inside
from minidl.monitoring.detectors import activation_warnings, dead_units, gradient_warning, saturated_share
from minidl.monitoring.statistics import histogram, magnitudes, norm, sample

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 8)).astype(np.float32)
Y = RNG.integers(0, 3, 64)


def look(layers, x=X, y=Y):
    model = Sequential(layers)
    model.build(x.shape[1:], rng=0)
    monitor = Histograms(every=1)
    monitor.start(model, SoftmaxCrossEntropy(), (x, y), batches=10)
    for _ in range(3):
        monitor.observe()
    return monitor.table.rows[-1], {entry["kind"]: entry["text"] for entry in monitor.notes.entries}


def test_a_bias_of_minus_100_kills_every_relu(capsys):
    row, warnings = look([Dense(20, bias_init=Constant(-100.0)), ReLU(), Dense(3)])
    assert row["dead/1 ReLU"] == 1.0
    # Nothing comes back through dead units, so the gradient of the first layer is zero as well.
    assert warnings.keys() == {"dead", "vanishing"} and "100 % in 1 ReLU" in warnings["dead"]
    assert capsys.readouterr().err.startswith("monitor: epoch 1, batch 1: dead ReLUs")


def test_a_healthy_network_has_no_warning(capsys):
    row, warnings = look([Dense(20), ReLU(), Dense(20), Tanh(), Dense(3)])
    assert row["dead/1 ReLU"] < 0.2 and row["saturated/3 Tanh"] < 0.3
    assert warnings == {} and capsys.readouterr().err == ""


def test_a_unit_is_dead_only_if_it_is_zero_for_all_examples():
    output = np.array([[0, 1, 0], [0, 0, 0.5]])
    assert dead_units(output).tolist() == [True, False, False]
    images = np.zeros((2, 3, 2, 2))
    images[1, 2, 0, 1] = 0.1  # one pixel of one image is enough for the channel
    assert dead_units(images).tolist() == [True, True, False]


def test_in_a_convolution_a_unit_is_a_channel():
    class Biases:
        def __call__(self, shape, fan_in, fan_out, generator, dtype):
            return np.array([-100.0, 0.0, -100.0, 0.0], dtype)

    x = RNG.random((16, 1, 8, 8)).astype(np.float32)
    layers = [Conv2D(4, 3, bias_init=Biases()), MaxPool2D(2), ReLU(), Flatten(), Dense(3)]
    row, _ = look(layers, x, Y[:16])
    assert row["dead/2 ReLU"] >= 0.5


@pytest.mark.parametrize("kind", [Sigmoid, Tanh])
def test_large_weights_saturate(kind, capsys):
    row, warnings = look([Dense(20, weight_init=Normal(100.0)), kind(), Dense(3)])
    assert row[f"saturated/1 {kind.__name__}"] > 0.95
    assert "saturated" in warnings


def test_saturation_by_hand():
    # tanh: |y| > 0.95; sigmoid: below 0.025 or above 0.975.
    assert saturated_share(Tanh(), np.array([0.94, -0.94, 0.96, -0.96, 0.0])) == pytest.approx(2 / 5)
    assert saturated_share(Sigmoid(), np.array([0.03, 0.97, 0.02, 0.98, 0.5])) == pytest.approx(2 / 5)
    # The slope is then below a tenth of its maximum: 1 - 0.95^2 < 0.1 and 0.975 * 0.025 < 0.1 / 4.
    assert 1 - 0.95**2 < 0.1 and 0.975 * 0.025 < 0.1 * 0.25


def test_a_tanh_that_does_not_span_its_range_is_noticed(capsys):
    _, warnings = look([Dense(20, weight_init=Normal(0.003)), Tanh(), Dense(3)])
    assert "should span [-1, 1]" in warnings["narrow"]


def test_the_answers_may_saturate():
    state = {"mean": 0.0, "std": 1.0, "low": 0.0, "high": 1.0, "saturated": 1.0}
    assert activation_warnings({"0 Dense": {}, "1 Sigmoid": state}) == {}
    assert "saturated" in activation_warnings({"0 Sigmoid": state, "1 Dense": {}})


def test_small_weights_in_a_deep_sigmoid_network_make_the_gradient_vanish(capsys):
    deep = [layer for _ in range(6) for layer in (Dense(20), Sigmoid())]
    row, warnings = look([*deep, Dense(3)])
    assert row["gradient/0 Dense"] < 1e-3 * row["gradient/12 Dense"]
    assert warnings.keys() == {"vanishing"}


def test_large_weights_in_a_deep_relu_network_make_it_explode(capsys):
    deep = [layer for _ in range(6) for layer in (Dense(20, weight_init=Normal(5.0)), ReLU())]
    _, warnings = look([*deep, Dense(3)])
    assert "exploding" in warnings


def test_gradient_warning_by_hand():
    assert gradient_warning({"a": 0.002, "b": 1.0}) == {}
    assert "0.0005 of it" in gradient_warning({"a": 0.0005, "m": 7.0, "b": 1.0})["vanishing"]
    assert "exploding" in gradient_warning({"a": 2000.0, "b": 1.0})
    assert gradient_warning({"a": 1.0}) == gradient_warning({"a": 1.0, "b": 0.0}) == {}


def test_histograms_count_everything_once():
    x = np.array([-1.0, -0.99, 0.0, 0.5, 1.0, 3.0, -7.0, np.nan])
    assert histogram(x, -1, 1, bins=4).tolist() == [3, 0, 1, 3]  # 0 -> third bin, 0.5, 1 and 3 -> last
    assert histogram(np.full(5, 2.0), 2, 2, bins=3).sum() == 5


def test_magnitudes_by_hand():
    # Four bins to a power of ten from 1e-12: 1e-3 opens bin 36, counted from 0 after the zeros.
    counts = magnitudes(np.array([0, 0, 1.1e-3, -1.1e-3, 1e9, 1e-30, np.inf]))
    assert counts[0] == 2 and counts[1 + 36] == 2
    assert counts[-1] == 1 and counts[1] == 1 and counts.sum() == 6


def test_the_sample_is_spread_over_all_examples():
    x = np.repeat(np.arange(64.0)[:, None], 5000, axis=1)
    assert len(np.unique(sample(x))) == 64 and 5000 < len(sample(x)) <= 20_001
    assert len(np.unique(sample(np.asfortranarray(x)))) == 64


def test_gradients_of_the_probe_are_those_of_the_network():
    """Against the network's own backward pass, whose gradients the probe must not touch."""
    model = Sequential([Dense(5), Tanh(), Sequential([Dense(4), ReLU()]), Dense(3)])
    model.build((8,), rng=1)
    loss = SoftmaxCrossEntropy()
    loss.forward(model.forward(X), Y)
    model.backward(loss.backward())
    expected = {name: parameter.grad.copy() for name, parameter in model.named_parameters()}
    for _, parameter in model.named_parameters():
        parameter.grad = None
    view = look_inside(model, X, SoftmaxCrossEntropy(), Y)
    assert all(parameter.grad is None for _, parameter in model.named_parameters())
    assert view.gradients.keys() == expected.keys()
    for name, gradient in view.gradients.items():
        np.testing.assert_array_equal(gradient, expected[name])
    assert [layer.name for layer in view.layers] == ["0 Dense", "1 Tanh", "2.0 Dense", "2.1 ReLU", "3 Dense"]
    np.testing.assert_array_equal(view.layers[-1].output, model.forward(X))
    # d loss / d outputs of the mean softmax cross-entropy: (p - onehot) / N.
    logits = view.layers[-1].output.astype(np.float64)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(view.layers[-1].gradient, (p - np.eye(3)[Y]) / 64, rtol=1e-4, atol=1e-7)
    assert norm(view.layers[-1].gradient) == pytest.approx(np.linalg.norm((p - np.eye(3)[Y]) / 64), rel=1e-4)
