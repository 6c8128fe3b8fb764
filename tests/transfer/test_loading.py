"""Partial loading: what fits is copied, everything else is named."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from minidl.errors import CheckpointError, ConfigError, StateError
from minidl.layers import BatchNorm, Conv2D, Dense, Flatten, ReLU, Residual, Sequential
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import Momentum
from minidl.training import Trainer, export_weights
from minidl.training.checkpoint import write_checkpoint
from minidl.transfer import load_matching
from tests.training.toys import blobs, loader


def network(classes=3, seed=0, dtype=np.float32):
    model = Sequential([Dense(5), BatchNorm(), ReLU(), Dense(classes)])
    model.build((4,), rng=seed, dtype=dtype)
    return model


def state(model):
    return {name: np.copy(x) for name, x in model.state_dict().items()}


def checkpoint(path, model):
    write_checkpoint(path, {f"model/{name}": x for name, x in model.state_dict().items()}, {"epoch": 1})
    return path


BODY = ["0.weight", "0.bias", "1.gamma", "1.beta", "1.running_mean", "1.running_var", "1.batches"]


def test_another_head_is_left_as_it_is_and_reported(tmp_path):
    old, new = network(10, seed=1), network(3, seed=2)
    old.layers[1].buffers["running_mean"][...] = 7
    before = state(new)
    report = load_matching(new, checkpoint(tmp_path / "old.safetensors", old))
    assert report.loaded == BODY and not report.complete
    assert report.reshaped == [
        "3.weight is (5, 10) there and (5, 3) here",
        "3.bias is (10,) there and (3,) here",
    ]
    assert report.missing == report.unexpected == report.left_out == []
    for name, x in new.state_dict().items():
        assert np.array_equal(x, state(old)[name] if name in BODY else before[name]), name
    assert "loaded 7 arrays: 0.weight" in str(report) and "of another shape: 3.weight is" in str(report)


def test_strict_names_every_misfit_and_changes_nothing(tmp_path):
    old = Sequential([Dense(5), ReLU(), Dense(3), Dense(3)])
    old.build((4,), rng=1)
    new = network()
    before = state(new)
    with pytest.raises(CheckpointError) as caught:
        load_matching(new, checkpoint(tmp_path / "old.safetensors", old), strict=True)
    message = str(caught.value)
    for part in (
        "missing 1.gamma",
        "unexpected 2.weight",
        "3.weight is (3, 3) there and (5, 3) here",
        "old.safetensors",
    ):
        assert part in message
    assert "\n" not in message
    assert all(np.array_equal(x, before[name]) for name, x in new.state_dict().items())
    same = network(seed=5)
    report = load_matching(new, checkpoint(tmp_path / "same.safetensors", same), strict=True)
    assert report.complete and len(report.loaded) == 9


def test_where_nothing_fits_it_is_an_error_even_when_not_strict(tmp_path):
    other = Sequential([Dense(9)])
    other.build((9,))
    with pytest.raises(CheckpointError, match="fit the model nowhere: missing .*; 0.weight is"):
        load_matching(network(), checkpoint(tmp_path / "other.safetensors", other))
    with pytest.raises(CheckpointError, match="only and skip leave nothing to load"):
        load_matching(network(), checkpoint(tmp_path / "same.safetensors", network()), only=["0"], skip=["0"])


def test_only_and_skip(tmp_path):
    path = checkpoint(tmp_path / "old.safetensors", network(3, seed=1))
    report = load_matching(network(), path, only=["0", "3"], skip=["3.bias"], strict=True)
    assert report.loaded == ["0.weight", "0.bias", "3.weight"]
    assert "3.bias" in report.left_out and "1.gamma" in report.left_out and report.complete
    with pytest.raises(ConfigError, match=r"skip: there is no .*'3.wight'; did you mean '3.weight'\?"):
        load_matching(network(), path, skip=["3.wight"])
    with pytest.raises(ConfigError, match="only: there is no layer or parameter '8'"):
        load_matching(network(), path, only=["8"])


def test_rename_moves_layers(tmp_path):
    old, new = network(3, seed=1), Sequential([Sequential([Dense(5), BatchNorm()]), ReLU(), Dense(3)])
    new.build((4,), rng=3)
    path = checkpoint(tmp_path / "old.safetensors", old)
    report = load_matching(new, path, strict=True, rename={"0": "0.0", "1": "0.1", "3": "2"})
    assert report.complete and np.array_equal(new.state_dict()["0.1.gamma"], old.state_dict()["1.gamma"])
    assert np.array_equal(new.state_dict()["2.weight"], old.state_dict()["3.weight"])
    with pytest.raises(ConfigError, match="has nothing called 'body'"):
        load_matching(new, path, rename={"body": "0"})
    with pytest.raises(ConfigError, match=r"the same name '3\.(weight|bias)'"):
        load_matching(new, path, rename={"0": "3"})


def test_a_longer_beginning_counts_before_a_shorter_one_and_whole_parts_only(tmp_path):
    arrays = {
        "features.1.weight": np.ones((5, 4), np.float32),
        "features.10.weight": np.full((3, 5), 2, np.float32),
    }
    save_file(arrays, tmp_path / "torch.safetensors")
    model = Sequential([Dense(5, bias=False), Dense(3, bias=False)])
    model.build((4,))
    rename = {"features": "9", "features.1": "0", "features.10": "1"}
    report = load_matching(model, tmp_path / "torch.safetensors", rename=rename, strict=True)
    assert report.loaded == ["0.weight", "1.weight"]
    assert np.array_equal(model.state_dict()["0.weight"], np.ones((4, 5)))


def test_a_part_of_a_name_is_not_renamed(tmp_path):
    """``fc`` is not the beginning of ``fc1``; cut off as text it would turn that into layer 1."""
    arrays = {"fc.0.weight": np.ones((5, 4), np.float32), "fc1.weight": np.ones((3, 5), np.float32)}
    save_file(arrays, tmp_path / "torch.safetensors")
    model = Sequential([Dense(5, bias=False), Dense(3, bias=False)])
    model.build((4,))
    report = load_matching(model, tmp_path / "torch.safetensors", rename={"fc": ""})
    assert report.loaded == ["0.weight"] and report.missing == ["1.weight"]
    assert report.unexpected == ["fc1.weight"]


def test_names_and_matrices_of_pytorch_are_translated(tmp_path):
    """Against a file made by hand, as PyTorch writes it: no PyTorch needed."""
    generator = np.random.default_rng(0)
    arrays = {
        "body.0.weight": generator.normal(size=(2, 1, 3, 3)),
        "body.0.bias": generator.normal(size=2),
        "body.1.weight": generator.normal(size=2),
        "body.1.bias": generator.normal(size=2),
        "body.1.running_mean": generator.normal(size=2),
        "body.1.running_var": generator.uniform(1, 2, size=2),
        "fc.weight": generator.normal(size=(7, 8)),
        "fc.bias": generator.normal(size=7),
    }
    save_file(arrays, tmp_path / "torch.safetensors")
    model = Sequential([Conv2D(2, 3), BatchNorm(), Flatten(), Dense(5)])
    model.build((1, 4, 4), dtype=np.float32)
    report = load_matching(model, tmp_path / "torch.safetensors", rename={"body": "", "fc": "3"})
    assert report.loaded == ["0.weight", "0.bias", "1.gamma", "1.beta", "1.running_mean", "1.running_var"]
    assert report.reshaped == [
        "3.weight is (8, 7) there and (8, 5) here",
        "3.bias is (7,) there and (5,) here",
    ]
    assert report.missing == []  # num_batches_tracked may be missing
    np.testing.assert_allclose(model.state_dict()["1.gamma"], arrays["body.1.weight"], rtol=1e-6)
    assert model.state_dict()["1.gamma"].dtype == np.float32


def test_what_export_weights_wrote(tmp_path):
    old, new = network(3, seed=1, dtype=np.float64), network(3, seed=2)
    export_weights(old, tmp_path / "weights.safetensors")
    assert load_matching(new, tmp_path / "weights.safetensors", strict=True).complete
    np.testing.assert_allclose(new.state_dict()["3.weight"], old.state_dict()["3.weight"], rtol=1e-6)


def test_the_folder_of_a_run(tmp_path):
    def model(classes=3):
        net = Sequential([Residual(Dense(6)), Dense(classes)])
        net.build((6,), rng=classes)
        return net

    for keep, name in (("accuracy", "best"), (None, "last")):
        trainer = Trainer(
            model(), SoftmaxCrossEntropy(), Momentum(0.1), run_dir=tmp_path / name, keep_best=keep
        )
        trainer.fit(loader(blobs()), 2, blobs(seed=1))
        if keep:
            trainer.restore_best()
        new = model(5)
        report = load_matching(new, tmp_path / name)
        assert report.source.endswith(f"{name}.safetensors")
        assert report.loaded == ["0.body.weight", "0.body.bias"]
        assert report.unexpected == []  # the arrays of the optimizer and of callbacks are none of the model's
        assert np.array_equal(new.state_dict()["0.body.weight"], trainer.model.state_dict()["0.body.weight"])


def test_sources_that_cannot_be_read(tmp_path):
    with pytest.raises(CheckpointError, match="this folder holds no run"):
        load_matching(network(), tmp_path)
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_matching(network(), tmp_path / "none.safetensors")
    with pytest.raises(StateError, match="call build"):
        load_matching(Sequential([Dense(2)]), tmp_path)
