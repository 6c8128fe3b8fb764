"""The configuration of one training run: every key, its type, its default, and what contradicts what.

A configuration is three tables, ``data``, ``model`` and ``training``. The dataclasses below are the
only list of keys there is: the TOML reader, the options of ``minidl train``, ``run.json`` and the
table in ``docs/training.md`` all follow from them. Objects are written as constructor calls
(`minidl.expressions`), such as ``"Adam(lr=1e-3)"``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, get_type_hints

from minidl.data.resplit import SPLITS, parse_fold
from minidl.errors import ConfigError
from minidl.expressions import suggestion

DATA = ("mnist", "digits", "fashion", "kmnist")
MOST_THREADS = 256  # a slip of the pen should not start a hundred thousand


def _key(default: Any, meaning: str, *, choices: tuple[str, ...] = (), least: int | None = None) -> Any:
    return field(default=default, metadata={"help": meaning, "choices": choices, "least": least})


@dataclass(frozen=True)
class DataConfig:
    """Which images, and how they reach the network."""

    name: str | None = _key(
        None, "data set (left out: MNIST where it can be had, else scikit-learn's digits)", choices=DATA
    )
    dir: str | None = _key(None, "folder with the data files")
    split: str = _key(
        "lecture",
        "validation images: the last of the file, drawn at random, in the classes' shares, or of other writers",
        choices=SPLITS,
    )
    fold: str | None = _key(None, 'the second of five folds validates: "2/5" (left out: a hold-out set)')
    subset: int | None = _key(None, "only the first so many training images", least=1)
    expand: bool = _key(
        False, "the lecture's expansion: each image also shifted by a pixel up, down, left, right"
    )
    augment: tuple[str, ...] = _key((), "augmentations, new in every epoch, one after another")
    mix: str | None = _key(None, "blending of the examples of a batch")
    sampler: str | None = _key(None, "resampling of the classes, new in every epoch")
    smote: int | None = _key(None, "fill the rarer classes up by SMOTE between so many neighbours", least=1)
    standardize: bool = _key(False, "bring the training pixels to mean 0 and standard deviation 1")
    batch_size: int = _key(100, "images of a step", least=1)
    shuffle: str = _key("epoch", "order of the images: new in every epoch, drawn once, as in the file",
                        choices=("epoch", "once", "never"))  # fmt: skip


@dataclass(frozen=True)
class ModelConfig:
    """The network and where its weights start."""

    rung: str | None = _key(None, "a network of the progression, such as 0, 3 or 2b")
    preset: str | None = _key(None, "the recipe that the rung's initial weights and dropout are from",
                              choices=("quick", "express", "lecture", "corrected"))  # fmt: skip
    text: str | None = _key(None, "a model as in Python: Sequential([Flatten(), Dense(10)])")
    layers: tuple[str, ...] = _key((), "the layers of a Sequential, one text each")
    init_from: str | None = _key(None, "start from these weights: a run's folder or a .safetensors file")
    init_strict: bool = _key(True, "refuse init_from unless all weights fit; false takes those that do")
    init_skip: tuple[str, ...] = _key(
        (), "parameters or layers that init_from leaves alone, such as a new head"
    )
    freeze: tuple[str, ...] = _key((), "parameters or layers that are not trained")
    lr_factors: dict[str, float] = field(
        default_factory=dict,
        metadata={
            "help": "factors on the learning rate of parameters or layers",
            "choices": (),
            "least": None,
        },
    )


@dataclass(frozen=True)
class TrainingConfig:
    """How the network is trained, and where the run is kept."""

    loss: str = _key("SoftmaxCrossEntropy()", "the loss")
    class_weights: str | tuple[float, ...] | None = _key(
        None, 'weights of the classes in the loss: "inverse-frequency", or a number for each'
    )
    optimizer: str = _key("Adam(lr=1e-3)", "the optimizer")
    schedule: str | None = _key(None, "learning-rate schedule; it replaces the optimizer's lr")
    regularizers: tuple[str, ...] = _key((), "penalties on the weights")
    epochs: int = _key(10, "passes over the training images", least=1)
    callbacks: tuple[str, ...] = _key((), "what hangs on the training loop")
    monitor: str = _key("Monitor()", 'watches weights, activations and gradients; "none" for nothing')
    keep_best: str | None = _key(None, "what chooses the best epoch on the validation set (left out: accuracy)",
                                 choices=("accuracy", "loss", "none"))  # fmt: skip
    checkpoint_every: int = _key(1, "epochs between checkpoints", least=1)
    seed: int = _key(0, "seed of every random number", least=0)
    threads: int | None = _key(
        None, "threads (left out: one for each core); they decide the last bits", least=1
    )
    device: str = _key("auto", "where to compute", choices=("auto", "cpu", "cuda"))
    out: str | None = _key(None, "new folder of the run (left out: below runs/)")


@dataclass(frozen=True)
class Config:
    """Everything a run of ``minidl train`` is asked to do."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        for key in keys():
            _check_range(key, self[key.name])
        _check_contradictions(self)

    def __getitem__(self, name: str) -> Any:
        """Return the value of a dotted key: ``config["training.epochs"]``."""
        section, _, option = name.partition(".")
        return getattr(getattr(self, section), option)

    def table(self) -> dict[str, dict[str, Any]]:
        """Return the configuration as nested dictionaries of what TOML and JSON can hold.

        Keys without a value are left out, since TOML has none for "nothing".
        """
        result: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
        for key in keys():
            value = self[key.name]
            if value is not None:
                result[key.section][key.option] = list(value) if isinstance(value, tuple) else value
        return result

    def with_values(self, **values: Any) -> Config:
        """Return a copy with other values, by key with ``__`` for the dot: ``training__seed=1``."""
        sections = {name: getattr(self, name) for name in SECTIONS}
        for name, value in values.items():
            section, _, option = name.partition("__")
            sections[section] = replace(sections[section], **{option: value})
        return Config(**sections)


SECTIONS: dict[str, type] = {"data": DataConfig, "model": ModelConfig, "training": TrainingConfig}


@dataclass(frozen=True)
class Key:
    """One key of the configuration.

    Attributes
    ----------
    section, option : str
        Table and name: ``training`` and ``epochs``.
    type : object
        Of the value, as annotated.
    default : object
    help : str
        What it means.
    choices : tuple of str
        The values allowed, or none for a free value.
    least : int or None
        Smallest number allowed.
    """

    section: str
    option: str
    type: Any
    default: Any
    help: str
    choices: tuple[str, ...]
    least: int | None

    @property
    def name(self) -> str:
        """The dotted name."""
        return f"{self.section}.{self.option}"

    @property
    def is_text(self) -> bool:
        """Whether the value is one text."""
        return self.type in (str, str | None)

    @property
    def kind(self) -> str:
        """What a value looks like, in words."""
        return _KINDS[self.type]


_KINDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    int | None: "a whole number",
    str: "a text",
    str | None: "a text",
    tuple[str, ...]: "a list of texts",
    str | tuple[float, ...] | None: 'a list of numbers, or "inverse-frequency"',
    dict[str, float]: "a table of numbers",
}


def keys() -> Iterator[Key]:
    """Yield every key there is, in order."""
    yield from _KEYS.values()


def find_key(name: str, where: str = "") -> Key:
    """Return the key of a dotted name.

    Raises
    ------
    ConfigError
        If there is none; the nearest one is named.
    """
    if name in _KEYS:
        return _KEYS[name]
    ends = {key.option: key.name for key in _KEYS.values()}
    last = name.rpartition(".")[2]
    hint = f"; did you mean {ends[last]!r}?" if last in ends else suggestion(name, _KEYS)
    raise ConfigError(f"{where}there is no key {name!r}{hint}")


def _all_keys() -> dict[str, Key]:
    found = {}
    for section, kind in SECTIONS.items():
        hints = get_type_hints(kind)
        for each in dataclasses.fields(kind):
            default = {} if each.default is dataclasses.MISSING else each.default
            key = Key(section, each.name, hints[each.name], default, **each.metadata)
            found[key.name] = key
    return found


_KEYS = _all_keys()


def shown(value: Any) -> str:
    """Return a value as messages show it: in one line, and not all of a long one."""
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _check_range(key: Key, value: Any) -> None:
    if value is None:
        return
    if key.choices and value not in key.choices:
        raise ConfigError(
            f"{key.name} must be one of {', '.join(key.choices)}, got {shown(value)}"
            + (near if (near := suggestion(str(value), key.choices)).startswith("; did") else "")
        )
    if key.least is not None and value < key.least:
        raise ConfigError(f"{key.name} must be at least {key.least}, got {value}")


def _check_contradictions(config: Config) -> None:
    """Refuse keys that say two things at once. What depends on the objects is checked where they are built."""
    model = config.model
    ways = {"model.rung": model.rung, "model.text": model.text, "model.layers": model.layers}
    given = [name for name, value in ways.items() if value]
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)} both describe the model; leave out all but one")
    if model.preset is not None and (model.text or model.layers):
        raise ConfigError(
            f"model.preset is about rungs of the progression, but the model is {given[0]}; leave it out"
        )
    _check_balancing(config)
    if model.init_from is None and (model.init_skip or not model.init_strict):
        option = "model.init_skip" if model.init_skip else "model.init_strict"
        raise ConfigError(f"{option} is about model.init_from, which is not given; leave it out")
    if (config.training.threads or 1) > MOST_THREADS:
        raise ConfigError(f"training.threads must be at most {MOST_THREADS}, got {config.training.threads}")
    _check_split(config.data)
    if config.data.name == "digits" and config.data.dir is not None:
        raise ConfigError("data.dir was given, but the digits come with scikit-learn; leave it out")


def _check_split(data: DataConfig) -> None:
    if data.fold is not None:
        try:
            parse_fold(data.fold)
        except ConfigError as error:
            raise ConfigError(f"data.{error}") from None
    if data.split == "writers" and data.name not in (None, "mnist"):
        raise ConfigError(
            f"data.split = writers: nobody recorded the writers of {data.name}; use it with mnist, or take stratified"
        )


def _check_balancing(config: Config) -> None:
    data = config.data
    if data.sampler is not None and data.shuffle != "epoch":
        raise ConfigError(
            f"data.sampler decides the order of the images; leave out data.shuffle = {data.shuffle!r}"
        )
    if config.training.class_weights == "inverse-frequency":
        for option in ("sampler", "smote"):
            if getattr(data, option) is not None:
                raise ConfigError(
                    f'data.{option} and training.class_weights = "inverse-frequency" both even out the classes; '
                    "leave out one of them"
                )
