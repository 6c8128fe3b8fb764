"""Ranges: their scale, their grid, what lies around a value and at an edge."""

import math

import numpy as np
import pytest

from minidl.errors import ConfigError
from minidl.expressions import build
from minidl.random import Seeds
from minidl.search import (
    Categorical,
    Integer,
    Linear,
    Log,
    border_warnings,
    grid_points,
    narrowed,
    random_point,
    trial_seed,
)
from minidl.search.spaces import KINDS, text_of

EVERY = [
    Linear(0, 0.8),
    Linear(-2.5, 7),
    Log(1e-6, 10),
    Integer(1, 3),
    Integer(20, 500, log=True),
    Categorical([16, 32, "x", None, [1, 2]]),
]


@pytest.mark.parametrize("dimension", EVERY, ids=text_of)
class TestEvery:
    def test_a_value_lies_where_it_was_taken_from(self, dimension):
        for position in np.linspace(0, 1, 41):
            value = dimension.at(position)
            again = dimension.at(dimension.position(value))
            assert again == (pytest.approx(value, rel=1e-9) if isinstance(value, float) else value)
            assert 0 <= dimension.position(value) <= 1

    def test_it_is_written_as_it_is_read(self, dimension):
        assert build(text_of(dimension), KINDS, "a range") == dimension

    def test_the_grid_holds_values_of_the_range_in_order(self, dimension):
        grid = dimension.grid()
        places = [dimension.position(value) for value in grid]
        assert places == sorted(places) and len(grid) >= 2
        assert len({repr(value) for value in grid}) == len(grid)
        ends = [dimension.at(0.0), dimension.at(1.0)]
        assert [grid[0], grid[-1]] == ends


def test_values_by_hand():
    # 1e-4 to 1 are four powers of ten: a quarter of the way is one of them.
    assert [Log(1e-4, 1).at(k / 4) for k in range(5)] == [1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    assert Log(1e-4, 1).grid() == [1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    assert Linear(0, 0.8, points=3).grid() == [0.0, 0.4, 0.8]
    assert Integer(1, 10, points=4).grid() == [1, 4, 7, 10]
    assert Integer(1, 3).grid() == [1, 2, 3]  # not five points
    assert Integer(1, 100, points=3, log=True).grid() == [1, 10, 100]
    assert Categorical([16, "a"]).grid() == [16, "a"]


def test_whole_numbers_are_equally_likely_also_the_ends():
    values = [Integer(1, 3).at(u) for u in np.random.default_rng(0).random(3000)]
    counts = [values.count(k) for k in (1, 2, 3)]
    # Binomial(3000, 1/3): standard deviation 26; rounding 1 + 2u would halve the ends, 750 instead of 1000.
    assert all(abs(count - 1000) < 100 for count in counts)


def test_random_values_lie_on_the_scale_of_their_range():
    from scipy.stats import kstest

    space = {"rate": Log(1e-6, 10), "drop": Linear(0, 0.7)}
    points = [random_point(space, 0, trial) for trial in range(400)]
    exponents = (np.log10([point["rate"] for point in points]) + 6) / 7
    assert kstest(exponents, "uniform").pvalue > 0.01
    assert kstest(np.array([point["drop"] for point in points]) / 0.7, "uniform").pvalue > 0.01
    assert abs(np.corrcoef(exponents, [point["drop"] for point in points])[0, 1]) < 0.15


def test_a_trial_depends_on_its_seed_and_number_alone():
    space = {"rate": Log(1e-4, 1), "units": Integer(5, 50)}
    later = random_point(space, 3, 7)
    assert later == {
        name: each.at(Seeds(3).generator("search", "7", name).random()) for name, each in space.items()
    }
    assert random_point({"other": Linear(0, 1), **space}, 3, 7)["rate"] == later["rate"]
    different = {random_point(space, seed, trial)["rate"] for seed in (3, 4) for trial in (7, 8)}
    assert len(different) == 4
    assert len({trial_seed(seed, trial) for seed in (0, 1) for trial in range(50)}) == 100


def test_the_grid_has_every_combination_once():
    space = {"a": Categorical([1, 2]), "b": Linear(0, 1, points=3)}
    assert grid_points(space) == [
        {"a": a, "b": b} for a in (1, 2) for b in (0.0, 0.5, 1.0)
    ]  # fmt: skip
    with pytest.raises(ConfigError, match=r"1,000,000 points \(100 x 100 x 100\)"):
        grid_points({name: Linear(0, 1, points=100) for name in "abc"})


class TestNarrowed:
    def test_by_hand(self):
        # Four powers of ten, half of them around 1e-2: 1e-3 to 1e-1.
        assert narrowed({"rate": Log(1e-4, 1)}, {"rate": 1e-2}, 0.5) == {"rate": Log(1e-3, 1e-1)}
        near = narrowed({"drop": Linear(0.0, 1.0)}, {"drop": 0.4}, 0.5)["drop"]
        assert (near.low, near.high) == pytest.approx((0.15, 0.65))

    def test_near_an_end_the_range_is_moved_and_not_cut(self):
        assert narrowed({"rate": Log(1e-4, 1)}, {"rate": 1.0}, 0.5) == {"rate": Log(1e-2, 1.0)}
        assert narrowed({"rate": Log(1e-4, 1)}, {"rate": 2e-4}, 0.5) == {"rate": Log(1e-4, 1e-2)}

    def test_lists_stay_as_they_are(self):
        space = {"kind": Categorical(["a", "b"])}
        assert narrowed(space, {"kind": "b"}, 0.1) == space

    def test_whole_numbers_never_leave_their_range_or_vanish(self):
        range_ = Integer(1, 4)
        for value in (1, 2, 3, 4):
            near = range_.around(value, 0.01)
            assert 1 <= near.low < near.high <= 4 and near.low <= value <= near.high

    def test_a_share_makes_sense(self):
        with pytest.raises(ConfigError, match="shrink must be above 0"):
            narrowed({"rate": Log(1, 2)}, {"rate": 1.5}, 0)


class TestBorders:
    def test_at_either_end(self):
        space = {"rate": Log(1e-4, 1), "drop": Linear(0, 0.5), "kind": Categorical([1, 2])}
        (sentence,) = border_warnings(space, {"rate": 0.9, "drop": 0.2, "kind": 1})
        assert sentence.startswith(
            "rate: the best value, 0.9, lies at the upper edge of 0.0001 to 1: raise it"
        )
        (sentence,) = border_warnings(space, {"rate": 1e-2, "drop": 0.01, "kind": 1})
        assert sentence.startswith("drop: the best value, 0.01, lies at the lower edge of 0 to 0.5: lower it")
        assert border_warnings(space, {"rate": 1e-2, "drop": 0.2, "kind": 2}) == []

    def test_an_edge_is_a_twentieth_of_the_range_on_its_own_scale(self):
        inside, outside = Log(1e-4, 1).at(0.06), Log(1e-4, 1).at(0.04)
        assert border_warnings({"rate": Log(1e-4, 1)}, {"rate": inside}) == []
        assert len(border_warnings({"rate": Log(1e-4, 1)}, {"rate": outside})) == 1

    def test_the_first_whole_number_is_at_the_edge_of_however_few(self):
        assert len(border_warnings({"layers": Integer(1, 3)}, {"layers": 1})) == 1
        assert border_warnings({"layers": Integer(1, 3)}, {"layers": 2}) == []

    def test_an_end_that_narrowing_made_is_not_the_users(self):
        whole, part = {"rate": Log(1e-4, 1)}, {"rate": Log(1e-3, 1)}
        (sentence,) = border_warnings(part, {"rate": 1e-3}, whole)
        assert "narrowed too far" in sentence
        (sentence,) = border_warnings(part, {"rate": 1.0}, whole)
        assert "raise it" in sentence


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Log(0, 1)", "Log: low must be above 0"),
        ("Log(1, 1)", "low must be less than high"),
        ("Linear(2, 1)", "low must be less than high"),
        ("Linear('a', 1)", "must be numbers"),
        ("Linear(0, 1e999)", "must be numbers"),
        ("Linear(0, 1, points=1)", "points must be a whole number of at least 2"),
        ("Integer(0.5, 3)", "must be whole numbers"),
        ("Integer(0, 3, log=True)", "must be at least 1"),
        ("Categorical([1])", "at least two values"),
        ("Categorical(3)", "at least two values"),
        ("Categorical([1, 1])", "must differ"),
        ("Logarithm(1, 2)", "there is no 'Logarithm'"),
    ],
)
def test_a_range_that_is_none_is_refused_in_a_sentence(text, message):
    with pytest.raises(ConfigError, match=message):
        build(text, KINDS, "search.space: rate")


def test_values_of_different_types_are_different():
    listed = Categorical([1, 1.0, True, "1"])
    assert [listed.index(value) for value in (True, "1", 1, 1.0)] == [2, 3, 0, 1]
    assert not math.isclose(listed.position(1), listed.position(True))
