"""Convolution and pooling as large matrix products and long contiguous runs.

NumPy is fast when one call works on long runs of neighbouring numbers, so images are kept in
**batch-last** memory: logical shape (N, C, H, W), stored as (C, H, W, N). One row of pixels then is
W x N neighbouring floats whatever the kernel size. Compared with channels-last memory (N, H, W, C),
at a batch of 128 of the lecture's networks, copying the patches of the first convolution is about
six times and scattering the gradient of the second about three times faster (docs/speed.md).

Letters: N images, C channels, H W height and width, F filters, KH KW kernel, S stride, OH OW output.
Functions take and return arrays whose shape is given in the order of memory, (C, H, W, N).
"""

from __future__ import annotations

from typing import Any

from minidl.backend import Array, namespace

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]


def to_batch_last(x: Array) -> Array:
    """Return (N, C, H, W) as contiguous (C, H, W, N): a view when its memory is batch-last already."""
    return namespace(x).ascontiguousarray(x.transpose(1, 2, 3, 0))


def images_innermost(x: Array) -> Array:
    """Return (N, C, H, W) as (C, H, W, N) with the images side by side: a view of any part of a larger batch.

    For what is copied on anyway, which need not be contiguous for that.
    """
    view = x.transpose(1, 2, 3, 0)
    return view if view.strides[3] == view.itemsize else namespace(x).ascontiguousarray(view)


def from_batch_last(x: Array) -> Array:
    """Return (C, H, W, N) as a view of shape (N, C, H, W)."""
    return x.transpose(3, 0, 1, 2)


def is_batch_last(x: Array) -> bool:
    """Return whether a matrix (N, D) lies in memory as (D, N)."""
    return bool(x.flags.f_contiguous and not x.flags.c_contiguous)


def output_size(size: int, kernel: int, stride: int, padding: Pair) -> int:
    """Return how many windows fit: ``floor((size + padding - kernel) / stride) + 1``."""
    return (size + padding[0] + padding[1] - kernel) // stride + 1


def pad(x: Array, padding: Padding, value: float, out: Array) -> Array:
    """Copy (C, H, W, N) into the middle of `out`, (C, H + top + bottom, W + left + right, N).

    The border of `out` is set to `value`.
    """
    (top, bottom), (left, right) = padding
    rows, columns = out.shape[1] - bottom, out.shape[2] - right
    out[:, :top] = value
    out[:, rows:] = value
    out[:, :, :left] = value
    out[:, :, columns:] = value
    out[:, top:rows, left:columns] = x
    return out


def windows(x: Array, kernel: Pair, stride: Pair) -> Array:
    """Return a view (C, KH, KW, OH, OW, N) of all kernel-sized patches of `x` (C, H, W, N).

    ``view[c, i, j, oh, ow, n] = x[c, oh * SH + i, ow * SW + j, n]``
    """
    channels, height, width, batch = x.shape
    (kh, kw), (sh, sw) = kernel, stride
    oh, ow = (height - kh) // sh + 1, (width - kw) // sw + 1
    c, h, w, n = x.strides
    return namespace(x).lib.stride_tricks.as_strided(
        x, (channels, kh, kw, oh, ow, batch), (c, h, w, sh * h, sw * w, n)
    )


def im2col(x: Array, kernel: Pair, stride: Pair, out: Array) -> Array:
    """Copy all patches of `x` (C, H, W, N) into `out` (C, KH, KW, OH, OW, N), once.

    As a matrix of C*KH*KW rows and OH*OW*N columns it turns the convolution into one product
    ``y = W @ out`` (Chellapilla et al. 2006).
    """
    out[...] = windows(x, kernel, stride)
    return out


def col2im(columns: Array, stride: Pair, out: Array) -> Array:
    """Add every patch of `columns` (C, KH, KW, OH, OW, N) back to its place in `out` (C, H, W, N).

    The transpose of `im2col`: a pixel collects the gradient of every patch that contains it.
    """
    out.fill(0)
    add_patches(columns, stride, out)
    return out


def add_patches(columns: Array, stride: Pair, out: Array) -> None:
    """Add patches (C, KH, KW, OH, OW, N) to what is in `out` (C, H, W, N) already."""
    _, kh, kw, oh, ow, _ = columns.shape
    sh, sw = stride
    for i in range(kh):
        for j in range(kw):
            target = out[:, i : i + sh * oh : sh, j : j + sw * ow : sw]
            target += columns[:, i, j]


def _window_slice(axis: int, offset: int, stride: int, count: int) -> tuple[slice, ...]:
    # Element `offset` of every window along `axis`.
    return (slice(None),) * axis + (slice(offset, offset + stride * (count - 1) + 1, stride),)


def reduce_windows(combine: Any, x: Array, axis: int, kernel: int, stride: int, out: Array) -> Array:
    """Combine the `kernel` elements of every window along one axis.

    Parameters
    ----------
    combine : ufunc
        ``np.maximum`` or ``np.add``. A maximum or a sum over a rectangle is the same over its columns
        and then over its rows, which takes KW + KH passes where the rectangle takes KW * KH.
    x : array
    axis, kernel, stride : int
    out : array
        Shape of `x` with `axis` reduced to the number of windows.
    """
    count = out.shape[axis]
    first = x[_window_slice(axis, 0, stride, count)]
    if kernel == 1:
        out[...] = first
        return out
    combine(first, x[_window_slice(axis, 1, stride, count)], out=out)
    for offset in range(2, kernel):
        combine(out, x[_window_slice(axis, offset, stride, count)], out=out)
    return out


def max_windows_backward(
    x: Array, y: Array, dy: Array, axis: int, kernel: int, stride: int, out: Array
) -> Array:
    """Send `dy` to the first maximum of every window along one axis.

    Parameters
    ----------
    x, y : array
        What ``reduce_windows(maximum, …)`` was given and returned.
    dy : array, shape of `y`
    axis, kernel, stride : int
    out : array, shape of `x`
        Receives the gradient. Where windows overlap, contributions add up.
    """
    xp = namespace(x)
    count = y.shape[axis]
    if kernel == stride == 2 and x.shape[axis] == 2 * count:
        # The common case: each element belongs to one window, and what the first does not take the second does.
        first, second = (out[_window_slice(axis, offset, 2, count)] for offset in range(2))
        xp.multiply(dy, xp.equal(x[_window_slice(axis, 0, 2, count)], y), out=first)
        xp.subtract(dy, first, out=second)
        return out
    _clear_uncovered(axis, kernel, stride, count, out)
    left = dy  # what no element before took; at the last it is all there is
    for offset in range(kernel):
        place = _window_slice(axis, offset, stride, count)
        taken = left
        if offset < kernel - 1:
            taken = xp.empty(dy.shape, dy.dtype)
            taken[...] = xp.equal(x[place], y)  # then multiplied in place: with truth values it takes longer
            taken *= left
            left = left - taken if offset == 0 else xp.subtract(left, taken, out=left)
        _put(taken, offset < stride, out[place])
    return out


def add_windows_backward(dy: Array, axis: int, kernel: int, stride: int, out: Array) -> Array:
    """Send `dy` to every element of its window along one axis: the transpose of a sum."""
    count = dy.shape[axis]
    _clear_uncovered(axis, kernel, stride, count, out)
    for offset in range(kernel):
        _put(dy, offset < stride, out[_window_slice(axis, offset, stride, count)])
    return out


def _clear_uncovered(axis: int, kernel: int, stride: int, count: int, out: Array) -> None:
    """Set to zero what is not among the first `stride` elements of any window; these are set, not added to."""
    if kernel < stride:
        out.fill(0)
    else:
        out[(slice(None),) * axis + (slice(stride * count, None),)] = 0


def _put(values: Array, first: bool, place: Array) -> None:
    if first:
        place[...] = values
    else:
        place += values
