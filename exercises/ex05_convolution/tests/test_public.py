"""The worked example of the handout, line by line, and the speed of your convolution.

Run `minidl exercise check 5` for the messages with hints, or plain `pytest`. Your files are graded with
these tests and with others that draw their numbers anew.
"""

import time

import numpy as np

from minidl.grading import expect, task

# Section 6 of the handout: one image of 3 x 4 pixels, one filter of 2 x 2, pooling windows of 2 x 2 with stride 1.
X = np.array([[[[1.0, 2.0, 0.0, 1.0], [0.0, 1.0, 3.0, 1.0], [2.0, 0.0, 1.0, 4.0]]]])
W = np.array([[[[1.0, -1.0], [2.0, 0.0]]]])
B = np.array([1.0])
Y = np.array([[[[0.0, 5.0, 6.0], [4.0, -1.0, 5.0]]]])
DY = np.array([[[[0.0, 1.0, 2.0], [0.0, 0.0, 0.0]]]])
MISTAKES = {
    "the kernel is turned around; here it is laid on the image as it is": np.array(
        [[[[6.0, 3.0, 1.0], [1.0, 8.0, 6.0]]]]
    ),
    "the bias is missing": np.array([[[[-1.0, 4.0, 5.0], [3.0, -2.0, 4.0]]]]),
}


def example_layer(submission):
    """Return the layer of the example."""
    layer = submission.new("Conv2D", 1, 1, (2, 2))
    layer.weight = W
    layer.bias = B
    return layer


LEFT = np.linspace(-1, 1, 92 * 92 * 25).reshape(92 * 92, 25)
RIGHT = np.linspace(-1, 1, 100).reshape(25, 4)


def yardstick():
    """Return how long it takes to copy all patches and to multiply two matrices of their size."""
    begun = time.perf_counter()
    np.copy(LEFT) @ RIGHT
    return time.perf_counter() - begun


@task(
    "5.1",
    points=1,
    hint="equation (1): the first position, and one more for every stride that fits behind it",
)
def test_output_size_table(submission, rng):
    """output_size gives the table of section 1."""
    rows = ((28, 5, 1, 0, 24), (24, 2, 2, 0, 12), (28, 5, 1, 2, 28), (7, 3, 2, 0, 3), (8, 3, 2, 0, 3))
    for size, kernel, stride, padding, expected in rows:
        found = submission.call("output_size", size, kernel, stride, padding)
        expect.equal(found, expected, f"output_size({size}, {kernel}, {stride}, {padding})")


@task(
    "5.2",
    points=2,
    hint="equation (2): the kernel lies on the image as it is; multiply, add up, add the bias",
)
def test_convolve_loops_example(submission, rng):
    """convolve_loops gives y of the worked example."""
    y = submission.call("convolve_loops", X, W, B)
    expect.close(y, Y, "convolve_loops(x, weight, bias)", mistakes=MISTAKES)


@task("5.2", points=1, hint="the window moves by the stride, over the image with its border of zeros")
def test_convolve_loops_stride_padding(submission, rng):
    """convolve_loops gives y of the example with stride 2 and padding 1."""
    y = submission.call("convolve_loops", X, W, B, 2, 1)
    expected = np.array([[[[1.0, 5.0, 3.0], [1.0, -1.0, 10.0]]]])
    expect.close(y, expected, "convolve_loops(x, weight, bias, 2, 1)")


@task("5.3", points=2, hint="equation (3): the axes are n, a, b, then c, i, j")
def test_patches_example(submission, rng):
    """patches gives the windows of the worked example."""
    found = submission.call("patches", X, (2, 2))
    expect.shape(found, (1, 2, 3, 1, 2, 2), "patches(x, (2, 2))")
    first = np.array([[1.0, 2.0], [0.0, 1.0]])
    last = np.array([[3.0, 1.0], [1.0, 4.0]])
    expect.close(found[0, 0, 0, 0], first, "patches(x, (2, 2))[0, 0, 0, 0], top left")
    expect.close(found[0, 1, 2, 0], last, "patches(x, (2, 2))[0, 1, 2, 0], bottom right")


@task("5.4", points=1, hint="equation (4): patches times weights, summed over c, i and j, plus the bias")
def test_conv_forward_example(submission, rng):
    """Conv2D.forward gives y of the worked example."""
    y = example_layer(submission).forward(X)
    expect.close(y, Y, "Conv2D.forward(x)", mistakes=MISTAKES)


@task("5.4", points=2, hint="no loop over pixels or examples: NumPy has to do many numbers in one call")
def test_conv_forward_speed(submission, rng):
    """Conv2D.forward takes at most 30 times as long as copying all patches and multiplying two matrices."""
    # An image of 96 x 96 pixels, 4 filters of 5 x 5: 92 * 92 positions with 25 numbers each.
    layer = submission.new("Conv2D", 1, 4, (5, 5))
    weight, bias = rng.normal(size=(4, 1, 5, 5)), rng.normal(size=4)
    layer.weight = weight
    layer.bias = bias
    yours, ours, start = [], [], time.perf_counter()
    while (
        len(yours) < 3 or time.perf_counter() - start < 2
    ):  # the best counts: other programs only make it slower
        ours += [yardstick() for _ in range(3)]
        x = rng.normal(size=(1, 1, 96, 96))  # anew each time, since an answer could be remembered
        sent = submission.array(x)
        begun = time.perf_counter()
        y = layer.forward(sent)
        yours.append(time.perf_counter() - begun)
        # One output, the pixels under the window times the weights: a quick wrong answer is none.
        expect.shape(y, (1, 4, 92, 92), "Conv2D.forward(x)")
        row, column = (int(k) for k in rng.integers(0, 92, 2))
        seen = (weight[:, 0] * x[0, 0, row : row + 5, column : column + 5]).sum(axis=(1, 2)) + bias
        expect.close(y[0, :, row, column], seen, f"Conv2D.forward(x)[0, :, {row}, {column}]")
        if min(yours) <= 30 * min(ours):
            return
    times = min(yours) / min(ours)
    expect.that(False, f"Conv2D.forward takes {times:.0f} times as long as the yardstick, 30 are allowed")


@task("5.5", points=2, hint="each pixel collects from all patches that it is part of")
def test_add_patches_counts(submission, rng):
    """add_patches of ones gives, at each pixel, the number of windows that see it."""
    found = submission.call("add_patches", np.ones((1, 2, 3, 1, 2, 2)), (1, 1, 3, 4))
    expected = np.array([[[[1.0, 2.0, 2.0, 1.0], [2.0, 4.0, 4.0, 2.0], [1.0, 2.0, 2.0, 1.0]]]])
    expect.close(found, expected, "add_patches(ones of shape (1, 2, 3, 1, 2, 2), (1, 1, 3, 4))")


@task("5.6", points=1, hint="equation (5): what the window saw, times dy, summed over all positions")
def test_conv_grad_weight_example(submission, rng):
    """Conv2D.backward sets grad_weight to dW of the worked example."""
    layer = example_layer(submission)
    layer.forward(X)
    layer.backward(DY)
    expect.close(layer.grad_weight, np.array([[[[2.0, 2.0], [7.0, 5.0]]]]), "grad_weight after backward(dy)")


@task("5.6", points=1, hint="equation (6): the sum over examples and positions")
def test_conv_grad_bias_example(submission, rng):
    """Conv2D.backward sets grad_bias to db of the worked example."""
    layer = example_layer(submission)
    layer.forward(X)
    layer.backward(DY)
    expect.close(layer.grad_bias, np.array([3.0]), "grad_bias after backward(dy)")


@task("5.6", points=1, hint="equation (7): each window spreads its dy over the pixels it saw")
def test_conv_grad_input_example(submission, rng):
    """Conv2D.backward returns dx of the worked example."""
    layer = example_layer(submission)
    layer.forward(X)
    expected = np.array([[[[0.0, 1.0, 1.0, -2.0], [0.0, 2.0, 4.0, 0.0], [0.0, 0.0, 0.0, 0.0]]]])
    expect.close(layer.backward(DY), expected, "Conv2D.backward(dy)")


@task("5.7", points=2, hint="the largest of the numbers under the window, at each of its positions")
def test_pool_forward_example(submission, rng):
    """MaxPool2D.forward gives p of the worked example."""
    p = submission.new("MaxPool2D", (2, 2), 1).forward(Y)
    expect.close(p, np.array([[[[5.0, 6.0]]]]), "MaxPool2D((2, 2), 1).forward(y)")


@task("5.8", points=1, hint="all of dy goes to the pixel that was the largest")
def test_pool_backward_example(submission, rng):
    """MaxPool2D.backward gives dy of the worked example."""
    layer = submission.new("MaxPool2D", (2, 2), 1)
    layer.forward(Y)
    expect.close(layer.backward(np.array([[[[1.0, 2.0]]]])), DY, "MaxPool2D((2, 2), 1).backward([[1, 2]])")


@task("5.8", points=1, hint="equally large: the first in reading order gets all, the others nothing")
def test_pool_backward_tie(submission, rng):
    """MaxPool2D.backward gives a tie to the first pixel in reading order."""
    layer = submission.new("MaxPool2D", (2, 2), 2)
    layer.forward(np.array([[[[1.0, 7.0, 0.0, 0.0], [7.0, 7.0, 0.0, 0.0]]]]))
    expected = np.array([[[[0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]]]])
    mistakes = {
        "all of the equally large pixels get the gradient": np.array([[[[0.0, 1, 1, 1], [1.0, 1, 1, 1]]]]),
        "the equally large pixels share the gradient": np.array(
            [[[[0.0, 1 / 3, 0.25, 0.25], [1 / 3, 1 / 3, 0.25, 0.25]]]]
        ),
        "the last of the equally large pixels gets the gradient": np.array(
            [[[[0.0, 0, 0, 0], [0.0, 1, 0, 1]]]]
        ),
    }
    dx = layer.backward(np.array([[[[1.0, 1.0]]]]))
    expect.close(dx, expected, "MaxPool2D((2, 2), 2).backward([[1, 1]])", mistakes=mistakes)
