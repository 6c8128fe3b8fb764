"""The reference of this exercise and the library compute the same."""

import numpy as np

import minidl


def close(actual, expected):
    """Compare with the library; both work in double precision here."""
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12)


def pair(submission, rng, shape):
    """Return our layer and the submission's with the same random parameters."""
    ours, theirs = minidl.BatchNorm(momentum=0.7, eps=0.01), submission.new("BatchNorm", shape[0], 0.7, 0.01)
    ours.build(shape, rng=0, dtype=np.float64)
    for name in ("gamma", "beta"):
        ours.parameters[name].value[:] = rng.normal(size=shape[0])
        setattr(theirs, name, ours.parameters[name].value)
    theirs.running_mean, theirs.running_var = np.zeros(shape[0]), np.ones(shape[0])
    ours.buffers["batches"][...] = 1000  # from the start on as later: no plain mean over the first batches
    return ours, theirs


def agree_passes(submission, rng):
    for shape in ((4,), (3, 2, 5)):
        ours, theirs = pair(submission, rng, shape)
        for train in (True, True, False):
            for count in (5, 1):
                x, dy = rng.normal(size=(count, *shape)) * 3 + 1, rng.normal(size=(count, *shape))
                close(theirs.forward(x, train), ours.forward(x, train=train))
                close(theirs.backward(dy), ours.backward(dy))
                if train:
                    close(theirs.grad_gamma, ours.parameters["gamma"].grad)
                    close(theirs.grad_beta, ours.parameters["beta"].grad)
                close(theirs.running_mean, ours.buffers["running_mean"])
                close(theirs.running_var, ours.buffers["running_var"])


def agree_folding(submission, rng):
    model = minidl.Sequential([minidl.Dense(3), minidl.BatchNorm()])
    model.build((4,), rng=0, dtype=np.float64)
    for _ in range(3):
        model.forward(rng.normal(size=(6, 4)), train=True)
    dense, norm = model.layers
    for name in ("gamma", "beta"):
        norm.parameters[name].value[:] = rng.normal(size=3)
    [folded] = minidl.fold_batchnorm(model).layers
    weight, bias = submission.call(
        "fold",
        dense.parameters["weight"].value,
        dense.parameters["bias"].value,
        norm.parameters["gamma"].value,
        norm.parameters["beta"].value,
        norm.buffers["running_mean"],
        norm.buffers["running_var"],
    )
    close(weight, folded.parameters["weight"].value)
    close(bias, folded.parameters["bias"].value)
