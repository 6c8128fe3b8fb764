"""The classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from minidl.backend import Array, namespace
from minidl.errors import ConfigError
from minidl.losses import SigmoidCrossEntropy
from minidl.sklearn.estimator import FLOATS, NeuralNet, checked_weights
from minidl.sklearn.settings import make_loss
from minidl.softmax import log_softmax, softmax


class NeuralNetClassifier(ClassifierMixin, NeuralNet):
    """A neural network that tells classes apart.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int
        Units of each hidden layer; () for none, which is logistic regression.
    activation : {"relu", "leaky_relu", "elu", "tanh", "sigmoid", "identity"}
        After each hidden layer. The first three start from He's initial weights.
    dropout : float
        Probability, below 1, of dropping a hidden unit in a training step.
    model : str, layer, or list of these, optional
        A network of one's own, which takes the place of the three parameters above:
        ``"Sequential([Reshape((1, 28, 28)), Conv2D(20, 5), ReLU(), Flatten(), Dense(10)])"``,
        ``["Dense(50)", "Tanh()", "Dense(3)"]``, or objects. It is given the rows of X, ends in one output
        for each class, and has no softmax.
    optimizer : str or Optimizer
        Such as ``"Momentum(lr=0.05, momentum=0.9)"``.
    schedule : str or callable, optional
        Of the learning rate, such as ``"OneCycle(0.01)"``.
    loss : str or Loss
        ``"SoftmaxCrossEntropy()"``, perhaps with ``label_smoothing``, or ``"SigmoidCrossEntropy()"``: yes
        or no for each class on its own; the probabilities are then scaled to sum to one.
    class_weight : dict or "balanced", optional
        Weight of each class by its label, 1 where none is given; "balanced" gives each class as a whole the
        same. A factor of the sample weights.
    l2 : float
        Strength of the penalty ``l2 / 2 * sum(w^2)`` on the weights, beside the mean loss.
    batch_size, epochs : int
        A batch is never larger than the data.
    early_stopping : bool
        Hold out part of the data, stop when the loss on it has not fallen for `patience` epochs, and take the
        weights of the best epoch.
    validation_fraction : float
        The part held out, stratified by class where each class has enough examples for it.
    patience : int
    warm_start : bool
        Let `fit` go on from the weights there are, with a new optimizer.
    random_state : int, RandomState or None
        Decides the initial weights, the order of the examples, what is dropped and what is held out. An
        integer is the seed of minidl's seed tree.
    verbose : bool
        Print a line for every epoch.

    Attributes
    ----------
    classes_ : numpy.ndarray, shape (K,)
    network_ : Sequential
        The trained network, float32 if X was and float64 otherwise.
    history_ : list of dict
        For every epoch ``train_loss`` and ``train_accuracy`` (without weights), with early stopping
        ``val_loss`` and ``val_accuracy``.
    n_iter_ : int
        Epochs since the network began, those after the best one included.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.

    Notes
    -----
    The weights of `fit` are scaled to mean one; those of `partial_fit` are taken as they are. While the data
    fit into one batch, a weight of two is the same as an example given twice; in smaller batches it is so on
    average.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X, y = load_iris(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), NeuralNetClassifier((20,), optimizer="Adam(0.01)", random_state=0))
    >>> bool(model.fit(X, y).score(X, y) > 0.95)
    True
    """

    _shown = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        *,
        activation: str = "relu",
        dropout: float = 0.0,
        model: Any = None,
        optimizer: Any = "Adam(lr=0.001)",
        schedule: Any = None,
        loss: Any = "SoftmaxCrossEntropy()",
        class_weight: Any = None,
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
        self.loss = loss
        self.class_weight = class_weight
        self.l2 = l2
        self.batch_size = batch_size
        self.epochs = epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NeuralNetClassifier:
        """Train on examples and their classes.

        Parameters
        ----------
        X : array-like, shape (N, D)
        y : array-like, shape (N,)
            Labels of any kind.
        sample_weight : array-like, shape (N,), optional
            Zero or more; an example of weight 0 might as well not be there.

        Returns
        -------
        NeuralNetClassifier
            Itself.

        Raises
        ------
        ConfigError
            If a parameter makes no sense or there are fewer than two classes; it is a ValueError.
        DivergenceError
            If the loss becomes NaN or infinite; the estimator is then not fitted.
        """
        goes_on = self._goes_on(incremental=False)
        X, y, weights = self._examples(X, y, sample_weight, reset=not goes_on)
        there = weights > 0
        X, y, weights = X[there], y[there], weights[there]
        classes = np.unique(y)
        if len(classes) < 2:
            raise ConfigError(
                f"{type(self).__name__}: at least two classes are needed, got 1 class: {classes[0]!r}"
            )
        if goes_on and not np.array_equal(classes, self.classes_):
            raise ConfigError(
                f"{type(self).__name__}: warm_start goes on with the classes {self.classes_.tolist()}, but y has "
                f"{classes.tolist()}"
            )
        return self._fit(X, y, weights, classes, goes_on, incremental=False)

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> NeuralNetClassifier:
        """Train for one epoch on these examples, from where the last call has left off.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        classes : array-like, shape (K,)
            All classes there will be; needed in the first call only.

        Returns
        -------
        NeuralNetClassifier
            Itself.

        Raises
        ------
        ConfigError, DivergenceError
            As `fit`; also if the classes are missing, or others than before.
        """
        name = type(self).__name__
        goes_on = self._goes_on(incremental=True)
        if self.class_weight == "balanced":
            raise ConfigError(
                f"{name}: class_weight='balanced' needs to see all data, which partial_fit does not; give a weight "
                "for each class"
            )
        if classes is None and not goes_on:
            raise ConfigError(f"{name}: classes must be given in the first call of partial_fit")
        known = self.classes_ if classes is None else np.unique(np.asarray(classes))
        if goes_on and not np.array_equal(known, self.classes_):
            raise ConfigError(
                f"{name}: classes={known.tolist()} differ from those of the first call, {self.classes_.tolist()}"
            )
        if len(known) < 2:
            raise ConfigError(f"{name}: classes must name at least two classes, got {known.tolist()}")
        X, y, weights = self._examples(X, y, sample_weight, reset=not goes_on)
        unknown = np.setdiff1d(y, known)
        if len(unknown):
            raise ConfigError(f"{name}: y has the label {unknown[0]!r}, which is not among the classes")
        return self._fit(X, y, weights, known, goes_on, incremental=True)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each example: (N,)."""
        best = self._outputs(X).argmax(axis=1)
        return self.classes_[best]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, in the order of `classes_`: (N, K)."""
        return softmax(self._scores(X))

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithms of the probabilities: (N, K)."""
        return log_softmax(self._scores(X))

    def decision_function(self, X: Any) -> np.ndarray:
        """Return a number for each class, the largest for the predicted one: (N, K).

        Of two classes there is one number, positive for the second: (N,), the logarithm of the ratio of their
        probabilities.
        """
        scores = self._scores(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def _make_loss(self) -> Any:
        return make_loss(type(self).__name__, self.loss)

    def _scores(self, X: Any) -> np.ndarray:
        """Return numbers whose softmax is the probabilities."""
        outputs = self._outputs(X)
        return _log_sigmoid(outputs) if self._sigmoid else outputs

    def _examples(
        self, X: Any, y: Any, sample_weight: Any, *, reset: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        X, y = validate_data(self, X, y, dtype=FLOATS, reset=reset, multi_output=True)
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        return X, y, checked_weights(type(self).__name__, sample_weight, len(X))

    def _fit(
        self,
        X: np.ndarray,
        y: np.ndarray,
        weights: np.ndarray,
        classes: np.ndarray,
        goes_on: bool,
        *,
        incremental: bool,
    ) -> NeuralNetClassifier:
        numbers = np.searchsorted(classes, y)
        weights = weights * self._class_weights(classes, numbers, weights)[numbers]
        if not weights.any():
            raise ConfigError(f"{type(self).__name__}: class_weight and sample_weight leave no example")
        sigmoid = isinstance(self._make_loss(), SigmoidCrossEntropy)
        if not goes_on:
            self._begin()
        self.classes_, self._sigmoid = classes, sigmoid
        count = len(classes)
        self._train(X, numbers, weights, count, f"{count} classes", incremental=incremental, strata=numbers)
        return self

    def _class_weights(self, classes: np.ndarray, numbers: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the weight of each class: (K,)."""
        name, given = type(self).__name__, self.class_weight
        if given is None:
            return np.ones(len(classes))
        if isinstance(given, str) and given == "balanced":
            sums = np.bincount(numbers, weights, len(classes))
            return sums.sum() / (len(classes) * sums)
        if not isinstance(given, dict):
            raise ConfigError(
                f"{name}: class_weight must be a dict by label, 'balanced' or None, got {given!r}"
            )
        unknown = [label for label in given if label not in classes]
        if unknown:
            raise ConfigError(
                f"{name}: class_weight has the label {unknown[0]!r}, which is not among the classes"
            )
        found = np.array([float(given.get(label, 1.0)) for label in classes.tolist()])
        if not (np.isfinite(found).all() and found.min() >= 0):
            raise ConfigError(f"{name}: class_weight must be finite numbers >= 0, got {given!r}")
        return found


def _log_sigmoid(z: Array) -> Array:
    xp = namespace(z)
    return xp.minimum(z, 0) - xp.log1p(xp.exp(-abs(z)))
