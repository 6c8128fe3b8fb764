"""The CUDA text of the matrix products; `minidl.kernels.gpu.gemm` says how they work, and launches them."""

from __future__ import annotations

from minidl.kernels.gpu.activation import FUNCTIONS

_FINISH = (
    FUNCTIONS
    + """
// What becomes of a sum: f(alpha sum + beta old + bias). One that is not wanted is not read.
__device__ inline real finished(real sum, const real* old, real alpha, real beta,
                                const real* bias, int activation, real parameter) {
    real y = alpha * sum;
    if (beta != real(0)) y += beta * *old;  // beta = 0 must not let a NaN of old memory through
    if (bias) y += *bias;
    return activate(activation, parameter, y);
}
"""
)

_ARGUMENTS = """const real* a, const real* b, real* out, const real* bias, real* parts,
    int items, int m, int n, int k, int shares, real alpha, real beta, int activation, real parameter,
    int a_item, int a_row, int a_col, int b_item, int b_row, int b_col,
    int out_item, int out_row, int out_col, int bias_item, int bias_row, int bias_col"""

_PLACE = """
    // blockIdx.z counts the matrices of a stack and, within each, the shares of the sum.
    const int item = blockIdx.z / shares, share = blockIdx.z % shares;
    const int length = (k + shares - 1) / shares;
    const int first = share * length, last = min(k, first + length);
    a += int64(item) * a_item;
    b += int64(item) * b_item;
"""

_STORE = """
// The sum of row i and column j: to its place among the shares, or finished.
__device__ inline void store(real sum, int i, int j, int item, int share, ARGUMENTS) {
    if (shares > 1) {
        parts[((int64(share) * items + item) * m + i) * n + j] = sum;
        return;
    }
    real* y = out + int64(item) * out_item + int64(i) * out_row + int64(j) * out_col;
    const real* shift =
        bias ? bias + int64(item) * bias_item + int64(i) * bias_row + int64(j) * bias_col : bias;
    *y = finished(sum, y, alpha, beta, shift, activation, parameter);
}
""".replace("ARGUMENTS", _ARGUMENTS)

_NAMES = (
    "a, b, out, bias, parts, items, m, n, k, shares, alpha, beta, activation, parameter, "
    "a_item, a_row, a_col, b_item, b_row, "
    "b_col, out_item, out_row, out_col, bias_item, bias_row, bias_col"
)

_TILE_SOURCE = (
    _FINISH
    + _STORE
    + """
// TILE: outputs along each side. DEPTH: how much of K is fetched at a time.
enum { TILE = 64, DEPTH = 16 };

extern "C" __global__ void gemm_tile(ARGUMENTS) {
    // One number wider than the tile: otherwise threads that store a column would all meet in one of the
    // 32 banks of shared memory, and wait for each other.
    __shared__ real left[DEPTH][TILE + 1];
    __shared__ real right[DEPTH][TILE + 1];
PLACE
    const int top = blockIdx.y * TILE, edge = blockIdx.x * TILE;
    // This thread's outputs: rows ty, ty + 16, ... and columns tx, tx + 16, ... of the tile. 16 apart, so that
    // neighbouring threads write to neighbouring columns.
    const int t = threadIdx.x, ty = t / 16, tx = t % 16;
    real sum[4][4] = {};
    for (int start = first; start < last; start += DEPTH) {
        for (int e = t; e < TILE * DEPTH; e += 256) {
            const bool along_k = a_col == 1;  // neighbours in memory are neighbours along K
            const int i = along_k ? e / DEPTH : e % TILE, p = along_k ? e % DEPTH : e / TILE;
            const bool there = top + i < m && start + p < last;
            left[p][i] = there ? a[int64(top + i) * a_row + int64(start + p) * a_col] : real(0);
        }
        for (int e = t; e < TILE * DEPTH; e += 256) {
            const bool along_k = b_row == 1 && b_col != 1;
            const int j = along_k ? e / DEPTH : e % TILE, p = along_k ? e % DEPTH : e / TILE;
            const bool there = edge + j < n && start + p < last;
            right[p][j] = there ? b[int64(start + p) * b_row + int64(edge + j) * b_col] : real(0);
        }
        __syncthreads();  // nobody computes before everything is there
        for (int p = 0; p < DEPTH; ++p) {
            real x[4], y[4];
            // Written out sixteen times, the sums are registers; indexed by a variable, they are memory.
#pragma unroll
            for (int r = 0; r < 4; ++r) x[r] = left[p][ty + 16 * r];
#pragma unroll
            for (int c = 0; c < 4; ++c) y[c] = right[p][tx + 16 * c];
#pragma unroll
            for (int r = 0; r < 4; ++r)
#pragma unroll
                for (int c = 0; c < 4; ++c) sum[r][c] += x[r] * y[c];
        }
        __syncthreads();  // nobody fetches the next slice before everyone is done with this one
    }
#pragma unroll
    for (int r = 0; r < 4; ++r)
#pragma unroll
        for (int c = 0; c < 4; ++c) {
            const int i = top + ty + 16 * r, j = edge + tx + 16 * c;
            if (i < m && j < n) store(sum[r][c], i, j, item, share, NAMES);
        }
}
"""
)

_THIN_SOURCE = (
    _FINISH
    + _STORE
    + """
// LANES: threads that share a column, each with every eighth part of K.
enum { ROWS = 16, COLUMNS = 32, DEPTH = 32, LANES = 8 };

extern "C" __global__ void gemm_thin(ARGUMENTS) {
    __shared__ real left[DEPTH][ROWS + 1];
    __shared__ real right[DEPTH][COLUMNS + 1];
    __shared__ real lanes[LANES][ROWS][COLUMNS];
PLACE
    const int top = blockIdx.y * ROWS, edge = blockIdx.x * COLUMNS;
    const int t = threadIdx.x, lane = t / COLUMNS, tx = t % COLUMNS;
    // A thread has one column and all rows: each number of b, of which there are many, is read from shared
    // memory once, those of a by the whole warp at once.
    real sum[ROWS] = {};
    for (int start = first; start < last; start += DEPTH) {
        for (int e = t; e < ROWS * DEPTH; e += 256) {
            const bool along_k = a_col == 1;
            const int i = along_k ? e / DEPTH : e % ROWS, p = along_k ? e % DEPTH : e / ROWS;
            const bool there = top + i < m && start + p < last;
            left[p][i] = there ? a[int64(top + i) * a_row + int64(start + p) * a_col] : real(0);
        }
        for (int e = t; e < COLUMNS * DEPTH; e += 256) {
            const bool along_k = b_row == 1 && b_col != 1;
            const int j = along_k ? e / DEPTH : e % COLUMNS, p = along_k ? e % DEPTH : e / COLUMNS;
            const bool there = edge + j < n && start + p < last;
            right[p][j] = there ? b[int64(start + p) * b_row + int64(edge + j) * b_col] : real(0);
        }
        __syncthreads();
        for (int p = lane; p < DEPTH; p += LANES)
            for (int i = 0; i < ROWS; ++i) sum[i] += left[p][i] * right[p][tx];
        __syncthreads();
    }
    for (int i = 0; i < ROWS; ++i) lanes[lane][i][tx] = sum[i];
    __syncthreads();
    for (int i = lane; i < ROWS; i += LANES) {
        real total = real(0);
        for (int l = 0; l < LANES; ++l) total += lanes[l][i][tx];
        if (top + i < m && edge + tx < n) store(total, top + i, edge + tx, item, share, NAMES);
    }
}
"""
)

_SHARES_SOURCE = (
    _FINISH
    + """
// The second kernel: add the shares of every output, in order.
extern "C" __global__ void gemm_shares(
    const real* parts, real* out, const real* bias, int items, int m, int n, int shares,
    real alpha, real beta, int activation, real parameter, int out_item, int out_row, int out_col,
    int bias_item, int bias_row, int bias_col) {
    const int size = items * m * n;
    FOR_EACH (e, size) {
        const int j = e % n, i = e / n % m, item = e / n / m;
        real sum = real(0);
        for (int share = 0; share < shares; ++share) sum += parts[int64(share) * size + e];
        real* y = out + int64(item) * out_item + int64(i) * out_row + int64(j) * out_col;
        const real* shift =
            bias ? bias + int64(item) * bias_item + int64(i) * bias_row + int64(j) * bias_col : bias;
        *y = finished(sum, y, alpha, beta, shift, activation, parameter);
    }
}
"""
)


def _filled(source: str) -> str:
    return source.replace("ARGUMENTS", _ARGUMENTS).replace("PLACE", _PLACE).replace("NAMES", _NAMES)


GEMM_TILE, GEMM_THIN = _filled(_TILE_SOURCE), _filled(_THIN_SOURCE)
GEMM_SHARES = _SHARES_SOURCE
