"""The rules of a layer, each as a function that fails with a sentence.

`test_layers` holds the library to them; `test_contract_catches` shows that each one bites. A check is
called as ``check(make, input_shape, dtype)``, where `make` returns a new layer that is not built.
"""

from __future__ import annotations

import importlib
import pkgutil

import numpy as np
import pytest

import minidl.layers
from minidl.errors import ConfigError, ShapeError, StateError
from minidl.gradcheck import check_layer
from minidl.layers.base import Layer
from minidl.layers.fused import Block, ConvMaxPool
from minidl.layers.stacked import StackedConv2D, StackedDense, StackedDropout

BATCH = 4
TOLERANCE = {np.dtype(np.float32): 2e-5, np.dtype(np.float64): 1e-11}


def built(make, input_shape, dtype, rng=0):
    layer = make()
    layer.build(input_shape, rng, dtype)
    return layer


def data(input_shape, dtype, batch=BATCH, seed=0):
    return np.random.default_rng(seed).uniform(-2, 2, (batch, *input_shape)).astype(dtype)


def as_list(outputs):
    return list(outputs) if isinstance(outputs, tuple | list) else [outputs]


def copies(outputs):
    return [y.copy() for y in as_list(outputs)]


def upstream(outputs, seed=1):
    """Return a gradient with the structure of the outputs."""
    generator = np.random.default_rng(seed)
    drawn = [generator.uniform(-1, 1, y.shape).astype(y.dtype) for y in as_list(outputs)]
    return tuple(drawn) if isinstance(outputs, tuple | list) else drawn[0]


def gradients(layer):
    return {path: np.array(parameter.grad) for path, parameter in layer.named_parameters()}


def passes(layer, x, train=True):
    """Run forward and backward and return copies of everything they give, by name."""
    y = layer.forward(x, train)
    found = {f"output {k}": array for k, array in enumerate(copies(y))}
    found["dx"] = np.array(layer.backward(upstream(y)))
    return {**found, **gradients(layer)}


def assert_same(found, wanted, tolerance, what):
    assert list(found) == list(wanted)
    for name in wanted:
        assert found[name].shape == wanted[name].shape, f"{name}: another shape {what}"
        # The order of a sum may differ, and with it the last digits, in proportion to the largest terms.
        np.testing.assert_allclose(
            found[name],
            wanted[name],
            rtol=tolerance,
            atol=tolerance * max(1.0, float(np.abs(wanted[name]).max(initial=0))),
            err_msg=f"{name} differs {what}",
        )


def declared_shape_is_real(make, input_shape, dtype):
    layer = make()
    declared = layer.build(input_shape, 0, dtype)
    assert declared == layer.output_shape
    for train in (False, True):
        y = layer.forward(data(input_shape, dtype), train)
        shapes = declared if isinstance(y, tuple | list) else (declared,)
        real = [array.shape for array in as_list(y)]
        assert real == [(BATCH, *shape) for shape in shapes], f"declared shape {declared}, real output {real}"
        dx = layer.backward(upstream(y))
        assert dx.shape == (BATCH, *input_shape), f"dx has shape {dx.shape}"
        for path, parameter in layer.named_parameters():
            assert parameter.grad.shape == parameter.value.shape, (
                f"gradient of {path} has shape {parameter.grad.shape}"
            )


def dtype_is_kept(make, input_shape, dtype):
    layer = built(make, input_shape, dtype)
    for train in (True, False):
        y = layer.forward(data(input_shape, dtype), train)
        arrays = {f"output {k}": array for k, array in enumerate(as_list(y))}
        arrays["dx"] = layer.backward(upstream(y))
        for path, parameter in layer.named_parameters():
            arrays[path], arrays[f"gradient of {path}"] = parameter.value, parameter.grad
        arrays.update((path, buffer) for path, buffer in layer.named_buffers() if buffer.dtype.kind == "f")
        for name, array in arrays.items():
            assert array.dtype == dtype, f"wrong dtype: {name} is {array.dtype} for {np.dtype(dtype)} input"


def arguments_are_not_changed(make, input_shape, dtype):
    for train in (False, True):
        layer = built(make, input_shape, dtype)
        x = data(input_shape, dtype)
        before = x.copy()
        y = layer.forward(x, train)
        dy = upstream(y)
        dy_before = copies(dy)
        layer.backward(dy)
        assert all(map(np.array_equal, as_list(dy), dy_before)), "backward changed dy"
        layer.backward_parameters(dy)
        assert all(map(np.array_equal, as_list(dy), dy_before)), "backward_parameters changed dy"
        assert np.array_equal(x, before), "the input x was changed"


def evaluation_is_repeatable(make, input_shape, dtype):
    layer = built(make, input_shape, dtype)
    x = data(input_shape, dtype)
    layer.forward(x, train=True)
    state = {path: array.copy() for path, array in layer.state_dict().items()}
    first = copies(layer.forward(x))
    second = as_list(layer.forward(x))
    assert all(map(np.array_equal, first, second)), "forward(x) twice in evaluation gives two results"
    for path, array in layer.state_dict().items():
        assert np.array_equal(array, state[path]), f"evaluation changed {path}"


def backward_follows_either_mode(make, input_shape, dtype):
    """Backward belongs to the last forward, whatever was run before it and with however many examples."""
    x, other = data(input_shape, dtype), data(input_shape, dtype, batch=2 * BATCH, seed=5)
    for train in (False, True):
        fresh, used = built(make, input_shape, dtype), built(make, input_shape, dtype)
        for path, buffer in used.named_buffers():
            assert buffer.shape == dict(fresh.named_buffers())[path].shape
        y = used.forward(other, not train)
        used.backward(upstream(y))
        used.forward(other, train)
        # Running statistics and masks have moved on; the comparison is about what backward keeps.
        fresh.load_state_dict(used.state_dict())
        for (_, ahead), (_, behind) in zip(used.named_generators(), fresh.named_generators(), strict=True):
            behind.bit_generator.state = ahead.bit_generator.state
        assert_same(passes(used, x, train), passes(fresh, x, train), 0, "after other calls")


def gradients_are_overwritten(make, input_shape, dtype):
    layer = built(make, input_shape, dtype)
    y = layer.forward(data(input_shape, dtype), train=True)
    dy = upstream(y)
    first = {"dx": np.array(layer.backward(dy)), **gradients(layer)}
    second = {"dx": np.array(layer.backward(dy)), **gradients(layer)}
    for name in first:
        assert np.array_equal(first[name], second[name]), (
            f"{name} is added up or changed by a second backward"
        )


def returned_arrays_stay_valid(make, input_shape, dtype):
    for train in (False, True):
        layer = built(make, input_shape, dtype)
        y = layer.forward(data(input_shape, dtype), train)
        y_before = copies(y)
        dx = layer.backward(upstream(y))
        assert all(map(np.array_equal, as_list(y), y_before)), "backward changed the output of forward"
        dx_before, grads = dx.copy(), gradients(layer)
        layer.forward(data(input_shape, dtype, seed=3), not train)
        assert np.array_equal(dx, dx_before), "the next forward changed the dx of the last backward"
        for name, grad in gradients(layer).items():
            assert np.array_equal(grad, grads[name]), f"the next forward changed the gradient of {name}"
    # What evaluation returns belongs to the caller, who may collect the predictions of many batches.
    layer = built(make, input_shape, dtype)
    y = layer.forward(data(input_shape, dtype))
    y_before = copies(y)
    layer.forward(data(input_shape, dtype, seed=3))
    assert all(map(np.array_equal, as_list(y), y_before)), "the next forward changed an output of evaluation"


def gradients_are_right(make, input_shape, dtype):
    for train in (False, True):
        report = check_layer(make(), input_shape, train=train)
        report.raise_if_failed()
        assert report.error < 1e-6
        assert len(report.tensors) == 1 + len(list(built(make, input_shape, dtype).named_parameters()))


def parameters_alone_get_the_same_gradients(make, input_shape, dtype):
    for train in (False, True):
        layer = built(make, input_shape, dtype)
        dy = upstream(layer.forward(data(input_shape, dtype), train))
        layer.backward(dy)
        wanted = gradients(layer)
        for _, parameter in layer.named_parameters():
            parameter.grad = None
        assert layer.backward_parameters(dy) is None
        for name, grad in gradients(layer).items():
            assert np.array_equal(grad, wanted[name]), (
                f"backward_parameters gives another gradient for {name}"
            )


def one_example_is_a_batch(make, input_shape, dtype):
    layer = built(make, input_shape, dtype)
    x = data(input_shape, dtype)
    layer.forward(x, train=True)
    every = copies(layer.forward(x))
    for k in range(BATCH):
        one = as_list(layer.forward(x[k : k + 1]))
        assert_same(
            {str(i): y for i, y in enumerate(one)},
            {str(i): y[k : k + 1] for i, y in enumerate(every)},
            TOLERANCE[np.dtype(dtype)],
            "for a batch of one",
        )
    for train in (False, True):
        for name, array in passes(layer, x[:1], train).items():
            assert np.isfinite(array).all(), f"{name} is not finite for a batch of one, train={train}"


def memory_orders(x):
    """Yield (description, array of equal values) in other memory orders."""
    yield "in Fortran order", np.asfortranarray(x)
    wide = np.full((2 * x.shape[0], *x.shape[1:-1], 3 * x.shape[-1]), np.nan, x.dtype)
    view = wide[::2, ..., ::3]
    view[...] = x
    yield "strided", view
    yield "with negative strides", np.ascontiguousarray(x[::-1, ..., ::-1])[::-1, ..., ::-1]
    yield "with the batch last in memory", np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 0, -1)), -1, 0)
    if x.ndim == 4:
        yield "with the channels last in memory", x.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)
    locked = x.copy()
    locked.flags.writeable = False
    yield "read-only", locked


def memory_order_does_not_matter(make, input_shape, dtype):
    x = data(input_shape, dtype)
    for train in (False, True):
        reference = built(make, input_shape, dtype)
        outputs = reference.forward(x, train)
        wanted = {f"output {k}": y for k, y in enumerate(copies(outputs))}
        dy = upstream(outputs)
        wanted.update(dx=np.array(reference.backward(dy)), **gradients(reference))
        ways = zip(memory_orders(x), *(memory_orders(part) for part in as_list(dy)), strict=False)
        for (what, array), *parts in ways:
            assert np.array_equal(array, x)
            layer = built(make, input_shape, dtype)
            y = layer.forward(array, train)
            found = {f"output {k}": part for k, part in enumerate(copies(y))}
            turned = [part for _, part in parts]
            dx = layer.backward(tuple(turned) if isinstance(outputs, tuple | list) else turned[0])
            found.update(dx=np.array(dx), **gradients(layer))
            assert_same(found, wanted, TOLERANCE[np.dtype(dtype)], what)


def state_survives_saving(make, input_shape, dtype):
    layer, other = built(make, input_shape, dtype), built(make, input_shape, dtype, rng=1)
    x = data(input_shape, dtype)
    layer.forward(x, train=True)
    for _, parameter in layer.named_parameters():
        parameter.value += np.asarray(0.1, dtype)
    state = {path: array.copy() for path, array in layer.state_dict().items()}
    other.load_state_dict(state)
    assert list(other.state_dict()) == list(state)
    for path, array in other.state_dict().items():
        assert array.dtype == state[path].dtype and np.array_equal(array, state[path]), path
        assert array is not state[path], f"load_state_dict keeps the caller's array for {path}"
    found, wanted = as_list(other.forward(x)), as_list(layer.forward(x))
    assert all(map(np.array_equal, found, wanted)), "another output after loading"


def seed_decides_parameters(make, input_shape, dtype):
    first, again, other = (built(make, input_shape, dtype, rng) for rng in (7, 7, 8))
    for path, array in first.state_dict().items():
        assert np.array_equal(array, again.state_dict()[path]), (
            f"{path} differs between two builds with one seed"
        )
    weights = [path for path, parameter in first.named_parameters() if parameter.decay]
    for path in weights:
        assert not np.array_equal(first.state_dict()[path], other.state_dict()[path]), (
            f"{path} ignores the seed"
        )


def wrong_input_is_named(make, input_shape, dtype):
    layer = built(make, input_shape, dtype)
    wrong = (input_shape[0] + 1, *input_shape[1:])
    for shape in ((BATCH, *wrong), (BATCH, *input_shape, 2)):
        with pytest.raises(ShapeError) as caught:
            layer.forward(np.zeros(shape, dtype))
        message = str(caught.value)
        assert layer.name in message, f"the message does not name the layer: {message}"
        assert ", ".join(map(str, input_shape)) in message, f"the expected shape is missing: {message}"
        assert str(shape) in message, f"the shape that was given is missing: {message}"
    for bad in (np.zeros((BATCH, *input_shape), np.uint8), [[1.0]]):
        with pytest.raises(ConfigError, match="expected an array of floating-point numbers") as refused:
            layer.forward(bad)
        assert layer.name in str(refused.value)
    outputs = layer.forward(data(input_shape, dtype))
    for another in (lambda y: (*y.shape, 2), lambda y: (1, *y.shape[1:])):  # the second would broadcast
        gradients = [np.zeros(another(y), dtype) for y in as_list(outputs)]
        with pytest.raises(ShapeError, match="backward expected a gradient of shape") as caught:
            layer.backward(tuple(gradients) if isinstance(outputs, tuple | list) else gradients[0])
        assert str(gradients[0].shape) in str(caught.value)


def order_of_calls_is_checked(make, input_shape, dtype):
    layer = make()
    with pytest.raises(StateError, match=r"build.*before forward"):
        layer.forward(data(input_shape, dtype))
    layer.build(input_shape, 0, dtype)
    shapes = layer.output_shape
    several = bool(shapes) and isinstance(shapes[0], tuple)
    dy = tuple(np.zeros((1, *shape), dtype) for shape in shapes) if several else np.zeros((1, *shapes), dtype)
    with pytest.raises(StateError, match=r"backward was called before forward"):
        layer.backward(dy)
    with pytest.raises(StateError, match=r"backward was called before forward"):
        layer.backward_parameters(dy)


CHECKS = (
    declared_shape_is_real,
    dtype_is_kept,
    arguments_are_not_changed,
    evaluation_is_repeatable,
    backward_follows_either_mode,
    gradients_are_overwritten,
    returned_arrays_stay_valid,
    gradients_are_right,
    parameters_alone_get_the_same_gradients,
    one_example_is_a_batch,
    memory_order_does_not_matter,
    state_survives_saving,
    seed_decides_parameters,
    wrong_input_is_named,
    order_of_calls_is_checked,
)


def library_layers():
    """Return every public subclass of Layer that minidl defines, in whatever module.

    Those of minidl.grading wrap the classes of a student and cannot be built without one.
    """
    for module in pkgutil.walk_packages(minidl.layers.__path__, "minidl.layers."):
        importlib.import_module(module.name)
    found, queue = set(), [Layer]
    while queue:
        for kind in queue.pop().__subclasses__():
            queue.append(kind)
            inside = kind.__module__.startswith("minidl.") and not kind.__module__.startswith("minidl.grading.")
            if inside and not kind.__name__.startswith("_"):
                found.add(kind)
    # What a Sequential or a stack makes of built layers; tests/layers has test_fused.py and test_stacked.py for it.
    return found - {Block, ConvMaxPool, StackedConv2D, StackedDense, StackedDropout}


def missing_from(cases, kinds):
    """Return the names of the layer classes that no case has on its outside."""
    covered = {type(case.make()) for case in cases}
    return sorted(kind.__name__ for kind in kinds if kind not in covered)
