"""The ladder against the lecture notes (section 2.2), and the recipes against network3.py (2.1).

The numbers are typed from the notes, not computed by the code that is tested.
"""

import math
from dataclasses import asdict, fields, replace

import numpy as np
import pytest

from minidl.data import ExpandedShifts, RandomAffine, RandomShift, Split
from minidl.errors import ConfigError
from minidl.experiments import runs
from minidl.experiments.ladder import ASIDES, INPUT_SHAPE, LADDER, RUNGS, build_model, find_rung, parse_rungs
from minidl.experiments.recipes import CHOICES, PRESETS, Recipe, recipe_for
from minidl.files import read_json
from minidl.layers import Conv2D, Dense, Dropout, Flatten, MaxPool2D, ReLU, Sigmoid, Tanh
from minidl.optimizers import SGD, Nesterov
from minidl.schedules import OneCycle
from minidl.training.callbacks import BestWeights
from minidl.training.checkpoint import read_safetensors, write_checkpoint

# rung: architecture, parameters, activation, eta, lambda, epochs, expanded, dropout, slides, book
TABLE = {
    "0": ("28x28-FC100-S10", 79_510, Sigmoid, 0.1, 0, 60, False, False, 97.80, 97.80),
    "1": ("28x28-C20-P2-FC100-S10", 289_630, Sigmoid, 0.1, 0, 60, False, False, 98.78, 98.78),
    "1b": ("28x28-C20-P2-S10", 29_330, Sigmoid, 0.1, 0, 60, False, False, None, None),
    "2": ("28x28-C20-P2-C40-P2-FC100-S10", 85_670, Sigmoid, 0.1, 0, 60, False, False, 99.06, 99.06),
    "2b": ("28x28-C20-P2-C40-P2-FC100-S10", 85_670, Tanh, 0.1, 0, 60, False, False, None, None),
    "3": ("28x28-C20-P2-C40-P2-FC100-S10", 85_670, ReLU, 0.03, 0.1, 60, False, False, 99.23, 99.23),
    "4": ("28x28-C20-P2-C40-P2-FC100-S10", 85_670, ReLU, 0.03, 0.1, 60, True, False, 99.37, 99.37),
    "5": ("28x28-C20-P2-C40-P2-FC300-S10", 215_870, ReLU, 0.03, 0.1, 60, True, False, 99.46, 99.46),
    "6": ("28x28-C20-P2-C40-P2-FC1000-S10", 671_570, ReLU, 0.03, 0.1, 60, True, False, 99.43, 99.43),
    "7": ("28x28-C20-P2-C40-P2-FC100-FC100-S10", 95_770, ReLU, 0.03, 0.1, 60, True, False, 99.43, 99.43),
    # The slides have the numbers of these two the other way round.
    "8": ("28x28-C20-P2-C40-P2-FC300-FC300-S10", 306_170, ReLU, 0.03, 0.1, 60, True, False, 99.47, 99.48),
    "9": ("28x28-C20-P2-C40-P2-FC1000-FC1000-S10", 1_672_570, ReLU, 0.03, 0.1, 60, True, False, 99.48, 99.47),
    "10": ("28x28-C20-P2-C40-P2-FC1000-FC1000-S10", 1_672_570, ReLU, 0.03, 0, 40, True, True, 99.60, 99.60),
    "11": (
        "5 x 28x28-C20-P2-C40-P2-FC1000-FC1000-S10", 1_672_570, ReLU, 0.03, 0, 40, True, True, 99.67, 99.67,
    ),
}  # fmt: skip


def built(rung, recipe="lecture", seed=0):
    model = build_model(rung, recipe)
    model.build(INPUT_SHAPE, rng=seed)
    return model


def weights(model, kind):
    return [layer.parameters["weight"].value for layer in model.layers if isinstance(layer, kind)]


# The ladder -----------------------------------------------------------------------------------


def test_twelve_rungs_and_two_asides():
    assert [rung.id for rung in LADDER] == [str(number) for number in range(12)]
    assert [rung.id for rung in ASIDES] == ["1b", "2b"]
    assert sorted(RUNGS) == sorted(TABLE)


@pytest.mark.parametrize("rung_id", TABLE)
def test_a_rung_is_what_the_lecture_says(rung_id):
    architecture, parameters, activation, eta, lmbda, epochs, expanded, dropout, slides, book = TABLE[rung_id]
    rung = find_rung(rung_id)
    assert rung.architecture == architecture
    assert (rung.eta, rung.lmbda, rung.epochs) == (eta, lmbda, epochs)
    assert (rung.expanded, rung.dropout) == (expanded, dropout)
    assert (rung.lecture, rung.published) == (slides, book)
    assert rung.members == (5 if rung_id == "11" else 0)
    model = built(rung_id)
    assert model.parameter_count() == parameters
    assert model.output_shape == (10,)
    squashing = {type(layer) for layer in model.layers} & {Sigmoid, Tanh, ReLU}
    assert squashing <= {activation}
    recipe = recipe_for(rung, "lecture")
    assert (recipe.lr, recipe.l2, recipe.epochs, recipe.batch_size) == (eta, lmbda, epochs, 10)


def test_the_order_of_the_layers_is_the_book_s():
    kinds = [type(layer) for layer in built("8").layers]
    hidden = [Dense, ReLU]
    assert kinds == [*([Conv2D, MaxPool2D, ReLU] * 2), Flatten, *hidden, *hidden, Dense]
    shapes = [layer.output_shape for layer in built("8").layers if isinstance(layer, Conv2D | MaxPool2D)]
    assert shapes == [(20, 24, 24), (20, 12, 12), (40, 8, 8), (40, 4, 4)]


@pytest.mark.parametrize("rung_id", ["10", "11"])
def test_dropout_lies_on_the_input_of_every_fully_connected_layer(rung_id):
    model = built(rung_id)
    kinds = [type(layer) for layer in model.layers]
    assert kinds[6:] == [Flatten, Dropout, Dense, ReLU, Dropout, Dense, ReLU, Dropout, Dense]
    drops = [layer for layer in model.layers if isinstance(layer, Dropout)]
    # 40 maps of 4x4 pooled features, then the units of each hidden layer
    assert [drop.input_shape for drop in drops] == [(640,), (1000,), (1000,)]
    assert [drop.p for drop in drops] == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("rung_id", [rung_id for rung_id in TABLE if rung_id not in ("10", "11")])
def test_no_other_rung_has_dropout(rung_id):
    assert not any(isinstance(layer, Dropout) for layer in build_model(rung_id).layers)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", "0"),
        ("11", "11"),
        ("0,3-5,10", "0 3 4 5 10"),
        ("3-3", "3"),
        ("9-11", "9 10 11"),
        (" 2 , 4 - 5 ", "2 4 5"),
        ("10,2,2", "2 10"),  # the order of the ladder, each once
        ("2b,1b,1", "1 1b 2b"),
        ("all", "0 1 2 3 4 5 6 7 8 9 10 11"),
    ],
)
def test_rungs_are_named_by_lists_and_ranges(text, expected):
    assert sorted(rung.id for rung in parse_rungs(text)) == sorted(expected.split())
    numbers = [int(rung.id) for rung in parse_rungs(text) if rung.id.isdigit()]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize(
    "text", ["", ",", "12", "-1", "5-3", "3-", "-3", "0-12", "1b-2", "three", "0;1", "1,"]
)
def test_a_text_that_names_no_rung_is_refused(text):
    with pytest.raises(ConfigError, match=r"rung"):
        parse_rungs(text)


def test_an_unknown_rung_is_answered_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"no rung '12'.*10, 11"):
        find_rung("12")


# `lecture`: how the networks start ---------------------------------------------------------------


def test_initial_weights_have_the_standard_deviations_of_network3():
    # Seeds together, because 500 weights alone leave 3 % of doubt.
    first = np.concatenate([weights(built("3", seed=seed), Conv2D)[0].ravel() for seed in range(20)])
    second, dense = weights(built("3"), Conv2D)[1], weights(built("3"), Dense)[0]
    assert first.size == 10_000 and second.size == 20_000 and dense.size == 64_000
    # sqrt(1 / (20 * 25 / 4)) and sqrt(1 / (40 * 25 / 4)); the error of a standard deviation is 1 / sqrt(2 n).
    assert first.std() == pytest.approx(0.0894, rel=4 / math.sqrt(2 * 10_000))
    assert second.std() == pytest.approx(0.0632, rel=4 / math.sqrt(2 * 20_000))
    assert dense.std() == pytest.approx(0.1, rel=4 / math.sqrt(2 * 64_000))
    for values in (first, second, dense):
        assert abs(values.mean()) < 4 * values.std() / math.sqrt(values.size)


@pytest.mark.parametrize(
    ("rung_id", "std"), [("0", 0.1), ("5", 1 / math.sqrt(300)), ("9", 1 / math.sqrt(1000))]
)
def test_hidden_dense_weights_go_by_the_outputs(rung_id, std):
    for weight in weights(built(rung_id), Dense)[:-1]:
        assert weight.std() == pytest.approx(std, rel=4 / math.sqrt(2 * weight.size))


def test_hidden_biases_are_standard_normal_and_the_output_layer_is_zero():
    *hidden, output = [layer for layer in built("9").layers if isinstance(layer, Conv2D | Dense)]
    biases = np.concatenate([layer.parameters["bias"].value for layer in hidden])
    assert biases.size == 20 + 40 + 1000 + 1000
    assert biases.std() == pytest.approx(1, rel=4 / math.sqrt(2 * 2060))
    assert abs(biases.mean()) < 4 / math.sqrt(2060)
    # each layer's own biases too: 20 numbers already tell 1 from 0.1
    assert all(layer.parameters["bias"].value.std() > 0.5 for layer in hidden)
    assert not output.parameters["weight"].value.any() and not output.parameters["bias"].value.any()


def test_fan_in_initialisation_is_the_other_choice():
    def std(rung_id, kind):
        recipe = recipe_for(find_rung(rung_id), "lecture", init="fan-in")
        model = built(rung_id, recipe)
        biases = [
            layer.parameters["bias"].value for layer in model.layers if isinstance(layer, Conv2D | Dense)
        ]
        assert not any(bias.any() for bias in biases)
        return weights(model, kind)[-1 if kind is Conv2D else 0].std(), weights(model, Dense)[-1].std()

    # ReLU doubles the variance; the second convolution sees 20 * 25 numbers, the dense layer 640.
    assert std("3", Conv2D) == pytest.approx((math.sqrt(2 / 500), math.sqrt(1 / 100)), rel=0.1)
    assert std("3", Dense) == pytest.approx((math.sqrt(2 / 640), math.sqrt(1 / 100)), rel=0.1)
    assert std("2", Dense)[0] == pytest.approx(math.sqrt(1 / 640), rel=0.1)
    assert std("2b", Dense)[0] == pytest.approx(math.sqrt(1 / 640), rel=0.1)


# `lecture`: dropout -----------------------------------------------------------------------------


def masks(seed, recipe="lecture", steps=3):
    """Return what the three dropout layers of rung 10 do to ones: (steps, layer) arrays."""
    drops = [layer for layer in built("10", recipe, seed).layers if isinstance(layer, Dropout)]
    return [
        [drop.forward(np.ones((10, *drop.input_shape), np.float32), train=True).copy() for drop in drops]
        for _ in range(steps)
    ]


def test_the_masks_of_the_lecture_are_the_same_in_both_layers_and_in_all_networks():
    first, other = masks(seed=0), masks(seed=1)
    for step, again in zip(first, other, strict=True):
        np.testing.assert_array_equal(step[1], step[2])
        for mask, mask_again in zip(step, again, strict=True):
            np.testing.assert_array_equal(mask, mask_again)
            assert set(np.unique(mask)) == {0, 1}  # nothing is scaled while training
            assert mask.mean() == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(mask.size))
    assert not np.array_equal(first[0][1], first[1][1])  # but each step has new ones


def test_independent_masks_differ_between_layers_and_networks():
    recipe = recipe_for(find_rung("10"), "lecture", dropout_masks="independent")
    first, other = masks(0, recipe), masks(1, recipe)
    assert not np.array_equal(first[0][1], first[0][2])
    assert not np.array_equal(first[0][1], other[0][1])


@pytest.mark.parametrize(("scaling", "at_test", "kept"), [("test", 0.75, 1), ("train", 1, 4 / 3)])
def test_where_dropout_is_scaled(scaling, at_test, kept):
    recipe = recipe_for(find_rung("10"), "lecture", dropout=(0.25, 0.25, 0.25), dropout_scaling=scaling)
    drop = next(layer for layer in built("10", recipe).layers if isinstance(layer, Dropout))
    ones = np.ones((10, 640), np.float32)
    np.testing.assert_allclose(drop.forward(ones), at_test, rtol=1e-6)
    np.testing.assert_allclose(np.unique(drop.forward(ones, train=True)), [0, kept], rtol=1e-6)


def test_dropout_probabilities_go_to_their_layers():
    recipe = recipe_for(find_rung("10"), "lecture", dropout=(0.1, 0.2, 0.3))
    model = built("10", recipe)
    assert [layer.p for layer in model.layers if isinstance(layer, Dropout)] == [0.1, 0.2, 0.3]
    only_last = built("10", replace(recipe, dropout=(0.0, 0.0, 0.3)))
    assert [type(layer) for layer in only_last.layers][-2:] == [Dropout, Dense]
    assert [layer.p for layer in only_last.layers if isinstance(layer, Dropout)] == [0.3]


@pytest.mark.parametrize("dropout", [(), (0.5,), (0.5, 0.5), (0.5, 0.5, 0.5, 0.5)])
def test_a_wrong_number_of_dropout_probabilities_is_refused(dropout):
    """Rather than build another network."""
    with pytest.raises(ConfigError, match="dropout"):
        build_model("10", recipe_for(find_rung("10"), "lecture", dropout=dropout))


# What a recipe does to a run -----------------------------------------------------------------------


class Captured(Exception):
    """Ends `train_run` at the moment the training would begin."""


@pytest.fixture
def training(monkeypatch, tmp_path):
    """Return a function that gives the trainer, and what it would be asked to fit, of a run."""

    class Trainer(runs.Trainer):
        def fit(self, train, epochs, validation=None, *, resume=False):
            self.asked = (train, epochs, validation, resume)
            raise Captured

    made = []
    monkeypatch.setattr(
        runs, "Trainer", lambda *args, **options: made.append(Trainer(*args, **options)) or made[-1]
    )

    def capture(rung_id, images=100, preset="lecture", seed=0, **changes):
        recipe = recipe_for(find_rung(rung_id), preset, images, **changes)
        split = Split(np.zeros((images, 1, 28, 28), np.uint8), np.zeros(images, np.int64))
        with pytest.raises(Captured):
            runs.train_run(runs.Run(rung_id, recipe, seed, tmp_path / "run", "digits"), split, split)
        assert not (tmp_path / "run" / "checkpoints").exists()
        return made[-1]

    return capture


def test_network3_s_training_to_the_letter(training):
    trainer = training("3")
    loader, epochs, _, _ = trainer.asked
    assert type(trainer.optimizer) is SGD and trainer.optimizer.lr == 0.03 and trainer.schedule is None
    assert (loader.batch_size, loader.examples, epochs) == (10, 100, 60)
    # "train_mb(minibatch_index)": the same batches in the same order in every epoch
    for epoch in (0, 1, 59):
        np.testing.assert_array_equal(loader.order(epoch), np.arange(100))
    assert loader.augment is None


def test_expanded_data_are_shuffled_once(training):
    loader, epochs, _, _ = training("4").asked
    assert isinstance(loader.images, ExpandedShifts) and (loader.examples, epochs) == (500, 60)
    order = loader.order(0)
    assert not np.array_equal(order, np.arange(500))
    np.testing.assert_array_equal(np.sort(order), np.arange(500))
    np.testing.assert_array_equal(order, loader.order(1))


def test_only_the_rungs_from_4_on_are_trained_on_expanded_data(training):
    kinds = {rung_id: type(training(rung_id).asked[0].images) for rung_id in TABLE if rung_id != "11"}
    expanded = [rung_id for rung_id, kind in kinds.items() if kind is ExpandedShifts]
    assert expanded == ["4", "5", "6", "7", "8", "9", "10"]


@pytest.mark.parametrize(
    ("rung_id", "changes", "strength"),
    [
        # LECTURE 2.1: gradient term 2e-5 w on 50,000 images, 4e-6 w on 250,000
        ("3", {}, 2e-5),
        ("4", {}, 4e-6),
        # the book divides by the images, not by the batches of ten
        ("3", {"l2_scaling": "book"}, 2e-6),
        ("3", {"l2": 0.5}, 1e-4),
        ("3", {"batch_size": 100}, 2e-4),
    ],
)
def test_the_strength_of_l2(training, rung_id, changes, strength):
    (penalty,) = training(rung_id, images=50_000, **changes).regularizers
    assert penalty.strength == pytest.approx(strength, rel=1e-12)


@pytest.mark.parametrize("rung_id", ["0", "1", "2", "10"])
def test_rungs_without_l2(training, rung_id):
    assert training(rung_id).regularizers == []


def test_the_latest_of_equally_good_epochs_is_kept(training):
    callbacks = [each for each in training("3").callbacks if isinstance(each, BestWeights)]
    assert [(best.metric, best.ties) for best in callbacks] == [("accuracy", "later")]


def test_how_the_lecture_reports_and_votes():
    recipe = recipe_for(find_rung("11"), "lecture")
    assert (recipe.report, recipe.vote, recipe.vote_weights) == ("best", "hard", "last")


@pytest.mark.parametrize(
    ("change", "look", "before", "after"),
    [
        ({"epochs": 7}, lambda trainer: trainer.asked[1], 60, 7),
        ({"batch_size": 25}, lambda trainer: len(trainer.asked[0]), 50, 20),
        ({"optimizer": "nesterov"}, lambda trainer: type(trainer.optimizer), SGD, Nesterov),
        ({"lr": 0.5}, lambda trainer: trainer.optimizer.lr, 0.03, 0.5),
        ({"schedule": "one-cycle"}, lambda trainer: type(trainer.schedule), type(None), OneCycle),
        ({"augment": "RandomShift(1)"}, lambda trainer: type(trainer.asked[0].augment), type(None), RandomShift),
        ({"augment": "RandomAffine(5)"}, lambda trainer: type(trainer.asked[0].augment), type(None), RandomAffine),
        ({"augment": "none"}, lambda trainer: type(trainer.asked[0].images), ExpandedShifts, np.ndarray),
        (
            {"shuffle": "never"},
            lambda trainer: trainer.asked[0].order(0)[:3].tolist() == [0, 1, 2],
            False,
            True,
        ),
        (
            {"shuffle": "epoch"},
            lambda trainer: np.array_equal(trainer.asked[0].order(0), trainer.asked[0].order(1)),
            True,
            False,
        ),
    ],
)
def test_a_change_of_the_recipe_reaches_the_training(training, change, look, before, after):
    assert look(training("4")) == before
    assert look(training("4", **change)) == after


@pytest.mark.parametrize(("rung", "peak"), [("1", 1.0), ("2b", 0.05), ("3", 0.1), ("9", 0.1), ("10", 0.05)])
def test_the_peak_and_the_momentum_of_one_cycle(training, rung, peak):
    trainer = training(rung, preset="express")
    assert max(trainer.schedule(step / 1000) for step in range(1000)) == pytest.approx(peak)
    assert {trainer.schedule.momentum(step / 10) for step in range(10)} == {0.9}
    assert trainer.optimizer.momentum == 0.9


def test_seeds_decide_weights_and_order(training):
    models = [training("4", seed=seed) for seed in (0, 0, 1)]
    first = [weights(trainer.model, Conv2D)[0] for trainer in models]
    orders = [trainer.asked[0].order(0) for trainer in models]
    for values in (first, orders):
        np.testing.assert_array_equal(values[0], values[1])
        assert not np.array_equal(values[0], values[2])


@pytest.mark.parametrize("preset", ["quick", "express"])
def test_small_data_sets_get_as_many_updates(preset):
    rung = find_rung("3")
    large, small = recipe_for(rung, preset, 50_000), recipe_for(rung, preset, 1_000)
    assert small.epochs == 50 * large.epochs
    assert recipe_for(rung, preset, 10**9).epochs == 1


# Which weights are scored, and how networks vote ---------------------------------------------------------


def constant_network(answer):
    """Return the weights of a network of rung 0 that always gives the class `answer`."""
    model = built("0")
    for _, parameter in model.named_parameters():
        parameter.value[...] = 0
    model.layers[-1].parameters["bias"].value[answer] = 1
    return {f"model/{name}": value for name, value in model.state_dict().items()}


@pytest.mark.parametrize(
    ("report", "vote_weights", "tested", "votes"),
    [("best", "last", 3, 7), ("last", "best", 7, 3), ("best", "best", 3, 3)],
)
def test_the_weights_that_are_tested_and_that_vote(tmp_path, report, vote_weights, tested, votes):
    member, ensemble = tmp_path / "member", tmp_path / "ensemble"
    write_checkpoint(member / "checkpoints" / "best.safetensors", constant_network(3), {})
    write_checkpoint(member / "checkpoints" / "last.safetensors", constant_network(7), {})
    recipe = recipe_for(find_rung("0"), "lecture", report=report, vote_weights=vote_weights)
    test = Split(np.zeros((10, 1, 28, 28), np.uint8), np.array([3, 3, 3, 3, 3, 3, 7, 7, 7, 1]))
    runs.score_run(runs.Run("0", recipe, 0, member, "digits"), test)
    runs.score_ensemble(ensemble, [member], recipe, test)
    percent = {3: 60.0, 7: 30.0}
    assert read_json(member / "test.json")["accuracy"] == percent[tested]
    assert read_json(ensemble / "test.json")["accuracy"] == percent[votes]
    assert set(read_safetensors(ensemble / "test_outputs.safetensors")[0]["predictions"]) == {votes}


@pytest.mark.parametrize(("vote", "winner"), [("hard", 1), ("soft", 0)])
def test_hard_and_soft_votes(tmp_path, vote, winner):
    # Two networks lean towards class 1, the third is sure of class 0: by heads 1 wins, by means 0.
    # softmax: (0.45, 0.55), (0.45, 0.55), (0.999, 0.001): means 0.633 and 0.367
    logits = [[0, math.log(55 / 45)], [0, math.log(55 / 45)], [math.log(999), 0]]
    members = []
    for number, values in enumerate(logits):
        members.append(tmp_path / f"seed-{number}")
        arrays = {"logits": np.array([values], np.float32), "predictions": np.array([np.argmax(values)])}
        runs._write_score(members[-1], arrays, np.array([0]), {})
    recipe = recipe_for(find_rung("11"), "lecture", vote=vote)
    runs.score_ensemble(
        tmp_path / "vote", members, recipe, Split(np.zeros((1, 1, 28, 28), np.uint8), np.array([0]))
    )
    found = read_json(tmp_path / "vote" / "test.json")
    assert (found["correct"], found["examples"], found["vote"]) == (1 - winner, 1, vote)


# Recipes that make no sense -----------------------------------------------------------------------


def test_a_preset_that_does_not_exist():
    with pytest.raises(ConfigError, match=r"quick, express, lecture, corrected, got 'slow'"):
        recipe_for(find_rung("0"), "slow")


def test_a_setting_that_does_not_exist():
    with pytest.raises(ConfigError, match=r"no setting momentum; it has .*batch_size"):
        recipe_for(find_rung("0"), "quick", momentum=0.9)


@pytest.mark.parametrize("option", CHOICES)
def test_a_choice_that_does_not_exist(option):
    assert option in {field.name for field in fields(Recipe)}
    with pytest.raises(ConfigError, match=f"{option} must be one of .*'sideways'"):
        recipe_for(find_rung("0"), "quick", **{option: "sideways"})


def test_an_augmentation_that_does_not_exist():
    with pytest.raises(ConfigError, match="augment: there is no 'RandomShirt'; did you mean 'RandomShift'"):
        recipe_for(find_rung("4"), "quick", augment="RandomShirt(1)")


@pytest.mark.parametrize("change", [{"epochs": 0}, {"batch_size": 0}, {"epochs": -1}])
def test_numbers_that_make_no_sense(change):
    with pytest.raises(ConfigError, match="must be at least 1"):
        recipe_for(find_rung("0"), "quick", **change)


def test_settings_left_out_keep_the_preset_s():
    for preset in PRESETS:
        rung = find_rung("10")
        unchanged = {field.name: None for field in fields(Recipe)}
        assert recipe_for(rung, preset, **unchanged) == recipe_for(rung, preset)


# The corrected preset -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rung", [*LADDER, find_rung("2b")], ids=lambda rung: rung.id)
def test_three_corrections_and_nothing_else(rung):
    """LECTURE 0: fan-out weights, no shuffling, one mask stream. Everything else is as published."""
    published, corrected = (asdict(recipe_for(rung, preset)) for preset in ("lecture", "corrected"))
    differs = {name: value for name, value in corrected.items() if published[name] != value}
    assert differs == {"init": "fan-in", "shuffle": "epoch", "dropout_masks": "independent"}


def test_the_corrected_network():
    """Standard deviations by fan-in (LECTURE 2.1), zero biases, and masks that differ from layer to layer."""
    model = built("10", "corrected")
    drops = [layer for layer in model.layers if isinstance(layer, Dropout)]
    masks = [drop.generator.random(50).tolist() for drop in drops]
    assert [drop.p for drop in drops] == [0.5] * 3 and {drop.scaling for drop in drops} == {"test"}
    assert masks[0] != masks[1] != masks[2]
    lecture = [layer for layer in built("10", "lecture").layers if isinstance(layer, Dropout)]
    first, *others = [drop.generator.random(50).tolist() for drop in lecture]
    assert all(other == first for other in others)
    weights = [p.value for name, p in model.named_parameters() if name.endswith("weight")]
    fan_in = [25, 20 * 25, 640, 1000, 1000]
    gains = [2, 2, 2, 2, 1]
    for weight, n, gain in zip(weights, fan_in, gains, strict=True):
        assert weight.std() == pytest.approx(math.sqrt(gain / n), rel=0.15)
    assert all(not p.value.any() for name, p in model.named_parameters() if name.endswith("bias"))
