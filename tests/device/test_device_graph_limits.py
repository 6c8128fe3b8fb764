"""What cannot be recorded into a graph is refused, or said, in a sentence."""

from __future__ import annotations

import numpy as np
import pytest

from minidl import layers as kinds
from minidl.backend import plain
from minidl.data import Loader, RandomAffine, Split
from minidl.data.mix import Mixup
from minidl.errors import ConfigError
from minidl.layers import Dense, Flatten, Sequential
from minidl.losses import MeanSquaredError, SoftmaxCrossEntropy
from minidl.monitoring import Monitor
from minidl.optimizers import SGD, Momentum, Nesterov
from minidl.schedules import OneCycle
from minidl.training import EarlyStopping, Trainer
from tests.device.test_device_graph import IMAGES, LABELS, small

REFUSED = [
    (
        {"model": lambda: Sequential([Flatten(), kinds.Branches([Dense(4), Dense(6)], merge="concat")])},
        "Branches",
    ),
    ({"loss": MeanSquaredError}, "the loss is MeanSquaredError"),
    (
        {"loss": lambda: SoftmaxCrossEntropy(class_weights=[2] * 10, weight_mean="weights")},
        "weights of each batch",
    ),
    ({"optimizer": lambda: Nesterov(0.1, form="lookahead")}, "form='lookahead' moves the weights"),
    ({"callbacks": [Monitor()]}, "Monitor looks into every step"),
    (
        {"schedule": OneCycle(0.1, min_momentum=0.8, max_momentum=0.95), "optimizer": lambda: Momentum(0.1)},
        "momentum from step to step",
    ),
    ({"loader": {"augment": RandomAffine(rotation=5)}}, "augmented on the host"),
    ({"loader": {"mix": Mixup(0.2)}}, "Mixup mixes"),
    ({"loader": {"dtype": np.float64}}, "gives float64 to a model of float32"),
    ({"images": IMAGES.astype(np.float32)}, "the images are float32"),
]


def refusing(steps, images=IMAGES, model=small, loss=SoftmaxCrossEntropy, optimizer=lambda: SGD(0.1), loader=None,
             device="fake", **options):  # fmt: skip
    built = model()
    built.build((1, 12, 12), rng=1)
    built.to(device)
    trainer = Trainer(built, loss(), optimizer(), graph=steps, progress=False, **options)
    split = Split(IMAGES[:4], LABELS[:4])
    trainer.fit(Loader(images, LABELS, 5, seeds=3, **(loader or {})), 1, split)
    return trainer


@pytest.mark.parametrize(("given", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
def test_what_cannot_be_recorded_is_refused_in_a_sentence(device, given, reason):
    with pytest.raises(ConfigError, match="Trainer: graph=2 is not possible: .*" + reason):
        refusing(2, **given)


def test_auto_says_why_and_trains(device, capsys):
    trainer = refusing("auto", callbacks=[Monitor()])
    assert trainer._replay is None and len(trainer.history.rows) == 1
    assert "launched one by one, not as a graph: Monitor looks into every step" in capsys.readouterr().err


def test_other_callbacks_are_no_reason(device):
    assert refusing(2, callbacks=[EarlyStopping("loss")])._replay.steps.replays > 0


def test_on_a_cpu_it_does_nothing_silently(capsys):
    with pytest.raises(ConfigError, match="graph=2 is not possible: the model is on the CPU"):
        refusing(2, device="cpu")
    assert refusing("auto", device="cpu")._replay is None
    assert "the model is on the CPU" in capsys.readouterr().err
    refusing("off", device="cpu")
    assert capsys.readouterr().err == ""


def test_without_fused_kernels_it_is_refused(device):
    with plain(), pytest.raises(ConfigError, match="fused kernels are off"):
        refusing(2)


@pytest.mark.parametrize("value", ["on", 0, -1, True, 1.5, None])
def test_the_option_is_checked(value):
    with pytest.raises(ConfigError, match="graph must be 'auto', 'off' or the steps"):
        Trainer(small(), SoftmaxCrossEntropy(), SGD(0.1), graph=value)
