"""The first layer's filters as they develop."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidl.backend import to_cpu
from minidl.errors import ConfigError
from minidl.monitoring.place import Place
from minidl.monitoring.sampler import Sampler
from minidl.monitoring.storage import Notes, Stack, Table

LIMIT = 20  # filters, as many as lecture UU shows


class Filters(Sampler):
    """Keep the first 20 filters of the first layer each time the number of steps has doubled.

    Smooth filters speak for a trained network, noisy ones for one trained too briefly, with too high a
    rate or too little regularisation (FAU, TUE, AAR). Written to ``monitor/filters.safetensors``:
    ``filters`` (S, F, C, H, W), with the filters as they were before the first step in front. A Dense
    first layer counts when it sees whole images.

    Parameters
    ----------
    every : int, optional
        Keep the filters every so many steps instead.

    Attributes
    ----------
    stack : Stack
    """

    def __init__(self, every: int | None = None) -> None:
        super().__init__(every)
        self.stack = Stack("filters.safetensors")
        self.required = True

    def stores(self) -> list[Table | Stack | Notes]:
        return [self.stack]

    def begin(self) -> None:
        filters = first_filters(self.model)
        if filters is None and self.required:
            raise ConfigError(
                "Filters: the weights of the first layer are no images; it needs a convolution, or a Dense layer on "
                "inputs of shape (channels, height, width)"
            )
        if filters is not None and self._step == 0:
            self.stack.add(Place(0, 0, 0), {"filters": filters})

    def look(self, place: Place) -> None:
        last = self.stack.places[-1][1] if self.stack.places else 0
        if self.every is None and place.step < 2 * last:
            return
        filters = first_filters(self.model)
        if filters is not None:
            self.stack.add(place, {"filters": filters})


def first_filters(model: Any, limit: int = LIMIT) -> np.ndarray | None:
    """Return a copy of the first layer's filters, (F, C, H, W) of its dtype, or None if they are no images."""
    for _, parameter in model.named_parameters():
        weight, shape = parameter.value, model.input_shape
        if weight.ndim == 4:
            return to_cpu(weight[:limit]).copy()
        if weight.ndim == 2:
            if len(shape) != 3 or math.prod(shape) != weight.shape[0]:
                return None
            # The units one after another; a copy in this order, whatever the order of the weights.
            return np.ascontiguousarray(to_cpu(weight[:, :limit]).T.reshape(-1, *shape))
    return None
