"""Estimators in files: what comes back is what went in, and nothing is ever unpickled."""

from __future__ import annotations

import json
import struct
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError

from minidl import Dense, Dropout, Momentum, Tanh, schedules
from minidl.errors import CheckpointError, ConfigError
from minidl.experiments import vocabulary
from minidl.layers.catalogue import LAYERS, LOSSES, Cube
from minidl.optimizers import Adam, AdamW, Nesterov, RMSProp
from minidl.sklearn import NeuralNetClassifier, NeuralNetRegressor
from minidl.sklearn.source import source

X, Y = load_iris(return_X_y=True)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "estimator.safetensors"


def header(path):
    """Return the metadata of a safetensors file, read by hand: eight bytes of length, then JSON."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return data, length, json.loads(data[8 : 8 + length])


CASES = {
    "default": (NeuralNetClassifier(epochs=2), Y),
    "objects": (
        NeuralNetClassifier(
            model=[Dense(7), Dropout(0.3), "Tanh()", Dense(3)], optimizer=Momentum(0.01, 0.8), epochs=2,
            class_weight={"a": 2.0}, random_state=np.random.RandomState(3),
        ),
        np.array(["a", "bb", "c"])[Y],
    ),
    "sigmoid": (NeuralNetClassifier(loss="SigmoidCrossEntropy()", epochs=2), Y > 0),
    "text classes": (NeuralNetClassifier((4, 3), epochs=1), np.array(["x", "y", "z"], object)[Y]),
    "class weights by number": (NeuralNetClassifier(epochs=1, class_weight={0: 1, 1: 2.5}), Y),
    "regression": (NeuralNetRegressor(epochs=2), X[:, 0] * 100),
    "several targets": (NeuralNetRegressor(epochs=2, optimizer="AdamW()"), X[:, :2]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_loaded_predicts_the_same_and_goes_on_the_same(case, path):
    estimator, y = CASES[case]
    estimator.fit(X, y).save(path)
    loaded = type(estimator).load(path)
    assert np.array_equal(loaded.predict(X), estimator.predict(X))
    assert loaded.predict(X).dtype == estimator.predict(X).dtype
    if hasattr(estimator, "classes_"):
        assert np.array_equal(loaded.predict_proba(X), estimator.predict_proba(X))
        assert loaded.classes_.dtype == estimator.classes_.dtype
    assert (loaded.n_iter_, loaded.history_) == (estimator.n_iter_, estimator.history_)
    # One epoch more: the weights, the memory of the optimizer, the shuffle and the dropout go on.
    assert np.array_equal(loaded.partial_fit(X, y).predict(X), estimator.partial_fit(X, y).predict(X))
    for name, value in estimator.network_.state_dict().items():
        assert np.array_equal(loaded.network_.state_dict()[name], value), name


def test_parameters_come_back(path):
    given = {
        "hidden_layer_sizes": (4, 3), "class_weight": {0: 1, 2: 2.5}, "l2": 1e-3, "epochs": np.int64(1),
        "optimizer": "RMSProp(0.01)", "schedule": schedules.Cosine(0.01), "random_state": None,
    }  # fmt: skip
    NeuralNetClassifier(**given).fit(X, Y).save(path)
    loaded = NeuralNetClassifier.load(path).get_params()
    assert loaded["schedule"] == "Cosine(lr=0.01)"
    del given["schedule"]
    assert {key: loaded[key] for key in given} == given
    drawn = NeuralNetClassifier(epochs=1, random_state=np.random.RandomState(3)).fit(X, Y)
    drawn.save(path)
    seed = NeuralNetClassifier.load(path).random_state  # a generator's place is taken by the seed it gave
    again = NeuralNetClassifier(epochs=1, random_state=seed).fit(X, Y)
    assert np.array_equal(again.predict_proba(X), drawn.predict_proba(X))
    assert list(loaded["class_weight"]) == [0, 2] and isinstance(loaded["hidden_layer_sizes"], tuple)


def test_the_network_that_was_fitted_is_saved_whatever_was_set_since(path):
    model = NeuralNetClassifier((5,), activation="tanh", epochs=1, random_state=0).fit(X, Y)
    expected = model.predict_proba(X)
    model.set_params(activation="relu", hidden_layer_sizes=(9,)).save(path)
    loaded = NeuralNetClassifier.load(path)
    assert np.array_equal(loaded.predict_proba(X), expected) and loaded.activation == "relu"


def test_another_process_reads_it(path):
    model = NeuralNetClassifier(epochs=1, random_state=0).fit(X, np.array(["a", "b", "c"])[Y])
    model.save(path)
    code = (
        "import sys; from minidl.sklearn import NeuralNetClassifier as N; "
        "print(N.load(sys.argv[1]).predict([[5, 3, 1, 0.2]])[0])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == model.predict([[5, 3, 1, 0.2]])[0], done.stderr


def test_bad_files_are_one_sentence(path, tmp_path):
    with pytest.raises(CheckpointError, match="there is no such checkpoint"):
        NeuralNetClassifier.load(path)
    NeuralNetRegressor(epochs=1).fit(X, X[:, 0]).save(path)
    with pytest.raises(
        CheckpointError, match="expected a saved NeuralNetClassifier, found NeuralNetRegressor"
    ):
        NeuralNetClassifier.load(path)
    data, length, _ = header(path)
    (tmp_path / "short").write_bytes(data[:-10])
    (tmp_path / "damaged").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    for name, complaint in (("short", "not a complete safetensors"), ("damaged", "damaged")):
        with pytest.raises(CheckpointError, match=complaint):
            NeuralNetRegressor.load(tmp_path / name)
    for old, new in (
        (b"Adam(lr", b"Adxm(lr"),
        (b"n_features_in_", b"n_features_ix_"),
        (b"batch_size", b"batch_sizx"),
    ):
        (tmp_path / "other").write_bytes(data[: 8 + length].replace(old, new) + data[8 + length :])
        with pytest.raises(CheckpointError) as raised:
            NeuralNetRegressor.load(tmp_path / "other")
        assert "\n" not in str(raised.value)


def test_the_checkpoint_of_a_training_is_no_estimator(path):
    from minidl.training.checkpoint import write_checkpoint

    write_checkpoint(path, {"model/0.weight": np.zeros(2)}, {"epoch": 3})
    with pytest.raises(CheckpointError, match="found the checkpoint of a training"):
        NeuralNetClassifier.load(path)


def test_what_cannot_be_written_leaves_the_file_alone(path):
    path.write_text("precious")
    with pytest.raises(NotFittedError):
        NeuralNetClassifier().save(path)
    for options, y, complaint in (
        ({"model": [Cube(), Dense(3)]}, Y, r"NeuralNetClassifier: model: Cube cannot be written as text"),
        ({"schedule": lambda t: 0.1}, Y, "schedule: <lambda> cannot be written as text"),
    ):
        with pytest.raises(ConfigError, match=complaint):
            NeuralNetClassifier(epochs=1, **options).fit(X, y).save(path)
        assert path.read_text() == "precious"


# Objects as text ----------------------------------------------------------------------------------

EVERYTHING = {**vocabulary.layers(), **vocabulary.losses()}


@pytest.mark.parametrize(
    "case", [case for case in (*LAYERS, *LOSSES) if "student" not in case.label and case.kind != "Foreign"],
    ids=lambda case: case.label,
)  # fmt: skip
def test_every_layer_and_loss_comes_back_from_its_text(case):
    """The copy has the same options: it is built with the same weights and gives the same outputs."""
    from minidl.expressions import build

    original = case.make()
    twin = build(source("model", original, EVERYTHING), EVERYTHING, "model")
    if not hasattr(case, "input_shape"):
        outputs = case.outputs(np.random.default_rng(0))
        targets = case.targets(np.random.default_rng(1))
        assert twin.forward(outputs, targets) == original.forward(outputs, targets)
        return
    x = np.random.default_rng(0).normal(size=(3, *case.input_shape))
    results = []
    for layer in (original, twin):
        layer.build(case.input_shape, 5, np.float64)
        result = layer.forward(x, train=True)
        results.append(result if isinstance(result, tuple) else (result,))
    assert all(np.array_equal(a, b) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        (Adam(), "Adam()"),
        (AdamW(0.01, weight_decay=0.1, clip_norm=2.0), "AdamW(lr=0.01, weight_decay=0.1, clip_norm=2.0)"),
        (Nesterov(0.1, 0.8, form="lookahead"), "Nesterov(momentum=0.8, form='lookahead')"),
        (RMSProp(eps_inside=True, clip_value=1), "RMSProp(eps_inside=True, clip_value=1)"),
    ],
)
def test_optimizers_as_text(thing, text):
    assert source("optimizer", thing, vocabulary.optimizers()) == text


def test_a_class_of_the_same_name_is_not_taken_for_ours():
    class Dense(Tanh):
        pass

    with pytest.raises(ConfigError, match="Dense cannot be written as text"):
        source("model", Dense(), EVERYTHING)
