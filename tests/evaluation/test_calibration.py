"""Calibration: by hand, and against scikit-learn's curve."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve as sklearn_curve

from minidl.errors import ConfigError, ShapeError
from minidl.evaluation.calibration import calibration_curve, reliability


def test_by_hand():
    # Two bins. [0, 0.5]: .2 and .5 (a bin has its upper edge), one came true. (0.5, 1]: .9, .8, 1, all true.
    found = reliability(np.array([0.2, 0.5, 0.9, 0.8, 1.0]), np.array([True, False, True, True, True]), 2)
    np.testing.assert_array_equal(found.examples, [2, 3])
    np.testing.assert_allclose(found.confidence, [0.35, 0.9])
    np.testing.assert_array_equal(found.accuracy, [0.5, 1])
    # 2/5 * 0.15 + 3/5 * 0.1 = 0.12
    assert found.expected_error == pytest.approx(0.12) and found.largest_error == pytest.approx(0.15)


def test_empty_bins_count_nothing():
    found = reliability(np.array([0.95, 0.96]), np.array([True, True]), 10)
    np.testing.assert_array_equal(found.examples, [0] * 9 + [2])
    assert np.isnan(found.accuracy[:9]).all() and np.isnan(found.confidence[:9]).all()
    assert found.expected_error == pytest.approx(0.045)


@pytest.mark.parametrize(("equal", "strategy"), [("width", "uniform"), ("examples", "quantile")])
def test_against_scikit_learn(equal, strategy):
    generator = np.random.default_rng(0)
    confidence = generator.beta(4, 1, 500)
    confidence[::7] = 0.7  # ties, on an edge
    happened = generator.random(500) < confidence**2
    share, mean = sklearn_curve(happened, confidence, n_bins=8, strategy=strategy)
    found = reliability(confidence, happened, 8, equal=equal)
    there = found.examples > 0
    np.testing.assert_allclose(found.accuracy[there], share)
    np.testing.assert_allclose(found.confidence[there], mean)
    assert found.examples.sum() == 500


def test_of_a_network_the_chosen_class_counts():
    probabilities = np.array([[0.7, 0.3], [0.4, 0.6], [0.2, 0.8]], dtype=np.float32)
    found = calibration_curve(probabilities, np.array([0, 0, 1]), 1)
    assert found.confidence[0] == pytest.approx(0.7) and found.accuracy[0] == pytest.approx(2 / 3)


def test_a_calibrated_forecast_has_a_small_error_and_a_boastful_one_a_large():
    generator = np.random.default_rng(1)
    p = generator.uniform(0.5, 1, 40_000)
    happened = generator.random(40_000) < p
    assert reliability(p, happened).expected_error < 0.01
    assert reliability(np.ones_like(p), happened).expected_error == pytest.approx(0.25, abs=0.01)


def test_bad_input():
    labels = np.array([0, 1])
    with pytest.raises(ConfigError, match="probabilities are NaN or infinite"):
        calibration_curve(np.array([[np.nan, 1], [0.5, 0.5]]), labels)
    with pytest.raises(ConfigError, match="must lie in .0, 1., got -2 to 3; take the softmax"):
        calibration_curve(np.array([[-2.0, 3.0], [0.5, 0.5]]), labels)
    with pytest.raises(ShapeError, match="expected .examples, classes. and .examples,."):
        calibration_curve(np.ones(2), labels)
    with pytest.raises(ConfigError, match="labels must be integers"):
        calibration_curve(np.eye(2), labels.astype(float))
    with pytest.raises(ConfigError, match="happened must be boolean"):
        reliability(np.ones(2), labels)
    with pytest.raises(ShapeError, match="same N >= 1"):
        reliability(np.ones(0), np.ones(0, bool))
    for options, message in (({"bins": 0}, "at least 1, got 0"), ({"equal": "count"}, 'must be "width" or')):
        with pytest.raises(ConfigError, match=message):
            reliability(np.ones(2), np.ones(2, bool), **options)
