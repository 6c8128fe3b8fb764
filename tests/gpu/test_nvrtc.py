"""Every kernel compiles with NVIDIA's compiler, for the GPUs this is meant for. No GPU is needed."""

from __future__ import annotations

import re

import pytest

from minidl.kernels.gpu.launch import Kernel, compiler_options
from tests.gpu.cuda_on_cpu import all_kernels

pytestmark = pytest.mark.cupy

ARCHITECTURES = ("sm_80", "sm_90")


@pytest.fixture(scope="module")
def nvrtc():
    # The module that cupy.RawKernel compiles with; a `RawKernel` itself asks for a GPU first.
    return pytest.importorskip(
        "cupy_backends.cuda.libs.nvrtc", reason="compiling kernels needs CuPy: pip install 'minidl[gpu]'"
    )


def compiled(nvrtc, text: str, *options: str) -> bytes:
    """Return the machine code, or, for a ``compute`` architecture, the assembly text."""
    program = nvrtc.createProgram(text, "kernel.cu", (), ())
    try:
        # The last option is what cupy.RawKernel adds to ours.
        nvrtc.compileProgram(program, (*options, "--device-as-default-execution-space"))
        return nvrtc.getPTX(program) if "compute" in options[-1] else nvrtc.getCUBIN(program)
    except nvrtc.NVRTCError as error:
        raise AssertionError(nvrtc.getProgramLog(program)) from error
    finally:
        nvrtc.destroyProgram(program)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("kernel", all_kernels(), ids=lambda kernel: kernel.name)
def test_kernel_compiles(nvrtc, kernel: Kernel, architecture: str):
    for real in ("float32", "float64"):
        code = compiled(nvrtc, kernel.text(), *compiler_options(real), f"-arch={architecture}")
        assert kernel.name.encode() in code


@pytest.mark.parametrize("kernel", all_kernels(), ids=lambda kernel: kernel.name)
def test_the_assembly_has_nothing_slow_in_it(nvrtc, kernel: Kernel):
    """No arrays in memory that should be registers, no 64-bit divisions, no doubles where floats are meant."""
    code = compiled(nvrtc, kernel.text(), *compiler_options("float32"), "-arch=compute_90")
    text = code.decode() if isinstance(code, bytes) else code
    assert ".local" not in text
    assert not re.search(r"\b(div|rem)\.[us]64", text)
    if not any(
        argument.type == "double" for argument in kernel.arguments
    ):  # optimizers compute their rates so
        assert ".f64" not in text


def test_mistakes_do_not_compile(nvrtc):
    kernel = all_kernels()[0]
    for wrong in (kernel.text() + "int unfinished(", kernel.text() + "__global__ int f() { return 0; }"):
        with pytest.raises(AssertionError, match="error"):
            compiled(nvrtc, wrong, *compiler_options("float32"), "-arch=sm_80")
