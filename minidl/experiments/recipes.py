"""How a rung is trained: four presets, every setting a named value.

``lecture``
    Nielsen's settings to the letter, with the quirks of his program (LECTURE notes, section 2.1).
``corrected``
    The same with three of the quirks mended, and nothing else: initial weights by fan-in, another order of the
    images in every epoch, dropout masks of its own for every layer and network.
``quick``
    All rungs in minutes on two cores: the shape of the ladder, not its height.
``express``
    Present-day training, for the lecture's accuracies in a fraction of its updates.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from minidl.errors import ConfigError
from minidl.experiments.vocabulary import augmentations
from minidl.expressions import build

if TYPE_CHECKING:
    from minidl.data.loader import Augment
    from minidl.experiments.ladder import Rung

PRESETS = ("quick", "express", "lecture", "corrected")
# What "corrected" mends in "lecture".
CORRECTIONS = {"init": "fan-in", "shuffle": "epoch", "dropout_masks": "independent"}
NIELSEN_DROPOUT_SEED = 985772  # numpy.random.RandomState(0).randint(999999), as network3.py draws it
# Peaks of the one-cycle schedule with Nesterov 0.9. A sigmoid's slope is at most a quarter, so its networks stand,
# and need, far larger steps.
PEAK_RATES = {"sigmoid": 1.0, "tanh": 0.05, "relu": 0.05}
SHIFT = "RandomShift(1)"
AFFINE = "RandomAffine(rotation=10, scale=0.1, shift=2)"
ELASTIC = "Distort(RandomAffine(rotation=10, scale=0.1, shift=1.5), Elastic(sigma=5, pixels=0.6))"
CHOICES: dict[str, tuple[str, ...]] = {
    "optimizer": ("sgd", "nesterov"),
    "schedule": ("constant", "one-cycle"),
    "init": ("nielsen", "fan-in"),
    "shuffle": ("never", "once", "epoch"),
    "l2_scaling": ("network3", "book"),
    "dropout_scaling": ("train", "test"),
    "dropout_masks": ("independent", "shared"),
    "report": ("best", "last"),
    "vote": ("hard", "soft"),
    "vote_weights": ("best", "last"),
}


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a network is trained and scored.

    Parameters
    ----------
    epochs : int
        Passes over the training images, with ``augment="expand"`` over all 250,000.
    batch_size : int
    optimizer : {"sgd", "nesterov"}
        Nesterov with momentum 0.9.
    lr : float
        The learning rate, or the peak of the schedule.
    schedule : {"constant", "one-cycle"}
    l2 : float
        L2 parameter in the scaling `l2_scaling`.
    l2_scaling : {"network3", "book"}
        network3 adds ``l2 / (2 batches) sum w^2``, the book ``l2 / (2 examples) sum w^2``: with batches of
        10 the same number is ten times weaker there.
    init : {"nielsen", "fan-in"}
        "nielsen": standard deviation ``sqrt(1 / n_out)``, biases N(0, 1), output weights zero. "fan-in":
        ``sqrt(1 / n_in)`` (``sqrt(2 / n_in)`` for ReLU), biases zero.
    shuffle : {"never", "once", "epoch"}
        network3 walks the same batches in every epoch; its expanded file was shuffled once.
    augment : str
        For the rungs on expanded data: "expand" for the 250,000 images, an augmentation that draws anew in each
        epoch, such as "RandomShift(1)" (`minidl.data.augment`), or "none".
    dropout : tuple of float
        Chance of dropping each input of the two hidden layers and of the output layer, in the rungs with dropout.
    dropout_scaling : {"train", "test"}
    dropout_masks : {"independent", "shared"}
        "shared": network3 starts the mask stream of every layer of every network from the same seed.
    report : {"best", "last"}
        Test accuracy with the weights of the epoch of best validation accuracy (of several, the latest), or
        with the last.
    vote : {"hard", "soft"}
        Ensemble: plurality of labels, or mean of probabilities.
    vote_weights : {"best", "last"}
        Which weights of the members vote.
    """

    epochs: int
    batch_size: int
    optimizer: str
    lr: float
    schedule: str = "constant"
    l2: float = 0.0
    l2_scaling: str = "network3"
    init: str = "fan-in"
    shuffle: str = "epoch"
    augment: str = "none"
    dropout: tuple[float, ...] = (0.5, 0.5, 0.5)
    dropout_scaling: str = "train"
    dropout_masks: str = "independent"
    report: str = "best"
    vote: str = "soft"
    vote_weights: str = "best"

    def __post_init__(self) -> None:
        for option, choices in CHOICES.items():
            value = getattr(self, option)
            if value not in choices:
                raise ConfigError(f"{option} must be one of {', '.join(choices)}, got {value!r}")
        self.augmentation()
        if self.epochs < 1 or self.batch_size < 1:
            raise ConfigError(
                f"epochs and batch_size must be at least 1, got {self.epochs} and {self.batch_size}"
            )

    def augmentation(self) -> Augment | None:
        """Return what changes the images of every batch, or None.

        Raises
        ------
        ConfigError
            If `augment` names none.
        """
        return None if self.augment in ("none", "expand") else build(self.augment, augmentations(), "augment")


def recipe_for(rung: Rung, preset: str, images: int = 50_000, **changes: Any) -> Recipe:
    """Return the recipe of a rung in a preset.

    Parameters
    ----------
    rung : Rung
    preset : {"quick", "express", "lecture", "corrected"}
    images : int
        Size of the training set. `quick` and `express` are measured in images seen, so that a small set
        gets as many updates as MNIST would; `lecture` and `corrected` have fixed epochs.
    **changes
        Fields of `Recipe` to set otherwise; those that are None are left alone.

    Raises
    ------
    ConfigError
        If the preset does not exist or a change makes no sense.
    """
    if preset not in PRESETS:
        raise ConfigError(f"preset must be one of {', '.join(PRESETS)}, got {preset!r}")
    makers = {"quick": _quick, "express": _express, "lecture": _lecture, "corrected": _corrected}
    recipe = makers[preset](rung, images)
    known = {field.name for field in fields(Recipe)}
    unknown = sorted(set(changes) - known)
    if unknown:
        raise ConfigError(f"a recipe has no setting {', '.join(unknown)}; it has {', '.join(sorted(known))}")
    return replace(recipe, **{name: value for name, value in changes.items() if value is not None})


def _lecture(rung: Rung, images: int) -> Recipe:
    return Recipe(
        epochs=rung.epochs,
        batch_size=10,
        optimizer="sgd",
        lr=rung.eta,
        l2=rung.lmbda,
        init="nielsen",
        shuffle="once" if rung.expanded else "never",
        augment="expand" if rung.expanded else "none",
        dropout_scaling="test",
        dropout_masks="shared",
        vote="hard",
        vote_weights="last",
    )


def _corrected(rung: Rung, images: int) -> Recipe:
    changes: dict[str, Any] = dict(CORRECTIONS)
    return replace(_lecture(rung, images), **changes)


def _quick(rung: Rung, images: int) -> Recipe:
    # Images seen, in units of MNIST's 50,000: sigmoid networks learn slowly, dropout needs longer.
    passes = {"0": 10, "1": 4, "2": 3}.get(rung.id, 3 if rung.dropout else 2)
    return Recipe(
        epochs=_epochs(passes, images),
        batch_size=100,
        optimizer="nesterov",
        lr=PEAK_RATES[rung.activation],
        schedule="one-cycle",
        augment=SHIFT if rung.expanded else "none",
        dropout=(0.0, 0.2, 0.2),
    )


def _express(rung: Rung, images: int) -> Recipe:
    # Every number was chosen on validation images, rung by rung: docs/express.md.
    recipe = Recipe(
        epochs=_epochs(8 if rung.expanded else 12, images),
        batch_size=128,
        optimizer="nesterov",
        lr=0.1,
        schedule="one-cycle",
        l2=0.1,
        augment=AFFINE if rung.expanded else "none",
        dropout=(0.0, 0.0, 0.0),
        report="last",  # the rate has come down to zero there, and no epoch need be picked
        vote_weights="last",
    )
    if rung.dropout:
        return replace(recipe, epochs=_epochs(20, images), lr=0.05, augment=ELASTIC, dropout=(0.1, 0.3, 0.3))
    if rung.activation != "relu":
        passes = 12 if rung.convolutions else 20
        return replace(recipe, epochs=_epochs(passes, images), lr=PEAK_RATES[rung.activation], l2=0.02)
    return recipe


def _epochs(passes: float, images: int) -> int:
    return max(1, round(passes * 50_000 / images))
