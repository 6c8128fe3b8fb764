"""Every kernel's CUDA text, run on the CPU, against the NumPy line beside it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from minidl import backend
from minidl.errors import ConfigError
from minidl.kernels.gpu import activation, optimizers
from minidl.kernels.gpu.launch import Kernel, launch_cuda, memory_order, same_order
from tests.gpu import cases, cases_steps
from tests.gpu.cases import Case
from tests.gpu.cuda_on_cpu import ORDERS, all_kernels, run_line, run_on_cpu

CASES = [*cases.CASES, *cases_steps.CASES]


def agree(got: np.ndarray, expected: np.ndarray) -> bool:
    if got.dtype.kind != "f":
        return bool((got == expected).all())
    # Rounding: of float32 in sums of some hundred terms of size one.
    limit = 2e-5 if got.dtype == np.float32 else 1e-12
    return bool(np.isfinite(got).all() and (abs(got - expected) <= limit * (1 + abs(expected))).all())


def test_every_kernel_has_cases_and_a_name_of_its_own():
    kernels = all_kernels()
    assert {case.kernel.name for case in CASES} == {kernel.name for kernel in kernels}
    assert len(set(kernels)) == len({kernel.name for kernel in kernels})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_cuda_text_and_numpy_line_agree(case: Case, dtype: str, library):
    size, args = case.make(np.random.default_rng(1), np.dtype(dtype))
    expected = run_line(case.kernel, args, case.updated)
    grid = case.kernel.grid(size)
    for order in ORDERS:
        got = run_on_cpu(library, case.kernel, grid, args, case.updated, order)
        for name, array in expected.items():
            assert agree(got[name], array), f"{name}, threads {order}"
    if isinstance(size, int) and "FOR_EACH" in case.kernel.source:
        # Too few threads: each has to walk on.
        got = run_on_cpu(library, case.kernel, (1,), args, case.updated)
        assert all(agree(got[name], array) for name, array in expected.items())


def test_nothing_is_read_from_outputs_and_the_twin_leaves_inputs_alone():
    for case in CASES:
        _, args = case.make(np.random.default_rng(2), np.dtype("float32"))
        before = [value.copy() if isinstance(value, np.ndarray) else value for value in args]
        outputs = run_line(case.kernel, args, case.updated)
        for argument, value, old in zip(case.kernel.arguments, args, before, strict=True):
            if isinstance(value, np.ndarray) and not argument.written:
                np.testing.assert_array_equal(value, old)
        assert all(np.isfinite(array).all() for array in outputs.values())


class TestArguments:
    def test_are_read_from_the_declaration(self):
        lr, w, g, *_, factor, decay = optimizers.sgd.arguments[:9]
        assert [a.name for a in (lr, w, g, factor, decay)] == ["lr", "w0", "g0", "factor0", "decay0"]
        assert (w.array, w.written, g.written, factor.array) == (True, True, False, False)
        assert (w.type, factor.type) == ("real", "double")

    def test_numbers_get_the_declared_types(self):
        x = np.ones(3, np.float32)
        bound = activation.activation_gradient.bind((x, x, x, 3, 1, 0.5))
        assert [type(value) for value in bound[3:]] == [np.int32, np.int32, np.float32]

    def test_none_is_a_null_pointer(self):
        x = np.ones(3)
        assert activation.bias_activation.bind((x, None, x, 3, 1, 1, 0, 0.0))[1] == 0

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ((0, np.ones((3, 4))[:, ::2]), "C-contiguous"),
            ((1, np.ones(3, np.float32)), "must be an array of float64"),
            ((1, [1.0, 2.0]), "must be an array"),
            ((3, 2**40), "fits int32"),
            ((3, np.ones(3)), "must be a number"),
            ((0, np.ones(3, np.float16)), "float32 and float64"),
        ],
    )
    def test_that_a_kernel_cannot_take_are_refused(self, change, message):
        x = np.ones(3)
        args = [x, x, x, 3, 1, 0.0]
        args[change[0]] = change[1]
        with pytest.raises(ConfigError, match=message):
            activation.activation_gradient.bind(tuple(args))

    def test_too_few_are_refused(self):
        with pytest.raises(ConfigError, match="takes 6 arguments"):
            activation.activation_gradient.bind((np.ones(3),))

    def test_source_without_the_function_is_refused(self):
        with pytest.raises(ConfigError, match="has no extern"):
            _ = Kernel("other", optimizers.sgd.source, print).arguments


def test_grid_covers_all_threads():
    kernel = activation.bias_activation
    assert [kernel.grid(size) for size in (0, 1, 256, 257)] == [(1,), (1,), (1,), (2,)]
    assert kernel.grid((3, 2)) == (3, 2)


def test_memory_order():
    x = np.zeros((2, 3, 4, 5))
    batch_last = x.transpose(3, 0, 1, 2)
    assert memory_order(batch_last).shape == (2, 3, 4, 5)
    assert memory_order(batch_last).flags.c_contiguous
    assert memory_order(x[:, ::2]) is None
    assert same_order(batch_last, np.empty_like(batch_last))
    assert not same_order(batch_last, np.ascontiguousarray(batch_last))


class TestLaunch:
    """What reaches `cupy.RawKernel`, of which there is a stand-in here."""

    @pytest.fixture
    def made(self, monkeypatch):
        made = []

        class RawKernel:
            def __init__(self, code, name, options=()):
                self.code, self.name, self.options, self.calls = code, name, options, []
                made.append(self)

            def __call__(self, grid, block, args):
                self.calls.append((grid, block, args))

        monkeypatch.setattr(backend, "namespace", lambda x: SimpleNamespace(RawKernel=RawKernel))
        return made

    def test_is_compiled_once_for_each_type(self, made):
        for dtype in ("float32", "float64", "float32"):
            x = np.ones(700, dtype)
            launch_cuda(activation.activation_gradient, 700, (x, x, x, 700, 1, 0.5))
        assert [(kernel.name, len(kernel.calls)) for kernel in made] == [
            ("activation_gradient", 2),
            ("activation_gradient", 1),
        ]
        assert ["-Dreal=float" in made[0].options, "-Dreal=double" in made[1].options] == [True, True]
        grid, block, args = made[0].calls[0]
        assert (grid, block) == ((3,), (256, 1, 1))
        # Numbers by their size: CuPy would make 8 bytes of an int and of a float.
        assert [value.itemsize for value in args[3:]] == [4, 4, 4]

    def test_none_is_the_address_zero(self, made):
        x, sums = np.ones((2, 3)), np.ones(2)
        launch_cuda(activation.sum_rows, (2,), (None, x, None, sums, 2, 3, 0, 0.0))
        ((grid, _, args),) = made[0].calls
        # CuPy takes None for the lack of an argument, which is another thing.
        assert grid == (2,) and [args[0].itemsize, int(args[0]), int(args[2])] == [8, 0, 0]
