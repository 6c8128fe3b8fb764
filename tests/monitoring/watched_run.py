"""A watched run to kill: ``python -m tests.monitoring.watched_run FOLDER EPOCHS``."""

import sys

import numpy as np

from minidl.data import Loader
from minidl.layers import BatchNorm, Conv2D, Dense, Dropout, Flatten, MaxPool2D, ReLU, Sequential
from minidl.losses import SoftmaxCrossEntropy
from minidl.monitoring import Monitor
from minidl.optimizers import Momentum
from minidl.training import Callback, Trainer


class Announce(Callback):
    def on_epoch_start(self, trainer):
        print(trainer.epoch, flush=True)


def network():
    model = Sequential(
        [
            Conv2D(4, 3),
            ReLU(),
            MaxPool2D(2),
            Flatten(),
            Dense(12),
            BatchNorm(),
            ReLU(),
            Dropout(0.3),
            Dense(3),
        ]
    )
    model.build((1, 8, 8), rng=0)
    return model


def data():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 200)
    images = rng.integers(0, 128, (200, 1, 8, 8)) + 60 * (labels[:, None, None, None] == np.arange(8) % 3)
    images[17] = 255
    return Loader(images.astype(np.uint8), labels, 10)


def trainer(folder, callbacks=(), optimizer=None, **options):
    optimizer = optimizer or Momentum(0.4, 0.9)  # too high on purpose: there is something to warn of
    options = {"checkpoint_every": 3, "progress": False, **options}
    return Trainer(
        network(), SoftmaxCrossEntropy(), optimizer, callbacks=callbacks, run_dir=folder, **options
    )


def main(folder, epochs):
    trainer(folder, [Announce(), Monitor(every=7)]).fit(data(), epochs, resume=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
