"""The checkpoint file and the history file: what goes in comes out, bit for bit."""

import math

import numpy as np
import pytest

from minidl.errors import CheckpointError, ConfigError
from minidl.optimizers import Momentum
from minidl.training import History
from minidl.training.checkpoint import capture, read_checkpoint, restore, write_checkpoint
from tests.training.toys import network


def test_arrays_and_state_round_trip(tmp_path):
    tensors = {
        "scalar": np.array(3, np.int64),
        "transposed": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "strided": np.arange(10.0)[::2],
        "empty": np.zeros((0, 2), np.float32),
        "nan": np.array([math.nan, math.inf, -0.0]),
    }
    state = {"big": 2**127 + 1, "float": 0.1 + 0.2, "tiny": 5e-324, "none": None, "text": "ä"}
    write_checkpoint(tmp_path / "a.safetensors", tensors, state)
    read, read_state = read_checkpoint(tmp_path / "a.safetensors")
    assert read_state == state
    assert set(read) == set(tensors)
    for name, x in tensors.items():
        assert read[name].shape == x.shape and read[name].dtype == x.dtype
        assert read[name].tobytes() == np.asarray(x, order="C").tobytes(), name


def test_the_same_content_gives_the_same_file(tmp_path):
    tensors = {f"t{i}": np.full(i, i, np.float32) for i in range(20)}
    write_checkpoint(tmp_path / "a", tensors, {"x": 1})
    write_checkpoint(tmp_path / "b", dict(reversed(tensors.items())), {"x": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_any_flipped_byte_of_the_arrays_is_noticed(tmp_path):
    path = tmp_path / "a.safetensors"
    write_checkpoint(path, {"x": np.arange(16, dtype=np.float32)}, {})
    data = path.read_bytes()
    for back in range(1, 65):
        path.write_bytes(data[:-back] + bytes([data[-back] ^ 0x10]) + data[len(data) - back + 1 :])
        with pytest.raises(CheckpointError, match="damaged"):
            read_checkpoint(path)


def test_another_format_is_named(tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "a.safetensors"
    save_file({}, path, metadata={"minidl": '{"format": 2, "crc32": 0, "state": {}}'})
    with pytest.raises(CheckpointError, match="has format 2"):
        read_checkpoint(path)
    save_file({}, path, metadata={"minidl": "{"})
    with pytest.raises(CheckpointError, match="state is damaged"):
        read_checkpoint(path)
    save_file({}, path, metadata={"other": "x"})
    with pytest.raises(CheckpointError, match="not a minidl checkpoint"):
        read_checkpoint(path)


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_every_generator_of_numpy_can_be_saved(tmp_path, kind):
    model = network()
    dropout = model.layers[3]
    dropout.generator = np.random.Generator(kind(1))
    dropout.generator.random(7)
    write_checkpoint(tmp_path / "a", *capture(model, Momentum(), {}))
    expected = dropout.generator.random(5)
    restore(model, Momentum(), {}, *read_checkpoint(tmp_path / "a"))
    assert np.array_equal(dropout.generator.random(5), expected)


def test_what_was_captured_does_not_change_with_the_model():
    model = network()
    tensors, _ = capture(model, Momentum(), {})
    before = {name: x.copy() for name, x in tensors.items()}
    for x in model.state_dict().values():
        x += 1
    assert all(np.array_equal(tensors[name], x) for name, x in before.items())


def test_a_history_survives_its_csv_file(tmp_path):
    rows = [
        {"epoch": 1, "lr": 0.1, "train_loss": 1 / 3, "val_accuracy": 5e-324},
        {"epoch": 2, "lr": 1e-05, "train_loss": math.inf},
    ]
    History(rows).write_csv(tmp_path / "history.csv")
    assert (tmp_path / "history.csv").read_text() == (
        "epoch,lr,train_loss,val_accuracy\n1,0.1,0.3333333333333333,5e-324\n2,1e-05,inf,\n"
    )
    read = History.read_csv(tmp_path / "history.csv")
    assert read.rows == rows
    assert read["val_accuracy"] == [5e-324, None]
    assert [type(row["epoch"]) for row in read] == [int, int]


def test_a_column_that_is_not_there():
    with pytest.raises(ConfigError, match="no column 'f1'; it has epoch"):
        History([{"epoch": 1}])["f1"]


@pytest.mark.parametrize("text", ["epoch,lr\n1,x\n", "epoch,lr\n1\n", "epoch\n1,2\n", "epoch\n\xff\n"])
def test_a_damaged_csv_file_ends_in_a_sentence(tmp_path, text):
    (tmp_path / "history.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(CheckpointError, match=r"history\.csv: this file is damaged"):
        History.read_csv(tmp_path / "history.csv")


def test_random_numbers_of_another_generator_are_refused():
    model, optimizer = network(), Momentum(0.1)
    tensors, state = capture(model, optimizer, {})
    (name,) = state["generators"]
    state["generators"][name] = np.random.default_rng(0).bit_generator.state
    tensors = {key: x + 1 for key, x in tensors.items()}
    before = {key: x.copy() for key, x in model.state_dict().items()}
    with pytest.raises(
        CheckpointError, match=f"layer {name} are of the generator PCG64, .* draws them from Philox"
    ):
        restore(model, optimizer, {}, tensors, state)
    assert all(np.array_equal(x, before[key]) for key, x in model.state_dict().items())
