"""Exercise 0: a warm-up in NumPy.

A network works on whole arrays at once: a batch of images, a matrix of weights. Python's loops are some
hundred times slower than NumPy's, and longer to write. So there is one rule for all of this file: **no
loops**. No `for`, no `while`, no comprehensions, and no functions that hide a loop (np.vectorize,
np.apply_along_axis, map).

Arguments are left as they are.
"""

import numpy as np


def standardise(x):
    """Return a table whose columns have mean 0 and standard deviation 1.

    Parameters
    ----------
    x : array of float of shape (N, D)
        One example in every row.

    Returns
    -------
    array of the shape and type of x
        In every column, the distance of each number from the column's mean, in standard deviations (those of
        np.std). A column of equal numbers becomes a column of zeros.
    """
    # BEGIN SOLUTION 0.1
    # HINT x.mean(axis=0) has the shape (D,), which NumPy stretches over the rows.
    # HINT where a standard deviation is 0, divide by 1.
    deviations = x - x.mean(axis=0)
    spread = x.std(axis=0)
    return deviations / np.where(spread > 0, spread, 1)
    # END SOLUTION


def squared_distances(a, b):
    """Return the squared distances of all points of one set from all points of another.

    Parameters
    ----------
    a : array of shape (N, D)
    b : array of shape (M, D)

    Returns
    -------
    array of shape (N, M)
        Entry [i, j] is the sum over the D coordinates of (a[i] - b[j])^2.
    """
    # BEGIN SOLUTION 0.2
    # HINT a[:, np.newaxis, :] has the shape (N, 1, D): section 2.
    differences = a[:, np.newaxis, :] - b[np.newaxis, :, :]
    return (differences**2).sum(axis=2)
    # END SOLUTION


def one_hot(labels, classes):
    """Return a table with a 1 in the column of the label and 0 elsewhere.

    Parameters
    ----------
    labels : array of int of shape (N,)
        Numbers from 0 to classes - 1; there may be none.
    classes : int

    Returns
    -------
    array of float32 of shape (N, classes)
    """
    # BEGIN SOLUTION 0.3
    # HINT table[rows, columns] = 1 with two arrays of N numbers sets N entries.
    table = np.zeros((len(labels), classes), dtype=np.float32)
    table[np.arange(len(labels)), labels] = 1
    return table
    # END SOLUTION


def centre(images, height, width):
    """Return the middle of every image, as a view: no pixel is copied.

    Parameters
    ----------
    images : array of shape (N, H, W)
    height, width : int
        What is left, at most H and W. If an odd number of rows (or columns) is cut, one more goes at the end
        than at the beginning.

    Returns
    -------
    array of shape (N, height, width)
        A view of images: who writes into it writes into the images.
    """
    # BEGIN SOLUTION 0.4
    # HINT a slice is a view; where does it begin, and where does it end?
    top = (images.shape[1] - height) // 2
    left = (images.shape[2] - width) // 2
    return images[:, top : top + height, left : left + width]
    # END SOLUTION


def brighten(images, amount):
    """Return images that are lighter by an amount: a new array.

    Parameters
    ----------
    images : array of uint8, of any shape
    amount : int
        From -255 to 255; below 0 the images get darker.

    Returns
    -------
    array of uint8, of the shape of images
        What would be above 255 is 255, what would be below 0 is 0.
    """
    # BEGIN SOLUTION 0.5
    # HINT a uint8 knows no number above 255: 250 + 10 is 4. Compute in a larger type.
    larger = images.astype(np.int16) + amount
    return np.clip(larger, 0, 255).astype(np.uint8)
    # END SOLUTION


def strides_of(shape, itemsize):
    """Return the strides of an array that lies row by row in memory, as ``x.strides`` gives them.

    Parameters
    ----------
    shape : tuple of int
        At least one axis, all lengths at least 1.
    itemsize : int
        Bytes of one number.

    Returns
    -------
    tuple of int
        For each axis, how many bytes it is to the next number along it.
    """
    # BEGIN SOLUTION 0.6
    # HINT the last is the itemsize; one before is that behind it, times the length of the axis behind it.
    # HINT np.cumprod multiplies up, and [::-1] reads a list from behind.
    behind = [itemsize, *shape[:0:-1]]
    return tuple(np.cumprod(behind)[::-1].tolist())
    # END SOLUTION


def byte_offset(index, strides):
    """Return how many bytes after the first number of an array the one at an index lies.

    Parameters
    ----------
    index, strides : tuple of int
        Of equal lengths.

    Returns
    -------
    int
    """
    # BEGIN SOLUTION 0.6
    # HINT a step along an axis is worth its stride.
    return int(np.dot(index, strides))
    # END SOLUTION


def windows(x, size):
    """Return all windows of a sequence, as a view: no number is copied.

    Parameters
    ----------
    x : array of shape (N,)
    size : int
        From 1 to N.

    Returns
    -------
    array of shape (N - size + 1, size)
        Row i is x[i], x[i + 1], … x[i + size - 1].
    """
    # BEGIN SOLUTION 0.7
    # HINT np.lib.stride_tricks has two functions for this; section 6 says how they work.
    return np.lib.stride_tricks.sliding_window_view(x, size)
    # END SOLUTION


def patches(images, height, width):
    """Return all patches of a size of every image, as a view: no pixel is copied.

    Parameters
    ----------
    images : array of shape (N, H, W)
    height, width : int
        From 1 to H and from 1 to W.

    Returns
    -------
    array of shape (N, H - height + 1, W - width + 1, height, width)
        Entry [n, i, j] is the patch of image n whose upper left corner is at [i, j].
    """
    # BEGIN SOLUTION 0.7
    # HINT the same as windows, along two axes at once.
    return np.lib.stride_tricks.sliding_window_view(images, (height, width), axis=(1, 2))
    # END SOLUTION


def confusion_matrix(labels, predictions, classes):
    """Return how often each class was taken for each class.

    Parameters
    ----------
    labels, predictions : arrays of int of shape (N,), of any integer type
        The right classes, and what a network says: numbers from 0 to classes - 1.
    classes : int

    Returns
    -------
    array of int of shape (classes, classes)
        Entry [i, j] is the number of examples of class i that were taken for class j.
    """
    # BEGIN SOLUTION 0.8
    # HINT matrix[labels, predictions] += 1 counts a pair that occurs twice only once: section 7.
    # HINT each pair has a number of its own, i * classes + j, and np.bincount counts numbers.
    pairs = labels.astype(np.int64) * classes + predictions
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
    # END SOLUTION


def class_means(x, labels, classes):
    """Return the mean of the examples of each class.

    Parameters
    ----------
    x : array of float of shape (N, D)
    labels : array of int of shape (N,)
    classes : int

    Returns
    -------
    array of shape (classes, D), of the type of x
        A class without examples has zeros.
    """
    # BEGIN SOLUTION 0.8
    # HINT which matrix, multiplied with x, adds up the rows of each class? Section 7.
    member = (labels[:, np.newaxis] == np.arange(classes)).astype(x.dtype)
    count = member.sum(axis=0)
    return member.T @ x / np.maximum(count, 1)[:, np.newaxis]
    # END SOLUTION
