"""The reference of this exercise and the library compute the same."""

import numpy as np

import minidl


def close(actual, expected):
    """Compare with the library; both work in double precision here."""
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12)


def agree_dense(submission, rng):
    ours = minidl.Dense(3)
    ours.build((5,), rng=0, dtype=np.float64)
    theirs = submission.new("Dense", 5, 3)
    theirs.weight = ours.parameters["weight"].value
    theirs.bias = ours.parameters["bias"].value
    for count in (1, 6):
        x, dy = rng.normal(size=(count, 5)), rng.normal(size=(count, 3))
        close(theirs.forward(x), ours.forward(x))
        close(theirs.backward(dy), ours.backward(dy))
        close(theirs.grad_weight, ours.parameters["weight"].grad)
        close(theirs.grad_bias, ours.parameters["bias"].grad)


def agree_activations(submission, rng):
    for name in ("Sigmoid", "Tanh", "ReLU"):
        ours, theirs = getattr(minidl, name)(), submission.new(name)
        ours.build((4,), rng=0, dtype=np.float64)
        x, dy = rng.normal(size=(6, 4)) * 3, rng.normal(size=(6, 4))
        x[0, 0] = 0  # the kink of the ReLU: both take slope 0
        close(theirs.forward(x), ours.forward(x))
        close(theirs.backward(dy), ours.backward(dy))


def agree_loss(submission, rng):
    ours, theirs = minidl.SoftmaxCrossEntropy(), submission.new("SoftmaxCrossEntropy")
    z, labels = rng.normal(size=(6, 4)) * 5, rng.integers(0, 4, size=6)
    z[0] *= 500
    close(theirs.forward(z, labels), ours.forward(z, labels))
    close(theirs.backward(), ours.backward())
    layer = minidl.Softmax()
    layer.build((4,), rng=0, dtype=np.float64)
    close(submission.call("softmax", z), layer.forward(z))
