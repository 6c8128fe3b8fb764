"""The checks before training: healthy set-ups pass, every planted error is found and named."""

from __future__ import annotations

import copy
import json
import math

import numpy as np
import pytest

from minidl import (
    L1,
    L2,
    SGD,
    Adam,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPool2D,
    MeanSquaredError,
    Momentum,
    Parameter,
    ReLU,
    Sequential,
    Sigmoid,
    SigmoidCrossEntropy,
    SoftDice,
    Softmax,
    SoftmaxCrossEntropy,
)
from minidl.data import Split, load
from minidl.errors import ConfigError
from minidl.gradcheck import check_model
from minidl.initializers import Constant, Normal
from minidl.random import Seeds
from minidl.training.prechecks import (
    OK,
    SUSPICIOUS,
    WRONG,
    CheckResult,
    PrecheckReport,
    check_chance_loss,
    check_duplicates,
    check_gradients,
    check_inputs,
    check_labels,
    check_outputs,
    check_overfit_batches,
    check_overfit_samples,
    check_pairing,
    check_penalty,
    precheck,
)
from minidl.training.prechecks.copies import spread

CROSS_ENTROPY = SoftmaxCrossEntropy()


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.fixture
def train(digits):
    return digits.train


def network(*, hidden=30, last=(), first=(), **dense):
    return Sequential([Flatten(), *first, Dense(hidden, **dense), ReLU(), Dense(10, **dense), *last])


def convolutional():
    return Sequential([Conv2D(4, 5), MaxPool2D(4), ReLU(), Flatten(), Dropout(0.5), Dense(10)])


class Doubled(Dense):
    """A layer of our own kind whose weight gradient is twice what it should be."""

    def backward_parameters(self, dy):
        super().backward_parameters(dy)
        self.parameters["weight"].grad = 2 * self.parameters["weight"].grad


class Student:
    """A student's dense layer; `broken` forgets the transposition of the input gradient's factor."""

    def __init__(self, inputs, units, broken, seed=0):
        generator = np.random.default_rng(seed)
        weight = generator.normal(size=(inputs, units)) / math.sqrt(inputs)
        self.parameters = {"weight": Parameter(weight.astype(np.float32))}
        self.broken = broken

    def forward(self, x):
        self.x = x
        return x @ self.parameters["weight"].value

    def backward(self, dy):
        weight = self.parameters["weight"]
        weight.grad = self.x.T @ dy
        if self.broken:
            weight.grad = -weight.grad
        return dy @ weight.value.T


def student_network(broken):
    return Sequential([Flatten(), Student(784, 20, broken), ReLU(), Dense(10)])


# Results ----------------------------------------------------------------------------------------


def test_a_result_says_what_it_found():
    result = CheckResult("chance loss", SUSPICIOUS, "2.9, a guess costs 2.3", "start the bias at zero")
    assert not result.ok
    assert str(result) == (
        "chance loss: suspicious: 2.9, a guess costs 2.3\n    advice: start the bias at zero"
    )
    assert result.row().splitlines() == [
        "  chance loss          suspicious  2.9, a guess costs 2.3",
        "                                   -> start the bias at zero",
    ]
    assert max(map(len, CheckResult("x", OK, "word " * 60).row(80).splitlines())) <= 80


def test_a_report_counts_and_goes_into_json():
    report = PrecheckReport(
        "a network",
        [
            CheckResult("inputs", OK, "fine", numbers={"max": 1.0}),
            CheckResult("labels", SUSPICIOUS, "uneven"),
            CheckResult("gradients", WRONG, "off", numbers={"error": float("inf"), "list": [float("nan")]}),
        ],
    )
    assert report.verdict == WRONG and [result.name for result in report.failed] == ["gradients"]
    assert report["labels"].finding == "uneven"
    with pytest.raises(KeyError):
        report["nothing"]
    assert str(report).endswith("3 checks: 1 ok, 1 suspicious, 1 wrong")
    back = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert back["checks"][2]["numbers"] == {"error": "inf", "list": ["nan"]}
    assert PrecheckReport("nothing", []).verdict == OK


# Data -------------------------------------------------------------------------------------------


def test_inputs_worked_by_hand():
    """Bytes 0, 51, 102, 255 are 0, 0.2, 0.4, 1: mean 0.4, mean square 0.3, deviation sqrt(0.3 - 0.16)."""
    result = check_inputs(np.array([[0, 51], [102, 255]], np.uint8))
    assert result.verdict == OK
    assert result.numbers["mean"] == pytest.approx(0.4)
    assert result.numbers["std"] == pytest.approx(math.sqrt(0.14))
    assert (result.numbers["min"], result.numbers["max"]) == (0, 1)


def test_the_published_statistics_of_many_images():
    """In pieces of a thousand as in one: NumPy over everything at once is the oracle."""
    images = np.random.default_rng(0).integers(0, 256, (2300, 1, 6, 6)).astype(np.uint8)
    result = check_inputs(images)
    assert result.numbers["mean"] == pytest.approx((images / 255).mean(), rel=1e-12)
    assert result.numbers["std"] == pytest.approx((images / 255).std(), rel=1e-9)


@pytest.mark.parametrize(
    ("images", "verdict", "told"),
    [
        (np.array([[0.0, np.nan], [1.0, np.inf]]), WRONG, "2 numbers are NaN or infinite"),
        (np.full((3, 4), 7.0), WRONG, "every number is 7"),
        (np.array([[0.0, 255.0], [3.0, 9.0]]), SUSPICIOUS, "0 to 255"),
        (np.array([[0.0, 1.0], [0.5, 0.5]]), SUSPICIOUS, "1 images have one single value"),
    ],
)
def test_inputs_that_are_not_right(images, verdict, told):
    result = check_inputs(images)
    assert result.verdict == verdict and told in result.finding and result.advice


@pytest.mark.parametrize(
    ("labels", "verdict", "told"),
    [
        ([0, 1, 2, 0, 1, 2], OK, "3 classes of 2 examples"),
        ([0, 1, 2, 3], WRONG, "labels from 0 to 3, but there are classes 0 to 2"),
        ([-1, 1, 2], WRONG, "labels from -1 to 2"),
        ([1, 1, 1], WRONG, "every label is 1"),
        ([0, 0, 2], SUSPICIOUS, "no examples of class 1"),
        ([0] * 11 + [1] * 110 + [2] * 10, SUSPICIOUS, "10 to 110 examples, 11 to 1"),
        ([0.5, 1.0], SUSPICIOUS, "labels are float64"),
    ],
)
def test_labels(labels, verdict, told):
    result = check_labels(np.array(labels), 3)
    assert result.verdict == verdict and told in result.finding
    assert bool(result.advice) == (verdict != OK)


def test_duplicates_between_the_splits_and_within():
    images = np.arange(400).reshape(200, 2)
    labels = np.zeros(200, np.int64)
    assert check_duplicates(images, labels, images[:0]).verdict == OK
    other = images[::-1] + 1
    assert check_duplicates(images, labels, other).verdict == OK
    leaked = np.concatenate([other, images[:1]])
    result = check_duplicates(images, labels, leaked)
    assert result.verdict == SUSPICIOUS and "1 of 201 validation images" in result.finding
    assert check_duplicates(images, labels, images[:50]).verdict == WRONG
    twice = np.concatenate([images, images[:2]])
    result = check_duplicates(twice, np.append(labels, [0, 1]))
    assert result.verdict == SUSPICIOUS
    assert result.finding == "2 training images occur twice, 1 of them with another label"


def test_pairs_of_the_digits_belong_together(digits):
    train, validation = digits.train, digits.validation
    result = check_pairing(train.images, train.labels, validation.images, validation.labels)
    assert result.verdict == OK
    assert result.numbers["training_agreement"] > 0.95 < result.numbers["validation_agreement"] + 0.01
    assert result.numbers["training_chance"] == pytest.approx(0.1, abs=0.002)


@pytest.mark.parametrize(
    "spoil", [lambda y: np.roll(y, 1), lambda y: np.random.default_rng(0).permutation(y), lambda y: y[::-1]]
)
def test_labels_out_of_step_with_the_images(digits, spoil):
    train, validation = digits.train, digits.validation
    result = check_pairing(train.images, spoil(train.labels), validation.images, validation.labels)
    assert result.verdict == WRONG and "no pairs" in result.advice


def test_validation_labels_numbered_from_one(digits):
    """In both splits alike it would not matter; in one of them it does."""
    train, validation = digits.train, digits.validation
    moved = (validation.labels + 1) % 10
    result = check_pairing(train.images, train.labels, validation.images, moved)
    assert result.verdict == WRONG and "validation labels do not fit" in result.advice
    both = check_pairing(train.images, (train.labels + 1) % 10, validation.images, moved)
    assert both.verdict == OK


def test_agreement_worked_by_hand():
    """On a line at 0, 1, 10, 11 with labels a a a b: neighbours agree for 0 and 1 only. Chance (9+1)/16."""
    result = check_pairing(np.array([[0.0], [1.0], [10.0], [11.0]]), np.array([0, 0, 0, 1]))
    assert result.numbers == {"training_agreement": 0.5, "training_chance": 0.625}
    assert result.verdict == OK and "too few examples" in result.finding


def test_examples_are_spread_over_the_classes():
    labels = np.array([0] * 50 + [1] * 3 + [2] * 20)
    chosen = spread(labels, 12, Seeds(0))
    assert np.bincount(labels[chosen]).tolist() == [5, 3, 4] or np.bincount(labels[chosen]).tolist() == [
        4,
        3,
        5,
    ]
    assert len(set(chosen.tolist())) == 12
    assert len(spread(labels, 500, Seeds(0))) == 73


# Outputs ----------------------------------------------------------------------------------------


def test_outputs_of_a_sound_network(train):
    assert check_outputs(convolutional(), CROSS_ENTROPY, *both(train)).verdict == OK
    assert check_outputs(network(last=[Softmax()]), SoftDice(), *both(train)).verdict == OK


def both(split):
    return split.images, split.labels


class MixesTheBatch:
    """Turns (N, D) into (D, N) and back by a reshape instead of a transposition."""

    def forward(self, x):
        self.shape = x.shape
        return np.ascontiguousarray(x.T).reshape(x.shape)

    def backward(self, dy):
        return np.ascontiguousarray(dy.reshape(dy.shape[::-1]).T)


@pytest.mark.parametrize(
    ("model", "told", "advice"),
    [
        (Sequential([Flatten(), Dense(100), ReLU()]), "100 outputs for 10 classes", "output layer missing"),
        (Sequential([Flatten(), Dense(30), ReLU(), Dense(9)]), "between 0 and 8", "mend"),
        (Sequential([Conv2D(10, 5)]), "expected logits of shape (N, K)", "mend"),
        (network(last=[Softmax()]), "takes logits", "take Softmax away"),
        (network(last=[MixesTheBatch()]), "depends on the other examples", "reshape"),
    ],
)
def test_outputs_that_do_not_fit(train, model, told, advice):
    result = check_outputs(model, CROSS_ENTROPY, *both(train))
    assert result.verdict == WRONG and told in result.finding and advice in result.advice


# Chance loss ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "last", "expected"),
    [
        (SoftmaxCrossEntropy(), (), 2.302585),  # ln 10
        (SoftmaxCrossEntropy(label_smoothing=0.1), (), 2.302585),  # smoothing is off
        (SoftmaxCrossEntropy(class_weights=[2.0] * 5 + [1.0] * 5), (), 3.453878),  # 1.5 ln 10
        (SigmoidCrossEntropy(), (), 0.693147),  # ln 2
        (SigmoidCrossEntropy(scale="examples"), (), 6.931472),  # 10 ln 2
        (SoftDice(), (Softmax(),), None),
    ],
)
def test_the_loss_of_a_guess(train, loss, last, expected):
    """With weights of zero in the output layer the network guesses exactly."""
    model = Sequential([Flatten(), Dense(20), ReLU(), Dense(10, weight_init=Constant(0.0)), *last])
    result = check_chance_loss(model, loss, *both(train))
    assert result.verdict == OK
    assert result.numbers["mean"] == pytest.approx(result.numbers["reference"], rel=1e-5)
    if expected is not None:
        assert result.numbers["reference"] == pytest.approx(expected, abs=1e-6)


def test_a_usual_start_is_near_enough(train):
    result = check_chance_loss(network(), CROSS_ENTROPY, *both(train), initialisations=4)
    assert result.verdict == OK and "= -ln(1/10)" in result.finding
    assert len(set(result.numbers["per_initialisation"])) == 4
    assert sorted(result.numbers["per_class"]) == list("0123456789")
    assert result.numbers["accuracy"] == pytest.approx(0.1, abs=0.06)


def test_a_loss_without_reference_says_so_and_takes_one(train):
    result = check_chance_loss(network(), MeanSquaredError(), *both(train))
    assert result.verdict == OK and "no reference value" in result.finding
    result = check_chance_loss(network(), MeanSquaredError(), *both(train), reference=1e-3)
    assert result.verdict == WRONG


def test_initial_weights_too_large(train):
    result = check_chance_loss(network(weight_init=Normal(10.0)), CROSS_ENTROPY, *both(train))
    assert result.verdict == WRONG
    assert "weights are too large" in result.advice and "1.weight (28" in result.advice
    last = Sequential([Flatten(), Dense(30), ReLU(), Dense(10, weight_init=Normal(10.0))])
    result = check_chance_loss(last, CROSS_ENTROPY, *both(train))
    assert result.verdict == WRONG and result.advice.startswith("the last layer's initial weights")


def test_an_unbalanced_output_bias(train):
    bias = network()
    bias.layers[-1] = Dense(10, bias_init=Normal(5.0))
    result = check_chance_loss(bias, CROSS_ENTROPY, *both(train))
    assert result.verdict in (SUSPICIOUS, WRONG) and "3.bias" in result.advice

    class Favoured:
        def __call__(self, shape, fan_in, fan_out, generator, dtype):
            return np.array([2.5] + [0.0] * 9, dtype)

    favoured = network()
    favoured.layers[-1] = Dense(10, bias_init=Favoured())
    result = check_chance_loss(favoured, CROSS_ENTROPY, *both(train))
    # Class 0 costs ln(1 + 9 exp(-2.5)) = 0.55 and the others 2.5 more: 2.5 too much in one, 1.75 too
    # little in the other.
    assert result.numbers["per_class"]["0"] == pytest.approx(0.55, abs=0.25)
    assert not result.ok and "bias" in result.advice


def test_grey_levels_that_were_not_scaled(train):
    result = check_chance_loss(network(), CROSS_ENTROPY, *both(train), scale=1.0)
    assert not result.ok and "inputs are large" in result.advice


def test_a_sum_instead_of_a_mean(train):
    class Summed(SoftmaxCrossEntropy):
        def forward(self, outputs, targets):
            return super().forward(outputs, targets) * len(outputs)

    result = check_chance_loss(network(), Summed(), *both(train), reference=math.log(10))
    assert result.verdict == WRONG and "a sum where it should be a mean" in result.advice


# Penalties --------------------------------------------------------------------------------------


def test_the_loss_rises_with_the_strength(train):
    """weights all 0.1: sum of squares 0.01 * 7,840, so L2(0.001) adds 0.0392, tenfold 0.392."""
    model = Sequential([Flatten(), Dense(10, weight_init=Constant(0.1))])
    result = check_penalty(model, CROSS_ENTROPY, *both(train), regularizers=[L2(0.001)])
    assert result.verdict == OK
    rises = np.array(result.numbers["losses"]) - result.numbers["data_loss"]
    assert np.allclose(rises, [0, 0.0392, 0.392, 3.92], rtol=1e-5)
    assert check_penalty(model, CROSS_ENTROPY, *both(train)).verdict == OK


def test_a_penalty_that_does_nothing_or_the_wrong_thing(train):
    class Negative(L2):
        def penalty(self, named_parameters):
            return -super().penalty(named_parameters)

    for regularizers in ([L2(0.0)], [Negative(0.01)]):
        result = check_penalty(network(), CROSS_ENTROPY, *both(train), regularizers=regularizers)
        assert result.verdict == WRONG and "wrong sign" in result.advice
    result = check_penalty(network(), CROSS_ENTROPY, *both(train), regularizers=[L2(1.0), L1(0.1)])
    assert result.verdict == SUSPICIOUS and "larger than the loss of the data" in result.advice


# Gradients --------------------------------------------------------------------------------------


def test_gradients_of_sound_networks(train):
    result = check_gradients(
        convolutional(), CROSS_ENTROPY, *both(train), regularizers=[L2(0.01)], max_entries=4
    )
    assert result.verdict == OK
    assert {"plain", "with penalties", "with dropout"} <= set(result.numbers)
    assert all(result.numbers[form]["error"] < 1e-6 for form in ("plain", "with penalties", "with dropout"))
    batch_norm = Sequential([Flatten(), Dense(8), BatchNorm(), Sigmoid(), Dense(10)])
    assert check_gradients(batch_norm, CROSS_ENTROPY, *both(train), max_entries=4).verdict == OK
    assert check_gradients(student_network(False), CROSS_ENTROPY, *both(train), max_entries=4).verdict == OK


def test_a_wrong_gradient_is_named(train):
    model = Sequential([Flatten(), Doubled(20), ReLU(), Dense(10)])
    result = check_gradients(model, CROSS_ENTROPY, *both(train), max_entries=4)
    assert result.verdict == WRONG and "1.weight" in result.advice and "factor of 2" in result.advice
    result = check_gradients(student_network(True), CROSS_ENTROPY, *both(train), max_entries=4)
    assert result.verdict == WRONG and "wrong sign" in result.advice


@pytest.mark.parametrize("seed", range(5))
def test_sampled_entries_are_not_all_zero(seed):
    """Two of a hundred inputs are not zero: of a handful of weights some must belong to them."""
    x = np.zeros((3, 100))
    x[:, [13, 57]] = np.random.default_rng(0).normal(size=(3, 2))
    model = Doubled(10)
    model.build((100,), dtype=np.float64)
    report = check_model(model, CROSS_ENTROPY, x, np.array([0, 1, 2]), max_entries=4, seed=seed)
    entries = next(tensor for tensor in report.tensors if tensor.name == "weight")
    assert entries.checked == 4 and not entries.ok and "factor of 2" in entries.hint


def test_a_wrong_penalty_shows_only_with_it(train):
    class Halved(L2):
        def add_gradient(self, named_parameters):
            L2(self.strength / 2).add_gradient(named_parameters)

    result = check_gradients(
        network(), CROSS_ENTROPY, *both(train), regularizers=[Halved(0.1)], max_entries=4
    )
    assert result.verdict == WRONG
    assert result.numbers["plain"]["error"] < 1e-6 < 1e-2 < result.numbers["with penalties"]["error"]


class Tiny(SoftmaxCrossEntropy):
    """A loss divided by a trillion, as a mean over very many terms would be."""

    def __init__(self, gain=1.0):
        super().__init__()
        self.gain = gain

    def forward(self, outputs, targets):
        return super().forward(outputs, targets) * 1e-12

    def backward(self):
        return super().backward() * (1e-12 * self.gain)


def test_a_tiny_loss_is_scaled_up_so_that_wrong_gradients_show(train):
    options = {"max_entries": 4, "burn_in": 0}
    good = check_gradients(network(), Tiny(), *both(train), **options)
    assert good.verdict == OK
    # 2.3e-12 times 2^39 is 1.3: the power of two that comes nearest to one.
    assert good.numbers["loss_scale"] == 2.0**39
    assert good.numbers["plain"]["largest_gradient"] > 1e-3
    bad = check_gradients(network(), Tiny(gain=1.5), *both(train), **options)
    assert bad.verdict == WRONG and "factor of 1.5" in bad.advice
    # Without scaling the error drowns: every gradient is below what a difference resolves.
    model = network()
    model.build((1, 28, 28))
    x, y = train.images[:3] / 255, train.labels[:3]
    assert check_model(model, Tiny(gain=1.5), x, y, max_entries=4).ok
    assert not check_model(model, Tiny(gain=1.5), x, y, max_entries=4, loss_scale=2.0**39).ok
    with pytest.raises(ConfigError, match="loss_scale must be a finite number above 0, got 0"):
        check_model(model, Tiny(), x, y, loss_scale=0)


def test_gradients_too_small_to_be_checked(train):
    """Sigmoids driven far into saturation: nothing reaches the weights below."""
    dead = Sequential([Flatten(), Dense(20), ReLU(), Dense(10, weight_init=Constant(0.0), bias=False)])
    dead.layers[1] = Dense(20, bias_init=Constant(-1000.0))
    result = check_gradients(dead, CROSS_ENTROPY, *both(train), max_entries=4, burn_in=0)
    assert result.verdict == SUSPICIOUS and "too small to be checked" in result.advice


# Overfitting ------------------------------------------------------------------------------------


def test_a_few_examples_are_learned_by_heart(train):
    result = check_overfit_samples(network(), CROSS_ENTROPY, *both(train))
    assert result.verdict == OK and result.numbers["accuracy"] == 1.0
    assert result.numbers["last_loss"] <= 0.02 * math.log(10)
    result = check_overfit_batches(network(), CROSS_ENTROPY, *both(train), optimizer=Momentum(lr=0.05))
    assert result.verdict == OK and result.numbers["accuracy"] == 1.0


def test_even_wrong_labels_are_learned_by_heart(train):
    """Zhang et al. 2016: why the pairing is checked by another means."""
    labels = np.random.default_rng(0).permutation(train.labels)
    assert check_overfit_samples(network(), CROSS_ENTROPY, train.images, labels).verdict == OK


def test_regularisation_is_off_and_the_report_says_so(train):
    model = network(first=[Dropout(0.9)])
    loss = SoftmaxCrossEntropy(label_smoothing=0.3)  # with it no loss below 0.98 could be reached
    result = check_overfit_samples(model, loss, *both(train), optimizer=SGD(lr=0.05, weight_decay=5.0))
    assert result.verdict == OK
    assert "dropout and label smoothing and weight decay switched off" in result.finding


def test_losses_other_than_cross_entropy(train):
    assert check_overfit_samples(network(), MeanSquaredError(), *both(train)).verdict == OK
    assert check_overfit_samples(network(last=[Softmax()]), SoftDice(), *both(train)).verdict == OK


def diagnosis(model, split, loss=CROSS_ENTROPY, check=check_overfit_samples, **options):
    result = check(model, loss, *both(split), **options)
    assert not result.ok and result.advice
    return result.numbers["cause"], result


def test_diagnosis_bug(train):
    cause, result = diagnosis(student_network(True), train, steps=100)
    assert cause == "bug" and result.verdict == WRONG and "1.weight" in result.advice


def test_diagnosis_too_small(train):
    cause, result = diagnosis(network(hidden=1), train, steps=600)
    assert cause == "too small" and "8 times the units" in result.advice


def test_diagnosis_learning_rate(train):
    cause, result = diagnosis(
        Sequential([Flatten(), Dense(30), Sigmoid(), Dense(10)]),
        train,
        check=check_overfit_batches,
        optimizer=SGD(lr=1000.0),
    )
    assert cause == "learning rate" and result.verdict == WRONG and "1000 is too large" in result.advice
    cause, result = diagnosis(network(), train, optimizer=SGD(lr=1e-3), steps=300)
    assert cause == "learning rate" and result.verdict == SUSPICIOUS and "too small" in result.advice
    cause, result = diagnosis(network(), train, optimizer=SGD(lr=1e30), steps=300)
    assert cause == "learning rate" and result.verdict == WRONG


def test_diagnosis_initial_weights(train):
    cause, _ = diagnosis(network(weight_init=Constant(0.0)), train, steps=300)
    assert cause == "initial weights"


def test_diagnosis_contradicting_labels(train):
    split = Split(np.repeat(train.images[:1], 20, axis=0), np.arange(20) % 10)
    cause, result = diagnosis(network(), split, steps=50)
    assert cause == "data" and "the same image has the labels" in result.advice


def test_diagnosis_unsuitable(train):
    """Softmax twice: with one-hot probabilities as logits the loss stays above ln(1 + 9/e) = 1.4612."""
    cause, result = diagnosis(network(last=[Softmax()]), train, steps=300)
    assert cause == "unsuitable"
    assert result.numbers["last_loss"] > math.log(1 + 9 / math.e) - 1e-4


# Together ---------------------------------------------------------------------------------------


def test_everything_is_fine(digits):
    seen = []
    report = precheck(
        convolutional(),
        CROSS_ENTROPY,
        digits.train,
        digits.validation,
        optimizer=Adam(lr=0.003),
        regularizers=[L2(1e-4)],
        on_result=seen.append,
    )
    assert report.verdict == OK, str(report)
    assert seen == report.results
    assert [result.name for result in report.results] == [
        "inputs",
        "validation inputs",
        "labels",
        "validation labels",
        "image-label pairs",
        "duplicates",
        "outputs",
        "chance loss",
        "penalty raises loss",
        "gradients",
        "overfit samples",
        "overfit batches",
    ]


def test_what_no_batch_passes_through_is_reported_not_raised(digits):
    """Labels 0 to 9 for nine outputs: the model is not checked any further."""
    report = precheck(Sequential([Flatten(), Dense(9)]), CROSS_ENTROPY, digits.train)
    assert [result.name for result in report.failed] == ["outputs"]
    assert report.results[-1].name == "outputs"


def test_the_number_of_examples_is_the_lectures(digits):
    with pytest.raises(ConfigError, match="from 5 to 20, got 50"):
        precheck(network(), CROSS_ENTROPY, digits.train, examples=50)
    with pytest.raises(ConfigError, match="at least one example and a label for each, got 0"):
        check_gradients(network(), CROSS_ENTROPY, digits.train.images[:0], digits.train.labels[:0])


def fingerprint(model, loss, optimizer):
    """Everything a check could have touched, as bytes."""
    state = {path: array.tobytes() for path, array in model.state_dict().items()}
    grads = {path: None if p.grad is None else p.grad.tobytes() for path, p in model.named_parameters()}
    generators = {path: repr(g.bit_generator.state) for path, g in model.named_generators()}
    memory = {
        key: value.tobytes() if isinstance(value, np.ndarray) else value
        for key, value in optimizer.state_dict().items()
    }
    options = {key: value for key, value in vars(optimizer).items() if not key.startswith("_")}
    return copy.deepcopy((state, grads, generators, memory, options, vars(loss)["label_smoothing"]))


def test_nothing_leaves_a_trace(digits):
    model = convolutional()
    model.build((1, 28, 28), rng=3)
    loss, optimizer = SoftmaxCrossEntropy(label_smoothing=0.1), Momentum(lr=0.01, weight_decay=0.01)
    x, y = (digits.train.images[:8] / 255).astype(np.float32), digits.train.labels[:8]

    def backward():
        model.backward(loss.backward())
        return [np.array(parameter.grad) for _, parameter in model.named_parameters()]

    loss.forward(model.forward(x, train=True), y)
    backward()
    optimizer.step(model.named_parameters())
    images = digits.train.images.tobytes()
    loss.forward(model.forward(x, train=True), y)  # what backward needs stays there, too
    before = fingerprint(model, loss, optimizer)
    precheck(model, loss, digits.train, digits.validation, optimizer=optimizer, regularizers=[L2(0.01)])
    assert fingerprint(model, loss, optimizer) == before
    assert digits.train.images.tobytes() == images
    after = backward()
    generator_state = model.layers[4].generator.bit_generator.state
    # The same steps without a precheck in between give the same gradients.
    twin = convolutional()
    twin.build((1, 28, 28), rng=3)
    other, stepper = SoftmaxCrossEntropy(label_smoothing=0.1), Momentum(lr=0.01, weight_decay=0.01)
    other.forward(twin.forward(x, train=True), y)
    twin.backward(other.backward())
    stepper.step(twin.named_parameters())
    other.forward(twin.forward(x, train=True), y)
    twin.backward(other.backward())
    for mine, (_, parameter) in zip(after, twin.named_parameters(), strict=True):
        assert np.array_equal(mine, parameter.grad)
    assert repr(generator_state) == repr(twin.layers[4].generator.bit_generator.state)


def test_a_model_that_is_not_built_stays_so(digits):
    model = convolutional()
    precheck(model, CROSS_ENTROPY, digits.train)
    assert model.input_shape is None and list(model.named_parameters()) == []


def test_a_check_gives_the_same_numbers_every_time(digits):
    first = precheck(network(), CROSS_ENTROPY, digits.train, seed=5)
    again = precheck(network(), CROSS_ENTROPY, digits.train, seed=5)
    assert first.as_dict() == again.as_dict()
    other = precheck(network(), CROSS_ENTROPY, digits.train, seed=6)
    assert first["chance loss"].numbers != other["chance loss"].numbers
