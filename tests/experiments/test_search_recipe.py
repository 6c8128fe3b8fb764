"""The recipe in six steps: each is taken, and a step that fails stops it."""

import re

import numpy as np
import pytest

from minidl.errors import CheckpointError, ConfigError
from minidl.experiments.config_file import config_from
from minidl.experiments.search_plan import Stage
from minidl.experiments.search_recipe import STAGES, recipe_stages, run_recipe
from minidl.experiments.search_records import read_trials
from minidl.experiments.training_run import load_whole
from minidl.files import read_json
from minidl.search.spaces import Log, text_of

SHORT = (Stage(None, epochs=1), Stage(3, epochs=3))


def config(**training):
    return config_from(
        {
            "data": {"name": "digits", "subset": 200, "batch_size": 20},
            "model": {"layers": ["Flatten()", "Dense(10)", "ReLU()", "Dense(10)"]},
            "training": {"optimizer": "Momentum(lr=0.5)", "monitor": "none", **training},
        }
    )


@pytest.fixture(scope="module")
def data():
    return load_whole(config())


@pytest.fixture(scope="module")
def done(data, tmp_path_factory):
    folder, lines = tmp_path_factory.mktemp("recipe") / "out", []
    run_recipe(config(schedule="Cosine(0.3)"), data, folder, stages=SHORT, say=lines.append)
    return folder, "\n".join(lines)


def test_the_six_steps_in_their_order(done):
    folder, text = done
    steps = [int(number) for number in re.findall(r"^([1-6])\. ", text, flags=re.MULTILINE)]
    assert steps == [1, 2, 3, 4, 5, 6]
    record = read_json(folder / "recipe.json")
    assert [check["name"] for check in record["checks"]] == ["initial loss", "overfit batches"]
    assert {"0.1", "0.01", "0.001", "0.0001"} <= set(record["rates"])
    assert "training.schedule = Cosine(0.3) is left out" in text
    assert record["config"]["training"]["regularizers"] == ["L2(0)"]
    report = (folder / "report.html").read_text()
    for heading in ("Steps 1 and 2", "Step 3", "Step 4: coarse grid", "Curves of the best trials"):
        assert heading in report


def test_the_grid_lies_around_the_rate_that_lowers_the_loss_most(done):
    folder, _ = done
    rates = {float(rate): found["last"] for rate, found in read_json(folder / "recipe.json")["rates"].items()}
    chosen = min((rate for rate in rates if rates[rate] is not None), key=lambda rate: rates[rate])
    rows = read_trials(folder / "coarse")
    assert len(rows) == 15 and {row["epochs"] for row in rows} == {1}
    tried = sorted({row["parameters"]["training.optimizer.lr"] for row in rows})
    np.testing.assert_allclose(tried, np.geomspace(chosen / 10, chosen * 10, 5), rtol=1e-9)
    assert {row["parameters"]["training.regularizers.0.strength"] for row in rows} == {0.0, 1e-5, 1e-4}


def test_the_refinement_lies_around_the_best_of_the_grid(done):
    folder, _ = done
    best = read_json(folder / "coarse" / "results.json")["best"]["parameters"]["training.optimizer.lr"]
    rows = read_trials(folder / "refine")
    assert len(rows) == 3 and {row["epochs"] for row in rows} == {3}
    space = read_json(folder / "refine" / "results.json")["stages"][0]["space"]
    chosen = np.median(
        sorted({row["parameters"]["training.optimizer.lr"] for row in read_trials(folder / "coarse")})
    )
    expected = Log(float(chosen) / 10, float(chosen) * 10, points=5).around(best, 0.4)
    assert best != chosen and space["training.optimizer.lr"] == text_of(expected)
    # 0.4 of two powers of ten, moved where the best lies at the end of the grid.
    distances = [abs(np.log10(row["parameters"]["training.optimizer.lr"] / best)) for row in rows]
    assert max(distances) <= 0.8


def test_taken_up_again_it_trains_nothing_twice(done, data, monkeypatch):
    folder, text = done
    monkeypatch.setattr("minidl.experiments.search.run_trial", None)  # calling it would fail
    monkeypatch.setattr("minidl.experiments.search_recipe.write_search_report", lambda *given: given[2])
    lines = []
    run_recipe(config(schedule="Cosine(0.3)"), data, folder, stages=SHORT, say=lines.append)
    best = [line for line in text.splitlines() if "best:" in line]
    assert [line for line in lines if "best:" in line] == best
    with pytest.raises(CheckpointError, match="recipe with other settings"):
        run_recipe(config(loss="SigmoidCrossEntropy()"), data, folder, stages=SHORT)


def test_a_network_that_cannot_learn_stops_it(data, tmp_path):
    dead = config().with_values(
        model__layers=("Flatten()", "Dense(10, weight_init=Constant(0))", "ReLU()", "Dense(10)")
    )
    with pytest.raises(ConfigError, match="the recipe stops here: overfit batches"):
        run_recipe(dead, data, tmp_path / "out", stages=SHORT, say=lambda line: None)
    assert not (tmp_path / "out" / "coarse").exists()


def test_the_epochs_may_be_given():
    assert recipe_stages({}, "f") == STAGES
    assert recipe_stages({"stages": [{"epochs": 1}, {"trials": 3, "epochs": 3}]}, "f") == SHORT
    for table, message in [
        ({"space": {}}, "varies the learning rate and the weight decay by itself"),
        ({"stages": [{}]}, "two tables, coarse and fine"),
        ({"stages": [{"trials": 3}, {}]}, "have no 'trials' here"),
        ({"stages": [{}, {"epochs": 0}]}, "epochs must be a whole number of at least 1, got 0"),
    ]:
        with pytest.raises(ConfigError, match=message):
            recipe_stages(table, "f")
