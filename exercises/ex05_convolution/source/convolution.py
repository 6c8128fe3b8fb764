"""Exercise 5: convolution and max pooling, first with loops and then without.

Images come in batches of shape (N, C, H, W): N examples, C channels, H rows and W columns of pixels.

Four rules hold everywhere:

- a kernel is a pair (KH, KW), its height and width; stride and padding are single numbers for both directions;
- leave the arguments as they are: no ``x += ...``, no ``dy *= ...``;
- float32 in, float32 out, and float64 in, float64 out;
- batches of any size, also of one example.

The letters: N examples, C channels, H x W pixels, F filters, KH x KW kernel, S stride, P padding, OH x OW pixels
of the output.
"""

import numpy as np


def pad(x, padding):
    """Return images with `padding` rows and columns of zeros on each of their four sides; this is given."""
    return np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))


def output_size(size, kernel, stride=1, padding=0):
    """Return how many positions a window has along one axis of an image.

    Parameters
    ----------
    size : int
        Pixels of the image along this axis, without padding.
    kernel : int
        Pixels of the window along it.
    stride : int
        Pixels from one position to the next.
    padding : int
        Zeros in front of the image and behind it.

    Returns
    -------
    int
        The whole window has to fit; pixels that are left over at the end are not used.

    Raises
    ------
    ValueError
        If the window does not fit even once.
    """
    # BEGIN SOLUTION 5.1
    # HINT equation (1) of the handout; // divides whole numbers and cuts off the rest.
    room = size + 2 * padding - kernel
    if room < 0:
        raise ValueError(f"a window of {kernel} pixels does not fit into {size} with padding {padding}")
    return room // stride + 1
    # END SOLUTION


def convolve_loops(x, weight, bias, stride=1, padding=0):
    """Slide F filters over the images, number by number.

    Parameters
    ----------
    x : array of shape (N, C, H, W)
    weight : array of shape (F, C, KH, KW)
        The kernels. They are not turned around: this is what signal processing calls a cross-correlation.
    bias : array of shape (F,)
    stride, padding : int

    Returns
    -------
    array of shape (N, F, OH, OW), with the dtype of x
    """
    # BEGIN SOLUTION 5.2
    # HINT equation (2): four loops around one sum. NumPy may do the sum over c, i and j.
    # HINT it need not be fast, it need be right: it is what you compare the others with.
    filters, _, high, wide = weight.shape
    rows = output_size(x.shape[2], high, stride, padding)
    columns = output_size(x.shape[3], wide, stride, padding)
    padded = pad(x, padding)
    y = np.empty((len(x), filters, rows, columns), x.dtype)
    for n, f, a, b in np.ndindex(y.shape):
        top, left = a * stride, b * stride
        window = padded[n, :, top : top + high, left : left + wide]
        y[n, f, a, b] = np.sum(window * weight[f]) + bias[f]
    return y
    # END SOLUTION


def patches(x, kernel, stride=1, padding=0):
    """Return what the window sees at each of its positions.

    Parameters
    ----------
    x : array of shape (N, C, H, W)
    kernel : (int, int)
        KH and KW.
    stride, padding : int

    Returns
    -------
    array of shape (N, OH, OW, C, KH, KW), with the dtype of x
        ``result[n, a, b]`` is the part of image n under the window in row a and column b of positions. It may
        be a view.
    """
    # BEGIN SOLUTION 5.3
    # HINT np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(2, 3)), and look at the shape it gives.
    # HINT or two loops over i and j: for a fixed place in the window, all positions are one slice with a step.
    windows = np.lib.stride_tricks.sliding_window_view(pad(x, padding), kernel, axis=(2, 3))
    return windows[:, :, ::stride, ::stride].transpose(0, 2, 3, 1, 4, 5)
    # END SOLUTION


def add_patches(parts, shape, stride=1, padding=0):
    """Put patches back where they came from, and add up where they overlap.

    Parameters
    ----------
    parts : array of shape (N, OH, OW, C, KH, KW)
    shape : (int, int, int, int)
        N, C, H and W of the images.
    stride, padding : int

    Returns
    -------
    array of shape (N, C, H, W), with the dtype of parts
        Each pixel is the sum of all numbers that stand for it in `parts`; 0 where no window came by. What lies on
        the padding is lost.
    """
    # BEGIN SOLUTION 5.5
    # HINT start with zeros of the size of the padded images, and cut the padding off at the end.
    # HINT loop over i and j only: the places in a window are few, the positions are many. For fixed i and j no two
    # HINT positions hit the same pixel, so += on a slice with a step is right.
    count, channels, height, width = shape
    _, rows, columns, _, high, wide = parts.shape
    padded = np.zeros((count, channels, height + 2 * padding, width + 2 * padding), parts.dtype)
    for i, j in np.ndindex(high, wide):
        down = slice(i, i + stride * rows, stride)
        across = slice(j, j + stride * columns, stride)
        padded[:, :, down, across] += parts[..., i, j].transpose(0, 3, 1, 2)
    return padded[:, :, padding : padding + height, padding : padding + width]
    # END SOLUTION


class Conv2D:
    """F small filters that slide over the images; each gives one feature map.

    Attributes
    ----------
    weight : array of shape (F, C, KH, KW)
    bias : array of shape (F,)
    grad_weight, grad_bias : array or None
        dL/dweight and dL/dbias of the latest backward pass, in the shapes of weight and bias.
    """

    def __init__(self, channels, filters, kernel, stride=1, padding=0, seed=0):
        draw = np.random.default_rng(seed)
        shape = (filters, channels, *kernel)
        self.weight = (draw.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
        self.bias = np.zeros(filters, np.float32)
        self.stride, self.padding = stride, padding
        self.grad_weight = None
        self.grad_bias = None

    def forward(self, x):
        """Return the feature maps, as convolve_loops does, but fast.

        Parameters
        ----------
        x : array of shape (N, C, H, W)

        Returns
        -------
        array of shape (N, F, OH, OW), with the dtype of x
        """
        # BEGIN SOLUTION 5.4
        # HINT equation (4): np.tensordot(patches, weight, axes=...) sums over C, KH and KW at once.
        # HINT then the filters are the last axis: the bias can be added there, and they move to their place.
        self._shape = x.shape
        self._patches = patches(x, self.weight.shape[2:], self.stride, self.padding)
        y = np.tensordot(self._patches, self.weight, axes=((3, 4, 5), (1, 2, 3))) + self.bias
        return y.transpose(0, 3, 1, 2)
        # END SOLUTION

    def backward(self, dy):
        """Set grad_weight and grad_bias, and return the gradient of the images.

        The gradients of a new call take the place of the old ones: they are not added up.

        Parameters
        ----------
        dy : array of shape (N, F, OH, OW)
            dL/dy of the latest forward pass.

        Returns
        -------
        array of shape (N, C, H, W)
            dL/dx.
        """
        # BEGIN SOLUTION 5.6
        # HINT equations (5), (6) and (7): tensordot for the first and the last, and your add_patches.
        self.grad_weight = np.tensordot(dy, self._patches, axes=((0, 2, 3), (0, 1, 2)))
        self.grad_bias = dy.sum(axis=(0, 2, 3))
        parts = np.tensordot(dy, self.weight, axes=(1, 0))
        return add_patches(parts, self._shape, self.stride, self.padding)
        # END SOLUTION


class MaxPool2D:
    """The largest number under a window, for every channel by itself.

    Parameters
    ----------
    kernel : (int, int)
        KH and KW.
    stride : int
        May be smaller than the window (then windows overlap) and larger (then pixels are left out).
    """

    def __init__(self, kernel, stride):
        self.kernel = tuple(kernel)
        self.stride = stride

    def forward(self, x):
        """Return the largest number under each position of the window.

        Parameters
        ----------
        x : array of shape (N, C, H, W)
            Of any size and sign. There is no padding; pixels that are left over at the end are not used.

        Returns
        -------
        array of shape (N, C, OH, OW)
        """
        # BEGIN SOLUTION 5.7
        # HINT patches again: KH and KW become one axis, over which to take the maximum.
        # HINT backward has to know where the maximum was: argmax gives the first place of several.
        windows = patches(x, self.kernel, self.stride)
        windows = windows.reshape(*windows.shape[:4], -1)
        self._shape = x.shape
        self._winner = windows.argmax(axis=-1)
        return windows.max(axis=-1).transpose(0, 3, 1, 2)
        # END SOLUTION

    def backward(self, dy):
        """Return dL/dx: each number of dy goes to the pixel that was the largest under its window.

        Where several are equally large, the first in reading order (row by row, from the left) gets all of it. A
        pixel that was the largest under several windows gets the sum.

        Parameters
        ----------
        dy : array of shape (N, C, OH, OW)

        Returns
        -------
        array of shape (N, C, H, W), with the dtype of dy
        """
        # BEGIN SOLUTION 5.8
        # HINT make patches of zeros, put dy at the places of the winners (np.put_along_axis), and add_patches.
        high, wide = self.kernel
        parts = np.zeros((*self._winner.shape, high * wide), dy.dtype)
        np.put_along_axis(parts, self._winner[..., None], dy.transpose(0, 2, 3, 1)[..., None], axis=-1)
        return add_patches(parts.reshape(*self._winner.shape, high, wide), self._shape, self.stride)
        # END SOLUTION
