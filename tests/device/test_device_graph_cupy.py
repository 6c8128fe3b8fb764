"""What recorded steps and the GPU benchmark use of CuPy is in the real one; no GPU is needed to see that."""

from __future__ import annotations

import pytest

from minidl.optimizers import SGD, Nesterov
from tests.device.fake import LEDGER, fake_device
from tests.device.surface import keywords
from tests.device.test_device_branches import branched
from tests.device.test_device_graph import small, trained
from tests.device.test_device_side_by_side import fit_together, trainer

pytestmark = pytest.mark.cupy

# Methods of objects, which the ledger of the fake device does not see.
METHODS = {
    "cuda.Stream": (
        "begin_capture", "end_capture", "synchronize", "is_capturing", "record", "wait_event", "__enter__", "__exit__",
    ),
    "cuda.Event": ("record", "synchronize"),
    "cuda.Graph": ("launch",),
    "cuda.MemoryPool": ("malloc",),
    "cuda.MemoryPointer": ("ptr",),
    "ndarray": ("data", "nbytes"),
    "random.Generator": ("random",),
}  # fmt: skip
BENCHMARK = ("ElementwiseKernel", "random.default_rng", "cuda.runtime.getDeviceProperties", "cuda.Device")


@pytest.fixture(scope="module")
def cupy():
    return pytest.importorskip("cupy", reason="CuPy is not installed: the fake device stands for it")


def found(cupy, name):
    for part in name.split("."):
        cupy = getattr(cupy, part)
    return cupy


def test_names_and_keywords_of_recorded_trainings_exist(cupy):
    with fake_device():
        trained(small(), Nesterov(0.1), 2)
        fit_together([trainer(seed, device="fake", schedule=None) for seed in range(2)], graph="auto")
        branched(lambda: SGD(0.1))
        used = sorted(LEDGER.names)
    names = {name for name, _ in used}
    assert names >= {
        "cuda.Stream",
        "cuda.MemoryPool",
        "cuda.using_allocator",
        "cuda.get_current_stream",
        "stack",
    }
    for name, options in used:
        thing = found(cupy, name)
        known = ["casting", "dtype", "out"] if isinstance(thing, cupy.ufunc) else keywords(thing)
        assert known is None or set(options) <= set(known), name


def test_methods_exist(cupy):
    missing = [
        f"{name}.{method}"
        for name, methods in METHODS.items()
        for method in methods
        if not hasattr(found(cupy, name), method)
    ]
    assert missing == []
    # An attribute of streams, which come into being with a GPU only.
    assert "~Stream.ptr (intptr_t)" in str(cupy.cuda.Stream.__base__.__doc__)
    assert all(found(cupy, name) is not None for name in BENCHMARK)


def test_what_the_graphs_rely_on_is_still_documented(cupy):
    """Relaxed capture, which lets memory be allocated, is the default; allocators hold for a thread only."""
    assert "relaxed" in cupy.cuda.Stream.begin_capture.__doc__.lower()
    assert "non_blocking" in cupy.cuda.Stream.__doc__ or "non_blocking" in str(
        cupy.cuda.Stream.__init__.__doc__
    )
    with cupy.cuda.using_allocator(cupy.cuda.MemoryPool().malloc):
        inside = cupy.cuda.get_allocator()
    assert inside != cupy.cuda.get_allocator()
