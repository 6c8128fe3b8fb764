"""The fake device against the real CuPy, without a GPU: the names and keywords are there."""

from __future__ import annotations

import json

import numpy as np
import pytest

from minidl.layers.catalogue import LAYERS, LOSSES
from tests.device.checks import fused_or_not
from tests.device.fake import LEDGER, fake_device
from tests.device.parity import OPTIMIZERS, check_layer_parity, check_loss_parity, check_optimizer_parity, fit
from tests.device.surface import FILE, keywords, surface

pytestmark = pytest.mark.cupy


@pytest.fixture(scope="module")
def cupy():
    return pytest.importorskip(
        "cupy", reason="CuPy is not installed: the fake device goes by its recorded surface"
    )


@pytest.fixture(scope="module")
def used():
    """Every name of CuPy that layers, losses, optimizers and a training use, with the keywords given to it."""
    with fake_device():
        for kernels in (False, True):
            with fused_or_not(kernels):
                for layer in LAYERS:
                    check_layer_parity(layer, "fake", np.float64)
                for loss in LOSSES:
                    check_loss_parity(loss, "fake", np.float64)
                for label in OPTIMIZERS:
                    check_optimizer_parity(label, "fake", np.float64)
                fit("fake", epochs=1)
        return sorted(LEDGER.names)


def test_the_recorded_surface_is_that_of_this_cupy(cupy):
    recorded = json.loads(FILE.read_text())
    if cupy.__version__ != recorded["version"]:
        pytest.skip(f"the surface was recorded from CuPy {recorded['version']}, this is {cupy.__version__}")
    assert surface() == recorded


def test_every_name_and_keyword_that_is_used_exists(cupy, used):
    assert len(used) > 40
    problems = []
    for name, options in used:
        thing = cupy
        for part in name.split("."):
            thing = getattr(thing, part, None)
        if thing is None:
            problems.append(name)
            continue
        known = ["casting", "dtype", "out"] if isinstance(thing, cupy.ufunc) else keywords(thing)
        if known is not None:
            problems += [f"{name}({option}=)" for option in options if option not in known]
    assert problems == []


def test_what_the_fake_refuses_cupy_does_not_have(cupy):
    for name in ("errstate", "nditer", "frompyfunc", "insert"):
        assert not hasattr(cupy, name)
    for name in ("setflags", "resize", "ctypes", "__index__"):
        assert not hasattr(cupy.ndarray, name)
    assert "where" not in (keywords(cupy.sum) or []) and "mode" not in (keywords(cupy.take) or [])


def test_cupy_without_a_gpu_is_said_in_a_sentence(cupy):
    if cupy.cuda.is_available():
        pytest.skip("there is a GPU")
    from minidl.backend import choose_device, to_device
    from minidl.errors import DeviceError

    assert choose_device("auto") == "cpu"
    with pytest.raises(
        DeviceError, match="CuPy is installed but the CUDA runtime sees no GPU; use --device cpu"
    ):
        choose_device("cuda")
    with pytest.raises(DeviceError, match="sees no GPU"):
        to_device(np.ones(3), "cuda")
