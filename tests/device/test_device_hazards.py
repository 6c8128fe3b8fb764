"""Mistakes planted in a training step: the checks must find every one of them.

Half of these a real device lets pass in silence: they cost time, or give other numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minidl.backend import namespace
from minidl.errors import DeviceError
from minidl.layers import Dense, Sequential
from minidl.layers.base import Layer
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import SGD
from tests.device.checks import require_clean
from tests.device.fake import FAKE, LEDGER, Hazard, from_host


class Planted(Layer):
    """A layer that passes on what it is given, after doing something in between."""

    def __init__(self, does: Any) -> None:
        super().__init__()
        self.does = does

    def forward(self, x: Any, train: bool = False) -> Any:
        self._check_input(x)
        self._cache = True
        y = self.does(x, namespace(x))
        return x if y is None else y

    def backward(self, dy: Any) -> Any:
        return dy


def train_step(does: Any, after_loss: Any = None) -> Any:
    model = Sequential([Dense(6), Planted(does), Dense(3)])
    model.build((4,), rng=0)
    model.to("fake")
    x = from_host(np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32))
    y = from_host(np.array([0, 1, 2, 0, 1]))
    loss, optimizer, parameters = SoftmaxCrossEntropy(), SGD(0.1), list(model.named_parameters())

    def step() -> None:
        value = loss.forward(model.forward(x, train=True), y)
        if after_loss is not None:
            after_loss(value)
        model.backward_parameters(loss.backward())
        optimizer.step(parameters)

    return step


def drop(_: Any) -> None:
    """Compute something and go on without it."""


def strided(xp: Any) -> Any:
    return xp.lib.stride_tricks.as_strided


def store_twice(x: Any, xp: Any) -> None:
    x.copy()[xp.asarray(1) * xp.zeros(2, "int64")] = 1.0


def wait_for_it(x: Any, xp: Any) -> None:
    xp.cuda.get_current_stream().synchronize()


HAZARDS = {
    "float": (lambda x, xp: drop(float(x.sum())), AssertionError, "float.x."),
    "int": (lambda x, xp: drop(int(x.argmax())), AssertionError, "int.x."),
    "branch": (lambda x, xp: x * 2 if xp.any(x > 0) else x, AssertionError, "bool.x."),
    "item": (lambda x, xp: drop(x[0, 0].item()), AssertionError, "item"),
    "format": (lambda x, xp: drop(f"{x.sum():.1f}"), AssertionError, "format"),
    "mask": (lambda x, xp: drop(x[x > 0].sum()), AssertionError, "mask"),
    "mask set": (lambda x, xp: x.__setitem__(x > -99, x.reshape(-1)), AssertionError, "mask"),
    "nonzero": (lambda x, xp: drop(xp.flatnonzero(x > 0)), AssertionError, "depends on the numbers"),
    "where": (lambda x, xp: drop(xp.where(x > 0)), AssertionError, "nonzero"),
    "numpy index": (lambda x, xp: x[np.arange(5)], AssertionError, "numpy_index"),
    "numpy take": (lambda x, xp: x.take(np.arange(5), axis=0), AssertionError, "numpy_index"),
    "list index": (lambda x, xp: x[[0, 1, 2, 3, 4]], AssertionError, "numpy_index"),
    "upload": (lambda x, xp: x * xp.asarray(np.ones(6, np.float32)), AssertionError, "asarray"),
    "upload of a list": (lambda x, xp: x * xp.array([1.0] * 6, "float32"), AssertionError, "asarray"),
    "windows": (lambda x, xp: drop(xp.lib.stride_tricks.sliding_window_view(x, 2, 1)), AssertionError, "sliding"),
    "wait": (wait_for_it, AssertionError, "synchronize"),
    "float64 scalar": (lambda x, xp: x * np.float64(2), Hazard, "float64"),
    "float64 array": (lambda x, xp: x + xp.ones(6), Hazard, "float64"),
    "float64 mean of integers": (lambda x, xp: x * (x > 0).mean(), Hazard, "float64"),
    "assigned twice": (store_twice, Hazard, "assigned twice"),
    "where=": (lambda x, xp: xp.add(x, x, where=x > 0), TypeError, "where"),
    "mode=": (lambda x, xp: xp.take(x, 0, mode="clip"), TypeError, "mode"),
    "initial=": (lambda x, xp: x.max(axis=1, initial=0), TypeError, "initial"),
    "writeable=": (lambda x, xp: strided(xp)(x, (5, 6), (24, 4), writeable=False), TypeError, "writeable"),
    "errstate": (lambda x, xp: drop(xp.errstate(all="ignore")), AttributeError, "errstate"),
    "frompyfunc": (lambda x, xp: xp.frompyfunc(abs, 1, 1)(x), AttributeError, "frompyfunc"),
    "setflags": (lambda x, xp: x.setflags(write=False), AttributeError, "setflags"),
    "ufunc.at": (lambda x, xp: xp.maximum.reduce(x), AttributeError, "reduce"),
    "numpy operand": (lambda x, xp: x + np.ones(6, np.float32), TypeError, "Unsupported type"),
    "numpy first": (lambda x, xp: np.ones(6, np.float32) + x, TypeError, "Unsupported type"),
    "list operand": (lambda x, xp: xp.add(x, [1] * 6), TypeError, "Unsupported type"),
    "numpy out": (lambda x, xp: xp.add(x, x, out=np.empty((5, 6), np.float32)), TypeError, "Unsupported type"),
    "numpy value": (lambda x, xp: x.__setitem__(slice(None), np.ones((5, 6), np.float32)), ValueError, "non-scalar"),
    "conversion": (lambda x, xp: drop(np.asarray(x)), TypeError, "Implicit conversion"),
}  # fmt: skip


@pytest.mark.parametrize("name", HAZARDS)
def test_a_hazard_in_a_step_is_found(device, name):
    does, error, text = HAZARDS[name]
    with pytest.raises(error, match=text):
        require_clean(train_step(does))


def test_reading_the_loss_in_a_step_is_found(device):
    with pytest.raises(AssertionError, match=r"float.x.*test_device_hazards"):
        require_clean(train_step(lambda x, xp: None, after_loss=float))


FINE = {
    "nothing": lambda x, xp: None,
    "numpy's function of a device array": lambda x, xp: np.exp(x),
    "numpy's sum of a device array": lambda x, xp: x * np.sum(x),
    "a float32 scalar": lambda x, xp: x * np.float32(2),
    "a Python number": lambda x, xp: 1 - 2 * x,
    "a mask that sets a number": lambda x, xp: x.__setitem__(x > 9, 1.0),
    "an index of the device": lambda x, xp: x[xp.arange(5)],
    "in place": lambda x, xp: x.__imul__(0.5),
    "windows by strides": lambda x, xp: (
        xp.lib.stride_tricks.as_strided(x, (5, 2, 3), (24, 12, 4)).sum() * 0 + x
    ),
    "out of a reduction": lambda x, xp: x * x.sum(axis=0, out=xp.empty(6, "float32")),
}


@pytest.mark.parametrize("name", FINE)
def test_what_a_real_device_does_by_itself_is_no_hazard(device, name):
    assert require_clean(train_step(FINE[name])).count > 0


def test_arrays_of_two_devices_are_named(device):
    x, y = np.ones((2, 4), np.float32), np.array([0, 1])
    model = Sequential([Dense(3)])
    model.build((4,))
    with pytest.raises(
        DeviceError, match=r"layer 0 \(Dense\): the input is on 'fake' but .* on 'cpu'; move the model"
    ):
        model.forward(from_host(x))
    outputs = model.forward(x)
    with pytest.raises(DeviceError, match="the outputs are on 'cpu' but the targets are on 'fake'"):
        SoftmaxCrossEntropy().forward(outputs, from_host(y))
    with pytest.raises(DeviceError, match="the weights are on 'fake'"):
        SoftmaxCrossEntropy().forward(outputs, y, from_host(np.ones(2, np.float32)))


# The fake itself ------------------------------------------------------------------------------------


def test_launches_are_counted_as_cupy_would_start_them(device):
    a, b = from_host(np.ones((6, 8), np.float32)), from_host(np.ones((8, 6), np.float32))
    square = from_host(np.ones((9, 9), np.float32))
    costs = {
        "sum": (lambda: a + a, 1),
        "in place": (lambda: a.__iadd__(1), 1),
        "product": (lambda: a @ b, 1),
        "product of a transpose": (lambda: a @ a.T, 1),
        "product of a part of the columns, which is copied first": (lambda: square[:, :6] @ b[:6], 2),
        "product into a part of the columns": (lambda: FAKE.matmul(b, a, out=square[:8, :8]), 2),
        "stack of transposes": (
            lambda: FAKE.ones((2, 3, 4)).transpose(0, 2, 1) @ FAKE.ones((2, 3, 5)),
            1 + 1 + 2,
        ),
        "view": (lambda: a.reshape(-1)[2:4], 0),
        "reshape that has to copy": (lambda: a.T.reshape(-1), 1),
        "contiguous already": (lambda: FAKE.ascontiguousarray(a), 0),
        "not contiguous": (lambda: FAKE.ascontiguousarray(a.T), 1),
        "product of two vectors": (lambda: a.reshape(-1).dot(a.reshape(-1)), 2),
        "same type": (lambda: a.astype("float32", copy=False), 0),
    }
    for name, (act, cost) in costs.items():
        with LEDGER.watched(float32_only=False) as seen:
            act()
        assert seen.count == cost, name


def test_a_captured_step_is_not_carried_out_and_replays_into_the_same_arrays(device):
    x, total = from_host(np.ones(3, np.float32)), from_host(np.zeros(3, np.float32))
    written = from_host(np.zeros(3, np.float32))
    stream = FAKE.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        y = x * 2
        total += y
        x += 1
        written[:2] = x[:2]
        graph = stream.end_capture()
    assert x._host.tolist() == [1, 1, 1] and total._host.tolist() == written._host.tolist() == [0, 0, 0]
    assert np.isnan(y._host).all()  # whoever reads it before the first replay finds nothing useful
    for _ in range(3):
        graph.launch()
    assert written._host.tolist() == [4, 4, 0]
    assert x._host.tolist() == [4, 4, 4] and total._host.tolist() == [2 + 4 + 6] * 3


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda x: x.reshape(1, 3) @ x, NotImplementedError),
        (lambda x: FAKE.matmul(x, x), NotImplementedError),
        (lambda x: float(x[0]), RuntimeError),
        (lambda x: x[x > 0], RuntimeError),
        (lambda x: FAKE.asarray(np.ones(3)), RuntimeError),
        (lambda x: FAKE.cuda.get_current_stream().synchronize(), RuntimeError),
    ],
)
def test_what_cannot_be_captured_raises(device, act, error):
    x = from_host(np.ones(3, np.float32))
    stream = FAKE.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        with pytest.raises(error, match="captur"):
            act(x)
        stream.end_capture()


def test_the_default_stream_cannot_be_captured(device):
    with pytest.raises(RuntimeError, match="default stream"):
        FAKE.cuda.Stream().begin_capture()
