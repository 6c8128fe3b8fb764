"""The worked examples of the handout, and layers whose mistakes are known.

Run `minidl exercise check 2` for the messages with hints, or plain `pytest`. Your file is graded with these
tests and with others that draw their numbers anew.
"""

import numpy as np

from minidl.grading import expect, task

X = np.array([1.0, -2.0])


@task("2.1", points=2, hint="equation (2): from both sides, over twice the step")
def test_numerical_gradient_example(submission, rng):
    """numerical_gradient gives 3.01 and 12.01 in the example of section 2."""
    f = submission.prop("Cubes")
    mistakes = {
        "this is the slope to the right; take a step to the left as well": np.array([3.31, 11.41]),
        "this is the slope to the left; take a step to the right as well": np.array([2.71, 12.61]),
        "the difference is divided by h, the two points lie 2 h apart": np.array([6.02, 24.02]),
    }
    found = submission.call("numerical_gradient", f.value, X, 0.1)
    expect.close(found, np.array([3.01, 12.01]), "numerical_gradient(f, [1, -2], 0.1)", mistakes=mistakes)


@task("2.1", points=1, hint="one index for every axis: np.ndindex(x.shape)")
def test_numerical_gradient_matrix(submission, rng):
    """numerical_gradient works for a matrix, and leaves it as it was."""
    x = np.array([[0.0, 1.0, 2.0], [-1.0, -2.0, 0.5]])
    sent = submission.array(x)
    found = submission.call("numerical_gradient", submission.prop("Cubes").value, sent)
    expect.close(found, 3 * x**2, "numerical_gradient(f, x) with a matrix x", atol=1e-6)
    expect.unchanged(sent, x, "x")


@task("2.2", points=1, hint="equation (4): h for small numbers, in proportion for large ones")
def test_step_sizes_example(submission, rng):
    """step_sizes gives the numbers of section 3."""
    found = submission.call("step_sizes", np.array([0.0, 0.5, -3.0, 1000.0]), 1e-5)
    expected = np.array([1e-5, 1e-5, 3e-5, 1e-2])
    mistakes = {
        "in proportion to x everywhere: for x = 0 no step is left": np.array([0.0, 5e-6, 3e-5, 1e-2]),
        "the sign of x has got into the step": np.array([1e-5, 1e-5, -3e-5, 1e-2]),
    }
    expect.close(found, expected, "step_sizes([0, 0.5, -3, 1000], 1e-5)", atol=1e-12, mistakes=mistakes)


@task("2.3", points=2, hint="equation (5): over the larger of the two, and at least over the floor")
def test_relative_error_example(submission, rng):
    """relative_error gives the table of section 4."""
    a = np.array([2.0, 2.0, 100.0, 1.0, 0.0, 1e-9])
    n = np.array([2.0, 1.0, 101.0, -1.0, 0.0, 3e-9])
    found = submission.call("relative_error", a, n)
    difference, total = np.abs(a - n), np.abs(a) + np.abs(n)
    mistakes = {
        "this is the absolute error": difference,
        "over the sum of the two, it should be the larger one": difference / np.maximum(total, 1e-3),
        "over the mean of the two, it should be the larger one": 2 * difference / np.maximum(total, 2e-3),
        "over the numeric gradient, it should be the larger of the two": np.array(
            [0, 1, 1 / 101, 2, 0, 2e-6]
        ),
    }
    expected = np.array([0.0, 0.5, 1 / 101, 2.0, 0.0, 2e-6])
    expect.close(found, expected, "relative_error(a, n)", atol=1e-9, mistakes=mistakes)


@task("2.4", points=1, hint="the table in section 5")
def test_verdict_table(submission, rng):
    """verdict gives the words of the table in section 5."""
    cases = [
        (1e-9, False, "right"),
        (1e-5, False, "doubtful"),
        (1e-5, True, "right"),
        (1e-3, True, "doubtful"),
    ]
    for error, kinks, word in [*cases, (0.5, False, "wrong")]:
        expect.equal(submission.call("verdict", error, kinks), word, f"verdict({error:g}, {kinks})")


@task(
    "2.5", points=2, hint="equation (6): the slope to the right and the slope to the left, each over one step"
)
def test_find_kinks_example(submission, rng):
    """find_kinks finds the kink of |x| at 0 and at half a step from 0, and no other."""
    f = submission.prop("Bends", -1.0, 1.0)
    found = submission.call("find_kinks", f.value, np.array([-1.0, 0.0, 0.05, 0.2]), 0.1)
    expect.dtype(found, bool, "find_kinks(|x|, [-1, 0, 0.05, 0.2], 0.1)")
    expect.equal(found, np.array([False, True, True, False]), "find_kinks(|x|, [-1, 0, 0.05, 0.2], 0.1)")


@task("2.5", points=1, hint="at the bottom of a parabola both slopes are nearly 0: compare with at least 1")
def test_find_kinks_smooth(submission, rng):
    """find_kinks finds none in a smooth function, not even at the bottom of a valley."""
    f = submission.prop("Squares")
    found = submission.call("find_kinks", f.value, np.array([0.0, 1e-6, -3.0, 100.0]))
    expect.equal(found, np.zeros(4, bool), "find_kinks(x^2, [0, 1e-6, -3, 100])")
    f = submission.prop("Bends", 0.5, 2.0)
    found = submission.call("find_kinks", f.value, np.array([1.0, 0.0]))
    expect.equal(found, np.array([False, True]), "find_kinks of two lines that meet at 0, at [1, 0]")


@task("2.6", points=2, hint="measure, compare, and take the largest")
def test_worst_error_example(submission, rng):
    """worst_error is 0 up to rounding for the right gradient, and 0.5 where one entry is half of what it should be."""
    f = submission.prop("Cubes")
    right = submission.call("worst_error", np.array([3.0, 12.0]), f.value, X)
    expect.close(right, 0.0, "worst_error of the right gradient", atol=1e-4)
    wrong = submission.call("worst_error", np.array([3.0, 6.0]), f.value, X)
    mistakes = {"this is the mean over the entries, it should be the largest": 0.25}
    expect.close(wrong, 0.5, "worst_error of a gradient with a wrong entry", rtol=1e-4, mistakes=mistakes)


WEIGHT = np.array([[1.0, 0.0, -1.0], [1.0, -1.0, 2.0]])
BIAS = np.array([0.0, 3.0, -2.0])
INPUT = np.array([[1.0, 2.0], [-2.0, 1.0], [0.5, 0.25]])
DY = np.array([[1.0, -1.0, 0.5], [2.0, 0.5, -1.0], [0.5, 1.0, 1.0]])


@task(
    "2.7", points=1, hint="the gradients of a right layer agree with the measured ones: is dy in your loss?"
)
def test_check_layer_right(submission, rng):
    """check_layer finds nothing wrong with a right dense layer."""
    layer = submission.prop("Affine", WEIGHT, BIAS)
    errors = submission.call("check_layer", layer, INPUT, DY, ["weight", "bias"])
    expect.that(isinstance(errors, dict), "check_layer must return a dict of errors by name")
    expect.equal(
        sorted(map(str, errors)), ["bias", "weight", "x"], "the list of names in what check_layer returns"
    )
    for name in ("x", "weight", "bias"):
        expect.close(errors[name], 0.0, f"the error of {name} of a right layer", atol=1e-4)
    layer = submission.prop("Affine", WEIGHT, BIAS, "sign")
    errors = submission.call("check_layer", layer, INPUT, DY, ["weight"])
    expect.that(
        isinstance(errors, dict) and "x" in errors, "check_layer must return a dict of errors by name"
    )
    expect.close(errors["x"], 2.0, "the error of x of a layer whose dx has the wrong sign", rtol=1e-4)


@task("2.7", points=2, hint="each name has an error of its own; a mean in place of a sum makes it 1 - 1/N")
def test_check_layer_wrong(submission, rng):
    """check_layer sees that the gradient of the bias is a mean where it should be a sum, and only that."""
    layer = submission.prop("Affine", WEIGHT, BIAS, "bias mean")
    errors = submission.call("check_layer", layer, INPUT, DY, ["weight", "bias"])
    expect.that(
        isinstance(errors, dict) and "bias" in errors, "check_layer must return a dict of errors by name"
    )
    expect.close(errors["bias"], 2 / 3, "the error of a bias whose gradient is divided by 3", rtol=1e-4)
    expect.close(errors["weight"], 0.0, "the error of weight", atol=1e-4)
    expect.close(errors["x"], 0.0, "the error of x", atol=1e-4)


@task("2.8", points=1, hint="the loss itself is the f; its backward takes no dy")
def test_check_loss_example(submission, rng):
    """check_loss passes a right loss and finds one whose gradient lacks the mean over the batch."""
    outputs, targets = np.array([[1.0, 3.0], [0.0, -2.0]]), np.array([[0.0, 1.0], [2.0, 1.0]])
    right = submission.call("check_loss", submission.prop("Distance"), outputs, targets)
    expect.close(right, 0.0, "check_loss of a right loss", atol=1e-4)
    wrong = submission.call("check_loss", submission.prop("Distance", "sum"), outputs, targets)
    expect.close(wrong, 0.5, "check_loss of a loss whose gradient is N = 2 times too large", rtol=1e-4)
