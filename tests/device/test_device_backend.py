"""The switches of the backend: which kernels run, what goes into a graph, how much memory there is."""

from __future__ import annotations

import builtins
import sys

import numpy as np
import pytest

from minidl import backend
from minidl.backend import capturing, choose_device, device_memory, launcher, plain, recording, to_device
from minidl.errors import DeviceError
from minidl.layers import Dropout, ReLU
from tests.device.fake import LEDGER, fake_device, from_host, launch


def test_kernels_of_a_device_and_how_to_turn_them_off(device):
    x, host = from_host(np.ones(3)), np.ones(3)
    assert launcher(x) is launch and launcher(host) is None
    with plain():
        assert launcher(x) is None
        assert launcher(x, fused=False) is launch  # what an array library cannot do stays
        with plain():
            assert launcher(x) is None
        assert launcher(x) is None
    assert launcher(x) is launch


def test_plain_means_no_fused_kernel_is_launched(device):
    layer = ReLU()
    layer.build((4,))
    x = from_host(np.ones((2, 4), np.float32))
    for block, names in ((plain, {"maximum"}), (None, {"kernel"})):
        with LEDGER.watched() as seen:
            if block is None:
                layer.forward(x, train=True)
            else:
                with block():
                    layer.forward(x, train=True)
        assert {name.partition(" ")[0] for name in seen.launches} == names


def test_a_device_without_kernels_does_with_the_plain_layers():
    with fake_device(kernels=False) as ledger:
        layer = Dropout(0.5)
        layer.build((64,), rng=0)
        host = layer.forward(np.ones((3, 64), np.float32), train=True)
        layer.build((64,), rng=0)
        there = layer.forward(from_host(np.ones((3, 64), np.float32)), train=True)
        np.testing.assert_array_equal(there._host, host)
        assert not any(name.startswith("kernel") for name in ledger.launches)


def test_what_goes_into_a_graph(device):
    x, host = from_host(np.ones(3)), np.ones(3)
    assert not capturing(x) and not capturing(host)
    with recording():
        assert capturing(x) and not capturing(host)
        with recording():
            pass
        assert capturing(x)
    assert not capturing(x)


def test_memory_of_a_device(device):
    LEDGER.capacity = 1000
    assert device_memory("cpu") is None
    x = from_host(np.ones(50))
    y = x[:10]
    assert device_memory("fake") == (400, 600)
    del x
    assert device_memory("fake", release=True) == (400, 600)  # the view keeps it
    del y
    assert device_memory("fake") == (400, 600) and device_memory("fake", release=True) == (0, 1000)


def test_a_cupy_that_cannot_be_imported_is_said(monkeypatch):
    def refuse(name, *_, **__):
        if name == "cupy":
            raise ImportError("libcublas.so.12: cannot open shared object file")
        return real(name, *_, **__)

    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(DeviceError, match=r"CuPy is installed but cannot be imported \(libcublas"):
        choose_device("cuda")


def test_an_unknown_device_is_named(device):
    with pytest.raises(DeviceError, match="unknown device 'tpu': choose one of cpu, cuda, fake"):
        to_device(np.ones(2), "tpu")


def test_the_masks_of_dropout_are_functions_of_key_and_number():
    layer = Dropout(0.5, seed=3)
    layer.build((40,))
    x = np.ones((5, 40), np.float32)
    first = [layer.forward(x, train=True).copy() for _ in range(3)]
    assert not np.array_equal(first[0], first[1])
    layer.build((40,))
    layer.next_counter()  # passed over, as a mask drawn elsewhere
    np.testing.assert_array_equal(layer.forward(x, train=True), first[1])
    layer.forward(np.ones((200, 40), np.float32), train=True)  # of any size: the next mask is not moved by it
    key, counter = layer.next_counter()
    assert counter.tolist() == [0, 3, 0, 0]
    layer.build((40,))
    bits = np.random.Philox(key=key, counter=[0, 2, 0, 0]).random_raw(52).view(np.uint16)[:200]
    expected = (bits >= 32768).reshape(40, 5).T * np.float32(2)
    np.testing.assert_array_equal(first[2], expected)


def test_registering_a_device_again_replaces_it(device):
    known = len(backend._registered)
    with fake_device():
        assert len(backend._registered) == known
