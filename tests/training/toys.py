"""A small problem and a network with everything that has state, shared by the tests of training."""

import numpy as np

from minidl.data.datasets import Split
from minidl.data.loader import Loader
from minidl.layers import BatchNorm, Dense, Dropout, ReLU, Sequential
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import Momentum
from minidl.training import Trainer


def blobs(examples=120, classes=3, features=6, noise=0.7, seed=0):
    """Clusters around one random centre per class: float32 images (N, features), integer labels."""
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(classes, features))
    labels = generator.integers(classes, size=examples)
    images = centres[labels] + noise * generator.normal(size=(examples, features))
    return Split(images.astype(np.float32), labels.astype(np.int64))


def loader(split, batch_size=20, **options):
    return Loader(split.images, split.labels, batch_size, scale=1, **options)


def network(seed=0, p=0.3, hidden=12):
    model = Sequential([Dense(hidden), BatchNorm(), ReLU(), Dropout(p), Dense(3)])
    model.build((6,), rng=seed)
    return model


def trainer(model=None, optimizer=None, **options):
    """Everything stateful at once: dropout, batch normalisation, momentum, best weights."""
    return Trainer(model or network(), SoftmaxCrossEntropy(), optimizer or Momentum(0.05, 0.9), **options)
