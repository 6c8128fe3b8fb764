"""Keep the folder of a run up to date while a `Trainer` works, and go on from it."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Iterable
from typing import Any

from minidl.errors import CheckpointError
from minidl.freezing import learning
from minidl.training.checkpoint import capture, restore, safetensors_numpy
from minidl.training.evaluate import model_device, model_dtype
from minidl.training.history import History
from minidl.training.run_folder import RunFolder, as_json, describe, describe_model

SECONDS = ("train_seconds", "validation_seconds")


class Recorder:
    """Between a `Trainer` and its `RunFolder`.

    Parameters
    ----------
    trainer : Trainer
    folder : RunFolder
    every : int
        Epochs between checkpoints.
    config : dict or dataclass or None
        What the experiment was asked to do.
    seed : int
    """

    def __init__(self, trainer: Any, folder: RunFolder, every: int, config: Any, seed: int) -> None:
        safetensors_numpy()  # missing, it should be missed before anything is written
        self.trainer = trainer
        self.folder = folder
        self.every = every
        self._pending: tuple[dict[str, Any], dict[str, Any]] | None = None  # captured but not yet written
        self._saved = 0  # epochs on disk
        self._best_saved: int | None = None
        # Described now, before the training changes anything.
        self._configuration = {"config": as_json(config), "seed": as_json(seed, "seed")}
        self._options = _options(trainer)

    def open(self, train: Any, validation: Any, resume: bool) -> None:
        """Start the run's folder, or bring the trainer to where the run in it was stopped.

        Raises
        ------
        ConfigError
            If the folder holds a run and `resume` is False.
        CheckpointError
            If the run there is damaged or was configured differently.
        """
        trainer = self.trainer
        training = {
            **self._options,
            "epochs": trainer.epochs,
            "batches": trainer.batches,
            "train": describe(train, depth=8),  # augmentations are made of others
            "validation": describe(validation),
            "layers": describe_model(trainer.model),
        }
        configuration = {
            **self._configuration,
            "device": model_device(trainer.model),
            "dtype": model_dtype(trainer.model).name,
            "training": training,
        }
        self._pending, self._best_saved = None, None
        if not (resume and self.folder.holds_run()):
            self.folder.start(configuration)
        else:
            self.folder.sweep()
            # A schedule is a function of the progress towards `epochs`: with more it is another run.
            bound = trainer.schedule or any(callback.needs_all_epochs for callback in trainer.callbacks)
            elsewhere = ("device", "config.training.device")  # a run may move: it goes on, up to rounding
            self.folder.check(configuration, ignore=elsewhere if bound else (*elsewhere, "training.epochs"))
        if self.folder.last.exists():
            self._resume()
        else:
            self._capture()  # the state before the first step, so that there always is a checkpoint
            self.flush()

    def epoch_done(self) -> None:
        """Take note of the trainer's state after an epoch; write it when it is due."""
        trainer = self.trainer
        self._capture()
        if self._ended() or trainer.epoch % self.every == 0:
            self.flush()
        if self._ended():
            self._write_results()

    def flush(self) -> None:
        """Write the last completed epoch, if it is not on disk yet."""
        if self._pending is None:
            return
        tensors, state = self._pending
        self.folder.save(tensors, state, self.trainer.timings)
        self._write_best()
        self._saved, self._pending = state["epoch"], None

    def how_to_resume(self) -> str:
        """Say what is saved, and the call or the command that goes on from there.

        A config with a ``command`` is that of a command of minidl, which has an option ``--resume``.
        """
        config = self._configuration["config"]
        if isinstance(config, dict) and "command" in config:
            folder = shlex.quote(str(self.folder.path))
            return f"{self._saved} completed epochs are saved; to go on: minidl {config['command']} --resume {folder}"
        return (
            f"{self._saved} completed epochs are saved in {self.folder.path}; to go on, build the same "
            f"Trainer with run_dir={str(self.folder.path)!r} and call fit(..., resume=True)"
        )

    def _capture(self) -> None:
        trainer = self.trainer
        tensors, state = capture(trainer.model, trainer.optimizer, self._stateful())
        state |= {
            "epoch": len(trainer.history),
            "lr": float(trainer.optimizer.lr),
            "stopped": trainer.stop,
            "history": [dict(row) for row in trainer.history],
        }
        self._pending = tensors, state

    def _resume(self) -> None:
        trainer, folder = self.trainer, self.folder
        tensors, state, timings = folder.load()
        if state["epoch"] > trainer.epochs:
            raise CheckpointError(
                f"{folder.path}: the run has already trained {state['epoch']} epochs, more than the "
                f"{trainer.epochs} asked for; ask for at least as many"
            )
        try:
            restore(trainer.model, trainer.optimizer, self._stateful(), tensors, state)
        except CheckpointError as error:
            raise CheckpointError(f"{folder.last}: {error}") from None
        trainer.optimizer.lr = state["lr"]
        trainer.history, trainer.timings, trainer.stop = History(state["history"]), timings, state["stopped"]
        trainer.epoch = self._saved = state["epoch"]
        self._write_best()
        if not self._ended():
            folder.results.unlink(missing_ok=True)  # of a run that now gets more epochs
        elif not folder.results.exists():
            self._write_results()

    def _ended(self) -> bool:
        return self.trainer.stop or len(self.trainer.history) == self.trainer.epochs

    def _write_best(self) -> None:
        best = self.trainer.best
        if best is not None and best.epoch is not None and best.epoch != self._best_saved:
            self.folder.save_best(best.weights, best.epoch, best.metric, best.value)
            self._best_saved = best.epoch

    def _write_results(self) -> None:
        trainer = self.trainer
        kept = trainer.best is not None and trainer.best.epoch is not None
        self.folder.write_results(
            {
                "epochs": len(trainer.history),
                "stopped_early": len(trainer.history) < trainer.epochs,
                "parameters": sum(int(p.value.size) for _, p in trainer.model.named_parameters()),
                "final": trainer.history.rows[-1],
                "best": trainer.history.rows[trainer.best.epoch - 1] if kept else None,
                "weights": "best" if kept and trainer.restores_best else "last",
                **{name: sum(row.get(name, 0.0) for row in trainer.timings) for name in SECONDS},
            }
        )

    def _stateful(self) -> dict[str, Any]:
        """Return the callbacks that have something to save, by place and class, and such a loss."""
        stateful = [callback for callback in self.trainer.callbacks if hasattr(callback, "state_dict")]
        named = {f"{index}-{type(callback).__name__}": callback for index, callback in enumerate(stateful)}
        return {**named, "loss": self.trainer.loss} if hasattr(self.trainer.loss, "state_dict") else named


def _options(trainer: Any) -> dict[str, Any]:
    optimizer = describe(trainer.optimizer)
    optimizer.pop("steps", None)  # a count, restored with the optimizer's state
    if trainer.schedule is not None:  # it sets these before every step
        optimizer.pop("lr", None)
        momentum = getattr(trainer.schedule, "momentum", None)
        if momentum is not None and momentum(0.0) is not None:
            optimizer.pop("momentum", None)
    best = trainer.best
    return {
        "loss": describe(trainer.loss),
        "optimizer": optimizer,
        "regularizers": describe(trainer.regularizers),
        "schedule": describe(trainer.schedule),
        "callbacks": _callbacks(trainer.callbacks),
        "keep_best": None if best is None else {"metric": best.metric, "ties": best.ties},
        **learning(trainer.model),
    }


def _callbacks(callbacks: Iterable[Any]) -> dict[str, Any]:
    """Return the callbacks on which a resumed run depends by class name, with the options that matter."""
    described: dict[str, Any] = {}
    for callback in callbacks:
        if not (callback.changes_training or hasattr(callback, "state_dict")):
            continue
        kind = type(callback)
        same = sum(name.partition("-")[0] == kind.__name__ for name in described)
        # By the arguments of the class: other public attributes change while training.
        options = inspect.signature(kind).parameters if callback.changes_training else ()
        described[f"{kind.__name__}-{same + 1}" if same else kind.__name__] = {
            name: describe(getattr(callback, name)) for name in options
        }
    return described
