"""The classifier beyond scikit-learn's checks: against other implementations, options, bad input."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from minidl import Adam, Dense, Momentum, Sequential, SoftDice, SoftmaxCrossEntropy, Tanh, schedules
from minidl.errors import ConfigError, DivergenceError
from minidl.layers import BatchNorm, Dropout
from minidl.random import Seeds
from minidl.sklearn import NeuralNetClassifier
from minidl.sklearn.batches import Batches

IRIS = load_iris(return_X_y=True)
X, Y = StandardScaler().fit_transform(IRIS[0]), IRIS[1]
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]


def quick(**options):
    return NeuralNetClassifier(**{"hidden_layer_sizes": (8,), "epochs": 5, "random_state": 0, **options})


# What it computes -------------------------------------------------------------------------------


def test_without_hidden_layers_it_is_logistic_regression():
    """The same minimum of the same function, found by gradient descent over the whole set."""
    ours = NeuralNetClassifier(
        (),
        optimizer="Momentum(lr=0.5, momentum=0.9)",
        l2=0.01,
        batch_size=len(X),
        epochs=1000,
        random_state=0,
    ).fit(X, Y)
    # scikit-learn minimises C * sum of losses + |w|^2 / 2, we the mean + l2 |w|^2 / 2: C = 1 / (l2 N).
    theirs = LogisticRegression(C=1 / (0.01 * len(X)), tol=1e-10, max_iter=5000).fit(X, Y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-6)
    np.testing.assert_allclose(ours.network_.layers[0].parameters["weight"].value.T, theirs.coef_, atol=1e-5)


def test_class_weights_are_those_of_logistic_regression():
    rows = np.r_[0:50, 50:60, 100:105]
    weights = np.random.default_rng(0).uniform(0.5, 2, len(rows))
    for class_weight in ("balanced", {0: 0.5, 2: 7.0}):
        ours = NeuralNetClassifier(
            (), optimizer="Momentum(lr=0.3, momentum=0.9)", l2=0.01, batch_size=65, epochs=500,
            class_weight=class_weight, random_state=0,
        ).fit(X[rows], Y[rows])  # fmt: skip
        each = {"balanced": 65 / 3 / np.array([50, 10, 5])}.get(str(class_weight), np.array([0.5, 1, 7.0]))
        whole = each[Y[rows]].sum()
        theirs = LogisticRegression(
            C=1 / (0.01 * whole), class_weight=class_weight, tol=1e-10, max_iter=9000
        ).fit(X[rows], Y[rows])  # fmt: skip
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)
        both = clone(ours).set_params(epochs=20).fit(X[rows], Y[rows], weights)
        assert abs(both.predict_proba(X) - ours.predict_proba(X)).max() > 1e-3  # they multiply


def test_balanced_counts_the_sample_weights():
    """An example of weight two is two examples, for the balance too."""
    counts = np.array([1, 2, 3] * 50)
    balanced = quick(class_weight="balanced", batch_size=1000)
    repeated = clone(balanced).fit(X.repeat(counts, 0), NAMES.repeat(counts))
    weighted = balanced.fit(X, NAMES, counts)
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-9)


def test_it_learns_digits_and_follows_its_seed():
    x, y = load_digits(return_X_y=True)
    x, rest, y, truth = train_test_split(x / 16, y, random_state=0)
    model = NeuralNetClassifier((64,), optimizer="Adam(0.003)", epochs=15, random_state=0).fit(x, y)
    assert model.score(rest, truth) > 0.95
    probabilities = model.predict_proba(rest)
    again, other = clone(model), clone(model).set_params(random_state=1)
    assert np.array_equal(again.fit(x, y).predict_proba(rest), probabilities)
    assert not np.array_equal(other.fit(x, y).predict_proba(rest), probabilities)
    assert len(model.history_) == model.n_iter_ == 15
    assert model.history_[-1]["train_accuracy"] > model.history_[0]["train_accuracy"]


def test_outputs_belong_together():
    model = quick().fit(X, NAMES)
    assert model.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    probabilities = model.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), probabilities)
    assert np.array_equal(model.predict(X), model.classes_[probabilities.argmax(axis=1)])
    assert model.decision_function(X).shape == (150, 3)
    two = quick().fit(X[:100], NAMES[:100])
    decision = two.decision_function(X)
    np.testing.assert_allclose(1 / (1 + np.exp(-decision)), two.predict_proba(X)[:, 1])
    assert np.array_equal(two.predict(X), two.classes_[(decision > 0).astype(int)])


def test_sigmoid_outputs_are_scaled_to_probabilities():
    """Each class on its own, then divided by their sum: 0.6 and 0.2 become 0.75 and 0.25."""
    model = quick(loss="SigmoidCrossEntropy(scale='examples')", epochs=30).fit(X, NAMES)
    z = model.network_.forward(X)
    each = 1 / (1 + np.exp(-z))
    np.testing.assert_allclose(model.predict_proba(X), each / each.sum(axis=1, keepdims=True))
    assert np.array_equal(model.predict(X), model.classes_[z.argmax(axis=1)])
    assert model.score(X, NAMES) > 0.7
    two = quick(loss="SigmoidCrossEntropy()").fit(X[:100], NAMES[:100])
    np.testing.assert_allclose(1 / (1 + np.exp(-two.decision_function(X))), two.predict_proba(X)[:, 1])


def test_float32_stays_float32():
    single = quick().fit(X.astype(np.float32), NAMES)
    assert single.network_.dtype == np.float32 and single.predict_proba(X).dtype == np.float32
    assert quick().fit(X, NAMES).predict_proba(X).dtype == np.float64
    np.testing.assert_allclose(single.predict_proba(X), quick().fit(X, NAMES).predict_proba(X), atol=1e-4)


# Parameters -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        "Sequential([Dense(8), Tanh(), Dense(3)])",
        ["Dense(8)", "Tanh()", "Dense(3)"],
        [Dense(8), "Tanh", Dense(3)],
        Sequential([Dense(8), Tanh(), Dense(3)]),
    ],
    ids=["text", "list of texts", "mixed list", "object"],
)
def test_a_network_of_ones_own(model):
    """However it is written, it is the network that the simple options make, and the parameter stays as it is."""
    before = copy.deepcopy(model)
    own = quick(model=model).fit(X, NAMES)
    assert own.get_params()["model"] is model
    simple = quick(activation="tanh").fit(X, NAMES)
    assert np.array_equal(own.predict_proba(X), simple.predict_proba(X))
    assert np.array_equal(clone(own).fit(X, NAMES).predict_proba(X), own.predict_proba(X))
    if isinstance(model, Sequential):
        assert model.input_shape is None and before.input_shape is None


def test_simple_options_make_the_network():
    network = quick(hidden_layer_sizes=[7, 6], activation="relu", dropout=0.25).fit(X, NAMES).network_
    kinds = [type(layer).__name__ for layer in network.layers]
    assert kinds == ["Dense", "ReLU", "Dropout", "Dense", "ReLU", "Dropout", "Dense"]
    assert [layer.units for layer in network.layers[::3]] == [7, 6, 3] and network.layers[2].p == 0.25
    one = quick(hidden_layer_sizes=np.int64(9)).fit(X, NAMES).network_
    assert [layer.units for layer in one.layers[::2]] == [9, 3]
    # He's rule has twice the variance.
    he, fan_in = (
        quick(activation=name).fit(X, NAMES).network_.layers[0].weight_init for name in ("relu", "tanh")
    )
    assert type(he).__name__ == "He" and type(fan_in).__name__ == "FanIn"


def test_optimizer_penalty_and_schedule_are_used():
    plain = quick(optimizer="SGD(lr=0.1)").fit(X, NAMES).predict_proba(X)
    for options in (
        {"optimizer": "SGD(lr=0.2)"},
        {"optimizer": "SGD(lr=0.1)", "l2": 0.1},
        {"optimizer": "SGD(lr=0.1)", "schedule": "Linear(0.1)"},
        {"optimizer": "SGD(lr=0.1)", "batch_size": 10},
        {"optimizer": "SGD(lr=0.1)", "epochs": 6},
        {"optimizer": "SGD(lr=0.1)", "dropout": 0.5},
        {"optimizer": "SGD(lr=0.1)", "loss": SoftmaxCrossEntropy(label_smoothing=0.2)},
    ):
        assert abs(quick(**options).fit(X, NAMES).predict_proba(X) - plain).max() > 1e-4, options
    momentum = Momentum(0.05, 0.8)
    model = quick(optimizer=momentum, schedule=schedules.Cosine(0.05)).fit(X, NAMES)
    text = quick(optimizer="Momentum(0.05, 0.8)", schedule="Cosine(0.05)").fit(X, NAMES)
    assert np.array_equal(model.predict_proba(X), text.predict_proba(X))
    assert momentum.steps == 0 and momentum.lr == 0.05  # the object given is a pattern


def test_parameters_work_in_searches_and_pipelines():
    pipeline = make_pipeline(StandardScaler(), quick(epochs=20))
    grid = {
        "neuralnetclassifier__optimizer": ["SGD(lr=1e-6)", "Adam(lr=0.03)"],
        "neuralnetclassifier__hidden_layer_sizes": [(4,), (8, 4)],
    }
    search = GridSearchCV(pipeline, grid, cv=3).fit(IRIS[0], NAMES)
    assert (
        search.best_params_["neuralnetclassifier__optimizer"] == "Adam(lr=0.03)" and search.best_score_ > 0.85
    )
    scores = cross_val_score(search.best_estimator_, IRIS[0], NAMES, cv=3, scoring="neg_log_loss")
    assert scores.shape == (3,) and scores.min() > -0.7


def test_estimators_travel_between_processes():
    """joblib sends them pickled, before fitting and after."""
    model = quick(model=[Dense(4), BatchNorm(), Tanh(), Dropout(0.2), Dense(3)], optimizer=Adam(0.01))
    there = pickle.loads(pickle.dumps(model)).fit(X, NAMES)
    back = pickle.loads(pickle.dumps(there))
    assert np.array_equal(back.predict_proba(X), model.fit(X, NAMES).predict_proba(X))
    assert np.array_equal(
        back.partial_fit(X, NAMES).predict_proba(X), model.partial_fit(X, NAMES).predict_proba(X)
    )
    layers = model.network_.layers
    assert all(layer._cache is None and not layer._workspace for layer in there.network_.layers)
    assert all(parameter.grad is None for layer in layers for parameter in layer.parameters.values())


# Stopping early, going on -----------------------------------------------------------------------


def test_early_stopping_takes_the_best_weights():
    model = quick(
        hidden_layer_sizes=(50,), optimizer="Adam(0.05)", epochs=200, early_stopping=True, patience=4
    ).fit(X, NAMES)  # fmt: skip
    losses = [row["val_loss"] for row in model.history_]
    assert model.n_iter_ == len(losses) < 200 and np.argmin(losses) == len(losses) - 1 - 4
    rows, held = model._split(150, Y)
    assert len(held) == 15 and np.bincount(Y[held]).tolist() == [5, 5, 5]
    assert sorted([*rows, *held]) == list(range(150))
    assert log_loss(NAMES[held], model.predict_proba(X[held])) == pytest.approx(min(losses))


def test_a_validation_part_too_small_for_every_class_is_drawn_plainly():
    rows = np.r_[0:50, 50:51, 100:150]
    model = quick(early_stopping=True, validation_fraction=0.5).fit(X[rows], NAMES[rows])
    assert (
        model.classes_.tolist() == ["setosa", "versicolor", "virginica"] and "val_loss" in model.history_[0]
    )


def test_warm_start_goes_on():
    """Two fits of five epochs of plain SGD are one of ten: the shuffles go on too."""
    options = {"optimizer": "SGD(lr=0.1)", "batch_size": 32}
    ten = quick(epochs=10, **options).fit(X, NAMES)
    model = quick(warm_start=True, **options).fit(X, NAMES)
    first = model.predict_proba(X)
    assert np.array_equal(clone(model).set_params(warm_start=False).fit(X, NAMES).predict_proba(X), first)
    model.fit(X, NAMES)
    assert np.array_equal(model.predict_proba(X), ten.predict_proba(X))
    assert model.n_iter_ == 10 and model.history_ == ten.history_
    with pytest.raises(ConfigError, match="goes on with the classes .* but y has"):
        model.fit(X[:100], NAMES[:100])
    with pytest.raises(ConfigError, match="hidden_layer_sizes has been changed from .* warm_start=False"):
        model.set_params(hidden_layer_sizes=(9,)).fit(X, NAMES)
    assert model.set_params(warm_start=False).fit(X, NAMES).n_iter_ == 5


def test_warm_start_may_change_the_optimizer():
    model = quick(warm_start=True, optimizer="SGD(lr=0.1)").fit(X, NAMES)
    before = model.predict_proba(X)
    assert np.array_equal(model.set_params(optimizer="SGD(lr=0)").fit(X, NAMES).predict_proba(X), before)
    assert np.array_equal(model.partial_fit(X, NAMES).predict_proba(X), before)


def test_every_epoch_has_an_order_of_its_own():
    """Each example once, with its target and weight; a training that goes on does not begin again."""
    rows = np.arange(10.0)

    def orders(start):
        batches = Batches(rows[:, None], rows.astype(int), 2 * rows, 4, Seeds(0), start)
        assert len(batches) == 3
        for epoch in range(3):
            parts = list(batches.epoch(epoch))
            assert [len(x) for x, _ in parts] == [4, 4, 2]
            x, y, weights = (
                np.concatenate(part) for part in zip(*((x[:, 0], *t) for x, t in parts), strict=True)
            )
            assert sorted(x) == rows.tolist() and np.array_equal(x, y) and np.array_equal(2 * x, weights)
            yield x.tolist()

    first, second, third = orders(0)
    assert first != second != third and next(orders(2)) == third


def test_weight_zero_is_absence_whatever_the_batches():
    there = np.arange(150) % 3 > 0
    weighted = quick(batch_size=16, early_stopping=True).fit(X, NAMES, there)
    without = quick(batch_size=16, early_stopping=True).fit(X[there], NAMES[there])
    assert np.array_equal(weighted.predict_proba(X), without.predict_proba(X))


def test_partial_fit_is_fit_epoch_by_epoch():
    model, whole = quick(), quick(epochs=3).fit(X, NAMES)
    for _ in range(3):
        model.partial_fit(X, NAMES, classes=np.unique(NAMES))
    assert np.array_equal(model.predict_proba(X), whole.predict_proba(X)) and model.n_iter_ == 3
    model.partial_fit(X[:50], NAMES[:50])  # one class alone is no obstacle
    assert len(model.classes_) == 3


def test_partial_fit_takes_weights_as_they_are():
    """Plain SGD on one batch: a weight is a factor of the step."""
    options = {"optimizer": "SGD(lr=0.1)", "batch_size": 1000}
    light = quick(**options).partial_fit(X, NAMES, np.unique(NAMES), sample_weight=np.full(150, 0.5))
    half = quick(**{**options, "optimizer": "SGD(lr=0.05)"}).partial_fit(X, NAMES, np.unique(NAMES))
    np.testing.assert_allclose(light.predict_proba(X), half.predict_proba(X), rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "arguments", "complaint"),
    [
        ({}, {}, "classes must be given in the first call"),
        ({}, {"classes": ["setosa", "versicolor"]}, "y has the label .*'virginica'"),
        ({}, {"classes": ["setosa"]}, "at least two classes"),
        ({"early_stopping": True}, {"classes": NAMES}, "which early_stopping needs"),
        ({"schedule": "Linear(0.1)"}, {"classes": NAMES}, "which schedule needs"),
        ({"class_weight": "balanced"}, {"classes": NAMES}, "give a weight for each class"),
    ],
)
def test_partial_fit_refuses(options, arguments, complaint):
    with pytest.raises(ConfigError, match=complaint):
        quick(**options).partial_fit(X, NAMES, **arguments)


def test_partial_fit_keeps_its_classes_and_its_network():
    model = quick().partial_fit(X, NAMES, np.unique(NAMES))
    with pytest.raises(ConfigError, match="differ from those of the first call"):
        model.partial_fit(X, NAMES, classes=["a", "b"])
    with pytest.raises(ConfigError, match="optimizer has been changed"):
        model.set_params(optimizer="SGD()").partial_fit(X, NAMES)


def test_verbose_prints_a_line_for_every_epoch(capsys):
    quick(verbose=True, early_stopping=True, epochs=2).fit(X, NAMES)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[1].startswith("epoch 2 of 2: loss ") and "validation loss" in lines[1]
    quick(epochs=2).fit(X, NAMES)
    assert capsys.readouterr().out == ""


# Bad input --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"hidden_layer_sizes": (8, 0)}, r"hidden_layer_sizes must be integers >= 1.*got \(8, 0\)"),
        ({"hidden_layer_sizes": "8"}, "hidden_layer_sizes must be integers"),
        ({"hidden_layer_sizes": None}, "hidden_layer_sizes must be integers"),
        ({"activation": "rellu"}, "no activation 'rellu'; did you mean 'relu'"),
        ({"activation": None}, "no activation None"),
        ({"dropout": 1.0}, r"dropout must be a number in \[0, 1\)"),
        (
            {"model": "Sequential([Dense(8)])"},
            r"shape \(8,\), but there are 3 classes; let it end in Dense\(3\)",
        ),
        ({"model": ["Dense(3)", "Softmax()"]}, "ends in Softmax"),
        ({"model": ["Dense(3)", 5]}, r"model\[1\] must be a layer"),
        ({"model": Dense}, "model must be a layer"),
        ({"model": "Dens(3)"}, "did you mean 'Dense'"),
        ({"model": "Sequential([Conv2D(3, 3), Flatten(), Dense(3)])"}, "Conv2D"),
        ({"optimizer": "Adm()"}, "NeuralNetClassifier: optimizer: there is no 'Adm'"),
        ({"optimizer": 0.1}, "optimizer must be a text"),
        ({"optimizer": Adam}, "optimizer must be a text"),
        ({"schedule": "Cosin(0.1)"}, "did you mean 'Cosine'"),
        ({"schedule": 0.1}, "schedule must be a text"),
        ({"loss": "MeanSquaredError()"}, "loss must be a SoftmaxCrossEntropy or a SigmoidCrossEntropy"),
        ({"loss": SoftDice()}, "loss must be a SoftmaxCrossEntropy"),
        ({"class_weight": "even"}, "class_weight must be a dict by label, 'balanced' or None"),
        ({"class_weight": {"rose": 2}}, "class_weight has the label 'rose'"),
        ({"class_weight": {"setosa": -1}}, "class_weight must be finite numbers >= 0"),
        ({"class_weight": dict.fromkeys(np.unique(NAMES), 0)}, "leave no example"),
        ({"l2": -1}, "l2 must be a finite number >= 0"),
        ({"l2": "0.1"}, "l2 must be a finite number >= 0"),
        ({"batch_size": 0}, "batch_size must be an integer >= 1, got 0"),
        ({"epochs": 2.5}, "epochs must be an integer >= 1"),
        ({"patience": 0}, "patience must be an integer >= 1"),
        ({"validation_fraction": 1.0}, "validation_fraction must be a number between 0 and 1"),
        ({"random_state": -1}, "seed must be an integer >= 0"),
    ],
)
def test_bad_parameters_are_one_sentence(options, complaint):
    model = quick(**options)
    with pytest.raises(ValueError, match=complaint) as raised:
        model.fit(X, NAMES)
    assert "\n" not in str(raised.value)
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_a_used_optimizer_is_refused():
    used = Adam()
    used.steps = 3
    with pytest.raises(ConfigError, match="has taken 3 steps elsewhere"):
        quick(optimizer=used).fit(X, NAMES)


@pytest.mark.parametrize(
    ("weights", "complaint"),
    [
        (np.ones(3), r"sample_weight.shape == \(3,\), expected \(150,\)"),
        (-np.ones(150), "sample_weight must be numbers >= 0"),
        (np.zeros(150), "zero for every example"),
        (np.full(150, np.nan), "sample_weight"),
    ],
)
def test_bad_weights(weights, complaint):
    with pytest.raises(ValueError, match=complaint):
        quick().fit(X, NAMES, weights)


def test_one_class_is_refused():
    with pytest.raises(ConfigError, match="at least two classes are needed, got 1 class"):
        quick().fit(X, NAMES, sample_weight=NAMES == "setosa")


def test_a_training_that_diverges_leaves_nothing_that_predicts():
    model = quick(optimizer="SGD(lr=1e30)", epochs=20)
    with pytest.raises(DivergenceError):
        model.fit(X * 1e20, NAMES)
    with pytest.raises(NotFittedError):
        model.predict(X)
    going = quick(optimizer="SGD(lr=1e30)", warm_start=True, epochs=1, batch_size=150).fit(X, NAMES)
    with pytest.raises(DivergenceError):
        going.set_params(epochs=50).fit(X * 1e20, NAMES)
    with pytest.raises(NotFittedError):
        going.predict(X)


def test_a_fit_that_fails_does_not_leave_the_network_of_the_last_one():
    model = quick().fit(X, NAMES)
    with pytest.raises(ConfigError):
        model.set_params(model="Dense(7)").fit(X, NAMES)
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_columns_of_a_table_are_remembered():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    table = pandas.DataFrame(IRIS[0], columns=list("abcd"))
    model = quick().fit(table, NAMES)
    assert model.feature_names_in_.tolist() == list("abcd") and model.n_features_in_ == 4
    with pytest.raises(ValueError, match="feature names"):
        model.predict(table[list("dcba")])
