"""The worked example of the handout, line by line.

Run `minidl exercise check 1` for the messages with hints, or plain `pytest`. Your files are graded with
these tests and with others that draw their numbers anew.
"""

import numpy as np

from minidl.grading import expect, task

# Section 6 of the handout: two inputs, three hidden units, two classes, two examples.
X = np.array([[1.0, 2.0], [-2.0, 1.0]])
W1 = np.array([[1.0, 0.0, -1.0], [1.0, -1.0, 2.0]])
B1 = np.array([0.0, 3.0, -2.0])
Z1 = np.array([[3.0, 1.0, 1.0], [-1.0, 2.0, 2.0]])
H = np.array([[3.0, 1.0, 1.0], [0.0, 2.0, 2.0]])
Z2 = np.array([[3.0, 2.0], [-1.0, 2.0]])
LABELS = np.array([1, 0])
DZ1 = np.array([[0.365529, -0.731059, 0.365529], [0.0, 0.952574, -0.476287]])
DH = np.array([[0.365529, -0.731059, 0.365529], [-0.476287, 0.952574, -0.476287]])


def first_layer(submission):
    """Return the first dense layer of the example."""
    layer = submission.new("Dense", 2, 3)
    layer.weight = W1
    layer.bias = B1
    return layer


@task("1.1", points=2, hint="equation (2): one matrix product for all examples, plus the bias in every row")
def test_dense_forward_example(submission, rng):
    """Dense.forward gives z1 of the worked example."""
    z1 = first_layer(submission).forward(X)
    without_bias = np.array([[3.0, -2.0, 3.0], [-1.0, -1.0, 4.0]])
    expect.close(z1, Z1, "Dense.forward(x)", mistakes={"the bias is missing": without_bias})


@task("1.2", points=1, hint="equation (4): the sum over the examples, so x is the one to be transposed")
def test_dense_grad_weight_example(submission, rng):
    """Dense.backward sets grad_weight to dW1 of the worked example."""
    layer = first_layer(submission)
    layer.forward(X)
    layer.backward(DZ1)
    expected = np.array([[0.365529, -2.636207, 1.318103], [0.731059, -0.509544, 0.254771]])
    not_turned = np.array([[0.365529, 1.174089, -0.587045], [-0.731058, 2.414692, -1.207345]])
    mistakes = {"x is not transposed, so that the sum runs over the inputs and not the examples": not_turned}
    what = "grad_weight after Dense.backward(dy)"
    expect.close(layer.grad_weight, expected, what, atol=2e-6, batch=2, mistakes=mistakes)


@task("1.2", points=1, hint="equation (5): the sum over the examples, of shape (M,)")
def test_dense_grad_bias_example(submission, rng):
    """Dense.backward sets grad_bias to db1 of the worked example."""
    layer = first_layer(submission)
    layer.forward(X)
    layer.backward(DZ1)
    expected = np.array([0.365529, 0.221515, -0.110758])
    expect.close(layer.grad_bias, expected, "grad_bias after Dense.backward(dy)", atol=2e-6, batch=2)


@task("1.2", points=1, hint="equation (6): every input has a part in all outputs of its example")
def test_dense_grad_input_example(submission, rng):
    """Dense.backward returns dx of the worked example."""
    layer = first_layer(submission)
    layer.forward(X)
    dx = layer.backward(DZ1)
    expected = np.array([[0.0, 1.827647], [0.476287, -1.905148]])
    expect.close(dx, expected, "Dense.backward(dy)", atol=2e-6, batch=2)


@task("1.3", points=1, hint="the table in section 3; the slope of the sigmoid is y (1 - y)")
def test_sigmoid_table(submission, rng):
    """Sigmoid gives the values and slopes of the table in section 3."""
    layer = submission.new("Sigmoid")
    y = layer.forward(np.array([[0.0, 1.0, -2.0]]))
    expect.close(y, np.array([[0.5, 0.731059, 0.119203]]), "Sigmoid.forward([[0, 1, -2]])", atol=1e-6)
    dx = layer.backward(np.array([[1.0, 1.0, 10.0]]))
    expected = np.array([[0.25, 0.196612, 1.049936]])
    expect.close(dx, expected, "Sigmoid.backward([[1, 1, 10]])", atol=1e-6)


@task("1.3", points=1, hint="the table in section 3; the slope of tanh is 1 - y^2")
def test_tanh_table(submission, rng):
    """Tanh gives the values and slopes of the table in section 3."""
    layer = submission.new("Tanh")
    y = layer.forward(np.array([[0.0, 1.0, -2.0]]))
    expect.close(y, np.array([[0.0, 0.761594, -0.964028]]), "Tanh.forward([[0, 1, -2]])", atol=1e-6)
    dx = layer.backward(np.array([[1.0, 1.0, 10.0]]))
    expected = np.array([[1.0, 0.419974, 0.706508]])
    expect.close(dx, expected, "Tanh.backward([[1, 1, 10]])", atol=1e-6)


@task("1.4", points=1, hint="the gradient passes where x was positive, and nowhere else")
def test_relu_example(submission, rng):
    """ReLU gives h and, from dh, dz1 of the worked example."""
    layer = submission.new("ReLU")
    expect.close(layer.forward(Z1), H, "ReLU.forward(z1)")
    dz1 = layer.backward(DH)
    by_sign_of_dy = np.array([[0.365529, 0.0, 0.365529], [0.0, 0.952574, 0.0]])
    expect.close(
        dz1,
        DZ1,
        "ReLU.backward(dh)",
        mistakes={
            "the gradient passes everywhere, also where x was negative": DH,
            "the sign of dy decides; it must be the sign of x": by_sign_of_dy,
        },
    )


@task("1.5", points=1, hint="equation (9): every row by itself, with axis=1 and keepdims=True")
def test_softmax_example(submission, rng):
    """softmax gives p of the worked example."""
    p = submission.call("softmax", Z2)
    expected = np.array([[0.731059, 0.268941], [0.047426, 0.952574]])
    over_columns = np.array([[0.982014, 0.5], [0.017986, 0.5]])
    mistakes = {"each column sums to 1, it should be each row (axis=1)": over_columns}
    expect.close(p, expected, "softmax(z2)", atol=1e-6, mistakes=mistakes)


@task("1.6", points=1, hint="equation (10): minus the mean over the batch of log p of the right class")
def test_cross_entropy_example(submission, rng):
    """SoftmaxCrossEntropy.forward gives the loss of the worked example."""
    loss = submission.new("SoftmaxCrossEntropy").forward(Z2, LABELS)
    mistakes = {
        "this is the sum over the batch, it should be the mean": 4.361849,
        "the sign is wrong: the loss is minus the logarithm": -2.180925,
    }
    expect.close(loss, 2.180925, "SoftmaxCrossEntropy.forward(z2, labels)", batch=2, mistakes=mistakes)


@task("1.7", points=1, hint="equation (12): p, minus 1 for the right class, and the 1/N of the mean")
def test_cross_entropy_gradient_example(submission, rng):
    """SoftmaxCrossEntropy.backward gives dz2 of the worked example."""
    loss = submission.new("SoftmaxCrossEntropy")
    loss.forward(Z2, LABELS)
    expected = np.array([[0.365529, -0.365529], [-0.476287, 0.476287]])
    only_p = np.array([[0.365529, 0.134471], [0.023713, 0.476287]])
    mistakes = {"this is p / N: the 1 of the right class is not taken off": only_p}
    expect.close(
        loss.backward(), expected, "SoftmaxCrossEntropy.backward()", atol=1e-6, batch=2, mistakes=mistakes
    )


@task("1.8", points=1, hint="the output of a layer is the input of the next")
def test_network_forward_order(submission, rng):
    """Network.forward sends x through the layers from the first to the last."""
    # Adding up makes [1, 3] of [1, 2], squaring makes [1, 9] of that.
    network = submission.new("Network", [submission.prop("Cumulate"), submission.prop("Square")])
    mistakes = {"the layers ran from the last to the first": np.array([[1.0, 5.0]])}
    expect.close(network.forward(X[:1]), np.array([[1.0, 9.0]]), "forward([[1, 2]])", mistakes=mistakes)


@task("1.8", points=1, hint="the chain rule, from the last layer to the first")
def test_network_backward_order(submission, rng):
    """Network.backward sends dy through the layers from the last to the first."""
    # y_1 = x_1^2 and y_2 = (x_1 + x_2)^2; so dx_1 = 2 x_1 + 2 (x_1 + x_2) and dx_2 = 2 (x_1 + x_2).
    network = submission.new("Network", [submission.prop("Cumulate"), submission.prop("Square")])
    network.forward(X[:1])
    mistakes = {"dy went from the first layer to the last": np.array([[4.0, 6.0]])}
    dx = network.backward(np.array([[1.0, 1.0]]))
    expect.close(dx, np.array([[8.0, 6.0]]), "backward([[1, 1]]) after forward([[1, 2]])", mistakes=mistakes)
