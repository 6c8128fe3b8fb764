"""The regressor beyond scikit-learn's checks: against ridge regression, scaling, several targets."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from minidl.errors import ConfigError
from minidl.sklearn import NeuralNetRegressor

X, Y = load_diabetes(return_X_y=True)
X = StandardScaler().fit_transform(X)
LINEAR = {"hidden_layer_sizes": (), "optimizer": "Momentum(0.1, 0.9)", "batch_size": 1000, "random_state": 0}


def quick(**options):
    return NeuralNetRegressor(**{"hidden_layer_sizes": (8,), "epochs": 5, "random_state": 0, **options})


def test_without_hidden_layers_it_is_ridge_regression():
    ours = NeuralNetRegressor(**LINEAR, l2=0.2, epochs=600, scale_targets=False).fit(X, Y - Y.mean())
    # The mean of squares + l2/2 |w|^2, times N, is the sum of squares + N l2/2 |w|^2.
    theirs = Ridge(alpha=0.1 * len(X)).fit(X, Y - Y.mean())
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-6)


def test_targets_are_standardised_with_their_weights_and_scaled_back():
    weights = np.random.default_rng(1).uniform(0, 2, len(X))
    weights[::7] = 0
    both = np.stack([Y, 1e6 - 1000 * Y], axis=1)
    ours = NeuralNetRegressor(**LINEAR, epochs=4000).fit(X, both, weights)
    theirs = LinearRegression().fit(X, both, weights)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-5)
    np.testing.assert_allclose(ours.target_mean_, np.average(both, axis=0, weights=weights))
    spread = np.sqrt(np.average((both - ours.target_mean_) ** 2, axis=0, weights=weights))
    np.testing.assert_allclose(ours.target_scale_, spread)
    raw = quick(scale_targets=False).fit(X, Y)
    assert raw.target_mean_.tolist() == [0] and raw.target_scale_.tolist() == [1]


def test_a_curve_no_line_fits():
    x = np.linspace(-3, 3, 200)[:, None]
    model = NeuralNetRegressor((50, 50), optimizer="Adam(0.01)", epochs=60, random_state=0).fit(
        x, 100 + np.sin(x[:, 0])
    )
    assert model.score(x, 100 + np.sin(x[:, 0])) > 0.98


def test_it_predicts_in_the_shape_of_the_targets():
    assert quick().fit(X, Y).predict(X).shape == (442,)
    column = quick().fit(X, Y[:, None])
    assert column.predict(X).shape == (442, 1)
    assert np.array_equal(column.predict(X)[:, 0], quick().fit(X, Y).predict(X))
    several = quick().fit(X, np.stack([Y, -Y, Y**2], axis=1))
    assert several.predict(X).shape == (442, 3)
    assert set(several.history_[0]) == {"train_loss"}  # accuracy is for classes
    constant = quick(epochs=30).fit(X, np.full(442, 7.0))  # no deviation to divide by
    assert constant.target_scale_ == [1] and abs(constant.predict(X) - 7).mean() < 0.2
    assert quick().fit(X.astype(np.float32), Y).predict(X.astype(np.float32)).dtype == np.float32


def test_it_works_in_a_pipeline():
    pipeline = make_pipeline(StandardScaler(), NeuralNetRegressor((20,), epochs=40, random_state=0))
    assert cross_val_score(pipeline, *load_diabetes(return_X_y=True), cv=3).min() > 0.3


def test_early_stopping_on_the_loss_of_the_part_held_out():
    model = quick(
        optimizer="Adam(0.03)", hidden_layer_sizes=(50,), epochs=200, early_stopping=True, patience=3
    )
    losses = [row["val_loss"] for row in model.fit(X, Y).history_]
    assert model.n_iter_ == len(losses) < 200 and np.argmin(losses) == len(losses) - 1 - 3
    _, held = model._split(442, None)
    scaled = (model.predict(X[held]) - Y[held]) / model.target_scale_
    assert (scaled**2).mean() == pytest.approx(min(losses))


def test_partial_fit_keeps_the_scale_of_the_first_call():
    model, whole = quick(), quick(epochs=2).fit(X, Y)
    for _ in range(2):
        model.partial_fit(X, Y)
    np.testing.assert_allclose(model.predict(X), whole.predict(X))
    mean = model.target_mean_.copy()
    model.partial_fit(X, Y + 1000)
    assert np.array_equal(model.target_mean_, mean) and model.n_iter_ == 3


def test_weight_zero_is_absence_whatever_the_batches():
    there = np.arange(442) % 3 > 0
    weighted = quick(batch_size=16).fit(X, Y, there)
    assert np.array_equal(weighted.predict(X), quick(batch_size=16).fit(X[there], Y[there]).predict(X))


def test_what_is_refused():
    model = quick(warm_start=True).fit(X, Y)
    with pytest.raises(ConfigError, match=r"goes on with 1 targets but y has shape \(442, 2\)"):
        model.fit(X, np.stack([Y, Y], axis=1))
    with pytest.raises(ConfigError, match=r"shape \(5,\), but there are 2 targets; let it end in Dense\(2\)"):
        quick(model="Dense(5)").fit(X, np.stack([Y, Y], axis=1))
    for bad in (np.where(Y > 100, np.nan, Y), np.where(Y > 100, np.inf, Y), Y[:5]):
        with pytest.raises(ValueError):
            quick().fit(X, bad)
    with pytest.raises(NotFittedError):
        clone(model).predict(X)
    with pytest.raises(ConfigError, match="which early_stopping needs"):
        quick(early_stopping=True).partial_fit(X, Y)
