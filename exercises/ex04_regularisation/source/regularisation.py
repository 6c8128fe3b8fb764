"""Exercise 4: where the weights begin, and what keeps a network from learning by heart.

Initial weights, penalties on large weights, dropout, and early stopping. Three rules hold everywhere:

- random numbers come from the generator that is given, and from nowhere else;
- float32 in, float32 out, and float64 in, float64 out;
- arguments are left as they are, unless the docstring says otherwise.
"""

import numpy as np


def normal_weights(inputs, outputs, generator):
    """Return initial weights: normal numbers of mean 0 and standard deviation 1 / sqrt(inputs).

    Parameters
    ----------
    inputs, outputs : int
        Numbers D and M that go into and come out of the layer.
    generator : numpy.random.Generator

    Returns
    -------
    array of float32, of shape (inputs, outputs)
    """
    # BEGIN SOLUTION 4.1
    # HINT generator.standard_normal(shape) draws with standard deviation 1.
    weight = generator.standard_normal((inputs, outputs)) / np.sqrt(inputs)
    return weight.astype(np.float32)
    # END SOLUTION


def he_weights(inputs, outputs, generator):
    """Return initial weights for a layer before a ReLU: normal, mean 0, standard deviation sqrt(2 / inputs).

    Parameters and result are those of `normal_weights`.
    """
    # BEGIN SOLUTION 4.2
    # HINT equation (3)
    weight = generator.standard_normal((inputs, outputs)) * np.sqrt(2 / inputs)
    return weight.astype(np.float32)
    # END SOLUTION


def glorot_weights(inputs, outputs, generator):
    """Return initial weights that are spread evenly between -a and a, with a = sqrt(6 / (inputs + outputs)).

    Parameters and result are those of `normal_weights`.
    """
    # BEGIN SOLUTION 4.2
    # HINT generator.uniform(low, high, shape)
    limit = np.sqrt(6 / (inputs + outputs))
    return generator.uniform(-limit, limit, (inputs, outputs)).astype(np.float32)
    # END SOLUTION


def l2_penalty(parameters, strength):
    """Return what the L2 penalty adds to the loss: strength / 2 times the sum of the squares of all weights.

    Parameters
    ----------
    parameters : dict of str to array
        All parameters of a network, such as "1.weight" and "1.bias": the number or name of the layer, a dot,
        and what it is. Biases, whose part after the last dot is "bias", do not count. Everything else does.
    strength : float

    Returns
    -------
    float
    """
    # BEGIN SOLUTION 4.3
    # HINT name.split(".")[-1] is the part after the last dot, and the whole name if there is none.
    weights = [w for name, w in parameters.items() if name.split(".")[-1] != "bias"]
    return strength / 2 * float(sum(np.sum(w * w) for w in weights))
    # END SOLUTION


def l2_gradient(parameters, strength):
    """Return the gradient of the L2 penalty, to be added to that of the loss.

    Returns
    -------
    dict of str to array
        A new array for every name, of the shape and type of the parameter; zeros for the biases.
    """
    # BEGIN SOLUTION 4.3
    # HINT equation (6)
    gradients = {}
    for name, w in parameters.items():
        gradients[name] = np.zeros_like(w) if name.split(".")[-1] == "bias" else strength * w
    return gradients
    # END SOLUTION


def l1_penalty(parameters, strength):
    """Return what the L1 penalty adds to the loss: strength times the sum of the absolute values of all weights.

    Parameters and result are those of `l2_penalty`; biases do not count.
    """
    # BEGIN SOLUTION 4.4
    # HINT the function for one array is all that differs from L2.
    weights = [w for name, w in parameters.items() if name.split(".")[-1] != "bias"]
    return strength * float(sum(np.sum(np.abs(w)) for w in weights))
    # END SOLUTION


def l1_gradient(parameters, strength):
    """Return the gradient of the L1 penalty, as `l2_gradient` does for L2. Where a weight is 0, it is 0."""
    # BEGIN SOLUTION 4.4
    # HINT equation (8)
    gradients = {}
    for name, w in parameters.items():
        gradients[name] = np.zeros_like(w) if name.split(".")[-1] == "bias" else strength * np.sign(w)
    return gradients
    # END SOLUTION


class Dropout:
    """While training, set each number to zero with probability p, and make up for it in the others.

    Parameters
    ----------
    p : float
        Probability of **dropping** a number, 0 <= p < 1.
    generator : numpy.random.Generator
        A forward pass of the training calls ``generator.random(x.shape)``, once. A number of x is dropped
        where the number drawn for it is below p.
    """

    def __init__(self, p, generator):
        self.p = p
        self.generator = generator

    def forward(self, x, train=True):
        """Return x with some of its numbers dropped and the others divided by 1 - p; outside training, x as it is.

        Parameters
        ----------
        x : array of any shape
        train : bool

        Returns
        -------
        array of the shape and type of x
        """
        # BEGIN SOLUTION 4.5
        # HINT equation (9); backward needs to know what x was multiplied with.
        if train:
            kept = self.generator.random(x.shape) >= self.p
            self._gain = kept.astype(x.dtype) / (1 - self.p)
        else:
            self._gain = np.ones_like(x)
        return x * self._gain
        # END SOLUTION

    def backward(self, dy):
        """Return dL/dx, for what the latest forward pass has dropped."""
        # BEGIN SOLUTION 4.6
        # HINT y is x times a number that does not depend on x.
        return dy * self._gain
        # END SOLUTION


class EarlyStopping:
    """Say when to stop: the validation accuracy has not improved for `patience` epochs in a row.

    Parameters
    ----------
    patience : int
        At least 1.
    min_delta : float
        An accuracy counts as improved if it exceeds that of the last improvement by more than this.
    """

    def __init__(self, patience, min_delta=0.0):
        self.patience = patience
        self.min_delta = min_delta
        self.reference = None  # the accuracy at the last improvement; None before the first epoch
        self.waited = 0  # epochs since then

    def update(self, accuracy):
        """Take note of an epoch's accuracy; return whether the training should stop now.

        The first accuracy is an improvement over none. NaN never is an improvement.
        """
        # BEGIN SOLUTION 4.7
        # HINT an improvement sets the reference, and the waiting begins anew.
        none_yet = self.reference is None and accuracy == accuracy
        if none_yet or (self.reference is not None and accuracy > self.reference + self.min_delta):
            self.reference, self.waited = accuracy, 0
        else:
            self.waited += 1
        return self.waited >= self.patience
        # END SOLUTION


class BestWeights:
    """Keep the weights of the best epoch, and put them back in the end.

    Attributes
    ----------
    best : float or None
        The highest accuracy so far.
    weights : dict of str to array, or None
        Copies of the weights of that epoch; of the first of several that are equally good.
    """

    def __init__(self):
        self.best = None
        self.weights = None

    def update(self, accuracy, weights):
        """Keep copies of the weights if this accuracy is higher than all before; every gain counts, however small.

        Parameters
        ----------
        accuracy : float
            NaN is never the best.
        weights : dict of str to array
            The arrays that training goes on to change.
        """
        # BEGIN SOLUTION 4.8
        # HINT the arrays in the dict go on changing: keep copies.
        none_yet = self.best is None and accuracy == accuracy
        if none_yet or (self.best is not None and accuracy > self.best):
            self.best = accuracy
            self.weights = {name: w.copy() for name, w in weights.items()}
        # END SOLUTION

    def restore(self, weights):
        """Write the best weights into these arrays, in place. If none were kept, change nothing."""
        # BEGIN SOLUTION 4.8
        # HINT w[...] = … writes into an array; weights[name] = … only changes the dict.
        if self.weights is not None:
            for name, w in weights.items():
                w[...] = self.weights[name]
        # END SOLUTION
