"""Values put into a configuration by dotted names; what a [search] table may say."""

import pytest

from minidl.errors import ConfigError
from minidl.experiments.config import Config, keys
from minidl.experiments.config_file import config_from
from minidl.experiments.search_keys import FIXED, VOCABULARIES, with_parameters
from minidl.experiments.search_plan import Stage, plan_from, read_plan
from minidl.files import write_json
from minidl.search import Categorical, Log

BASE = config_from(
    {
        "data": {"name": "digits", "augment": ["RandomShift(1)"]},
        "model": {"layers": ["Flatten()", "Dense(20)", "ReLU", "Dropout(p=0.5)", "Dense(10)"]},
        "training": {
            "optimizer": "Momentum(0.1, momentum=0.9)",
            "regularizers": ["L1(1e-6)", "L2(1e-4)"],
            "schedule": "Warmup(Cosine(0.1), fraction=0.05)",
        },
    }
)
TEXT = config_from({"model": {"text": "Sequential([Flatten(), Dense(30), ReLU(), Dense(10)])"}})


@pytest.mark.parametrize(
    ("name", "value", "key", "expected"),
    [
        ("data.batch_size", 20, "data.batch_size", 20),
        ("data.augment", ["RandomShift(2)", "Cutout(4)"], "data.augment", ("RandomShift(2)", "Cutout(4)")),
        ("training.optimizer", "Adam(1e-3)", "training.optimizer", "Adam(1e-3)"),
        ("training.optimizer.lr", 0.5, "training.optimizer", "Momentum(0.5, momentum=0.9)"),
        ("training.optimizer.momentum", 0.5, "training.optimizer", "Momentum(0.1, momentum=0.5)"),
        ("training.optimizer.clip_norm", 2.0, "training.optimizer", "Momentum(0.1, momentum=0.9, clip_norm=2.0)"),
        ("training.regularizers.1.strength", 1e-5, "training.regularizers", ("L1(1e-6)", "L2(1e-05)")),
        ("training.regularizers.0", "L2(1)", "training.regularizers", ("L2(1)", "L2(1e-4)")),
        ("training.schedule.inner.lr", 0.2, "training.schedule", "Warmup(Cosine(0.2), fraction=0.05)"),
        ("model.layers.3.p", 0.2, "model.layers",
         ("Flatten()", "Dense(20)", "ReLU", "Dropout(p=0.2)", "Dense(10)")),
        ("model.layers.1.weight_init", "He(gain=2)", "model.layers",
         ("Flatten()", "Dense(20, weight_init=He(gain=2))", "ReLU", "Dropout(p=0.5)", "Dense(10)")),
    ],
)  # fmt: skip
def test_a_value_reaches_its_place_and_no_other(name, value, key, expected):
    changed = with_parameters(BASE, {name: value})
    assert changed[key] == expected
    assert [each.name for each in keys() if changed[each.name] != BASE[each.name]] == [key]


def test_several_values_in_one_text():
    changed = with_parameters(TEXT, {"model.text.layers.1.units": 7, "model.text.layers.2": "Tanh"})
    assert changed.model.text == "Sequential([Flatten(), Dense(7), Tanh, Dense(10)])"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("training.optimzer.lr", "there is no key 'training.optimzer'; did you mean 'training.optimizer'"),
        ("training.optimizer.learning_rate", "Momentum has no option 'learning_rate'"),
        ("training.optimizer.lr.x", "has no option 'x'"),
        ("training.regularizers.2.strength", "'2' must be the number of one of 2 elements"),
        ("training.regularizers.strength", "'strength' must be the number of one of 2 elements"),
        ("data.batch_size.x", "holds a whole number and has no option"),
        ("data.mix.alpha", "data.mix is not given"),
        ("model.layers.0.units", "Flatten has no option 'units'; it has none"),
        ("training.seed", "is not for searching: each trial has a seed of its own"),
        ("data.name", "compared on the same validation images"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused(name, message):
    with pytest.raises(ConfigError, match=message):
        with_parameters(BASE, {name: 1})


def test_the_tables_name_keys_that_exist():
    names = {key.name for key in keys()}
    assert set(FIXED) | set(VOCABULARIES) <= names


def table(space=None, **search):
    space = {"training.optimizer.lr": "Log(1e-3, 1)"} if space is None else space
    base = BASE.with_values(training__schedule=None).table()
    return {**base, "search": {"space": space, **search}}


def test_a_table_and_its_defaults(tmp_path):
    plan = plan_from(
        table({"training": {"optimizer": {"lr": "Log(1e-3, 1)"}}, "data.batch_size": "Categorical([5, 9])"})
    )
    assert plan.space == {"training.optimizer.lr": Log(1e-3, 1), "data.batch_size": Categorical([5, 9])}
    assert (plan.method, plan.stages, plan.seed, plan.objective) == ("random", (Stage(20),), 0, "accuracy")
    for search in ({}, {"method": "grid"}, {"stages": [{"trials": 3}, {"epochs": 2, "shrink": 0.3}], "seed": 4},
                   {"objective": "loss", "trials": 7}):  # fmt: skip
        plan = plan_from(table(**search))
        write_json(tmp_path / "search.json", {"plan": plan.as_dict()})
        assert read_plan(tmp_path) == plan


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"method": "genetic"}, "search.method must be one of random, grid, bayesian"),
        ({"trails": 3}, "there is no key 'search.trails'; did you mean 'trials'"),
        ({"trials": 0}, "search.trials must be a whole number of at least 1, got 0"),
        ({"trials": 2.5}, "search.trials must be a whole number"),
        ({"trials": 10**7}, "search.trials must be at most 100,000"),
        ({"method": "grid", "trials": 3}, "a grid has as many trials as points"),
        ({"trials": 3, "stages": [{}]}, "leave out search.trials"),
        ({"stages": [{"epoch": 3}]}, "there is no 'epoch'; did you mean 'epochs'"),
        ({"stages": 3}, "search.stages must be a list"),
        ({"stages": [{}, {"shrink": 2}]}, r"search.stages\[1\].shrink must be above 0"),
        ({"seed": -1}, "search.seed must be"),
        ({"objective": "speed"}, "search.objective must be one of accuracy, loss"),
        ({"sampler": "TPESampler()"}, 'search.sampler is for search.method = "bayesian"'),
        ({"pruner": "MedianPruner()"}, 'search.pruner is for search.method = "bayesian"'),
        ({"batch": 3}, 'search.batch is for search.method = "bayesian"'),
        ({"space": {}}, "search.space is empty"),
        ({"space": 3}, "search.space must be a table"),
        ({"space": {"training.optimizer.lr": 3}}, "expected text such as"),
        ({"space": {"training.optimizer.lr": "Log"}}, "Log"),
        ({"space": {"training.optimizer.lr": "Log(0, 1)"}}, "training.optimizer.lr: Log: low must be above 0"),
        ({"space": {"training.optimizer": "Categorical(['SGD()', 'Adam()'])", "training.optimizer.lr": "Log(1, 2)"}},
         "training.optimizer.lr lies within training.optimizer"),
        ({"space": {"training.optimizer": "Categorical(['SGD()', 'Adm()'])"}}, "there is no 'Adm'; did you mean"),
        ({"space": {"model.layers.3.p": "Linear(0, 1.5)"}}, "with model.layers.3.p = 1.5"),
        ({"space": {"data.batch_size": "Integer(0, 9)"}}, "with data.batch_size = 0: data.batch_size must be"),
        ({"stages": [{"epochs": 2}], "space": {"training.epochs": "Integer(1, 9)"}}, "contradict each other"),
    ],
)  # fmt: skip
def test_a_table_that_makes_no_sense_is_refused(search, message):
    with pytest.raises(ConfigError, match=message):
        plan_from(table(**search), "file.toml")


def test_a_rate_that_a_schedule_replaces_is_not_searched():
    with pytest.raises(ConfigError, match="training.schedule replaces the optimizer's lr"):
        plan_from({**BASE.table(), "search": {"space": {"training.optimizer.lr": "Log(1e-3, 1)"}}})


def test_a_configuration_without_a_search():
    with pytest.raises(ConfigError, match=r"there is no \[search\] table"):
        plan_from(Config().table())


def test_bayesian_search_says_what_it_needs(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigError, match=r"random and grid search do without"):
        plan_from(table(method="bayesian"))
    assert plan_from(table(method="random")).method == "random"
