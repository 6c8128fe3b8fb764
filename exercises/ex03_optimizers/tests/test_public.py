"""The worked example of the handout, optimizer by optimizer.

Run `minidl exercise check 3` for the messages with hints, or plain `pytest`. Your file is graded with these
tests and with others that draw their numbers anew.
"""

import numpy as np

from minidl.grading import expect, task

# Section 8 of the handout: two weights, two steps, learning rate 0.1.
START = np.array([1.0, -2.0])
G1 = np.array([2.0, -1.0])
G2 = np.array([1.0, 1.0])


def check(submission, name, first, second, mistakes, mistakes_at_once=None):
    """Take the two steps of the example; the mistakes are points after the second step, or after the first."""
    optimizer = submission.new(name, 0.1)
    w = submission.array(START)
    optimizer.update(w, G1)
    wrong = {text: np.array(point) for text, point in (mistakes_at_once or {}).items()}
    what = f"w after {name}.update(w, [2, -1])"
    expect.close(w.value(), np.array(first), what, rtol=1e-6, atol=1e-6, before=START, mistakes=wrong)
    optimizer.update(w, G2)
    wrong = {text: np.array(point) for text, point in mistakes.items()}
    what = f"w after {name}.update(w, [1, 1]), the second step"
    expect.close(
        w.value(), np.array(second), what, rtol=1e-6, atol=1e-6, before=np.array(first), mistakes=wrong
    )


@task("3.1", points=1, hint="equation (1), in place: w -= …")
def test_sgd_example(submission, rng):
    """SGD takes the two steps of the worked example."""
    check(submission, "SGD", [0.8, -1.9], [0.7, -2.0], {})


@task("3.2", points=1, hint="equations (2) and (3): what is left of the old velocity, plus the gradient")
def test_momentum_example(submission, rng):
    """Momentum takes the two steps of the worked example."""
    average = "this velocity is an average: in equation (2) the gradient is added in full"
    mistakes = {
        "the velocity of the first step is forgotten": [0.7, -2.0],
        "the velocity is a sum without friction: multiply the old one by mu": [0.5, -1.9],
        average: [0.61, -1.82],
    }
    check(submission, "Momentum", [0.8, -1.9], [0.52, -1.91], mistakes, {average: [0.98, -1.99]})


@task("3.3", points=1, hint="equation (6): g + mu v, with the new v")
def test_nesterov_example(submission, rng):
    """Nesterov takes the two steps of the worked example."""
    plain = {"this is plain momentum: the look ahead is missing": [0.8, -1.9]}
    check(submission, "Nesterov", [0.62, -1.81], [0.268, -1.919], {}, plain)


@task("3.4", points=1, hint="equations (7) and (8): divide by the root of the sum of all squares so far")
def test_adagrad_example(submission, rng):
    """Adagrad takes the two steps of the worked example."""
    at_once = {"the root is missing": [0.95, -1.9]}
    mistakes = {"the squares of the first step are forgotten": [0.8, -2.0]}
    check(submission, "Adagrad", [0.9, -1.9], [0.855279, -1.970711], mistakes, at_once)


@task("3.5", points=1, hint="equation (9): gamma of the old average, 1 - gamma of the new square")
def test_rmsprop_example(submission, rng):
    """RMSProp takes the two steps of the worked example."""
    at_once = {
        "the two shares are exchanged: gamma belongs to the old average": [0.894591, -1.894591],
        "the square is added in full: its share is 1 - gamma": [0.9, -1.9],
        "the root is missing": [0.5, -1.0],
    }
    check(submission, "RMSProp", [0.683772, -1.683772], [0.536330, -1.913188], {}, at_once)


@task("3.6", points=1, hint="equations (10) to (12), with t = 1 in the first step")
def test_adam_example(submission, rng):
    """Adam takes the two steps of the worked example; the first is of length lr in each entry."""
    at_once = {
        "the averages lack the correction: divide by 1 - beta^t": [0.683772, -1.683772],
        "the mean is corrected, the mean square is not": [-2.162278, 1.162278],
        "the mean square is corrected, the mean is not": [0.99, -1.99],
    }
    mistakes = {"the correction is that of the first step: t must grow": [0.774725, -1.907071]}
    check(submission, "Adam", [0.9, -1.9], [0.806782, -1.905263], mistakes, at_once)


@task("3.7", points=1, hint="equation (13): the whole part of t / every is the exponent")
def test_step_decay_example(submission, rng):
    """step_decay gives the rates of section 6."""
    for t, expected in ((0, 0.8), (4, 0.8), (5, 0.4), (9, 0.4), (10, 0.2)):
        expect.close(submission.call("step_decay", t, 0.8, 5), expected, f"step_decay({t}, 0.8, every=5)")


@task(
    "3.7",
    points=1,
    hint="equation (14): lr at the start, the middle between both at half the time, final at the end",
)
def test_cosine_example(submission, rng):
    """cosine gives the rates of section 6."""
    for t, expected in ((0, 0.8), (1, 0.682843), (2, 0.4), (3, 0.117157), (4, 0.0), (5, 0.0)):
        what = f"cosine({t}, 0.8, steps=4)"
        expect.close(submission.call("cosine", t, 0.8, 4), expected, what, rtol=1e-5, atol=1e-6)


@task("3.8", points=1, hint="equation (15): five equal stairs, the fifth of which is schedule(0)")
def test_warmup_example(submission, rng):
    """warmup gives the rates of section 6."""
    rates = submission.prop("Rates", [0.5, 0.25, 0.125])
    mistakes = {0: {"the warm-up begins with 0, a wasted step": 0.0}}
    for t, expected in enumerate((0.1, 0.2, 0.3, 0.4, 0.5, 0.25, 0.125)):
        found = submission.call("warmup", t, 4, rates.at)
        expect.close(found, expected, f"warmup({t}, 4, schedule)", rtol=1e-9, mistakes=mistakes.get(t, {}))


@task("3.9", points=2, hint="rate, gradient, update, note a copy; and the start belongs to the path")
def test_descend_example(submission, rng):
    """descend takes three steps down a ravine and returns the four points."""
    # f(w) = (w_1^2 + 4 w_2^2) / 2, from [8, 1] with the rates 0.5, 0.5 and 0.25; the optimizer adds the gradients up.
    optimizer, ravine = submission.prop("Plain", 9.0), submission.prop("Ravine", np.array([1.0, 4.0]))
    rates = submission.prop("Rates", [0.5, 0.5, 0.25])
    path = submission.call("descend", optimizer, ravine.gradient, np.array([8.0, 1.0]), rates.at, 3)
    expected = np.array([[8.0, 1.0], [4.0, -1.0], [-2.0, -1.0], [-4.5, 0.0]])
    last = np.tile(expected[3], (4, 1))
    mistakes = {
        "all points are the last one: the same array was noted again and again, note copies": last,
        "all points after the start are the last one: the same array was noted each time, note copies": np.vstack(
            [expected[:1], last[1:]]
        ),
    }
    expect.close(path, expected, "descend(optimizer, gradient, [8, 1], schedule, 3)", mistakes=mistakes)
