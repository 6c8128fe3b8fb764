"""The examples of the handout.

Run `minidl exercise check 7` for the messages with hints, or plain `pytest`. Your files are graded with
these tests and with others that draw their numbers anew.
"""

import numpy as np

from minidl.grading import expect, task

# Section 1 of the handout: ten examples of three classes.
LABELS = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2])
PREDICTIONS = np.array([0, 0, 0, 1, 1, 0, 2, 2, 2, 1])
MATRIX = np.array([[3, 1, 0], [1, 1, 0], [0, 1, 3]])


@task("7.1", points=2, hint="row: what it is; column: what it was called")
def test_confusion_matrix_example(submission, rng):
    """confusion_matrix gives the matrix of the example."""
    found = submission.call("confusion_matrix", LABELS, PREDICTIONS, 3)
    once = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1]])
    mistakes = {"every pair is counted once only: += with arrays as indices does not add up": once}
    expect.close(found, MATRIX, "confusion_matrix(labels, predictions, 3)", mistakes=mistakes)


@task(
    "7.2", points=2, hint="precision: of those called so; recall: of those that are so; equations (1) to (3)"
)
def test_class_scores_example(submission, rng):
    """class_scores gives the table of the example."""
    found = submission.call("class_scores", MATRIX)
    expect.that(
        isinstance(found, tuple) and len(found) == 3, "class_scores must return three arrays: return a, b, c"
    )
    right = np.array([[0.75, 1 / 3, 1.0], [0.75, 0.5, 0.75], [0.75, 0.4, 6 / 7]])
    mistakes = {"precision and recall are exchanged": right[1]}
    expect.close(found[0], right[0], "the precision of class_scores(matrix)", mistakes=mistakes)
    mistakes = {"precision and recall are exchanged": right[0]}
    expect.close(found[1], right[1], "the recall of class_scores(matrix)", mistakes=mistakes)
    mistakes = {"this is the mean of precision and recall; F1 is the harmonic one": right[:2].mean(axis=0)}
    expect.close(found[2], right[2], "the f1 of class_scores(matrix)", mistakes=mistakes)


@task("7.3", points=1, hint="the mean of the recalls, so that every class counts the same")
def test_balanced_accuracy_example(submission, rng):
    """balanced_accuracy gives 2/3 for the example, where the accuracy is 0.7."""
    found = submission.call("balanced_accuracy", MATRIX)
    mistakes = {
        "this is the accuracy: every example counts the same, it should be every class": 0.7,
        "this is the mean precision, it should be the mean recall": 25 / 36,
    }
    expect.close(found, 2 / 3, "balanced_accuracy(matrix)", mistakes=mistakes)


@task("7.4", points=1, hint="equation (4): rare classes weigh more")
def test_class_weights_example(submission, rng):
    """class_weights gives the weights of the example."""
    found = submission.call("class_weights", LABELS, 3)
    mistakes = {
        "these are the shares of the classes: it should be one over them": np.array([0.4, 0.2, 0.4]),
        "the number of classes is missing: the weights of the examples should have mean 1": np.array(
            [2.5, 5, 2.5]
        ),
    }
    expect.close(found, np.array([5 / 6, 5 / 3, 5 / 6]), "class_weights(labels, 3)", mistakes=mistakes)


@task("7.5", points=1, hint="as many of each class as the largest one has; nobody is left out")
def test_oversample_example(submission, rng):
    """oversample gives four of each class for the example, and both of class 1 twice."""
    found = submission.call("oversample", LABELS, submission.generator(1))
    right = np.array([0, 1, 2, 3, 4, 4, 5, 5, 6, 7, 8, 9])
    expect.shape(found, (12,), "oversample(labels, generator)")
    expect.close(np.sort(found), right, "oversample(labels, generator), sorted")


@task(
    "7.6",
    points=1,
    hint="equation (6): first the average, then the correction, which does not enter the next average",
)
def test_smooth_example(submission, rng):
    """smooth gives the numbers of the example."""
    found = submission.call("smooth", np.array([4.0, 2.0, 2.0]), 0.5)
    mistakes = {
        "the correction for the start at 0 is missing": np.array([2.0, 2.0, 2.0]),
        "the corrected value is carried on; the average must be": np.array([4.0, 4.0, 24 / 7]),
    }
    expect.close(found, np.array([4.0, 8 / 3, 16 / 7]), "smooth([4, 2, 2], 0.5)", mistakes=mistakes)


@task("7.7", points=1, hint="compare with factor times the smallest loss until then")
def test_usable_example(submission, rng):
    """usable gives 4 for the example: the 9 is more than four times the 2."""
    losses = np.array([4.0, 3.0, 2.0, 5.0, 9.0, 3.0])
    expect.equal(submission.call("usable", losses), 4, "usable([4, 3, 2, 5, 9, 3])")
    expect.equal(submission.call("usable", losses[:4]), 4, "usable([4, 3, 2, 5])")
    expect.equal(submission.call("usable", losses, 2.0), 3, "usable([4, 3, 2, 5, 9, 3], 2)")


@task(
    "7.8",
    points=2,
    hint="the fall divided by the distance of the logarithms; then the geometric mean of the two rates",
)
def test_suggest_rate_example(submission, rng):
    """suggest_rate gives 0.0141 for the example, between 0.01 and 0.02."""
    rates, smoothed = np.array([0.0001, 0.001, 0.01, 0.02, 1.0]), np.array([2.3, 2.2, 1.5, 1.2, 3.0])
    found = submission.call("suggest_rate", rates, smoothed)
    mistakes = {
        "this is the largest fall; it must be divided by the distance of the logarithms": 10**-2.5,
        "this is the rate of the lowest loss, where it is about to diverge": 0.02,
        "the fall is divided by the distance of the rates, it should be that of their logarithms": 10**-3.5,
        "this is the mean of the two rates; on a logarithmic scale the geometric mean lies between them": 0.015,
    }
    expect.close(found, 0.0141421, "suggest_rate(rates, smoothed)", rtol=1e-4, mistakes=mistakes)


CURVES = {
    "too high": ([2.3, 1.9, 2.4, 1.8, 2.5, 2.0, 2.6, 1.9], [2.3, 2.0, 2.4, 1.9, 2.5, 2.0, 2.6, 2.0]),
    "too low": (
        [2.30, 2.28, 2.26, 2.24, 2.22, 2.20, 2.18, 2.16],
        [2.30, 2.28, 2.26, 2.24, 2.23, 2.21, 2.19, 2.17],
    ),
    "overfitting": ([2.3, 0.9, 0.4, 0.2, 0.1, 0.05, 0.02, 0.01], [2.3, 1.0, 0.6, 0.5, 0.55, 0.65, 0.75, 0.9]),
    "good": ([2.3, 1.0, 0.6, 0.45, 0.4, 0.38, 0.37, 0.37], [2.3, 1.1, 0.7, 0.56, 0.52, 0.51, 0.5, 0.5]),
}


@task("7.9", points=2, hint="the rules of section 5, in their order: the first that holds decides")
def test_read_curves_examples(submission, rng):
    """read_curves names the four pairs of curves in section 5."""
    for verdict, (train, validation) in CURVES.items():
        found = submission.call("read_curves", np.array(train), np.array(validation))
        expect.equal(found, verdict, f"read_curves of the curves called {verdict!r}")
