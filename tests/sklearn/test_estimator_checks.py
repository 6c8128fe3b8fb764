"""scikit-learn's own checks of an estimator, with the default parameters and no expected failures."""

from __future__ import annotations

from sklearn.utils.estimator_checks import parametrize_with_checks

from minidl.sklearn import NeuralNetClassifier, NeuralNetRegressor


@parametrize_with_checks([NeuralNetClassifier(), NeuralNetRegressor()])
def test_scikit_learn_accepts_it(estimator, check):
    check(estimator)
    assert not hasattr(estimator, "network_")  # a check works on clones
