"""Exercise 6: batch normalisation.

A feature is a column of a batch (N, D), or a channel of a batch of images (N, C, H, W): there all pixels of all
examples are numbers of the same feature. Everything here is done for every feature by itself.

Three rules hold everywhere:

- leave the arguments as they are: no ``x += ...``, no ``dy *= ...``;
- float32 in, float32 out, and float64 in, float64 out (parameters and running statistics have the type of x);
- batches of any size, also of one example.

The letters: N examples, D features or C channels, M numbers in each feature (N, or N H W for images).
"""

import numpy as np


def spread(values, x):
    """Return one number per feature in a shape that NumPy stretches over x; this is given.

    (D,) becomes (1, D) for x of shape (N, D), and (C,) becomes (1, C, 1, 1) for images.
    """
    return values.reshape(1, -1, *[1] * (x.ndim - 2))


def statistics(x):
    """Return mean and variance of every feature.

    Parameters
    ----------
    x : array of shape (N, D) or (N, C, H, W)

    Returns
    -------
    mean, var : two arrays of shape (D,) or (C,), with the dtype of x
        The variance is the mean of the squared distances to the mean, divided by M. It is right also where the
        numbers are large and lie close together.
    """
    # BEGIN SOLUTION 6.1
    # HINT axis=... of mean and var takes a tuple: all axes but that of the features.
    axes = (0,) if x.ndim == 2 else (0, 2, 3)
    return x.mean(axis=axes), x.var(axis=axes)
    # END SOLUTION


class BatchNorm:
    """Give every feature mean 0 and variance 1, then a scale and a shift that are learned.

    Parameters
    ----------
    features : int
        D or C.
    momentum : float
        Weight of the old value in a running average.
    eps : float
        Added to the variance under the root.

    Attributes
    ----------
    gamma, beta : array of shape (D,) or (C,)
        Scale and shift, learned.
    grad_gamma, grad_beta : array or None
        Their gradients in the latest backward pass of the training.
    running_mean, running_var : array of shape (D,) or (C,)
        Averages over the batches of the training, used at test time.
    """

    def __init__(self, features, momentum=0.9, eps=1e-5):
        self.momentum, self.eps = momentum, eps
        self.gamma = np.ones(features, np.float32)
        self.beta = np.zeros(features, np.float32)
        self.grad_gamma = None
        self.grad_beta = None
        self.running_mean = np.zeros(features, np.float32)
        self.running_var = np.ones(features, np.float32)

    def forward_train(self, x):
        """Return gamma xhat + beta, with the mean and variance of this batch. Only this: no running statistics.

        Parameters
        ----------
        x : array of shape (N, D) or (N, C, H, W)

        Returns
        -------
        array of the shape and dtype of x
        """
        # BEGIN SOLUTION 6.2
        # HINT equations (1) to (3); spread puts mean, variance, gamma and beta into shape.
        # HINT the gradients will need xhat and the root: keep both in self.
        mean, var = statistics(x)
        self._std = np.sqrt(var + self.eps)
        self._xhat = (x - spread(mean, x)) / spread(self._std, x)
        return spread(self.gamma, x) * self._xhat + spread(self.beta, x)
        # END SOLUTION

    def update_running(self, x):
        """Move running_mean and running_var towards the statistics of a batch: equation (4).

        They become new arrays: whoever has kept the old ones sees no change.

        Parameters
        ----------
        x : array of shape (N, D) or (N, C, H, W)
            For a single number per feature (M = 1) the variance is 0.
        """
        # BEGIN SOLUTION 6.3
        # HINT M is x.size divided by the number of features; M - 1 must not become 0.
        mean, var = statistics(x)
        count = x.size // len(mean)
        unbiased = var * (count / max(count - 1, 1))
        self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mean
        self.running_var = self.momentum * self.running_var + (1 - self.momentum) * unbiased
        # END SOLUTION

    def forward_test(self, x):
        """Return gamma xhat + beta, with the running statistics, so that no example depends on another.

        Parameters
        ----------
        x : array of shape (N, D) or (N, C, H, W)

        Returns
        -------
        array of the shape and dtype of x
        """
        # BEGIN SOLUTION 6.4
        # HINT equations (2) and (3) with running_mean and running_var.
        self._test_std = np.sqrt(self.running_var + self.eps)
        xhat = (x - spread(self.running_mean, x)) / spread(self._test_std, x)
        return spread(self.gamma, x) * xhat + spread(self.beta, x)
        # END SOLUTION

    def grad_parameters(self, dy):
        """Set grad_gamma and grad_beta for the latest forward_train. They replace what was there before.

        Parameters
        ----------
        dy : array of shape (N, D) or (N, C, H, W)
            dL/dy.
        """
        # BEGIN SOLUTION 6.5
        # HINT equations (5) and (6).
        axes = (0,) if dy.ndim == 2 else (0, 2, 3)
        self.grad_gamma = (dy * self._xhat).sum(axis=axes)
        self.grad_beta = dy.sum(axis=axes)
        # END SOLUTION

    def grad_input(self, dy):
        """Return dL/dx for the latest forward_train.

        Parameters
        ----------
        dy : array of shape (N, D) or (N, C, H, W)
            dL/dy.

        Returns
        -------
        array of the shape and dtype of dy
        """
        # BEGIN SOLUTION 6.6
        # HINT equation (8): two means per feature, and a factor in front. Each x moves the mean and the variance.
        axes = (0,) if dy.ndim == 2 else (0, 2, 3)
        level = spread(dy.mean(axis=axes), dy)
        slope = spread((dy * self._xhat).mean(axis=axes), dy)
        return spread(self.gamma / self._std, dy) * (dy - level - self._xhat * slope)
        # END SOLUTION

    def backward_test(self, dy):
        """Return dL/dx for the latest forward_test.

        Parameters
        ----------
        dy : array of shape (N, D) or (N, C, H, W)
            dL/dy.

        Returns
        -------
        array of the shape and dtype of dy
        """
        # BEGIN SOLUTION 6.7
        # HINT equation (9): the running statistics do not depend on x.
        return dy * spread(self.gamma / self._test_std, dy)
        # END SOLUTION

    def forward(self, x, train=False):
        """Return the output: in training with the batch's own statistics, which the running ones follow.

        Parameters
        ----------
        x : array of shape (N, D) or (N, C, H, W)
        train : bool
            At test time (False) nothing of the layer's statistics changes.

        Returns
        -------
        array of the shape and dtype of x
        """
        # BEGIN SOLUTION 6.8
        # HINT three of the methods above, and a note for backward.
        self._train = train
        if not train:
            return self.forward_test(x)
        y = self.forward_train(x)
        self.update_running(x)
        return y
        # END SOLUTION

    def backward(self, dy):
        """Return dL/dx of the latest forward pass; if that was in training, set grad_gamma and grad_beta too.

        Parameters
        ----------
        dy : array of shape (N, D) or (N, C, H, W)
            dL/dy.

        Returns
        -------
        array of the shape and dtype of dy
        """
        # BEGIN SOLUTION 6.8
        # HINT the other three methods.
        if not self._train:
            return self.backward_test(dy)
        self.grad_parameters(dy)
        return self.grad_input(dy)
        # END SOLUTION


def fold(weight, bias, gamma, beta, mean, var, eps=1e-5):
    """Return a dense layer that does what a dense layer and a batch normalisation behind it do at test time.

    Parameters
    ----------
    weight : array of shape (D, M)
        Of the dense layer ``x @ weight + bias``; M are its outputs here.
    bias : array of shape (M,)
    gamma, beta, mean, var : array of shape (M,)
        Of the batch normalisation; the running mean and variance.
    eps : float

    Returns
    -------
    weight, bias : two new arrays of shapes (D, M) and (M,)
    """
    # BEGIN SOLUTION 6.9
    # HINT write down gamma (x W + b - mean) / root + beta, and sort it into a part with x and one without.
    scale = gamma / np.sqrt(var + eps)
    return weight * scale, (bias - mean) * scale + beta
    # END SOLUTION
