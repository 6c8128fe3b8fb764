"""The gradient checker itself: it passes right layers, and says what is wrong with wrong ones."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from minidl.errors import ConfigError, MinidlError
from minidl.gradcheck import GradientCheckError, check_layer, check_loss, check_model, verdict
from minidl.gradcheck.differences import STEP, separated
from minidl.layers import BatchNorm, Conv2D, Dense, Dropout, Flatten, MaxPool2D, ReLU, Sequential, Tanh
from minidl.layers.base import Layer, Parameter
from minidl.losses import SoftmaxCrossEntropy
from minidl.regularizers import L1, L2


class Line(Layer):
    """A dense layer with one bug at a time."""

    def __init__(self, bug: str = "", units: int = 4) -> None:
        super().__init__()
        self.bug, self.units = bug, units

    def setup(self, input_shape, seeds):
        generator = seeds.generator("init")
        self.parameters["weight"] = Parameter(
            generator.normal(size=(input_shape[0], self.units)).astype(self.dtype)
        )
        self.parameters["bias"] = Parameter(np.zeros(self.units, self.dtype), decay=False)
        return (self.units,)

    def forward(self, x, train=False):
        self._check_input(x)
        self._cache = x
        y = x @ self.parameters["weight"].value + self.parameters["bias"].value
        if self.bug == "mutated x":
            x *= 2
        return y

    def backward(self, dy):
        x, weight, bias = self._saved(dy), self.parameters["weight"], self.parameters["bias"]
        dw, db, dx = x.T @ dy, dy.sum(axis=0), dy @ weight.value.T
        if self.bug == "transposed":
            dw = dw.T
        elif self.bug == "mean forgotten":
            dw = dw * len(x)
        elif self.bug == "mean twice":
            dw = dw / len(x)
        elif self.bug == "factor":
            dw = dw * 2
        elif self.bug == "sign":
            dx = -dx
        elif self.bug == "zero bias":
            db = np.zeros_like(db)
        elif self.bug == "missing":
            bias.grad = db
            return dx
        elif self.bug == "one entry":
            dw[1, 2] += 0.01
        elif self.bug == "offset":
            dw = dw + 0.25
        elif self.bug == "nan":
            dw[0, 0] = np.nan
        elif self.bug == "shape":
            db = db[None]
        elif self.bug == "term":
            dw = dw + np.sin(np.arange(dw.size)).reshape(dw.shape)
        elif self.bug == "mutated dy":
            dy *= 0.5
        elif self.bug == "none":
            dx = None
        if self.bug == "accumulated" and weight.grad is not None:
            dw = weight.grad + dw
        weight.grad, bias.grad = dw, db
        return dx


class Square(Layer):
    """``y = x^2``, with a kink at zero if asked to be ``y = max(x, 0)``, or random if asked to be."""

    def __init__(self, kind: str = "square") -> None:
        super().__init__()
        self.kind = kind
        self.random = np.random.default_rng(0)

    def forward(self, x, train=False):
        self._cache = x
        if self.kind == "random":
            return x * self.random.random()
        return np.maximum(x, 0) if self.kind == "relu" else x * x

    def backward(self, dy):
        x = self._saved(dy)
        return dy * (x > 0) if self.kind == "relu" else dy * 2 * x


class HalfMeanSquare:
    """``L = mean_n sum_k (y - t)^2 / 2``, whose gradient is ``(y - t) / N``."""

    def __init__(self, bug: str = "") -> None:
        self.bug = bug

    def forward(self, outputs, targets):
        self.difference = outputs - targets
        if self.bug == "vector":
            return 0.5 * (self.difference**2).sum(axis=1)
        if self.bug == "mutated":
            targets += 1
        return 0.5 * (self.difference**2).sum() / len(outputs)

    def backward(self):
        return self.difference if self.bug == "mean forgotten" else self.difference / len(self.difference)


class Ridge:
    def __init__(self, strength: float, bug: str = "") -> None:
        self.strength, self.bug = strength, bug

    def penalty(self, named_parameters):
        return 0.5 * self.strength * sum(float((p.value**2).sum()) for _, p in named_parameters if p.decay)

    def add_gradient(self, named_parameters):
        for _, parameter in named_parameters:
            if parameter.decay and self.bug != "forgotten":
                parameter.grad = parameter.grad + self.strength * parameter.value


# Each bug, the tensor it must be found in, and what the hint must say.
BUGS = [
    ("transposed", "weight", "transposed: the gradient from backward has its axes in the order (1, 0)"),
    ("mean forgotten", "weight", "factor of 3, the batch size: the mean over the batch is forgotten"),
    ("mean twice", "weight", "one over the batch size 3: the mean over the batch is counted twice"),
    ("factor", "weight", "off by a constant factor of 2"),
    ("sign", "dx", "wrong sign"),
    ("zero bias", "bias", "zero everywhere"),
    ("missing", "weight", "missing: backward never set this gradient"),
    ("one entry", "weight", "1 of 16 entries are wrong and the others are right"),
    ("offset", "weight", "off by the same amount, 0.25"),
    ("nan", "weight", "NaN or infinity"),
    ("shape", "bias", "wrong shape: the gradient has shape (1, 4) where the tensor has (4,)"),
    ("term", "weight", "a term of the formula is missing or wrong"),
    ("accumulated", "weight", "added up over two calls"),
    ("none", "dx", "missing: backward never set this gradient"),
]


def test_a_right_layer_passes_and_is_called_good():
    report = check_layer(Line(), (4,))
    assert report.ok and report.error < 1e-7 and verdict(report.error) == "good"
    assert [tensor.name for tensor in report.tensors] == ["dx", "weight", "bias"]
    assert [tensor.checked for tensor in report.tensors] == [12, 16, 4]
    assert "passed" in str(report)
    report.raise_if_failed()


@pytest.mark.parametrize(("bug", "tensor", "hint"), BUGS, ids=[bug for bug, _, _ in BUGS])
def test_each_bug_is_found_in_its_tensor_with_its_hint(bug, tensor, hint):
    report = check_layer(Line(bug), (4,))
    assert [found.name for found in report.tensors if not found.ok] == [tensor]
    assert hint in report.worst.hint
    with pytest.raises(GradientCheckError, match="FAILED"):
        report.raise_if_failed()


def test_the_transposed_gradient_of_a_rectangle_is_recognised_by_its_shape():
    assert (
        "transposed: the gradient has shape (2, 4)"
        in check_layer(Line("transposed", units=2), (4,)).worst.hint
    )


@pytest.mark.parametrize("argument", ["x", "dy"])
def test_a_changed_argument_is_reported(argument):
    report = check_layer(Line(f"mutated {argument}"), (4,))
    assert any(problem.startswith(f"input mutated: the array {argument} ") for problem in report.problems)


def test_a_failure_names_layer_tensor_index_and_both_values():
    report = check_layer(Line("one entry"), (4,))
    assert report.worst.index == (1, 2)
    assert report.worst.analytic - report.worst.numeric == pytest.approx(0.01, rel=1e-6)
    text = str(report)
    assert "Line" in text and "weight[1, 2]" in text and f"{report.worst.analytic:.10g}" in text
    assert f"{report.worst.numeric:.10g}" in text and "hint:" in text


def test_the_error_is_relative_to_the_larger_of_the_two():
    # analytic 2n against n: |2n - n| / max(2n, n) = 1/2
    assert check_layer(Line("factor"), (4,)).error == pytest.approx(0.5, rel=1e-6)


def test_an_error_of_one_in_a_million_is_seen():
    class Slightly(Square):
        def backward(self, dy):
            return super().backward(dy) * (1 + 3e-6)

    assert check_layer(Square(), (5,)).error < 1e-7
    report = check_layer(Slightly(), (5,))
    assert not report.ok and 1e-6 < report.error < 1e-5 and verdict(report.error) == "fine with kinks"


def test_the_verdict_follows_the_thresholds_of_the_lecture():
    words = [
        verdict(error) for error in (1e-8, 1e-7, 1e-5, 1e-4, 1e-3, 1e-2, 2e-2, float("inf"), float("nan"))
    ]
    assert words == ["good", "good", "fine with kinks", "fine with kinks", "uneasy", "uneasy", *["wrong"] * 3]


def test_an_input_on_a_kink_is_called_a_kink():
    report = check_layer(Square("relu"), (3,), x=np.array([[1.0, 0.0, -1.0]]))
    assert report.worst.index == (0, 1) and report.worst.hint.startswith("kink crossed")


def test_a_kink_inside_the_step_but_not_at_the_point_does_no_harm():
    # 2e-6 is nearer to the kink than the step of 6e-6, but the slopes there are 1 and 0
    report = check_layer(Square("relu"), (2,), x=np.array([[2e-6, -2e-6]]))
    assert report.ok, report


def test_generated_inputs_are_off_kinks_and_ties():
    for size in (1, 2, 7, 500):
        values = np.sort(separated((size,), np.random.default_rng(size)))
        assert np.abs(values).max() <= 2 and np.abs(values).min() > 100 * STEP
        assert size == 1 or np.diff(values).min() > 100 * STEP


def test_randomness_the_checker_cannot_freeze_is_reported():
    assert any("not repeatable" in problem for problem in check_layer(Square("random"), (3,)).problems)


def test_the_layer_is_left_exactly_as_it_was():
    class Noisy(Line):
        def __init__(self):
            super().__init__()
            self.generator = np.random.default_rng(5)

        def setup(self, input_shape, seeds):
            self.buffers["count"] = np.zeros(())
            return super().setup(input_shape, seeds)

        def forward(self, x, train=False):
            self.buffers["count"][...] += train
            mask = self.generator.random(x.shape) < 0.5 if train else np.ones(x.shape, bool)
            self._mask = mask
            return super().forward(x * mask, train)

        def backward(self, dy):
            return super().backward(dy) * self._mask

    layer = Noisy()
    layer.build((4,), 3, np.float32)
    layer.forward(np.ones((2, 4), np.float32), train=True)
    before = copy.deepcopy(layer)
    assert check_layer(layer, (4,)).ok
    assert layer.generator.bit_generator.state == before.generator.bit_generator.state
    assert layer.buffers["count"] == before.buffers["count"] == 1
    for name, parameter in layer.parameters.items():
        assert parameter.value.dtype == np.float32 and parameter.grad is None
        np.testing.assert_array_equal(parameter.value, before.parameters[name].value)


def test_a_student_layer_with_just_forward_and_backward():
    class Cube:
        def forward(self, x):
            self.x = x
            return x**3

        def backward(self, dy):
            return 3 * self.x**2 * dy

    class Scale:
        def __init__(self):
            self.parameters = {"k": Parameter(np.array([2.0, 3.0]))}

        def forward(self, x, train=False):
            self.x = x
            return x * self.parameters["k"].value

        def backward(self, dy):
            self.parameters["k"].grad = (dy * self.x).sum(axis=0)
            return dy * self.parameters["k"].value

    assert check_layer(Cube(), (3,)).ok
    report = check_layer(Scale(), (2,))
    assert report.ok and [tensor.name for tensor in report.tensors] == ["dx", "k"]


def test_objects_that_are_no_layers_get_a_sentence():
    class OnlyForward:
        def forward(self, x):
            return x

    class Raw(OnlyForward):
        def __init__(self):
            self.parameters = {"w": np.ones(2)}

        def backward(self, dy):
            return dy

    with pytest.raises(ConfigError, match="OnlyForward: a gradient check needs the method backward"):
        check_layer(OnlyForward(), (2,))
    with pytest.raises(ConfigError, match="must have the attributes value and grad"):
        check_layer(Raw(), (2,))


def test_several_outputs_are_projected_together():
    class Fork(Layer):
        def __init__(self, bug=False):
            super().__init__()
            self.bug = bug

        def forward(self, x, train=False):
            self._cache = x
            return x * x, 3 * x

        def backward(self, dy):
            squared, tripled = dy
            return 2 * self._cache * squared + (2 if self.bug else 3) * tripled

    assert check_layer(Fork(), (4,)).ok
    assert not check_layer(Fork(bug=True), (4,)).ok


def test_a_sum_would_hide_what_the_projection_shows():
    class Softmax(Layer):
        def forward(self, x, train=False):
            e = np.exp(x - x.max(axis=1, keepdims=True))
            self._cache = e / e.sum(axis=1, keepdims=True)
            return self._cache.copy()

        def backward(self, dy):
            return np.zeros_like(dy)  # right for the sum of the outputs, which is always 1

    assert "zero everywhere" in check_layer(Softmax(), (4,)).worst.hint


def test_a_sample_of_a_big_tensor_and_directions_through_all_of_it():
    report = check_layer(Line(units=50), (60,), max_entries=5)
    assert report.ok
    names = [tensor.name for tensor in report.tensors]
    assert names[:3] == ["dx", "dx (random direction 1)", "dx (random direction 2)"]
    assert report.tensors[0].checked == 5 and report.tensors[1].checked == 180
    bad = check_layer(Line("one entry", units=50), (60,), max_entries=5)
    failed = [tensor for tensor in bad.tensors if not tensor.ok]
    assert failed and all("direction" in tensor.name and "not sampled" in tensor.hint for tensor in failed)


def test_losses():
    targets = np.linspace(0, 1, 12).reshape(3, 4)
    assert check_loss(HalfMeanSquare(), (3, 4), targets).ok
    forgotten, mutated, vector = (
        check_loss(HalfMeanSquare(bug), (3, 4), targets) for bug in ("mean forgotten", "mutated", "vector")
    )
    assert "factor of 3, the batch size: the mean over the batch is forgotten" in forgotten.hints[0]
    assert "the loss changed the targets" in mutated.problems[0]
    assert "one number" in vector.problems[0] and not vector.ok
    np.testing.assert_array_equal(targets, np.linspace(0, 1, 12).reshape(3, 4))


def test_a_float32_model_with_and_without_regularisation():
    model = Line()
    model.build((4,), 1, np.float32)
    x, targets = np.linspace(-1, 1, 20, dtype=np.float32).reshape(5, 4), np.ones((5, 4))
    assert check_model(model, HalfMeanSquare(), x, targets).ok
    report = check_model(model, HalfMeanSquare(), x, targets, regularizers=[Ridge(0.1)], max_entries=None)
    assert report.ok and report.error < 1e-6
    wrong = check_model(model, HalfMeanSquare(), x, targets, regularizers=[Ridge(0.1, "forgotten")])
    assert not wrong.ok and {found.name.split()[0] for found in wrong.tensors if not found.ok} == {"weight"}
    assert model.parameters["weight"].value.dtype == np.float32 and model.parameters["weight"].grad is None


def test_a_real_network_with_everything_that_keeps_state():
    model = Sequential(
        [Conv2D(4, 3), MaxPool2D(2), ReLU(), Flatten(), Dropout(0.3), Dense(8), BatchNorm(), Tanh(), Dense(5)]
    )
    model.build((1, 10, 10), 0, np.float32)
    generator = np.random.default_rng(0)
    x, labels = generator.random((6, 1, 10, 10), dtype=np.float32), generator.integers(0, 5, 6)
    model.forward(x, train=True)
    state = {path: array.copy() for path, array in model.state_dict().items()}
    draws = [repr(g.bit_generator.state) for _, g in model.named_generators()]
    for train in (True, False):
        for penalties in ([], [L2(0.1), L1(0.01)]):
            report = check_model(
                model, SoftmaxCrossEntropy(), x, labels, regularizers=penalties, train=train, max_entries=6
            )
            report.raise_if_failed()
            assert report.error < 1e-6
    assert [repr(g.bit_generator.state) for _, g in model.named_generators()] == draws
    for path, array in model.state_dict().items():
        np.testing.assert_array_equal(array, state[path])
    assert all(parameter.grad is None for _, parameter in model.named_parameters())


def test_a_network_with_a_wrong_layer_is_traced_to_its_parameters():
    class Heavy(Dense):
        def backward_parameters(self, dy):
            super().backward_parameters(dy)
            self.parameters["weight"].grad *= len(dy)

    model = Sequential([Dense(4), Tanh(), Heavy(5)])
    model.build((3,), 0)
    x = np.random.default_rng(0).random((6, 3))
    report = check_model(model, SoftmaxCrossEntropy(), x, np.arange(6) % 5, max_entries=None)
    assert [found.name for found in report.tensors if not found.ok] == ["2.weight"]
    assert "factor of 6, the batch size: the mean over the batch is forgotten" in report.worst.hint


def test_the_error_is_an_assertion_and_one_of_ours():
    assert issubclass(GradientCheckError, AssertionError) and issubclass(GradientCheckError, MinidlError)
