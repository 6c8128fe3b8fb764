"""The numbers of a training for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from minidl.backend import to_cpu
from minidl.errors import ConfigError
from minidl.monitoring.place import check_every
from minidl.training.callbacks import Callback


class TensorBoard(Callback):
    """Write event files for TensorBoard: loss and rate of the batches, the epochs' row, the weights.

    Needs the package tensorboardX (``pip install 'minidl[tensorboard]'``), which writes the files and
    needs no TensorFlow; look at them with ``tensorboard --logdir LOG_DIR``. The horizontal axis is the
    step for the batches (``batch/loss``, ``batch/lr``) and the epoch for everything else
    (``epoch/train_loss``, …, and histograms ``weights/1.weight`` and ``gradients/1.weight`` of the
    epoch's last batch).

    Parameters
    ----------
    log_dir : str or Path
    every : int
        Steps between two batches that are written.

    Raises
    ------
    ConfigError
        At the start of the training, if the package is missing.
    """

    order = 60

    def __init__(self, log_dir: str | Path, every: int = 50) -> None:
        check_every("TensorBoard", every)
        self.log_dir = str(log_dir)
        self.every = every
        self._writer: Any = None
        self._step = 0

    def on_setup(self, trainer: Any, train: Any, validation: Any) -> None:
        _summary_writer()  # missing, it should be missed before anything is trained

    def on_fit_start(self, trainer: Any) -> None:
        done = len(trainer.history)
        self._step = done * trainer.batches
        # Of a run that was stopped, TensorBoard hides what lies beyond the checkpoint.
        self._writer = _summary_writer()(self.log_dir, purge_step=self._step + 1 if done else None)

    def on_batch_end(self, trainer: Any) -> None:
        self._step += 1
        if self._step % self.every == 0:
            self._writer.add_scalar("batch/loss", float(trainer.batch_loss), self._step)
            self._writer.add_scalar("batch/lr", float(trainer.optimizer.lr), self._step)

    def on_epoch_end(self, trainer: Any, row: dict[str, Any]) -> None:
        for name, value in row.items():
            if name != "epoch":
                self._writer.add_scalar(f"epoch/{name}", float(value), trainer.epoch)
        for name, parameter in trainer.model.named_parameters():
            self._histogram(f"weights/{name}", parameter.value, trainer.epoch)
            if parameter.grad is not None:
                self._histogram(f"gradients/{name}", parameter.grad, trainer.epoch)
        self._writer.flush()

    def on_fit_end(self, trainer: Any) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _histogram(self, name: str, array: Any, epoch: int) -> None:
        values = to_cpu(array)
        if np.isfinite(values).all():  # the package refuses anything else
            self._writer.add_histogram(name, values, epoch)


def _summary_writer() -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise ConfigError(
            "TensorBoard: the package tensorboardX is not installed; install it with "
            "pip install 'minidl[tensorboard]', or leave the callback out"
        ) from None
    return SummaryWriter
