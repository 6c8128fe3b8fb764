"""Change which layers learn while the training goes on: freeze, train the head, let the rest go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minidl.errors import ConfigError
from minidl.freezing import check_factor, freeze, select, set_lr_factors, unfreeze
from minidl.training.callbacks import Callback


class Freeze(Callback):
    """Freeze layers before the first epoch (`minidl.transfer.freeze`).

    Parameters
    ----------
    names : str or sequence of str
        Layers or parameters, such as ``["0", "3"]``.
    """

    order = -60
    changes_training = True

    def __init__(self, names: str | Sequence[str]) -> None:
        self.names = _names("Freeze", names)

    def on_setup(self, trainer: Any, train: Any, validation: Any) -> None:
        select(trainer.model, self.names, "Freeze")

    def on_fit_start(self, trainer: Any) -> None:
        if len(trainer.history) == 0:  # later, the checkpoint says what is frozen
            freeze(trainer.model, *self.names)


class Unfreeze(Callback):
    """Let layers learn from an epoch on (`minidl.transfer.unfreeze`).

    Several of these, the last layers first, are the lecture's gradual unfreezing. What is frozen is part
    of a checkpoint, so a run that is resumed goes on with the layers it had.

    Parameters
    ----------
    at_epoch : int
        The first epoch, from 1, in which they learn.
    names : str or sequence of str, optional
        Layers or parameters; all of the model by default.
    lr_factor : float, optional
        The factor of the learning rate they are given (`minidl.transfer.set_lr_factors`); it stays as it
        is by default.

    Examples
    --------
    Four epochs for the head, then everything, the old layers at a tenth of the rate::

        callbacks=[Freeze(["0", "3"]), Unfreeze(5, ["0", "3"], lr_factor=0.1)]
    """

    order = -60
    changes_training = True

    def __init__(
        self, at_epoch: int, names: str | Sequence[str] = (), *, lr_factor: float | None = None
    ) -> None:
        if isinstance(at_epoch, bool) or not isinstance(at_epoch, int) or at_epoch < 1:
            raise ConfigError(f"Unfreeze: at_epoch must be an integer >= 1, got {at_epoch!r}")
        self.at_epoch = at_epoch
        self.names = _names("Unfreeze", names, empty=True)
        self.lr_factor = None if lr_factor is None else check_factor("Unfreeze", "lr_factor", lr_factor)

    def on_setup(self, trainer: Any, train: Any, validation: Any) -> None:
        select(trainer.model, self.names, "Unfreeze")  # a wrong name is an error now, not in epoch 5

    def on_epoch_start(self, trainer: Any) -> None:
        if trainer.epoch == self.at_epoch:
            changed = unfreeze(trainer.model, *self.names)
            if self.lr_factor is not None:
                set_lr_factors(trainer.model, dict.fromkeys(changed, self.lr_factor))


def _names(who: str, names: str | Sequence[str], empty: bool = False) -> list[str]:
    several = [names] if isinstance(names, str) else list(names)
    if (not several and not empty) or not all(isinstance(name, str) for name in several):
        raise ConfigError(f"{who}: names must be the name of a layer or a list of them, got {names!r}")
    return several
