"""Pooling layers: summarise every window of a feature map by one number.

Letters: K window, S stride. A maximum or a sum over a window is taken along the rows of the image and
then along its columns; see `minidl.kernels.cpu.reduce_windows`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minidl import parallel
from minidl.backend import Array, launcher, namespace
from minidl.errors import ConfigError
from minidl.kernels import cpu as kernels
from minidl.kernels.gpu import pool as gpu
from minidl.layers.base import Layer, Shape
from minidl.layers.geometry import (
    PaddingOption,
    check_padding,
    pair,
    require_images,
    resolve_padding,
    sliding_shape,
)
from minidl.random import Seeds

_HEIGHT, _WIDTH = 1, 2  # axes of batch-last memory (C, H, W, N)


class _Pool2D(Layer):
    """What windows have in common: their geometry."""

    per_example = True
    padding_value = 0.0

    def __init__(
        self,
        pool_size: int | tuple[int, int] = 2,
        *,
        stride: int | tuple[int, int] | None = None,
        padding: PaddingOption = "valid",
    ) -> None:
        super().__init__()
        check_padding(self.name, padding)
        self.kernel = pair(self.name, "pool_size", pool_size)
        self.stride = self.kernel if stride is None else pair(self.name, "stride", stride)
        self.padding = padding

    def setup(self, input_shape: Shape, seeds: Seeds) -> Shape:
        require_images(self.name, input_shape)
        channels, height, width = input_shape
        self.pixels = resolve_padding(self.padding, (height, width), self.kernel, self.stride)
        for size, sides in zip(self.kernel, self.pixels, strict=True):
            if max(sides) >= size:
                raise ConfigError(
                    f"{self.name}: padding {self.pixels} would make windows of padding alone; "
                    f"it must be smaller than the pool size {self.kernel}"
                )
        return (channels, *sliding_shape(self.name, input_shape, self.kernel, self.stride, self.pixels))

    def _padded_shape(self, batch: int) -> Shape:
        channels, height, width = self.input_shape
        (top, bottom), (left, right) = self.pixels
        return (channels, height + top + bottom, width + left + right, batch)

    def _image(self, x: Array) -> Array:
        """Return `x` in batch-last memory with its padding."""
        image = kernels.to_batch_last(x)
        if self.pixels == ((0, 0), (0, 0)):
            return image
        padded = self._scratch("padded", self._padded_shape(x.shape[0]), x)
        return kernels.pad(image, self.pixels, self.padding_value, out=padded)

    def _cropped(self, dx: Array) -> Array:
        """Return the gradient of the padded image without its border, as (N, C, H, W)."""
        _, height, width = self.input_shape
        (top, _), (left, _) = self.pixels
        return kernels.from_batch_last(dx[:, top : top + height, left : left + width])

    def _by_channels(self, image: Array, work: Callable[[slice], None]) -> None:
        """Call `work` for all channels of an image (C, H, W, N), on a CPU for a few at a time."""
        if isinstance(image, np.ndarray):
            parallel.in_blocks(work, image.shape[0], image[0].size)
        else:
            work(slice(None))

    def _summed(self, image: Array, out: Array, factor: Any = None) -> Array:
        """Return the sum over every window of a padded batch-last image, times `factor`."""
        xp = namespace(image)

        def work(part: slice) -> None:
            # The columns first: those are longer runs of memory, and only the sums are left for the rows.
            columns = xp.empty((*out[part].shape[:2], *image.shape[2:]), image.dtype)
            kernels.reduce_windows(xp.add, image[part], _HEIGHT, self.kernel[0], self.stride[0], out=columns)
            sums = kernels.reduce_windows(
                xp.add, columns, _WIDTH, self.kernel[1], self.stride[1], out=out[part]
            )
            if factor is not None:
                sums *= factor

        self._by_channels(image, work)
        return out

    def _spread(self, dy: Array, factor: Any = None) -> Array:
        """Return the sum of `dy` times `factor` over the windows each pixel of the padded image belongs to."""
        xp = namespace(dy)
        dx = self._scratch("dx", self._padded_shape(dy.shape[3]), dy)

        def work(part: slice) -> None:
            share = dy[part] if factor is None else dy[part] * factor
            columns = xp.empty((*share.shape[:2], *dx.shape[2:]), dy.dtype)
            kernels.add_windows_backward(share, _WIDTH, self.kernel[1], self.stride[1], out=columns)
            kernels.add_windows_backward(columns, _HEIGHT, self.kernel[0], self.stride[0], out=dx[part])

        self._by_channels(dx, work)
        return dx

    def _inverse_counts(self, like: Array, count_padding: bool) -> Any:
        """Return 1 / (pixels each window averages over): one number, or an array (1, OH, OW, 1)."""
        if count_padding or self.pixels == ((0, 0), (0, 0)):
            return 1 / (self.kernel[0] * self.kernel[1])
        kept = self._workspace.get("inverse counts")
        if kept is not None and kept.dtype == like.dtype and type(kept) is type(like):
            return kept
        xp = namespace(like)
        sides = []
        for size, k, s, (before, after) in zip(
            self.input_shape[1:], self.kernel, self.stride, self.pixels, strict=True
        ):
            real = [0] * before + [1] * size + [0] * after
            starts = range(0, len(real) - k + 1, s)
            sides.append([sum(real[start : start + k]) for start in starts])
        rows, columns = (xp.asarray(counts, dtype=like.dtype) for counts in sides)
        inverse = self._workspace["inverse counts"] = 1 / (rows[:, None] * columns)[None, :, :, None]
        return inverse


class MaxPool2D(_Pool2D):
    """Keep the largest value of every window.

    Forward: ``y = max over the window of x``. Backward: the gradient goes to that element, to the first
    in reading order if several are equal.

    Parameters
    ----------
    pool_size : int or (int, int)
    stride : int or (int, int), optional
        Defaults to `pool_size`: windows side by side. Smaller strides overlap.
    padding : "valid", "same", int, (int, int) or ((int, int), (int, int))
        Padding counts as minus infinity: it never wins.

    Notes
    -----
    Shapes: input (N, C, H, W), output (N, C, OH, OW). 2x2 pooling turns 24x24 into 12x12.
    The forward pass returns infinities only where a whole window holds them.

    References
    ----------
    Lecture UU ("max pooling"); Nielsen, chapter 6.
    """

    padding_value = -float("inf")

    def forward(self, x: Array, train: bool = False) -> Array:
        self._check_input(x)
        if launcher(x) and gpu.fits(self):
            return gpu.max_forward(self, x, train)
        maximum, image = namespace(x).maximum, self._image(x)
        y = self._output((*self.output_shape, x.shape[0]), x, train)
        rows = self._scratch("rows", (*image.shape[:2], *y.shape[2:]), x)

        def work(part: slice) -> None:
            kernels.reduce_windows(
                maximum, image[part], _WIDTH, self.kernel[1], self.stride[1], out=rows[part]
            )
            kernels.reduce_windows(maximum, rows[part], _HEIGHT, self.kernel[0], self.stride[0], out=y[part])

        self._by_channels(image, work)
        self._cache = image, rows, y
        return kernels.from_batch_last(y)

    def backward(self, dy: Array) -> Array:
        if launcher(dy) and gpu.fits(self):
            return gpu.max_backward(self, dy)
        image, rows, y = self._saved(dy)
        dy = kernels.to_batch_last(dy)
        dx = self._scratch("dx", image.shape, dy)

        def work(part: slice) -> None:
            drows = namespace(dy).empty(rows[part].shape, dy.dtype)
            kernels.max_windows_backward(
                rows[part], y[part], dy[part], _HEIGHT, self.kernel[0], self.stride[0], out=drows
            )
            kernels.max_windows_backward(
                image[part], rows[part], drows, _WIDTH, self.kernel[1], self.stride[1], out=dx[part]
            )

        self._by_channels(image, work)
        return self._cropped(dx)


class AvgPool2D(_Pool2D):
    """Replace every window by its mean.

    Forward: ``y = (1 / n) sum over the window of x``. Backward: ``dx = dy / n`` for every element of the
    window, added up where windows overlap.

    Parameters
    ----------
    pool_size, stride, padding
        As for `MaxPool2D`.
    count_padding : bool
        Whether padding counts as zeros in the mean. By default n is the number of real pixels.

    Notes
    -----
    Shapes: input (N, C, H, W), output (N, C, OH, OW).
    """

    def __init__(
        self,
        pool_size: int | tuple[int, int] = 2,
        *,
        stride: int | tuple[int, int] | None = None,
        padding: PaddingOption = "valid",
        count_padding: bool = False,
    ) -> None:
        super().__init__(pool_size, stride=stride, padding=padding)
        self.count_padding = count_padding

    def forward(self, x: Array, train: bool = False) -> Array:
        self._check_input(x)
        if launcher(x):
            return gpu.average_forward(self, x, train)
        y = self._output((*self.output_shape, x.shape[0]), x, train)
        self._summed(self._image(x), y, self._inverse_counts(x, self.count_padding))
        self._cache = True
        return kernels.from_batch_last(y)

    def backward(self, dy: Array) -> Array:
        if launcher(dy):
            return gpu.average_backward(self, dy)
        self._saved(dy)
        factor = self._inverse_counts(dy, self.count_padding)
        return self._cropped(self._spread(kernels.to_batch_last(dy), factor))


class L2Pool2D(_Pool2D):
    """Replace every window by the root of the sum (or the mean) of its squares.

    Forward: ``y = sqrt(sum x^2 / n)`` with n = 1 in the form "sum". Backward: ``dx = dy x / (n y)``, and
    zero where y is zero: at that point the root has no derivative and zero is a subgradient.

    Parameters
    ----------
    pool_size, stride, padding
        As for `MaxPool2D`. Padding adds nothing.
    mode : {"sum", "mean"}
        "sum" is Nielsen's form; "mean" is what the slide prints ("rooted average of the squares"), smaller
        by a factor 2 for 2x2 windows. In a mean, n is the number of real pixels.

    Notes
    -----
    Shapes: input (N, C, H, W), output (N, C, OH, OW).

    References
    ----------
    Nielsen, chapter 6; lecture UU.
    """

    def __init__(
        self,
        pool_size: int | tuple[int, int] = 2,
        *,
        stride: int | tuple[int, int] | None = None,
        padding: PaddingOption = "valid",
        mode: str = "sum",
    ) -> None:
        super().__init__(pool_size, stride=stride, padding=padding)
        if mode not in ("sum", "mean"):
            raise ConfigError(f"L2Pool2D: mode must be 'sum' or 'mean', got {mode!r}")
        self.mode = mode

    def forward(self, x: Array, train: bool = False) -> Array:
        self._check_input(x)
        xp, image = namespace(x), self._image(x)
        squares = xp.multiply(image, image, out=self._scratch("squares", image.shape, x))
        factor = self._inverse_counts(x, count_padding=False) if self.mode == "mean" else None
        y = self._summed(squares, self._output((*self.output_shape, x.shape[0]), x, train), factor)
        xp.sqrt(y, out=y)
        self._cache = image, y
        return kernels.from_batch_last(y)

    def backward(self, dy: Array) -> Array:
        image, y = self._saved(dy)
        safe = namespace(y).maximum(y, namespace(y).finfo(y.dtype).tiny)
        share = kernels.to_batch_last(dy) / safe
        factor = self._inverse_counts(dy, count_padding=False) if self.mode == "mean" else None
        dx = self._spread(share, factor)
        dx *= image
        return self._cropped(dx)


class GlobalAvgPool2D(Layer):
    """Replace every feature map by its mean: (N, C, H, W) to (N, C).

    Backward: ``dx = dy / (H W)`` at every pixel.
    """

    per_example = True

    def setup(self, input_shape: Shape, seeds: Seeds) -> Shape:
        require_images(self.name, input_shape)
        return input_shape[:1]

    def forward(self, x: Array, train: bool = False) -> Array:
        self._check_input(x)
        self._cache = x
        return x.mean(axis=(2, 3))

    def backward(self, dy: Array) -> Array:
        x: Any = self._saved(dy)
        dx = self._scratch_like("dx", x)
        dx[...] = (dy / (x.shape[2] * x.shape[3]))[:, :, None, None]
        return dx
