"""What may be named in a configuration file or on a command line: the library's own classes.

Each function returns a dictionary from class names to classes for `minidl.expressions.build`. A class
that is public in its module can be named; nothing needs to be registered.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

Names = dict[str, Callable[..., Any]]


def layers() -> Names:
    """Layers and containers, with the initializers that their options take."""
    import minidl.layers as module
    from minidl.layers import Layer

    return {**_classes(module, Layer), **initializers()}


def initializers() -> Names:
    """Initializers, Nielsen's included."""
    from minidl import initializers as module

    own = [item for item in vars(module).values() if getattr(item, "__module__", "") == module.__name__]
    return {item.__name__: item for item in own if not item.__name__.startswith("_")}


def losses() -> Names:
    """Losses."""
    from minidl import losses as module
    from minidl.loss import Loss

    return _classes(module, Loss)


def optimizers() -> Names:
    """Optimizers."""
    from minidl import optimizers as module
    from minidl.optimizer import Optimizer

    return _classes(module, Optimizer)


def regularizers() -> Names:
    """Penalties on weights."""
    from minidl import regularizers as module

    return _classes(module, module.Regularizer)


def schedules() -> Names:
    """Learning-rate schedules."""
    from minidl import schedules as module

    return _classes(module, module.Schedule)


def augmentations() -> Names:
    """Augmentations, those that combine others included."""
    from minidl.data import augment as module

    return _classes(module, module.Augmentation)


def mixes() -> Names:
    """Ways to blend the examples of a batch."""
    from minidl.data import mix as module

    return _classes(module, module.Mix)


def callbacks() -> Names:
    """What hangs on the training loop; the guard and the progress bar hang there anyway."""
    from minidl import training as module

    found = _classes(module, module.Callback)
    return {name: item for name, item in found.items() if item not in (module.NaNGuard, module.Progress)}


def monitors() -> Names:
    """Callbacks that watch a training."""
    from minidl import monitoring as module
    from minidl.training.callbacks import Callback

    return _classes(module, Callback)


def samplers() -> Names:
    """What chooses the examples of an epoch; each takes the labels as its first argument."""
    from minidl.data.resample import BalancedSampling, OverSampling, UnderSampling

    return {kind.__name__: kind for kind in (BalancedSampling, OverSampling, UnderSampling)}


def _classes(module: ModuleType, base: type) -> Names:
    public = inspect.getmembers(module, inspect.isclass)
    return {
        name: item
        for name, item in public
        if issubclass(item, base) and item is not base and not name.startswith("_")
    }
