"""The promises of the docstrings, on numbers that are drawn anew for every grading.

What is right is computed here. All but tasks 8.7 and 8.8 use the layers of props.py, whatever the submission's are.
"""

from itertools import pairwise

import numpy as np

from minidl.grading import expect, task

FONT = "75557 26227 71747 71717 55711 74717 74757 71222 75757 75717".split()


def digits(rng, count):
    """Return small images of digits, drawn at random places with random strength and noise, and their labels."""
    labels = rng.integers(0, 10, size=count)
    images = rng.normal(25, 25, size=(count, 12, 12))
    for image, label in zip(images, labels, strict=True):
        rows = [[int(row) >> bit & 1 for bit in (2, 1, 0)] for row in FONT[label]]
        top, left = rng.integers(0, 3), rng.integers(2, 5)
        image[top : top + 10, left : left + 6] += rng.uniform(110, 200) * np.kron(rows, np.ones((2, 2)))
    return np.clip(images, 0, 255).astype(np.uint8)[:, None], labels


# 8.1 ---------------------------------------------------------------------------------------------


@task("8.1", points=2, visibility="hint", hint="an array of float32 of its own; 255 becomes exactly 1")
def test_prepare_random(submission, rng):
    """prepare is right for images of any size, of which one is enough, and leaves them as they are."""
    for shape in ((5, 1, 3, 7), (1, 1, 28, 28), (3, 1, 1, 2)):
        images = rng.integers(0, 256, size=shape).astype(np.uint8)
        images[0, 0, 0, :2] = [0, 255]
        sent = submission.array(images)
        found = submission.call("prepare", sent)
        expect.close(
            found, images.reshape(shape[0], -1) / 255.0, f"prepare of images of shape {shape}", rtol=1e-6
        )
        expect.dtype(found, np.float32, f"prepare of images of shape {shape}")
        expect.unchanged(sent, images, "images")


# 8.2 ---------------------------------------------------------------------------------------------


def cut(found, count, size):
    """Expect the batches of an epoch, and return them in one array."""
    what = f"batches({count}, {size}, generator)"
    good = isinstance(found, list) and all(isinstance(b, np.ndarray) and b.dtype.kind in "iu" for b in found)
    expect.that(good, f"{what} must return a list of arrays of whole numbers")
    right = [min(size, count - start) for start in range(0, count, size)]
    expect.equal([batch.size for batch in found], right, f"the sizes of {what}")
    together = np.concatenate([np.ravel(batch) for batch in found])
    expect.close(np.sort(together), np.arange(count), f"all indices of {what}, sorted")
    return together


@task("8.2", points=2, visibility="hint", hint="every example once: also those of the last, smaller batch")
def test_batches_random(submission, rng):
    """batches has every index once, for any number and size."""
    for count, size in ((20, 5), (23, 7), (6, 10), (5, 1), (8, 8)):
        cut(submission.call("batches", count, size, submission.generator(int(rng.integers(99)))), count, size)


@task(
    "8.2",
    points=1,
    visibility="hint",
    hint="draw from the generator that is the argument, anew in every call",
)
def test_batches_generator(submission, rng):
    """batches gives the same order for the same seed, and another one in the next epoch."""
    seed = int(rng.integers(1000))
    one, two = submission.generator(seed), submission.generator(seed)
    first, again = (cut(submission.call("batches", 60, 8, g), 60, 8) for g in (one, two))
    second = cut(submission.call("batches", 60, 8, one), 60, 8)
    expect.that((first == again).all(), "two generators with the same seed give different batches")
    expect.that((np.diff(first) > 0).mean() < 0.9, "the indices are in their order, not shuffled")
    expect.that((first != second).any(), "the second epoch has the order of the first")


# 8.3 ---------------------------------------------------------------------------------------------


def gains(submission, rng, count, dtype=np.float64):
    """Return layers with random parameters and gradients, and these."""
    layers, values = [], []
    for _ in range(count):
        layer = submission.prop("Gain", 0.0, 0.0)
        row = [rng.normal(size=1).astype(dtype) for _ in range(4)]
        layer.weight, layer.bias, layer.grad_weight, layer.grad_bias = row
        layers.append(layer)
        values.append(row)
    return layers, values


@task(
    "8.3",
    points=2,
    visibility="hint",
    hint="equation (1) for each layer; equation (2) for weights, not for biases",
)
def test_update_random(submission, rng):
    """update is right for several layers, with and without weight decay."""
    for decay in (0.0, 0.3):
        layers, values = gains(submission, rng, 3)
        rate = float(rng.uniform(0.1, 0.5))
        between = submission.prop("Cumulate")
        arguments = (rate, decay) if decay else (rate,)
        submission.call("update", [layers[0], between, *layers[1:], between], *arguments)
        for layer, (weight, bias, grad_weight, grad_bias) in zip(layers, values, strict=True):
            right = weight - rate * (grad_weight + decay * weight)
            what = f"after update with a decay of {decay}"
            mistakes = {"the decay is missing": weight - rate * grad_weight} if decay else {}
            expect.close(layer.weight, right, f"weight {what}", before=weight, mistakes=mistakes)
            mistakes = {"the biases decay as well": bias - rate * (grad_bias + decay * bias)} if decay else {}
            expect.close(layer.bias, bias - rate * grad_bias, f"bias {what}", before=bias, mistakes=mistakes)


@task("8.3", points=2, visibility="hint", hint="only weight and bias change, and keep their type")
def test_update_manners(submission, rng):
    """update keeps float32, leaves the gradients as they are, and goes the same step again if asked."""
    layers, values = gains(submission, rng, 2, np.float32)
    for times in (1, 2):
        submission.call("update", layers, 0.25, 0.0)
        for layer, (weight, bias, grad_weight, grad_bias) in zip(layers, values, strict=True):
            expect.dtype(layer.weight, np.float32, "a weight after update(layers, rate)")
            expect.dtype(layer.bias, np.float32, "a bias after update(layers, rate)")
            expect.unchanged(layer.grad_weight, grad_weight, "grad_weight")
            expect.unchanged(layer.grad_bias, grad_bias, "grad_bias")
            what = f"after {times} updates"
            right = weight - times * 0.25 * grad_weight.astype(np.float64)
            expect.close(layer.weight, right, f"weight {what}", rtol=1e-4, atol=1e-6)
            right = bias - times * 0.25 * grad_bias.astype(np.float64)
            expect.close(layer.bias, right, f"bias {what}", rtol=1e-4, atol=1e-6)


# 8.4 ---------------------------------------------------------------------------------------------


class Twin:
    """What a Classifier of Gain, Cumulate and Gain should do, computed here."""

    def __init__(self, rng):
        self.numbers = rng.uniform(0.3, 0.9, size=4) * rng.choice([-1, 1], size=4)

    def of(self, submission):
        """Return a Classifier with the same parameters, and its two Gains."""
        first, second = (submission.prop("Gain", float(a), float(b)) for a, b in self.numbers.reshape(2, 2))
        layers = [first, submission.prop("Cumulate"), second]
        return submission.new("Classifier", layers, submission.prop("Distance")), (first, second)

    def scores(self, x, numbers=None):
        """Return the outputs."""
        w1, b1, w2, b2 = self.numbers if numbers is None else numbers
        return w2 * np.cumsum(w1 * x + b1, axis=1) + b2

    def loss(self, x, labels, numbers=None):
        """Return the loss."""
        return 0.5 * np.sum((self.scores(x, numbers) - labels[:, None]) ** 2) / len(x)

    def step(self, x, labels, rate, decay=0.0):
        """Go one step with measured slopes; return the loss before it."""
        value, slopes = self.loss(x, labels), np.zeros(4)
        for i in range(4):
            there, back = self.numbers.copy(), self.numbers.copy()
            there[i] += 1e-5
            back[i] -= 1e-5
            slopes[i] = (self.loss(x, labels, there) - self.loss(x, labels, back)) / 2e-5
        slopes += decay * self.numbers * [1, 0, 1, 0]
        self.numbers = self.numbers - rate * slopes
        return value

    def compare(self, gains, what):
        """Compare the parameters."""
        found = [getattr(gain, name) for gain in gains for name in ("weight", "bias")]
        for value, right, name in zip(found, self.numbers, ("weight", "bias") * 2, strict=True):
            expect.close(value, np.array([right]), f"a {name} {what}", rtol=1e-4, atol=1e-6)


def examples(rng, count):
    """Return examples with three numbers each, and labels."""
    return rng.normal(size=(count, 3)), rng.integers(-2, 3, size=count)


@task(
    "8.4",
    points=2,
    visibility="hint",
    hint="backward through the layers from the last to the first, then the update",
)
def test_step_random(submission, rng):
    """Classifier.step is right step after step, for any batch size, with and without weight decay."""
    twin = Twin(rng)
    classifier, parts = twin.of(submission)
    for count, decay in ((4, None), (1, 0.2), (6, 0.0)):
        x, labels = examples(rng, count)
        expect.close(classifier.forward(x), twin.scores(x), "Classifier.forward(x)", rtol=1e-4, atol=1e-5)
        arguments = (0.05,) if decay is None else (0.05, decay)
        found = classifier.step(x, labels, *arguments)
        right = twin.step(x, labels, *arguments)
        expect.close(
            found, right, f"Classifier.step with {count} examples", rtol=1e-4, atol=1e-5, batch=count
        )
        twin.compare(parts, f"after a step with {count} examples")


@task(
    "8.4",
    points=2,
    visibility="hint",
    hint="a step needs the gradients of its own batch, and changes no argument",
)
def test_step_manners(submission, rng):
    """Classifier.step leaves the batch as it is, and a learning rate of 0 changes nothing."""
    twin = Twin(rng)
    classifier, parts = twin.of(submission)
    x, labels = examples(rng, 5)
    sent_x, sent_labels = submission.array(x), submission.array(labels)
    for _ in range(2):
        found = classifier.step(sent_x, sent_labels, 0.0)
        expect.close(found, twin.loss(x, labels), "Classifier.step with a learning rate of 0")
        expect.unchanged(sent_x, x, "x")
        expect.unchanged(sent_labels, labels, "labels")
    twin.compare(parts, "after a step with a learning rate of 0")


# 8.5 ---------------------------------------------------------------------------------------------


@task("8.5", points=2, visibility="hint", hint="the last part is smaller, and every example keeps its place")
def test_predict_random(submission, rng):
    """Classifier.predict is right for any number of examples and any size of the parts."""
    twin = Twin(rng)
    classifier, _ = twin.of(submission)
    for count, size in ((7, 3), (12, 4), (1, 5), (230, None)):
        x = rng.normal(size=(count, 4))
        found = classifier.predict(x) if size is None else classifier.predict(x, size)
        right = twin.scores(x).argmax(axis=1)
        expect.close(found, right, f"Classifier.predict of {count} examples in parts of {size or 100}")
        labels = np.where(rng.random(count) < 0.5, right, 0)
        share = classifier.accuracy(x, labels)
        expect.close(share, np.mean(right == labels), f"Classifier.accuracy of {count} examples")


@task("8.5", points=1, visibility="hint", hint="no more than `size` examples go through the layers at a time")
def test_predict_in_parts(submission, rng):
    """Classifier.predict sends at most `size` examples through the layers at a time."""
    sizes, gains = [], rng.uniform(0.5, 2, size=3) * rng.choice([-1.0, 1.0], size=3)

    def forward(x):
        sizes.append(len(x))
        return gains * x

    layer = submission.prop("Observed", submission.callback(forward, "forward"))
    classifier = submission.new("Classifier", [layer], submission.prop("Distance"))
    x = rng.normal(size=(10, 3))
    expect.close(classifier.predict(x, 4), (gains * x).argmax(axis=1), "Classifier.predict(x, 4)")
    what = "how many examples predict(x, 4) sends through the layers, part by part"
    expect.equal(sizes, [4, 4, 2], what)


# 8.6 ---------------------------------------------------------------------------------------------


def losses(found):
    """Expect a list of numbers, and return them as an array."""
    good = isinstance(found, list) and all(isinstance(value, float | np.floating) for value in found)
    expect.that(good, "Classifier.fit must return a list of numbers")
    return np.array(found, float)


@task(
    "8.6",
    points=2,
    visibility="hint",
    hint="equation (3); the batches of your own `batches`, one step for each",
)
def test_fit_one_batch(submission, rng):
    """Classifier.fit does one step for each epoch if all examples are one batch."""
    for decay in (None, 0.1):
        twin = Twin(rng)
        classifier, parts = twin.of(submission)
        x, labels = examples(rng, 6)
        more = () if decay is None else (decay,)
        found = classifier.fit(x, labels, 3, 8, 0.02, submission.generator(0), *more)
        right = np.array([twin.step(x, labels, 0.02, *more) for _ in range(3)])
        expect.close(losses(found), right, "Classifier.fit with a single batch", rtol=1e-4, atol=1e-5)
        twin.compare(parts, "after fit with a single batch")


@task(
    "8.6", points=2, visibility="hint", hint="a mean over the examples: a small batch at the end counts less"
)
def test_fit_mean_of_an_epoch(submission, rng):
    """Classifier.fit returns the mean over the examples, also where the last batch is smaller."""
    twin = Twin(rng)
    classifier, _ = twin.of(submission)
    x, labels = examples(rng, 7)
    found = classifier.fit(x, labels, 2, 3, 0.0, submission.generator(int(rng.integers(99))))
    mistakes = {"this is the sum over the examples": np.full(2, 7 * twin.loss(x, labels))}
    what = "Classifier.fit with a learning rate of 0"
    expect.close(losses(found), np.full(2, twin.loss(x, labels)), what, mistakes=mistakes)


@task(
    "8.6",
    points=1,
    visibility="hint",
    hint="a new order in each epoch, from the generator; examples keep their labels",
)
def test_fit_order(submission, rng):
    """Classifier.fit visits the examples in the order of `batches`, anew in each epoch."""
    twin, seed = Twin(rng), int(rng.integers(1000))
    classifier, parts = twin.of(submission)
    x, labels = examples(rng, 9)
    sent = submission.array(x), submission.array(labels)
    found = classifier.fit(*sent, 2, 4, 0.02, submission.generator(seed))
    generator, sums = submission.generator(seed), np.zeros(2)
    for epoch in range(2):
        order = cut(submission.call("batches", 9, 4, generator), 9, 4)
        for chosen in (order[:4], order[4:8], order[8:]):
            sums[epoch] += len(chosen) * twin.step(x[chosen], labels[chosen], 0.02)
    what = "the losses of Classifier.fit, compared with steps over your own batches"
    expect.close(losses(found), sums / 9, what, rtol=1e-4, atol=1e-5)
    twin.compare(parts, "after fit, compared with steps over your own batches")
    expect.unchanged(sent[0], x, "x")
    expect.unchanged(sent[1], labels, "labels")


# 8.7 ---------------------------------------------------------------------------------------------


def built(submission, sizes, seed):
    """Return a classifier that `build` makes, and the weights and biases of its dense layers."""
    what = f"build({sizes[0]}, {sizes[1:-1]}, {sizes[-1]}, {seed})"
    classifier = submission.call("build", sizes[0], sizes[1:-1], sizes[-1], seed)
    expect.that("Classifier" in repr(classifier), f"{what} must return a Classifier")
    layers, count = classifier.layers, 2 * len(sizes) - 3
    expect.that(isinstance(layers, list) and len(layers) == count, f"{what} must have {count} layers")
    arrays = []
    for place, shape in zip(range(0, count, 2), pairwise(sizes), strict=True):
        expect.that("Dense" in repr(layers[place]), f"{what}: a Dense is expected as layer {place}")
        arrays.append((layers[place].weight, layers[place].bias))
        expect.shape(arrays[-1][0], shape, f"the weights of layer {place}")
        expect.shape(arrays[-1][1], shape[1:], f"the biases of layer {place}")
    return classifier, arrays


@task("8.7", points=1, visibility="hint", hint="np.random.default_rng(seed) may draw the seeds of the layers")
def test_build_seeds(submission, rng):
    """build gives the same weights for the same seed, others for another, and each layer weights of its own."""
    seed = int(rng.integers(1000))
    one, same, other = (
        [weight for weight, _ in built(submission, (4, 4, 4, 4), s)[1]] for s in (seed, seed, seed + 1)
    )
    for place in range(3):
        expect.close(same[place], one[place], "the weights of a layer with the same seed")
        expect.that(
            not np.allclose(other[place], one[place]), "a layer has the same weights whatever the seed"
        )
    for first, second in ((0, 1), (0, 2), (1, 2)):
        differ = not np.allclose(one[first], one[second])
        expect.that(differ, "two layers have the same weights: every layer needs a seed of its own")


@task(
    "8.7",
    points=2,
    visibility="hint",
    hint="no sigmoid behind the last Dense: cross-entropy takes scores of any sign",
)
def test_build_forward(submission, rng):
    """build makes a network with a sigmoid after each hidden layer, and none at the end."""
    for hidden in ((5,), (), (3, 6)):
        classifier, arrays = built(submission, (4, *hidden, 3), 7)
        x = rng.normal(size=(6, 4)).astype(np.float32) * 5
        right = x.astype(np.float64)
        for place, (weight, bias) in enumerate(arrays):
            right = right @ weight + bias
            right = 1 / (1 + np.exp(-right)) if place < len(hidden) else right
        what = f"the scores of build(4, {hidden}, 3, 7)"
        expect.close(classifier.forward(x), right, what, rtol=1e-3, atol=1e-4)
        z = right - right.max(axis=1, keepdims=True)
        labels = np.array([0, 1, 2, 0, 1, 2])
        loss = np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(6), labels])
        found = classifier.step(x, labels, 0.0)
        expect.close(found, loss, f"the loss of build(4, {hidden}, 3, 7)", rtol=1e-3, atol=1e-4)


# 8.8 ---------------------------------------------------------------------------------------------


@task("8.8", points=3, visibility="hint", hint="does the loss of fit fall? Is every layer updated?")
def test_learn_well(submission, rng):
    """learn gets at least 92 % of small digits right that it has not seen."""
    images, labels = digits(rng, 1000)
    unseen, right = digits(rng, 500)
    sent = submission.array(images)
    classifier = submission.call("learn", sent, labels, int(rng.integers(1000)))
    expect.that("Classifier" in repr(classifier), "learn must return a Classifier")
    found = classifier.predict(submission.hold("prepare", unseen))
    expect.shape(found, (500,), "Classifier.predict(x)")
    share = float(np.mean(found == right))
    expect.that(share >= 0.92, f"{share:.0%} of 500 digits are right, at least 92 % should be")
    expect.unchanged(sent, images, "images")


@task("8.8", points=2, visibility="hint", hint="weights and order both from the seed")
def test_learn_again(submission, rng):
    """learn gives the same classifier for the same seed, and another for another."""
    images, labels = digits(rng, 120)
    x = images[:20].reshape(20, -1).astype(np.float32) / 255
    seed = int(rng.integers(1000))
    scores = []
    for s in (seed, seed, seed + 1):
        classifier = submission.call("learn", images, labels, s)
        expect.that("Classifier" in repr(classifier), "learn must return a Classifier")
        scores.append(classifier.forward(x))
        expect.shape(scores[-1], (20, 10), "the scores of what learn returns")
    expect.close(
        scores[1], scores[0], "the scores of a second classifier from the same seed", rtol=1e-4, atol=1e-4
    )
    expect.that(not np.allclose(scores[2], scores[0], atol=1e-3), "another seed gives the same classifier")


# 8.9 ---------------------------------------------------------------------------------------------


CONV_NET = "build_convolutional"


def conv_net(submission, shape, filters, classes, seed):
    """Return a classifier that `build_convolutional` makes, with its convolution and its dense layer."""
    what = f"{CONV_NET}({shape}, {filters}, {classes}, {seed})"
    classifier = submission.call(CONV_NET, shape, filters, classes, seed)
    expect.that("Classifier" in repr(classifier), f"{what} must return a Classifier")
    layers = classifier.layers
    expect.that(isinstance(layers, list) and len(layers) == 5, f"{what} must have 5 layers")
    for place, name in ((0, "Conv2D"), (4, "Dense")):
        expect.that(name in repr(layers[place]), f"{what}: a {name} is expected as layer {place}")
    return classifier, layers[0], layers[4]


def right_scores(x, kernels, shifts, weight, bias):
    """Return the scores: every window by its place, then the largest of each 2 x 2, ReLU, and a matrix product."""
    rows, columns = x.shape[2] - 2, x.shape[3] - 2
    maps = np.empty((len(x), len(kernels), rows, columns))
    for i, j in np.ndindex(rows, columns):
        maps[:, :, i, j] = np.einsum("ncij,fcij->nf", x[:, :, i : i + 3, j : j + 3], kernels) + shifts
    half = maps[:, :, : rows // 2 * 2, : columns // 2 * 2]
    pooled = half.reshape(len(x), len(kernels), rows // 2, 2, columns // 2, 2).max(axis=(3, 5))
    return np.maximum(pooled, 0).reshape(len(x), -1) @ weight + bias


def surprise(scores, labels):
    """Return the softmax cross-entropy."""
    z = scores - scores.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), labels]))


@task(
    "8.9", points=2, visibility="hint", hint="convolution, pooling, ReLU, Flatten, dense; then cross-entropy"
)
def test_convolutional_forward(submission, rng):
    """The network of build_convolutional computes the right scores and the right loss, for images of any size."""
    for shape, filters, classes in (((1, 6, 7), 2, 3), ((2, 7, 5), 3, 4)):
        what = f"{CONV_NET}({shape}, {filters}, {classes}, seed)"
        classifier, conv, dense = conv_net(submission, shape, filters, classes, int(rng.integers(99)))
        numbers = filters * ((shape[1] - 2) // 2) * ((shape[2] - 2) // 2)
        expect.shape(conv.weight, (filters, shape[0], 3, 3), f"the kernels of {what}")
        expect.shape(dense.weight, (numbers, classes), f"the weights of the dense layer of {what}")
        for layer, size in ((conv, filters), (dense, classes)):
            layer.bias = rng.normal(size=size)
        x, labels = rng.normal(size=(4, *shape)), rng.integers(0, classes, size=4)
        right = right_scores(x, conv.weight, conv.bias, dense.weight, dense.bias)
        expect.close(classifier.forward(x), right, f"the scores of {what}", rtol=1e-3, atol=1e-4)
        found = classifier.step(x, labels, 0.0)
        expect.close(found, surprise(right, labels), f"the loss of {what}", rtol=1e-3, atol=1e-4)


@task("8.9", points=1, visibility="hint", hint="two seeds, drawn from np.random.default_rng(seed)")
def test_convolutional_seeds(submission, rng):
    """build_convolutional gives the same weights for the same seed, and others for another, in both layers."""
    seed = int(rng.integers(1000))
    one, same, other = (
        [layer.weight for layer in conv_net(submission, (1, 6, 6), 2, 3, s)[1:]]
        for s in (seed, seed, seed + 1)
    )
    for place, name in ((0, "the kernels"), (1, "the weights of the dense layer")):
        expect.shape(one[place], ((2, 1, 3, 3), (8, 3))[place], name)
        expect.close(same[place], one[place], f"{name} with the same seed")
        expect.that(not np.allclose(other[place], one[place]), f"{name} are the same whatever the seed")
    first, second = (np.ravel(array)[:18] for array in one)
    alike = abs(np.vdot(first, second)) / np.sqrt(np.vdot(first, first) * np.vdot(second, second))
    expect.that(
        alike < 0.999, "both layers have the same random numbers: every layer needs a seed of its own"
    )
