"""Exercise 3: optimizers and learning-rate schedules.

An optimizer object looks after *one* array w, such as the weights of a layer: every array gets an object of
its own. After each backward pass ``update(w, g)`` is called with the array and its gradient g = dL/dw. It

- changes w in place: the layer holds the same array, and has to see the new numbers; nothing is returned;
- leaves g as it is, and keeps no reference to it: the layer may write its next gradient into the same array;
- uses the learning rate that is in ``self.lr`` at that moment: a schedule may have changed it.

What a method remembers from one update to the next starts at zero and has the shape of w. It is made in the
first update, for only then the shape is known.
"""

import math

import numpy as np


class SGD:
    """Gradient descent: a step against the gradient."""

    def __init__(self, lr):
        self.lr = lr

    def update(self, w, g):
        """Change w in place by one step of equation (1)."""
        # BEGIN SOLUTION 3.1
        # HINT w = w - … makes a new array, and the layer keeps the old one.
        w -= self.lr * g
        # END SOLUTION


class Momentum:
    """Gradient descent with a velocity: gradients that agree add up, those that alternate cancel.

    Parameters
    ----------
    lr : float
    momentum : float
        mu in [0, 1): how much of the velocity is left after a step.
    """

    def __init__(self, lr, momentum=0.9):
        self.lr = lr
        self.momentum = momentum
        self.velocity = None

    def update(self, w, g):
        """Change w in place by one step of equations (2) and (3)."""
        # BEGIN SOLUTION 3.2
        # HINT the learning rate is applied to the velocity, and is no part of it.
        if self.velocity is None:
            self.velocity = np.zeros_like(w)
        self.velocity = self.momentum * self.velocity + g
        w -= self.lr * self.velocity
        # END SOLUTION


class Nesterov:
    """Momentum, with the gradient taken where the velocity is about to lead.

    The parameters are those of `Momentum`.
    """

    def __init__(self, lr, momentum=0.9):
        self.lr = lr
        self.momentum = momentum
        self.velocity = None

    def update(self, w, g):
        """Change w in place by one step of equations (2) and (6)."""
        # BEGIN SOLUTION 3.3
        # HINT the new velocity, and then once more a share of it.
        if self.velocity is None:
            self.velocity = np.zeros_like(w)
        self.velocity = self.momentum * self.velocity + g
        w -= self.lr * (g + self.momentum * self.velocity)
        # END SOLUTION


class Adagrad:
    """A learning rate of its own for every entry, which falls with the gradients that it has seen.

    Parameters
    ----------
    lr : float
    eps : float
        Added to the root: keeps the division finite where all gradients were 0.
    """

    def __init__(self, lr, eps=1e-8):
        self.lr = lr
        self.eps = eps
        self.square_sum = None

    def update(self, w, g):
        """Change w in place by one step of equations (7) and (8)."""
        # BEGIN SOLUTION 3.4
        # HINT everything is entry by entry; this gradient is part of the sum already.
        if self.square_sum is None:
            self.square_sum = np.zeros_like(w)
        self.square_sum += g * g
        w -= self.lr * g / (np.sqrt(self.square_sum) + self.eps)
        # END SOLUTION


class RMSProp:
    """Adagrad that forgets: a moving average of the squared gradients in place of their sum.

    Parameters
    ----------
    lr : float
    gamma : float
        In [0, 1): the share of the old average in the new one.
    eps : float
        Added to the root.
    """

    def __init__(self, lr, gamma=0.9, eps=1e-8):
        self.lr = lr
        self.gamma = gamma
        self.eps = eps
        self.square_mean = None

    def update(self, w, g):
        """Change w in place by one step of equations (9) and (8), with the mean in place of the sum."""
        # BEGIN SOLUTION 3.5
        # HINT the two shares of the average add up to 1.
        if self.square_mean is None:
            self.square_mean = np.zeros_like(w)
        self.square_mean = self.gamma * self.square_mean + (1 - self.gamma) * g**2
        w -= self.lr * g / (np.sqrt(self.square_mean) + self.eps)
        # END SOLUTION


class Adam:
    """Momentum for the direction, RMSProp for the length of the step, and a correction for the start at zero.

    Parameters
    ----------
    lr : float
    beta1, beta2 : float
        In [0, 1): the shares of the old averages of the gradient and of its square.
    eps : float
        Added to the root.
    """

    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr = lr
        self.beta1 = beta1
        self.beta2 = beta2
        self.eps = eps
        self.mean = None
        self.square_mean = None
        self.steps = 0

    def update(self, w, g):
        """Change w in place by one step of equations (10) to (12)."""
        # BEGIN SOLUTION 3.6
        # HINT t is 1 in the first update.
        # HINT keep mean and square_mean without the correction: it is taken anew in every step.
        if self.mean is None:
            self.mean, self.square_mean = np.zeros_like(w), np.zeros_like(w)
        self.steps += 1
        self.mean = self.beta1 * self.mean + (1 - self.beta1) * g
        self.square_mean = self.beta2 * self.square_mean + (1 - self.beta2) * g**2
        direction = self.mean / (1 - self.beta1**self.steps)
        square = self.square_mean / (1 - self.beta2**self.steps)
        w -= self.lr * direction / (np.sqrt(square) + self.eps)
        # END SOLUTION


def step_decay(t, lr, every, factor=0.5):
    """Return the learning rate of step t: lr, multiplied by the factor after every so many steps.

    Parameters
    ----------
    t : int
        Number of the step, from 0.
    lr : float
        The rate of the first `every` steps.
    every : int
    factor : float
    """
    # BEGIN SOLUTION 3.7
    # HINT equation (13): how many times has it been multiplied by now?
    return lr * factor ** (t // every)
    # END SOLUTION


def cosine(t, lr, steps, final=0.0):
    """Return the learning rate of step t: along half a cosine from lr to `final`.

    Parameters
    ----------
    t : int
        Number of the step, from 0.
    lr : float
        The rate at t = 0.
    steps : int
        The rate is `final` at t = steps, and stays there.
    final : float
    """
    # BEGIN SOLUTION 3.7
    # HINT equation (14); a cosine left to itself rises again.
    progress = min(t / steps, 1.0)
    return final + (lr - final) / 2 * (1 + math.cos(math.pi * progress))
    # END SOLUTION


def warmup(t, length, schedule):
    """Return the learning rate of step t of a schedule with a warm-up in front of it.

    Parameters
    ----------
    t : int
        Number of the step, from 0.
    length : int
        Steps that the warm-up takes; with 0 there is none.
    schedule : callable
        ``schedule(t)`` returns the rate of step t. After the warm-up it runs from its own step 0.
    """
    # BEGIN SOLUTION 3.8
    # HINT equation (15): the first rate is above 0, the one after the warm-up is schedule(0).
    if t < length:
        return schedule(0) * (t + 1) / (length + 1)
    return schedule(t - length)
    # END SOLUTION


def descend(optimizer, gradient, w, schedule, steps):
    """Take steps from w, and return all points on the way.

    Parameters
    ----------
    optimizer : object
        With an attribute ``lr`` and a method ``update(w, g)`` that changes its w in place.
    gradient : callable
        ``gradient(w)`` returns dL/dw. It may use the same array for every answer.
    w : array of float
        Where to start; it stays as it is.
    schedule : callable
        ``schedule(t)`` is the learning rate of step t = 0, 1, … steps - 1.
    steps : int

    Returns
    -------
    array of shape (steps + 1, *w.shape)
        The start, and the point after each step.
    """
    # BEGIN SOLUTION 3.9
    # HINT an array that is changed in place is the same array before and after: note a copy.
    w = w.copy()
    path = [w.copy()]
    for t in range(steps):
        optimizer.lr = schedule(t)
        optimizer.update(w, gradient(w))
        path.append(w.copy())
    return np.array(path)
    # END SOLUTION
