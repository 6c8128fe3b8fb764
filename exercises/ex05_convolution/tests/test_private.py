"""The promises of the docstrings, on images that are drawn anew for every grading.

What is right is computed here: windows by index, products with einsum, gradients by central differences.
"""

import time

import numpy as np

from minidl.grading import expect, task

# Kernel, stride and padding: odd, even and oblong windows, strides above the size of the window, wide borders.
GEOMETRIES = (((3, 3), 1, 0), ((2, 4), 1, 1), ((1, 3), 2, 0), ((2, 2), 3, 1), ((4, 3), 2, 2))


def images(rng, kernel, stride, padding=0, count=None, dtype=np.float64):
    """Return images that the window fits into at 2 to 4 positions each way, with pixels left over at the end."""
    rows, columns = rng.permutation(np.arange(2, 5))[:2]
    size = [
        int(k + stride * (positions - 1) - 2 * padding + rng.integers(0, stride))
        for k, positions in zip(kernel, (rows, columns), strict=True)
    ]
    count = int(rng.integers(2, 4)) if count is None else count
    x = rng.normal(size=(count, 3, size[0], size[1]))
    return (x + 0.1 * np.sign(x)).astype(dtype)


def right_patches(x, kernel, stride=1, padding=0):
    """Return (N, OH, OW, C, KH, KW), every number fetched by its index."""
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    starts = [range(0, n - k + 1, stride) for n, k in zip(x.shape[2:], kernel, strict=True)]
    down = np.array([[a + i for i in range(kernel[0])] for a in starts[0]])
    across = np.array([[b + j for j in range(kernel[1])] for b in starts[1]])
    found = x[:, :, down[:, None, :, None], across[None, :, None, :]]
    return np.moveaxis(found, 1, 3)


def right_images(parts, shape, stride=1, padding=0):
    """Return the images whose pixels are the sums of all numbers that stand for them in `parts`."""
    pixels = np.arange(1, np.prod(shape) + 1).reshape(shape)  # 0 is the padding
    numbered = right_patches(pixels, parts.shape[4:], stride, padding)
    sums = np.bincount(numbered.reshape(-1), weights=parts.reshape(-1), minlength=pixels.size + 1)
    return sums[1:].reshape(shape)


def right_convolution(x, weight, bias, stride=1, padding=0):
    """Return the feature maps in double precision."""
    seen = right_patches(x.astype(np.float64), weight.shape[2:], stride, padding)
    return np.einsum("nabcij,fcij->nfab", seen, weight.astype(np.float64)) + bias[:, None, None]


def filters(rng, kernel, count=2, dtype=np.float64):
    """Return weights and biases of filters for three channels."""
    return rng.normal(size=(count, 3, *kernel)).astype(dtype), rng.normal(size=count).astype(dtype)


def conv(submission, rng, kernel, stride=1, padding=0, dtype=np.float64):
    """Return a Conv2D of the submission with random parameters, and these."""
    weight, bias = filters(rng, kernel, dtype=dtype)
    layer = submission.new("Conv2D", 3, 2, kernel, stride, padding)
    layer.weight = weight
    layer.bias = bias
    return layer, weight, bias


def named(kernel, stride, padding):
    """Return how a message names a geometry."""
    return f"kernel {kernel}, stride {stride}, padding {padding}"


def out_of_order(submission, x):
    """Return x as an array in the worker that lies there in another order: not contiguous, as slices are not."""
    return submission.hold(submission.prop("Transpose").forward, np.ascontiguousarray(x.T))


LEFT = np.linspace(-1, 1, 92 * 92 * 25).reshape(92 * 92, 25)
RIGHT = np.linspace(-1, 1, 100).reshape(25, 4)


def check_speed(allowed, what, prepare):
    """Compare the best of several times of a call on an image of 96 x 96 pixels with that of the yardstick.

    `prepare` returns a call on numbers that were not used before, and what it has to give: neither a remembered
    answer nor a quick wrong one helps. The yardstick runs here, where a submission cannot slow it down, and the
    time of a call ends when its numbers have arrived.
    """
    yours, ours, start = [], [], time.perf_counter()
    while (
        len(yours) < 3 or time.perf_counter() - start < 2
    ):  # other programs on the machine only make it slower
        ours += [yardstick() for _ in range(3)]
        call, expected = prepare()
        begun = time.perf_counter()
        found = call()
        yours.append(time.perf_counter() - begun)
        expect.close(found, expected, what)
        if min(yours) <= allowed * min(ours):
            return
    times = min(yours) / min(ours)
    expect.that(False, f"{what} takes {times:.0f} times as long as the yardstick, {allowed} are allowed")


def yardstick():
    """Return how long it takes to copy all patches and to multiply two matrices of their size."""
    begun = time.perf_counter()
    np.copy(LEFT) @ RIGHT
    return time.perf_counter() - begun


# 5.1 ---------------------------------------------------------------------------------------------


@task(
    "5.1",
    points=1,
    visibility="hint",
    hint="count the positions on paper; what is left over at the end is not used",
)
def test_output_size_counted(submission, rng):
    """output_size is the number of positions, counted one by one."""
    for kernel, stride, padding in ((3, 1, 0), (4, 2, 1), (1, 3, 0), (5, 4, 2), (2, 2, 0)):
        for size in range(kernel, kernel + 7):
            found = submission.call("output_size", size, kernel, stride, padding)
            expected = len(range(0, size + 2 * padding - kernel + 1, stride))
            expect.equal(found, expected, f"output_size({size}, {kernel}, {stride}, {padding})")
    expect.equal(submission.call("output_size", 9, 3), 7, "output_size(9, 3)")


@task(
    "5.1",
    points=1,
    visibility="hint",
    hint="raise ValueError where the window is larger than the padded image",
)
def test_output_size_refuses(submission, rng):
    """output_size raises ValueError if the window does not fit, and only then."""
    size = int(rng.integers(1, 6))
    for stride in (1, 3):
        what = f"output_size({size}, {size + 3}, {stride}, 1)"
        expect.raises(
            lambda s=stride: submission.call("output_size", size, size + 3, s, 1), "ValueError", what
        )
        found = submission.call("output_size", size, size + 2, stride, 1)
        expect.equal(found, 1, f"output_size({size}, {size + 2}, {stride}, 1), which just fits")
        found = submission.call("output_size", size + stride, size + 2, stride, 1)
        expect.equal(found, 2, f"output_size({size + stride}, {size + 2}, {stride}, 1), which fits twice")


# 5.2 ---------------------------------------------------------------------------------------------


@task(
    "5.2",
    points=2,
    visibility="hint",
    hint="equation (2): all channels, KH rows and KW columns, a S and b S, on the padded image",
)
def test_convolve_loops_random(submission, rng):
    """convolve_loops is right for several channels, windows of any form, strides and paddings."""
    for kernel, stride, padding in GEOMETRIES:
        x, (weight, bias) = images(rng, kernel, stride, padding), filters(rng, kernel)
        y = submission.call("convolve_loops", x, weight, bias, stride, padding)
        expected = right_convolution(x, weight, bias, stride, padding)
        first = right_convolution(x[:, [0, 0, 0]], weight, bias, stride, padding)
        mistakes = {"the first channel of the image stands in for all of them": first}
        expect.close(y, expected, f"convolve_loops with {named(kernel, stride, padding)}", mistakes=mistakes)
    x = images(rng, (2, 3), 1, count=1)
    weight, bias = filters(rng, (2, 3))
    y = submission.call("convolve_loops", x, weight, bias)
    expect.close(y, right_convolution(x, weight, bias), "convolve_loops for a batch of one")


@task("5.2", points=1, visibility="hint", hint="np.zeros and np.empty make float64 unless told otherwise")
def test_convolve_loops_manners(submission, rng):
    """convolve_loops keeps the type and leaves its arguments as they are."""
    for dtype in (np.float32, np.float64):
        x, (weight, bias) = images(rng, (2, 2), 1, dtype=dtype), filters(rng, (2, 2), dtype=dtype)
        sent = [submission.array(array) for array in (x, weight, bias)]
        y = submission.call("convolve_loops", *sent, 1, 1)
        expect.dtype(y, dtype, f"convolve_loops with x of type {x.dtype}")
        for handle, array, name in zip(sent, (x, weight, bias), ("x", "weight", "bias"), strict=True):
            expect.unchanged(handle, array, name)
        right = right_convolution(x, weight, bias, 1, 1)
        what = f"convolve_loops with x of type {x.dtype}"
        expect.close(y, right, what, rtol=1e-4, atol=1e-4)


# 5.3 ---------------------------------------------------------------------------------------------


@task(
    "5.3",
    points=2,
    visibility="hint",
    hint="equation (3): [n, a, b, c, i, j] is pixel (a S + i, b S + j) of channel c",
)
def test_patches_random(submission, rng):
    """patches is right for windows of any form, strides and paddings."""
    for kernel, stride, padding in GEOMETRIES:
        x = images(rng, kernel, stride, padding)
        found = submission.call("patches", x, kernel, stride, padding)
        what = f"patches with {named(kernel, stride, padding)}"
        expect.close(found, right_patches(x, kernel, stride, padding), what)
    x = images(rng, (3, 2), 1, count=1)
    found = submission.call("patches", out_of_order(submission, x), (3, 2))
    expect.close(found, right_patches(x, (3, 2)), "patches of a batch of one, not contiguous")


@task("5.3", points=1, visibility="hint", hint="the padding is added around a copy; keep the type of x")
def test_patches_manners(submission, rng):
    """patches keeps the type and leaves x as it is."""
    for dtype in (np.float32, np.float64):
        x = images(rng, (2, 2), 2, 1, dtype=dtype)
        sent = submission.array(x)
        found = submission.call("patches", sent, (2, 2), 2, 1)
        expect.dtype(found, dtype, f"patches with x of type {x.dtype}")
        expect.unchanged(sent, x, "x")
        expect.close(found, right_patches(x, (2, 2), 2, 1), f"patches with x of type {x.dtype}")


@task(
    "5.3",
    points=1,
    visibility="hint",
    hint="loop over the places in the window at most, not over its positions",
)
def test_patches_speed(submission, rng):
    """patches takes at most 40 times as long as copying all patches and multiplying two matrices."""

    def prepare():
        x = rng.normal(size=(1, 1, 96, 96))
        sent = submission.array(x)
        return lambda: submission.call("patches", sent, (5, 5)), right_patches(x, (5, 5))

    check_speed(40, "patches", prepare)


# 5.4 ---------------------------------------------------------------------------------------------


@task("5.4", points=2, visibility="hint", hint="equation (4); compare with your convolve_loops")
def test_conv_forward_random(submission, rng):
    """Conv2D.forward is right for several channels, windows of any form, strides and paddings."""
    for kernel, stride, padding in GEOMETRIES:
        layer, weight, bias = conv(submission, rng, kernel, stride, padding)
        for count in (None, 1):
            x = images(rng, kernel, stride, padding, count)
            expected = right_convolution(x, weight, bias, stride, padding)
            without = expected - bias[:, None, None]
            what = f"Conv2D.forward(x) with x of shape {x.shape}, {named(kernel, stride, padding)}"
            expect.close(layer.forward(x), expected, what, mistakes={"the bias is missing": without})
    found = layer.forward(out_of_order(submission, x))
    expect.close(found, expected, "Conv2D.forward(x) with an x that is not contiguous")


@task("5.4", points=1, visibility="hint", hint="np.zeros makes float64 unless told otherwise")
def test_conv_forward_dtype(submission, rng):
    """Conv2D.forward returns float32 for float32 and float64 for float64."""
    for dtype in (np.float32, np.float64):
        layer, weight, bias = conv(submission, rng, (3, 2), 1, 1, dtype)
        x = images(rng, (3, 2), 1, 1, dtype=dtype)
        y = layer.forward(x)
        expect.dtype(y, dtype, f"Conv2D.forward(x) with x of type {x.dtype}")
        expected = right_convolution(x, weight, bias.astype(np.float64), 1, 1)
        expect.close(y, expected, f"Conv2D.forward(x) with x of type {x.dtype}", rtol=1e-4, atol=1e-5)


@task("5.4", points=1, visibility="hint", hint="`x += …` and `self.weight *= …` change what is not yours")
def test_conv_forward_leaves_things_alone(submission, rng):
    """Conv2D.forward changes neither x nor the parameters."""
    layer, weight, bias = conv(submission, rng, (2, 2))
    x = images(rng, (2, 2), 1)
    sent = submission.array(x)
    y = layer.forward(sent)
    expect.unchanged(sent, x, "x")
    expect.unchanged(layer.weight, weight, "weight")
    expect.unchanged(layer.bias, bias, "bias")
    expect.close(y, right_convolution(x, weight, bias), "Conv2D.forward(x)")


# 5.5 ---------------------------------------------------------------------------------------------


@task(
    "5.5",
    points=2,
    visibility="hint",
    hint="patch [n, a, b, c, i, j] belongs to pixel (a S + i - P, b S + j - P)",
)
def test_add_patches_random(submission, rng):
    """add_patches sends each number of the patches to its pixel, for any window, stride and padding."""
    for kernel, stride, padding in GEOMETRIES:
        for count in (None, 1):
            x = images(rng, kernel, stride, padding, count)
            parts = rng.normal(size=right_patches(x, kernel, stride, padding).shape)
            found = submission.call("add_patches", parts, x.shape, stride, padding)
            what = f"add_patches into images of shape {x.shape} with {named(kernel, stride, padding)}"
            expect.close(found, right_images(parts, x.shape, stride, padding), what)


@task("5.5", points=1, visibility="hint", hint="np.zeros makes float64 unless told otherwise")
def test_add_patches_manners(submission, rng):
    """add_patches keeps the type and leaves the patches as they are."""
    for dtype in (np.float32, np.float64):
        parts = rng.normal(size=(2, 3, 2, 3, 2, 2)).astype(dtype)
        sent = submission.array(parts)
        found = submission.call("add_patches", sent, (2, 3, 4, 3))
        expect.dtype(found, dtype, f"add_patches with parts of type {parts.dtype}")
        expect.unchanged(sent, parts, "parts")
        what = f"add_patches with parts of type {parts.dtype}"
        expect.close(found, right_images(parts, (2, 3, 4, 3)), what, rtol=1e-4, atol=1e-4)


# 5.6 ---------------------------------------------------------------------------------------------


def check_conv_gradient(submission, rng, which):
    """Run both passes of a Conv2D, and measure the slopes for "weight", "bias" or "x"."""
    for kernel, stride, padding in GEOMETRIES[1:]:
        for count in (2, 1):
            layer, weight, bias = conv(submission, rng, kernel, stride, padding)
            values = {"weight": weight, "bias": bias, "x": images(rng, kernel, stride, padding, count)}
            dy = rng.normal(size=right_convolution(values["x"], weight, bias, stride, padding).shape)

            def loss(array, values=values, dy=dy, stride=stride, padding=padding):
                now = {**values, which: array}
                y = right_convolution(now["x"], now["weight"], now["bias"], stride, padding)
                return np.sum(dy * y)

            layer.forward(values["x"])
            dx = layer.backward(out_of_order(submission, dy))
            found = {"weight": layer.grad_weight, "bias": layer.grad_bias, "x": dx}[which]
            name = "what Conv2D.backward(dy) returns" if which == "x" else f"grad_{which} after backward(dy)"
            what = f"{name}, dy of shape {dy.shape}, {named(kernel, stride, padding)}"
            expect.gradient(found, loss, values[which], what, batch=count, entries=24)


@task("5.6", points=1, visibility="hint", hint="equation (5); no division by N, that is part of dy already")
def test_conv_grad_weight_numerically(submission, rng):
    """grad_weight is the derivative of the loss with respect to every weight."""
    check_conv_gradient(submission, rng, "weight")


@task(
    "5.6", points=1, visibility="hint", hint="equation (6): the sum over examples and pixels, for each filter"
)
def test_conv_grad_bias_numerically(submission, rng):
    """grad_bias is the derivative of the loss with respect to every bias."""
    check_conv_gradient(submission, rng, "bias")


@task(
    "5.6",
    points=1,
    visibility="hint",
    hint="equation (7): dy times the weights, then patches back into the image",
)
def test_conv_grad_input_numerically(submission, rng):
    """Conv2D.backward returns the derivative of the loss with respect to every pixel."""
    check_conv_gradient(submission, rng, "x")


@task(
    "5.6",
    points=1,
    visibility="hint",
    hint="keep what belongs to a layer in self; a second pass starts anew: = and not +=",
)
def test_conv_gradients_are_overwritten(submission, rng):
    """A second pass with another batch leaves the gradients of that pass alone, in every layer its own."""
    layer, _, _ = conv(submission, rng, (2, 3))
    other, _, _ = conv(submission, rng, (2, 3))
    for count in (3, 2):
        x = images(rng, (2, 3), 1, count=count)
        old_weight, old_bias = layer.grad_weight, layer.grad_bias
        seen = right_patches(x, (2, 3))
        dy = rng.normal(size=(count, 2, *seen.shape[1:3]))
        layer.forward(x)
        other.forward(rng.normal(size=x.shape))
        layer.backward(dy)
        right = np.einsum("nfab,nabcij->fcij", dy, seen)
        expect.close(layer.grad_weight, right, "grad_weight after another pass", before=old_weight)
        expect.close(layer.grad_bias, dy.sum(axis=(0, 2, 3)), "grad_bias after another pass", before=old_bias)


@task(
    "5.6",
    points=1,
    visibility="hint",
    hint="the update is for the optimizer, and dy is the caller's; keep its type",
)
def test_conv_backward_manners(submission, rng):
    """Conv2D.backward keeps the type and changes neither dy nor x nor the parameters."""
    for dtype in (np.float32, np.float64):
        layer, weight, bias = conv(submission, rng, (2, 2), 1, 1, dtype)
        x = rng.normal(size=(2, 3, 3, 4)).astype(dtype)
        dy = rng.normal(size=(2, 2, 4, 5)).astype(dtype)
        sent_x, sent_dy = submission.array(x), submission.array(dy)
        layer.forward(sent_x)
        dx = layer.backward(sent_dy)
        for array, what in ((dx, "dx"), (layer.grad_weight, "grad_weight"), (layer.grad_bias, "grad_bias")):
            expect.dtype(array, dtype, f"{what} for x and dy of type {x.dtype}")
        for now, before, what in ((sent_dy, dy, "dy"), (sent_x, x, "x")):
            expect.unchanged(now, before, what)
        expect.unchanged(layer.weight, weight, "weight")
        expect.unchanged(layer.bias, bias, "bias")
        right = dy.sum(axis=(0, 2, 3), dtype=np.float64)
        expect.close(layer.grad_bias, right, "grad_bias", rtol=1e-4, atol=1e-4)


@task("5.6", points=1, visibility="hint", hint="no loop over pixels or examples, in add_patches neither")
def test_conv_backward_speed(submission, rng):
    """Conv2D.backward takes at most 40 times as long as copying all patches and multiplying two matrices."""
    layer = submission.new("Conv2D", 1, 4, (5, 5))
    weight = rng.normal(size=(4, 1, 5, 5))
    layer.weight = weight
    layer.bias = rng.normal(size=4)

    def prepare():
        layer.forward(rng.normal(size=(1, 1, 96, 96)))
        dy = rng.normal(size=(1, 4, 92, 92))
        sent = submission.array(dy)
        # Every pixel of dx collects from the outputs that it went into: a convolution of dy with the kernels turned.
        dx = right_convolution(dy, weight[:, :, ::-1, ::-1].swapaxes(0, 1), np.zeros(1), padding=4)
        return lambda: layer.backward(sent), dx

    check_speed(40, "Conv2D.backward", prepare)


# 5.7 ---------------------------------------------------------------------------------------------

POOLS = (((2, 2), 2), ((3, 2), 1), ((2, 3), 3), ((1, 2), 3), ((2, 2), 1))


@task(
    "5.7",
    points=2,
    visibility="hint",
    hint="equation (8): every channel by itself, at all positions that the stride allows",
)
def test_pool_forward_random(submission, rng):
    """MaxPool2D.forward is right for windows of any form and any stride, also where all pixels are negative."""
    for kernel, stride in POOLS:
        layer = submission.new("MaxPool2D", kernel, stride)
        for count, shift in ((None, 0), (1, -50)):
            x = images(rng, kernel, stride, count=count) + shift
            expected = np.moveaxis(right_patches(x, kernel, stride).max(axis=(4, 5)), 3, 1)
            what = f"MaxPool2D({kernel}, {stride}).forward(x) with x of shape {x.shape}"
            expect.close(layer.forward(x), expected, what)
        found = layer.forward(out_of_order(submission, x))
        expect.close(found, expected, f"{what} that is not contiguous")


@task(
    "5.7", points=1, visibility="hint", hint="keep the type, write into no argument, and no loop over pixels"
)
def test_pool_forward_manners(submission, rng):
    """MaxPool2D.forward keeps the type, leaves x as it is, and is fast."""
    for dtype in (np.float32, np.float64):
        x = images(rng, (2, 2), 2, dtype=dtype)
        sent = submission.array(x)
        y = submission.new("MaxPool2D", (2, 2), 2).forward(sent)
        expect.dtype(y, dtype, f"MaxPool2D.forward(x) with x of type {x.dtype}")
        expect.unchanged(sent, x, "x")
    layer = submission.new("MaxPool2D", (5, 5), 1)

    def prepare():
        large = rng.normal(size=(1, 1, 96, 96))
        sent = submission.array(large)
        return lambda: layer.forward(sent), np.moveaxis(right_patches(large, (5, 5)).max(axis=(4, 5)), 3, 1)

    check_speed(50, "MaxPool2D((5, 5), 1).forward(x) with an image of 96 x 96 pixels", prepare)


# 5.8 ---------------------------------------------------------------------------------------------


def right_pool_gradient(x, dy, kernel, stride):
    """Return dL/dx of max pooling: the first of the largest gets all."""
    dx = np.zeros(x.shape)
    for n, c, a, b in np.ndindex(dy.shape):
        top, left = a * stride, b * stride
        window = x[n, c, top : top + kernel[0], left : left + kernel[1]]
        i, j = divmod(int(window.argmax()), kernel[1])
        dx[n, c, top + i, left + j] += dy[n, c, a, b]
    return dx


def check_pool_backward(submission, rng, make):
    """Compare the gradients of two passes with the right ones."""
    for kernel, stride in POOLS:
        layer = submission.new("MaxPool2D", kernel, stride)
        for count in (None, 1):
            x = make(images(rng, kernel, stride, count=count))
            rows, columns = right_patches(x, kernel, stride).shape[1:3]
            dy = rng.normal(size=(*x.shape[:2], rows, columns))
            layer.forward(x)
            dx = layer.backward(dy)
            what = f"MaxPool2D({kernel}, {stride}).backward(dy) with dy of shape {dy.shape}"
            expect.close(dx, right_pool_gradient(x, dy, kernel, stride), what)


@task("5.8", points=1, visibility="hint", hint="a pixel that wins under several windows gets the sum")
def test_pool_backward_random(submission, rng):
    """MaxPool2D.backward is right for windows of any form and any stride, pass after pass."""
    check_pool_backward(submission, rng, lambda x: x - 3)


@task("5.8", points=1, visibility="hint", hint="argmax takes the first of several; x == max finds them all")
def test_pool_backward_ties(submission, rng):
    """MaxPool2D.backward is right where many pixels are equal, as behind a ReLU."""
    check_pool_backward(submission, rng, lambda x: np.maximum(np.round(x), 0))


@task("5.8", points=1, visibility="hint", hint="keep the type of dy, and write into no argument")
def test_pool_backward_manners(submission, rng):
    """MaxPool2D.backward keeps the type, leaves dy as it is, and no two layers share anything."""
    for dtype in (np.float32, np.float64):
        layer, other = submission.new("MaxPool2D", (2, 2), 2), submission.new("MaxPool2D", (2, 2), 2)
        x, dy = rng.normal(size=(2, 3, 4, 4)).astype(dtype), rng.normal(size=(2, 3, 2, 2)).astype(dtype)
        sent = submission.array(dy)
        layer.forward(x)
        other.forward(-x)
        dx = layer.backward(sent)
        expect.dtype(dx, dtype, f"MaxPool2D.backward(dy) with dy of type {dy.dtype}")
        expect.unchanged(sent, dy, "dy")
        right = right_pool_gradient(x, dy, (2, 2), 2)
        expect.close(dx, right, "MaxPool2D.backward(dy) of the first of two layers", rtol=1e-5, atol=1e-6)
