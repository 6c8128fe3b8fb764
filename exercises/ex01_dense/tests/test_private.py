"""The promises of the docstrings, on arrays that are drawn anew for every grading.

What is right is computed here, with formulas of the grader: central differences for the gradients, plain
NumPy for the values. No test relies on another task of the submission but for a forward pass that runs.
"""

import numpy as np

from minidl.grading import expect, task


def three_sizes(rng):
    """Return three different sizes from 2 to 7, so that a transposed product does not fit."""
    return [int(size) for size in rng.permutation(np.arange(2, 8))[:3]]


def dense(submission, rng, inputs, outputs, dtype=np.float64):
    """Return a Dense of the submission with random parameters, and these."""
    weight = rng.normal(size=(inputs, outputs)).astype(dtype)
    bias = rng.normal(size=outputs).astype(dtype)
    layer = submission.new("Dense", inputs, outputs)
    layer.weight = weight
    layer.bias = bias
    return layer, weight, bias


def batches(rng):
    """Return a usual batch size and that of a single example."""
    return int(rng.integers(3, 9)), 1


def by_columns(submission, x):
    """Return x as an array in the worker that lies there column by column: not contiguous, as slices are not."""
    return submission.hold(submission.prop("Transpose").forward, np.ascontiguousarray(x.T))


# 1.1 ---------------------------------------------------------------------------------------------


@task("1.1", points=1, visibility="hint", hint="y = x W + b for every row, also when there is only one")
def test_dense_forward_random(submission, rng):
    """Dense.forward is right for random sizes and for a batch of one."""
    _, inputs, outputs = three_sizes(rng)
    layer, weight, bias = dense(submission, rng, inputs, outputs)
    for count in batches(rng):
        x = rng.normal(size=(count, inputs))
        expected = x @ weight + bias
        mistakes = {"the bias is missing": x @ weight, "the bias is subtracted": x @ weight - bias}
        what = f"Dense({inputs}, {outputs}).forward(x) with x of shape {x.shape}"
        expect.close(layer.forward(x), expected, what, mistakes=mistakes)
    expect.close(layer.forward(by_columns(submission, x)), expected, f"{what} that is no contiguous array")


@task("1.1", points=1, visibility="hint", hint="keep the type: nothing in between may be made float64")
def test_dense_forward_dtype(submission, rng):
    """Dense.forward returns float32 for float32 and float64 for float64."""
    for dtype in (np.float32, np.float64):
        layer, weight, bias = dense(submission, rng, 4, 3, dtype)
        x = rng.normal(size=(5, 4)).astype(dtype)
        y = layer.forward(x)
        what = f"Dense(4, 3).forward(x) with x of type {x.dtype}"
        expect.dtype(y, dtype, what)
        exact = x.astype(np.float64) @ weight + bias
        expect.close(y, exact, what, rtol=1e-4, atol=1e-5)


@task("1.1", points=1, visibility="hint", hint="`x += …` and `self.weight *= …` change what is not yours")
def test_dense_forward_leaves_things_alone(submission, rng):
    """Dense.forward changes neither x nor the parameters."""
    layer, weight, bias = dense(submission, rng, 3, 3)
    x = rng.normal(size=(3, 3))
    sent = submission.array(x)
    y = layer.forward(sent)
    expect.unchanged(sent, x, "x")
    expect.unchanged(layer.weight, weight, "weight")
    expect.unchanged(layer.bias, bias, "bias")
    expect.close(y, x @ weight + bias, "Dense.forward(x)")  # doing nothing leaves things alone, too


# 1.2 ---------------------------------------------------------------------------------------------


def check_dense_gradient(submission, rng, which, count):
    """Run both passes of a Dense of random sizes, and measure the slopes for "weight", "bias" or "x"."""
    _, inputs, outputs = three_sizes(rng)
    layer, weight, bias = dense(submission, rng, inputs, outputs)
    x, dy = rng.normal(size=(count, inputs)), rng.normal(size=(count, outputs))
    values = {"weight": weight, "bias": bias, "x": x}

    def loss(array):
        now = {**values, which: array}
        return np.sum(dy * (now["x"] @ now["weight"] + now["bias"]))

    layer.forward(by_columns(submission, x))
    dx = layer.backward(by_columns(submission, dy))
    found = {"weight": layer.grad_weight, "bias": layer.grad_bias, "x": dx}
    name = "what Dense.backward(dy) returns" if which == "x" else f"grad_{which} after Dense.backward(dy)"
    what = f"{name} with x of shape {x.shape} and dy of shape {dy.shape}"
    expect.gradient(found[which], loss, values[which], what, batch=count)


@task("1.2", points=1, visibility="hint", hint="equation (4); no division by N, that is part of dy already")
def test_dense_grad_weight_numerically(submission, rng):
    """grad_weight is the derivative of the loss with respect to every weight, for any batch size."""
    for count in batches(rng):
        check_dense_gradient(submission, rng, "weight", count)


@task("1.2", points=1, visibility="hint", hint="equation (5): the sum, not the mean, over the examples")
def test_dense_grad_bias_numerically(submission, rng):
    """grad_bias is the derivative of the loss with respect to every bias, for any batch size."""
    for count in batches(rng):
        check_dense_gradient(submission, rng, "bias", count)


@task("1.2", points=1, visibility="hint", hint="equation (6): dx = dy W^T, of the shape of x")
def test_dense_grad_input_numerically(submission, rng):
    """Dense.backward returns the derivative of the loss with respect to every input, for any batch size."""
    for count in batches(rng):
        check_dense_gradient(submission, rng, "x", count)


@task("1.2", points=1, visibility="hint", hint="a second backward pass starts anew: = and not +=")
def test_dense_gradients_are_overwritten(submission, rng):
    """A second pass with other numbers leaves the gradients of that pass alone."""
    layer, weight, _ = dense(submission, rng, 4, 3)
    for count in (5, 2):
        x, dy = rng.normal(size=(count, 4)), rng.normal(size=(count, 3))
        old_weight, old_bias = layer.grad_weight, layer.grad_bias
        layer.forward(x)
        dx = layer.backward(dy)
        expect.close(layer.grad_weight, x.T @ dy, "grad_weight after another pass", before=old_weight)
        expect.close(layer.grad_bias, dy.sum(axis=0), "grad_bias after another pass", before=old_bias)
        expect.close(dx, dy @ weight.T, "Dense.backward(dy) in another pass")


@task("1.2", points=1, visibility="hint", hint="keep what belongs to a layer in self, and the type of dy")
def test_dense_layers_keep_apart(submission, rng):
    """Two layers in one network have gradients of their own, of type float32 in a network of float32."""
    first, _, _ = dense(submission, rng, 4, 3, np.float32)
    second, weight, _ = dense(submission, rng, 3, 2, np.float32)
    x, h = rng.normal(size=(5, 4)).astype(np.float32), rng.normal(size=(5, 3)).astype(np.float32)
    dy = rng.normal(size=(5, 2)).astype(np.float32)
    first.forward(x)
    second.forward(h)
    dh = second.backward(dy)
    dx = first.backward(dh)
    expect.close(dh, dy.astype(np.float64) @ weight.T, "dx of the second layer", rtol=1e-4, atol=1e-5)
    right = x.astype(np.float64).T @ dh
    expect.close(first.grad_weight, right, "grad_weight of the first of two layers", rtol=1e-4, atol=1e-5)
    for array, what in ((dx, "dx"), (first.grad_weight, "grad_weight"), (first.grad_bias, "grad_bias")):
        expect.dtype(array, np.float32, what)


@task("1.2", points=1, visibility="hint", hint="the update is for the optimizer, and dy is the caller's")
def test_dense_backward_leaves_things_alone(submission, rng):
    """Dense.backward changes neither dy nor x nor the parameters."""
    layer, weight, bias = dense(submission, rng, 3, 3)
    x, dy = rng.normal(size=(3, 3)), rng.normal(size=(3, 3))
    sent_x, sent_dy = submission.array(x), submission.array(dy)
    layer.forward(sent_x)
    dx = layer.backward(sent_dy)
    expect.unchanged(sent_dy, dy, "dy")
    expect.unchanged(sent_x, x, "x")
    expect.unchanged(layer.weight, weight, "weight")
    expect.unchanged(layer.bias, bias, "bias")
    expect.close(dx, dy @ weight.T, "Dense.backward(dy)")


# 1.3 ---------------------------------------------------------------------------------------------


def any_shape(rng):
    """Return a random shape of one to three axes."""
    return tuple(int(size) for size in rng.integers(1, 6, size=int(rng.integers(1, 4))))


def check_elementwise(submission, rng, name, function, factor=1.0):
    """Compare a layer that works on each number by itself with `function` and its measured slopes."""
    layer = submission.new(name)
    for shape in (any_shape(rng), (6, 4)):  # the second pass has to forget the first
        x, dy = rng.normal(size=shape) * factor, rng.normal(size=shape)
        expect.close(layer.forward(x), function(x), f"{name}.forward(x) with x of shape {shape}")
        dx = layer.backward(dy)
        what = f"{name}.backward(dy) with dy of shape {shape}"
        expect.gradient(dx, lambda v, dy=dy: np.sum(dy * function(v)), x, what, atol=1e-6)
    y = layer.forward(by_columns(submission, x))
    expect.close(y, function(x), f"{name}.forward(x) with an x that is no contiguous array")


def check_manners(submission, rng, name, function, slope):
    """Check type, that neither x nor dy is written into, and that something was computed nevertheless."""
    for dtype in (np.float32, np.float64):
        layer = submission.new(name)
        x, dy = rng.normal(size=(5, 4)).astype(dtype), rng.normal(size=(5, 4)).astype(dtype)
        sent_x, sent_dy = submission.array(x), submission.array(dy)
        y = layer.forward(sent_x)
        dx = layer.backward(sent_dy)
        expect.dtype(y, dtype, f"{name}.forward(x) with x of type {x.dtype}")
        expect.dtype(dx, dtype, f"{name}.backward(dy) with dy of type {dy.dtype}")
        expect.unchanged(sent_x, x, "x")
        expect.unchanged(sent_dy, dy, "dy")
        x, dy = x.astype(np.float64), dy.astype(np.float64)
        expect.close(y, function(x), f"{name}.forward(x)", rtol=1e-4, atol=1e-5)
        expect.close(dx, dy * slope(x), f"{name}.backward(dy)", rtol=1e-4, atol=1e-5)


def sigmoid(x):
    """Return the sigmoid of numbers that are not large."""
    return 1 / (1 + np.exp(-x))


@task("1.3", points=1, visibility="hint", hint="section 3: y = 1 / (1 + exp(-x)), and dx = dy y (1 - y)")
def test_sigmoid_random(submission, rng):
    """Sigmoid is right for arrays of any shape, forward and backward."""
    check_elementwise(submission, rng, "Sigmoid", sigmoid, 2.0)


@task("1.3", points=1, visibility="hint", hint="section 3: dx = dy (1 - y^2)")
def test_tanh_random(submission, rng):
    """Tanh is right for arrays of any shape, forward and backward."""
    check_elementwise(submission, rng, "Tanh", np.tanh)


@task("1.3", points=1, visibility="hint", hint="equation (8): exp(1000) is inf, and inf / inf is NaN")
def test_squashing_large_inputs(submission, rng):
    """Sigmoid and Tanh are 0 or 1, or -1 or 1, with slope 0, for inputs of size 1000."""
    for dtype in (np.float32, np.float64):
        x = (rng.uniform(500, 5000, size=(3, 4)) * rng.choice([-1, 1], size=(3, 4))).astype(dtype)
        for name, low in (("Sigmoid", 0.0), ("Tanh", -1.0)):
            layer = submission.new(name)
            y = layer.forward(x)
            expect.finite(y, f"{name}.forward(x) with x of size 1000")
            expect.close(y, np.where(x > 0, 1.0, low), f"{name}.forward(x) with x of size 1000", atol=1e-6)
            dx = layer.backward(np.ones_like(x))
            expect.close(dx, np.zeros_like(x), f"{name}.backward(dy) after such an x", atol=1e-6)


@task("1.3", points=1, visibility="hint", hint="keep the type, and write into no array that you were given")
def test_squashing_manners(submission, rng):
    """Sigmoid and Tanh keep the type and leave x and dy as they are."""
    check_manners(submission, rng, "Sigmoid", sigmoid, lambda x: sigmoid(x) * sigmoid(-x))
    check_manners(submission, rng, "Tanh", np.tanh, lambda x: 1 - np.tanh(x) ** 2)


# 1.4 ---------------------------------------------------------------------------------------------


@task("1.4", points=1, visibility="hint", hint="the slope is 1 where x > 0 and 0 where x < 0")
def test_relu_random(submission, rng):
    """ReLU is right for arrays of any shape, forward and backward, whatever the sign of dy."""
    check_elementwise(submission, rng, "ReLU", lambda x: np.maximum(x, 0), 3.0)


@task("1.4", points=1, visibility="hint", hint="at the kink the slope is 0 here: x > 0 and not x >= 0")
def test_relu_at_the_kink(submission, rng):
    """ReLU has slope 0 where x is exactly 0."""
    layer = submission.new("ReLU")
    x = rng.integers(-1, 2, size=(6, 5)).astype(np.float64)
    x[0, :3] = [-1, 0, 1]
    dy = rng.uniform(1, 2, size=x.shape)
    expect.close(layer.forward(x), np.where(x > 0, x, 0), "ReLU.forward(x) with x of -1, 0 and 1")
    mistakes = {"the gradient passes where x is 0": np.where(x >= 0, dy, 0)}
    expect.close(layer.backward(dy), np.where(x > 0, dy, 0), "ReLU.backward(dy)", mistakes=mistakes)


@task("1.4", points=1, visibility="hint", hint="x[x < 0] = 0 changes the caller's array: make a new one")
def test_relu_manners(submission, rng):
    """ReLU keeps the type and leaves x and dy as they are."""
    check_manners(submission, rng, "ReLU", lambda x: np.maximum(x, 0), lambda x: x > 0)


# 1.5 ---------------------------------------------------------------------------------------------


def right_softmax(z):
    """Return the softmax of every row in double precision."""
    z = z.astype(np.float64)
    exps = np.exp(z - z.max(axis=1, keepdims=True))
    return exps / exps.sum(axis=1, keepdims=True)


@task("1.5", points=1, visibility="hint", hint="every row by itself: sum and max with axis=1, keepdims=True")
def test_softmax_random(submission, rng):
    """softmax is right for any number of examples and classes."""
    count, classes, _ = three_sizes(rng)
    for shape in ((count, classes), (classes, classes), (1, classes)):
        z = rng.normal(size=shape) * 3
        expect.close(submission.call("softmax", z), right_softmax(z), f"softmax(z) with z of shape {shape}")


@task("1.5", points=1, visibility="hint", hint="take off every row its own maximum, not that of the array")
def test_softmax_large_scores(submission, rng):
    """softmax stays right for scores of size 1000, also when only one row is large."""
    z = rng.normal(size=(4, 5))
    z[0] += 2000
    z[1] -= 2000
    z[2] *= 1000
    expect.close(submission.call("softmax", z), right_softmax(z), "softmax(z) with scores of size 1000")


@task("1.5", points=1, visibility="hint", hint="z -= … writes into the caller's array; keep its type")
def test_softmax_manners(submission, rng):
    """softmax keeps the type and leaves z as it is."""
    for dtype in (np.float32, np.float64):
        z = rng.normal(size=(4, 3)).astype(dtype)
        sent = submission.array(z)
        p = submission.call("softmax", sent)
        expect.dtype(p, dtype, f"softmax(z) with z of type {z.dtype}")
        expect.unchanged(sent, z, "z")
        expect.close(p, right_softmax(z), f"softmax(z) with z of type {z.dtype}", rtol=1e-4, atol=1e-5)


# 1.6 ---------------------------------------------------------------------------------------------


def right_loss(z, labels):
    """Return the mean cross-entropy in double precision."""
    z = z.astype(np.float64)
    shifted = z - z.max(axis=1, keepdims=True)
    logarithms = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -float(np.mean(logarithms[np.arange(len(z)), labels]))


def scores(rng, dtype=np.float64, count=None):
    """Return scores of random sizes, and labels."""
    size, classes, _ = three_sizes(rng)
    count = count or size
    return rng.normal(size=(count, classes)).astype(dtype) * 2, rng.integers(0, classes, size=count)


@task("1.6", points=1, visibility="hint", hint="equation (10): the mean over the batch, with a minus")
def test_cross_entropy_random(submission, rng):
    """The loss is right for any number of examples and classes, and for a batch of one."""
    for count in batches(rng):
        z, labels = scores(rng, count=count)
        loss = submission.new("SoftmaxCrossEntropy").forward(by_columns(submission, z), labels)
        expect.close(loss, right_loss(z, labels), f"the loss for z of shape {z.shape}", batch=count)


@task("1.6", points=1, visibility="hint", hint="equation (11): take the logarithm on paper")
def test_cross_entropy_large_scores(submission, rng):
    """The loss is finite and right for scores of size 1000, also where a probability is rounded to 0."""
    z, labels = scores(rng, count=6)
    z[0] += 1500
    z[1] -= 1500
    z[2] *= 1000
    labels[2] = z[2].argmin()
    loss = submission.new("SoftmaxCrossEntropy").forward(z, labels)
    expect.finite(loss, "the loss for scores of size 1000")
    expect.close(loss, right_loss(z, labels), "the loss for scores of size 1000")


@task("1.6", points=1, visibility="hint", hint="work on new arrays: z and the labels are the caller's")
def test_cross_entropy_manners(submission, rng):
    """The loss of float32 scores is right, and neither z nor the labels are changed."""
    z, labels = scores(rng, np.float32)
    sent_z, sent_labels = submission.array(z), submission.array(labels)
    loss = submission.new("SoftmaxCrossEntropy").forward(sent_z, sent_labels)
    expect.close(loss, right_loss(z, labels), "the loss for float32 scores", rtol=1e-4, atol=1e-5)
    expect.unchanged(sent_z, z, "z")
    expect.unchanged(sent_labels, labels, "labels")


# 1.7 ---------------------------------------------------------------------------------------------


@task("1.7", points=1, visibility="hint", hint="equation (12), with N the number of examples")
def test_cross_entropy_gradient_numerically(submission, rng):
    """The gradient is the derivative of the loss, for any batch size, pass after pass."""
    loss = submission.new("SoftmaxCrossEntropy")
    for count in (*batches(rng), 4):
        z, labels = scores(rng, count=count)
        loss.forward(z, labels)
        dz = loss.backward()
        p = right_softmax(z)
        mistakes = {
            "this is p / N: the 1 of the right class is not taken off": p / count,
            "this is onehot - p: the sign is wrong": (np.eye(z.shape[1])[labels] - p) / count,
        }
        what = f"SoftmaxCrossEntropy.backward() after z of shape {z.shape}"
        expect.gradient(
            dz, lambda v, t=labels: right_loss(v, t), z, what, batch=count, mistakes=mistakes, atol=1e-6
        )


@task("1.7", points=1, visibility="hint", hint="here too the maximum of each row comes off first")
def test_cross_entropy_gradient_large_scores(submission, rng):
    """The gradient is finite and right for scores of size 1000."""
    z, labels = scores(rng, count=5)
    z[0] += 1500
    z[1] -= 1500
    z[2] *= 1000
    loss = submission.new("SoftmaxCrossEntropy")
    loss.forward(z, labels)
    dz = loss.backward()
    expected = (right_softmax(z) - np.eye(z.shape[1])[labels]) / 5
    expect.finite(dz, "the gradient for scores of size 1000")
    expect.close(dz, expected, "the gradient for scores of size 1000", batch=5)


@task("1.7", points=1, visibility="hint", hint="np.eye makes float64; p[…] -= 1 must not reach z")
def test_cross_entropy_gradient_manners(submission, rng):
    """The gradient has the type of z, z stays as it is, and asking twice gives the same."""
    for dtype in (np.float32, np.float64):
        z, labels = scores(rng, dtype)
        sent_z, sent_labels = submission.array(z), submission.array(labels)
        loss = submission.new("SoftmaxCrossEntropy")
        loss.forward(sent_z, sent_labels)
        first, second = loss.backward(), loss.backward()
        expect.dtype(first, dtype, f"SoftmaxCrossEntropy.backward() after z of type {z.dtype}")
        expect.unchanged(sent_z, z, "z")
        expect.unchanged(sent_labels, labels, "labels")
        expected = (right_softmax(z) - np.eye(z.shape[1])[labels]) / len(z)
        expect.close(first, expected, "SoftmaxCrossEntropy.backward()", rtol=1e-4, atol=1e-5)
        expect.close(
            second, expected, "SoftmaxCrossEntropy.backward(), called a second time", rtol=1e-4, atol=1e-5
        )


# 1.8 ---------------------------------------------------------------------------------------------


def chain(submission, rng):
    """Return a network of six little layers in random order, and the function it computes."""
    factors = rng.uniform(0.4, 0.9, size=2) * rng.choice([-1, 1], size=2)
    steps = [*map(float, factors), "square", "square", "sum", "sum"]
    steps = [steps[i] for i in rng.permutation(len(steps))]

    def function(x):
        for step in steps:
            x = x * x if step == "square" else np.cumsum(x, axis=1) if step == "sum" else step * x
        return x

    names = {"square": "Square", "sum": "Cumulate"}
    parts = [
        submission.prop(names[step]) if isinstance(step, str) else submission.prop("Scale", step)
        for step in steps
    ]
    return submission.new("Network", parts), function


@task("1.8", points=1, visibility="hint", hint="every layer once, in the order of the list")
def test_network_forward_random(submission, rng):
    """Network.forward is right for a chain of several layers."""
    network, function = chain(submission, rng)
    for shape in ((4, 3), (1, 2)):
        x = rng.uniform(0.5, 1.5, size=shape)
        expect.close(network.forward(x), function(x), f"Network.forward(x) with x of shape {shape}")


@task("1.8", points=1, visibility="hint", hint="what a layer returns is the dy of the one before")
def test_network_backward_random(submission, rng):
    """Network.backward is the derivative of the whole chain, pass after pass."""
    network, function = chain(submission, rng)
    for shape in ((4, 3), (1, 2)):
        x, dy = rng.uniform(0.5, 1.5, size=shape), rng.normal(size=shape)
        network.forward(x)
        dx = network.backward(dy)
        what = f"Network.backward(dy) with dy of shape {shape}"
        expect.gradient(dx, lambda v, dy=dy: np.sum(dy * function(v)), x, what, atol=1e-6)
