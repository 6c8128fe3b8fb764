"""The worked example of the handout, line by line.

Run `minidl exercise check 6` for the messages with hints, or plain `pytest`. Your files are graded with
these tests and with others that draw their numbers anew.
"""

import numpy as np

from minidl.grading import expect, task

# Section 5 of the handout: four examples, two features, eps = 1.
X = np.array([[0.0, 6.0], [4.0, -2.0], [4.0, 2.0], [4.0, 2.0]])
GAMMA, BETA = np.array([2.0, 3.0]), np.array([1.0, -1.0])
Y = np.array([[-2.0, 3.0], [2.0, -5.0], [2.0, -1.0], [2.0, -1.0]])
DY = np.array([[4.0, 3.0], [0.0, 0.0], [0.0, 3.0], [0.0, 6.0]])


def example_layer(submission):
    """Return the layer of the example."""
    layer = submission.new("BatchNorm", 2, 0.9, 1.0)
    layer.gamma, layer.beta = GAMMA, BETA
    layer.running_mean, layer.running_var = np.zeros(2), np.ones(2)
    return layer


def known_layer(submission):
    """Return the layer of the example with the running statistics of its second half."""
    layer = example_layer(submission)
    layer.running_mean, layer.running_var = np.array([1.0, 2.0]), np.array([3.0, 24.0])
    return layer


def two(found, what):
    """Expect two answers."""
    expect.that(
        isinstance(found, tuple) and len(found) == 2, f"{what} must return two arrays, as return a, b does"
    )
    return found


@task("6.1", points=1, hint="equation (1): down the columns, axis=0; divide by M")
def test_statistics_example(submission, rng):
    """statistics gives mean and variance of the worked example."""
    mean, var = two(submission.call("statistics", X), "statistics(x)")
    expect.close(mean, np.array([3.0, 2.0]), "the mean of statistics(x)")
    mistakes = {"divided by M - 1, it should be M": np.array([4.0, 32 / 3])}
    expect.close(var, np.array([3.0, 8.0]), "the variance of statistics(x)", mistakes=mistakes)


@task(
    "6.1",
    points=1,
    hint="equation (1) for images: over the examples, rows and columns; a channel is a feature",
)
def test_statistics_images(submission, rng):
    """statistics gives one mean and one variance for each channel of images."""
    x = np.array([[[[1.0, 3.0]], [[0.0, 0.0]]], [[[5.0, 7.0]], [[8.0, 0.0]]]])
    mean, var = two(submission.call("statistics", x), "statistics(x)")
    expect.close(mean, np.array([4.0, 2.0]), "the mean of statistics(x) with x of shape (2, 2, 1, 2)")
    expect.close(var, np.array([5.0, 12.0]), "the variance of statistics(x) with x of shape (2, 2, 1, 2)")


@task("6.2", points=2, hint="equations (2) and (3); eps is added to the variance before the root is taken")
def test_forward_train_example(submission, rng):
    """BatchNorm.forward_train gives y of the worked example."""
    xhat = np.array([[-1.5, 4 / 3], [0.5, -4 / 3], [0.5, 0.0], [0.5, 0.0]])
    outside = np.array([[-1.196152, 2.134467], [1.732051, -4.134467], [1.732051, -1.0], [1.732051, -1.0]])
    mistakes = {
        "this is xhat: gamma and beta are missing": xhat,
        "beta is missing": np.array([[-3.0, 4.0], [1.0, -4.0], [1.0, 0.0], [1.0, 0.0]]),
        "eps is added to the root, it should be added under the root": outside,
    }
    y = example_layer(submission).forward_train(X)
    expect.close(y, Y, "BatchNorm.forward_train(x)", atol=1e-5, mistakes=mistakes)


@task(
    "6.3",
    points=2,
    hint="equation (4): momentum is the weight of what was there; M / (M - 1) for the variance",
)
def test_update_running_example(submission, rng):
    """BatchNorm.update_running moves the running statistics as in the worked example."""
    layer = example_layer(submission)
    layer.update_running(X)
    mistakes = {"momentum and 1 - momentum are exchanged": np.array([2.7, 1.8])}
    expect.close(
        layer.running_mean, np.array([0.3, 0.2]), "running_mean", before=np.zeros(2), mistakes=mistakes
    )
    mistakes = {"the factor M / (M - 1) is missing": np.array([1.2, 1.7])}
    expect.close(layer.running_var, np.array([1.3, 1.966667]), "running_var", atol=1e-5, mistakes=mistakes)


@task("6.4", points=1, hint="equation (2) with the running mean and variance, not those of the batch")
def test_forward_test_example(submission, rng):
    """BatchNorm.forward_test uses the running statistics."""
    y = known_layer(submission).forward_test(np.array([[3.0, 7.0], [-1.0, 2.0]]))
    of_the_batch = np.array([[2.788854, 1.785430], [-0.788854, -3.785430]])
    mistakes = {"this is the answer of the training: the statistics of the batch are used": of_the_batch}
    expect.close(
        y, np.array([[3.0, 2.0], [-1.0, -1.0]]), "BatchNorm.forward_test(x)", atol=1e-5, mistakes=mistakes
    )


@task("6.5", points=1, hint="equation (5): the sum over the examples of dy times xhat")
def test_grad_gamma_example(submission, rng):
    """BatchNorm.grad_parameters sets grad_gamma of the worked example."""
    layer = example_layer(submission)
    layer.forward_train(X)
    layer.grad_parameters(DY)
    mistakes = {"dy is multiplied with x and not with xhat": np.array([0.0, 36.0])}
    expect.close(layer.grad_gamma, np.array([-6.0, 4.0]), "grad_gamma", batch=4, mistakes=mistakes)


@task("6.5", points=1, hint="equation (6): the sum over the examples of dy")
def test_grad_beta_example(submission, rng):
    """BatchNorm.grad_parameters sets grad_beta of the worked example."""
    layer = example_layer(submission)
    layer.forward_train(X)
    layer.grad_parameters(DY)
    expect.close(layer.grad_beta, np.array([4.0, 12.0]), "grad_beta", batch=4)


@task("6.6", points=2, hint="equation (8): the batch's mean and variance depend on x as well")
def test_grad_input_example(submission, rng):
    """BatchNorm.grad_input gives dx of the worked example."""
    layer = example_layer(submission)
    layer.forward_train(X)
    expected = np.array([[0.75, -4 / 3], [-0.25, -5 / 3], [-0.25, 0.0], [-0.25, 3.0]])
    mistakes = {
        "mean and variance are taken for constants; they depend on x, too": DY,
        "only the mean is differentiated; the variance depends on x, too": DY - np.array([1.0, 3.0]),
    }
    expect.close(layer.grad_input(DY), expected, "BatchNorm.grad_input(dy)", atol=1e-5, mistakes=mistakes)


@task("6.7", points=1, hint="equation (9): gamma divided by the root, once for every feature")
def test_backward_test_example(submission, rng):
    """BatchNorm.backward_test gives the gradient with the running statistics."""
    layer = known_layer(submission)
    layer.forward_test(np.array([[3.0, 7.0], [-1.0, 2.0]]))
    dx = layer.backward_test(np.array([[4.0, -2.0], [1.0, 5.0]]))
    expect.close(dx, np.array([[4.0, -1.2], [1.0, 3.0]]), "BatchNorm.backward_test(dy)", atol=1e-5)


@task("6.8", points=1, hint="in training: forward_train, and update_running once")
def test_forward_chooses(submission, rng):
    """BatchNorm.forward does what forward_train does in training, and what forward_test does at test time."""
    layer, same = known_layer(submission), known_layer(submission)
    x = np.array([[3.0, 7.0], [-1.0, 2.0]])
    test, right = layer.forward(x), same.forward_test(x)
    expect.shape(right, (2, 2), "BatchNorm.forward_test(x)")
    expect.close(test, right, "BatchNorm.forward(x), which should be forward_test(x)")
    train, right = layer.forward(x, True), same.forward_train(x)
    expect.shape(right, (2, 2), "BatchNorm.forward_train(x)")
    expect.close(train, right, "BatchNorm.forward(x, True), which should be forward_train(x)")
    expect.that(not np.allclose(train, test), "forward(x) and forward(x, True) should not be the same here")


@task("6.9", points=1, hint="a layer that computes gamma (x W + b - mean) / root + beta in one go")
def test_fold_example(submission, rng):
    """fold gives weight and bias of the worked example."""
    weight, bias = np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([1.0, 0.0])
    mean, var = np.array([1.0, 2.0]), np.array([0.0, 24.0])
    found = submission.call("fold", weight, bias, GAMMA, BETA, mean, var, 1.0)
    new_weight, new_bias = two(found, "fold(weight, bias, gamma, beta, mean, var, eps)")
    expect.close(new_weight, np.array([[2.0, 1.2], [0.0, 0.6]]), "the weight of fold(...)", atol=1e-5)
    expect.close(new_bias, np.array([1.0, -2.2]), "the bias of fold(...)", atol=1e-5)
