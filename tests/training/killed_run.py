"""A run for test_resume to kill: ``python -m tests.training.killed_run FOLDER EPOCHS KIND``.

It says on stdout when an epoch begins and how the run ended. What hangs on the training is one entry of
`KINDS`, the options of a Trainer: whatever has state between epochs belongs into one of them.
"""

import sys

from minidl.schedules import Cosine, CosineRestarts
from minidl.training import Callback, EarlyStopping, ReduceOnPlateau, Snapshots, WeightAverage
from tests.training.toys import blobs, loader, trainer


class Announce(Callback):
    def on_epoch_start(self, trainer):
        print(trainer.epoch, flush=True)


KINDS = {
    "plain": lambda: {"schedule": Cosine(0.1)},
    # To the last epoch. A schedule and ReduceOnPlateau exclude each other, so it takes two kinds.
    "scheduled": lambda: {
        "schedule": CosineRestarts(0.1, cycles=8),
        "callbacks": [
            EarlyStopping("loss", patience=60),
            WeightAverage(0.99, start=0.1, batchnorm="recompute"),
            Snapshots(),
        ],
    },
    # Stopped early, about epoch 42.
    "plateau": lambda: {
        "callbacks": [
            ReduceOnPlateau(0.5, "loss", patience=2, cooldown=1),
            EarlyStopping("loss", patience=40, min_delta=0.01),
            WeightAverage(mode="polyak", start=2),
            Snapshots(every=7),
        ],
    },
}


def main(folder, epochs, kind):
    options = KINDS[kind]()
    callbacks = [Announce(), *options.pop("callbacks", [])]
    run = trainer(
        run_dir=folder, callbacks=callbacks, config={"name": "killed run"}, checkpoint_every=2, **options
    )
    try:
        run.fit(loader(blobs(400, noise=1.0)), epochs, blobs(100, seed=1, noise=1.0), resume=True)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
