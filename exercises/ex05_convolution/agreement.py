"""The reference of this exercise and the library compute the same."""

import numpy as np

import minidl


def close(actual, expected):
    """Compare with the library; both work in double precision here."""
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12)


def agree_convolution(submission, rng):
    for kernel, stride, padding in (((3, 3), 1, 0), ((2, 4), 2, 1), ((5, 5), 1, 2), ((1, 2), 3, 0)):
        ours = minidl.Conv2D(4, kernel, stride=stride, padding=padding)
        ours.build((2, 8, 7), rng=0, dtype=np.float64)
        weight, bias = (ours.parameters[name].value for name in ("weight", "bias"))
        bias[:] = rng.normal(size=4)
        theirs = submission.new("Conv2D", 2, 4, kernel, stride, padding)
        theirs.weight, theirs.bias = weight, bias
        for count in (1, 3):
            x = rng.normal(size=(count, 2, 8, 7))
            y = ours.forward(x)
            dy = rng.normal(size=y.shape)
            close(submission.call("convolve_loops", x, weight, bias, stride, padding), y)
            close(theirs.forward(x), y)
            close(theirs.backward(dy), ours.backward(dy))
            close(theirs.grad_weight, ours.parameters["weight"].grad)
            close(theirs.grad_bias, ours.parameters["bias"].grad)


def agree_pooling(submission, rng):
    for kernel, stride in (((2, 2), 2), ((3, 2), 1), ((2, 3), 3)):
        ours, theirs = minidl.MaxPool2D(kernel, stride=stride), submission.new("MaxPool2D", kernel, stride)
        ours.build((2, 7, 8), rng=0, dtype=np.float64)
        x = rng.integers(-2, 3, size=(3, 2, 7, 8)).astype(float)  # many ties: both take the first
        y = ours.forward(x)
        dy = rng.normal(size=y.shape)
        close(theirs.forward(x), y)
        close(theirs.backward(dy), ours.backward(dy))
