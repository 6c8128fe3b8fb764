"""The lecture's MNIST progression: one row of data for every rung.

The rungs are chapter 6 of Nielsen's book (his ``conv.py`` and ``network3.py``), which lecture UU
retells. What a rung is stands here; how it is trained is a recipe (`minidl.experiments.recipes`).
"""

from __future__ import annotations

from dataclasses import dataclass

from minidl.errors import ConfigError
from minidl.experiments.recipes import NIELSEN_DROPOUT_SEED, Recipe, recipe_for
from minidl.initializers import Constant, FanIn, He, Initializer, Normal, nielsen_conv, nielsen_dense
from minidl.layers import Conv2D, Dense, Dropout, Flatten, Layer, MaxPool2D, ReLU, Sequential, Sigmoid, Tanh

INPUT_SHAPE = (1, 28, 28)
CLASSES = 10
ACTIVATIONS: dict[str, type[Layer]] = {"sigmoid": Sigmoid, "tanh": Tanh, "relu": ReLU}


@dataclass(frozen=True)
class Rung:
    """One network of the progression.

    Parameters
    ----------
    id : str
        Its number, the name on the command line.
    title : str
        What it is.
    change : str
        What is new against the rung before.
    convolutions : tuple of int
        Feature maps of each 5x5 convolution; 2x2 max-pooling follows every one.
    dense : tuple of int
        Units of each hidden fully connected layer.
    activation : {"sigmoid", "tanh", "relu"}
    expanded : bool
        Trained on the data expanded by one-pixel shifts.
    dropout : bool
        Dropout on the input of every fully connected layer.
    eta : float
        Nielsen's learning rate.
    lmbda : float
        Nielsen's L2 parameter (network3's scaling).
    epochs : int
        Nielsen's epochs.
    lecture, published : float or None
        Test accuracy in per cent on the lecture's slides and in the book. They differ where the slides
        swap two numbers (rungs 8 and 9).
    members : int
        0, or the number of networks of the rung before that vote.
    """

    id: str
    title: str
    change: str
    convolutions: tuple[int, ...]
    dense: tuple[int, ...]
    activation: str = "relu"
    expanded: bool = False
    dropout: bool = False
    eta: float = 0.03
    lmbda: float = 0.1
    epochs: int = 60
    lecture: float | None = None
    published: float | None = None
    members: int = 0

    @property
    def architecture(self) -> str:
        """Layers in short, such as ``28x28-C20-P2-FC100-S10``."""
        maps = "".join(f"-C{filters}-P2" for filters in self.convolutions)
        units = "".join(f"-FC{units}" for units in self.dense)
        name = f"28x28{maps}{units}-S{CLASSES}"
        return f"{self.members} x {name}" if self.members else name


_TWO = (20, 40)
LADDER: tuple[Rung, ...] = (
    Rung("0", "fully connected", "the start: one hidden layer", (), (100,), "sigmoid", eta=0.1, lmbda=0.0,
         lecture=97.80, published=97.80),
    Rung("1", "one convolution", "+ convolution and pooling", (20,), (100,), "sigmoid", eta=0.1, lmbda=0.0,
         lecture=98.78, published=98.78),
    Rung("2", "two convolutions", "+ second convolution", _TWO, (100,), "sigmoid", eta=0.1, lmbda=0.0,
         lecture=99.06, published=99.06),
    Rung("3", "ReLU", "sigmoid -> ReLU, L2", _TWO, (100,), lecture=99.23, published=99.23),
    Rung("4", "expanded data", "+ images shifted by a pixel", _TWO, (100,), expanded=True,
         lecture=99.37, published=99.37),
    Rung("5", "wider: 300", "100 -> 300 units", _TWO, (300,), expanded=True, lecture=99.46, published=99.46),
    Rung("6", "wider: 1000", "300 -> 1000 units", _TWO, (1000,), expanded=True, lecture=99.43, published=99.43),
    Rung("7", "second dense layer: 100", "100 + 100 units", _TWO, (100, 100), expanded=True,
         lecture=99.43, published=99.43),
    Rung("8", "second dense layer: 300", "300 + 300 units", _TWO, (300, 300), expanded=True,
         lecture=99.47, published=99.48),
    Rung("9", "second dense layer: 1000", "1000 + 1000 units", _TWO, (1000, 1000), expanded=True,
         lecture=99.48, published=99.47),
    Rung("10", "dropout", "+ dropout, no L2", _TWO, (1000, 1000), expanded=True, dropout=True, lmbda=0.0, epochs=40,
         lecture=99.60, published=99.60),
    Rung("11", "ensemble", "5 networks vote", _TWO, (1000, 1000), expanded=True, dropout=True, lmbda=0.0, epochs=40,
         lecture=99.67, published=99.67, members=5),
)  # fmt: skip
# Two networks the lecture mentions beside the ladder.
ASIDES: tuple[Rung, ...] = (
    Rung(
        "1b",
        "no hidden layer",
        "rung 1 without the fully connected layer",
        (20,),
        (),
        "sigmoid",
        eta=0.1,
        lmbda=0.0,
    ),
    Rung("2b", "tanh", "rung 2 with tanh", _TWO, (100,), "tanh", eta=0.1, lmbda=0.0),
)
RUNGS: dict[str, Rung] = {rung.id: rung for rung in (*LADDER, *ASIDES)}


def find_rung(rung_id: str) -> Rung:
    """Return the rung called `rung_id`.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if rung_id not in RUNGS:
        raise ConfigError(f"there is no rung {rung_id!r}; choose from {', '.join(RUNGS)}")
    return RUNGS[rung_id]


def parse_rungs(text: str) -> list[Rung]:
    """Return the rungs a text such as ``"0,3-5,10"`` or ``"all"`` names, in the order of the ladder.

    Raises
    ------
    ConfigError
        If a part names no rung.
    """
    if text.strip() == "all":
        return list(LADDER)
    chosen: set[str] = set()
    numbers = [rung.id for rung in LADDER]
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        if not dash:
            chosen.add(find_rung(first).id)
            continue
        if first not in numbers or last not in numbers or numbers.index(first) > numbers.index(last):
            raise ConfigError(
                f"--rungs: {part.strip()!r} is no range of rungs; write for example 0,3-5,10 or all"
            )
        chosen.update(numbers[numbers.index(first) : numbers.index(last) + 1])
    return [rung for rung in (*LADDER, *ASIDES) if rung.id in chosen]


def build_model(rung: Rung | str, recipe: Recipe | str = "lecture") -> Sequential:
    """Return the network of a rung, not yet built.

    The order is the book's: convolution, pooling, activation. (Pooling first gives the same numbers as
    activation first, since the activations are increasing, and has a quarter of them to compute.)

    Parameters
    ----------
    rung : Rung or str
        Of an ensemble: one of its members.
    recipe : Recipe or str
        How it will be trained, or the name of a preset; it decides initial weights and dropout.
    """
    rung = find_rung(rung) if isinstance(rung, str) else rung
    recipe = recipe_for(rung, recipe) if isinstance(recipe, str) else recipe
    activation = ACTIVATIONS[rung.activation]
    conv_init, dense_init, output_init, bias_init = _initializers(rung, recipe)
    layers: list[Layer] = []
    for filters in rung.convolutions:
        layers += [Conv2D(filters, 5, weight_init=conv_init, bias_init=bias_init), MaxPool2D(2), activation()]
    layers.append(Flatten())
    # Dropout acts on the inputs of a fully connected layer, the first time on the pooled features.
    chances = recipe.dropout if rung.dropout else (0.0,) * (len(rung.dense) + 1)
    seed = NIELSEN_DROPOUT_SEED if recipe.dropout_masks == "shared" else None
    if len(chances) != len(rung.dense) + 1:
        raise ConfigError(
            f"dropout of rung {rung.id} needs {len(rung.dense) + 1} probabilities, one for each fully connected "
            f"layer, got {len(chances)}"
        )
    drops = [[Dropout(p, scaling=recipe.dropout_scaling, seed=seed)] if p else [] for p in chances]
    for drop, units in zip(drops[:-1], rung.dense, strict=True):
        layers += [*drop, Dense(units, weight_init=dense_init, bias_init=bias_init), activation()]
    layers += [*drops[-1], Dense(CLASSES, weight_init=output_init)]
    return Sequential(layers)


def _initializers(rung: Rung, recipe: Recipe) -> tuple[Initializer, Initializer, Initializer, Initializer]:
    """Return the rules for convolutions, hidden dense layers, the output layer, and biases."""
    if recipe.init == "nielsen":
        return nielsen_conv(pool_area=4), nielsen_dense(), Constant(0.0), Normal(1.0)
    hidden: Initializer = He() if rung.activation == "relu" else FanIn()
    return hidden, hidden, FanIn(), Constant(0.0)
