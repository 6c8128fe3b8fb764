"""``minidl train`` as it is typed, and that every key of its configuration does something."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from minidl.backend import DeviceError
from minidl.cli.main import main
from minidl.errors import DataError, MinidlError
from minidl.experiments import training_run
from minidl.experiments.config import keys
from minidl.experiments.config_file import config_from, read_table, tomllib
from minidl.experiments.training_run import prepare
from minidl.files import read_json
from minidl.training.checkpoint import read_checkpoint
from minidl.training.run_folder import RunFolder

ROOT = Path(__file__).resolve().parents[2]
TINY = ["--data", "digits", "--subset", "200", "--epochs", "2", "--threads", "1"]
EVERYTHING = """
[data]
name = "digits"
subset = 300
augment = ["RandomAffine(rotation=10)", "Cutout(4)"]
mix = "Mixup(0.2)"
sampler = "BalancedSampling()"
smote = 3
standardize = true
batch_size = 20

[model]
layers = ["Conv2D(4, 5)", "MaxPool2D(3)", "ReLU()", "Flatten()", "BatchNorm()", "Dropout(0.2)", "Dense(10)"]
freeze = ["0.bias"]
lr_factors = {"0" = 0.3}

[training]
loss = "SoftmaxCrossEntropy(label_smoothing=0.1)"
class_weights = [1, 2, 1, 1, 1, 1, 1, 1, 1, 1]
optimizer = "Nesterov(lr=0.05, momentum=0.9, clip_norm=1.0)"
schedule = "CosineRestarts(0.05, cycles=3)"
regularizers = ["L2(1e-4)", "L1(1e-6)"]
epochs = 30
callbacks = ["EarlyStopping(metric='loss', patience=20)", "WeightAverage(0.9, start=0.1)", "Snapshots()"]
monitor = "Monitor(every=7)"
checkpoint_every = 2
threads = 1
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Work in an empty folder, with no data set but the digits to be found, and no GPU."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.delenv("MINIDL_DATA_DIR", raising=False)
    monkeypatch.setitem(sys.modules, "cupy", None)  # importing it fails
    return work


@pytest.fixture(autouse=True)
def no_pictures(request, monkeypatch):
    """Leave the report out, which takes longer than these trainings; what it shows is tested elsewhere."""
    if request.node.name != "test_a_run_leaves_its_folder_and_prints_its_table":
        monkeypatch.setattr(
            "minidl.experiments.report.write_run_report", lambda folder: Path(folder) / "report.html"
        )


def everything(folder):
    """Return the content of every file below a folder, and the folders."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def command(*words):
    """Run ``minidl train`` here; return its exit code, also where argparse leaves by itself."""
    try:
        return main(["train", *words])
    except SystemExit as exit_:
        return exit_.code


def process(*words, cwd=None):
    return subprocess.Popen(
        [sys.executable, "-m", "minidl", "train", *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def same_run(first, second):
    """Assert that two runs ended with the same bits."""
    for name in (
        "history.csv",
        "config.toml",
        "checkpoints/best.safetensors",
        "checkpoints/last.safetensors",
    ):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


# A whole run -------------------------------------------------------------------------------------------


def test_a_run_leaves_its_folder_and_prints_its_table(elsewhere, capsys):
    assert command(*TINY, "--out", "run") == 0
    shown = capsys.readouterr()
    assert sorted(path.name for path in Path("run").iterdir()) == [
        "checkpoints", "config.toml", "history.csv", "monitor", "report.html", "results.json", "run.json",
        "timings.csv",
    ]  # fmt: skip
    results = read_json("run/results.json")
    best = next(line for line in shown.out.splitlines() if line.startswith("  best"))
    assert f"{100 * results['best']['val_accuracy']:.2f}" in best
    assert "s of training" in shown.out and "run/report.html" in shown.out
    assert "NOT MNIST" in shown.out and "ATTENTION" in shown.err
    assert "minidl evaluate run" in shown.out
    assert [path.name for path in elsewhere.iterdir()] == ["run"]


def test_training_never_opens_the_vault(monkeypatch):
    from minidl.data import Vault

    monkeypatch.setattr(Vault, "open", lambda self, reason: pytest.fail("the vault was opened"))
    assert command(*TINY, "--out", "run") == 0


def test_the_default_folder_has_data_model_and_time_in_its_name(elsewhere):
    for _ in range(2):
        assert command(*TINY, "--rung", "0") == 0
    names = sorted(path.name for path in Path("runs").iterdir())
    assert len(names) == 2  # within a second, too
    assert all(re.fullmatch(r"digits-rung0-\d{8}-\d{6}(-2)?", name) for name in names)


def test_the_example_of_the_guide_passes_all_checks(capsys):
    guide = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    Path("example.toml").write_text(re.search(r"```toml\n(.*?)```", guide, re.DOTALL).group(1))
    assert command("--config", "example.toml", "--dry-run") == 0
    assert tomllib.loads(capsys.readouterr().out)["data"]["batch_size"] == 50


def test_dry_run_prints_the_whole_configuration_and_writes_nothing(elsewhere, capsys):
    assert command(*TINY, "--dry-run", "--set", "training.loss=SoftmaxCrossEntropy(label_smoothing=0.1)") == 0
    text = capsys.readouterr().out
    table = tomllib.loads(text)
    assert table["training"]["loss"] == "SoftmaxCrossEntropy(label_smoothing=0.1)"
    assert table["training"]["device"] == "cpu"
    assert (table["model"]["rung"], table["data"]["subset"], table["training"]["seed"]) == ("0", 200, 0)
    assert not list(elsewhere.iterdir())


def test_keys_prints_every_key(capsys):
    assert command("--keys") == 0
    shown = capsys.readouterr().out
    assert all(f"`{key.name}`" in shown for key in keys())


def test_options_and_settings_and_the_file_agree(capsys):
    Path("a.toml").write_text('[training]\nepochs = 9\noptimizer = "SGD(0.1)"\n[data]\nname = "digits"\n')
    options = [
        "--epochs",
        "3",
        "--optimizer",
        "Adam(lr=1e-2)",
        "--augment",
        "Cutout(4)",
        "--augment",
        "RandomShift(1)",
    ]
    settings = ["--set", "training.epochs=3", "--set", "training.optimizer=Adam(lr=1e-2)"]
    settings += ["--set", 'data.augment=["Cutout(4)", "RandomShift(1)"]']
    shown = []
    for words in (options, settings):
        assert command("--config", "a.toml", *words, "--dry-run") == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert 'augment = ["Cutout(4)", "RandomShift(1)"]' in shown[0]
    assert command("--config", "a.toml", "--dry-run") == 0
    assert tomllib.loads(capsys.readouterr().out)["training"]["epochs"] == 9


def test_early_stopping_is_a_callback(capsys):
    words = ["--early-stopping", "3", "--callback", "WeightAverage()", "--dry-run"]
    assert command(*TINY, *words) == 0
    callbacks = tomllib.loads(capsys.readouterr().out)["training"]["callbacks"]
    assert callbacks == ["WeightAverage()", "EarlyStopping(patience=3)"]


# The same bits ------------------------------------------------------------------------------------------


def test_the_configuration_in_the_folder_repeats_the_run():
    Path("all.toml").write_text(EVERYTHING)
    assert command("--config", "all.toml", "--epochs", "4", "--out", "first") == 0
    assert command("--config", "first/config.toml", "--out", "second") == 0
    same_run(Path("first"), Path("second"))
    other = ["--config", "first/config.toml", "--seed", "1", "--out", "third"]
    assert command(*other) == 0
    assert Path("third/history.csv").read_bytes() != Path("first/history.csv").read_bytes()


@pytest.mark.slow
def test_a_killed_run_resumed_ends_with_the_same_bits(elsewhere):
    (elsewhere / "all.toml").write_text(EVERYTHING)
    whole = process("--config", "all.toml", "--out", "whole", cwd=elsewhere)
    checkpoint = elsewhere / "killed" / "checkpoints" / "last.safetensors"
    chance = random.Random(4)
    kills, words = 0, ["--config", "all.toml", "--out", "killed"]
    while True:
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        run = process(*words, cwd=elsewhere)
        while kills < 4 and run.poll() is None:
            if checkpoint.exists() and checkpoint.stat().st_mtime_ns != before:  # it has got further
                time.sleep(chance.uniform(0.0, 0.05))
                run.kill()
                break
            time.sleep(0.005)
        _, errors = run.communicate()
        if run.returncode == 0:
            break
        assert run.returncode == -signal.SIGKILL, errors
        kills, words = kills + 1, ["--resume", "killed"]
    assert kills >= 2
    _, errors = whole.communicate()
    assert whole.returncode == 0, errors
    same_run(elsewhere / "whole", elsewhere / "killed")
    for name in ("results.json", "run.json"):
        first, second = (read_json(elsewhere / folder / name) for folder in ("whole", "killed"))
        skip = ("started", "train_seconds", "validation_seconds")
        assert {k: v for k, v in first.items() if k not in skip} == {
            k: v for k, v in second.items() if k not in skip
        }


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_saves_and_says_the_one_command_that_goes_on(elsewhere):
    run = process("--data", "digits", "--epochs", "5000", "--out", "a run", cwd=elsewhere)
    history = elsewhere / "a run" / "history.csv"
    while run.poll() is None and not (history.exists() and history.read_bytes().count(b"\n") > 2):
        time.sleep(0.02)
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "Traceback" not in errors
    (line,) = [line for line in errors.splitlines() if "to go on" in line]
    assert line.endswith("completed epochs are saved; to go on: minidl train --resume 'a run'")


def test_resume_takes_everything_from_the_folder(capsys, monkeypatch):
    assert command(*TINY, "--out", "run") == 0
    before = everything(Path("run"))
    capsys.readouterr()
    assert command("--resume", "run", "--epochs", "3", "--set", "data.subset=100") == 2
    assert "leave out --epochs, --set data.subset" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "cupy", None)  # as if it were not installed
    assert command("--resume", "run", "--device", "cuda") == 2
    assert "device 'cuda' is not available" in capsys.readouterr().err
    assert everything(Path("run")) == before
    assert command("--resume", "run", "--device", "cpu") == 0  # of a finished run: nothing is trained
    assert "  best" in capsys.readouterr().out
    weights = Path("run/checkpoints/last.safetensors")
    assert everything(Path("run"))[weights] == before[weights]


def test_a_run_started_from_weights_may_be_repeated_from_any_folder(elsewhere, monkeypatch):
    assert command(*TINY, "--out", "before") == 0
    assert command(*TINY, "--init-from", "before", "--out", "run") == 0
    (elsewhere / "other").mkdir()
    monkeypatch.chdir(elsewhere / "other")
    assert command("--config", "../run/config.toml", "--out", "again") == 0
    same_run(elsewhere / "run", elsewhere / "other" / "again")


@pytest.mark.parametrize(("first", "second"), [((), ("--standardize",)), (("--standardize",), ())])
def test_weights_meet_the_preprocessing_they_were_trained_with(first, second, capsys):
    assert command(*TINY, *first, "--out", "before") == 0
    assert command(*TINY, *first, "--init-from", "before", "--out", "alike") == 0
    capsys.readouterr()
    assert command(*TINY, *second, "--init-from", "before", "--out", "otherwise") == 2
    error = capsys.readouterr().err
    assert "model.init_from" in error and "standardised pixels" in error and "data.standardize" in error
    assert not Path("otherwise").exists()


def test_resume_does_not_need_the_weights_the_run_began_with():
    assert command(*TINY, "--out", "before") == 0
    assert command(*TINY, "--init-from", "before", "--out", "run") == 0
    Path("before").rename("gone")
    assert command("--resume", "run") == 0
    assert command("--config", "run/config.toml", "--out", "again") == 2


def test_a_run_killed_before_its_first_checkpoint_begins_with_the_same_weights():
    assert command(*TINY, "--out", "before") == 0
    for name in ("whole", "killed"):
        assert command(*TINY, "--init-from", "before", "--out", name) == 0
    for path in Path("killed").rglob("*"):
        if path.is_file() and path.name != "run.json":
            path.unlink()
    assert command("--resume", "killed") == 0
    same_run(Path("whole"), Path("killed"))


# Every key does something ---------------------------------------------------------------------------------

BASE = {
    "data": {"name": "digits", "subset": 120},
    "model": {"text": "Sequential([Flatten(), Dense(20), ReLU(), Dense(10)])"},
    "training": {"epochs": 2, "threads": 1},
}


def merged(changes):
    table = {section: dict(values) for section, values in BASE.items()}
    for name, value in changes.items():
        section, _, option = name.partition(".")
        if value is None:
            table[section].pop(option, None)
        else:
            table[section][option] = value
    return table


def trained(folder, changes=None):
    """Train as BASE says but for some keys; return (the last weights, run.json without the config)."""
    prepare(config_from(merged(changes or {}))).fit(folder)
    record = read_json(folder / "run.json")
    return read_checkpoint(folder / "checkpoints" / "last.safetensors")[0], record["training"]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base") / "run"
    return folder, *trained(folder)


def same_weights(first, second):
    names = [name for name in first if name.startswith("model/")]
    return names == [name for name in second if name.startswith("model/")] and all(
        np.array_equal(first[name], second[name]) for name in names
    )


CHANGES_WEIGHTS = {
    "data.split": {"data.split": "stratified"},
    "data.fold": {"data.fold": "1/4"},
    "data.subset": {"data.subset": 100},
    "data.expand": {"data.expand": True},
    "data.augment": {"data.augment": ["RandomShift(1)"]},
    "data.mix": {"data.mix": "Mixup(0.2)"},
    "data.sampler": {"data.sampler": "UnderSampling()"},
    "data.smote": {"data.smote": 3},
    "data.standardize": {"data.standardize": True},
    "data.batch_size": {"data.batch_size": 50},
    "data.shuffle": {"data.shuffle": "once"},
    "model.rung": {"model.rung": "0", "model.text": None},
    "model.text": {"model.text": "Sequential([Flatten(), Dense(21), ReLU(), Dense(10)])"},
    "model.layers": {"model.text": None, "model.layers": ["Flatten()", "Dense(20)", "Tanh()", "Dense(10)"]},
    "model.freeze": {"model.freeze": ["1.bias"]},
    "model.lr_factors": {"model.lr_factors": {"1": 0.5}},
    "training.loss": {"training.loss": "SoftmaxCrossEntropy(label_smoothing=0.1)"},
    "training.class_weights": {"training.class_weights": "inverse-frequency"},
    "training.optimizer": {"training.optimizer": "SGD(lr=0.1)"},
    "training.schedule": {"training.schedule": "Cosine(1e-3)"},
    "training.regularizers": {"training.regularizers": ["L2(1e-2)"]},
    "training.epochs": {"training.epochs": 3},
    "training.seed": {"training.seed": 1},
}


@pytest.mark.parametrize("key", CHANGES_WEIGHTS)
def test_the_key_changes_the_training(key, base, tmp_path):
    weights, record = trained(tmp_path / "run", CHANGES_WEIGHTS[key])
    assert not same_weights(weights, base[1])
    assert record != base[2]


def test_the_same_keys_give_the_same_weights(base, tmp_path):
    assert same_weights(trained(tmp_path / "run")[0], base[1])


def test_data_name_and_dir():
    assert prepare(config_from(merged({}))).data.name == "digits"
    with pytest.raises(DataError, match="nowhere"):
        prepare(config_from(merged({"data.name": "kmnist", "data.dir": "nowhere"})))


def test_model_preset(tmp_path):
    runs = [
        trained(tmp_path / name, {"model.text": None, "model.rung": "0", "model.preset": name})[0]
        for name in ("lecture", "express")
    ]
    assert not same_weights(*runs)


def test_model_init_from_strict_and_skip(base, tmp_path):
    folder = base[0]
    loaded = prepare(config_from(merged({"model.init_from": str(folder)}))).parts
    best = read_checkpoint(folder / "checkpoints" / "best.safetensors")[0]
    for name, value in loaded.model.state_dict().items():
        np.testing.assert_array_equal(value, best[f"model/{name}"])
    wider = {"model.text": "Sequential([Flatten(), Dense(20), ReLU(), Dense(15), ReLU(), Dense(10)])"}
    with pytest.raises(MinidlError, match=r"model.init_from: .*3.weight"):
        prepare(config_from(merged({**wider, "model.init_from": str(folder)})))
    partly = {**wider, "model.init_from": str(folder), "model.init_strict": False}
    assert prepare(config_from(merged(partly))).parts.loaded.loaded == ["1.weight", "1.bias"]
    head = {"model.init_from": str(folder), "model.init_skip": ["3"]}
    assert prepare(config_from(merged(head))).parts.loaded.left_out == ["3.weight", "3.bias"]


def test_training_callbacks_and_monitor(base, tmp_path):
    changes = {"training.callbacks": ["WeightAverage(0.5)"], "training.monitor": "none"}
    weights, record = trained(tmp_path / "run", changes)
    assert "WeightAverage" in record["callbacks"] and "WeightAverage" not in base[2]["callbacks"]
    assert (base[0] / "monitor").is_dir() and not (tmp_path / "run" / "monitor").exists()
    assert same_weights(weights, base[1])  # neither changes the weights that are trained


def test_training_keep_best(base, tmp_path):
    assert base[2]["keep_best"]["metric"] == "accuracy"
    assert trained(tmp_path / "loss", {"training.keep_best": "loss"})[1]["keep_best"]["metric"] == "loss"
    assert trained(tmp_path / "none", {"training.keep_best": "none"})[1]["keep_best"] is None
    assert not (tmp_path / "none" / "checkpoints" / "best.safetensors").exists()


def test_training_checkpoint_every(tmp_path, monkeypatch):
    saved = []
    save = RunFolder.save

    def noted(self, tensors, state, timings):
        saved.append(state["epoch"])
        save(self, tensors, state, timings)

    monkeypatch.setattr(RunFolder, "save", noted)
    trained(tmp_path / "run", {"training.epochs": 5, "training.checkpoint_every": 3})
    assert saved == [0, 3, 5]


def test_training_threads_device_and_out(tmp_path, monkeypatch, elsewhere):
    asked = []
    threads = training_run.parallel.threads
    monkeypatch.setattr(
        training_run.parallel, "threads", lambda count: (asked.append(count), threads(count))[1]
    )
    trained(tmp_path / "run", {"training.threads": 2})
    assert asked == [2]
    with pytest.raises(DeviceError, match="'cuda' is not available"):
        prepare(config_from(merged({"training.device": "cuda"})))
    assert command(*TINY, "--set", "training.out=there") == 0
    assert Path("there/run.json").exists()


def test_no_key_is_forgotten_here():
    source = Path(__file__).read_text(encoding="utf-8")
    assert [
        key.name for key in keys() if f'"{key.name}"' not in source and f"data_{key.option}" not in source
    ] in (
        [],
        ["training.out"],  # set on the command line above
    )


# Bad input ------------------------------------------------------------------------------------------------

BAD = {
    "--rung 3 --model Dense(10)": "model.rung and model.text both describe the model",
    "--opimizer x": "unrecognized arguments: --opimizer x; did you mean --optimizer?",
    "--epoch 3": "did you mean --epochs?",
    "--set training.epocs=3": "there is no key 'training.epocs'; did you mean 'training.epochs'?",
    "--set training.epochs=x": "training.epochs must be a whole number, got 'x'",
    "--set training.epochs=3 --epochs 3": "--epochs and --set training.epochs both set training.epochs",
    "--epochs x": "--epochs must be a whole number, got 'x'",
    "--epochs 0": "training.epochs must be at least 1, got 0",
    "--config none.toml": "none.toml: there is no such configuration file",
    "--optimizer Adm()": "training.optimizer: there is no 'Adm'; did you mean 'Adam'?",
    "--optimizer Adam(lr=-1)": "training.optimizer: Adam: lr must be a finite number >= 0, got -1",
    "--optimizer Adam(rl=1)": "training.optimizer: Adam",
    "--optimizer Adam(lr='x')": "training.optimizer: Adam cannot be made from (lr='x')",
    "--optimizer __import__('os')": "training.optimizer: there is no '__import__'",
    "--loss SoftDice()": "end the model with Softmax or Sigmoid",
    "--loss Dense(3)": "training.loss: there is no 'Dense'",
    "--schedule Cosine": "training.schedule: Cosine",
    "--schedule Cosine(0.1) --callback ReduceOnPlateau()": "both set the learning rate; leave out one",
    "--callback Snapshots()": "Snapshots",
    "--callback Monitor()": "training.callbacks has a Monitor, and so has training.monitor",
    "--callback BestWeights() --keep-best loss": "both choose the best epoch",
    "--callback EarlyStopping() --keep-best none": "EarlyStopping",
    "--regularizer L3(1)": "training.regularizers[0]: there is no 'L3'",
    "--augment RandomFlip()": "data.augment[0]: RandomFlip: the mirror image of a digit is no digit",
    "--augment Cutout(4) --augment Cutout(": "data.augment[1]: ",
    "--mix Mixup(classes=3)": "Mixup: labels must lie between 0 and 2",
    "--loss SoftmaxCrossEntropy(class_weights=[1])": "1 class weights do not fit 10 outputs",
    "--sampler UnderSampling(labels=[1])": "data.sampler",
    "--sampler UnderSampling() --shuffle once": "data.sampler decides the order",
    "--smote 0": "data.smote must be at least 1, got 0",
    "--batch-size 0": "data.batch_size must be at least 1, got 0",
    "--shuffle always": "data.shuffle must be one of epoch, once, never, got 'always'",
    "--rung 99": "model.rung: there is no rung '99'",
    "--rung 11": "model.rung: rung 11 is an ensemble",
    "--model Dense(10)": "put Flatten() before it",
    "--model Sequential([Flatten(),Dense(9)])": "the model's output has shape (9,), but",
    "--model Adam()": "model.text: there is no 'Adam'",
    "--model He()": "model.text: expected a layer such as Dense(10), got 'He()'",
    "--init-from nowhere": "model.init_from: ",
    "--freeze 77": "model.freeze: freeze: there is no layer or parameter '77'",
    "--freeze 1 --freeze 3": "model.freeze leaves nothing to train",
    "--set model.lr_factors={x=1}": "model.lr_factors: ",
    "--set model.lr_factors={1=-1}": "model.lr_factors: ",
    "--set training.class_weights=[1,2]": "training.class_weights has 2 numbers, but",
    "--set training.class_weights=[1,2] --loss SoftDice()": "SoftDice takes no class weights",
    "--set data.subset=1198 ": "data.subset must be at most 1,197",
    "--fold 9/5": "data.fold must be such as 2/5, the second of five, got '9/5'",
    "--split stratified --fold 1/200": "class 8 has 144 of the examples, too few for the 200 folds",
    "--split writers": "data.split = writers: nobody recorded the writers of digits",
    "--split folds": "data.split must be one of lecture, random, stratified, writers, got 'folds'",
    "--device cuda": "device 'cuda' is not available",
    "--device tpu": "training.device must be one of auto, cpu, cuda, got 'tpu'",
    "--seed -1": "training.seed must be at least 0, got -1",
    "--out .": "this exists already; choose another --out",
    "--out full": "this exists already; choose another --out",
    "--resume full": "--resume takes everything from the run's folder; leave out --data",
}


@pytest.mark.parametrize("words", BAD)
def test_bad_input_is_one_sentence_and_changes_nothing(words, elsewhere, capsys):
    (elsewhere / "full").mkdir()
    (elsewhere / "full" / "file").write_text("x")
    before = everything(elsewhere)
    assert command("--data", "digits", "--threads", "1", *words.split()) == 2
    *_, line = [line for line in capsys.readouterr().err.splitlines() if "ATTENTION" not in line]
    assert line.startswith("minidl: error: ") and BAD[words] in line, line
    assert everything(elsewhere) == before


DAMAGED = ["", "{", "[]", '{"format": 1}', '{"config": {"command": "train", "data": 3}}']


@pytest.mark.parametrize("found", [*DAMAGED, '{"config": {"command": "train", "training": {"epochs": "x"}}}'])
def test_a_damaged_run_is_not_resumed(found, elsewhere, capsys):
    (elsewhere / "run").mkdir()
    assert command("--resume", "run") == 2
    assert "there is no run here" in capsys.readouterr().err
    (elsewhere / "run" / "run.json").write_text(found)
    before = everything(elsewhere)
    assert command("--resume", "run") == 2
    error = capsys.readouterr().err
    assert error.startswith("minidl: error: ") and error.count("\n") == 1
    assert everything(elsewhere) == before


FUZZ = [
    0, -1, 10**30, True, 1.5, "", "x", "Adam(", "Dense(10)", "Adam(lr=[])", "L2('x')", "Cosine(None)", "Mixup({})",
    [], [[]], ["x"], [1], ["Dense('a')"], {}, {"0": "x"}, {"0": -1.0}, "x\ny", "\x00", "../..", "9" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("key", [key.name for key in keys() if key.name != "training.out"])
def test_no_value_of_any_key_ends_in_a_traceback_or_a_file(key, elsewhere, capsys):
    """Whatever a key is given: it is taken, or refused in one line."""
    section, _, option = key.partition(".")
    from minidl.experiments.config_file import toml_value

    refused = 0
    for value in FUZZ:
        table = {"data": {"name": '"digits"', "subset": "50"}, "model": {}, "training": {"threads": "1"}}
        table[section][option] = toml_value(value)
        text = "".join(
            f"[{name}]\n" + "".join(f"{k} = {v}\n" for k, v in rows.items()) for name, rows in table.items()
        )
        Path("a.toml").write_text(text, encoding="utf-8")
        code = command("--config", "a.toml", "--dry-run")
        error = [line for line in capsys.readouterr().err.splitlines() if "ATTENTION" not in line]
        assert code in (0, 2), (value, code)
        assert len(error) == (1 if code == 2 else 0), (value, error)
        refused += code == 2
        assert [path.name for path in elsewhere.iterdir()] == ["a.toml"]
    assert refused >= len(FUZZ) // 2


def test_the_resolved_file_is_read_back_as_the_same_configuration():
    Path("all.toml").write_text(EVERYTHING)
    assert command("--config", "all.toml", "--epochs", "1", "--out", "run") == 0
    config = config_from(read_table("run/config.toml"))
    assert config.training.keep_best == "loss"  # as EarlyStopping judges
    assert training_run.read_config(Path("run")) == config
