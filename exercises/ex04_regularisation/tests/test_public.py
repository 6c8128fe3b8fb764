"""The worked examples of the handout.

Run `minidl exercise check 4` for the messages with hints, or plain `pytest`. Your file is graded with these
tests and with others that draw their numbers anew.
"""

import numpy as np

from minidl.grading import expect, task


def spread(weights):
    """Return the standard deviation about 0."""
    return float(np.sqrt(np.mean(np.square(weights, dtype=np.float64))))


def check_spread(weights, std, what, slips):
    """Expect a standard deviation, to six standard errors: random numbers miss that once in 500 million times."""
    found, error = spread(weights), 6 / np.sqrt(2 * weights.size)
    likely = [text for text, other in slips.items() if abs(found / other - 1) <= error]
    cause = f"; likely cause: {likely[0]}" if likely else ""
    expect.that(abs(found / std - 1) <= error, f"{what} has the wrong standard deviation, {found:.4g}{cause}")


def scores(weights):
    """Return the standard deviation of x W for the x of section 1: half of the inputs are 1, the others 0."""
    x = np.arange(len(weights)) % 2
    return float(np.std(x @ weights.astype(np.float64)))


@task("4.1", points=2, hint="equation (2): divide by the root of the number of inputs")
def test_normal_weights_spread(submission, rng):
    """normal_weights draws with the standard deviation 1 / sqrt(inputs): 0.05 for 400 inputs."""
    w = submission.call("normal_weights", 400, 100, submission.generator(int(rng.integers(1 << 30))))
    expect.shape(w, (400, 100), "normal_weights(400, 100, generator)")
    slips = {
        "these are normal numbers of standard deviation 1: they are not scaled": 1.0,
        "it was multiplied by the root of the inputs, not divided": 20.0,
        "it was divided by the number of inputs and not by its root": 1 / 400,
        "the number of outputs was taken": 0.1,
    }
    check_spread(w, 0.05, "normal_weights(400, 100, generator)", slips)
    # 200 terms of variance 1/400 each: 0.707. One hundred scores tell it to 0.05, six standard errors are 0.3.
    expect.that(
        0.4 < scores(w) < 1.05, "the scores x W should neither grow nor vanish with the number of inputs"
    )


@task("4.2", points=1, hint="equation (3): a ReLU lets half of the variance through, so take twice of it")
def test_he_weights_spread(submission, rng):
    """he_weights draws with the standard deviation sqrt(2 / inputs): 0.1 for 200 inputs."""
    w = submission.call("he_weights", 200, 450, submission.generator(int(rng.integers(1 << 30))))
    expect.shape(w, (200, 450), "he_weights(200, 450, generator)")
    slips = {
        "the factor 2 is missing": np.sqrt(1 / 200),
        "the 2 belongs under the root": 2 / np.sqrt(200),
        "the number of outputs was taken": np.sqrt(2 / 450),
        "this is the variance, its root is the standard deviation": 2 / 200,
    }
    check_spread(w, 0.1, "he_weights(200, 450, generator)", slips)


@task("4.2", points=1, hint="equation (4): evenly between -a and a, a = sqrt(6 / (inputs + outputs))")
def test_glorot_weights_range(submission, rng):
    """glorot_weights spreads the numbers evenly between -0.1 and 0.1 for 200 inputs and 400 outputs."""
    w = submission.call("glorot_weights", 200, 400, submission.generator(int(rng.integers(1 << 30))))
    expect.shape(w, (200, 400), "glorot_weights(200, 400, generator)")
    largest = float(np.abs(w).max())
    expect.that(
        largest <= 0.1 + 1e-6,
        f"a weight of glorot_weights(200, 400, generator) is {largest:.4g}; at most 0.1 is allowed",
    )
    slips = {
        "only numbers from 0 to 1 were drawn, and scaled": 0.1,
        "the limit was taken for the standard deviation": 0.1,
    }
    check_spread(w, 0.1 / np.sqrt(3), "glorot_weights(200, 400, generator)", slips)


# Section 4 of the handout.
PARAMETERS = {"1.weight": np.array([[2.0, -1.0], [0.5, 0.0]]), "1.bias": np.array([10.0, -10.0])}


@task("4.3", points=1, hint="equation (5): half the strength times the sum of the squares, without biases")
def test_l2_penalty_example(submission, rng):
    """l2_penalty gives 0.2625 in the example of section 4."""
    mistakes = {
        "the biases are counted": 10.2625,
        "the half is missing": 0.525,
        "the biases are counted, and the half is missing": 20.525,
        "this is the norm, without the square": 0.1 / 2 * np.sqrt(5.25),
    }
    expect.close(
        submission.call("l2_penalty", PARAMETERS, 0.1),
        0.2625,
        "l2_penalty(parameters, 0.1)",
        mistakes=mistakes,
    )


@task("4.3", points=1, hint="equation (6): strength times w, and zeros for the biases")
def test_l2_gradient_example(submission, rng):
    """l2_gradient gives the gradients of the example of section 4."""
    found = submission.call("l2_gradient", PARAMETERS, 0.1)
    expect.that(isinstance(found, dict), "l2_gradient must return a dict")
    expect.equal(
        sorted(map(str, found)), ["1.bias", "1.weight"], "the list of names in what l2_gradient returns"
    )
    what = 'l2_gradient(parameters, 0.1)["1.weight"]'
    expect.close(found["1.weight"], np.array([[0.2, -0.1], [0.05, 0.0]]), what)
    mistakes = {"the biases are punished as well": np.array([1.0, -1.0])}
    expect.close(found["1.bias"], np.zeros(2), 'l2_gradient(parameters, 0.1)["1.bias"]', mistakes=mistakes)


@task("4.4", points=1, hint="equations (7) and (8): absolute values, and their slope")
def test_l1_example(submission, rng):
    """l1_penalty gives 0.35, and l1_gradient the signs, in the example of section 4."""
    penalty = submission.call("l1_penalty", PARAMETERS, 0.1)
    mistakes = {
        "the biases are counted": 2.35,
        "a half too many": 0.175,
        "the absolute value is missing": 0.15,
    }
    expect.close(penalty, 0.35, "l1_penalty(parameters, 0.1)", mistakes=mistakes)
    found = submission.call("l1_gradient", PARAMETERS, 0.1)
    expect.that(isinstance(found, dict), "l1_gradient must return a dict")
    expect.equal(
        sorted(map(str, found)), ["1.bias", "1.weight"], "the list of names in what l1_gradient returns"
    )
    what = 'l1_gradient(parameters, 0.1)["1.weight"]'
    mistakes = {
        "this is the gradient of L2: L1 pulls every weight with the same force": 0.1 * PARAMETERS["1.weight"],
        "at w = 0 the gradient is 0": np.array([[0.1, -0.1], [0.1, 0.1]]),
        "the sign of the weight is missing": np.array([[0.1, 0.1], [0.1, 0.0]]),
    }
    expect.close(found["1.weight"], np.array([[0.1, -0.1], [0.1, 0.0]]), what, mistakes=mistakes)
    expect.close(found["1.bias"], np.zeros(2), 'l1_gradient(parameters, 0.1)["1.bias"]')


X = np.array([[1.0, 2.0, 3.0, 4.0]])
THROWS = np.array([[0.1, 0.2, 0.5, 0.9]])


@task("4.5", points=2, hint="equation (9): dropped where the number is below p, the others divided by 1 - p")
def test_dropout_example(submission, rng):
    """Dropout.forward gives the y of section 5."""
    layer = submission.new("Dropout", 0.2, submission.prop("Dice", [THROWS]))
    y = layer.forward(X)
    mistakes = {
        "p is taken for the probability of keeping": np.array([[5.0, 0.0, 0.0, 0.0]]),
        "those that should be dropped are kept, and the other way round": np.array([[1.25, 0.0, 0.0, 0.0]]),
        "the others are not made larger: divide by 1 - p": np.array([[0.0, 2.0, 3.0, 4.0]]),
        "divided by p, it should be 1 - p": np.array([[0.0, 10.0, 15.0, 20.0]]),
        "multiplied by 1 - p, it should be divided": np.array([[0.0, 1.6, 2.4, 3.2]]),
        "a number that is exactly p is not below it": np.array([[0.0, 0.0, 3.75, 5.0]]),
    }
    expect.close(
        y,
        np.array([[0.0, 2.5, 3.75, 5.0]]),
        "Dropout(0.2, generator).forward([[1, 2, 3, 4]])",
        mistakes=mistakes,
    )


@task(
    "4.5",
    points=1,
    hint="the mean over all masks is what goes on in the test, so divide by 1 - p while training",
)
def test_dropout_keeps_the_mean(submission, rng):
    """The mean of Dropout.forward over all masks is what it returns outside training: x itself."""
    # Two inputs and every pair of the numbers 0.1, 0.3, 0.5, 0.7 and 0.9: for p = 0.2 a fifth of each is dropped.
    numbers = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    pairs = np.stack([np.repeat(numbers, 5), np.tile(numbers, 5)], axis=1)
    layer = submission.new("Dropout", 0.2, submission.prop("Dice", [pairs]))
    x = np.array([1.0, -2.0])
    y = layer.forward(np.tile(x, (25, 1)))
    expect.shape(y, (25, 2), "Dropout(0.2, generator).forward(x) with x of shape (25, 2)")
    dropped = np.mean(y == 0, axis=0)
    expect.close(
        dropped, np.full(2, 0.2), "the share that Dropout(0.2, generator).forward drops of each input"
    )
    expect.close(y.mean(axis=0), x, "the mean of Dropout(0.2, generator).forward([1, -2]) over all masks")
    expect.close(layer.forward(x[np.newaxis], False), x[np.newaxis], "Dropout.forward(x, train=False)")


@task("4.6", points=2, hint="what was multiplied by 0 gets no gradient, what was divided by 1 - p gets more")
def test_dropout_backward_example(submission, rng):
    """Dropout.backward gives the dx of section 5."""
    layer = submission.new("Dropout", 0.2, submission.prop("Dice", [THROWS]))
    layer.forward(X)
    dx = layer.backward(np.array([[1.0, 1.0, 2.0, -4.0]]))
    mistakes = {
        "dy passes as it is: nothing is dropped": np.array([[1.0, 1.0, 2.0, -4.0]]),
        "the division by 1 - p is missing": np.array([[0.0, 1.0, 2.0, -4.0]]),
        "multiplied with y, it should be the mask and 1 / (1 - p)": np.array([[0.0, 2.5, 7.5, -20.0]]),
    }
    expect.close(
        dx, np.array([[0.0, 1.25, 2.5, -5.0]]), "Dropout.backward([[1, 1, 2, -4]])", mistakes=mistakes
    )


@task("4.7", points=2, hint="count the epochs since the last improvement; an equal accuracy is none")
def test_early_stopping_example(submission, rng):
    """EarlyStopping stops where the examples of section 6 stop."""
    cases = [
        ((2,), [0.90, 0.93, 0.92, 0.93], [False, False, False, True]),
        ((2,), [0.90, 0.89, 0.91, 0.90, 0.90], [False, False, False, False, True]),
        ((2, 0.01), [0.90, 0.904, 0.908, 0.95], [False, False, True, False]),
        ((3, 0.01), [0.90, 0.904, 0.908, 0.912, 0.913], [False] * 5),
    ]
    for arguments, accuracies, expected in cases:
        stopper = submission.new("EarlyStopping", *arguments)
        for epoch, (accuracy, stop) in enumerate(zip(accuracies, expected, strict=True)):
            given = ", ".join(map(str, accuracies[: epoch + 1]))
            what = f"EarlyStopping({', '.join(map(str, arguments))}).update after the accuracies {given}"
            expect.equal(stopper.update(accuracy), stop, what)


@task("4.8", points=2, hint="copies when they are kept, w[...] = … when they are put back")
def test_best_weights_example(submission, rng):
    """BestWeights keeps the weights of the best epoch and writes them back into the arrays."""
    keeper, w = submission.new("BestWeights"), submission.array(np.zeros(2))
    for epoch, accuracy in enumerate([0.7, 0.9, 0.9, 0.8]):
        w.write(np.full(2, float(epoch)))
        keeper.update(accuracy, {"1.weight": w})
    expect.close(keeper.best, 0.9, "best after the accuracies 0.7, 0.9, 0.9 and 0.8")
    keeper.restore({"1.weight": w})
    mistakes = {
        "these are the weights of the last epoch: the array was kept, not a copy of it": np.full(2, 3.0),
        "these are the weights of the first epoch": np.zeros(2),
        "the first of several best epochs counts: an equal accuracy is no gain": np.full(2, 2.0),
    }
    expect.close(w.value(), np.ones(2), "the weights after restore", mistakes=mistakes)
