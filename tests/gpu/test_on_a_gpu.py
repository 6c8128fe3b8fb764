"""Every kernel on a GPU, against the NumPy line beside it: the cases of the CPU, once more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minidl.kernels.gpu.launch import launch_cuda
from tests.gpu.cases import Case
from tests.gpu.cuda_on_cpu import run_line
from tests.gpu.test_kernels import CASES, agree

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def cupy() -> Any:
    cupy = pytest.importorskip("cupy", reason="kernels run on a GPU through CuPy: pip install 'minidl[gpu]'")
    if not cupy.cuda.is_available():
        pytest.skip("CuPy sees no GPU")
    return cupy


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_kernel_and_numpy_line_agree(cupy, case: Case, dtype: str):
    size, args = case.make(np.random.default_rng(1), np.dtype(dtype))
    expected = run_line(case.kernel, args, case.updated)
    results = []
    for _ in range(2):
        there = tuple(cupy.asarray(value) if isinstance(value, np.ndarray) else value for value in args)
        for argument, value in zip(case.kernel.arguments, there, strict=True):
            if argument.written and value is not None and argument.name not in case.updated:
                value.fill(np.nan if value.dtype.kind == "f" else 77)
        launch_cuda(case.kernel, size, there)
        named = zip(case.kernel.arguments, there, strict=True)
        results.append({a.name: cupy.asnumpy(x).reshape(-1) for a, x in named if a.name in expected})
    for name, array in expected.items():
        assert agree(results[0][name], array), name
        assert results[0][name].tobytes() == results[1][name].tobytes(), f"{name}: two runs differ"
