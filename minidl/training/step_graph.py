"""Training steps recorded once and replayed: a whole block of steps in one launch.

A small network's step is a few dozen kernels of a few microseconds each. Starting them one by one from Python takes
several times longer than running them. A **graph** is the recorded list of launches of many steps, with all their
arguments; the device carries it out on its own. This only works if nothing has to be asked of the host: every
number that changes from step to step lies in the device's memory, in the same place each time.

- Which images a batch has, and the learning rates: tables of the epoch, and a position in them that the graph
  itself moves on (`minidl.training.resident_batches`).
- The number of the step, of the dropout mask: counters on the device (`minidl.kernels.gpu.counters`). The host's
  own are brought forward after each launch, so that a checkpoint holds what it always holds.
- Products: minidl's own kernels, as CuPy cannot record cuBLAS (`minidl.kernels.gpu.gemm`).
- Memory: what is allocated while recording is handed out again and again by every replay, so nothing else may
  live there. It comes from a pool that only serves recordings.

The first step of each batch size is carried out one launch at a time. It compiles the kernels, and it is a
training step like any other.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from minidl.backend import Array, namespace, recording
from minidl.data.resident import Resident
from minidl.errors import ConfigError, MinidlError
from minidl.kernels.gpu.counters import advance
from minidl.kernels.gpu.dropout import mask_counter
from minidl.kernels.gpu.optimizers import Control
from minidl.layers.dropout import Dropout
from minidl.layers.stacked import StackedDropout
from minidl.training.resident_batches import ResidentBatches

# Attributes that differ from step to step, or between training and validation.
_CHANGING = ("lr", "steps", "_batch", "_cache", "_apart")


class StepGraph:
    """Training steps on a device, recorded and replayed, for one network or several that share each step.

    Parameters
    ----------
    step : callable
        ``step(x, y)`` carries out one training step with inputs (networks, C, H, W, N) and labels (networks * N,).
    sources : sequence of Resident
        Where the batches of each network come from.
    batch : int
    parameters : list of (str, Parameter)
        What the step trains.
    optimizer : Optimizer
    model : Layer
        What the step runs.
    block : int
        Steps of a graph.
    watched : sequence
        Loss and regularizers. Between epochs their options may change, like those of layers and optimizer: the
        steps are then recorded anew.
    strict : bool
        Whether a step that cannot be recorded is an error; otherwise a line on stderr says so, and the steps are
        launched one by one.
    """

    def __init__(
        self,
        step: Callable[[Array, Array], None],
        sources: Sequence[Resident],
        batch: int,
        parameters: list,
        optimizer: Any,
        model: Any,
        block: int,
        watched: Sequence[Any] = (),
        strict: bool = False,
    ) -> None:
        self.step, self.sources, self.optimizer = step, sources, optimizer
        self.parameters, self.model, self.strict = parameters, model, strict
        self.watched = list(watched)
        self.dropouts = [layer for _, layer in model.named_layers() if _drops(layer)]
        like = parameters[0][1].value
        self.like, self.xp = like, namespace(like)
        self.stream = self.xp.cuda.Stream(non_blocking=True)
        self.pool = self.xp.cuda.MemoryPool()
        control = optimizer.control
        if control is None or type(control.lr) is not type(like) or control.lr.dtype != like.dtype:
            optimizer.control = Control(like)
        self.control = optimizer.control
        full, rest = divmod(sources[0].examples, batch)
        sizes = [(full, batch)] * (full > 0) + [(1, rest)] * (rest > 0)
        self.parts = [ResidentBatches(sources, *size, like.dtype) for size in sizes]
        for part in self.parts:
            part.rate = self.control.lr
        self.block = min(block, self.parts[0].count)
        self.replays = 0
        self.recording_seconds = 0.0  # the first steps, which compile, and the recording
        self._graphs: dict[tuple[int, int], Any] = {}  # by part and number of steps
        self._warm: set[int] = set()
        self._recorded: list[Any] = []
        self._held: list[Any] = []
        self._unrecorded = False

    def epoch(self, number: int, rates: np.ndarray, after: Callable[[int], None]) -> None:
        """Train for one epoch.

        Parameters
        ----------
        number : int
            Of the epoch, from 0.
        rates : array of float64
            The learning rate of every step.
        after : callable
            Called with the number of steps after each launch.
        """
        self.begin(number, rates)
        for index in range(len(self.parts)):
            self._run(index, after)
        self.end()

    def begin(self, number: int, rates: np.ndarray) -> None:
        """Write an epoch's tables and the counters to the device; for `number` and `rates` see `epoch`."""
        self._forget_if_changed()
        self.xp.cuda.get_current_stream().synchronize()  # what was started elsewhere comes before this
        places = [source.places(number) for source in self.sources]
        done = 0
        with self.stream:
            self._set_counters()
            for part in self.parts:
                examples = part.count * part.batch
                rows = slice(done, done + examples)
                first = done // self.parts[0].batch
                part.start(
                    [(order[rows], corners[rows]) for order, corners in places], rates[first:][: part.count]
                )
                done += examples

    def end(self) -> None:
        """Wait for an epoch's last step, and note what is written into the graphs."""
        self.stream.synchronize()
        self.control.forget_rate()
        self._recorded = self._written()

    def _run(self, index: int, after: Callable[[int], None]) -> None:
        part, left = self.parts[index], self.parts[index].count
        if index not in self._warm:
            start = time.perf_counter()
            with self._lane():
                self._steps(part, 1)
            self.stream.synchronize()
            self.recording_seconds += time.perf_counter() - start
            self._warm.add(index)
            after(1)
            left -= 1
        while left:
            steps = self.block if left >= self.block else 1
            graph = self._graph(index, steps)
            if graph is None:
                with self._lane():
                    self._steps(part, steps)
            else:
                graph.launch(self.stream)
                self.replays += 1
                self.count(steps)
            after(steps)
            left -= steps

    def _steps(self, part: ResidentBatches, count: int) -> None:
        for step in range(count):
            self.step(*part.load(step))
        advance(1, part.position, count)

    def _graph(self, index: int, steps: int) -> Any:
        """Return the graph of so many steps, recorded when it is first asked for; None if that is not possible."""
        if self._unrecorded:
            return None
        if (index, steps) not in self._graphs:
            start = time.perf_counter()
            try:
                self._graphs[index, steps] = self._record(self.parts[index], steps)
            except ConfigError as error:
                if self.strict:
                    raise
                print(f"minidl: {error}; its steps are launched one by one", file=sys.stderr)
                self._unrecorded = True
                return None
            finally:
                self.recording_seconds += time.perf_counter() - start
        return self._graphs[index, steps]

    def _record(self, part: ResidentBatches, steps: int) -> Any:
        """Record so many steps as a graph."""
        self.stream.begin_capture()
        try:
            self.write(part, steps)
        except BaseException as error:
            with suppress(RuntimeError):  # CUDA's own complaint about a capture that went wrong
                self.stream.end_capture()
            if isinstance(error, MinidlError) or not isinstance(error, Exception):
                raise
            raise ConfigError(
                f"the training step cannot be recorded as a graph ({type(error).__name__}: {error})"
            ) from error
        return self.stream.end_capture()

    def write(self, part: ResidentBatches, steps: int) -> None:
        """Write so many steps into the capture that `stream` is part of.

        Nothing of them is carried out, so the host's counters go back; `count` brings them forward when the
        steps are replayed. They take their memory from this object's own pool, so the steps of several
        objects may be parallel branches of one graph.
        """
        before = self._counts()
        try:
            with self._lane():
                self._steps(part, steps)
        finally:
            self._set_counts(before)
        # The graph has the addresses of the layers' arrays. A validation may make them let go of these.
        self._held += [dict(layer._workspace) for layer in _all_layers(self.model)]

    @contextmanager
    def _lane(self) -> Iterator[None]:
        with recording(), self.xp.cuda.using_allocator(self.pool.malloc), self.stream:
            yield

    # Counters of the host ---------------------------------------------------------------------------

    def _counts(self) -> tuple[Any, ...]:
        masks = [source.bit_generator.state for source in self._generators()]
        return self.optimizer.steps, dict(getattr(self.optimizer, "_updates", {})), masks

    def _set_counts(self, counts: tuple[Any, ...]) -> None:
        self.optimizer.steps, updates, masks = counts
        if updates:
            self.optimizer._updates = updates
        for source, state in zip(self._generators(), masks, strict=True):
            source.bit_generator.state = state

    def count(self, steps: int) -> None:
        """Bring the host's counters forward by the steps of a launch."""
        self.optimizer.steps += steps
        for name in getattr(self.optimizer, "_updates", {}):
            self.optimizer._updates[name] += steps
        for layer in self.dropouts:
            for member in _members(layer):
                member.skip_masks(steps)

    def _generators(self) -> list[np.random.Generator]:
        return [member.generator for layer in self.dropouts for member in _members(layer)]

    def _set_counters(self) -> None:
        """Write the host's counters to the device."""
        self.control.steps.array.fill(self.optimizer.steps)
        for layer in self.dropouts:
            # A recorded step counts up before it draws.
            number = int(_members(layer)[0].generator.bit_generator.state["state"]["counter"][1])
            mask_counter(layer, self.like).array.fill(number - 1)

    def _written(self) -> list[Any]:
        """Return what is written into the graphs: the arrays of parameters and memory, and all options."""
        now: list[Any] = [
            _options(each) for each in (self.optimizer, *self.watched, *_all_layers(self.model))
        ]
        for name, parameter in self.parameters:
            memory = self.optimizer._state.get(name, ())
            now += [parameter.value, parameter.frozen, parameter.lr_factor, *memory]
        return now

    def _forget_if_changed(self) -> None:
        """Drop the graphs if something that is written into them is no longer so."""
        now = self._written()
        if len(now) != len(self._recorded) or not all(map(_same, now, self._recorded)):
            self._graphs.clear()
            self._held.clear()


def _drops(layer: Any) -> bool:
    return isinstance(layer, Dropout | StackedDropout)


def _all_layers(model: Any) -> list[Any]:
    """Return the layers of a network, and those that it runs in place of some of them."""
    layers = [layer for _, layer in model.named_layers()]
    return layers + [step for layer in layers for step in getattr(layer, "_steps", [])]


def _members(layer: Any) -> list[Any]:
    """Return the dropout layers whose masks a layer draws: its own, or those of all networks of a stack."""
    return getattr(layer, "members", [layer])


def _options(part: Any) -> dict[str, Any]:
    """Return the numbers and words that a layer, loss, regularizer or optimizer goes by."""
    return {
        name: value
        for name, value in vars(part).items()
        if isinstance(value, int | float | str | tuple) and name not in _CHANGING
    }


def _same(a: Any, b: Any) -> bool:
    return a == b if isinstance(a, dict | bool | float | int) else a is b
