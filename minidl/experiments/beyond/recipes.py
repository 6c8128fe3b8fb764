"""The recipes past the lecture: each a network, its images, its training, and why it is worth a try.

A recipe is data: texts as in a file of ``minidl train``. Costs are in floating-point operations, which no machine
changes; docs/beyond.md has seconds that were measured.
"""

from __future__ import annotations

from dataclasses import dataclass

from minidl.errors import ConfigError
from minidl.experiments.config import Config, DataConfig, ModelConfig, TrainingConfig
from minidl.experiments.recipes import AFFINE

# Of the rate and of the images: the settings that several recipes share.
# 0.7 pixels is a light distortion: about half of Simard's.
ELASTIC = f"Distort({AFFINE}, Elastic(sigma=5.0, pixels=0.7))"
ONE_CYCLE = "OneCycle(0.05, min_momentum=0.9, max_momentum=0.9)"
AVERAGE = "WeightAverage(0.999)"


@dataclass(frozen=True)
class BeyondRecipe:
    """One way to train a network.

    Attributes
    ----------
    name : str
        On the command line.
    why : str
        What it adds, where it is from, and what it is expected to cost.
    layers : tuple of str
    augment : tuple of str
        New in every epoch.
    optimizer : str
    schedule : str
    epochs, batch_size : int
    loss : str
    regularizers, callbacks : tuple of str
    members : tuple of int
        Sizes of the ensembles that are scored, as many disjoint ones of each size as the networks make.
    """

    name: str
    why: str
    layers: tuple[str, ...]
    augment: tuple[str, ...] = (AFFINE,)
    optimizer: str = "Nesterov(0.05, momentum=0.9)"
    schedule: str = ONE_CYCLE
    epochs: int = 20
    batch_size: int = 128
    loss: str = "SoftmaxCrossEntropy()"
    regularizers: tuple[str, ...] = ()
    callbacks: tuple[str, ...] = (AVERAGE,)
    members: tuple[int, ...] = (5, 10, 15)

    def config(
        self, data: str, *, epochs: int | None = None, subset: int | None = None, device: str = "auto"
    ) -> Config:
        """Return the configuration of a training on a data set, seed 0.

        Parameters
        ----------
        data : str
            Name of the data set. Of MNIST the validation images are by other writers; where the writers are not
            on record they are drawn with the classes in proportion.
        epochs, subset : int, optional
            In place of the recipe's epochs and of all training images: for a try.
        device : {"auto", "cpu", "cuda"}
        """
        return Config(
            data=DataConfig(
                name=data,
                split="writers" if data == "mnist" else "stratified",
                subset=subset,
                augment=self.augment,
                batch_size=self.batch_size,
            ),
            model=ModelConfig(layers=self.layers),
            training=TrainingConfig(
                loss=self.loss,
                optimizer=self.optimizer,
                schedule=self.schedule,
                regularizers=self.regularizers,
                epochs=epochs or self.epochs,
                callbacks=self.callbacks,
                monitor="none",
                threads=1,  # they decide the last bits, which must not depend on how many networks train at once
                device=device,
            ),
        )


def _dense_after(drop: float) -> tuple[str, ...]:
    return ("Flatten()", *_drop(drop), "Dense(10)")


def _drop(drop: float) -> tuple[str, ...]:
    return (f"Dropout({drop})",) if drop else ()


def _seven_convolutions(width: int = 32, drop: float = 0.4) -> tuple[str, ...]:
    """Return the stack of LECTURE notes 3.3: three convolutions at each of two sizes, one over all that is left.

    The activation comes before the normalisation, as Keras has it for ``Conv2D(activation="relu")``.
    """
    layers: list[str] = []
    for filters in (width, 2 * width):
        for size in ("3", "3", "5, stride=2, padding='same'"):
            layers += [f"Conv2D({filters}, {size}, weight_init=He())", "ReLU()", "BatchNorm()"]
        layers += _drop(drop)
    layers += [f"Conv2D({4 * width}, 4, weight_init=He())", "ReLU()", "BatchNorm()"]
    return (*layers, *_dense_after(drop))


def _five_by_five() -> tuple[str, ...]:
    layers: list[str] = []
    for filters in (32, 64, 96, 128, 160):
        layers += [f"Conv2D({filters}, 5, bias=False, weight_init=He())", "BatchNorm()", "ReLU()"]
    return (*layers, "Flatten()", "Dense(10, bias=False)", "BatchNorm()")


_LADDER_WITH_BATCHNORM = (
    "Conv2D(20, 5, weight_init=He())", "BatchNorm()", "MaxPool2D(2)", "ReLU()",
    "Conv2D(40, 5, weight_init=He())", "BatchNorm()", "MaxPool2D(2)", "ReLU()",
    "Flatten()", "Dropout(0.1)", "Dense(1000, weight_init=He())", "BatchNorm()", "ReLU()",
    "Dropout(0.3)", "Dense(1000, weight_init=He())", "BatchNorm()", "ReLU()", "Dropout(0.3)", "Dense(10)",
)  # fmt: skip

# A pooling between convolution and normalisation: a quarter of the numbers to normalise.
_SIX_CONVOLUTIONS = (
    "Conv2D(24, 5, weight_init=He())", "MaxPool2D(2)", "BatchNorm()", "ReLU()",
    "Conv2D(48, 3, weight_init=He())", "BatchNorm()", "ReLU()",
    "Conv2D(64, 3, weight_init=He())", "BatchNorm()", "ReLU()",
    "Conv2D(64, 3, weight_init=He())", "BatchNorm()", "ReLU()",
    "Conv2D(96, 3, weight_init=He())", "BatchNorm()", "ReLU()",
    "Conv2D(128, 3, weight_init=He())", "BatchNorm()", "ReLU()",
    "Flatten()", "Dropout(0.3)", "Dense(10)",
)  # fmt: skip

RECIPES: tuple[BeyondRecipe, ...] = (
    BeyondRecipe(
        "ladder",
        "The network of rung 10 with batch normalisation, affine distortions and averaged weights: what the lecture's "
        "own architecture gives with present-day training. The yardstick of the deeper ones. 3.2 million "
        "multiplications an image, 20 epochs: 0.02 PFLOP a network.",
        _LADDER_WITH_BATCHNORM,
    ),
    BeyondRecipe(
        "six",
        "Six convolutions for two cores: one 5x5 and a pooling, which leave 12x12 points, then five 3x3 without "
        "padding until 2x2 are left, all normalised; affine and elastic distortions, one cycle of the rate, averaged "
        "weights, weight decay. The best on other writers' digits of eight that were tried (docs/beyond.md). 6 million "
        "multiplications an image, 20 epochs: 0.035 PFLOP a network.",
        _SIX_CONVOLUTIONS,
        augment=(ELASTIC,),
        optimizer="Nesterov(0.1, momentum=0.9)",
        schedule="OneCycle(0.1, min_momentum=0.9, max_momentum=0.9)",
        regularizers=("L2(5e-4)",),
    ),
    BeyondRecipe(
        "seven",
        "Seven convolutions with batch normalisation and dropout as C. Deotte published them in 2018 (1,500 networks: "
        "99.641 %, sd 0.047; 100 votes of 15: 99.745 %, sd 0.020): rotations of 15 degrees, 15 % of scale, a tenth of "
        "shift, Adam with 0.95 of the rate after each epoch, batches of 64. 15 million multiplications an image, 30 "
        "epochs: 0.14 PFLOP a network, five times that of `ladder`.",
        _seven_convolutions(),
        augment=("RandomAffine(rotation=15, scale=0.15, shift=2.8, fill='edge')",),
        optimizer="Adam(lr=1e-3)",
        schedule="Exponential(1e-3, k=1.5388)",  # 0.95 after each of 30 epochs: k = -30 ln 0.95
        epochs=30,
        batch_size=64,
        callbacks=(),
    ),
    BeyondRecipe(
        "seven-elastic",
        "The seven convolutions with elastic distortions beside the affine ones, one cycle of the rate and averaged "
        "weights (EMA): everything that is known to help, in two thirds of the epochs. 0.09 PFLOP a network.",
        _seven_convolutions(),
        augment=(ELASTIC,),
    ),
    BeyondRecipe(
        "seven-smooth",
        "As `seven-elastic`, with smoothed labels: MNIST has wrong ones, and smoothing keeps networks from insisting "
        "on them. Its probabilities are less extreme, which may help a soft vote or harm it. 0.09 PFLOP a network.",
        _seven_convolutions(),
        augment=(ELASTIC,),
        loss="SoftmaxCrossEntropy(label_smoothing=0.1)",
    ),
    BeyondRecipe(
        "seven-half",
        "As `seven-elastic` with half the filters and less dropout: a quarter of the multiplications, so four networks "
        "for the price of one. Whether a vote of many small networks beats one of few large ones is worth knowing on a "
        "machine without a GPU. 0.023 PFLOP a network.",
        _seven_convolutions(16, drop=0.2),
        augment=(ELASTIC,),
    ),
    BeyondRecipe(
        "five-by-five",
        "Five 5x5 convolutions without pooling and without padding, the network M5 of S. An and others (2020, "
        "arXiv:2008.10400), with their augmentation and averaged weights; their published numbers were selected on the "
        "test set, so nothing is promised. Their scaling of the pixels to -1 and 1 is left out: the first batch "
        "normalisation undoes it. 137 million multiplications an image, 150 epochs: 6 PFLOP a network, for a GPU.",
        _five_by_five(),
        augment=("RandomAffine(rotation=20, shift=5.6)",),
        optimizer="Adam(lr=1e-3)",
        schedule="Exponential(1e-3, k=3.0304)",  # 0.98 after each of 150 epochs: k = -150 ln 0.98
        epochs=150,
        batch_size=120,
        members=(3, 5),
    ),
)


def find_recipe(name: str) -> BeyondRecipe:
    """Return the recipe of a name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    for recipe in RECIPES:
        if recipe.name == name:
            return recipe
    raise ConfigError(f"there is no recipe {name!r}; choose from {', '.join(each.name for each in RECIPES)}")
