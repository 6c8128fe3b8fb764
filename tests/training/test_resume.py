"""Stopped at any instant and resumed equals never stopped."""

import inspect
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from minidl.errors import CheckpointError, ConfigError
from minidl.experiments import vocabulary
from minidl.files import read_json
from minidl.layers import Dense, Sequential
from minidl.optimizers import Adam, Momentum
from minidl.schedules import Cosine, CosineRestarts, OneCycle
from minidl.training import Callback, EarlyStopping, ReduceOnPlateau, Snapshots, WeightAverage
from minidl.training.checkpoint import read_checkpoint
from tests.training.toys import blobs, loader, network, trainer

ROOT = Path(__file__).parents[2]
SNAPSHOTS = {"plain": 0, "scheduled": 8, "plateau": 6}  # every 7 of 42 epochs
FILES = ("checkpoints/last.safetensors", "checkpoints/best.safetensors", "history.csv")


def contents(folder):
    """Return every file that must not depend on interruptions, and what the results say besides times."""
    files = [*FILES, *sorted(str(path.relative_to(folder)) for path in Path(folder).glob("*/snapshot-*"))]
    found = {name: (Path(folder) / name).read_bytes() for name in files}
    if (Path(folder) / "results.json").exists():
        results = read_json(Path(folder) / "results.json")
        found["results.json"] = {key: value for key, value in results.items() if "seconds" not in key}
    return found


def contents_of_all(folder):
    return {str(path): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def start(folder, epochs, kind="plain"):
    """Start killed_run in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.training.killed_run", str(folder), str(epochs), kind],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("kind, kills", [("plain", 10), ("scheduled", 5), ("plateau", 5)])
def test_killed_at_random_moments_and_resumed_ends_with_the_same_bits(tmp_path, kind, kills):
    epochs = 60
    process = start(tmp_path / "whole", epochs, kind)
    began = time.monotonic()
    output, errors = process.communicate(timeout=60)
    per_epoch = (time.monotonic() - began) / epochs
    assert process.returncode == 0, errors
    trained = read_json(tmp_path / "whole/results.json")["epochs"]
    assert output.split() == [str(epoch) for epoch in range(1, trained + 1)]
    assert (trained < epochs) == (kind == "plateau")

    chance = random.Random(7)
    first_epochs = []
    for _ in range(kills):
        process = start(tmp_path / "killed", epochs, kind)
        seen = [process.stdout.readline() for _ in range(chance.randint(1, 5))]
        first_epochs.append(int(seen[0]))
        time.sleep(chance.uniform(0, 1.5 * per_epoch))
        process.kill()
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
    process = start(tmp_path / "killed", epochs, kind)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors

    assert first_epochs[0] == 1 and 1 < int(output.split()[0]) < trained  # it did go on from a checkpoint
    assert first_epochs == sorted(first_epochs)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert len(list((tmp_path / "whole").glob("*/snapshot-*"))) == SNAPSHOTS[kind]
    assert not list((tmp_path / "killed").rglob("*.part"))
    assert (tmp_path / "killed/timings.csv").read_text().count("\n") == 1 + trained


def test_ctrl_c_saves_the_last_completed_epoch_and_says_how_to_resume(tmp_path):
    process = start(tmp_path / "run", 100_000)
    for _ in range(6):  # until epoch 6 has begun: five are done, four of them at a regular checkpoint
        process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 130
    assert errors.count("\n") == 1 and "Traceback" not in errors
    assert errors.startswith("Stopped in epoch ") and "resume=True" in errors
    assert str(tmp_path / "run") in errors
    _, state = read_checkpoint(tmp_path / "run/checkpoints/last.safetensors")
    assert state["epoch"] >= 5 and f"{state['epoch']} completed epochs are saved" in errors


class StopIn(Callback):
    """Interrupt the training as Ctrl-C would, in the middle of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_batch_end(self, trainer):
        if trainer.epoch == self.epoch and trainer.batch == 2:
            raise KeyboardInterrupt


@pytest.mark.parametrize("epoch", [1, 2, 5])
@pytest.mark.parametrize(
    "make",
    [
        lambda: {"optimizer": Adam(0.01)},
        lambda: {"schedule": OneCycle(0.1), "optimizer": Momentum(0.1, 0.9)},
        lambda: {"keep_best": "loss", "checkpoint_every": 3},
        lambda: {
            "schedule": CosineRestarts(0.1, cycles=4),
            "callbacks": [
                Snapshots(),
                WeightAverage(0.9, start=0.2, batchnorm="recompute"),
                EarlyStopping("loss"),
            ],
        },
        lambda: {
            "checkpoint_every": 2,
            "callbacks": [
                WeightAverage(mode="polyak", start=1),
                EarlyStopping("loss", patience=1),
                ReduceOnPlateau(metric="loss", patience=1),
                Snapshots(every=1),
            ],
        },
    ],
)
def test_interrupted_and_resumed_by_the_same_or_a_new_trainer(tmp_path, make, epoch, capsys):
    def run(folder, *more):
        options = make()
        callbacks = [*more, *options.pop("callbacks", [])]
        return trainer(run_dir=tmp_path / folder, callbacks=callbacks, **options)

    whole = run("whole")
    whole.fit(loader(blobs()), 6, blobs(seed=1))

    for name in ("same", "new"):
        first = run(name, StopIn(epoch))
        with pytest.raises(KeyboardInterrupt):
            first.fit(loader(blobs()), 6, blobs(seed=1))
        message = f"Stopped in epoch {epoch} of 6: {epoch - 1} completed epochs are saved in "
        assert capsys.readouterr().err.startswith(message)
        if name == "new":
            second = run(name)
        else:
            second = first
            second.callbacks = [each for each in second.callbacks if not isinstance(each, StopIn)]
        history = second.fit(loader(blobs()), 6, blobs(seed=1), resume=True)
        assert history.rows == whole.history.rows
        assert contents(tmp_path / name) == contents(tmp_path / "whole")
        expected = whole.model.state_dict()
        assert all(np.array_equal(x, expected[path]) for path, x in second.model.state_dict().items())
        second.restore_best()
        assert second.best.epoch == whole.best.epoch


def test_without_a_run_folder_the_message_says_that_nothing_is_saved(capsys):
    with pytest.raises(KeyboardInterrupt):
        trainer(callbacks=[StopIn(2)]).fit(loader(blobs()), 3)
    message = "Stopped in epoch 2 of 3: nothing is saved, because the Trainer has no run_dir\n"
    assert capsys.readouterr().err == message


def test_a_run_folder_changes_no_number(tmp_path):
    inside = trainer(run_dir=tmp_path / "run").fit(loader(blobs()), 3, blobs(seed=1))
    assert inside.rows == trainer().fit(loader(blobs()), 3, blobs(seed=1)).rows


def test_resuming_a_finished_run_trains_nothing_and_returns_its_history(tmp_path):
    first = trainer(run_dir=tmp_path / "run")
    first.fit(loader(blobs()), 3, blobs(seed=1))
    before = contents(tmp_path / "run")

    class Refuse(Callback):
        def on_epoch_start(self, trainer):
            raise AssertionError("an epoch was trained")

    second = trainer(run_dir=tmp_path / "run", model=network(), callbacks=[Refuse()])
    history = second.fit(loader(blobs()), 3, blobs(seed=1), resume=True)
    assert history.rows == first.history.rows
    assert contents(tmp_path / "run") == before
    for x, y in zip(second.model.state_dict().values(), first.model.state_dict().values(), strict=True):
        assert np.array_equal(x, y)
    second.restore_best()


def test_what_a_crash_left_out_is_written_again(tmp_path):
    """last.safetensors is the truth; the files that follow from it may be stale or missing."""
    trainer(run_dir=tmp_path / "run").fit(loader(blobs()), 3, blobs(seed=1))
    before = contents(tmp_path / "run")
    results = read_json(tmp_path / "run/results.json")
    (tmp_path / "run/history.csv").write_text("epoch\n1\n")
    (tmp_path / "run/checkpoints/best.safetensors").write_bytes(b"stale")
    (tmp_path / "run/results.json").unlink()
    (tmp_path / "run/timings.csv").unlink()
    (tmp_path / "run/checkpoints/.last.safetensors.abc.part").write_bytes(b"half")

    trainer(run_dir=tmp_path / "run").fit(loader(blobs()), 3, blobs(seed=1), resume=True)
    assert contents(tmp_path / "run") == before
    unknown = {"train_seconds": 0, "validation_seconds": 0}
    assert read_json(tmp_path / "run/results.json") == {**results, **unknown}
    assert not list((tmp_path / "run").rglob("*.part"))


def test_a_run_without_a_schedule_can_be_given_more_epochs(tmp_path):
    whole = trainer(run_dir=tmp_path / "whole").fit(loader(blobs()), 5)
    trainer(run_dir=tmp_path / "run").fit(loader(blobs()), 2)
    history = trainer(run_dir=tmp_path / "run").fit(loader(blobs()), 5, resume=True)
    assert history.rows == whole.rows
    last = "checkpoints/last.safetensors"
    assert (tmp_path / "run" / last).read_bytes() == (tmp_path / "whole" / last).read_bytes()
    assert read_json(tmp_path / "run/run.json")["training"]["epochs"] == 5
    assert read_json(tmp_path / "run/results.json")["epochs"] == 5
    with pytest.raises(CheckpointError, match="already trained 5 epochs, more than the 4"):
        trainer(run_dir=tmp_path / "run").fit(loader(blobs()), 4, resume=True)


def test_a_run_with_a_schedule_cannot(tmp_path):
    trainer(run_dir=tmp_path, schedule=Cosine(0.1)).fit(loader(blobs()), 2)
    with pytest.raises(CheckpointError, match=r"training\.epochs \(was 2, now 3\)"):
        trainer(run_dir=tmp_path, schedule=Cosine(0.1)).fit(loader(blobs()), 3, resume=True)


def test_a_folder_that_holds_a_run_is_only_used_again_if_asked(tmp_path):
    trainer(run_dir=tmp_path).fit(loader(blobs()), 1)
    before = contents_of_all(tmp_path)
    with pytest.raises(ConfigError, match="already holds a run"):
        trainer(run_dir=tmp_path).fit(loader(blobs()), 1)
    assert contents_of_all(tmp_path) == before


def test_resume_without_a_folder_is_refused():
    with pytest.raises(ConfigError, match="run_dir"):
        trainer().fit(loader(blobs()), 1, resume=True)


@pytest.mark.parametrize(
    "change, key",
    [
        ({"config": {"rung": 2, "lr": 0.05}}, r"config\.rung \(was 1, now 2\)"),
        ({"config": {"rung": 1}}, r"config\.lr \(was 0\.05, now not given\)"),
        ({"seed": 1}, r"seed \(was 0, now 1\)"),
        ({"optimizer": Momentum(0.05, 0.8)}, r"training\.optimizer\.momentum \(was 0\.9, now 0\.8\)"),
        ({"optimizer": Momentum(0.01, 0.9)}, r"training\.optimizer\.lr \(was 0\.05, now 0\.01\)"),
        ({"keep_best": "loss"}, r'training\.keep_best\.metric \(was "accuracy", now "loss"\)'),
        ({"schedule": Cosine(0.1)}, r"training\.schedule"),
        ({"model": network(p=0.4)}, r"training\.layers\.3\.p \(was 0\.3, now 0\.4\)"),
        ({"model": network(hidden=10)}, r"training\.layers\.0\.units \(was 12, now 10\)"),
    ],
)
def test_another_configuration_is_refused_naming_the_key(tmp_path, change, key):
    options = {"config": {"rung": 1, "lr": 0.05}}
    trainer(run_dir=tmp_path, **options).fit(loader(blobs()), 1)
    before = contents_of_all(tmp_path)
    with pytest.raises(CheckpointError, match=key):
        trainer(run_dir=tmp_path, **{**options, **change}).fit(loader(blobs()), 1, resume=True)
    assert contents_of_all(tmp_path) == before


def test_other_data_or_another_order_are_refused(tmp_path):
    trainer(run_dir=tmp_path).fit(loader(blobs()), 1)
    with pytest.raises(CheckpointError, match=r"training\.train\.images"):
        trainer(run_dir=tmp_path).fit(loader(blobs(seed=5)), 1, resume=True)
    with pytest.raises(CheckpointError, match=r"training\.train\.seeds"):
        trainer(run_dir=tmp_path).fit(loader(blobs(), seeds=1), 1, resume=True)
    with pytest.raises(CheckpointError, match=r"training\.validation"):
        trainer(run_dir=tmp_path).fit(loader(blobs()), 1, blobs(seed=1), resume=True)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "foreign", "text"])
def test_a_damaged_checkpoint_ends_in_a_sentence(tmp_path, damage):
    trainer(run_dir=tmp_path).fit(loader(blobs()), 2)
    path = tmp_path / "checkpoints/last.safetensors"
    data = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(data[:-100])
    elif damage == "flipped":
        path.write_bytes(data[:-100] + bytes([data[-100] ^ 1]) + data[-99:])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_text("<html>404</html>")
    else:
        from safetensors.numpy import save_file

        save_file({"0.weight": np.zeros(3, np.float32)}, path)
    with pytest.raises(CheckpointError, match=r"last\.safetensors: ") as caught:
        trainer(run_dir=tmp_path).fit(loader(blobs()), 2, resume=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 99}'])
def test_a_damaged_run_json_ends_in_a_sentence(tmp_path, text):
    trainer(run_dir=tmp_path).fit(loader(blobs()), 1)
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"run\.json: "):
        trainer(run_dir=tmp_path).fit(loader(blobs()), 1, resume=True)


def test_a_missing_run_json_ends_in_a_sentence(tmp_path):
    trainer(run_dir=tmp_path).fit(loader(blobs()), 1)
    (tmp_path / "run.json").unlink()
    with pytest.raises(CheckpointError, match=r"run\.json: this file is missing"):
        trainer(run_dir=tmp_path).fit(loader(blobs()), 1, resume=True)


def test_a_stopped_run_stays_stopped(tmp_path):
    class StopAfter(Callback):
        def on_epoch_end(self, trainer, row):
            trainer.stop = trainer.epoch == 2

    trainer(run_dir=tmp_path, callbacks=[StopAfter()]).fit(loader(blobs()), 5)
    assert read_json(tmp_path / "results.json")["stopped_early"] is True
    assert len(trainer(run_dir=tmp_path).fit(loader(blobs()), 5, resume=True)) == 2


def test_state_of_a_users_callback_travels_with_the_checkpoint(tmp_path):
    class Counter(Callback):
        def __init__(self):
            self.seen = 0
            self.sums = np.zeros(2)

        def on_epoch_end(self, trainer, row):
            self.seen += 1
            self.sums += trainer.epoch

        def state_dict(self):
            return {"seen": self.seen, "sums": self.sums}

        def load_state_dict(self, state):
            self.seen, self.sums = state["seen"], state["sums"]

    trainer(run_dir=tmp_path, callbacks=[Counter()]).fit(loader(blobs()), 2)
    counter = Counter()
    trainer(run_dir=tmp_path, callbacks=[counter]).fit(loader(blobs()), 3, resume=True)
    assert counter.seen == 3 and counter.sums.tolist() == [6, 6]
    with pytest.raises(CheckpointError, match="callbacks"):
        trainer(run_dir=tmp_path).fit(loader(blobs()), 3, resume=True)


def test_a_model_that_does_not_fit_is_named_before_anything_changes(tmp_path):
    from minidl.training import load_weights

    trainer(run_dir=tmp_path).fit(loader(blobs()), 1, blobs(seed=1))
    other = Sequential([Dense(3)])
    other.build((6,))
    before = other.state_dict()["0.weight"].copy()
    with pytest.raises(CheckpointError, match=r"best\.safetensors: .*0\.weight has shape \(6, 12\)"):
        load_weights(other, tmp_path / "checkpoints/best.safetensors")
    assert np.array_equal(other.state_dict()["0.weight"], before)


def test_a_rate_that_a_callback_changed_is_restored(tmp_path):
    class Halve(Callback):
        def on_epoch_end(self, trainer, row):
            trainer.optimizer.lr /= 2

    whole = trainer(callbacks=[Halve()]).fit(loader(blobs()), 4)
    assert whole["lr"] == [0.05, 0.025, 0.0125, 0.00625]
    trainer(run_dir=tmp_path, callbacks=[Halve()]).fit(loader(blobs()), 2)
    resumed = trainer(run_dir=tmp_path, callbacks=[Halve()]).fit(loader(blobs()), 4, resume=True)
    assert resumed.rows == whole.rows


@pytest.mark.parametrize(
    "before, now, message",
    [
        (
            EarlyStopping("loss", patience=5),
            EarlyStopping("loss", patience=6),
            r"training\.callbacks\.EarlyStopping\.patience \(was 5, now 6\)",
        ),
        (
            WeightAverage(0.9),
            WeightAverage(0.99),
            r"training\.callbacks\.WeightAverage\.decay \(was 0\.9, now 0\.99\)",
        ),
        (WeightAverage(0.9), WeightAverage(0.9, start=1), r"WeightAverage\.start \(was 0, now 1\)"),
        (Snapshots(every=1), Snapshots(every=2), r"Snapshots\.every \(was 1, now 2\)"),
    ],
)
def test_another_option_of_a_callback_is_refused_by_name(tmp_path, before, now, message):
    trainer(run_dir=tmp_path, callbacks=[before]).fit(loader(blobs()), 2, blobs(seed=1))
    files = contents_of_all(tmp_path)
    with pytest.raises(CheckpointError, match=message):
        trainer(run_dir=tmp_path, callbacks=[now]).fit(loader(blobs()), 2, blobs(seed=1), resume=True)
    # The callback that was used is described by its options, not by what it has seen since.
    trainer(run_dir=tmp_path, callbacks=[before]).fit(loader(blobs()), 2, blobs(seed=1), resume=True)
    assert contents_of_all(tmp_path) == files


def test_a_callback_that_comes_or_goes_is_refused(tmp_path):
    trainer(run_dir=tmp_path, callbacks=[WeightAverage(0.9)]).fit(loader(blobs()), 2)
    with pytest.raises(CheckpointError, match=r"callbacks\.WeightAverage\.decay \(was 0\.9, now not given\)"):
        trainer(run_dir=tmp_path).fit(loader(blobs()), 2, resume=True)


def test_every_callback_keeps_its_options_under_their_names():
    """run.json takes them from there."""
    samples = {"Freeze": ["0"], "Unfreeze": [2]}
    for name, kind in vocabulary.callbacks().items():
        if kind.changes_training:
            callback = kind(*samples.get(name, []))
            assert all(hasattr(callback, option) for option in inspect.signature(kind).parameters), name


def test_two_callbacks_of_a_kind_are_told_apart(tmp_path):
    class Option(Callback):
        changes_training = True

        def __init__(self, value):
            self.value = value

    trainer(run_dir=tmp_path, callbacks=[Option(1), Option(2)]).fit(loader(blobs()), 1)
    described = read_json(tmp_path / "run.json")["training"]["callbacks"]
    assert described == {"BestWeights": {}, "Option": {"value": 1}, "Option-2": {"value": 2}}
    with pytest.raises(CheckpointError, match=r"callbacks\.Option-2\.value \(was 2, now 3\)"):
        trainer(run_dir=tmp_path, callbacks=[Option(1), Option(3)]).fit(loader(blobs()), 1, resume=True)
