"""The promises of the docstrings, on arrays that are drawn anew for every grading.

What is right is computed here, mostly with the loops that students may not write.
"""

import itertools

import numpy as np

from minidl.grading import expect, task


def some_sizes(rng, count):
    """Return different sizes, so that a wrong axis does not fit."""
    return [int(size) for size in rng.permutation(np.arange(2, 2 + 2 * count))[:count]]


# 0.1 ---------------------------------------------------------------------------------------------


def by_column(x):
    """Return a table with standardised columns, column by column."""
    x = x.astype(np.float64)
    columns = [(x[:, k] - x[:, k].mean()) / (x[:, k].std() or 1) for k in range(x.shape[1])]
    return np.stack(columns, axis=1)


@task(
    "0.1",
    points=1,
    visibility="hint",
    hint="a column of equal numbers has the standard deviation 0: 0/0 is NaN",
)
def test_standardise_random(submission, rng):
    """standardise is right for tables of any size, with columns of equal numbers, and for a single row."""
    for count, width in (some_sizes(rng, 2), (1, 3), (6, 6)):
        x = rng.normal(size=(count, width)) * rng.uniform(0.01, 20, size=width) + rng.normal(size=width)
        x[:, int(rng.integers(width))] = float(rng.integers(-3, 4))
        found = submission.call("standardise", x)
        what = f"standardise(x) with x of shape {x.shape}"
        expect.finite(found, what)
        expect.close(found, by_column(x), what, rtol=1e-7, atol=1e-9)


@task("0.1", points=1, visibility="hint", hint="x -= … changes the caller's table; keep its type")
def test_standardise_manners(submission, rng):
    """standardise keeps the type and leaves x as it is."""
    for dtype in (np.float32, np.float64):
        x = rng.normal(size=(6, 3)).astype(dtype)
        x[:, 1] = 2
        sent = submission.array(x)
        found = submission.call("standardise", sent)
        expect.dtype(found, dtype, f"standardise(x) with x of type {x.dtype}")
        expect.close(found, by_column(x), f"standardise(x) with x of type {x.dtype}", rtol=1e-3, atol=1e-4)
        expect.unchanged(sent, x, "x")


# 0.2 ---------------------------------------------------------------------------------------------


@task("0.2", points=1, visibility="hint", hint="for N, M and D all different only one sum fits")
def test_squared_distances_random(submission, rng):
    """squared_distances is right for sets of any size, of one point, and in one dimension."""
    n, m, d = some_sizes(rng, 3)
    for shape, other in (
        ((n, d), (m, d)),
        ((1, d), (m, d)),
        ((n, d), (1, d)),
        ((n, 1), (m, 1)),
        ((3, 3), (3, 3)),
    ):
        a, b = rng.normal(size=shape) * 3, rng.normal(size=other)
        expected = np.array([[sum((p - q) ** 2) for q in b] for p in a])
        what = f"squared_distances(a, b) with a of shape {shape} and b of shape {other}"
        expect.close(submission.call("squared_distances", a, b), expected, what, rtol=1e-9, atol=1e-9)


@task("0.2", points=1, visibility="hint", hint="nothing may be written into a or b")
def test_squared_distances_manners(submission, rng):
    """squared_distances leaves its arguments as they are, and is right for transposed ones."""
    a, b = rng.normal(size=(4, 3)), rng.normal(size=(2, 3))
    sent_a, sent_b = submission.array(a), submission.array(b)
    submission.call("squared_distances", sent_a, sent_b)
    expect.unchanged(sent_a, a, "a")
    expect.unchanged(sent_b, b, "b")
    turned = submission.hold(submission.prop("Transpose").forward, np.ascontiguousarray(a.T))
    expected = np.array([[sum((p - q) ** 2) for q in b] for p in a])
    expect.close(
        submission.call("squared_distances", turned, b),
        expected,
        "squared_distances(a, b) with a transposed a",
    )


# 0.3 ---------------------------------------------------------------------------------------------


@task(
    "0.3",
    points=1,
    visibility="hint",
    hint="np.arange(N) for the rows, the labels for the columns; N may be 0",
)
def test_one_hot_random(submission, rng):
    """one_hot is right for any number of labels and classes, for none, and if classes are missing."""
    for count, classes in (some_sizes(rng, 2), (9, 12), (0, 3), (1, 1)):
        labels = rng.integers(0, classes, size=count)
        expected = np.array([[float(k == label) for k in range(classes)] for label in labels]).reshape(
            count, classes
        )
        expect.close(
            submission.call("one_hot", labels, classes),
            expected,
            f"one_hot(labels, {classes}) with {count} labels",
            atol=0,
        )


@task("0.3", points=1, visibility="hint", hint="np.zeros and np.eye make float64 unless told otherwise")
def test_one_hot_types(submission, rng):
    """one_hot returns float32, takes labels of any integer type, and leaves them as they are."""
    for dtype in (np.uint8, np.int64):
        labels = rng.integers(0, 5, size=6).astype(dtype)
        sent = submission.array(labels)
        found = submission.call("one_hot", sent, 5)
        what = f"one_hot(labels, 5) with labels of type {labels.dtype}"
        expect.dtype(found, np.float32, what)
        expect.close(found, np.eye(5)[labels], what, atol=0)
        expect.unchanged(sent, labels, "labels")


# 0.4 and 0.5 -------------------------------------------------------------------------------------


@task(
    "0.4",
    points=1,
    visibility="hint",
    hint="[top:-top] is empty for top = 0, and wrong where an odd number is cut",
)
def test_centre_random(submission, rng):
    """centre is right for even and odd sizes, for whole images and for single pixels."""
    for height, width in ((6, 7), (5, 4)):
        images = rng.normal(size=(3, height, width))
        for h, w in itertools.product((1, 2, height - 1, height), (1, 3, width)):
            top, left = int((height - h) / 2), int((width - w) / 2)
            expected = np.array(
                [[[image[top + i, left + j] for j in range(w)] for i in range(h)] for image in images]
            )
            what = f"centre(images, {h}, {w}) with images of shape {images.shape}"
            expect.close(submission.call("centre", images, h, w), expected, what, atol=0)


@task("0.4", points=1, visibility="hint", hint="nothing but a slice is needed")
def test_centre_random_is_a_view(submission, rng):
    """centre is a view of images of any size, and leaves them as they are."""
    images = rng.normal(size=(2, 5, 6))
    sent = submission.array(images)
    found = submission.hold("centre", sent, 2, 4)
    expect.unchanged(sent, images, "images")
    sent.write(images + 1)
    expect.close(
        found.value(), images[:, 1:3, 1:5] + 1, "centre(images, 2, 4), after the images have changed", atol=0
    )


@task("0.5", points=1, visibility="hint", hint="both ends are cut off, and uint8 comes back")
def test_brighten_random(submission, rng):
    """brighten is right for every pixel value and any amount, in arrays of any shape."""
    images = rng.permutation(np.arange(256)).astype(np.uint8).reshape(4, 8, 8)
    for amount in (255, -255, 1, -1, 0, int(rng.integers(20, 200)), -int(rng.integers(20, 200))):
        expected = [min(max(int(pixel) + amount, 0), 255) for pixel in images.ravel()]
        found = submission.call("brighten", images, amount)
        expect.dtype(found, np.uint8, f"brighten(images, {amount})")
        expect.close(found, np.reshape(expected, images.shape), f"brighten(images, {amount})", atol=0)


@task("0.5", points=1, visibility="hint", hint="a new array in all cases, also where the amount is 0")
def test_brighten_is_a_copy(submission, rng):
    """brighten leaves the images as they are, and shares no memory with them."""
    for amount in (0, 30):
        images = rng.integers(0, 256, size=(3, 4)).astype(np.uint8)
        sent = submission.array(images)
        made = submission.hold("brighten", sent, amount)
        expect.unchanged(sent, images, "images")
        earlier = made.value()
        expected = np.minimum(images.astype(int) + amount, 255)
        expect.close(earlier, expected, f"brighten(images, {amount})", atol=0)
        sent.write(255 - images)
        expect.not_aliased(
            earlier, made.value(), f"what brighten(images, {amount}) returned", "the array of images"
        )


# 0.6 and 0.7 -------------------------------------------------------------------------------------


@task(
    "0.6",
    points=2,
    visibility="hint",
    hint="products of the lengths behind, times the itemsize; a tuple of whole numbers",
)
def test_strides_random(submission, rng):
    """strides_of and byte_offset are right for one to five axes and every itemsize."""
    for axes in range(1, 6):
        shape = tuple(int(size) for size in rng.integers(1, 6, size=axes))
        for dtype in (np.uint8, np.float32, np.float64):
            x = np.empty(shape, dtype)
            size = x.itemsize
            # NumPy may leave the stride of an axis of length 1 open, so count.
            expected = tuple(size * int(np.prod(shape[axis + 1 :], dtype=int)) for axis in range(axes))
            expect.equal(submission.call("strides_of", shape, size), expected, f"strides_of({shape}, {size})")
            index = tuple(int(rng.integers(length)) for length in shape)
            offset = size * int(np.ravel_multi_index(index, shape))
            what = f"byte_offset({index}, {expected})"
            expect.equal(submission.call("byte_offset", index, expected), offset, what)
    turned = submission.call("byte_offset", (2, 1), (8, 32))  # a transposed table: small strides first
    expect.equal(turned, 48, "byte_offset((2, 1), (8, 32))")


@task("0.7", points=1, visibility="hint", hint="N - size + 1 windows, along the right axes")
def test_windows_random(submission, rng):
    """windows and patches are right for all sizes, from single numbers to the whole."""
    length = int(rng.integers(5, 9))
    x = rng.normal(size=length)
    for size in (1, 2, 3, length):
        expected = np.array([x[i : i + size] for i in range(length - size + 1)])
        expect.close(
            submission.call("windows", x, size),
            expected,
            f"windows(x, {size}) with x of shape ({length},)",
            atol=0,
        )
    height, width = some_sizes(rng, 2)
    images = rng.normal(size=(3, height, width))
    for h, w in ((1, 1), (2, 1), (1, 2), (2, 2), (height, width)):
        rows, columns = range(height - h + 1), range(width - w + 1)
        expected = np.array(
            [[[image[i : i + h, j : j + w] for j in columns] for i in rows] for image in images]
        )
        what = f"patches(images, {h}, {w}) with images of shape {images.shape}"
        expect.close(submission.call("patches", images, h, w), expected, what, atol=0)


@task(
    "0.7",
    points=1,
    visibility="hint",
    hint="the strides are those of x, whatever they are: x.strides, not the itemsize",
)
def test_windows_of_slices(submission, rng):
    """windows and patches are right views also of slices and of transposed images."""
    x, images = rng.normal(size=9), rng.normal(size=(2, 4, 5))
    base, images_base = submission.array(x), submission.array(images)
    every = submission.hold(submission.prop("Every").forward, base)
    turned = submission.hold(submission.prop("Transpose").forward, images_base)
    found, found_patches = submission.hold("windows", every, 3), submission.hold("patches", turned, 2, 3)
    for factor, when in ((1, ""), (-2, ", after x has changed")):
        base.write(factor * x)
        images_base.write(factor * images)
        expected = factor * np.array([x[::2][i : i + 3] for i in range(3)])
        expect.close(found.value(), expected, f"windows(x[::2], 3){when}", atol=0)
        right = factor * np.array(
            [[[image.T[i : i + 2, j : j + 3] for j in range(2)] for i in range(4)] for image in images]
        )
        expect.close(found_patches.value(), right, f"patches of transposed images, 2 by 3{when}", atol=0)


# 0.8 ---------------------------------------------------------------------------------------------


@task(
    "0.8",
    points=1,
    visibility="hint",
    hint="every example counts, in the row of its class; a uint8 is too small for i * classes + j",
)
def test_confusion_matrix_random(submission, rng):
    """confusion_matrix is right for many examples, for classes without any, and for labels of type uint8."""
    for count, classes, dtype in ((60, 4, np.int64), (5, 7, np.int64), (300, 30, np.uint8), (1, 1, np.int64)):
        labels, predictions = rng.integers(0, classes, size=(2, count)).astype(dtype)
        if count == 5:
            labels %= classes - 2
            predictions %= classes - 1
        expected = np.zeros((classes, classes), dtype=int)
        for label, prediction in zip(labels, predictions, strict=True):
            expected[label, prediction] += 1
        sent, sent_too = submission.array(labels), submission.array(predictions)
        found = submission.call("confusion_matrix", sent, sent_too, classes)
        what = f"confusion_matrix(labels, predictions, {classes}) for {count} examples of type {labels.dtype}"
        expect.close(found, expected, what, atol=0)
        expect.that(
            np.asarray(found).dtype.kind in "iu",
            f"{what} must hold whole numbers, it is {np.asarray(found).dtype}",
        )
        expect.unchanged(sent, labels, "labels")
        expect.unchanged(sent_too, predictions, "predictions")


@task(
    "0.8",
    points=1,
    visibility="hint",
    hint="sums over counts, with 1 where the count is 0; keep the type of x",
)
def test_class_means_random(submission, rng):
    """class_means is right for any numbers of examples, columns and classes, and 0 for a class without examples."""
    for dtype, rtol in ((np.float64, 1e-9), (np.float32, 1e-4)):
        for count, width, classes in ((20, 3, 4), (4, 5, 9), (1, 1, 2)):
            x, labels = (
                rng.uniform(1, 2, size=(count, width)).astype(dtype),
                rng.integers(0, classes - 1, size=count),
            )
            expected = np.zeros((classes, width))
            for k in set(labels.tolist()):
                expected[k] = x[labels == k].astype(np.float64).mean(axis=0)
            sent = submission.array(x)
            found = submission.call("class_means", sent, labels, classes)
            what = f"class_means(x, labels, {classes}) with x of shape {x.shape} and type {x.dtype}"
            expect.finite(found, what)
            expect.close(found, expected, what, rtol=rtol)
            expect.dtype(found, dtype, what)
            expect.unchanged(sent, x, "x")
