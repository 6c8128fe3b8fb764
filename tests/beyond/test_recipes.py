"""The recipes past the lecture: they can be made, and they are the published ones where they say so."""

import math

import pytest

from minidl.errors import ConfigError
from minidl.experiments import vocabulary
from minidl.experiments.beyond.recipes import RECIPES, find_recipe
from minidl.experiments.beyond.table import _size, recipe_text
from minidl.experiments.ladder import build_model
from minidl.experiments.parts import make_model, make_parts
from minidl.expressions import build


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_every_recipe_can_be_made(recipe):
    config = recipe.config("mnist")
    parts = make_parts(config, None)
    assert parts.schedule is not None and config.data.split == "writers"
    assert recipe.config("digits").data.split == "stratified"
    assert config.training.threads == 1 and config.training.epochs == recipe.epochs
    tried = recipe.config("mnist", epochs=2, subset=100, device="cpu")
    assert (tried.training.epochs, tried.data.subset, tried.training.device) == (2, 100, "cpu")
    parameters, operations = _size(recipe)
    assert "PFLOP a network" in recipe.why
    told = float(recipe.why.split(" PFLOP a network")[0].split()[-1])
    assert told == pytest.approx(operations * recipe.epochs * 50_000 / 1e15, rel=0.07)
    assert parameters > 10_000 and f"epochs: {recipe.epochs}" in recipe_text(recipe)


def test_the_published_networks_have_their_published_size():
    """LECTURE notes 3.3 and 3.2: parameters, and multiplications of an image (two operations each)."""
    for name, parameters, multiplications in (("seven", 326_410, 15.2e6), ("five-by-five", 1_128_180, 137e6)):
        found, operations = _size(find_recipe(name))
        assert found == parameters and operations / 6 == pytest.approx(multiplications, rel=0.02)


def test_the_rate_of_the_published_trainings():
    """0.95 of the rate after each of 30 epochs; 0.98 after each of 150."""
    for name, factor, epochs in (("seven", 0.95, 30), ("five-by-five", 0.98, 150)):
        recipe = find_recipe(name)
        schedule = build(recipe.schedule, vocabulary.schedules(), "schedule")
        assert recipe.epochs == epochs
        assert schedule(10 / epochs) == pytest.approx(1e-3 * factor**10, rel=1e-3)
        assert math.isclose(schedule(0.0), 1e-3)


def test_the_ladder_s_network_is_that_of_rung_10():
    def sizes(model):
        model.build((1, 28, 28))
        return [p.value.shape for name, p in model.named_parameters() if name.endswith("weight")]

    assert sizes(make_model(find_recipe("ladder").config("mnist"))) == sizes(build_model("10", "express"))


def test_names():
    assert len({recipe.name for recipe in RECIPES}) == len(RECIPES)
    with pytest.raises(ConfigError, match=r"no recipe 'eight'; choose from ladder, six, seven"):
        find_recipe("eight")
