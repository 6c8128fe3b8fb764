"""The promises of the docstrings, on numbers that are drawn anew for every grading.

Random weights are judged by statistics of 36,000 numbers or more, each with bounds six standard errors off.
Of the normal distribution that leaves out one in 5 * 10^8; of the chi-square and binomial distributions that
mean squares and counts follow, about as much. All of them together, those of the public tests included,
refuse a right submission with a probability of 8 * 10^-8.
"""

import numpy as np

from minidl.grading import expect, task

ERRORS = 6


def draw(submission, rng, function, inputs, outputs):
    """Return weights, with their form checked."""
    w = submission.call(function, inputs, outputs, submission.generator(int(rng.integers(1 << 30))))
    what = f"{function}({inputs}, {outputs}, generator)"
    expect.shape(w, (inputs, outputs), what)
    expect.dtype(w, np.float32, what)
    expect.finite(w, what)
    return w.astype(np.float64), what


def check_share(inside, share, what):
    """Expect that a share of the numbers has a property."""
    margin = ERRORS * np.sqrt(share * (1 - share) / inside.size)
    expect.that(abs(np.mean(inside) - share) <= margin, what)


def check_normal(w, std, what, slips):
    """Expect independent normal numbers of mean 0."""
    check_independent(w, what)
    count = w.size
    expect.that(
        abs(w.mean()) <= ERRORS * std / np.sqrt(count),
        f"{what} has the wrong mean, {w.mean():.3g}: it should be 0",
    )
    found, margin = np.sqrt(np.mean(w * w)), ERRORS / np.sqrt(2 * count)
    likely = [text for text, other in slips.items() if abs(found / other - 1) <= margin]
    cause = f"; likely cause: {likely[0]}" if likely else ""
    expect.that(
        abs(found / std - 1) <= margin, f"{what} has the wrong standard deviation, {found:.4g}{cause}"
    )
    # 0.682689 and 0.954500 of normal numbers lie within one and two standard deviations, of uniform ones 0.58 and 1.
    check_share(np.abs(w) < std, 0.6826895, f"{what} is not normally distributed")
    check_share(np.abs(w) < 2 * std, 0.9544997, f"{what} is not normally distributed")


def check_independent(w, what):
    """Expect no number twice, but for chance, and no connection between neighbours."""
    expect.that(len(np.unique(w)) > 0.98 * w.size, f"{what} holds the same numbers again and again")
    rows, columns = np.mean(w[1:] * w[:-1]), np.mean(w[:, 1:] * w[:, :-1])
    margin = ERRORS * np.mean(w * w) / np.sqrt(w.size - max(w.shape))
    expect.that(max(abs(rows), abs(columns)) <= margin, f"the numbers of {what} depend on their neighbours")


def check_generator(submission, rng, function):
    """Expect that all randomness comes from the generator given."""
    seed = int(rng.integers(1 << 30))
    generator = submission.generator(seed)
    first, second = (submission.call(function, 5, 3, generator) for _ in range(2))
    again = submission.call(function, 5, 3, submission.generator(seed))
    other = submission.call(function, 5, 3, submission.generator(seed + 1))
    expect.that(
        np.array_equal(first, again), f"{function} gives other weights for a generator of the same seed"
    )
    expect.that(
        not np.array_equal(first, second),
        f"{function} gives the same weights in two calls with one generator",
    )
    expect.that(
        not np.array_equal(first, other),
        f"{function} gives the same weights for generators of different seeds",
    )


# 4.1 ---------------------------------------------------------------------------------------------


@task(
    "4.1",
    points=1,
    visibility="hint",
    hint="normal numbers, divided by the root of the inputs, of type float32",
)
def test_normal_weights_are_normal(submission, rng):
    """normal_weights draws independent normal numbers whose standard deviation falls with the inputs alone."""
    for inputs, outputs in ((100, 400), (900, 50)):
        w, what = draw(submission, rng, "normal_weights", inputs, outputs)
        slips = {
            "the number of outputs was taken": outputs**-0.5,
            "inputs and outputs were added": (inputs + outputs) ** -0.5,
        }
        check_normal(w, inputs**-0.5, what, slips)


@task(
    "4.1",
    points=1,
    visibility="hint",
    hint="use the generator that is given; np.random.… and a seed of your own are others",
)
def test_normal_weights_use_the_generator(submission, rng):
    """normal_weights takes all its random numbers from the generator."""
    check_generator(submission, rng, "normal_weights")


# 4.2 ---------------------------------------------------------------------------------------------


@task("4.2", points=1, visibility="hint", hint="normal numbers, times sqrt(2 / inputs), of type float32")
def test_he_weights_are_normal(submission, rng):
    """he_weights draws independent normal numbers whose standard deviation falls with the inputs alone."""
    for inputs, outputs in ((100, 400), (900, 50)):
        w, what = draw(submission, rng, "he_weights", inputs, outputs)
        slips = {
            "the number of outputs was taken": (2 / outputs) ** 0.5,
            "the factor 2 is missing": inputs**-0.5,
            "inputs and outputs were added": (2 / (inputs + outputs)) ** 0.5,
        }
        check_normal(w, (2 / inputs) ** 0.5, what, slips)


@task("4.2", points=2, visibility="hint", hint="evenly from -a to a; both the inputs and the outputs count")
def test_glorot_weights_are_uniform(submission, rng):
    """glorot_weights draws independent numbers that are spread evenly between its bounds."""
    for inputs, outputs in ((100, 400), (900, 50)):
        w, what = draw(submission, rng, "glorot_weights", inputs, outputs)
        bound = (6 / (inputs + outputs)) ** 0.5
        largest = np.abs(w).max()
        expect.that(largest <= bound * (1 + 1e-6), f"a weight of {what} is {largest:.4g}, which is too large")
        # All of n numbers are smaller than (1 - 20/n) of the bound once in 5 * 10^8 times.
        expect.that(
            largest >= bound * (1 - 20 / w.size),
            f"the largest weight of {what} is {largest:.4g}, which is too small",
        )
        for cut in (-0.5, 0.0, 0.5):
            check_share(
                w < cut * bound,
                (1 + cut) / 2,
                f"{what} is not spread evenly: too many or too few are below {cut} a",
            )
        check_independent(w, what)


@task(
    "4.2",
    points=1,
    visibility="hint",
    hint="use the generator that is given; np.random.… and a seed of your own are others",
)
def test_he_and_glorot_weights_use_the_generator(submission, rng):
    """he_weights and glorot_weights take all their random numbers from the generator."""
    check_generator(submission, rng, "he_weights")
    check_generator(submission, rng, "glorot_weights")


# 4.3 and 4.4 -------------------------------------------------------------------------------------


def network(rng, dtype=np.float64):
    """Return the parameters of a network with names of all kinds, and which of them are punished."""
    shapes = {
        "0.weight": (3, 4), "0.bias": (4,), "body.2.weight": (2, 1, 3, 3), "body.2.bias": (2,), "weight": (2, 2),
        "bias": (5,), "unbiased.weight": (2, 3), "bias.gamma": (3,), "2.bias_scale": (2,),
    }  # fmt: skip
    parameters = {name: np.asarray(rng.normal(size=shape), dtype=dtype) for name, shape in shapes.items()}
    return parameters, [name for name in parameters if name.rpartition(".")[2] != "bias"]


def check_penalty(submission, rng, name, measure):
    """Compare a penalty for several networks, one without parameters, and one with biases alone."""
    for dtype, rtol in ((np.float64, 1e-9), (np.float32, 1e-4)):
        parameters, punished = network(rng, dtype)
        strength = float(rng.uniform(0.1, 2))
        each = {key: strength * measure(value.astype(np.float64)) for key, value in parameters.items()}
        expected = sum(each[key] for key in punished)
        mistakes = {
            "the biases are counted": sum(each.values()),
            'a parameter was left out whose name only holds "bias" somewhere': sum(
                each[key] for key in punished if "bias" not in key
            ),
            'only names that are or end in "weight" are counted': sum(
                each[key] for key in punished if key.endswith("weight")
            ),
        }
        found = submission.call(name, parameters, strength)
        expect.close(found, expected, f"{name}(parameters, {strength:g})", rtol=rtol, mistakes=mistakes)
    alone = {"bias": parameters["bias"]}
    expect.close(submission.call(name, alone, 1.0), 0.0, f"{name} of a network with a bias alone")
    expect.close(submission.call(name, {}, 1.0), 0.0, f"{name} of no parameters")


def check_gradient(submission, rng, name, slope):
    """Compare the gradients of all parameters, in value, type and shape."""
    for dtype in (np.float64, np.float32):
        parameters, punished = network(rng, dtype)
        parameters["weight"][0] = 0
        handles = {key: submission.array(value) for key, value in parameters.items()}
        for strength in (float(rng.uniform(0.1, 2)), 1.0):
            found = submission.call(name, handles, strength)
            for key, value in parameters.items():
                expect.unchanged(handles[key], value, key)
            expect.that(isinstance(found, dict), f"{name} must return a dict")
            expect.equal(
                sorted(map(str, found)), sorted(parameters), f"the list of names in what {name} returns"
            )
            for key, value in parameters.items():
                expected = strength * slope(value) if key in punished else np.zeros_like(value)
                what = f'{name}(parameters, {strength:g})["{key}"] with parameters of type {value.dtype}'
                expect.close(found[key], expected, what, rtol=1e-6)
                expect.dtype(found[key], dtype, what)


def check_slope_of_penalty(submission, rng, penalty, gradient):
    """Measure the slope of the submission's own penalty: both must fit together."""
    w = rng.uniform(0.5, 2, size=(2, 3)) * rng.choice([-1, 1], size=(2, 3))
    found = submission.call(gradient, {"0.weight": w}, 0.3)
    expect.that(
        isinstance(found, dict) and "0.weight" in found,
        f"{gradient} must return a dict with the names of the parameters",
    )
    what = f"{gradient}, as the slope of {penalty}"
    expect.gradient(
        found["0.weight"], lambda v: submission.call(penalty, {"0.weight": v}, 0.3), w, what, atol=1e-6
    )
    expect.that(np.all(found["0.weight"] * w > 0), f"{gradient} must have the signs of the weights")


@task(
    "4.3",
    points=1,
    visibility="hint",
    hint='equation (5), for all names but those that end in "bias" after the last dot',
)
def test_l2_penalty_random(submission, rng):
    """l2_penalty is right for networks with parameters of all names and shapes."""
    check_penalty(submission, rng, "l2_penalty", lambda w: 0.5 * np.sum(w * w))


@task("4.3", points=1, visibility="hint", hint="a new array of the type of the parameter for every name")
def test_l2_gradient_random(submission, rng):
    """l2_gradient is right for networks with parameters of all names, shapes and types."""
    check_gradient(submission, rng, "l2_gradient", lambda w: w)


@task(
    "4.3",
    points=1,
    visibility="hint",
    hint="the 2 of the square's derivative cancels the half; and strength * w is a new array",
)
def test_l2_gradient_is_the_slope(submission, rng):
    """l2_gradient is the slope of l2_penalty, in arrays of its own."""
    check_slope_of_penalty(submission, rng, "l2_penalty", "l2_gradient")
    w = submission.array(rng.normal(size=(2, 2)))
    made = submission.hold("l2_gradient", {"0.weight": w}, 1.0)
    earlier = made.value()["0.weight"]
    w.write(np.full((2, 2), 7.0))
    expect.not_aliased(earlier, made.value()["0.weight"], "the gradient", "the array of weights")


@task(
    "4.4",
    points=1,
    visibility="hint",
    hint='equation (7), for all names but those that end in "bias" after the last dot',
)
def test_l1_penalty_random(submission, rng):
    """l1_penalty is right for networks with parameters of all names and shapes."""
    check_penalty(submission, rng, "l1_penalty", lambda w: np.sum(np.abs(w)))


@task(
    "4.4",
    points=1,
    visibility="hint",
    hint="a new array of the type of the parameter for every name; 0 where w is 0",
)
def test_l1_gradient_random(submission, rng):
    """l1_gradient is right for networks with parameters of all names, shapes and types, zeros included."""
    check_gradient(submission, rng, "l1_gradient", np.sign)


@task("4.4", points=1, visibility="hint", hint="the slope of |w| is the sign of w")
def test_l1_gradient_is_the_slope(submission, rng):
    """l1_gradient is the slope of l1_penalty."""
    check_slope_of_penalty(submission, rng, "l1_penalty", "l1_gradient")


# 4.5 and 4.6 -------------------------------------------------------------------------------------


def shapes(rng):
    """Return shapes with one to four axes."""
    return [tuple(int(n) for n in rng.integers(1, 6, size=axes)) for axes in (1, 2, 4)]


def gain_of(numbers, p):
    """Return what dropout multiplies with, where these numbers were drawn."""
    return (numbers >= p) / (1 - p)


@task(
    "4.5",
    points=1,
    visibility="hint",
    hint="generator.random(x.shape), dropped below p, the others divided by 1 - p",
)
def test_dropout_random(submission, rng):
    """Dropout.forward is right for arrays of any shape, any p, and NumPy's own generator."""
    for shape in shapes(rng):
        for p in (float(rng.uniform(0.1, 0.9)), 0.0, 0.5):
            x, seed = rng.uniform(0.5, 2, size=shape), int(rng.integers(1 << 30))
            layer = submission.new("Dropout", p, submission.generator(seed))
            gain = gain_of(np.random.default_rng(seed).random(shape), p)
            mistakes = {"divided by p, it should be 1 - p": x * (gain > 0) / p} if p else {}
            mistakes["the others are not divided by 1 - p"] = x * (gain > 0)
            what = f"Dropout({p:g}, generator).forward(x) with x of shape {shape}"
            expect.close(layer.forward(x, True), x * gain, what, rtol=1e-9, mistakes=mistakes)


@task(
    "4.5",
    points=1,
    visibility="hint",
    hint="a new mask in every forward pass, with one call of generator.random",
)
def test_dropout_draws_anew(submission, rng):
    """Every forward pass of the training draws a mask of its own, and one outside of training draws nothing."""
    shape = (4, 5)
    throws = [rng.random(shape) for _ in range(3)]
    asked = []

    def random(size=None):
        asked.append(1)
        if np.shape(np.empty(size)) != shape or len(asked) > 3:
            raise ValueError(f"call {len(asked)} with the size {size}")
        return throws[len(asked) - 1]

    generator = submission.prop("Caller", submission.callback(random, "random"))
    layer = submission.new("Dropout", 0.4, generator)
    x = rng.uniform(0.5, 2, size=shape)
    for count, numbers in enumerate(throws, 1):
        expect.close(layer.forward(x, False), x, "Dropout.forward(x, train=False)", atol=0, rtol=1e-12)
        y = layer.forward(x, True)
        expect.close(y, x * gain_of(numbers, 0.4), f"Dropout.forward(x, train=True), time {count}", rtol=1e-9)
    expect.equal(len(asked), 3, "the number of calls of generator.random in 3 forward passes of the training")


@task("4.5", points=1, visibility="hint", hint="outside of training nothing is dropped and nothing is scaled")
def test_dropout_outside_training(submission, rng):
    """Outside of training Dropout.forward returns x as it is, for any p; by default it trains."""
    for p in (0.0, 0.3, 0.9):
        x = rng.normal(size=(3, 4))
        layer = submission.new("Dropout", p, submission.prop("Dice", []))
        mistakes = {"multiplied by 1 - p: that belongs to the other kind of dropout": x * (1 - p)}
        expect.close(
            layer.forward(x, False),
            x,
            f"Dropout({p:g}, generator).forward(x, train=False)",
            rtol=1e-12,
            mistakes=mistakes,
        )
    layer = submission.new("Dropout", 0.5, submission.prop("Dice", [np.zeros((3, 4))]))
    expect.close(layer.forward(x), np.zeros((3, 4)), "Dropout.forward(x) that drops everything")


@task(
    "4.5",
    points=1,
    visibility="hint",
    hint="the numbers of the generator are float64: keep the type of x, and x itself",
)
def test_dropout_manners(submission, rng):
    """Dropout.forward keeps the type and leaves x as it is."""
    for dtype in (np.float32, np.float64):
        for train in (True, False):
            x = rng.normal(size=(4, 5)).astype(dtype)
            sent = submission.array(x)
            y = submission.new("Dropout", 0.3, submission.generator(7)).forward(sent, train)
            what = f"Dropout.forward(x, train={train}) with x of type {x.dtype}"
            expect.dtype(y, dtype, what)
            gain = gain_of(np.random.default_rng(7).random(x.shape), 0.3) if train else 1
            expect.close(y, x.astype(np.float64) * gain, what, rtol=1e-5)
            expect.unchanged(sent, x, "x")


@task(
    "4.6",
    points=1,
    visibility="hint",
    hint="the same mask and the same factor as in the latest forward pass, 1 outside of training",
)
def test_dropout_backward_random(submission, rng):
    """Dropout.backward is right for arrays of any shape, pass after pass, in training and outside."""
    for shape in shapes(rng):
        p = float(rng.uniform(0.2, 0.8))
        throws = [rng.random(shape) for _ in range(2)]
        layer = submission.new("Dropout", p, submission.prop("Dice", throws))
        for numbers in (throws[0], None, throws[1]):
            # Zeros in x: it is the mask that counts, not whether y is 0.
            x, dy = rng.normal(size=shape) * rng.integers(0, 2, size=shape), rng.normal(size=shape)
            layer.forward(x, numbers is not None)
            expected = dy if numbers is None else dy * gain_of(numbers, p)
            mode = "with train=False" if numbers is None else "with train=True"
            mistakes = {} if numbers is None else {
                "the gradient is lost where x is 0, it should be where a number was dropped": expected * (x != 0),
                "the division by 1 - p is missing": expected * (1 - p),
            }  # fmt: skip
            what = (
                f"Dropout({p:g}, generator).backward(dy) after a forward pass {mode} and dy of shape {shape}"
            )
            expect.close(layer.backward(dy), expected, what, rtol=1e-9, mistakes=mistakes)


@task(
    "4.6",
    points=1,
    visibility="hint",
    hint="keep the type of dy, and dy itself; and what belongs to a layer in self",
)
def test_dropout_backward_manners(submission, rng):
    """Dropout.backward keeps the type, leaves dy as it is, and two layers do not disturb each other."""
    for dtype in (np.float32, np.float64):
        throws = rng.random((2, 4, 5))
        first, second = (
            submission.new("Dropout", 0.4, submission.prop("Dice", [numbers])) for numbers in throws
        )
        x, dy = rng.normal(size=(4, 5)).astype(dtype), rng.normal(size=(4, 5)).astype(dtype)
        first.forward(x)
        second.forward(x)
        sent = submission.array(dy)
        for layer, numbers, name in ((second, throws[1], "second"), (first, throws[0], "first")):
            dx = layer.backward(sent)
            expect.dtype(dx, dtype, f"Dropout.backward(dy) with dy of type {dy.dtype}")
            expect.close(dx, dy * gain_of(numbers, 0.4), f"dx of the {name} of two layers", rtol=1e-5)
            expect.unchanged(sent, dy, "dy")


# 4.7 and 4.8 -------------------------------------------------------------------------------------


def stops(accuracies, patience, min_delta):
    """Return after which epochs to stop."""
    reference, waited, answers = -np.inf, 0, []
    for accuracy in accuracies:
        improved = accuracy > reference + min_delta
        reference, waited = (accuracy, 0) if improved else (reference, waited + 1)
        answers.append(waited >= patience)
    return answers


def check_stops(submission, accuracies, patience, min_delta):
    """Compare the answers for a sequence of accuracies."""
    stopper = submission.new("EarlyStopping", patience, min_delta)
    expected = stops(accuracies, patience, min_delta)
    for epoch, (accuracy, stop) in enumerate(zip(accuracies, expected, strict=True)):
        found = stopper.update(accuracy)
        what = f"EarlyStopping({patience}, {min_delta:g}).update in epoch {epoch}"
        listed = ", ".join(f"{a:.4g}" for a in accuracies[: epoch + 1])
        expect.that(
            isinstance(found, bool | np.bool_) and bool(found) == stop,
            f"{what} returned {found!r} after the accuracies {listed}",
        )


@task(
    "4.7", points=1, visibility="hint", hint="compare with the last improvement, and count the epochs since"
)
def test_early_stopping_random(submission, rng):
    """EarlyStopping stops when it should, for accuracies that jump around, and goes on saying so."""
    for patience in (1, 2, int(rng.integers(3, 6))):
        for min_delta in (0.0, 0.0625):
            accuracies = [float(value) / 32 for value in rng.integers(8, 32, size=14)]
            check_stops(submission, accuracies, patience, min_delta)
            check_stops(submission, sorted(accuracies), patience, min_delta)
    stopper = submission.new("EarlyStopping", 1)
    answers = [stopper.update(accuracy) for accuracy in (0.5, 0.625, 0.625)]
    what = "what EarlyStopping(1), without a min_delta, answers to 0.5, 0.625, 0.625"
    expect.equal(answers, [False, False, True], what)


@task(
    "4.7",
    points=1,
    visibility="hint",
    hint="more than min_delta above the last improvement, which many small gains may reach together",
)
def test_early_stopping_small_gains(submission, rng):
    """Small gains add up to an improvement, a gain of exactly min_delta is none, and accuracies may be negative."""
    start = float(rng.integers(1, 8)) / 16
    check_stops(submission, [start + k / 64 for k in range(12)], 3, 1 / 32)
    check_stops(submission, [start, start + 1 / 16, start + 1 / 16 + 1 / 512], 1, 1 / 16)
    check_stops(submission, [start, start + 1 / 16, start + 1 / 8], 2, 1 / 16)
    check_stops(submission, [-0.5, -0.25, -0.375, 0.0, 0.0], 1, 0.125)


@task(
    "4.7", points=1, visibility="hint", hint="NaN > anything is False; but None is no number to compare with"
)
def test_early_stopping_nan(submission, rng):
    """NaN is never an improvement: not the first, and not in between; two stoppers keep apart."""
    nan = float("nan")
    check_stops(submission, [nan, nan, 0.5, nan, 0.75, nan, nan], 2, 0.0)
    check_stops(submission, [nan, 0.0, 0.25], 2, 0.0)
    first, second = submission.new("EarlyStopping", 1), submission.new("EarlyStopping", 1)
    first.update(0.75)
    expect.equal(
        second.update(0.25), False, "update(0.25) of the second of two EarlyStopping, its first accuracy"
    )


@task(
    "4.8",
    points=1,
    visibility="hint",
    hint="every higher accuracy counts, an equal one does not; all arrays, as copies",
)
def test_best_weights_random(submission, rng):
    """BestWeights keeps the weights of the best epoch, and writes all of them back in place."""
    accuracies = [float(value) / 16 for value in rng.integers(2, 14, size=8)]
    best = int(np.argmax(accuracies))  # the first of several
    names = {"0.weight": (2, 3), "0.bias": (3,), "scale": (1, 2, 2)}
    weights = {name: rng.normal(size=(8, *shape)).astype(np.float32) for name, shape in names.items()}
    handles = {name: submission.array(value[0]) for name, value in weights.items()}
    keeper = submission.new("BestWeights")
    for epoch, accuracy in enumerate(accuracies):
        for name, handle in handles.items():
            handle.write(weights[name][epoch])
        keeper.update(accuracy, handles)
        for name, handle in handles.items():
            expect.unchanged(handle, weights[name][epoch], name)
    expect.close(keeper.best, accuracies[best], "best after eight epochs")
    keeper.restore(handles)
    for name, handle in handles.items():
        mistakes = {"these are those of the last epoch": weights[name][-1]} if best < 7 else {}
        expect.close(handle.value(), weights[name][best], f"{name} after restore", atol=0, mistakes=mistakes)


@task(
    "4.8",
    points=1,
    visibility="hint",
    hint="the copies stay as they are, whatever happens to the arrays that they came from or went into",
)
def test_best_weights_are_copies(submission, rng):
    """The kept weights change neither with the training before restore nor with that after it."""
    first = rng.normal(size=(2, 2))
    w, keeper = submission.array(first), submission.new("BestWeights")
    keeper.update(0.5, {"weight": w})
    for _ in range(2):
        w.write(rng.normal(size=(2, 2)))
        keeper.update(0.25, {"weight": w})
        kept = keeper.weights
        expect.that(
            isinstance(kept, dict) and "weight" in kept,
            "weights must be a dict with the names that update got",
        )
        expect.close(kept["weight"], first, "the kept weights, after the array has changed", atol=0)
        keeper.restore({"weight": w})
        expect.close(w.value(), first, "the weights after restore", atol=0)


@task("4.8", points=1, visibility="hint", hint="None is no number; NaN is greater than nothing")
def test_best_weights_special(submission, rng):
    """Nothing is restored where nothing was kept, NaN is never the best, and 0 or less may be."""
    start, nan = rng.normal(size=3), float("nan")
    w, keeper = submission.array(start), submission.new("BestWeights")
    keeper.restore({"weight": w})
    expect.close(
        w.value(), start, "the weights after restore of a BestWeights that has seen no epoch", atol=0
    )
    keeper.update(nan, {"weight": w})
    expect.equal(keeper.best, None, "best after an accuracy of NaN alone")
    for accuracy, best in ((-0.5, -0.5), (0.0, 0.0), (nan, 0.0), (-0.25, 0.0), (0.5, 0.5)):
        keeper.update(accuracy, {"weight": w})
        expect.close(keeper.best, best, f"best after an accuracy of {accuracy}")
