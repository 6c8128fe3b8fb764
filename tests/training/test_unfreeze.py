"""Freezing while training: it takes effect, and a resumed run goes on with the layers it had."""

import numpy as np
import pytest

from minidl.errors import CheckpointError, ConfigError
from minidl.files import read_json
from minidl.freezing import learning
from minidl.optimizers import Adam, Momentum
from minidl.schedules import Cosine
from minidl.training import Callback, Freeze, Unfreeze
from minidl.training.checkpoint import read_checkpoint
from minidl.transfer import freeze, frozen_parameters, lr_factors, set_lr_factors
from tests.training.toys import blobs, loader, network, trainer

FILES = ("checkpoints/last.safetensors", "checkpoints/best.safetensors", "history.csv")


class Watch(Callback):
    """Note after each epoch what is frozen and which weights moved."""

    order = 50

    def __init__(self):
        self.seen = []

    def on_epoch_end(self, trainer, row):
        weights = {name: np.copy(x) for name, x in trainer.model.state_dict().items()}
        self.seen.append((frozen_parameters(trainer.model), lr_factors(trainer.model), weights))


class StopIn(Callback):
    """Interrupt the training as Ctrl-C would, in the middle of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_end(self, trainer):
        if trainer.epoch == self.epoch and trainer.batch == 2:
            raise KeyboardInterrupt


def test_freeze_then_unfreeze_in_an_epoch():
    watch = Watch()
    model = network()
    start = np.copy(model.state_dict()["0.weight"])
    callbacks = [Freeze(["0", "1"]), Unfreeze(3, "0", lr_factor=0.1), Unfreeze(4), watch]
    trainer(model=model, callbacks=callbacks).fit(loader(blobs()), 4)
    body, norm = ["0.weight", "0.bias"], ["1.gamma", "1.beta"]
    assert [frozen for frozen, _, _ in watch.seen] == [body + norm, body + norm, norm, []]
    assert [sorted(factors) for _, factors, _ in watch.seen] == [[], [], sorted(body), sorted(body)]
    weights = [each[2] for each in watch.seen]
    assert np.array_equal(weights[1]["0.weight"], start) and not np.array_equal(weights[2]["0.weight"], start)
    assert (
        int(weights[2]["1.batches"]) == 0 and int(weights[3]["1.batches"]) == 6
    )  # frozen, it took no statistics


@pytest.mark.parametrize("epoch", [1, 3, 4, 5, 6])
@pytest.mark.parametrize("kind", ["given", "callbacks"])
def test_interrupted_and_resumed_ends_with_the_same_bits(tmp_path, kind, epoch):
    """In epochs before, at and after the unfreezing; Adam counts the updates of each parameter."""

    def make(name, stop=None):
        model = network()
        callbacks = [Unfreeze(4, ["0"], lr_factor=0.25), Unfreeze(5, lr_factor=0.5)]
        if kind == "given":
            freeze(model, "0", "1")
            set_lr_factors(model, {"4": 0.7})
        else:
            callbacks.append(Freeze("0"))
        if stop is not None:
            callbacks.append(StopIn(stop))
        return trainer(
            model=model,
            optimizer=Adam(0.01),
            schedule=Cosine(0.02),
            callbacks=callbacks,
            run_dir=tmp_path / name,
        )

    whole = make("whole")
    whole.fit(loader(blobs()), 6, blobs(seed=1))
    with pytest.raises(KeyboardInterrupt):
        make("stopped", epoch).fit(loader(blobs()), 6, blobs(seed=1))
    second = make("stopped")
    second.fit(loader(blobs()), 6, blobs(seed=1), resume=True)
    for file in FILES:
        assert (tmp_path / "stopped" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), file
    assert learning(second.model) == learning(whole.model)


def test_the_same_trainer_goes_on_with_what_was_frozen_at_the_checkpoint(tmp_path):
    """Interrupted in the epoch that unfreezes, it must go back to before that epoch."""
    stop = StopIn(3)
    first = trainer(callbacks=[Freeze("0"), Unfreeze(3, "0"), stop], run_dir=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        first.fit(loader(blobs()), 4)
    assert frozen_parameters(first.model) == []
    _, state = read_checkpoint(tmp_path / "checkpoints/last.safetensors")
    assert state["frozen"] == ["0.weight", "0.bias"] and "lr_factors" not in state
    first.callbacks.remove(stop)
    assert len(first.fit(loader(blobs()), 4, resume=True)) == 4


def test_resuming_with_other_layers_frozen_is_refused(tmp_path):
    def make(*names, factors=None, callbacks=()):
        model = network()
        if names:
            freeze(model, *names)
        set_lr_factors(model, factors or {})
        return trainer(model=model, run_dir=tmp_path, callbacks=callbacks)

    make("0", factors={"4": 0.5}).fit(loader(blobs()), 1)
    described = read_json(tmp_path / "run.json")["training"]
    assert described["frozen"] == ["0.weight", "0.bias"]
    assert described["lr_factors"] == {"4.weight": 0.5, "4.bias": 0.5}
    for other in (
        make("1", factors={"4": 0.5}),
        make(factors={"4": 0.5}),
        make("0"),
        make("0", factors={"4": 0.4}),
    ):
        with pytest.raises(CheckpointError, match=r"configured differently: training\.(frozen|lr_factors)"):
            other.fit(loader(blobs()), 2, resume=True)
    assert len(make("0", factors={"4": 0.5}).fit(loader(blobs()), 2, resume=True)) == 2


def test_resuming_with_another_unfreezing_is_refused(tmp_path):
    def make(*callbacks):
        return trainer(run_dir=tmp_path, callbacks=callbacks)

    make(Freeze("0"), Unfreeze(3, "0")).fit(loader(blobs()), 1)
    for callbacks in ([Freeze("0"), Unfreeze(2, "0")], [Freeze("0")], [Freeze("1"), Unfreeze(3, "0")], []):
        with pytest.raises(CheckpointError, match="configured differently"):
            make(*callbacks).fit(loader(blobs()), 4, resume=True)


def test_a_run_in_which_nothing_is_frozen_says_nothing_about_it(tmp_path):
    """Folders written before there was freezing can be resumed."""
    trainer(run_dir=tmp_path).fit(loader(blobs()), 1)
    assert not {"frozen", "lr_factors"} & set(read_json(tmp_path / "run.json")["training"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Unfreeze(0), "at_epoch must be an integer >= 1, got 0"),
        (lambda: Unfreeze(True), "at_epoch"),
        (lambda: Unfreeze(2, [0]), "names must be the name of a layer or a list of them"),
        (lambda: Unfreeze(2, "0", lr_factor=-1), "lr_factor must be a finite number >= 0"),
        (lambda: Freeze([]), "Freeze: names"),
    ],
)
def test_options_that_make_no_sense(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


@pytest.mark.parametrize("callback", [Unfreeze(5, "7"), Freeze("seven")])
def test_a_wrong_name_is_an_error_before_anything_is_written(tmp_path, callback):
    with pytest.raises(ConfigError, match="there is no layer or parameter"):
        trainer(run_dir=tmp_path / "run", optimizer=Momentum(0.1), callbacks=[callback]).fit(
            loader(blobs()), 6
        )
    assert not list((tmp_path).rglob("*.safetensors"))


def test_a_monitor_watches_a_run_in_which_layers_are_let_go(tmp_path):
    """A frozen layer at the bottom has no gradients to look at; they appear when it is let go."""
    from minidl.experiments.report import write_run_report
    from minidl.monitoring import Monitor

    callbacks = [Freeze(["0", "1"]), Unfreeze(3, ["0", "1"]), Monitor(every=2)]
    trainer(callbacks=callbacks, run_dir=tmp_path / "run").fit(loader(blobs()), 5, blobs(seed=1))
    assert "<html" in write_run_report(tmp_path / "run").read_text(encoding="utf-8")
