"""The fully connected layer."""

from __future__ import annotations

from functools import partial

from minidl import parallel
from minidl.backend import Array, namespace
from minidl.errors import ConfigError, ShapeError
from minidl.initializers import Constant, FanIn, Initializer
from minidl.kernels import cpu as kernels
from minidl.kernels import products
from minidl.layers.base import Layer, Parameter, Shape
from minidl.layers.outer import OuterProduct, is_thin
from minidl.random import Seeds


class Dense(Layer):
    """Every output is a weighted sum of every input, plus a bias.

    Forward, for a batch of N examples with D inputs and K outputs each::

        y = x W + b                      (N, K) = (N, D) (D, K) + (K,)

    Backward::

        dW = x^T dy                      (D, K)
        db = sum over the batch of dy    (K,)
        dx = dy W^T                      (N, D)

    Parameters
    ----------
    units : int
        Number of outputs K.
    bias : bool
        Whether there is a `b`.
    weight_init, bias_init : Initializer, optional
        Defaults: normal with standard deviation ``1 / sqrt(D)``, and zero.

    Examples
    --------
    >>> import numpy as np
    >>> layer = Dense(2, weight_init=Constant(1.0))
    >>> layer.build((3,))
    (2,)
    >>> layer.forward(np.array([[1, 2, 3]], np.float32))
    array([[6., 6.]], dtype=float32)

    References
    ----------
    Lecture UU ("fully connected layer"); Nielsen, chapter 2, equations BP1 to BP4.
    """

    def __init__(
        self,
        units: int,
        *,
        bias: bool = True,
        weight_init: Initializer | None = None,
        bias_init: Initializer | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(units, int) or units < 1:
            raise ConfigError(f"Dense: units must be a whole number of at least 1, got {units!r}")
        self.units = units
        self.bias = bias
        self.weight_init = weight_init or FanIn()
        self.bias_init = bias_init or Constant(0.0)

    def setup(self, input_shape: Shape, seeds: Seeds) -> Shape:
        if len(input_shape) != 1:
            raise ShapeError(
                f"{self.name}: expected inputs of shape (features,), got {input_shape}; put Flatten() before it"
            )
        (features,) = input_shape
        draw = seeds.generator("init")
        shape = (features, self.units)
        self.parameters["weight"] = Parameter(self.weight_init(shape, features, self.units, draw, self.dtype))
        if self.bias:
            bias = self.bias_init((self.units,), features, self.units, draw, self.dtype)
            self.parameters["bias"] = Parameter(bias, decay=False)
        return (self.units,)

    def forward(self, x: Array, train: bool = False) -> Array:
        self._check_input(x)
        y = self.product(x, train)
        if self.bias:
            y += self.parameters["bias"].value
        self._cache = x
        return y

    def product(self, x: Array, train: bool) -> Array:
        """Return ``x W``, in the memory order that suits the input."""
        return products.dense_forward(x, self.parameters["weight"].value, out=self.room(x, train))

    def room(self, x: Array, train: bool) -> Array:
        """Return the array for the outputs, in the memory order that suits the input."""
        # Inputs from a convolution come in batch-last memory, (D, N); the layers above are fastest if
        # everything stays in one order. Small batches are turned, which costs nothing beside the weights.
        if kernels.is_batch_last(x) and x.shape[0] > products.LARGEST_BATCH:
            return self._output((self.units, x.shape[0]), x, train).T
        return self._output((x.shape[0], self.units), x, train)

    def backward(self, dy: Array) -> Array:
        x = self._saved(dy)
        weight = self.parameters["weight"].value
        turned = kernels.is_batch_last(x) or products.better_turned(dy, weight)
        dx = self._scratch("dx", x.shape[::-1], x).T if turned else self._scratch("dx", x.shape, x)
        parallel.both(
            partial(self.backward_parameters, dy),
            partial(products.dense_backward_input, dy, weight, out=dx),
            work=x.shape[0] * weight.size,
        )
        return dx if kernels.is_batch_last(x) else namespace(x).ascontiguousarray(dx)

    def backward_parameters(self, dy: Array) -> None:
        x = self._saved(dy)
        weight = self.parameters["weight"]
        space = partial(self._scratch, "dW", weight.value.shape, x)
        if is_thin(x, dy):
            weight.product = OuterProduct(x, dy, space)  # multiplied out when it is needed
        else:
            weight.grad = products.dense_backward_weight(x, dy, out=space())
        if self.bias:
            self.parameters["bias"].grad = dy.sum(axis=0)

    def flops(self) -> int:
        return 2 * self.input_shape[0] * self.units
