"""Early stopping: when it stops, what it restores, and what the run's folder then holds."""

import numpy as np
import pytest

from minidl.errors import ConfigError
from minidl.files import read_json
from minidl.training import BestWeights, Callback, EarlyStopping, evaluate, load_weights
from tests.training.toys import blobs, loader, network, trainer

NAN = float("nan")


def stops_at(stopper, values):
    """Return the epoch, from 1, after which training stops; None if it goes on."""
    return next((epoch for epoch, value in enumerate(values, start=1) if stopper.update(value)), None)


# Accuracy that jumps around while it rises, as in Nielsen's chapter 3; the best is in epoch 9.
JUMPING = [0.90, 0.93, 0.92, 0.94, 0.93, 0.95, 0.94, 0.95, 0.97] + [0.96] * 20


def test_the_slides_rule_and_the_books_differ_on_a_jumping_curve():
    # Erratum 17. The slide stops in epoch 3, the first that is worse, at 93 % accuracy.
    assert stops_at(EarlyStopping(patience=0), JUMPING) == 3
    # The book waits for ten epochs without improvement after the 97 % of epoch 9.
    assert stops_at(EarlyStopping(), JUMPING) == 19
    assert EarlyStopping().patience == 10
    assert max(JUMPING[:19]) == 0.97 > max(JUMPING[:3])


def test_no_improvement_in_ten():
    stopper = EarlyStopping.no_improvement_in(10)
    assert (stopper.metric, stopper.patience, stopper.min_delta) == ("accuracy", 10, 0)
    # Ten epochs as good as the best one are ten without improvement; nine are not.
    assert stops_at(stopper, [0.9] + [0.9] * 9) is None
    assert (stopper.reference, stopper.waited) == (0.9, 9)
    assert stopper.update(0.9)
    assert EarlyStopping.no_improvement_in(3, "loss").metric == "loss"


def test_accuracy_stops_where_the_cost_goes_on_falling():
    # UU: accuracy settles after 15 epochs, the cost falls for 280.
    accuracy = [min(0.9 + 0.005 * epoch, 0.975) for epoch in range(1, 301)]
    cost = [1 / epoch if epoch <= 280 else 1 / 280 for epoch in range(1, 301)]
    assert stops_at(EarlyStopping("accuracy"), accuracy) == 15 + 10
    assert stops_at(EarlyStopping("loss"), cost) == 280 + 10


@pytest.mark.parametrize(
    "patience, values, stop",
    [
        (0, [0.9, 0.9, 0.9], None),  # equal is not worse
        (1, [0.9, 0.9, 0.9], 2),  # but no improvement
        (0, [0.9, 0.89], 2),
        (1, [0.9, 0.89], 2),
        (2, [0.9, 0.8, 0.91, 0.9, 0.91], 5),  # an improvement starts the count anew
        (2, [0.9, 0.8, 0.9, 0.95], 3),
        (0, [0.9, NAN], 2),  # NaN is worse than any number
        (2, [0.9, NAN, NAN], 3),
        (2, [NAN, 0.5, NAN, 0.6], None),
    ],
)
def test_when_it_stops(patience, values, stop):
    assert stops_at(EarlyStopping(patience=patience), values) == stop
    assert stops_at(EarlyStopping("loss", patience), [-value for value in values]) == stop


def test_min_delta():
    # From 0.90: 0.905 gains 0.005 only and counts as none, 0.911 gains 0.011 over 0.90 and counts.
    assert stops_at(EarlyStopping(patience=2, min_delta=0.01), [0.90, 0.905, 0.911, 0.912, 0.913]) == 5
    assert stops_at(EarlyStopping(patience=2), [0.90, 0.905, 0.911, 0.912, 0.913]) is None
    # For the slide's form it is also what must be lost.
    assert stops_at(EarlyStopping(patience=0, min_delta=0.01), [0.90, 0.895, 0.885]) == 3


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: EarlyStopping("f1"), "EarlyStopping: metric must be 'accuracy' or 'loss', got 'f1'"),
        (lambda: EarlyStopping(patience=-1), "patience must be an integer >= 0, got -1"),
        (lambda: EarlyStopping(patience=True), "patience must be an integer >= 0, got True"),
        (lambda: EarlyStopping(patience=2.0), "patience must be an integer >= 0, got 2.0"),
        (lambda: EarlyStopping(min_delta=-0.1), "min_delta must be a finite number >= 0, got -0.1"),
        (lambda: EarlyStopping(min_delta=NAN), "min_delta"),
        (
            lambda: EarlyStopping.no_improvement_in(0),
            "no_improvement_in: epochs must be an integer >= 1, got 0",
        ),
    ],
)
def test_options(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


class Spoil(Callback):
    """Destroy the weights before an epoch and learn no more, so that an earlier epoch stays best."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_start(self, trainer):
        if trainer.epoch == self.epoch:
            trainer.model.layers[0].parameters["weight"].value[...] = 0
            trainer.optimizer.lr = 0.0


def state(model):
    return {name: x.copy() for name, x in model.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("metric", ["loss", "accuracy"])
def test_a_stopped_training_ends_with_the_best_weights(metric):
    run = trainer(callbacks=[Spoil(4), EarlyStopping(metric, patience=3)])
    history = run.fit(loader(blobs()), 50, blobs(seed=1))
    values = history[f"val_{metric}"]
    best = (max if metric == "accuracy" else min)(values)
    assert len(history) == run.best.epoch + 3 + (values.count(best) - 1) < 50
    assert run.best.metric == metric and run.best.value == best == values[run.best.epoch - 1]
    score = evaluate(run.model, run.loss, blobs(seed=1))
    assert getattr(score, metric) == best


def test_a_training_that_reaches_its_last_epoch_ends_with_the_best_weights_too():
    run = trainer(callbacks=[Spoil(4), EarlyStopping("loss", patience=30)])
    history = run.fit(loader(blobs()), 6, blobs(seed=1))
    assert len(history) == 6 and run.best.epoch == 3
    assert evaluate(run.model, run.loss, blobs(seed=1)).loss == history["val_loss"][2]
    plain = trainer(callbacks=[Spoil(4)])
    plain.fit(loader(blobs()), 6, blobs(seed=1))  # without it the last weights stay
    assert evaluate(plain.model, plain.loss, blobs(seed=1)).loss == history["val_loss"][5]


@pytest.mark.parametrize("patience, epochs", [(2, 5), (20, 6)])  # stopped early, or at the limit
def test_the_folder_keeps_the_last_state_and_says_that_the_best_weights_count(tmp_path, patience, epochs):
    def make():
        return trainer(
            model=network(), run_dir=tmp_path, callbacks=[Spoil(4), EarlyStopping("loss", patience)]
        )

    run = make()
    run.fit(loader(blobs()), 6, blobs(seed=1))
    results = read_json(tmp_path / "results.json")
    assert (results["weights"], results["epochs"], results["best"]["epoch"]) == ("best", epochs, 3)
    assert results["stopped_early"] == (patience == 2) and results["final"]["epoch"] == epochs

    best, last = network(1), network(1)
    load_weights(best, tmp_path / "checkpoints/best.safetensors")
    load_weights(last, tmp_path / "checkpoints/last.safetensors")
    assert same(state(best), state(run.model)) and not same(state(last), state(best))

    again = make()  # a finished run is loaded with its best weights
    assert len(again.fit(loader(blobs()), 6, blobs(seed=1), resume=True)) == epochs
    assert same(state(again.model), state(best))


def test_more_epochs_go_on_from_the_last_weights_not_from_the_best(tmp_path):
    def make(folder):
        return trainer(run_dir=tmp_path / folder, callbacks=[Spoil(3), EarlyStopping("loss", 50)])

    make("whole").fit(loader(blobs()), 6, blobs(seed=1))
    make("parts").fit(loader(blobs()), 4, blobs(seed=1))
    run = make("parts")
    run.fit(loader(blobs()), 6, blobs(seed=1), resume=True)
    for name in ("checkpoints/last.safetensors", "checkpoints/best.safetensors", "history.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert run.best.epoch == 2


def test_the_patience_that_was_used_up_is_remembered(tmp_path):
    whole = trainer(callbacks=[Spoil(3), EarlyStopping("loss", 4)]).fit(loader(blobs()), 20, blobs(seed=1))
    assert len(whole) == 6
    trainer(run_dir=tmp_path, callbacks=[Spoil(3), EarlyStopping("loss", 4)]).fit(
        loader(blobs()), 4, blobs(seed=1)
    )
    stopper = EarlyStopping("loss", 4)
    history = trainer(run_dir=tmp_path, callbacks=[Spoil(3), stopper]).fit(
        loader(blobs()), 20, blobs(seed=1), resume=True
    )
    assert history.rows == whole.rows and stopper.waited == 4


def test_a_second_fit_starts_with_full_patience():
    stopper = EarlyStopping("loss", 2)
    run = trainer(callbacks=[Spoil(2), stopper])
    assert len(run.fit(loader(blobs()), 9, blobs(seed=1))) == 3
    assert len(run.fit(loader(blobs()), 9, blobs(seed=1))) == 3  # the rate is 0: epochs 2 and 3 gain nothing


def test_without_validation_it_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ConfigError, match="EarlyStopping: there is no validation"):
        trainer(run_dir=tmp_path / "run", callbacks=[EarlyStopping()]).fit(loader(blobs()), 2)
    assert not (tmp_path / "run").exists()


def test_its_metric_chooses_the_best_weights():
    assert trainer(callbacks=[EarlyStopping("loss")]).best.metric == "loss"
    assert trainer(callbacks=[EarlyStopping("loss")], keep_best="loss").best.metric == "loss"
    mine = BestWeights("loss", ties="earlier")
    assert trainer(callbacks=[EarlyStopping("accuracy"), mine]).best is mine
    for metric, keep_best in (("accuracy", "loss"), ("accuracy", None), ("loss", None)):
        with pytest.raises(ConfigError, match="contradicts EarlyStopping"):
            trainer(callbacks=[EarlyStopping(metric)], keep_best=keep_best)


def test_in_a_hand_written_loop():
    model, best, stopper = network(), BestWeights("loss"), EarlyStopping("loss", patience=2)
    for epoch, value in enumerate([0.5, 0.3, 0.4, 0.35], start=1):
        model.layers[0].parameters["bias"].value[...] = epoch
        best.update(model, epoch, value)
        if stopper.update(value):
            break
    best.restore(model)
    assert epoch == 4 and model.layers[0].parameters["bias"].value[0] == 2
