"""A run for test_resume to kill: ``python -m tests.training.killed_run FOLDER EPOCHS``.

It says on stdout when an epoch begins and how the run ended.
"""

import sys

from minidl.schedules import Cosine
from minidl.training import Callback
from tests.training.toys import blobs, loader, trainer


class Announce(Callback):
    def on_epoch_start(self, trainer):
        print(trainer.epoch, flush=True)


def main(folder, epochs):
    run = trainer(
        run_dir=folder,
        callbacks=[Announce()],
        schedule=Cosine(0.1),
        config={"name": "killed run"},
        checkpoint_every=2,
    )
    try:
        run.fit(loader(blobs(400)), epochs, blobs(100, seed=1), resume=True)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
