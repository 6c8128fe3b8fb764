"""The objects that a configuration names, made one by one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from minidl.data import DataSet, ExpandedShifts, Loader, Split, mean_and_std
from minidl.data.resample import inverse_frequency, smote
from minidl.errors import ConfigError, MinidlError
from minidl.experiments import vocabulary
from minidl.experiments.config import Config
from minidl.experiments.ladder import INPUT_SHAPE, build_model, find_rung
from minidl.expressions import build
from minidl.files import read_json
from minidl.layers import Layer, Sequential
from minidl.random import Seeds
from minidl.training.callbacks import BestWeights


@dataclass
class Parts:
    """What a `Trainer` is made of.

    Attributes
    ----------
    model : Layer
        Built, where there was a data set.
    loss, optimizer, schedule, regularizers, callbacks
        As `Trainer` takes them.
    loader : Loader
        None without a data set.
    loaded : LoadReport or None
        What ``model.init_from`` brought.
    """

    model: Layer
    loss: Any
    optimizer: Any
    schedule: Any
    regularizers: list[Any]
    callbacks: list[Any]
    loader: Any = field(default=None)
    loaded: Any = field(default=None)


def make_parts(config: Config, data: DataSet | None, *, read_weights: bool = True) -> Parts:
    """Make the objects of a configuration.

    Parameters
    ----------
    config : Config
    data : DataSet or None
        As `training_data` returns it. Without one the model stays unbuilt and there is no loader; what
        is wrong with the texts shows itself all the same.
    read_weights : bool
        Whether to start from ``model.init_from``; a run that goes on has weights of its own.

    Raises
    ------
    ConfigError
        If a text names nothing, has a wrong option, or two of them contradict each other; the key is
        named.
    """
    training, seeds = config.training, Seeds(config.training.seed)
    parts = Parts(
        model=make_model(config),
        loss=make_loss(config, data),
        optimizer=build(training.optimizer, vocabulary.optimizers(), "training.optimizer"),
        schedule=None
        if training.schedule is None
        else build(training.schedule, vocabulary.schedules(), "training.schedule"),
        regularizers=_list(training.regularizers, vocabulary.regularizers(), "training.regularizers"),
        callbacks=make_callbacks(config),
    )
    _check_together(config, parts)
    augment = make_augment(config)
    make_mix(config)
    make_sampler(config, np.arange(2))
    if data is not None:
        prepare_model(config, parts.model, data)
        if config.model.init_from is not None and read_weights:
            parts.loaded = _load_weights(config, parts.model)
        _set_learning(config, parts.model)
        parts.loader = make_loader(config, data, augment, seeds.child("loader"))
    return parts


def make_callbacks(config: Config) -> list[Any]:
    """Return the callbacks, with the one that watches."""
    training, monitors = config.training, vocabulary.monitors()
    found = _list(training.callbacks, {**vocabulary.callbacks(), **monitors}, "training.callbacks")
    if training.monitor == "none":
        return found
    monitor = build(training.monitor, monitors, "training.monitor")
    if any(type(each) is type(monitor) for each in found):
        raise ConfigError(
            f"training.callbacks has a {type(monitor).__name__}, and so has training.monitor; write it there only"
        )
    return [*found, monitor]


def make_model(config: Config) -> Layer:
    """Return the model, not yet built."""
    wanted, names = config.model, vocabulary.layers()
    if wanted.layers:
        return Sequential([_layer(text, names, f"model.layers[{i}]") for i, text in enumerate(wanted.layers)])
    if wanted.text is not None:
        return _layer(wanted.text, names, "model.text")
    with _naming("model.rung"):
        rung = find_rung(wanted.rung or "")
    if rung.members:
        raise ConfigError(
            f"model.rung: rung {rung.id} is an ensemble; train one of its networks, which is the rung before it, "
            f"or all of them with minidl progression --rungs {rung.id}"
        )
    return build_model(rung, wanted.preset or "express")


def make_loss(config: Config, data: DataSet | None) -> Any:
    """Return the loss, with the class weights of the configuration."""
    training, names = config.training, vocabulary.losses()
    loss = build(training.loss, names, "training.loss")
    if training.class_weights is None:
        return loss
    if not hasattr(loss, "class_weights"):
        raise ConfigError(
            f"training.class_weights: {type(loss).__name__} takes no class weights; "
            'use training.loss = "SoftmaxCrossEntropy()", or leave them out'
        )
    if loss.class_weights is not None:
        raise ConfigError(
            "training.class_weights and training.loss both give class weights; leave out one of them"
        )
    if data is None:
        return loss
    weights = training.class_weights
    if isinstance(weights, str):
        weights = tuple(map(float, inverse_frequency(data.train.labels, len(data.classes))))
    elif len(weights) != len(data.classes):
        raise ConfigError(
            f"training.class_weights has {len(weights)} numbers, but {data.title} has {len(data.classes)} classes"
        )
    kind = type(loss).__name__
    return build(
        training.loss, {**names, kind: partial(names[kind], class_weights=weights)}, "training.class_weights"
    )


def make_augment(config: Config) -> Any:
    """Return the augmentation, several of them as one, or None."""
    names = vocabulary.augmentations()
    steps = _list(config.data.augment, names, "data.augment")
    if len(steps) < 2:
        return steps[0] if steps else None
    return names["Compose"](steps)


def make_mix(config: Config) -> Any:
    """Return the blending of examples, or None."""
    return None if config.data.mix is None else build(config.data.mix, vocabulary.mixes(), "data.mix")


def make_sampler(config: Config, labels: np.ndarray, images: Any = None) -> Any:
    """Return what chooses the examples of an epoch, or None."""
    if config.data.sampler is None:
        return None
    labels = images.expand_labels(labels) if isinstance(images, ExpandedShifts) else labels
    names = {name: partial(kind, labels) for name, kind in vocabulary.samplers().items()}
    return build(config.data.sampler, names, "data.sampler")


def prepare_model(config: Config, model: Layer, data: DataSet) -> None:
    """Fix the model's shapes for the data set and draw its initial weights."""
    model.build(INPUT_SHAPE, rng=Seeds(config.training.seed).child("model"))
    classes = len(data.classes)
    if model.output_shape != (classes,):
        raise ConfigError(
            f"the model's output has shape {model.output_shape}, but {data.title} has {classes} classes; "
            f"let it end in Dense({classes})"
        )


@contextmanager
def _naming(key: str) -> Iterator[None]:
    """Put the key in front of the message of an error inside the block."""
    try:
        yield
    except MinidlError as error:
        raise ConfigError(f"{key}: {error}") from None


def _load_weights(config: Config, model: Layer) -> Any:
    from minidl.transfer import load_matching

    wanted = config.model
    assert wanted.init_from is not None
    _check_preprocessing(wanted.init_from, config.data.standardize)
    with _naming("model.init_from"):
        return load_matching(model, wanted.init_from, strict=wanted.init_strict, skip=wanted.init_skip)


def _check_preprocessing(source: str, standardize: bool) -> None:
    """Refuse weights that learned from standardised pixels for a run on plain ones, and the other way round."""
    try:
        loader = read_json(Path(source) / "run.json")["training"]["train"]
        before = (loader["mean"], loader["std"]) != (0.0, 1.0)
    except (OSError, ValueError, KeyError, TypeError):
        return  # a file of weights, or a run that does not say
    if before != standardize:
        how, what = ("with", "set") if before else ("without", "leave out")
        raise ConfigError(
            f"model.init_from: the weights in {source} were trained {how} standardised pixels, and new training "
            f"must see the images as they did; {what} data.standardize"
        )


def _set_learning(config: Config, model: Layer) -> None:
    """Freeze what is not to be trained, and set the learning rates of layers."""
    from minidl.transfer import freeze, set_lr_factors

    if config.model.freeze:
        with _naming("model.freeze"):
            freeze(model, *config.model.freeze)
        if all(parameter.frozen for _, parameter in model.named_parameters()):
            raise ConfigError("model.freeze leaves nothing to train; leave the last layer out")
    if config.model.lr_factors:
        with _naming("model.lr_factors"):
            set_lr_factors(model, config.model.lr_factors)


def make_loader(config: Config, data: DataSet, augment: Any, seeds: Seeds) -> Loader:
    """Return the batches of the training images."""
    train = data.train
    images = ExpandedShifts(train.images) if config.data.expand else train.images
    mean, std = mean_and_std(images) if config.data.standardize else (0.0, 1.0)
    return Loader(
        images,
        train.labels,
        config.data.batch_size,
        shuffle=config.data.shuffle,
        seeds=seeds,
        augment=augment,
        mix=make_mix(config),
        sampler=make_sampler(config, train.labels, images),
        mean=mean,
        std=std,
    )


def training_data(config: Config, data: DataSet) -> DataSet:
    """Return the data set with the training images that the configuration asks for: fewer, or filled up."""
    train, wanted = data.train, config.data
    if wanted.subset is not None:
        if wanted.subset > len(train):
            raise ConfigError(
                f"data.subset must be at most {len(train):,}, the training images of {data.title}, "
                f"got {wanted.subset:,}"
            )
        train = train.subset(wanted.subset)
    if wanted.smote is not None:
        seeds = Seeds(config.training.seed).child("data")
        train = Split(*smote(train.images, train.labels, k=wanted.smote, seeds=seeds))
    return replace(data, train=train)


def _layer(text: str, names: vocabulary.Names, what: str) -> Layer:
    layer = build(text, names, what)
    if not isinstance(layer, Layer):
        raise ConfigError(f"{what}: expected a layer such as Dense(10), got {text!r}")
    return layer


def _list(texts: tuple[str, ...], names: vocabulary.Names, key: str) -> list[Any]:
    return [build(text, names, f"{key}[{index}]") for index, text in enumerate(texts)]


def _check_together(config: Config, parts: Parts) -> None:
    kinds = {type(callback).__name__ for callback in parts.callbacks}
    if parts.schedule is not None and "ReduceOnPlateau" in kinds:
        raise ConfigError(
            "training.schedule and ReduceOnPlateau in training.callbacks both set the learning rate; "
            "leave out one of them"
        )
    if config.training.keep_best is not None and any(isinstance(c, BestWeights) for c in parts.callbacks):
        raise ConfigError(
            "training.keep_best and BestWeights in training.callbacks both choose the best epoch; "
            "leave out one of them"
        )
