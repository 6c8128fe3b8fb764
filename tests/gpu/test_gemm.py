"""Matrix products by the CUDA text itself, run on the CPU: every transposition, stacks, shares, what is added."""

from __future__ import annotations

import numpy as np
import pytest

from minidl import backend
from minidl.errors import ShapeError
from minidl.kernels.gpu import gemm
from minidl.kernels.gpu.activation import LEAKY_RELU, SIGMOID, TANH
from tests.gpu.cuda_on_cpu import run_on_cpu


@pytest.fixture(params=["cuda", "line"])
def used(request, monkeypatch, library):
    """Run kernels on NumPy arrays, by their CUDA text or by their NumPy line; the list names those that ran."""
    names = []

    def launch(kernel, size, args):
        names.append(kernel.name)
        if request.param == "line":
            kernel.line(*[None if a is None else b for a, b in zip(args, kernel.bind(args), strict=True)])
            return
        results = run_on_cpu(library, kernel, kernel.grid(size), args, updated=("out",))
        for argument, value in zip(kernel.arguments, args, strict=True):
            if argument.written and value is not None:
                value[...] = results[argument.name].reshape(value.shape)

    monkeypatch.setattr(backend, "launcher", lambda x, fused=True: launch)
    return names


def operand(rng, rows, columns, turned, stack=(), gap=0):
    shape = (columns, rows + gap) if turned else (rows, columns + gap)
    x = rng.standard_normal((*stack, *shape))[..., : rows if turned else columns]
    return x.swapaxes(-1, -2) if turned else x


@pytest.mark.parametrize("turned", range(8))
@pytest.mark.parametrize("sizes", [(10, 37, 70), (70, 9, 33), (66, 65, 17)])
def test_all_transpositions(used, turned, sizes):
    m, n, k = sizes
    rng = np.random.default_rng(turned)
    a, b = operand(rng, m, k, turned & 1), operand(rng, k, n, turned & 2)
    out = operand(rng, m, n, turned & 4)
    out[...] = np.nan  # with beta = 0 nothing old is read
    assert gemm.gemm(a, b, out).shape == (m, n)
    np.testing.assert_allclose(out, a @ b, rtol=0, atol=1e-12)


def test_stack_with_a_shared_operand_bias_and_activation(used):
    rng = np.random.default_rng(0)
    a, b = operand(rng, 20, 300, True), operand(rng, 300, 18, False, (2,))
    old, bias = operand(rng, 20, 18, False, (2,)), rng.standard_normal((2, 20, 1))
    out = old.copy()
    gemm.gemm(a, b, out, alpha=0.1, beta=2.0, bias=bias, activation=(TANH, 0.0))
    np.testing.assert_allclose(out, np.tanh(0.1 * (a @ b) + 2 * old + bias), rtol=0, atol=1e-12)
    assert used == ["gemm_tile", "gemm_shares"]  # K is long and the tiles are few: shares


def leaky(x):
    return np.where(x > 0, x, 0.1 * x)


def test_views_with_gaps_are_not_copied(used):
    rng = np.random.default_rng(1)
    a, b = operand(rng, 12, 9, False, gap=5), operand(rng, 9, 40, True, gap=3)
    whole = np.full((12, 50), 7.0)
    gemm.gemm(a, b, whole[:, 4:44], bias=np.arange(40.0), activation=(LEAKY_RELU, 0.1))
    np.testing.assert_allclose(whole[:, 4:44], leaky(a @ b + np.arange(40.0)), rtol=0, atol=1e-12)
    assert (whole[:, :4] == 7).all() and (whole[:, 44:] == 7).all()
    assert used == ["gemm_thin"]


def test_a_step_of_gradient_descent_in_one_product(used):
    rng = np.random.default_rng(2)
    x, dy, w = rng.standard_normal((10, 30)), rng.standard_normal((10, 20)), rng.standard_normal((30, 20))
    expected = w - 0.25 * x.T @ dy
    gemm.gemm(x.T, dy, w, alpha=-0.25, beta=1.0)
    np.testing.assert_allclose(w, expected, rtol=0, atol=1e-13)


def test_single_precision(used):
    rng = np.random.default_rng(3)
    a, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((10, 784), (784, 100)))
    out = np.empty((10, 100), np.float32)
    gemm.gemm(a, b, out, activation=(SIGMOID, 0.0))
    np.testing.assert_allclose(out, 1 / (1 + np.exp(-(a.astype(float) @ b))), rtol=0, atol=2e-5)
    assert used == ["gemm_thin", "gemm_shares"]


def test_shares():
    # Four tiles for 264 blocks would be 66 shares, but 784 / 64 allows 12.
    assert gemm.share_count(4, 784) == 12
    assert gemm.share_count(4, 100_000) == 66
    assert gemm.share_count(300, 784) == gemm.share_count(1, 10) == 1


def test_sizes_are_those_of_the_cuda_text():
    assert f"TILE = {gemm.TILE}," in gemm.gemm_tile.source
    assert f"ROWS = {gemm.THIN_ROWS}, COLUMNS = {gemm.THIN_COLUMNS}," in gemm.gemm_thin.source


@pytest.mark.parametrize(
    "shapes",
    [
        ((2, 3), (4, 5), (2, 5)),
        ((2, 3), (3, 5), (2, 4)),
        ((2, 2, 3), (4, 3, 5), (4, 2, 5)),
        ((0, 3), (3, 2), (0, 2)),
    ],
)
def test_shapes_that_do_not_fit(used, shapes):
    with pytest.raises(ShapeError, match="cannot multiply"):
        gemm.gemm(*(np.zeros(shape) for shape in shapes))


def test_other_things_that_do_not_fit(used):
    a = np.zeros((2, 2))
    with pytest.raises(ShapeError, match="bias of shape"):
        gemm.gemm(a, a, a.copy(), bias=np.zeros(3))
    with pytest.raises(ShapeError, match="float32"):
        gemm.gemm(a, a.astype(np.float32), a.copy())
    assert not used
