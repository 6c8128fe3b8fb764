"""The worked example of the handout, line by line, and digits.

Run `minidl exercise check 8` for the messages with hints, or plain `pytest`. Your files are graded with
these tests and with others that draw their numbers anew.
"""

import numpy as np

from minidl.grading import expect, task

# Section 3 of the handout: two examples, one layer with two parameters.
X, LABELS = np.array([[1.0], [3.0]]), np.array([1, 5])
FONT = "75557 26227 71747 71717 55711 74717 74757 71222 75757 75717".split()  # five rows of three pixels each


def digits(rng, count):
    """Return small images of digits, drawn at random places with random strength and noise, and their labels."""
    labels = rng.integers(0, 10, size=count)
    images = rng.normal(25, 25, size=(count, 12, 12))
    for image, label in zip(images, labels, strict=True):
        rows = [[int(row) >> bit & 1 for bit in (2, 1, 0)] for row in FONT[label]]
        top, left = rng.integers(0, 3), rng.integers(2, 5)
        image[top : top + 10, left : left + 6] += rng.uniform(110, 200) * np.kron(rows, np.ones((2, 2)))
    return np.clip(images, 0, 255).astype(np.uint8)[:, None], labels


def example(submission):
    """Return the layer of the example."""
    return submission.prop("Gain", 2.0, 1.0)


def sizes(found, what):
    """Expect a list of arrays of indices, and return how many each has."""
    good = isinstance(found, list) and all(isinstance(b, np.ndarray) and b.dtype.kind in "iu" for b in found)
    expect.that(good, f"{what} must return a list of arrays of whole numbers")
    return [batch.size for batch in found]


@task("8.1", points=2, hint="one row for each image, row by row of its pixels, divided by 255")
def test_prepare_example(submission, rng):
    """prepare makes rows of numbers from 0 to 1."""
    images = np.array([[[[0, 255], [51, 102]]], [[[255, 0], [0, 204]]]], np.uint8)
    found = submission.call("prepare", images)
    expect.close(found, np.array([[0, 1, 0.2, 0.4], [1, 0, 0, 0.8]]), "prepare(images)", atol=1e-6)
    expect.dtype(found, np.float32, "prepare(images)")


@task("8.2", points=2, hint="shuffle all indices once, then cut: the last batch may be smaller")
def test_batches_example(submission, rng):
    """batches(10, 4, generator) gives batches of 4, 4 and 2 with every index once."""
    found = submission.call("batches", 10, 4, submission.generator(3))
    expect.equal(sizes(found, "batches(10, 4, generator)"), [4, 4, 2], "the sizes of the batches")
    together = np.sort(np.concatenate([np.ravel(batch) for batch in found]))
    expect.close(together, np.arange(10), "all indices of batches(10, 4, generator), sorted")


@task(
    "8.3",
    points=2,
    hint="equation (1): minus the learning rate times the gradient, in every layer that has weights",
)
def test_update_example(submission, rng):
    """update goes the step of the worked example."""
    layer = example(submission)
    layer.grad_weight, layer.grad_bias = np.array([4.0]), np.array([2.0])
    submission.call("update", [submission.prop("Cumulate"), layer], 0.1)
    expect.close(layer.weight, np.array([1.6]), "weight after update(layers, 0.1)", before=np.array([2.0]))
    expect.close(layer.bias, np.array([0.8]), "bias after update(layers, 0.1)", before=np.array([1.0]))


@task("8.4", points=1, hint="the output of a layer is the input of the next")
def test_forward_order(submission, rng):
    """Classifier.forward sends x through the layers from the first to the last."""
    layers = [submission.prop("Cumulate"), submission.prop("Gain", 2.0, 1.0)]
    y = submission.new("Classifier", layers, submission.prop("Distance")).forward(np.array([[1.0, 2.0]]))
    mistakes = {"the layers ran from the last to the first": np.array([[3.0, 8.0]])}
    expect.close(y, np.array([[3.0, 7.0]]), "Classifier.forward([[1, 2]])", mistakes=mistakes)


@task(
    "8.4",
    points=2,
    hint="section 3: forward, loss, backward, update; the answer is the loss before the update",
)
def test_step_example(submission, rng):
    """Classifier.step goes the step of the worked example, twice."""
    layer = example(submission)
    classifier = submission.new("Classifier", [layer], submission.prop("Distance"))
    mistakes = {"this is the loss after the update, it should be that before": 0.58}
    expect.close(classifier.step(X, LABELS, 0.1), 2.0, "Classifier.step(x, labels, 0.1)", mistakes=mistakes)
    expect.close(layer.weight, np.array([1.6]), "weight after the step", before=np.array([2.0]))
    expect.close(layer.bias, np.array([0.8]), "bias after the step", before=np.array([1.0]))
    expect.close(classifier.step(X, LABELS, 0.1), 0.58, "Classifier.step(x, labels, 0.1), the second time")


@task(
    "8.5",
    points=2,
    hint="the column of the largest score in each row: argmax(axis=1); the share of right ones",
)
def test_predict_example(submission, rng):
    """Classifier.predict takes the largest score, and accuracy counts."""
    classifier = submission.new(
        "Classifier", [submission.prop("Gain", -1.0, 0.0)], submission.prop("Distance")
    )
    x = np.array([[1.0, 0.0, 2.0], [3.0, 4.0, 5.0], [9.0, 8.0, 7.0], [0.0, -1.0, 1.0]])
    expect.close(classifier.predict(x), np.array([1, 0, 2, 1]), "Classifier.predict(x)")
    found = classifier.accuracy(x, np.array([1, 0, 2, 0]))
    mistakes = {
        "this is in per cent, it should be from 0 to 1": 75.0,
        "this is the number of right ones": 3.0,
    }
    expect.close(found, 0.75, "Classifier.accuracy(x, labels)", mistakes=mistakes)


@task("8.6", points=2, hint="one number for each epoch; the batches of an epoch have different sizes")
def test_fit_example(submission, rng):
    """Classifier.fit brings the loss of the worked example down, epoch after epoch."""
    layer = example(submission)
    classifier = submission.new("Classifier", [layer], submission.prop("Distance"))
    history = classifier.fit(X, LABELS, 3, 2, 0.1, submission.generator(0))
    good = isinstance(history, list) and all(isinstance(value, float | np.floating) for value in history)
    expect.that(good, "Classifier.fit must return a list of numbers")
    expect.close(
        np.array(history), np.array([2.0, 0.58, 0.325]), "Classifier.fit(x, labels, 3, 2, 0.1, generator)"
    )


@task(
    "8.7",
    points=2,
    hint="Dense and Sigmoid for each of the hidden sizes, and a Dense without Sigmoid at the end",
)
def test_build_shapes(submission, rng):
    """build(6, (5, 4), 3, seed) makes five layers whose sizes fit."""
    classifier = submission.call("build", 6, (5, 4), 3, 1)
    expect.that("Classifier" in repr(classifier), "build must return a Classifier")
    layers = classifier.layers
    expect.that(isinstance(layers, list) and len(layers) == 5, "build(6, (5, 4), 3, 1) must have 5 layers")
    for place, shape in ((0, (6, 5)), (2, (5, 4)), (4, (4, 3))):
        dense = "Dense" in repr(layers[place])
        expect.that(dense, f"layer {place} of build(6, (5, 4), 3, 1) must be a Dense")
        expect.shape(layers[place].weight, shape, f"the weights of layer {place}")


@task("8.8", points=2, hint="does the loss of fit fall? Then try other numbers at the top of the file")
def test_learn_digits(submission, rng):
    """learn gets at least 85 % of small digits right that it has not seen."""
    images, labels = digits(rng, 800)
    unseen, right = digits(rng, 400)
    classifier = submission.call("learn", images, labels, 1)
    expect.that("Classifier" in repr(classifier), "learn must return a Classifier")
    found = classifier.predict(submission.hold("prepare", unseen))
    expect.shape(found, (400,), "Classifier.predict(x)")
    share = float(np.mean(found == right))
    expect.that(
        share >= 0.85,
        f"{share:.0%} of 400 digits are right, at least 85 % should be; by chance it would be 10 %",
    )


@task("8.9", points=2, hint="section 5: the sizes after the convolution and after the pooling")
def test_convolutional_shapes(submission, rng):
    """build_convolutional((1, 8, 9), 3, 4, seed) makes five layers whose sizes fit."""
    what = "build_convolutional((1, 8, 9), 3, 4, 1)"
    classifier = submission.call("build_convolutional", (1, 8, 9), 3, 4, 1)
    expect.that("Classifier" in repr(classifier), f"{what} must return a Classifier")
    layers = classifier.layers
    expect.that(isinstance(layers, list) and len(layers) == 5, f"{what} must have 5 layers")
    for place, name in enumerate(("Conv2D", "MaxPool2D", "ReLU", "Flatten", "Dense")):
        expect.that(name in repr(layers[place]), f"layer {place} of {what} must be a {name}")
    expect.shape(layers[0].weight, (3, 1, 3, 3), "the weights of the convolution")
    expect.shape(layers[4].weight, (27, 4), "the weights of the dense layer")
    scores = classifier.forward(np.zeros((2, 1, 8, 9)))
    expect.shape(scores, (2, 4), "the scores of two images")
