"""Exercise 1: the dense layer, three activation functions, softmax cross-entropy, and the chain rule.

Every class has the same two methods:

- ``forward(x)`` computes the output from the input, and keeps in ``self`` whatever ``backward`` will need;
- ``backward(dy)`` gets dL/dy, the gradient of the loss with respect to the output of the latest forward
  pass, and returns dL/dx, the gradient with respect to its input. dy has the shape of y, dx that of x.

Three rules hold everywhere:

- leave the arguments as they are: no ``x += ...``, no ``dy *= ...``;
- float32 in, float32 out, and float64 in, float64 out;
- batches of any size, also of one example.

The letters: N examples in the batch, D inputs, M outputs, K classes.
"""

import numpy as np


class Dense:
    """A fully connected layer: every output is a weighted sum of all inputs, plus a bias.

    Attributes
    ----------
    weight : array of shape (D, M)
        ``weight[i, j]`` is the weight on the way from input i to output j.
    bias : array of shape (M,)
    grad_weight, grad_bias : array or None
        dL/dweight and dL/dbias of the latest backward pass, in the shapes of weight and bias.
    """

    def __init__(self, inputs, outputs, seed=0):
        # Normal with standard deviation 1 / sqrt(D), so that the outputs are about as large as the inputs.
        draw = np.random.default_rng(seed)
        weight = draw.standard_normal((inputs, outputs)) / np.sqrt(inputs)
        self.weight = weight.astype(np.float32)
        self.bias = np.zeros(outputs, np.float32)
        self.grad_weight = None
        self.grad_bias = None

    def forward(self, x):
        """Return the outputs of the layer.

        Parameters
        ----------
        x : array of shape (N, D)
            One example in every row.

        Returns
        -------
        array of shape (N, M)
        """
        # BEGIN SOLUTION 1.1
        # HINT one matrix product does all examples at once; the bias is added to every row.
        # HINT backward will need x: keep it in self.
        self._x = x
        return x @ self.weight + self.bias
        # END SOLUTION

    def backward(self, dy):
        """Set grad_weight and grad_bias, and return the gradient of the input.

        The gradients of a new call take the place of the old ones: they are not added up.

        Parameters
        ----------
        dy : array of shape (N, M)
            dL/dy of the latest forward pass.

        Returns
        -------
        array of shape (N, D)
            dL/dx.
        """
        # BEGIN SOLUTION 1.2
        # HINT equations (4), (5) and (6) of the handout, a line each. Do not divide by N.
        self.grad_weight = self._x.T @ dy
        self.grad_bias = dy.sum(axis=0)
        return dy @ self.weight.T
        # END SOLUTION


class Sigmoid:
    """Squash every number to the range from 0 to 1: y = 1 / (1 + exp(-x))."""

    def forward(self, x):
        """Return the sigmoid of an array of any shape, without overflow for any x."""
        # BEGIN SOLUTION 1.3
        # HINT equation (8) of the handout: a formula for the same function that cannot overflow.
        self._y = 0.5 * (1 + np.tanh(0.5 * x))
        return self._y
        # END SOLUTION

    def backward(self, dy):
        """Return dL/dx, of the shape of dy."""
        # BEGIN SOLUTION 1.3
        # HINT the derivative can be written with y alone.
        return dy * self._y * (1 - self._y)
        # END SOLUTION


class Tanh:
    """Squash every number to the range from -1 to 1: y = tanh(x)."""

    def forward(self, x):
        """Return the hyperbolic tangent of an array of any shape."""
        # BEGIN SOLUTION 1.3
        # HINT NumPy has this function.
        self._y = np.tanh(x)
        return self._y
        # END SOLUTION

    def backward(self, dy):
        """Return dL/dx, of the shape of dy."""
        # BEGIN SOLUTION 1.3
        # HINT the derivative can be written with y alone.
        return dy * (1 - self._y**2)
        # END SOLUTION


class ReLU:
    """Cut off below zero: y = max(0, x)."""

    def forward(self, x):
        """Return a new array of the shape of x, which itself stays as it is."""
        # BEGIN SOLUTION 1.4
        # HINT np.maximum compares element by element, np.max does something else.
        self._positive = x > 0
        return np.maximum(x, 0)
        # END SOLUTION

    def backward(self, dy):
        """Return dL/dx, of the shape of dy. Where x is exactly 0 the gradient is 0, by convention."""
        # BEGIN SOLUTION 1.4
        # HINT what counts is the sign of x in the forward pass, not that of dy.
        return dy * self._positive
        # END SOLUTION


def softmax(z):
    """Turn the scores of every example into probabilities.

    Parameters
    ----------
    z : array of shape (N, K)
        Scores, also called logits, of any size: 1000 must not overflow.

    Returns
    -------
    array of shape (N, K)
        Positive numbers; every row sums to 1.
    """
    # BEGIN SOLUTION 1.5
    # HINT subtracting the largest score of a row from that row changes nothing in the result.
    # HINT keepdims=True keeps the shape (N, 1), which NumPy stretches over the columns.
    exps = np.exp(z - z.max(axis=1, keepdims=True))
    return exps / exps.sum(axis=1, keepdims=True)
    # END SOLUTION


class SoftmaxCrossEntropy:
    """The mean over the batch of -log(probability that softmax gives to the right class)."""

    def forward(self, z, labels):
        """Return the loss.

        Parameters
        ----------
        z : array of shape (N, K)
            Scores of any size: the loss stays finite where a probability is rounded to 0.
        labels : array of int of shape (N,)
            The right classes, 0 to K - 1.

        Returns
        -------
        float
        """
        # BEGIN SOLUTION 1.6
        # HINT equation (11) of the handout: take the logarithm on paper, not of a computed probability.
        # HINT scores[np.arange(N), labels] picks one number from every row.
        shifted = z - z.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(shifted).sum(axis=1))
        right = shifted[np.arange(len(z)), labels]
        self._z, self._labels = z, labels
        return float(np.mean(log_sum - right))
        # END SOLUTION

    def backward(self):
        """Return dL/dz of the latest forward pass, of the shape and dtype of z."""
        # BEGIN SOLUTION 1.7
        # HINT forward has to keep z and labels in self for this.
        # HINT equation (12) of the handout; the 1/N of the mean is part of it.
        shifted = self._z - self._z.max(axis=1, keepdims=True)
        exps = np.exp(shifted)
        gradient = exps / exps.sum(axis=1, keepdims=True)
        gradient[np.arange(len(gradient)), self._labels] -= 1
        return gradient / len(gradient)
        # END SOLUTION


class Network:
    """Layers one after the other.

    Parameters
    ----------
    layers : list
        Objects with ``forward(x)`` and ``backward(dy)``.
    """

    def __init__(self, layers):
        self.layers = list(layers)

    def forward(self, x):
        """Send x through all layers, from the first to the last, and return the output of the last."""
        # BEGIN SOLUTION 1.8
        # HINT the output of a layer is the input of the next.
        for layer in self.layers:
            x = layer.forward(x)
        return x
        # END SOLUTION

    def backward(self, dy):
        """Send dL/dy of the output back through all layers and return dL/dx of the network's input."""
        # BEGIN SOLUTION 1.8
        # HINT the chain rule: what a layer's backward returns is the dy of the layer before it.
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy
        # END SOLUTION
