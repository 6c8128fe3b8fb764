"""The regressor."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import validate_data

from minidl.errors import ConfigError
from minidl.losses import MeanSquaredError
from minidl.sklearn.estimator import FLOATS, NeuralNet, checked_weights


class NeuralNetRegressor(RegressorMixin, NeuralNet):
    """A neural network that predicts one or several numbers, by least squares.

    The network learns targets of mean zero and standard deviation one; the predictions are scaled back.
    Without that, a target such as a price in thousands is out of reach of weights that start near zero.

    Parameters
    ----------
    hidden_layer_sizes, activation, dropout, optimizer, schedule, l2, batch_size, epochs, warm_start, random_state
        As in `NeuralNetClassifier`.
    model : str, layer, or list of these, optional
        As there, with one output for each target.
    early_stopping, validation_fraction, patience, verbose
        As there.
    scale_targets : bool
        Whether to standardise the targets, each by its (weighted) mean and deviation; in `partial_fit` those
        of the first call.

    Attributes
    ----------
    network_, history_, n_iter_, n_features_in_, feature_names_in_
        As in `NeuralNetClassifier`; the losses of `history_` are those of the standardised targets.
    target_mean_, target_scale_ : numpy.ndarray, shape (K,)
        ``prediction = target_mean_ + target_scale_ * network_.forward(X)``.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-3, 3, 200)[:, None]
    >>> model = NeuralNetRegressor((50, 50), optimizer="Adam(0.01)", random_state=0).fit(x, np.sin(x[:, 0]))
    >>> bool(model.score(x, np.sin(x[:, 0])) > 0.99)
    True
    """

    _columns: int  # of the targets; 0 for targets of shape (N,)

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        *,
        activation: str = "relu",
        dropout: float = 0.0,
        model: Any = None,
        optimizer: Any = "Adam(lr=0.001)",
        schedule: Any = None,
        scale_targets: bool = True,
        l2: float = 0.0,
        batch_size: int = 64,
        epochs: int = 100,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.dropout = dropout
        self.model = model
        self.optimizer = optimizer
        self.schedule = schedule
        self.scale_targets = scale_targets
        self.l2 = l2
        self.batch_size = batch_size
        self.epochs = epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NeuralNetRegressor:
        """Train on examples and their targets.

        Parameters
        ----------
        X : array-like, shape (N, D)
        y : array-like, shape (N,) or (N, K)
        sample_weight : array-like, shape (N,), optional
            Zero or more; an example of weight 0 might as well not be there.

        Returns
        -------
        NeuralNetRegressor
            Itself.

        Raises
        ------
        ConfigError
            If a parameter makes no sense; it is a ValueError.
        DivergenceError
            If the loss becomes NaN or infinite; the estimator is then not fitted.
        """
        return self._fit(X, y, sample_weight, incremental=False)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> NeuralNetRegressor:
        """Train for one epoch on these examples, from where the last call has left off.

        Parameters, errors and the result are those of `fit`.
        """
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> np.ndarray:
        """Return the prediction for each example, shaped like the targets: (N,) or (N, K)."""
        outputs = self._outputs(X)
        scale, mean = (each.astype(outputs.dtype) for each in (self.target_scale_, self.target_mean_))
        predicted = outputs * scale + mean
        return predicted if self._columns else predicted[:, 0]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _make_loss(self) -> Any:
        return MeanSquaredError()

    def _fit(self, X: Any, y: Any, sample_weight: Any, *, incremental: bool) -> NeuralNetRegressor:
        goes_on = self._goes_on(incremental)
        X, y = validate_data(
            self, X, y, dtype=FLOATS, reset=not goes_on, multi_output=True, y_numeric=True
        )  # fmt: skip
        weights = checked_weights(type(self).__name__, sample_weight, len(X))
        there = weights > 0
        X, y, weights = X[there], np.asarray(y, np.float64)[there], weights[there]
        columns = y.shape[1] if y.ndim == 2 else 0
        y = y.reshape(len(y), -1)
        if goes_on and columns != self._columns:
            raise ConfigError(
                f"{type(self).__name__}: the training goes on with {max(self._columns, 1)} targets "
                f"{'in columns ' if self._columns else ''}but y has shape {(len(y), *y.shape[1:][: bool(columns)])}"
            )
        if not goes_on:
            self._begin()
            self._columns = columns
            self.target_mean_, self.target_scale_ = self._scaling(y, weights)
        y = (y - self.target_mean_) / self.target_scale_
        self._train(X, y, weights, y.shape[1], f"{y.shape[1]} targets", incremental=incremental)
        return self

    def _scaling(self, y: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not self.scale_targets:
            return np.zeros(y.shape[1]), np.ones(y.shape[1])
        shares = weights / weights.sum()
        mean = shares @ y
        deviation = np.sqrt(shares @ (y - mean) ** 2)
        return mean, np.where(deviation > 0, deviation, 1.0)
