"""New heads on trained bodies, and features for other classifiers."""

import numpy as np
import pytest

from minidl.errors import ConfigError, StateError
from minidl.layers import BatchNorm, Conv2D, Dense, Dropout, Flatten, MaxPool2D, ReLU, Residual, Sequential
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import SGD
from minidl.transfer import (
    extract,
    feature_extractor,
    freeze,
    frozen_parameters,
    lr_factors,
    replace_head,
    set_lr_factors,
)
from tests.training.toys import blobs

X = np.random.default_rng(4).normal(size=(7, 1, 8, 8)).astype(np.float32)


def network(dtype=np.float32):
    body = [Conv2D(3, 3), BatchNorm(), ReLU(), MaxPool2D(2)]
    model = Sequential([*body, Flatten(), Dense(6), ReLU(), Dropout(0.5), Dense(10)])
    model.build((1, 8, 8), rng=0, dtype=dtype)
    for step in range(3):  # running statistics of its own
        model.forward(np.random.default_rng(step).normal(1, 2, size=(20, 1, 8, 8)).astype(dtype), train=True)
    return model


def test_the_body_is_kept_and_the_head_is_fresh():
    old = network()
    freeze(old, "0")
    set_lr_factors(old, {"5": 0.3})
    new = replace_head(old, [Dense(4)], rng=1)
    assert new.input_shape == (1, 8, 8) and new.output_shape == (4,)
    assert [type(layer).__name__ for layer in new.layers[:-1]] == [
        type(layer).__name__ for layer in old.layers[:-1]
    ]
    learned = old.state_dict()
    kept = [name for name in new.state_dict() if not name.startswith("8.")]
    assert len(kept) == 9
    for name in kept:
        assert np.array_equal(new.state_dict()[name], learned[name]), name
    assert frozen_parameters(new) == ["0.weight", "0.bias"]
    assert lr_factors(new) == {"5.weight": 0.3, "5.bias": 0.3}
    assert np.array_equal(feature_extractor(new).forward(X), feature_extractor(old).forward(X))
    assert new.layers[-1].name == "layer 8 (Dense)"


def test_the_same_seed_gives_the_same_head_and_another_another():
    heads = [replace_head(network(), [Dense(4)], rng=seed).state_dict()["8.weight"] for seed in (1, 1, 2)]
    assert np.array_equal(heads[0], heads[1]) and not np.array_equal(heads[0], heads[2])


def test_training_the_new_network_leaves_the_old_one_alone():
    old = network()
    before = {name: np.copy(x) for name, x in old.state_dict().items()}
    new = replace_head(old, [Dense(4)])
    loss, optimizer = SoftmaxCrossEntropy(), SGD(0.5)
    loss.forward(new.forward(X, train=True), np.arange(7) % 4)
    new.backward_parameters(loss.backward())
    optimizer.step(new.named_parameters())
    assert not np.array_equal(new.state_dict()["0.weight"], before["0.weight"])
    assert all(np.array_equal(x, before[name]) for name, x in old.state_dict().items())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cut_anywhere_also_inside_a_sequential(dtype):
    inner = Sequential([Dense(5), ReLU(), Dense(5)])
    model = Sequential([inner, Residual(Dense(5)), Dense(3)])
    model.build((4,), rng=0, dtype=dtype)
    new = replace_head(model, [Dense(2)], after="0.1")
    assert [name for name, _ in new.named_parameters()] == ["0.0.weight", "0.0.bias", "1.weight", "1.bias"]
    assert new.state_dict()["1.weight"].dtype == dtype
    x = np.ones((2, 4), dtype)
    expected = np.maximum(x @ model.state_dict()["0.0.weight"] + model.state_dict()["0.0.bias"], 0)
    np.testing.assert_allclose(feature_extractor(model, "0.1").forward(x), expected, rtol=1e-6)
    assert replace_head(model, [], after="1").output_shape == (5,)


@pytest.mark.parametrize(
    ("model", "after", "message"),
    [
        (lambda: network(), "12", "there is no layer '12' to cut after"),
        (lambda: network(), "0.1", "cannot cut at '0.1': only a Sequential can be cut, not a Conv2D"),
        (lambda: Sequential([Residual(Dense(8))]), "0.body", "not a Residual"),
        (lambda: Sequential([Flatten(), ReLU()]), None, "say where to cut"),
        (lambda: Sequential([Dense(8)]), None, "say where to cut"),
        (lambda: Dense(8), "0", "not a Dense"),
    ],
)
def test_places_that_cannot_be_cut(model, after, message):
    model = model()
    model.build((1, 8, 8) if after not in ("0.body", "0") and not _flat(model) else (8,))
    with pytest.raises(ConfigError, match=message):
        replace_head(model, [Dense(2)], after=after)


def _flat(model):
    return isinstance(getattr(model, "layers", [None])[0], Dense)


def test_before_build_there_is_nothing_to_keep():
    with pytest.raises(StateError, match="call build"):
        replace_head(Sequential([Dense(3), Dense(2)]), [Dense(2)])


def test_a_head_that_does_not_fit_is_said_so():
    with pytest.raises(Exception, match="put Flatten"):
        replace_head(network(), [Dense(2)], after="3")


def test_extract_gives_the_features_of_evaluation_in_batches():
    model = network()
    images = np.random.default_rng(0).integers(256, size=(11, 1, 8, 8), dtype=np.uint8)
    features = extract(model, images, upto="3", batch_size=4)
    y = images.astype(np.float32) / 255
    for layer in model.layers[:4]:
        y = layer.forward(y)
    np.testing.assert_allclose(features, y.reshape(11, -1), rtol=1e-5, atol=1e-6)
    assert features.shape == (11, 27) and features.flags.c_contiguous
    assert extract(model, images).shape == (11, 6)  # the input of the last Dense, dropout passed


def test_features_serve_classifiers_of_scikit_learn():
    linear = pytest.importorskip("sklearn.linear_model", reason="another classifier")
    neighbors = pytest.importorskip("sklearn.neighbors", reason="another classifier")
    model = Sequential([Dense(12), ReLU(), Dense(5)])
    model.build((6,), rng=0)
    train, validation = blobs(200), blobs(100, seed=1)
    for classifier in (linear.LogisticRegression(max_iter=1000), neighbors.KNeighborsClassifier(5)):
        classifier.fit(extract(model, train.images), train.labels)
        assert classifier.score(extract(model, validation.images), validation.labels) > 0.8
