"""Products by cuBLAS in a graph, through ctypes: right on the fake device, and every failure a row of the results."""

from __future__ import annotations

import ctypes
import itertools
import shutil
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import gpu, gpu_cublas, gpu_products
from minidl.backend import to_cpu
from tests.device.fake import FAKE, LEDGER, fake_device
from tests.device.fake_cublas import FakeCublas


@pytest.fixture
def device():
    with fake_device() as ledger:
        yield ledger


def test_products_of_rung_10():
    found = {
        product.name: (product.m, product.k, product.n) for product in gpu_products.products_of("10", 128)
    }
    assert len(found) == 12
    # 20 filters of 5x5 by 40: patches of 500 numbers, at 8x8 places of 128 images.
    assert found["convolution 500 to 40, forward"] == (40, 500, 8192)
    assert found["convolution 500 to 40, weights"] == (40, 8192, 500)
    assert found["convolution 500 to 40, inputs"] == (500, 40, 8192)
    assert found["dense 1000 to 1000, inputs"] == (128, 1000, 1000)


@pytest.mark.parametrize("left_turned", [False, True])
@pytest.mark.parametrize("right_turned", [False, True])
@pytest.mark.parametrize("shape", [(3, 5, 4), (1, 5, 4), (3, 1, 1)])
def test_cublas_is_called_for_all_four_transpositions(device, monkeypatch, shape, left_turned, right_turned):
    monkeypatch.setattr(gpu_products, "NODES", 2)
    library, stream = FakeCublas(), FAKE.cuda.Stream(non_blocking=True)
    cublas = gpu_cublas.Cublas(library, stream, FAKE.empty(64, "uint8"))
    product = gpu_products.Product("a product", *shape, left_turned, right_turned)
    with stream:
        entry = gpu_products._entry(product, "fake", stream, cublas)
    assert "left_out" not in entry and entry["value"]["bit_equal"] is True
    cublas.close()
    # The workspace after the stream, which takes it away; so no product is captured without.
    assert library.log[:4] == ["create", "stream", "workspace", "pointer mode"]
    assert library.log[-1] == "destroy" and library.bare == 0


STUB = r"""
#include <cstddef>
// cublas_api.h of CUDA 12, with the products of the BLAS: columns that lie in memory one after another.
static char context[1], *workspace; static std::size_t size; static void* stream;
extern "C" {
typedef char* cublasHandle_t;
int cublasCreate_v2(cublasHandle_t* handle) { *handle = context; return 0; }
int cublasDestroy_v2(cublasHandle_t handle) { return handle == context ? 0 : 1; }
int cublasSetStream_v2(cublasHandle_t handle, void* id) { stream = id; return handle == context ? 0 : 1; }
int cublasSetWorkspace_v2(cublasHandle_t handle, void* memory, std::size_t bytes) {
    workspace = (char*)memory; size = bytes; return handle == context ? 0 : 1;
}
int cublasSetPointerMode_v2(cublasHandle_t handle, int mode) { return mode == 0 && handle == context ? 0 : 7; }
const char* cublasGetStatusString(int status) { return status == 13 ? "the GPU program failed to execute" : 0; }
int cublasSgemm_v2(cublasHandle_t handle, int transa, int transb, int m, int n, int k, const float* alpha,
                   const float* A, int lda, const float* B, int ldb, const float* beta, float* C, int ldc) {
    if (handle != context || *alpha != 1 || *beta != 0 || stream == 0 || size != 64) return 13;
    for (std::size_t i = 0; i < size; i++) workspace[i] = 1;
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            float sum = 0;
            for (int l = 0; l < k; l++)
                sum += (transa ? A[l + i * lda] : A[i + l * lda]) * (transb ? B[j + l * ldb] : B[l + j * ldb]);
            C[i + j * ldc] = sum;
        }
    return 0;
}
}
"""


def test_the_calls_are_those_of_a_library_in_c(device, tmp_path):
    """A library of that name, with the declarations of NVIDIA's, is found and called by ctypes itself."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs Linux, and g++ or clang++")
    source, file = tmp_path / "stub.cpp", tmp_path / "libcublas.so.0"
    source.write_text(STUB)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", file, source], check=True, capture_output=True)
    stub = ctypes.CDLL(str(file))
    library = gpu_cublas.loaded_library()
    assert library._handle == stub._handle  # found without being told where
    stream, workspace = FAKE.cuda.Stream(non_blocking=True), FAKE.zeros(64, "uint8")
    cublas = gpu_cublas.Cublas(library, stream, workspace)
    for turned in itertools.product([False, True], repeat=2):
        product = gpu_products.Product("a product", 3, 5, 4, *turned)
        a, b = product.operands("fake")
        out = FAKE.empty((3, 4), "float32")
        cublas.sgemm(a, b, out)
        np.testing.assert_allclose(to_cpu(out), to_cpu(a) @ to_cpu(b), rtol=1e-5, atol=1e-6)
    assert to_cpu(workspace).all()
    cublas._zero.value = 3
    with pytest.raises(
        gpu_cublas.CublasError, match=r"cublasSgemm_v2: the GPU program failed to execute \(13\)"
    ):
        cublas.sgemm(a, b, out)
    cublas.close()


def cublas_entries(monkeypatch, library):
    monkeypatch.setattr(gpu_products, "NODES", 2)
    monkeypatch.setattr(gpu_cublas, "loaded_library", library)
    return list(gpu_products.measure("fake", "0", [3]))


def test_without_a_library_minidls_own_products_are_timed_all_the_same(device, monkeypatch):
    def missing():
        raise OSError("no libcublas is loaded")

    entries = cublas_entries(monkeypatch, missing)
    assert {entry["left_out"] for entry in entries} == {"OSError: no libcublas is loaded"}
    assert all(entry["failed"] and entry["value"]["minidl"] > 0 for entry in entries)
    assert gpu_products.text_of(entries[0]).startswith("FAILED: OSError: no libcublas is loaded; minidl ")
    verdict = gpu_products.verdict(entries)
    assert verdict["failed"] and verdict["left_out"] == "5 of 5, the first: OSError: no libcublas is loaded"


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda library, captured: 14, "CublasError: cublasSgemm_v2: no such status (14)"),
        (lambda library, captured: 7 if captured else None, "CUBLAS_STATUS_INVALID_VALUE (7)"),
        (lambda library, captured: 0, "ArithmeticError: cuBLAS is wrong by nan"),
        (lambda library, captured: 0 if captured else None, "cuBLAS in a graph is wrong by nan"),
    ],
    ids=["always", "in a graph", "does nothing", "is not captured"],
)
def test_a_product_that_fails_is_a_row_with_the_reason(device, monkeypatch, spoil, told):
    class Spoiled(FakeCublas):
        def _Sgemm_v2(self, *arguments):
            status = spoil(self, LEDGER.recording is not None)
            return super()._Sgemm_v2(*arguments) if status is None else status

    entries = cublas_entries(monkeypatch, Spoiled)
    assert len(entries) == 5 and all(told in entry["left_out"] for entry in entries)
    assert all(entry["value"]["minidl"] > 0 and entry["value"]["cublas"] is None for entry in entries)
    assert LEDGER.recording is None


def test_other_bits_are_no_failure_but_refute_the_prediction(device, monkeypatch):
    class Spoiled(FakeCublas):
        def _Sgemm_v2(self, *arguments):
            if LEDGER.recording is not None and arguments[3] == 10:  # in a graph, for ten outputs
                arguments[6].value = 1 + 2**-20  # alpha
            status = super()._Sgemm_v2(*arguments)
            arguments[6].value = 1
            return status

    entries = cublas_entries(monkeypatch, Spoiled)
    assert [entry["value"]["bit_equal"] for entry in entries] == [True, True, False, False, True]
    assert "NOT bit-equal" in gpu_products.text_of(entries[2])
    assert gpu_products.verdict(entries)["value"] == "works, not bit-equal to eager in 2 of 5 products"


LINE = 'print(\'{"name": "a"}\', flush=True)'


@pytest.mark.parametrize(
    ("script", "told", "rows"),
    [
        (f"{LINE}; print('{{', end='', flush=True); os.kill(os.getpid(), 11)", "ended with -11", 1),
        ("print('loading'); sys.exit('no such device')", "ended with 1: no such device", 0),
        (f"{LINE}; time.sleep(60)", "not done after 0.5 s", 1),
    ],
    ids=["crash", "error", "hang"],
)
def test_the_process_may_end_as_it_likes(monkeypatch, script, told, rows):
    run = gpu_products.subprocess.run
    child = [gpu_products.sys.executable, "-c", f"import os, sys, time; {script}"]
    monkeypatch.setattr(gpu_products.subprocess, "run", lambda command, **options: run(child, **options))
    monkeypatch.setattr(gpu_products, "SECONDS", 0.5 if "sleep" in script else 20)
    *done, last = gpu_products.in_own_process("cuda", "10", [10])
    assert [entry["name"] for entry in done] == ["a"] * rows
    assert last["left_out"] == told and last["failed"]
    assert gpu_products.text_of(last) == f"FAILED: {told}"


def test_the_process_of_its_own_says_that_there_is_no_gpu():
    (entry,) = gpu_products.in_own_process("elsewhere", "0", [3])
    assert "unknown device 'elsewhere'" in entry["left_out"]


def test_where_it_counts_the_products_have_a_process_of_their_own(device, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(gpu_products, "measure", lambda *args: 1 / 0)
    about = {"name": "a product", "unit": "µs", "predicted": None}
    value = {"cublas": 2.0, "minidl": 1.0, "bit_equal": False}
    monkeypatch.setattr(gpu_products, "in_own_process", lambda *args: [{**about, "value": value}])
    benchmark = gpu.Benchmark(gpu._options(["--json", str(tmp_path / "gpu.json")]), "fake")
    benchmark.record["is_measurement"] = True
    benchmark._products("10")
    assert capsys.readouterr().out.splitlines() == [
        "a product: cuBLAS 2.0, minidl 1.0 µs, NOT bit-equal to eager",
        "cublasSgemm by ctypes in a graph: works, not bit-equal to eager in 1 of 1 products "
        "(predicted works, bit-equal to eager)",
    ]
    monkeypatch.setattr(gpu_products, "in_own_process", lambda *args: 1 / 0)
    benchmark._products("10")
    assert "cublasSgemm by ctypes in a graph: FAILED: ZeroDivisionError" in capsys.readouterr().out


def test_what_the_process_prints_is_what_is_read(device, monkeypatch, capsys):
    monkeypatch.setattr(gpu_cublas, "loaded_library", FakeCublas)
    monkeypatch.setattr(gpu_products, "NODES", 2)
    assert gpu_products.main(["--device", "fake", "--rung", "0", "--batches", "3"]) == 0
    output = capsys.readouterr().out

    class Done:
        returncode, stdout, stderr = 0, output, ""

    commands = []
    monkeypatch.setattr(gpu_products.subprocess, "run", lambda command, **_: commands.append(command) or Done)
    entries = gpu_products.in_own_process("fake", "0", [3, 4])
    assert commands[0][1:] == "-m benchmarks.gpu_products --device fake --rung 0 --batches 3,4".split()
    assert len(entries) == 5 and gpu_products.verdict(entries)["value"] == gpu_products.PREDICTED


def test_without_products_nothing_is_claimed():
    verdict = gpu_products.verdict([])
    assert "value" not in verdict and verdict["left_out"] == "there was no product to try it with"
