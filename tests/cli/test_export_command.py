"""``minidl export``: the weights of a run for PyTorch, and the module that takes them."""

import numpy as np
import pytest
from safetensors.numpy import load_file

from minidl.cli.main import main
from minidl.data import load
from minidl.experiments.config_file import config_from
from minidl.experiments.plan import Plan
from minidl.experiments.progression import Progression
from minidl.experiments.training_run import prepare
from minidl.training import Trainer
from minidl.training.checkpoint import read_checkpoint
from tests.training.toys import blobs, loader, network

MODEL = "Sequential([Conv2D(3, 5), MaxPool2D(4), BatchNorm(), ReLU(), Flatten(), Dropout(0.2), Dense(10)])"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """The folder of a run of three epochs."""
    folder = tmp_path_factory.mktemp("original") / "run"
    table = {
        "data": {"name": "digits", "subset": 200},
        "model": {"text": MODEL},
        "training": {"epochs": 3, "threads": 1, "monitor": "none"},
    }
    prepare(config_from(table)).fit(folder, progress=False)
    return folder


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty folder to work in, without any data set: none is needed."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.delenv("MINIDL_DATA_DIR", raising=False)
    return tmp_path / "work"


def test_weights_go_to_the_file_and_the_module_to_the_screen(original, here, capsys):
    assert main(["export", str(original), "net.safetensors"]) == 0
    printed = capsys.readouterr()
    compile(printed.out, "net.py", "exec")
    assert (
        'load_file("net.safetensors")' in printed.out
        and "nn.BatchNorm2d(3, eps=1e-05, momentum=0.1)" in printed.out
    )
    assert printed.err == f"net.safetensors: the weights of {original / 'checkpoints' / 'best.safetensors'}\n"
    assert [path.name for path in here.iterdir()] == ["net.safetensors"]
    tensors, best = (
        load_file("net.safetensors"),
        read_checkpoint(original / "checkpoints/best.safetensors")[0],
    )
    assert np.array_equal(tensors["6.weight"], best["model/6.weight"].T)
    assert np.array_equal(tensors["2.running_var"], best["model/2.running_var"])


def test_last_weights_on_demand(original):
    assert main(["export", str(original), "last.safetensors", "--weights", "last"]) == 0
    last = read_checkpoint(original / "checkpoints/last.safetensors")[0]
    assert np.array_equal(load_file("last.safetensors")["0.weight"], last["model/0.weight"])


def test_the_printed_module_computes_what_the_run_computed(original, capsys):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    from minidl.experiments.exporting import trained_model

    assert main(["export", str(original), "net.safetensors"]) == 0
    names = {}
    exec(capsys.readouterr().out, names)
    x = np.random.default_rng(0).uniform(size=(4, 1, 28, 28)).astype(np.float32)
    ours, _ = trained_model(original)
    with torch.no_grad():
        np.testing.assert_allclose(names["model"](torch.from_numpy(x)).numpy(), ours.forward(x), atol=1e-5)


def test_a_network_of_a_progression(here, tmp_path):
    plan = Plan("quick", ("0",), 1, "digits", "cpu", 1, {"epochs": 1})
    Progression(plan, load("digits"), tmp_path / "steps", say=lambda line: None).run()
    assert main(["export", str(tmp_path / "steps/rung-00/seed-0"), "rung.safetensors"]) == 0
    assert load_file("rung.safetensors")["1.weight"].shape == (100, 784)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["RUN", "net.pt"], "net.pt: the weights go to a safetensors file; name it net.safetensors"),
        (["RUN", "taken.safetensors"], "taken.safetensors: this file exists already"),
        (["nowhere", "net.safetensors"], "nowhere: there is no run here (no run.json)"),
        (["own", "net.safetensors"], "started neither by minidl train nor by minidl progression"),
    ],
)
def test_bad_input_is_one_sentence_and_changes_nothing(original, here, capsys, words, complaint):
    from minidl.losses import SoftmaxCrossEntropy
    from minidl.optimizers import SGD

    Trainer(network(), SoftmaxCrossEntropy(), SGD(0.1), run_dir=here / "own").fit(loader(blobs()), 1)
    (here / "taken.safetensors").write_text("kept")
    before = sorted(here.rglob("*"))
    assert main(["export", *(str(original) if word == "RUN" else word for word in words)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("minidl: error: ") and error.count("\n") == 1 and complaint in error
    assert sorted(here.rglob("*")) == before and (here / "taken.safetensors").read_text() == "kept"


def test_what_the_parser_refuses(capsys):
    for words in ([], ["run"], ["run", "net.safetensors", "--weights", "first"]):
        with pytest.raises(SystemExit) as exit_:
            main(["export", *words])
        assert exit_.value.code == 2
    assert "--weights" in capsys.readouterr().err
