"""Everything worth watching in one callback."""

from __future__ import annotations

from typing import Any

from minidl.monitoring.filters import Filters
from minidl.monitoring.histograms import Histograms
from minidl.monitoring.jumps import LossJumps, next_digest
from minidl.monitoring.place import Place
from minidl.monitoring.sampler import Sampler
from minidl.monitoring.storage import Notes, Stack, Table
from minidl.monitoring.updates import UpdateRatios


class Monitor(Sampler):
    """Watch a training: `UpdateRatios`, `Histograms`, `Filters` and `LossJumps` together.

    "Training fails silently" (TUE): nothing here changes it, a warning is one line on stderr, each kind
    once, and everything goes to the folder ``monitor`` of the run, from which ``minidl report RUN``
    draws its pictures. At the default interval it costs less than 5 % of the training time
    (``python -m benchmarks.monitoring``).

    Parameters
    ----------
    every : int, optional
        Steps between looks. By default the steps 1, 3, 9, 27, … and then twice an epoch, or every 500
        steps if epochs are shorter than 1000.

    Attributes
    ----------
    updates : UpdateRatios
    histograms : Histograms
    filters : Filters
    jumps : LossJumps

    Examples
    --------
    ``Trainer(model, loss, optimizer, callbacks=[Monitor()], run_dir="runs/first").fit(loader, epochs=5)``
    """

    def __init__(self, every: int | None = None) -> None:
        super().__init__(every)
        self.updates = UpdateRatios(every)
        self.histograms = Histograms(every)
        self.filters = Filters()  # when the steps have doubled, at the next look
        self.filters.required = False
        self.jumps = LossJumps()
        self._parts: tuple[Sampler, ...] = (self.updates, self.histograms, self.filters, self.jumps)

    def stores(self) -> list[Table | Stack | Notes]:
        return [store for part in self._parts for store in part.stores()]

    @property
    def warnings(self) -> list[dict[str, Any]]:
        """All warnings so far, in the order of the steps."""
        notes = (self.updates.notes, self.histograms.notes, self.jumps.notes)
        return sorted((entry for each in notes for entry in each.entries), key=lambda entry: entry["step"])

    def begin(self) -> None:
        for part in self._parts:
            part.model, part.loss, part.probe = self.model, self.loss, self.probe
            part._batches, part._step = self._batches, self._step
            part.begin()

    def before(self) -> None:
        self.updates.before()

    def gradients(self) -> None:
        self.updates.gradients()

    def look(self, place: Place) -> None:
        self.updates.look(place)
        self.histograms.look(place)
        self.filters.look(place)

    def observe(self, loss: Any = None, lr: float | None = None) -> None:
        self._step += 1
        if loss is not None:
            self.jumps.waiting.append((self._step, loss, lr))
        if self._step >= self._event:
            self._arrive()

    def finish(self) -> None:
        self.jumps.digest()
        super().finish()

    def _arrive(self) -> None:
        if self.model is not None:
            self.jumps.digest()
        super()._arrive()

    def _next_event(self) -> int:
        return min(next_digest(self._step), super()._next_event())

    def state_dict(self) -> dict[str, Any]:
        """Return what depends on earlier batches and is in no file."""
        return self.jumps.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self.jumps.load_state_dict(state)
