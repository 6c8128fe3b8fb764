"""What a layer is: parameters, buffers, and the pair forward / backward.

A network computes ``y = f_L(... f_2(f_1(x)))``. Backpropagation needs two products from each layer:
given ``dy``, the gradient of the loss with respect to its output, the gradient with respect to its
input (returned, for the layer below) and with respect to its parameters (kept, for the optimizer).
There is no automatic differentiation: each layer writes both down (lecture TUE, "modules").

The rules every layer keeps, and `tests/contracts` checks:

- the mode is an argument, and evaluation is the default: ``forward(x)`` twice gives the same bits;
- gradients are overwritten by ``backward``, never accumulated;
- neither ``x`` nor ``dy`` is changed; an array returned by ``forward(x, train=True)`` or ``backward``
  stays valid until the next such call, what ``forward(x)`` returns for good;
- float32 in, float32 everywhere; float64 in, float64 everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minidl.backend import Array, device_of, namespace, require_same_device, to_device
from minidl.errors import CheckpointError, ConfigError, ShapeError, StateError
from minidl.layers.outer import OuterProduct
from minidl.random import Seeds, as_seeds

Shape = tuple[Any, ...]


class Parameter:
    """A trained array and its gradient.

    Parameters
    ----------
    value : array
        The weights. Optimizers change it in place.
    decay : bool
        Whether weight decay and L1/L2 penalties apply to it: true for weights, false for biases and
        for the scale and shift of a normalisation.

    Attributes
    ----------
    grad : array or None
        Gradient of the mean loss, same shape as `value`; None before the first backward pass.
    product : OuterProduct or None
        The same gradient as two thin factors, where a layer left it like this; `grad` multiplies them
        out when it is first asked for.
    frozen : bool
        Whether optimizers and penalties leave it alone; see `minidl.transfer.freeze`.
    lr_factor : float
        Its learning rate is the optimizer's times this; see `minidl.transfer.set_lr_factors`.
    """

    __slots__ = ("value", "product", "decay", "frozen", "lr_factor", "_grad")

    def __init__(self, value: Array, decay: bool = True) -> None:
        self.value = value
        self.decay = decay
        self.frozen = False
        self.lr_factor = 1.0
        self.product: OuterProduct | None = None
        self._grad: Array | None = None

    @property
    def grad(self) -> Array | None:
        if self.product is not None:
            self._grad, self.product = self.product.whole(), None
        return self._grad

    @grad.setter
    def grad(self, gradient: Array | None) -> None:
        self.product, self._grad = None, gradient

    def __repr__(self) -> str:
        return f"Parameter(shape={self.value.shape}, dtype={self.value.dtype}, decay={self.decay})"


class Layer:
    """Base class of all layers.

    A subclass implements `forward` and `backward`, and, if it has parameters or its output shape
    differs from its input shape, `setup`.

    Attributes
    ----------
    name : str
        The class name with the layer's dotted path once it is part of a network; error messages
        start with it.
    parameters : dict of str to Parameter
        Trained arrays, in definition order.
    buffers : dict of str to array
        Saved but not trained, such as the running mean of a batch normalisation.
    input_shape, output_shape : tuple of int or None
        Shapes without the batch axis, known after `build`.
    per_example : bool
        Whether every example is treated on its own, so that a batch may be split among threads.
    """

    per_example = False

    def __init__(self) -> None:
        self.name = type(self).__name__
        self.parameters: dict[str, Parameter] = {}
        self.buffers: dict[str, Array] = {}
        self.input_shape: Any = None
        self.output_shape: Any = None
        self.dtype: np.dtype | None = None
        self._cache: Any = None
        self._batch = 0
        self._workspace: dict[str, Array] = {}

    def build(
        self, input_shape: Shape, rng: int | Seeds | np.random.Generator = 0, dtype: Any = np.float32
    ) -> Shape:
        """Fix the shapes and draw the initial parameters.

        Parameters
        ----------
        input_shape : tuple of int
            Shape of one example, without the batch axis.
        rng : int, Seeds or numpy.random.Generator
            Where the initial values come from. The same seed gives the same values on every device.
        dtype : {float32, float64}
            Type of the parameters and of everything the layer computes.

        Returns
        -------
        tuple of int
            Shape of one output, without the batch axis.

        Raises
        ------
        ShapeError
            If the layer cannot take inputs of this shape.
        ConfigError
            If `dtype` is not float32 or float64.
        """
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.float32, np.float64):
            raise ConfigError(f"{self.name}: dtype must be float32 or float64, got {self.dtype}")
        self.input_shape = _checked_shape(self.name, input_shape)
        self.parameters, self.buffers, self._cache = {}, {}, None
        self._workspace.clear()
        self.output_shape = self.setup(self.input_shape, as_seeds(rng))
        return self.output_shape

    def setup(self, input_shape: Shape, seeds: Seeds) -> Shape:
        """Create parameters and buffers of type ``self.dtype``; return the output shape.

        The default is a layer without parameters whose output has the shape of its input.
        """
        return input_shape

    def forward(self, x: Array, train: bool = False) -> Array:
        """Compute the output for a batch and keep what `backward` needs.

        Parameters
        ----------
        x : array, shape (N, *input_shape)
        train : bool
            True while training: dropout drops, batch normalisation uses the batch's statistics.

        Returns
        -------
        array, shape (N, *output_shape)
        """
        raise NotImplementedError

    def backward(self, dy: Array) -> Array:
        """Set the gradient of every parameter and return the gradient of the input.

        Parameters
        ----------
        dy : array, shape (N, *output_shape)
            Gradient of the loss with respect to the last output.

        Returns
        -------
        array, shape (N, *input_shape)
        """
        raise NotImplementedError

    def backward_parameters(self, dy: Array) -> None:
        """Set the gradient of every parameter, and nothing else.

        The first layer of a network has no layer below it that would want ``dx``; layers for which
        ``dx`` is expensive override this to skip it.
        """
        self.backward(dy)

    def flops(self) -> int:
        """Return the floating-point operations of one forward pass for one example.

        A multiplication and an addition count as two; elementwise functions count as none.
        """
        return 0

    # Walking a network -----------------------------------------------------------------------

    def children(self) -> list[tuple[str, Any]]:
        """Return the layers inside this one as (name, layer), in definition order."""
        return []

    def named_layers(self, prefix: str = "") -> Iterator[tuple[str, Any]]:
        """Yield (dotted path, layer) for this layer and everything inside it, in definition order."""
        yield prefix, self
        for name, child in self.children():
            path = f"{prefix}.{name}" if prefix else name
            if isinstance(child, Layer):
                yield from child.named_layers(path)
            else:
                yield path, child

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Yield (dotted path, Parameter) in definition order, such as ``("1.weight", …)``."""
        for path, layer in self.named_layers():
            for name, parameter in (getattr(layer, "parameters", None) or {}).items():
                yield (f"{path}.{name}" if path else name), parameter

    def named_buffers(self) -> Iterator[tuple[str, Array]]:
        """Yield (dotted path, array) of every buffer in definition order."""
        for path, layer in self.named_layers():
            for name, buffer in (getattr(layer, "buffers", None) or {}).items():
                yield (f"{path}.{name}" if path else name), buffer

    def named_generators(self) -> Iterator[tuple[str, np.random.Generator]]:
        """Yield (dotted path, generator) of every layer that draws random numbers while training."""
        for path, layer in self.named_layers():
            generator = getattr(layer, "generator", None)
            if generator is not None:
                yield path, generator

    def parameter_count(self) -> int:
        """Return how many numbers are trained."""
        return sum(int(parameter.value.size) for _, parameter in self.named_parameters())

    # Saving, loading, moving -----------------------------------------------------------------

    def state_dict(self) -> dict[str, Array]:
        """Return parameters and buffers by dotted path. The arrays are not copied."""
        state = {path: parameter.value for path, parameter in self.named_parameters()}
        state.update(self.named_buffers())
        return state

    def load_state_dict(self, state: dict[str, Array], strict: bool = True) -> None:
        """Copy arrays into the parameters and buffers of the same dotted path.

        Parameters
        ----------
        state : dict of str to array
        strict : bool
            If true every path must be there, and none besides. Otherwise paths that only one side
            has are left alone.

        Raises
        ------
        CheckpointError
            Lists every missing, unexpected and differently shaped array; nothing is changed then.
        """
        own = self.state_dict()
        problems = []
        if strict:
            problems += [f"missing {path}" for path in own if path not in state]
            problems += [f"unexpected {path}" for path in state if path not in own]
        common = [path for path in own if path in state]
        problems += [
            f"{path} has shape {tuple(state[path].shape)} where the model has {tuple(own[path].shape)}"
            for path in common
            if tuple(state[path].shape) != tuple(own[path].shape)
        ]
        if problems:
            raise CheckpointError(
                f"{self.name}: the saved state does not fit this model: " + "; ".join(problems)
            )
        for path in common:
            own[path][...] = to_device(state[path], device_of(own[path]))

    def to(self, device: str | None = None, dtype: Any = None) -> Layer:
        """Move parameters and buffers to a device, or change their type; return the layer itself.

        Gradients and whatever `backward` had kept are dropped: run `forward` again.
        """
        for _, layer in self.named_layers():
            if not isinstance(layer, Layer):
                continue
            layer._cache = None
            for parameter in layer.parameters.values():
                parameter.value = _converted(parameter.value, device, dtype)
                parameter.grad = None
            for name, buffer in layer.buffers.items():
                layer.buffers[name] = _converted(buffer, device, dtype)
            if dtype is not None:
                layer.dtype = np.dtype(dtype)
            layer._workspace.clear()
        for _, layer in self.named_layers():  # what a container plans depends on where its layers are
            if isinstance(layer, Layer):
                layer.plan()
        return self

    def plan(self) -> None:
        """Work out anew what a container derives from its layers; for one that has been changed or moved."""

    def summary(self) -> None:
        """Print a table of the layers with output shapes, parameters and FLOPs per example."""
        from minidl.layers.summary import summarise

        print(summarise(self))

    # Arrays a layer owns ------------------------------------------------------------------------

    def _scratch(self, key: str, shape: Shape, like: Array, dtype: Any = None) -> Array:
        """Return an uninitialised array of the type of `like`, the same one again for the same shape.

        Asking the system for megabytes of fresh memory at each step costs more than filling them.
        """
        dtype = like.dtype if dtype is None else dtype
        owned = self._workspace.get(key)
        if owned is None or owned.shape != shape or owned.dtype != dtype or type(owned) is not type(like):
            owned = self._workspace[key] = namespace(like).empty(shape, dtype)
        return owned

    def _scratch_like(self, key: str, x: Array) -> Array:
        """Return an uninitialised array with the shape, type and memory order of `x`, kept as by `_scratch`."""
        owned = self._workspace.get(key)
        if owned is None or owned.shape != x.shape or owned.strides != x.strides or owned.dtype != x.dtype:
            owned = self._workspace[key] = namespace(x).empty_like(x)
        return owned

    def _output(self, shape: Shape, like: Array, train: bool) -> Array:
        """Return the array for an output: reused from step to step in training, fresh otherwise."""
        return self._scratch("output", shape, like) if train else namespace(like).empty(shape, like.dtype)

    def _output_like(self, x: Array, train: bool) -> Array:
        """Like `_output`, with the shape and the memory order of `x`."""
        return self._scratch_like("output", x) if train else namespace(x).empty_like(x)

    # Checks shared by the layers --------------------------------------------------------------

    def _check_input(self, x: Array) -> None:
        if self.input_shape is None:
            raise StateError(f"{self.name}: call build(input_shape) before forward")
        if getattr(getattr(x, "dtype", None), "kind", "") != "f":
            kind = getattr(x, "dtype", type(x).__name__)
            raise ConfigError(
                f"{self.name}: expected an array of floating-point numbers, got {kind}; for images of bytes "
                "write images.astype('float32') / 255"
            )
        if tuple(x.shape[1:]) != self.input_shape or len(x.shape) < 1:
            raise ShapeError(
                f"{self.name}: expected an input of shape (N, {', '.join(map(str, self.input_shape))}), "
                f"got {tuple(x.shape)}"
            )
        self._batch = x.shape[0]
        for parameter in self.parameters.values():
            require_same_device(self.name, x, parameter.value)
            break

    def _saved(self, dy: Array) -> Any:
        """Return what `forward` kept, after checking that `dy` fits the output it returned."""
        if self._cache is None:
            raise StateError(f"{self.name}: backward was called before forward")
        if self.output_shape and isinstance(self.output_shape[0], tuple):
            return self._cache  # several heads: `Branches` checks them one by one
        got = tuple(getattr(dy, "shape", ()))
        # A subclass that never calls `_check_input` leaves the batch size unknown.
        expected = (self._batch or (got[0] if got else 0), *self.output_shape)
        if got != expected:
            raise ShapeError(
                f"{self.name}: backward expected a gradient of shape {expected}, that of the last output, got {got}"
            )
        return self._cache


def _checked_shape(name: str, shape: Shape) -> Shape:
    try:
        checked = tuple(int(size) for size in shape)
    except TypeError:
        raise ShapeError(
            f"{name}: input_shape must be a tuple of integers, got {shape!r}; the heads of a Branches can be "
            "joined with merge='concat'"
        ) from None
    if any(size < 1 for size in checked):
        raise ShapeError(f"{name}: every size in input_shape must be at least 1, got {checked}")
    return checked


def _converted(x: Array, device: str | None, dtype: Any) -> Array:
    if dtype is not None and x.dtype.kind == "f":
        x = x.astype(dtype)
    return x if device is None else to_device(x, device)
