"""What the classifier and the regressor share: training, and everything around it."""

from __future__ import annotations

from dataclasses import fields
from numbers import Real
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from minidl.errors import ConfigError, DivergenceError
from minidl.example_weights import ExampleWeights
from minidl.random import Seeds
from minidl.regularizers import L2
from minidl.sklearn.batches import Batches
from minidl.sklearn.settings import Recipe, check_training, make_schedule
from minidl.sklearn.storage import load, save
from minidl.training import Callback, EarlyStopping, Trainer, predict

FLOATS = [np.float64, np.float32]


class NeuralNet(BaseEstimator):
    """Base of the two estimators. Subclasses say what the targets are and what the outputs mean."""

    # Set by `fit`, as is usual in scikit-learn; named here for type checkers.
    network_: Any
    history_: list[dict[str, float]]
    n_iter_: int
    _optimizer: Any
    _recipe: Recipe
    _seed: int

    _shown: tuple[str, ...] = ("train_loss", "val_loss")  # what `history_` keeps of an epoch

    def save(self, path: str | Path) -> None:
        """Write the fitted estimator to one safetensors file, without pickling.

        It holds the weights, the state of the optimizer (three times the weights' size for Adam), and as JSON
        in its header the parameters and everything learned; `partial_fit` goes on after `load` as if nothing
        had happened.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        NotFittedError
            If there is nothing to save.
        ConfigError
            If a parameter is an object that cannot be written as text; nothing is written then.
        """
        check_is_fitted(self)
        save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Any:
        """Return the fitted estimator that `save` wrote. Reading runs no code from the file.

        Raises
        ------
        CheckpointError
            If the file is missing, damaged, or holds something else.
        """
        return load(cls, path)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    # For the subclasses ---------------------------------------------------------------------------

    def _make_loss(self) -> Any:
        """Return a new loss."""
        raise NotImplementedError

    def _begin(self) -> None:
        """Forget what was learned: an error from here on leaves an estimator that is not fitted."""
        for name in ("network_", "history_", "n_iter_"):
            self.__dict__.pop(name, None)
        self._recipe = Recipe.of(self)
        if isinstance(self.random_state, (int, np.integer)):
            self._seed = int(self.random_state)
        else:
            self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))

    def _goes_on(self, incremental: bool) -> bool:
        """Return whether a training starts from the network there is.

        Raises
        ------
        ConfigError
            If it does, but a parameter that made the network has been changed since.
        """
        check_training(self)
        if incremental:
            self._refuse_plans()
        if not hasattr(self, "network_") or not (incremental or self.warm_start):
            return False
        for field in fields(Recipe):
            old, new = getattr(self._recipe, field.name), getattr(self, field.name)
            if (incremental or field.name != "optimizer") and new is not old and repr(new) != repr(old):
                raise ConfigError(
                    f"{type(self).__name__}: {field.name} has been changed from {old!r} to {new!r}, but the training "
                    "goes on with the network there is; put it back, or call fit with warm_start=False"
                )
        return True

    def _train(
        self,
        X: np.ndarray,
        y: np.ndarray,
        weights: np.ndarray,
        outputs: int,
        needs: str,
        *,
        incremental: bool,
        strata: np.ndarray | None = None,
    ) -> None:
        """Train the network, a new one where there is none.

        Parameters
        ----------
        X : numpy.ndarray, shape (N, D), float32 or float64
        y : numpy.ndarray
            Class numbers (N,), or values (N, K).
        weights : numpy.ndarray, shape (N,), float64
        outputs, needs
            As `Recipe.network` takes them.
        incremental : bool
            One epoch, with the optimizer there is.
        strata : numpy.ndarray, shape (N,), optional
            Class numbers, to split off a validation set evenly.
        """
        name, seeds = type(self).__name__, Seeds(self._seed)
        network, optimizer, start = self._network_for(X, outputs, needs, incremental)
        X, weights = X.astype(network.dtype, copy=False), weights.astype(network.dtype)
        y = y if y.dtype.kind in "iu" else y.astype(network.dtype, copy=False)
        validation: Any = None
        callbacks: list[Callback] = [_Lines()] if self.verbose else []
        if self.early_stopping and not incremental:
            rows, held = self._split(len(X), strata)
            validation = SimpleNamespace(images=X[held], labels=(y[held], _mean_one(weights[held])))
            X, y, weights = X[rows], y[rows], weights[rows]
            callbacks.append(EarlyStopping("loss", patience=int(self.patience)))
        if not incremental:
            weights = _mean_one(weights)
        trainer = Trainer(
            network,
            ExampleWeights(self._make_loss()),
            optimizer,
            regularizers=[L2(self.l2)] if self.l2 else [],
            schedule=None if incremental else make_schedule(name, self.schedule),
            callbacks=callbacks,
            keep_best="loss" if validation else None,
            progress=False,
        )
        batches = Batches(X, y, weights, min(int(self.batch_size), len(X)), seeds, start)
        try:
            trainer.fit(batches, 1 if incremental else int(self.epochs), validation)
        except DivergenceError:
            self.__dict__.pop("network_", None)  # its weights are no numbers any more
            raise
        network.to()  # drops gradients and whatever the passes kept
        self.network_, self._optimizer = network, optimizer
        self.n_iter_ = start + len(trainer.history)
        shown = [{key: row[key] for key in self._shown if key in row} for row in trainer.history.rows]
        self.history_ = [*(self.history_ if start else []), *shown]

    def _network_for(
        self, X: np.ndarray, outputs: int, needs: str, incremental: bool
    ) -> tuple[Any, Any, int]:
        """Return the network to train, its optimizer, and the epochs it has been through."""
        name = type(self).__name__
        if not hasattr(self, "network_"):
            draw = Seeds(self._seed).child("model")
            network = self._recipe.network(name, X.shape[1], outputs, needs, draw, X.dtype)
            return network, self._recipe.new_optimizer(name), 0
        if incremental:
            return self.network_, self._optimizer, self.n_iter_
        self._recipe = Recipe.of(self)
        return self.network_, self._recipe.new_optimizer(name), self.n_iter_

    def _refuse_plans(self) -> None:
        for option, given in (
            ("early_stopping", self.early_stopping),
            ("schedule", self.schedule is not None),
        ):
            if given:
                raise ConfigError(
                    f"{type(self).__name__}: partial_fit cannot know the whole training, which {option} needs; "
                    f"leave {option} out, or use fit"
                )

    def _split(self, examples: int, strata: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows to train on and those held out."""
        held = int(np.ceil(self.validation_fraction * examples))
        if strata is not None:
            counts = np.bincount(strata)
            present = int((counts > 0).sum())
            if counts[counts > 0].min() < 2 or min(held, examples - held) < present:
                strata = None  # a part could not have every class
        rows, others = train_test_split(
            np.arange(examples), test_size=held, random_state=self._seed % 2**32, stratify=strata
        )
        return rows, others

    def _outputs(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=FLOATS)
        return predict(self.network_, X)


class _Lines(Callback):
    """Print a line for every epoch."""

    order = 100

    def on_epoch_end(self, trainer: Any, row: dict[str, Any]) -> None:
        text = f"epoch {trainer.epoch} of {trainer.epochs}: loss {row['train_loss']:.6g}"
        if "val_loss" in row:
            text += f", validation loss {row['val_loss']:.6g}"
        print(text)


def checked_weights(name: str, sample_weight: Any, examples: int) -> np.ndarray:
    """Return the weights of the examples as float64, ones where none are given.

    Raises
    ------
    ConfigError
        If they are negative or all zero.
    ValueError
        From scikit-learn, if they are no finite numbers or of another length.
    """
    if sample_weight is None:
        return np.ones(examples)
    if isinstance(sample_weight, Real):
        sample_weight = np.full(examples, sample_weight, np.float64)
    weights = check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
    if weights.shape != (examples,):
        raise ConfigError(
            f"{name}: sample_weight.shape == {weights.shape}, expected {(examples,)}, one for each example"
        )
    if weights.min() < 0:
        raise ConfigError(f"{name}: sample_weight must be numbers >= 0, got {weights.min():g}")
    if not weights.any():
        raise ConfigError(f"{name}: sample_weight is zero for every example; some must count")
    return weights


def _mean_one(weights: np.ndarray) -> np.ndarray:
    """Scale weights to mean one, so that they leave the size of the steps as it was."""
    return weights / weights.mean()
