"""Exercise 8: a classifier of your own layers, and the loop that trains it.

The layers are those of exercises 1 and 5, in ``layers.py`` and ``convolution.py`` beside this file: objects with
``forward(x)`` and ``backward(dy)``. Those with parameters have the arrays ``weight`` and ``bias``, and after a
backward pass their gradients ``grad_weight`` and ``grad_bias``. A loss has ``forward(scores, labels)``, which
returns a number, and ``backward()``, which returns the gradient of the scores.

Three rules hold everywhere:

- leave the arguments as they are;
- random numbers come from the generator or the seed that is an argument, and from nowhere else;
- float32 in, float32 out.
"""

import numpy as np
from layers import Dense, ReLU, Sigmoid, SoftmaxCrossEntropy

# For task 8.8. They work; you may change them.
HIDDEN = (40,)
EPOCHS = 25
SIZE = 20
RATE = 1.0
CLASSES = 10

MANY = 2**31  # as many seeds there are to draw from, in tasks 8.7 and 8.9
KERNEL, POOL = (3, 3), (2, 2)  # of task 8.9


def prepare(images):
    """Turn images into rows of numbers from 0 to 1.

    Parameters
    ----------
    images : array of uint8 of shape (N, 1, H, W)
        From 0 (black) to 255 (white).

    Returns
    -------
    array of float32 of shape (N, H W)
    """
    # BEGIN SOLUTION 8.1
    # HINT reshape with -1 works out one length; divide float32 by a Python number and it stays float32.
    return images.reshape(len(images), -1).astype(np.float32) / 255
    # END SOLUTION


def batches(count, size, generator):
    """Return the indices of an epoch's mini-batches.

    Parameters
    ----------
    count : int
        Examples.
    size : int
        Examples in a batch. The last batch has fewer if the numbers do not divide.
    generator : numpy.random.Generator
        Draws the order; a second call with the same generator gives another order.

    Returns
    -------
    list of arrays of int
        In all of them together, every number from 0 to count - 1 occurs once.
    """
    # BEGIN SOLUTION 8.2
    # HINT shuffle once, and cut the order into pieces.
    order = generator.permutation(count)
    return [order[start : start + size] for start in range(0, count, size)]
    # END SOLUTION


def update(layers, rate, decay=0.0):
    """Go a step of gradient descent with all parameters of all layers.

    Parameters
    ----------
    layers : list
        Some of them have no parameters.
    rate : float
        The learning rate eta.
    decay : float
        Weight decay lambda: for the weights, not for the biases.
    """
    # BEGIN SOLUTION 8.3
    # HINT equations (1) and (2). hasattr says whether a layer has weights.
    # HINT a name for an array is not the layer's attribute: the result has to get into the layer.
    for layer in layers:
        if hasattr(layer, "weight"):
            layer.weight = layer.weight - rate * (layer.grad_weight + decay * layer.weight)
            layer.bias = layer.bias - rate * layer.grad_bias
    # END SOLUTION


class Classifier:
    """Layers one after the other, and a loss.

    Parameters
    ----------
    layers : list
    loss : object
    """

    def __init__(self, layers, loss):
        self.layers = list(layers)
        self.loss = loss

    def forward(self, x):
        """Return the scores: x sent through all layers."""
        # BEGIN SOLUTION 8.4
        # HINT you have written this in exercise 1.
        for layer in self.layers:
            x = layer.forward(x)
        return x
        # END SOLUTION

    def step(self, x, labels, rate, decay=0.0):
        """Do one step of training with a batch.

        Parameters
        ----------
        x : array of shape (N, D)
        labels : array of int of shape (N,)
        rate, decay : float
            As for `update`.

        Returns
        -------
        float
            The loss of the batch before the update.
        """
        # BEGIN SOLUTION 8.4
        # HINT forward, loss, the loss backward, the layers backward, update: in this order.
        value = self.loss.forward(self.forward(x), labels)
        dy = self.loss.backward()
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        update(self.layers, rate, decay)
        return float(value)
        # END SOLUTION

    def predict(self, x, size=100):
        """Return the class with the largest score for every example.

        Parameters
        ----------
        x : array of shape (N, D)
        size : int
            Examples that go through the layers at a time, so that memory suffices for any N.

        Returns
        -------
        array of int of shape (N,)
        """
        # BEGIN SOLUTION 8.5
        # HINT slices of x one after the other, in order; argmax over the classes; np.concatenate.
        parts = [self.forward(x[start : start + size]) for start in range(0, len(x), size)]
        return np.concatenate(parts).argmax(axis=1)
        # END SOLUTION

    def accuracy(self, x, labels):
        """Return the share of examples, from 0 to 1, whose prediction is the label."""
        # BEGIN SOLUTION 8.5
        # HINT the mean of True and False is a share.
        return float(np.mean(self.predict(x) == labels))
        # END SOLUTION

    def fit(self, x, labels, epochs, size, rate, generator, decay=0.0):
        """Train.

        Parameters
        ----------
        x : array of shape (N, D)
        labels : array of int of shape (N,)
        epochs : int
            How often every example comes.
        size : int
            Examples in a mini-batch.
        rate, decay : float
            As for `update`.
        generator : numpy.random.Generator
            Shuffles, anew for each epoch.

        Returns
        -------
        list of float
            The mean loss of each epoch, in which every example counts the same: equation (3).
        """
        # BEGIN SOLUTION 8.6
        # HINT two loops, over the epochs and over the batches of an epoch.
        # HINT the loss of a batch is a mean: times the size of this batch it is a sum.
        history = []
        for _ in range(epochs):
            total = 0.0
            for chosen in batches(len(x), size, generator):
                total += len(chosen) * self.step(x[chosen], labels[chosen], rate, decay)
            history.append(total / len(x))
        return history
        # END SOLUTION


def build(inputs, hidden, classes, seed):
    """Return a Classifier of your layers: dense and sigmoid for each hidden layer, dense at the end, cross-entropy.

    Parameters
    ----------
    inputs : int
        Numbers in an example.
    hidden : sequence of int
        Units of each hidden layer; may be empty.
    classes : int
    seed : int
        The same seed gives the same weights. Every layer has random weights of its own.

    Returns
    -------
    Classifier
    """
    # BEGIN SOLUTION 8.7
    # HINT Dense(inputs, outputs, seed=...): give every layer another seed, drawn from 0 to MANY - 1.
    sizes = [inputs, *hidden, classes]
    seeds = np.random.default_rng(seed).integers(MANY, size=len(sizes) - 1)
    layers = []
    for before, units, own in zip(sizes[:-1], sizes[1:], seeds, strict=True):
        layers += [Dense(before, units, seed=own), Sigmoid()]
    return Classifier(layers[:-1], SoftmaxCrossEntropy())
    # END SOLUTION


class Flatten:
    """One row of numbers for each example; given. It stands between images and a dense layer."""

    def forward(self, x):
        """Return x of shape (N, C, H, W) as (N, C H W)."""
        self._shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy):
        """Return dy in the shape of the images."""
        return dy.reshape(self._shape)


def build_convolutional(shape, filters, classes, seed):
    """Return a Classifier of images: convolution, pooling, ReLU, `Flatten`, dense, cross-entropy.

    The convolution has a stride of 1 and no padding, the windows of the pooling do not overlap.

    Parameters
    ----------
    shape : (int, int, int)
        C, H and W of the images, which need not be square.
    filters : int
        Feature maps.
    classes, seed : int
        As for `build`: the same seed gives the same weights, and both layers have random weights of their own.

    Returns
    -------
    Classifier
        Its forward pass takes images of shape (N, C, H, W).
    """
    # Imported here, so that a mistake in convolution.py costs nothing elsewhere.
    from convolution import Conv2D, MaxPool2D

    # BEGIN SOLUTION 8.9
    # HINT Conv2D(channels, filters, KERNEL, seed=...); the stride of the pooling is 2. Five layers in all.
    # HINT how large are the images after the convolution, and after the pooling?
    first, last = np.random.default_rng(seed).integers(MANY, size=2)
    rows, columns = ((size - kernel + 1) // 2 for size, kernel in zip(shape[1:], KERNEL, strict=True))
    layers = [
        Conv2D(shape[0], filters, KERNEL, seed=first),
        *(MaxPool2D(POOL, 2), ReLU(), Flatten()),
        Dense(filters * rows * columns, classes, seed=last),
    ]
    return Classifier(layers, SoftmaxCrossEntropy())
    # END SOLUTION


def learn(images, labels, seed):
    """Return a Classifier that has learned to tell digits apart.

    Parameters
    ----------
    images : array of uint8 of shape (N, 1, H, W)
    labels : array of int of shape (N,)
        From 0 to 9.
    seed : int
        The same seed gives the same classifier.

    Returns
    -------
    Classifier
    """
    # BEGIN SOLUTION 8.8
    # HINT all of the above, with the numbers at the top of this file.
    x = prepare(images)
    classifier = build(x.shape[1], HIDDEN, CLASSES, seed)
    classifier.fit(x, labels, EPOCHS, SIZE, RATE, np.random.default_rng(seed))
    return classifier
    # END SOLUTION
