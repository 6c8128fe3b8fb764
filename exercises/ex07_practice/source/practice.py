"""Exercise 7: what is around a network: is it good, are the classes unequal, which learning rate, what do curves say.

Three rules hold everywhere:

- leave the arguments as they are;
- labels and predictions are arrays of whole numbers of shape (N,), classes are numbered from 0;
- random numbers come from the generator that is an argument, and from nowhere else.

The letters: N examples, K classes, n_k examples of class k.
"""

import numpy as np


def divide(part, whole):
    """Return part / whole as floats, entry by entry, and 0 where `whole` is 0; this is given."""
    part, whole = np.asarray(part, float), np.asarray(whole, float)
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), 0.0)


def confusion_matrix(labels, predictions, classes):
    """Count how often which class was taken for which.

    Parameters
    ----------
    labels, predictions : array of int of shape (N,)
        The true classes, and those that the network says.
    classes : int
        K. Some of them may not occur.

    Returns
    -------
    array of int of shape (K, K)
        ``result[t, p]`` examples belong to class t and were called p: rows true, columns predicted.
    """
    # BEGIN SOLUTION 7.1
    # HINT matrix[labels, predictions] += 1 counts every pair once only; look for np.add.at or np.bincount.
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (labels, predictions), 1)
    return matrix
    # END SOLUTION


def class_scores(matrix):
    """Return precision, recall and F1 of every class.

    Parameters
    ----------
    matrix : array of int of shape (K, K)
        Rows true, columns predicted.

    Returns
    -------
    precision, recall, f1 : three arrays of float of shape (K,)
        0 where there is nothing to divide by.
    """
    # BEGIN SOLUTION 7.2
    # HINT equations (1) to (3): the diagonal, the sums of the columns and those of the rows. divide is given.
    hits, called, true = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    return divide(hits, called), divide(hits, true), divide(2 * hits, called + true)
    # END SOLUTION


def balanced_accuracy(matrix):
    """Return the mean recall of the classes that have examples.

    Parameters
    ----------
    matrix : array of int of shape (K, K)
        Rows true, columns predicted. At least one class has examples.

    Returns
    -------
    float
    """
    # BEGIN SOLUTION 7.3
    # HINT a class without examples has no recall: it must not be counted, not even as 0.
    sizes = matrix.sum(axis=1)
    there = sizes > 0
    return float(np.mean(np.diag(matrix)[there] / sizes[there]))
    # END SOLUTION


def class_weights(labels, classes):
    """Return the weights N / (K n_k) of the classes.

    Parameters
    ----------
    labels : array of int of shape (N,)
    classes : int
        K.

    Returns
    -------
    array of float of shape (K,)

    Raises
    ------
    ValueError
        If a class has no example.
    """
    # BEGIN SOLUTION 7.4
    # HINT np.bincount counts, and its minlength makes sure that the last classes are not forgotten.
    counts = np.bincount(labels, minlength=classes)
    if not counts.all():
        raise ValueError("every class needs an example, or its weight would be infinite")
    return len(labels) / (classes * counts)
    # END SOLUTION


def oversample(labels, generator):
    """Return indices in random order, with which all classes that occur are as frequent as the largest one.

    Within a class, each example comes equally often, but for a random choice of examples that come once more if
    the numbers do not divide. Of the largest class each example comes once.

    Parameters
    ----------
    labels : array of int of shape (N,)
    generator : numpy.random.Generator
        The same generator in the same state gives the same indices.

    Returns
    -------
    array of int of shape (classes that occur times the largest n_k,)
        Indices of examples: ``labels[result]`` is balanced.
    """
    # BEGIN SOLUTION 7.5
    # HINT for every class: np.flatnonzero finds its examples, divmod says how often each and how many once more.
    # HINT generator.permutation shuffles; do it for the choice within a class, and for all in the end.
    found, sizes = np.unique(labels, return_counts=True)
    chosen = []
    for label in found:
        members = np.flatnonzero(labels == label)
        times, rest = divmod(int(sizes.max()), len(members))
        chosen += [np.tile(members, times), generator.permutation(members)[:rest]]
    return generator.permutation(np.concatenate(chosen))
    # END SOLUTION


def smooth(losses, beta=0.9):
    """Return the running average of losses, corrected for its start at 0: equation (6).

    Parameters
    ----------
    losses : array of shape (T,)
    beta : float
        Weight of the past; 0 leaves the losses as they are.

    Returns
    -------
    array of float of shape (T,)
    """
    # BEGIN SOLUTION 7.6
    # HINT after the first step the average is (1 - beta) times the loss, far too small: divide by 1 - beta^t.
    average = 0.0
    result = np.empty(len(losses))
    for t, loss in enumerate(losses, 1):
        average = beta * average + (1 - beta) * loss
        result[t - 1] = average / (1 - beta**t)
    return result
    # END SOLUTION


def usable(smoothed, factor=4.0):
    """Return how many losses of a range test there are before it diverges.

    Parameters
    ----------
    smoothed : array of float of shape (T,)
        Positive numbers, or inf, or NaN.
    factor : float
        It diverges at the first loss that is not finite, or larger than `factor` times the smallest until then.

    Returns
    -------
    int
        The index of that loss, or T if there is none.
    """
    # BEGIN SOLUTION 7.7
    # HINT comparisons with NaN are always False: ask np.isfinite first.
    best = np.inf
    for t, loss in enumerate(smoothed):
        if not np.isfinite(loss) or loss > factor * best:
            return t
        best = min(best, loss)
    return len(smoothed)
    # END SOLUTION


def suggest_rate(rates, smoothed):
    """Return the learning rate at which the loss falls fastest, before it is lowest.

    Parameters
    ----------
    rates : array of float of shape (T,)
        Learning rates, increasing, not necessarily by equal factors.
    smoothed : array of float of shape (T,)
        The smoothed losses, all finite.

    Returns
    -------
    float or None
        None if no loss is below the first one.
    """
    # BEGIN SOLUTION 7.8
    # HINT np.diff of the losses and of the logarithms; only pieces that end at the lowest loss or before.
    lowest = int(np.argmin(smoothed))
    if lowest == 0:
        return None
    slopes = np.diff(smoothed) / np.diff(np.log(rates))
    steepest = int(np.argmin(slopes[:lowest]))
    return float(np.sqrt(rates[steepest] * rates[steepest + 1]))
    # END SOLUTION


def read_curves(train, validation):
    """Say what is wrong with a training, by the rules of section 5 of the handout.

    Parameters
    ----------
    train, validation : array of float of shape (T,)
        Loss after every epoch, T >= 4. Some values may be inf or NaN.

    Returns
    -------
    str
        "too high" or "too low", for the learning rate; "overfitting"; or "good".
    """
    # BEGIN SOLUTION 7.9
    # HINT the rules in their order: the first that holds decides.
    # HINT NaN before all else; np.diff(train) > 0 are the steps that go up.
    quarter = len(train) // 4
    if not (np.isfinite(train).all() and np.isfinite(validation).all()):
        return "too high"
    if np.mean(np.diff(train) > 0) > 0.3 or train[-1] >= train[0]:
        return "too high"
    if np.mean(validation[-quarter:]) > 1.1 * np.min(validation):
        return "overfitting"
    if train[-1 - quarter] - train[-1] > 0.1 * (train[0] - train[-1]):
        return "too low"
    return "good"
    # END SOLUTION
