"""Averaged weights: judge the mean of many steps instead of the last one.

Near the end of training the weights circle around a minimum, and the circle's centre is better than
any point on it. The average costs one pass over the weights per step and changes no step.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from minidl.backend import Array, device_of, to_device
from minidl.blocks import blocks
from minidl.data.resident import on_device
from minidl.errors import ConfigError, StateError
from minidl.layers.norm import BatchNorm
from minidl.training.callbacks import Callback
from minidl.training.evaluate import model_device


class WeightAverage(Callback):
    """A running average of the weights, taken after every step.

    With w the weights after a step, a their average and n the number of averaged steps so far::

        mode="ema"      a <- d a + (1 - d) w,   d = min(decay, (1 + n) / (10 + n))
        mode="polyak"   a <- a + (w - a) / (n + 1)                      (the plain mean)

    The first step averaged is copied. "ema" forgets: it is the mean over about the last 1 / (1 - decay)
    steps. "polyak" weighs all steps alike, so it should begin late, with `start`.

    In a `Trainer` the averaged weights are validated, and it is they that `BestWeights` keeps; the
    training goes on with its own. After `fit` the model has its last weights (unless an `EarlyStopping`
    restored the best), `Trainer.restore_best` puts in the best averaged ones, and `apply` the last average.

    Parameters
    ----------
    decay : float, optional
        d in (0, 1), of "ema" alone; 0.999 if not given.
    mode : {"ema", "polyak"}
    warmup : bool
        Let the decay of "ema" grow from 2/11 as above, so that the random initial weights are soon
        forgotten. Without it d = decay throughout.
    start : int or float
        When a `Trainer` begins to average: after so many epochs (int), or at this share of all steps
        (float below 1). Until then the weights themselves are validated.
    batchnorm : {"copy", "recompute"}
        Running statistics are not averaged. "copy": the averaged network takes those of the current one
        (An et al. 2020). "recompute": they are measured anew by a pass over the training data before
        every validation (`recompute_batchnorm`; Izmailov et al. 2018), which costs a forward pass.

    Attributes
    ----------
    updates : int
        Steps averaged.
    weights : dict of str to array
        The average of every parameter by dotted path, in the parameter's own type.

    Notes
    -----
    In float32 a change below 6e-8 of the average is lost: a running mean of n steps follows weights to
    within about n * 6e-8 of their size.

    References
    ----------
    Polyak and Juditsky 1992 (FAU [6]); AAR "running average of parameters"; warm-up as in An et al. 2020.

    Examples
    --------
    In a hand-written loop::

        average = WeightAverage(0.999)
        for x, y in loader.epoch(0):
            ...
            optimizer.step(parameters)
            average.update(model)
        with average.applied(model):
            score = evaluate(model, loss, validation)
    """

    order = -40  # its on_epoch_end, which swaps the weights back, must come after that of BestWeights
    changes_training = True

    def __init__(
        self,
        decay: float | None = None,
        *,
        mode: str = "ema",
        warmup: bool = True,
        start: int | float = 0,
        batchnorm: str = "copy",
    ) -> None:
        _require_choice("mode", mode, "ema", "polyak")
        _require_choice("batchnorm", batchnorm, "copy", "recompute")
        if mode == "polyak" and decay is not None:
            raise ConfigError("WeightAverage: mode='polyak' weighs all steps alike; leave decay out")
        decay = 0.999 if decay is None and mode == "ema" else decay
        if decay is not None and not 0 < decay < 1:
            raise ConfigError(f"WeightAverage: decay must lie between 0 and 1, got {decay!r}")
        if isinstance(start, bool) or not (start >= 0 and (isinstance(start, int) or start < 1)):
            raise ConfigError(
                "WeightAverage: start must be a number of epochs (int >= 0) or a share of the training "
                f"(float in [0, 1)), got {start!r}"
            )
        self.decay = decay
        self.mode = mode
        self.warmup = bool(warmup)
        self.start = start
        self.batchnorm = batchnorm
        self.needs_all_epochs = isinstance(start, float) and start > 0
        self.updates = 0
        self.weights: dict[str, Array] = {}
        self._pairs: list[tuple[Array, Any]] = []  # of the Trainer's model: average, parameter
        self._own: tuple[Any, dict[str, Array]] | None = None  # while applied: the model and what it had
        self._first = 0  # steps of a Trainer before the first averaged one
        self._train: Any = None

    # By hand -------------------------------------------------------------------------------------

    def update(self, model: Any) -> None:
        """Take the model's weights into the average. Call it after each step, or epoch."""
        self._update(self._matched(model))

    @contextmanager
    def applied(self, model: Any, train: Any = None, epoch: int = 0) -> Iterator[Any]:
        """Give the model the averaged weights within a ``with`` block.

        Parameters
        ----------
        model : Layer
        train, epoch
            With ``batchnorm="recompute"``, as for `recompute_batchnorm`.
        """
        self._swap_in(model, train, epoch)
        try:
            yield model
        finally:
            self._swap_back()

    def apply(self, model: Any, train: Any = None, epoch: int = 0) -> None:
        """Give the model the averaged weights for good; arguments as in `applied`.

        Raises
        ------
        StateError
            If nothing has been averaged yet, or if the model is another one.
        """
        if self.updates == 0:
            raise StateError("WeightAverage: nothing has been averaged yet; call update(model) after a step")
        if self.batchnorm == "recompute" and train is None:
            raise ConfigError(
                "WeightAverage: batchnorm='recompute' needs the training data; give the loader as train"
            )
        for average, parameter in self._matched(model):
            parameter.value[...] = average
        if self.batchnorm == "recompute":
            recompute_batchnorm(model, train, epoch)

    # In a Trainer --------------------------------------------------------------------------------

    def on_setup(self, trainer: Any, train: Any, validation: Any) -> None:
        if sum(isinstance(callback, WeightAverage) for callback in trainer.callbacks) > 1:
            raise ConfigError(
                "WeightAverage: only one average can be validated; give the Trainer one of them"
            )
        steps = self.start * trainer.batches * (trainer.epochs if isinstance(self.start, float) else 1)
        self._first = math.floor(steps + 1e-6)
        self._train = train

    def on_fit_start(self, trainer: Any) -> None:
        if len(trainer.history) == 0:  # a second fit is a new run
            self.updates, self.weights = 0, {}
        self._pairs = []

    def on_batch_end(self, trainer: Any) -> None:
        if (trainer.epoch - 1) * trainer.batches + trainer.batch >= self._first:
            if not self._pairs:  # looked up once: walking the network costs as much as averaging a small one
                self._pairs = self._matched(trainer.model)
            self._update(self._pairs)

    def on_validation_start(self, trainer: Any) -> None:
        if self.updates:
            self._swap_in(trainer.model, self._train, trainer.epoch - 1)

    def on_epoch_end(self, trainer: Any, row: dict[str, Any]) -> None:
        self._swap_back()

    def on_fit_end(self, trainer: Any) -> None:
        self._swap_back()  # if the validation was interrupted
        self._pairs = []

    def state_dict(self) -> dict[str, Any]:
        """Return the number of steps averaged and the average."""
        return {"updates": self.updates, **{f"weights/{name}": x for name, x in self.weights.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` returned. Arrays are copied."""
        self.updates, self._pairs = state["updates"], []
        self.weights = {
            name.removeprefix("weights/"): x.copy()
            for name, x in state.items()
            if name.startswith("weights/")
        }

    # ---------------------------------------------------------------------------------------------

    def _matched(self, model: Any) -> list[tuple[Array, Any]]:
        """Pair every average with its parameter; make room for the averages at the first step."""
        parameters = dict(model.named_parameters())
        if self.updates == 0:
            self.weights = {name: parameter.value.copy() for name, parameter in parameters.items()}
        shapes = {name: tuple(parameter.value.shape) for name, parameter in parameters.items()}
        if shapes != {name: tuple(average.shape) for name, average in self.weights.items()}:
            raise StateError("WeightAverage: the average is of another model; make a new one for each model")
        for name, parameter in parameters.items():  # the model may have been moved
            self.weights[name] = to_device(self.weights[name], device_of(parameter.value))
        return [(self.weights[name], parameter) for name, parameter in parameters.items()]

    def _update(self, pairs: Iterable[tuple[Array, Any]]) -> None:
        rate = self._rate()
        for average, parameter in pairs:
            for a, w in blocks(average, parameter.value):
                # At the first step a is a copy of w. Written as d * a + rate * w this would be a quarter
                # faster and wrong: rounded to float32, d and rate do not sum to one, and the error builds up.
                a += rate * (w - a)
        self.updates += 1

    def _rate(self) -> float:
        """Return the weight of the next step in the average."""
        n = self.updates
        if self.mode == "polyak" or n == 0:
            return 1 / (n + 1)
        assert self.decay is not None
        return 1 - (min(self.decay, (1 + n) / (10 + n)) if self.warmup else self.decay)

    def _swap_in(self, model: Any, train: Any, epoch: int) -> None:
        if self._own is not None:
            raise StateError("WeightAverage: the averaged weights are in the model already")
        # Kept as a whole before anything is changed, so that it can be put back after any interruption.
        self._own = model, {name: x.copy() for name, x in model.state_dict().items()}
        try:
            self.apply(model, train, epoch)
        except BaseException:
            self._swap_back()
            raise

    def _swap_back(self) -> None:
        if self._own is not None:
            model, own = self._own
            model.load_state_dict(own)
            self._own = None


def recompute_batchnorm(model: Any, train: Any, epoch: int = 0) -> None:
    """Measure the running statistics of every `BatchNorm` anew, as means over the batches of an epoch.

    Weights that were not reached by training, such as an average of others, have statistics of their
    own. The pass is one in training mode, dropout included (as PyTorch's ``update_bn``); the random
    generators are put back, so that it leaves no trace but the statistics. Frozen layers keep theirs.

    Parameters
    ----------
    model : Layer
    train : Loader
        Or anything else with ``epoch(e)``.
    epoch : int
        Which epoch's batches.
    """
    norms = [layer for _, layer in model.named_layers() if isinstance(layer, BatchNorm)]
    norms = [layer for layer in norms if not all(each.frozen for each in layer.parameters.values())]
    if not norms:
        return
    momenta = [layer.momentum for layer in norms]
    states = [(each, each.bit_generator.state) for _, each in model.named_generators()]
    for layer in norms:
        for buffer in layer.buffers.values():  # the means, and the number of batches in them
            buffer[...] = 0
        layer.momentum = 1.0  # no forgetting
    try:
        for x, _ in on_device(train, model_device(model)).epoch(epoch):
            model.forward(x, train=True)
    finally:
        for layer, momentum in zip(norms, momenta, strict=True):
            layer.momentum = momentum
        for generator, state in states:
            generator.bit_generator.state = state


def _require_choice(option: str, value: Any, *choices: str) -> None:
    if value not in choices:
        raise ConfigError(
            f"WeightAverage: {option} must be one of {', '.join(map(repr, choices))}, got {value!r}"
        )
