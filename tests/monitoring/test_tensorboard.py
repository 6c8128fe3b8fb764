"""The TensorBoard callback, with a writer that only takes notes and, where installed, with the real one."""

import sys
import types

import numpy as np
import pytest

from minidl.errors import ConfigError
from minidl.monitoring import TensorBoard
from tests.training.toys import blobs, loader, trainer


class FakeWriter:
    made: list = []  # noqa: RUF012 (one list for all is the point)

    def __init__(self, log_dir, purge_step=None):
        self.log_dir, self.purge_step = log_dir, purge_step
        self.scalars, self.histograms, self.closed = [], [], False
        self.made.append(self)

    def add_scalar(self, name, value, step):
        assert isinstance(value, float)
        self.scalars.append((name, value, step))

    def add_histogram(self, name, values, step):
        self.histograms.append((name, values.copy(), step))

    def flush(self):
        pass

    def close(self):
        self.closed = True


@pytest.fixture
def writers(monkeypatch):
    FakeWriter.made = []
    monkeypatch.setitem(sys.modules, "tensorboardX", types.SimpleNamespace(SummaryWriter=FakeWriter))
    return FakeWriter.made


def test_what_is_written(writers, tmp_path):
    run = trainer(callbacks=[TensorBoard(tmp_path, every=4)])
    history = run.fit(loader(blobs()), 2, blobs(seed=1))  # 6 batches an epoch
    (writer,) = writers
    assert writer.log_dir == str(tmp_path) and writer.purge_step is None and writer.closed
    assert [step for name, _, step in writer.scalars if name == "batch/loss"] == [4, 8, 12]
    for column in ("train_loss", "val_loss", "val_accuracy", "lr"):
        found = [(value, step) for name, value, step in writer.scalars if name == f"epoch/{column}"]
        assert found == [(history[column][0], 1), (history[column][1], 2)]
    name, values, step = writer.histograms[-2]
    assert (name, step) == ("weights/4.bias", 2)
    np.testing.assert_array_equal(values, run.model.state_dict()["4.bias"])


def test_a_resumed_run_hides_what_lay_beyond_the_checkpoint(writers, tmp_path):
    trainer(callbacks=[TensorBoard("x")], run_dir=tmp_path).fit(loader(blobs()), 2)
    trainer(callbacks=[TensorBoard("x")], run_dir=tmp_path).fit(loader(blobs()), 3, resume=True)
    assert [writer.purge_step for writer in writers] == [None, 13]


def test_without_the_package_there_is_a_sentence_before_anything_is_trained(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ConfigError, match=r"tensorboardX is not installed; install it with pip install"):
        trainer(callbacks=[TensorBoard("x")], run_dir=tmp_path / "run").fit(loader(blobs()), 1)
    assert not (tmp_path / "run").exists()


def test_with_the_package(tmp_path):
    pytest.importorskip("tensorboardX", reason="writes the event files")
    trainer(callbacks=[TensorBoard(tmp_path)]).fit(loader(blobs()), 1)
    (events,) = tmp_path.glob("events.out.tfevents.*")
    assert b"epoch/train_loss" in events.read_bytes() and b"weights/0.weight" in events.read_bytes()
