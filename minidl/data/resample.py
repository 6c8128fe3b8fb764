"""Against class imbalance: other examples per epoch, made-up examples, class weights (FAU, part 3).

Three samplers for `Loader(sampler=...)` choose the examples of each epoch from the labels; `smote` and
`augment_classes` make new training sets with additional examples; `inverse_frequency` gives the
weights for ``SoftmaxCrossEntropy(class_weights=...)``. All of it belongs to the training split only:
validation and test keep the classes as they come.

Legend: n_k examples of class k, N in all, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minidl.errors import ConfigError, DataError
from minidl.random import Seeds, as_seeds

Augment = Callable[[np.ndarray, np.random.Generator], np.ndarray]


class _ClassSampler:
    """Draws a fixed number of examples of each class.

    Attributes
    ----------
    counts : dict of int to int
        Examples of every class in an epoch.
    """

    def __init__(self, labels: np.ndarray, per_class: int | None, size: Callable[[int, int], int]) -> None:
        members = _members(type(self).__name__, labels)
        self.per_class = self._default(members) if per_class is None else per_class
        if (
            isinstance(per_class, bool)
            or not isinstance(self.per_class, int | np.integer)
            or self.per_class < 1
        ):
            raise ConfigError(f"{type(self).__name__}: per_class must be an integer >= 1, got {per_class!r}")
        self._members = members
        self.counts = {label: size(len(found), int(self.per_class)) for label, found in members.items()}

    def _default(self, members: dict[int, np.ndarray]) -> int:
        raise NotImplementedError

    def __len__(self) -> int:
        """Return the number of examples in an epoch."""
        return sum(self.counts.values())

    def indices(self, epoch: int, generator: np.random.Generator) -> np.ndarray:
        """Return the examples of an epoch in random order: (len,), int64.

        They depend on the state of `generator` alone; `Loader` gives one made for the epoch.
        """
        chosen = [_draw(found, self.counts[label], generator) for label, found in self._members.items()]
        return generator.permutation(np.concatenate(chosen))


class UnderSampling(_ClassSampler):
    """At most `per_class` examples of each class, another random subset in every epoch (FAU).

    Over the epochs every example of a large class has its turn. Within an epoch none comes twice.

    Parameters
    ----------
    labels : integer array, shape (N,)
        Of the training split.
    per_class : int, optional
        By default the size of the smallest class.

    Examples
    --------
    >>> sampler = UnderSampling(np.array([0] * 90 + [1] * 10))
    >>> len(sampler), sampler.counts
    (20, {0: 10, 1: 10})
    """

    def __init__(self, labels: np.ndarray, per_class: int | None = None) -> None:
        super().__init__(labels, per_class, min)

    def _default(self, members: dict[int, np.ndarray]) -> int:
        return min(map(len, members.values()))


class OverSampling(_ClassSampler):
    """At least `per_class` examples of each class: those of small classes come several times (FAU).

    Every example of a class comes equally often, except that a random choice comes once more where the
    numbers do not divide. The copies invite overfitting; see `smote` and `augment_classes`.

    Parameters
    ----------
    labels : integer array, shape (N,)
    per_class : int, optional
        By default the size of the largest class.

    Examples
    --------
    >>> OverSampling(np.array([0] * 90 + [1] * 10)).counts
    {0: 90, 1: 90}
    """

    def __init__(self, labels: np.ndarray, per_class: int | None = None) -> None:
        super().__init__(labels, per_class, max)

    def _default(self, members: dict[int, np.ndarray]) -> int:
        return max(map(len, members.values()))


class BalancedSampling(_ClassSampler):
    """Exactly `per_class` examples of each class: large classes under-sampled, small ones over-sampled (FAU).

    Parameters
    ----------
    labels : integer array, shape (N,)
    per_class : int, optional
        By default the geometric mean of the smallest and the largest class: a hundred for ten and a
        thousand.

    Examples
    --------
    >>> BalancedSampling(np.array([0] * 90 + [1] * 10)).counts
    {0: 30, 1: 30}
    """

    def __init__(self, labels: np.ndarray, per_class: int | None = None) -> None:
        super().__init__(labels, per_class, lambda found, asked: asked)

    def _default(self, members: dict[int, np.ndarray]) -> int:
        sizes = [len(found) for found in members.values()]
        return max(1, round((min(sizes) * max(sizes)) ** 0.5))


def smote(
    images: np.ndarray,
    labels: np.ndarray,
    per_class: int | None = None,
    *,
    k: int = 5,
    seeds: Seeds | int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Fill small classes with examples between neighbours: ``x_new = x_i + u (x_nn - x_i)``, u ~ U(0, 1).

    x_i is an example of the class, each one in turn; x_nn one of its `k` nearest neighbours in the same
    class, drawn at random (Chawla et al. 2002).

    Parameters
    ----------
    images : array, shape (N, ...)
        Of the training split. Distances are Euclidean, over all pixels.
    labels : integer array, shape (N,)
    per_class : int, optional
        Every class with fewer examples gets new ones up to this number; by default the size of the
        largest class.
    k : int
        Neighbours to choose from; all of them in a class that has fewer.
    seeds : Seeds or int
        Stream used: "smote".

    Returns
    -------
    images : array, shape (M, ...)
        A new array: the examples given, then the new ones, class by class. Bytes stay bytes, rounded.
    labels : int64 array, shape (M,)

    Raises
    ------
    DataError
        If a class that needs new examples has only one.
    ConfigError
        If an option makes no sense.
    """
    members, wanted = _wanted("smote", images, labels, per_class)
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise ConfigError(f"smote: k must be an integer >= 1, got {k!r}")
    seeds = as_seeds(seeds)
    made: dict[int, np.ndarray] = {}
    for label, count in wanted.items():
        found = members[label]
        if len(found) < 2:
            raise DataError(
                f"smote: class {label} has a single example, so no neighbour; use OverSampling or augment_classes"
            )
        generator = seeds.generator("smote", str(label))
        x = images[found].reshape(len(found), -1).astype(np.float64)
        neighbours = _neighbours(x, min(k, len(found) - 1))
        base = _draw(np.arange(len(found)), count, generator)
        other = neighbours[base, generator.integers(neighbours.shape[1], size=count)]
        u = generator.uniform(size=(count, 1))
        made[label] = x[base] + u * (x[other] - x[base])
    return _joined(images, labels, made)


def augment_classes(
    images: np.ndarray,
    labels: np.ndarray,
    augment: Augment,
    per_class: int | None = None,
    *,
    seeds: Seeds | int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Fill small classes with augmented copies of their examples (FAU: augmentation of the minority).

    Parameters
    ----------
    images, labels, per_class
        As for `smote`.
    augment : callable
        ``augment(images, generator) -> images``, such as ``RandomAffine(rotation=10)``.
    seeds : Seeds or int
        Stream used: "augment-classes".

    Returns
    -------
    images, labels : arrays
        As from `smote`.
    """
    members, wanted = _wanted("augment_classes", images, labels, per_class)
    seeds = as_seeds(seeds)
    made: dict[int, np.ndarray] = {}
    for label, count in wanted.items():
        generator = seeds.generator("augment-classes", str(label))
        copies = augment(images[_draw(members[label], count, generator)], generator)
        made[label] = copies.reshape(count, -1)
    return _joined(images, labels, made)


def inverse_frequency(labels: np.ndarray, classes: int | None = None) -> np.ndarray:
    """Return class weights ``w_k = N / (K n_k)`` for the weighted cross-entropy (FAU).

    Every class then has the same total weight, and the mean weight over the examples is 1, so that
    the loss keeps its size and the learning rate fits as before.

    Parameters
    ----------
    labels : integer array, shape (N,)
        Of the training split.
    classes : int, optional
        K; by default the largest label plus one.

    Returns
    -------
    float64 array, shape (K,)

    Raises
    ------
    DataError
        If a class has no example: its weight would be infinite.

    Examples
    --------
    >>> inverse_frequency(np.array([0, 0, 0, 1]))     # 4/(2*3) and 4/(2*1)
    array([0.66666667, 2.        ])
    """
    members = _members("inverse_frequency", labels)
    k = max(members) + 1 if classes is None else classes
    absent = [str(label) for label in range(k) if label not in members]
    if absent or max(members) >= k or min(members) < 0:
        raise DataError(
            f"inverse_frequency: every class from 0 to {k - 1} needs an example and no others may occur, "
            f"got labels from {min(members)} to {max(members)}"
            + (f", none of class {', '.join(absent)}" if absent else "")
        )
    return len(labels) / (k * np.array([len(members[label]) for label in range(k)], np.float64))


def _members(name: str, labels: Any) -> dict[int, np.ndarray]:
    """Return the indices of the examples of every class that occurs."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or len(labels) == 0:
        raise DataError(
            f"{name}: labels must be integers of shape (N,) with N >= 1, got {labels.dtype} of shape {labels.shape}"
        )
    order = np.argsort(labels, kind="stable")
    values, starts = np.unique(labels[order], return_index=True)
    return dict(zip(values.tolist(), np.split(order, starts[1:]), strict=True))


def _draw(found: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Return `count` of `found`, each as often as the others or once more."""
    repeats, rest = divmod(count, len(found))
    return np.concatenate([np.tile(found, repeats), generator.choice(found, rest, replace=False)])


def _wanted(
    name: str, images: np.ndarray, labels: np.ndarray, per_class: int | None
) -> tuple[dict[int, np.ndarray], dict[int, int]]:
    """Return the examples of every class, and how many are missing where there are too few."""
    members = _members(name, labels)
    if len(images) != len(labels):
        raise DataError(f"{name}: {len(images):,} images but {len(labels):,} labels; give one for each image")
    size = max(map(len, members.values())) if per_class is None else per_class
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
        raise ConfigError(f"{name}: per_class must be an integer >= 1, got {per_class!r}")
    return members, {label: int(size) - len(found) for label, found in members.items() if len(found) < size}


def _neighbours(x: np.ndarray, k: int) -> np.ndarray:
    """Return the `k` nearest others of every row of `x`: (rows, k), int."""
    try:
        from sklearn.neighbors import NearestNeighbors
    except ImportError:
        raise ConfigError("smote needs scikit-learn: pip install scikit-learn") from None
    # Asked without rows of its own, it does not count a row as its own neighbour, twins or not.
    return NearestNeighbors(n_neighbors=k).fit(x).kneighbors(return_distance=False)


def _joined(
    images: np.ndarray, labels: np.ndarray, made: dict[int, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Append flat new examples, in the type of the old ones."""
    pieces: Sequence[np.ndarray] = list(made.values())
    if images.dtype.kind in "iu":
        pieces = [np.rint(piece) for piece in pieces]
    shaped = [piece.astype(images.dtype).reshape(-1, *images.shape[1:]) for piece in pieces]
    new_labels = [np.full(len(piece), label, np.int64) for label, piece in made.items()]
    return np.concatenate([images, *shaped]), np.concatenate(
        [np.asarray(labels).astype(np.int64), *new_labels]
    )
