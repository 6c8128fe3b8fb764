"""Which parameters matter, on outcomes that are known."""

import numpy as np
import pytest

from minidl.errors import ConfigError
from minidl.search import Categorical, Linear, Log, importance, random_point

SPACE = {"rate": Log(1e-4, 1), "drop": Linear(0, 1), "kind": Categorical(["a", "b", "c"])}
POINTS = [random_point(SPACE, 0, trial) for trial in range(60)]


def test_the_parameter_that_decides_has_nearly_all_of_it():
    found = importance(SPACE, POINTS, [-np.log(point["rate"]) for point in POINTS])
    assert found.share["rate"] > 0.9
    assert sum(found.share.values()) == pytest.approx(1)
    assert found.correlation["rate"] == pytest.approx(-1)  # strictly falling
    assert found.correlation["kind"] is None
    assert found.explained > 0.8
    assert found.sentence.startswith("rate mattered most")


def test_a_list_counts_as_one_parameter():
    found = importance(SPACE, POINTS, [{"a": 0, "b": 2, "c": 1}[point["kind"]] for point in POINTS])
    assert found.share["kind"] > 0.9
    # All three values against one of the others, alone: a list has the importance of its values together.
    two = [{"a": 0, "b": 2, "c": 1}[point["kind"]] + 1.2 * point["drop"] for point in POINTS]
    assert importance(SPACE, POINTS, two).share["kind"] > 0.62


def test_a_best_value_in_the_middle_has_no_correlation_and_is_seen_all_the_same():
    found = importance(SPACE, POINTS, [-abs(point["drop"] - 0.5) for point in POINTS])
    assert found.share["drop"] > 0.8 and abs(found.correlation["drop"]) < 0.4


def test_trials_that_diverged_count_as_the_worst_and_swallow_nothing():
    outcome = np.array([-np.log(point["rate"]) for point in POINTS])
    outcome[outcome < np.quantile(outcome, 0.2)] = -np.inf
    assert importance(SPACE, POINTS, outcome).share["rate"] > 0.9


def test_noise_is_called_noise():
    found = importance(SPACE, POINTS, np.random.default_rng(1).normal(size=60))
    assert found.explained < 0.2
    assert "do not show which parameters matter" in found.sentence


def test_too_little_is_refused():
    with pytest.raises(ConfigError, match="at least 8 trials, got 7"):
        importance(SPACE, POINTS[:7], np.arange(7))
    with pytest.raises(ConfigError, match="same outcome"):
        importance(SPACE, POINTS, np.ones(60))
