"""The promises of the docstrings, on functions and layers that are drawn anew for every grading.

The right answers are formulas of the grader: derivatives taken on paper, and for every wrong layer the
relative error that its mistake must have. No answer depends on the noise of a difference beyond the
tolerances given here.
"""

import numpy as np

from minidl.grading import expect, task

NOISE = 1e-3  # relative errors of right gradients are some 1e-7, that of the smallest mistake here is 1e-2


def shapes(rng):
    """Return shapes of no axis, one, two and three axes."""
    return [(), (1,), *(tuple(int(n) for n in rng.integers(1, 5, size=axes)) for axes in (1, 2, 3))]


def waves(submission, rng, shape):
    """Return a smooth function of the worker, a point, and its gradient there."""
    c, x = (
        rng.uniform(0.5, 2, size=shape) * rng.choice([-1.0, 1.0], size=shape),
        rng.uniform(-1, 1, size=shape),
    )
    return submission.prop("Waves", np.asarray(c)), np.asarray(x), c * np.cos(x)


# 2.1 ---------------------------------------------------------------------------------------------


@task("2.1", points=2, visibility="hint", hint="from both sides, and for arrays of any number of axes")
def test_numerical_gradient_shapes(submission, rng):
    """numerical_gradient is right for arrays of any shape, precise to 1e-8, and of type float64."""
    for shape in shapes(rng):
        f, x, gradient = waves(submission, rng, shape)
        found = submission.call("numerical_gradient", f.value, x)
        what = f"numerical_gradient(f, x) with x of shape {shape}"
        expect.dtype(found, np.float64, what)
        expect.close(found, gradient, what, rtol=0, atol=1e-8)


@task("2.1", points=1, visibility="hint", hint="np.array(x, dtype=np.float64) before anything else")
def test_numerical_gradient_types(submission, rng):
    """numerical_gradient computes in float64 also where x is float32 or an array of whole numbers."""
    c = rng.uniform(0.5, 2, size=(2, 3))
    for x in (rng.normal(size=(2, 3)).astype(np.float32), rng.integers(-3, 4, size=(2, 3))):
        found = submission.call("numerical_gradient", submission.prop("Waves", c).value, x)
        expect.close(
            found,
            c * np.cos(x.astype(np.float64)),
            f"numerical_gradient(f, x) with x of type {x.dtype}",
            atol=1e-8,
        )


@task("2.1", points=1, visibility="hint", hint="hand f a copy: it may write into the array that it gets")
def test_numerical_gradient_of_a_function_that_writes(submission, rng):
    """numerical_gradient is right, and x unchanged, for a function that writes into its argument."""
    x = rng.normal(size=(2, 2))
    sent = submission.array(x)
    found = submission.call("numerical_gradient", submission.prop("Greedy").value, sent)
    expect.unchanged(sent, x, "x")
    expect.close(found, 2 * x, "numerical_gradient of a function that writes into its argument", atol=1e-7)


@task(
    "2.1",
    points=1,
    visibility="hint",
    hint="x + h is rounded: divide by (x + h) - (x - h) as the computer has it; h may be an array",
)
def test_numerical_gradient_steps(submission, rng):
    """numerical_gradient takes a step for every entry, divides by the true distance, and needs two calls for each."""
    x, h = rng.normal(size=(2, 3)), rng.uniform(0.01, 0.2, size=(2, 3))
    found = submission.call("numerical_gradient", submission.prop("Cubes").value, x, h)
    mistakes = {"the step of another entry, or one step for all, was taken": 3 * x**2 + h[0, 0] ** 2}
    expect.close(
        found, 3 * x**2 + h**2, "numerical_gradient(f, x, h) with an array h", atol=1e-9, mistakes=mistakes
    )
    # Near 10^6 the numbers lie 1.2e-10 apart, so that a step of 6e-6 is rounded by up to one in 100,000.
    c, x0 = rng.uniform(1, 2, size=8), rng.uniform(1e6, 2e6, size=8)
    far = submission.prop("FarAway", c, x0)
    expect.close(
        submission.call("numerical_gradient", far.value, x0),
        c,
        "numerical_gradient(f, x) with x near 10^6",
        rtol=1e-9,
    )
    c, calls = rng.uniform(1, 2, size=(3, 4)), []

    def plane(point):
        calls.append(1)
        return np.sum(c * point)

    found = submission.call("numerical_gradient", submission.callback(plane), np.zeros((3, 4)))
    expect.close(found, c, "numerical_gradient(f, x) of a plane")
    expect.equal(len(calls), 24, "the number of calls of f for 12 entries")


# 2.2 ---------------------------------------------------------------------------------------------


@task("2.2", points=1, visibility="hint", hint="h max(1, |x|), entry by entry, in float64")
def test_step_sizes_random(submission, rng):
    """step_sizes is right for arrays of any shape and for float32."""
    for shape in shapes(rng):
        x = np.asarray(rng.normal(size=shape) * 10.0 ** rng.integers(-3, 4, size=shape))
        for sent in (x, x.astype(np.float32)):
            h = float(rng.uniform(1e-6, 1e-3))
            found = submission.call("step_sizes", sent, h)
            what = f"step_sizes(x, h) with x of shape {shape} and type {sent.dtype}"
            expect.dtype(found, np.float64, what)
            expect.close(found, h * np.maximum(1, np.abs(sent.astype(np.float64))), what, rtol=1e-12, atol=0)
    x = np.array([0.5, -4.0])
    expect.close(
        submission.call("step_sizes", x),
        np.array([6e-6, 24e-6]),
        "step_sizes(x) with the usual h",
        rtol=1e-9,
        atol=0,
    )


# 2.3 ---------------------------------------------------------------------------------------------


@task("2.3", points=1, visibility="hint", hint="|a - n| over the larger of |a| and |n|, entry by entry")
def test_relative_error_random(submission, rng):
    """relative_error is right for arrays of any shape, symmetric, and of type float64."""
    for shape in shapes(rng):
        a, n = rng.normal(size=shape) + 3, rng.normal(size=shape) - rng.uniform(-3, 3)
        expected = np.abs(a - n) / np.maximum(np.abs(a), np.abs(n))
        for first, second in ((a, n), (n, a), (-a, -n)):
            found = submission.call("relative_error", np.asarray(first), np.asarray(second))
            expect.close(found, expected, f"relative_error(a, n) with a and n of shape {shape}", rtol=1e-9)
    a = rng.uniform(1, 2, size=(3, 2)).astype(np.float32)
    found = submission.call("relative_error", a, a.astype(np.float64) * (1 + 1e-9))
    expect.close(
        found, np.full((3, 2), 1e-9), "relative_error(a, n) with an a of type float32", rtol=1e-3, atol=0
    )
    expect.dtype(submission.call("relative_error", a, a), np.float64, "relative_error(a, n) of float32")


@task(
    "2.3",
    points=1,
    visibility="hint",
    hint="the floor takes the place of the larger one where that is smaller",
)
def test_relative_error_floor(submission, rng):
    """relative_error counts small gradients relative to the floor, and 0 against 0 as no error."""
    for floor in (1e-3, float(rng.uniform(0.1, 1))):
        a, n = rng.normal(size=(4, 5)) * floor, rng.normal(size=(4, 5)) * floor
        a[0], n[0, :3] = 0, 0
        expected = np.abs(a - n) / np.maximum(np.maximum(np.abs(a), np.abs(n)), floor)
        arguments = () if floor == 1e-3 else (floor,)
        found = submission.call("relative_error", a, n, *arguments)
        expect.close(
            found, expected, "relative_error(a, n) for gradients about as large as the floor", rtol=1e-9
        )


@task("2.3", points=1, visibility="hint", hint="compare a.shape with n.shape before you compute")
def test_relative_error_refuses_other_shapes(submission, rng):
    """relative_error raises ValueError for two shapes, also where NumPy could stretch one over the other."""
    found = submission.call("relative_error", np.ones((1, 3)), np.full((1, 3), 2.0))
    expect.close(found, np.full((1, 3), 0.5), "relative_error of two gradients of shape (1, 3)")
    for first, second in (((3,), (1, 3)), ((3, 2), (2,)), ((4,), ()), ((2, 3), (3, 2))):
        a, n = np.asarray(rng.normal(size=first)), np.asarray(rng.normal(size=second))
        for pair in ((a, n), (n, a)):
            what = f"relative_error of shapes {pair[0].shape} and {pair[1].shape}"
            expect.raises(lambda pair=pair: submission.call("relative_error", *pair), "ValueError", what)


# 2.4 ---------------------------------------------------------------------------------------------


@task("2.4", points=2, visibility="hint", hint="the bounds belong to the better verdict, and NaN is wrong")
def test_verdict_bounds(submission, rng):
    """verdict is right at the bounds, between them, for infinity and for NaN."""
    for kinks in (False, True):
        middle = "right" if kinks else "doubtful"
        bands = [(0.0, 1e-7, "right"), (1e-7, 1e-4, middle), (1e-4, 1e-2, "doubtful"), (1e-2, 2.0, "wrong")]
        for low, high, word in bands:
            for error in (low + (high - low) * float(rng.uniform(0.1, 0.9)), high, low * 1.001 + 1e-12):
                expect.equal(submission.call("verdict", error, kinks), word, f"verdict({error:g}, {kinks})")
        for error in (float("inf"), float("nan")):
            expect.equal(submission.call("verdict", error, kinks), "wrong", f"verdict({error}, {kinks})")
    expect.equal(submission.call("verdict", 1e-5), "doubtful", "verdict(1e-05)")


# 2.5 ---------------------------------------------------------------------------------------------


@task(
    "2.5",
    points=1,
    visibility="hint",
    hint="the difference of the slopes against BEND times the largest of 1, |right|, |left|",
)
def test_find_kinks_threshold(submission, rng):
    """find_kinks calls a bend a kink by the rule in its docstring, for steep and flat lines of either sign."""
    x = np.array([[0.0, 2.0, -3.0]])
    for size in (0.5, 1.0, float(rng.uniform(5, 50))):
        for sign in (-1.0, 1.0):
            for share in (0.7, 1.4):
                bend = share * 1e-3 * max(1.0, size)
                for left, right in ((size, size - bend), (size - bend, size)):
                    f = submission.prop("Bends", sign * left, sign * right)
                    found = submission.call("find_kinks", f.value, x)
                    what = f"find_kinks of a line whose slope changes by {share} of BEND"
                    expect.equal(found, np.array([[share > 1, False, False]]), what)


@task("2.5", points=1, visibility="hint", hint="each entry with its own step, on copies of x, in float64")
def test_find_kinks_steps(submission, rng):
    """find_kinks looks as far as the step of each entry, in arrays of any shape, and leaves x as it is."""
    f = submission.prop("Bends", 0.5, 2.0)
    for shape in shapes(rng):
        h = np.asarray(rng.uniform(0.01, 0.1, size=shape))
        share = rng.choice([-1.5, -0.6, 0.6, 1.5], size=shape)
        for dtype in (np.float64, np.float32):
            x = np.asarray(h * share, dtype=dtype)
            sent = submission.array(x)
            found = submission.call("find_kinks", f.value, sent, h)
            what = f"find_kinks(f, x, h) with x of shape {shape} and type {x.dtype}"
            expect.equal(found, np.asarray(np.abs(share) < 1), what)
            expect.unchanged(sent, x, "x")
    f, x, _ = waves(submission, rng, (3, 4))
    found = submission.call("find_kinks", f.value, x.astype(np.float32))
    expect.equal(found, np.zeros((3, 4), bool), "find_kinks of a smooth function with x of type float32")
    greedy = submission.prop("Greedy")
    found = submission.call("find_kinks", greedy.value, rng.normal(size=(2, 3)))
    expect.equal(
        found, np.zeros((2, 3), bool), "find_kinks of a smooth function that writes into its argument"
    )


# 2.6 ---------------------------------------------------------------------------------------------


def known_error(a, n, floor=1e-3):
    """Return the largest relative error."""
    return float(np.max(np.abs(a - n) / np.maximum(np.maximum(np.abs(a), np.abs(n)), floor)))


@task("2.6", points=1, visibility="hint", hint="the largest of the relative errors of all entries")
def test_worst_error_random(submission, rng):
    """worst_error is right for right and for wrong gradients of any shape, large numbers included."""
    for shape in shapes(rng):
        f, x, gradient = waves(submission, rng, shape)
        what = f"worst_error of a gradient of shape {shape}"
        expect.close(
            submission.call("worst_error", gradient, f.value, x), 0.0, f"{what} that is right", atol=NOISE
        )
        wrong = np.asarray(gradient + rng.normal(size=shape))
        found = submission.call("worst_error", wrong, f.value, x)
        expect.close(found, known_error(wrong, gradient), f"{what} that is wrong", rtol=1e-3, atol=NOISE)
    x = rng.uniform(1e8, 2e8, size=5)
    found = submission.call("worst_error", 2 * x, submission.prop("Greedy").value, x)
    what = "worst_error of a right gradient with x near 10^8 (is the step as large as it should be?)"
    expect.close(found, 0.0, what, atol=NOISE)


@task(
    "2.6",
    points=1,
    visibility="hint",
    hint="None, another shape, and NaN each have their answer in the docstring",
)
def test_worst_error_unusable(submission, rng):
    """worst_error is infinite for no gradient and for one of another shape, and NaN for one with a NaN."""
    f, x, gradient = waves(submission, rng, (1, 4))
    for given in (None, gradient[0], gradient.T, np.float64(1.0)):
        found = submission.call("worst_error", given, f.value, x)
        expect.equal(
            found,
            float("inf"),
            f"worst_error of {'None' if given is None else f'a gradient of shape {np.shape(given)}'}",
        )
    for place in range(4):
        holed = gradient.copy()
        holed[0, place] = np.nan
        found = submission.call("worst_error", holed, f.value, x)
        good = isinstance(found, float | np.floating) and np.isnan(found)
        expect.that(good, f"worst_error of a gradient with a NaN at [0, {place}] must be NaN, got {found!r}")


@task("2.6", points=1, visibility="hint", hint="entries on a kink do not count: find_kinks says which")
def test_worst_error_leaves_kinks_out(submission, rng):
    """worst_error does not count entries on a kink, and is 0 if there are no others."""
    flat = submission.call(
        "worst_error", np.zeros(2), submission.prop("Bends", 0.0, 2.0).value, np.array([-1.0, -2.0])
    )
    expect.close(flat, 0.0, "worst_error of a gradient that is 0, and rightly so", atol=NOISE)
    f = submission.prop("Bends", 0.5, 2.0)
    x = np.array([1.0, 0.0, -1.0, 0.0])
    found = submission.call("worst_error", np.array([2.0, 2.0, 0.5, 0.5]), f.value, x)
    expect.close(found, 0.0, "worst_error of a gradient that is right off the kinks", atol=NOISE)
    found = submission.call("worst_error", np.array([2.0, 2.0, 2.0, 0.5]), f.value, x)
    expect.close(found, 0.75, "worst_error of a gradient that is wrong off the kinks", rtol=1e-4)
    found = submission.call("worst_error", np.ones(2), f.value, np.zeros(2))
    expect.close(found, 0.0, "worst_error where all entries are on kinks", atol=0)


# 2.7 ---------------------------------------------------------------------------------------------


class Watched:
    """The layer ``y = c * gain * x + shift``, whose passes are computed here, and how it is treated.

    Nobody but this test knows c, so that there is no way to the right errors but through these calls. The gradient of
    the shift is `factor` times too large.
    """

    def __init__(self, rng, x, gain, shift):
        self.given = x.astype(np.float64), gain, shift
        self.c, self.factor = rng.uniform(0.5, 2, size=x.shape), float(rng.uniform(1.5, 4))
        self.x, self.gain = self.given[0], gain
        self.types, self.moved = set(), 0

    def forward(self, x, gain, shift):
        self.types |= {str(array.dtype) for array in (x, gain, shift)}
        x, gain, shift = (np.asarray(array, np.float64) for array in (x, gain, shift))
        ahead = self.given[0] + 1, *self.given[1:]  # where the first of the two passes is
        if not all(np.array_equal(a, b) for a, b in zip((x, gain, shift), ahead, strict=True)):
            there = [np.count_nonzero(a != b) for a, b in zip((x, gain, shift), self.given, strict=True)]
            self.moved = max(self.moved, sum(there))
        self.x, self.gain = x, gain
        return self.c * gain * x + shift

    def backward(self, dy):
        self.types.add(str(dy.dtype))
        dy = np.asarray(dy, np.float64)
        grad_gain, grad_shift = (dy * self.c * self.x).sum(axis=0), dy.sum(axis=0)
        return dy * self.c * self.gain, grad_gain, self.factor * grad_shift

    def of(self, submission):
        """Return the layer for the submission."""
        passes = submission.callback(self.forward, "forward"), submission.callback(self.backward, "backward")
        return submission.prop("Observed", *passes, *self.given[1:])


def affine(submission, rng, mistake=None, dtype=np.float64):
    """Return a dense layer with as many inputs as outputs, its parameters, an input, and a dy."""
    width, count = int(rng.integers(2, 5)), int(rng.integers(2, 6))
    weight, bias = rng.normal(size=(width, width)).astype(dtype), rng.normal(size=width).astype(dtype)
    # Away from 0, where relative errors are at the mercy of rounding.
    x, dy = rng.uniform(0.5, 1.5, size=(2, count, width)) * rng.choice([-1, 1], size=(2, count, width))
    x, dy = x.astype(dtype), dy.astype(dtype)
    return submission.prop("Affine", weight, bias, mistake), weight, bias, x, dy


def errors_of(submission, layer, x, dy, names=("weight", "bias")):
    """Return what check_layer answers, with its form checked."""
    errors = submission.call("check_layer", layer, x, dy, list(names))
    expect.that(isinstance(errors, dict), "check_layer must return a dict of errors by name")
    expect.equal(
        sorted(map(str, errors)), sorted(["x", *names]), "the list of names in what check_layer returns"
    )
    return errors


@task(
    "2.7", points=1, visibility="hint", hint="measure x first, then every parameter, with all else as it was"
)
def test_check_layer_passes_right_layers(submission, rng):
    """check_layer passes right layers: dense, softmax, tanh, and one that writes into its arguments."""
    layer, _, _, x, dy = affine(submission, rng)
    for name, error in errors_of(submission, layer, x, dy).items():
        expect.close(error, 0.0, f"the error of {name} of a right dense layer", atol=NOISE)
    layer, _, _, x, dy = affine(submission, rng, "sign")
    found = errors_of(submission, layer, x, dy)["x"]
    expect.close(found, 2.0, "the error of x of a dense layer with the wrong sign", rtol=1e-3)
    layers = {
        "softmax": ("Rows",),
        "tanh": ("Curve", "tanh"),
        "square that writes into x and dy": ("Curve", "square", "in place"),
    }
    for name, made in layers.items():
        sent_x, sent_dy = submission.array(x), submission.array(dy)
        found = errors_of(submission, submission.prop(*made), sent_x, sent_dy, ())
        expect.unchanged(sent_x, x, "x")
        expect.unchanged(sent_dy, dy, "dy")
        expect.close(found["x"], 0.0, f"the error of x of a right layer ({name})", atol=NOISE)
    for names in (["gain", "shift"], ["shift", "gain"]):
        swing = submission.prop("Swing", *rng.uniform(0.5, 2, size=(2, x.shape[1])))
        for name, error in errors_of(submission, swing, x, dy, names).items():
            expect.close(
                error,
                0.0,
                f"the error of {name} of y = gain * tanh(x + shift), checked with {names}",
                atol=NOISE,
            )


@task(
    "2.7",
    points=2,
    visibility="hint",
    hint="which name is wrong, and by how much: the second pass counts, and nothing is lost on the way",
)
def test_check_layer_finds_mistakes(submission, rng):
    """check_layer finds the classic mistakes in the gradients of a dense layer, where they are and how large."""
    for mistake in ("transposed", "no transpose", "weight mean", "bias mean", "sign", "one entry",
                    "added up", "first x"):  # fmt: skip
        layer, weight, _, x, dy = affine(submission, rng, mistake)
        last = np.ones_like(weight)
        last[-1, -1] = 1.01
        right = {"x": dy @ weight.T, "weight": x.T @ dy, "bias": dy.sum(axis=0)}
        wrong = {
            "transposed": {"weight": right["weight"].T},
            "no transpose": {"x": dy @ weight},
            "weight mean": {"weight": right["weight"] / len(x)},
            "bias mean": {"bias": right["bias"] / len(x)},
            "sign": {"x": -right["x"]},
            "one entry": {"weight": right["weight"] * last},
            "added up": {"weight": right["weight"] + (x + 1).T @ dy},
            "first x": {"weight": (x + 1).T @ dy},
        }[mistake]  # fmt: skip
        for name, error in errors_of(submission, layer, x, dy).items():
            expected = known_error(wrong.get(name, right[name]), right[name])
            what = f"the error of {name} of a dense layer with the mistake {mistake!r}"
            expect.close(error, expected, what, rtol=1e-3, atol=NOISE)


@task(
    "2.7",
    points=1,
    visibility="hint",
    hint="one entry of an output may depend on several of the input; and a kink is no mistake",
)
def test_check_layer_finds_mistakes_in_activations(submission, rng):
    """check_layer finds wrong slopes of activation functions and of a softmax, and forgives a ReLU its kink."""
    _, _, _, x, dy = affine(submission, rng)
    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    softmax = p * (dy - (dy * p).sum(axis=1, keepdims=True))
    curved = dy * (1 - np.tanh(x) ** 2)
    cases = [
        (("Rows", "diagonal"), dy * p * (1 - p), softmax),
        (("Curve", "tanh", "no slope"), dy, curved),
        (("Curve", "tanh", "slope at y"), dy * (1 - np.tanh(np.tanh(x)) ** 2), curved),
        (("Curve", "square", "factor"), dy * x, dy * 2 * x),
    ]
    for made, wrong, right in cases:
        found = errors_of(submission, submission.prop(*made), x, dy, ())["x"]
        expect.close(
            found, known_error(wrong, right), f"the error of x of the layer {made}", rtol=1e-3, atol=NOISE
        )
    x = rng.integers(-1, 2, size=(4, 5)) * rng.uniform(0.5, 1.5, size=(4, 5))
    x[0, :3] = [-1.0, 0.0, 1.0]
    dy = rng.uniform(0.5, 1.5, size=x.shape)
    found = errors_of(submission, submission.prop("Curve", "relu"), x, dy, ())["x"]
    expect.close(found, 0.0, "the error of x of a ReLU with zeros in x", atol=NOISE)
    found = errors_of(submission, submission.prop("Curve", "relu", "no slope"), x, dy, ())["x"]
    expect.close(found, 1.0, "the error of x of a ReLU that lets all of dy pass", rtol=1e-4)


@task(
    "2.7",
    points=1,
    visibility="hint",
    hint="float32 has no digits for a difference of 6e-6: make x, dy and the parameters float64",
)
def test_check_layer_works_in_double_precision(submission, rng):
    """check_layer passes a right layer whose parameters and inputs are float32, and puts its own arrays back."""
    layer, weight, bias, x, dy = affine(submission, rng, dtype=np.float32)
    sent = submission.array(x)
    for name, error in errors_of(submission, layer, sent, dy).items():
        expect.close(error, 0.0, f"the error of {name} of a right layer of float32", atol=NOISE)
    expect.unchanged(sent, x, "x")
    for name, original in (("weight", weight), ("bias", bias)):
        now = getattr(layer, name)
        expect.dtype(now, np.float32, f"{name} after the check")
        expect.unchanged(now, original, name)
    gain, shift = rng.uniform(0.5, 2, size=(2, x.shape[1])).astype(np.float32)
    watched = Watched(rng, x, gain, shift)
    found = errors_of(submission, watched.of(submission), x, dy, ["gain", "shift"])
    what = "the types of the arrays that the layer got and had while it was checked"
    expect.equal(sorted(watched.types), ["float64"], what)
    what = "the largest number of entries, of x and the parameters together, that were moved at the same time"
    expect.equal(watched.moved, 1, what)
    for name, right in (("x", 0.0), ("gain", 0.0), ("shift", 1 - 1 / watched.factor)):
        expect.close(found[name], right, f"the error of {name} of y = c * gain * x + shift", atol=NOISE)


class WatchedLoss:
    """Half the squared distance with weights c, computed here; its gradient is `factor` times too large."""

    def __init__(self, rng, shape):
        self.c, self.factor = rng.uniform(0.5, 2, size=shape), float(rng.uniform(1.5, 4))
        self.difference, self.types = np.zeros(shape), set()

    def forward(self, outputs, targets):
        self.types.add(str(outputs.dtype))
        self.difference = np.asarray(outputs, np.float64) - targets
        return 0.5 * np.sum(self.c * self.difference**2)

    def backward(self):
        return self.factor * self.c * self.difference

    def of(self, submission):
        """Return the loss for the submission."""
        passes = submission.callback(self.forward, "forward"), submission.callback(self.backward, "backward")
        return submission.prop("ObservedLoss", *passes)


@task("2.8", points=1, visibility="hint", hint="outputs in float64; the targets as they are")
def test_check_loss_random(submission, rng):
    """check_loss passes a right loss, also for float32, and changes nothing."""
    for dtype in (np.float64, np.float32):
        outputs, targets = rng.normal(size=(4, 3)).astype(dtype), rng.integers(0, 5, size=(4, 3))
        sent, sent_targets = submission.array(outputs), submission.array(targets)
        loss = submission.prop("Distance")
        found = submission.call("check_loss", loss, sent, sent_targets)
        expect.close(
            found, 0.0, f"check_loss of a right loss with outputs of type {outputs.dtype}", atol=NOISE
        )
        expect.unchanged(sent, outputs, "outputs")
        expect.unchanged(sent_targets, targets, "targets")
        labels = rng.integers(0, 3, size=4)
        found = submission.call("check_loss", submission.prop("Surprise"), outputs, labels)
        expect.close(
            found, 0.0, f"check_loss of a right loss with labels, outputs of type {outputs.dtype}", atol=NOISE
        )
        watched = WatchedLoss(rng, outputs.shape)
        found = submission.call("check_loss", watched.of(submission), outputs, targets)
        expect.equal(sorted(watched.types), ["float64"], "the types of the outputs that the loss got")
        right = 1 - 1 / watched.factor
        expect.close(found, right, "check_loss of a loss whose gradient is too large", rtol=1e-3)


@task(
    "2.7",
    points=1,
    visibility="hint",
    hint="a gradient that is None, has another shape or holds a NaN is no right one",
)
def test_check_layer_unusable_gradients(submission, rng):
    """check_layer answers infinity for a gradient that is missing or of another shape, and NaN for NaN."""
    for mistake in ("no gradient", "wrong shape", "nan"):
        layer, _, _, x, dy = affine(submission, rng, mistake)
        error = errors_of(submission, layer, x, dy)["bias"]
        wanted = "NaN" if mistake == "nan" else "infinite"
        good = isinstance(error, float | np.floating) and (
            np.isnan(error) if mistake == "nan" else error == np.inf
        )
        expect.that(good, f"the error of a bias with the mistake {mistake!r} must be {wanted}")


@task(
    "2.8",
    points=1,
    visibility="hint",
    hint="first at outputs + 1, then at outputs: the second gradient counts",
)
def test_check_loss_finds_mistakes(submission, rng):
    """check_loss finds a missing mean, a wrong sign, and a loss that keeps the gradient of its first call."""
    outputs, targets = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    right = (outputs - targets) / 5
    for mistake, wrong in (("sum", 5 * right), ("sign", -right), ("stale", right + 0.2)):
        found = submission.call("check_loss", submission.prop("Distance", mistake), outputs, targets)
        expect.close(
            found,
            known_error(wrong, right),
            f"check_loss of a loss with the mistake {mistake!r}",
            rtol=1e-3,
            atol=NOISE,
        )
    found = submission.call("check_loss", submission.prop("Distance", "nothing"), outputs, targets)
    expect.equal(found, float("inf"), "check_loss of a loss whose backward returns None")
