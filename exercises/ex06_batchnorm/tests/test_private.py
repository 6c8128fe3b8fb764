"""The promises of the docstrings, on arrays that are drawn anew for every grading.

What is right is computed here: plain formulas for the values, central differences for the gradients.
"""

import numpy as np

from minidl.grading import expect, task

SHAPES = ((5, 3), (4, 2, 3, 5), (1, 3, 2, 4), (6, 1))


def over(x):
    """Return the axes of all that belongs to one feature."""
    return (0,) if x.ndim == 2 else (0, 2, 3)


def wide(values, x):
    """Return one number per feature, in a shape that fits x."""
    return np.asarray(values).reshape([1, -1] + [1] * (x.ndim - 2))


def batch(rng, shape, dtype=np.float64):
    """Return numbers whose features have different means and sizes."""
    size = wide(rng.uniform(0.5, 4, size=shape[1]), np.empty(shape))
    return (rng.normal(size=shape) * size + 3 * size).astype(dtype)


def right_forward(x, gamma, beta, mean, var, eps):
    """Return gamma xhat + beta."""
    return wide(gamma, x) * (x - wide(mean, x)) / np.sqrt(wide(var, x) + eps) + wide(beta, x)


def right_train(x, gamma, beta, eps):
    """Return the answer of the training in double precision."""
    x = x.astype(np.float64)
    return right_forward(x, gamma, beta, x.mean(axis=over(x)), x.var(axis=over(x)), eps)


def norm(submission, rng, features, dtype=np.float64, momentum=0.9):
    """Return a BatchNorm of the submission with random parameters, these and its eps."""
    eps = float(rng.uniform(0.1, 2))
    values = {
        "gamma": rng.uniform(0.5, 3, size=features) * rng.choice([-1, 1], size=features),
        "beta": rng.normal(size=features),
        "running_mean": rng.normal(size=features),
        "running_var": rng.uniform(0.5, 3, size=features),
    }
    values = {name: value.astype(dtype) for name, value in values.items()}
    layer = submission.new("BatchNorm", features, momentum, eps)
    for name, value in values.items():
        setattr(layer, name, value)
    return layer, values, eps


def out_of_order(submission, x):
    """Return x as an array in the worker that lies there in another order: not contiguous, as slices are not."""
    return submission.hold(submission.prop("Transpose").forward, np.ascontiguousarray(x.T))


def pair_of(found, what):
    """Expect two answers."""
    expect.that(
        isinstance(found, tuple) and len(found) == 2, f"{what} must return two arrays, as return a, b does"
    )
    return found


# 6.1 ---------------------------------------------------------------------------------------------


@task("6.1", points=1, visibility="hint", hint="equation (1): all axes but that of the features; divide by M")
def test_statistics_random(submission, rng):
    """statistics is right for columns and for channels, and for a batch of one."""
    for shape in (*SHAPES, (1, 4), (2, 2)):
        x = batch(rng, shape)
        mean, var = pair_of(submission.call("statistics", x), "statistics(x)")
        what = f"statistics of an x of shape {shape}"
        expect.close(mean, x.mean(axis=over(x)), f"the mean of {what}")
        expect.close(var, x.var(axis=over(x)), f"the variance of {what}", atol=1e-9)


@task(
    "6.1", points=1, visibility="hint", hint="mean(x^2) - mean(x)^2 loses all digits: take the mean off first"
)
def test_statistics_far_from_zero(submission, rng):
    """statistics is right for float32 numbers near 4000 that differ by about 1."""
    x = rng.normal(size=(200, 3)).astype(np.float32) + np.float32(4000)
    mean, var = pair_of(submission.call("statistics", x), "statistics(x)")
    exact = x.astype(np.float64)
    expect.close(mean, exact.mean(axis=0), "the mean of statistics(x)", rtol=1e-5)
    expect.close(var, exact.var(axis=0), "the variance of statistics(x)", rtol=1e-3)


@task("6.1", points=1, visibility="hint", hint="keep the type, and write into no argument")
def test_statistics_manners(submission, rng):
    """statistics keeps the type and leaves x as it is."""
    for dtype in (np.float32, np.float64):
        x = batch(rng, (4, 2, 3, 3), dtype)
        sent = submission.array(x)
        found = pair_of(submission.call("statistics", sent), "statistics(x)")
        for value in found:
            expect.dtype(value, dtype, f"statistics(x) with x of type {x.dtype}")
        expect.unchanged(sent, x, "x")
        right = x.mean(axis=over(x), dtype=np.float64)
        expect.close(found[0], right, f"the mean of statistics(x) with x of type {x.dtype}", rtol=1e-4)


# 6.2 ---------------------------------------------------------------------------------------------


@task("6.2", points=2, visibility="hint", hint="equations (2) and (3), every feature with its own numbers")
def test_forward_train_random(submission, rng):
    """BatchNorm.forward_train is right for columns and for channels."""
    for shape in SHAPES:
        layer, values, eps = norm(submission, rng, shape[1])
        x = batch(rng, shape)
        parameters = values["gamma"], values["beta"]
        what = f"BatchNorm.forward_train(x) with x of shape {shape}"
        running = right_forward(x, *values.values(), eps)
        mistakes = {
            "beta is missing": right_train(x, values["gamma"], 0 * values["beta"], eps),
            "these are the running statistics, it should be those of the batch": running,
        }
        expect.close(layer.forward_train(x), right_train(x, *parameters, eps), what, mistakes=mistakes)
    found = layer.forward_train(out_of_order(submission, x))
    expect.close(found, right_train(x, *parameters, eps), f"{what} that is not contiguous")


@task(
    "6.2",
    points=1,
    visibility="hint",
    hint="a single number per feature: the variance is 0, and eps is what is left",
)
def test_forward_train_constant(submission, rng):
    """BatchNorm.forward_train gives beta for a batch of one, and for a feature whose numbers are all equal."""
    layer, values, _ = norm(submission, rng, 3)
    for count in (1, 4):
        x = np.tile(rng.normal(size=3), (count, 1))
        y = layer.forward_train(x)
        expect.finite(y, "BatchNorm.forward_train(x) with equal examples")
        what = f"BatchNorm.forward_train(x) with {count} equal examples"
        expect.close(y, np.tile(values["beta"], (count, 1)), what, atol=1e-9)


@task(
    "6.2",
    points=1,
    visibility="hint",
    hint="np.zeros and np.ones make float64; x -= … changes the caller's array",
)
def test_forward_train_manners(submission, rng):
    """BatchNorm.forward_train keeps the type, leaves x and the parameters as they are."""
    for dtype in (np.float32, np.float64):
        layer, values, eps = norm(submission, rng, 2, dtype)
        x = batch(rng, (3, 2, 2, 4), dtype)
        sent = submission.array(x)
        y = layer.forward_train(sent)
        what = f"BatchNorm.forward_train(x) with x of type {x.dtype}"
        expect.dtype(y, dtype, what)
        expect.unchanged(sent, x, "x")
        expect.unchanged(layer.gamma, values["gamma"], "gamma")
        expect.unchanged(layer.beta, values["beta"], "beta")
        right = right_train(x, values["gamma"], values["beta"], eps)
        expect.close(y, right, what, rtol=1e-3, atol=1e-4)


@task("6.2", points=1, visibility="hint", hint="update_running is for that; forward calls both")
def test_forward_train_leaves_the_running_statistics(submission, rng):
    """BatchNorm.forward_train does not touch the running statistics."""
    layer, values, eps = norm(submission, rng, 3)
    x = batch(rng, (4, 3))
    y = layer.forward_train(x)
    expect.unchanged(layer.running_mean, values["running_mean"], "running_mean")
    expect.unchanged(layer.running_var, values["running_var"], "running_var")
    right = right_train(x, values["gamma"], values["beta"], eps)
    expect.close(y, right, "BatchNorm.forward_train(x)")


# 6.3 ---------------------------------------------------------------------------------------------


@task("6.3", points=2, visibility="hint", hint="equation (4); for images M is N H W")
def test_update_running_random(submission, rng):
    """BatchNorm.update_running is right batch after batch, for columns and channels and any momentum."""
    for shape, momentum in zip((*SHAPES, (2, 3)), (0.9, 0.5, 0.99, 0.0, 0.3), strict=True):
        layer, values, _ = norm(submission, rng, shape[1], momentum=momentum)
        mean, var = values["running_mean"], values["running_var"]
        for _ in range(2):
            x = batch(rng, shape)
            count = x.size // shape[1]
            batch_mean, batch_var = x.mean(axis=over(x)), x.var(axis=over(x))
            biased = momentum * var + (1 - momentum) * batch_var
            var = momentum * var + (1 - momentum) * batch_var * count / (count - 1)
            mean = momentum * mean + (1 - momentum) * batch_mean
            layer.update_running(x)
            what = f"after update_running(x) with x of shape {shape} and momentum {momentum}"
            expect.close(layer.running_mean, mean, f"running_mean {what}")
            mistakes = {"the factor M / (M - 1) is missing": biased}
            expect.close(layer.running_var, var, f"running_var {what}", mistakes=mistakes)


@task(
    "6.3",
    points=1,
    visibility="hint",
    hint="M - 1 is 0 for a batch of one; and = makes a new array, += does not",
)
def test_update_running_manners(submission, rng):
    """BatchNorm.update_running takes a batch of one, and changes neither x nor an array given to the layer."""
    for dtype in (np.float32, np.float64):
        mean, var = rng.normal(size=3).astype(dtype), rng.uniform(1, 2, size=3).astype(dtype)
        layer = submission.new("BatchNorm", 3, 0.75)
        kept_mean, kept_var = submission.array(mean), submission.array(var)
        layer.running_mean, layer.running_var = kept_mean, kept_var
        x = batch(rng, (1, 3), dtype)
        sent = submission.array(x)
        layer.update_running(sent)
        expect.finite(layer.running_var, "running_var after a batch of one")
        expect.close(layer.running_mean, 0.75 * mean + 0.25 * x[0], "running_mean after a batch of one")
        expect.close(layer.running_var, 0.75 * var, "running_var after a batch of one")
        expect.dtype(layer.running_mean, dtype, f"running_mean for x of type {x.dtype}")
        expect.dtype(layer.running_var, dtype, f"running_var for x of type {x.dtype}")
        expect.unchanged(sent, x, "x")
        expect.unchanged(kept_mean, mean, "the old running_mean")
        expect.unchanged(kept_var, var, "the old running_var")


# 6.4 ---------------------------------------------------------------------------------------------


@task("6.4", points=2, visibility="hint", hint="the running statistics, also for a batch of one")
def test_forward_test_random(submission, rng):
    """BatchNorm.forward_test is right for columns and channels, example by example."""
    for shape in (*SHAPES, (1, 3)):
        layer, values, eps = norm(submission, rng, shape[1])
        x = batch(rng, shape)
        mistakes = {
            "the statistics of the batch are used, as in training": right_train(
                x, values["gamma"], values["beta"], eps
            )
        }
        what = f"BatchNorm.forward_test(x) with x of shape {shape}"
        expect.close(layer.forward_test(x), right_forward(x, *values.values(), eps), what, mistakes=mistakes)


@task("6.4", points=1, visibility="hint", hint="at test time the layer only looks; keep the type")
def test_forward_test_manners(submission, rng):
    """BatchNorm.forward_test keeps the type and changes neither x nor anything of the layer."""
    for dtype in (np.float32, np.float64):
        layer, values, eps = norm(submission, rng, 2, dtype)
        x = batch(rng, (3, 2), dtype)
        sent = submission.array(x)
        y = layer.forward_test(sent)
        what = f"BatchNorm.forward_test(x) with x of type {x.dtype}"
        expect.dtype(y, dtype, what)
        expect.unchanged(sent, x, "x")
        for name, value in values.items():
            expect.unchanged(getattr(layer, name), value, name)
        mean, var = values["running_mean"], values["running_var"]
        right = right_forward(x, values["gamma"], values["beta"], mean, var, eps)
        expect.close(y, right, what, rtol=1e-3, atol=1e-4)


# 6.5 ---------------------------------------------------------------------------------------------


def check_gradient(submission, rng, which):
    """Run forward_train and measure the slopes for "gamma", "beta" or "x"."""
    for shape in ((5, 3), (3, 2, 2, 4), (2, 4), (1, 2, 3, 1)):
        layer, values, eps = norm(submission, rng, shape[1])
        now = {"x": batch(rng, shape), "gamma": values["gamma"], "beta": values["beta"]}
        dy = rng.normal(size=shape)

        def loss(array, now=now, dy=dy, eps=eps):
            changed = {**now, which: array}
            return np.sum(dy * right_train(changed["x"], changed["gamma"], changed["beta"], eps))

        layer.forward_train(now["x"])
        sent = out_of_order(submission, dy)
        if which == "x":
            found, what = layer.grad_input(sent), "what BatchNorm.grad_input(dy) returns"
        else:
            layer.grad_parameters(sent)
            found = layer.grad_gamma if which == "gamma" else layer.grad_beta
            what = f"grad_{which} after BatchNorm.grad_parameters(dy)"
        what = f"{what} with dy of shape {shape}"
        expect.gradient(found, loss, now[which], what, batch=shape[0], atol=1e-6, entries=40)


@task("6.5", points=1, visibility="hint", hint="equation (5); no division, that is part of dy already")
def test_grad_gamma_numerically(submission, rng):
    """grad_gamma is the derivative of the loss with respect to every gamma."""
    check_gradient(submission, rng, "gamma")


@task("6.5", points=1, visibility="hint", hint="equation (6); for images over examples, rows and columns")
def test_grad_beta_numerically(submission, rng):
    """grad_beta is the derivative of the loss with respect to every beta."""
    check_gradient(submission, rng, "beta")


@task(
    "6.5",
    points=1,
    visibility="hint",
    hint="= and not +=, in self and not in the class; leave gamma to the optimizer",
)
def test_grad_parameters_manners(submission, rng):
    """The gradients belong to one layer and its latest pass, keep the type, and nothing else changes."""
    for dtype in (np.float32, np.float64):
        layer, values, eps = norm(submission, rng, 2, dtype)
        other, _, _ = norm(submission, rng, 2, dtype)
        for _ in range(2):
            x, dy = batch(rng, (4, 2), dtype), rng.normal(size=(4, 2)).astype(dtype)
            old = layer.grad_gamma, layer.grad_beta
            sent = submission.array(dy)
            layer.forward_train(x)
            other.forward_train(-2 * x)
            layer.grad_parameters(sent)
            xhat = right_train(x, np.ones(2), np.zeros(2), eps)
            found = layer.grad_gamma, layer.grad_beta
            for array, right, before, name in zip(
                found,
                ((dy * xhat).sum(axis=0), dy.sum(axis=0)),
                old,
                ("grad_gamma", "grad_beta"),
                strict=True,
            ):
                expect.close(
                    array, right, f"{name} of one of two layers", rtol=1e-3, atol=1e-4, before=before
                )
                expect.dtype(array, dtype, f"{name} for dy of type {dy.dtype}")
            expect.unchanged(sent, dy, "dy")
        expect.unchanged(layer.gamma, values["gamma"], "gamma")
        expect.unchanged(layer.beta, values["beta"], "beta")


# 6.6 ---------------------------------------------------------------------------------------------


@task(
    "6.6", points=3, visibility="hint", hint="equation (8): three terms in the bracket, gamma / root in front"
)
def test_grad_input_numerically(submission, rng):
    """BatchNorm.grad_input is the derivative of the loss with respect to every input."""
    check_gradient(submission, rng, "x")


@task(
    "6.6",
    points=1,
    visibility="hint",
    hint="a single number per feature is its own mean: y does not depend on it",
)
def test_grad_input_batch_of_one(submission, rng):
    """BatchNorm.grad_input is zero for a batch of one."""
    layer, values, eps = norm(submission, rng, 4)
    layer.forward_train(batch(rng, (1, 4)))
    dx = layer.grad_input(rng.normal(size=(1, 4)))
    expect.finite(dx, "BatchNorm.grad_input(dy) for a batch of one")
    expect.close(dx, np.zeros((1, 4)), "BatchNorm.grad_input(dy) for a batch of one", atol=1e-9)
    x, dy = batch(rng, (2, 4)), rng.normal(size=(2, 4))
    layer.forward_train(x)

    def loss(array):
        return np.sum(dy * right_train(array, values["gamma"], values["beta"], eps))

    expect.gradient(layer.grad_input(dy), loss, x, "BatchNorm.grad_input(dy) for a batch of two, after it")


@task("6.6", points=1, visibility="hint", hint="keep the type of dy, and what belongs to a layer in self")
def test_grad_input_manners(submission, rng):
    """BatchNorm.grad_input keeps the type, changes nothing, and knows its own layer's latest pass."""
    for dtype in (np.float32, np.float64):
        layer, values, eps = norm(submission, rng, 2, dtype)
        other, _, _ = norm(submission, rng, 2, dtype)
        x, dy = batch(rng, (4, 2), dtype), rng.normal(size=(4, 2)).astype(dtype)
        sent = submission.array(dy)
        layer.forward_train(x)
        other.forward_train(3 - 2 * x)
        dx = layer.grad_input(sent)
        expect.dtype(dx, dtype, f"BatchNorm.grad_input(dy) with dy of type {dy.dtype}")
        expect.unchanged(sent, dy, "dy")
        expect.unchanged(layer.gamma, values["gamma"], "gamma")
        expect.close(layer.grad_input(dy), dx, "BatchNorm.grad_input(dy), called a second time")

        def loss(array, dy=dy, values=values, eps=eps):
            return np.sum(dy * right_train(array, values["gamma"], values["beta"], eps))

        what = "BatchNorm.grad_input(dy) of the first of two layers"
        expect.gradient(dx, loss, x, what, rtol=1e-3, atol=1e-4)


# 6.7 ---------------------------------------------------------------------------------------------


@task(
    "6.7", points=1, visibility="hint", hint="equation (9), with the running variance; for images per channel"
)
def test_backward_test_random(submission, rng):
    """BatchNorm.backward_test is right for columns and channels, also after a batch of the training."""
    for shape in (*SHAPES, (1, 3)):
        layer, values, eps = norm(submission, rng, shape[1])
        x, dy = batch(rng, shape), rng.normal(size=shape)
        layer.forward_test(x)
        expected = dy * wide(values["gamma"] / np.sqrt(values["running_var"] + eps), dy)
        expect.close(
            layer.backward_test(dy), expected, f"BatchNorm.backward_test(dy) with dy of shape {shape}"
        )


@task("6.7", points=1, visibility="hint", hint="keep the type, and write into no argument")
def test_backward_test_manners(submission, rng):
    """BatchNorm.backward_test keeps the type and leaves dy as it is."""
    for dtype in (np.float32, np.float64):
        layer, values, eps = norm(submission, rng, 3, dtype)
        dy = rng.normal(size=(4, 3)).astype(dtype)
        sent = submission.array(dy)
        layer.forward_test(batch(rng, (4, 3), dtype))
        dx = layer.backward_test(sent)
        what = f"BatchNorm.backward_test(dy) with dy of type {dy.dtype}"
        expect.dtype(dx, dtype, what)
        expect.unchanged(sent, dy, "dy")
        right = dy * wide(values["gamma"] / np.sqrt(values["running_var"] + eps), dy)
        expect.close(dx, right, what, rtol=1e-3, atol=1e-4)


# 6.8 ---------------------------------------------------------------------------------------------
# Compared with the submission's own methods: a mistake in one of these costs points in its own task only.


def twins(submission, rng, features):
    """Return two layers that are equal."""
    layer, values, eps = norm(submission, rng, features)
    same = submission.new("BatchNorm", features, 0.9, eps)
    for name, value in values.items():
        setattr(same, name, value)
    return layer, same, values


@task(
    "6.8",
    points=1,
    visibility="hint",
    hint="update_running once in a pass of the training, and never at test time",
)
def test_forward_updates(submission, rng):
    """BatchNorm.forward updates the running statistics once in training, and not at all at test time."""
    for shape in ((5, 3), (3, 2, 2, 4)):
        layer, same, values = twins(submission, rng, shape[1])
        x = batch(rng, shape)
        layer.forward(x)
        expect.unchanged(layer.running_mean, values["running_mean"], "running_mean")
        expect.unchanged(layer.running_var, values["running_var"], "running_var")
        y = layer.forward(x, train=True)
        same.update_running(x)
        what = "BatchNorm.forward(x, train=True), compared with forward_train(x)"
        expect.close(y, same.forward_train(x), what)
        expect.shape(y, shape, what)
        expect.that(
            len(np.unique(y)) > 1, "BatchNorm.forward(x, train=True) gives the same number for all of x"
        )
        for name in ("running_mean", "running_var"):
            found, right, before = getattr(layer, name), getattr(same, name), values[name]
            expect.shape(right, before.shape, f"{name} after update_running(x)")
            expect.close(found, right, f"{name} after forward(x, train=True)", before=before)
            expect.that(not np.allclose(found, before), f"{name} has not moved in forward(x, train=True)")


@task(
    "6.8",
    points=2,
    visibility="hint",
    hint="backward belongs to the latest forward: note in self which one it was",
)
def test_backward_chooses(submission, rng):
    """BatchNorm.backward is that of the training after a pass of the training, and else that of the test."""
    layer, same, values = twins(submission, rng, 3)
    x = batch(rng, (5, 3))
    for train in (True, False, True):
        dy = rng.normal(size=(5, 3))
        before = layer.grad_gamma, layer.grad_beta
        for name in ("running_mean", "running_var"):
            setattr(layer, name, values[name])
        layer.forward(x, train)
        dx = layer.backward(dy)
        same.forward_test(x)
        same.forward_train(x)
        of_test, of_training = same.backward_test(dy), same.grad_input(dy)
        expect.shape(of_test, x.shape, "BatchNorm.backward_test(dy)")
        expect.shape(of_training, x.shape, "BatchNorm.grad_input(dy)")
        right, wrong = (of_training, of_test) if train else (of_test, of_training)
        mistakes = {"this is the backward pass of the other mode": wrong}
        expect.close(dx, right, f"BatchNorm.backward(dy) after forward(x, {train})", mistakes=mistakes)
        expect.that(not np.allclose(of_test, of_training), "backward_test and grad_input should differ here")
        if train:
            same.grad_parameters(dy)
            found, right = (layer.grad_gamma, layer.grad_beta), (same.grad_gamma, same.grad_beta)
            for name, value, expected, old in zip(("gamma", "beta"), found, right, before, strict=True):
                expect.shape(expected, (3,), f"grad_{name} after grad_parameters(dy)")
                expect.close(value, expected, f"grad_{name} after backward(dy)", before=old)


# 6.9 ---------------------------------------------------------------------------------------------


@task("6.9", points=2, visibility="hint", hint="column j of the weights belongs to output j and its gamma_j")
def test_fold_random(submission, rng):
    """fold gives a layer that computes what the two layers compute, for any sizes."""
    for inputs, outputs in ((4, 3), (3, 5), (2, 2)):
        weight, bias = rng.normal(size=(inputs, outputs)), rng.normal(size=outputs)
        gamma, beta, mean = rng.normal(size=(3, outputs))
        var, eps = rng.uniform(0.2, 3, size=outputs), float(rng.uniform(0.1, 1))
        found = submission.call("fold", weight, bias, gamma, beta, mean, var, eps)
        new_weight, new_bias = pair_of(found, "fold(…)")
        expect.shape(new_weight, (inputs, outputs), "the weight of fold(…)")
        expect.shape(new_bias, (outputs,), "the bias of fold(…)")
        x = rng.normal(size=(6, inputs))
        zeros = np.zeros(outputs)
        expected = right_forward(x @ weight + bias, gamma, beta, mean, var, eps)
        mistakes = {
            "the bias of the dense layer is not scaled": x @ weight * gamma / np.sqrt(var + eps)
            + bias + right_forward(zeros[None], gamma, beta, mean, var, eps),
        }  # fmt: skip
        expect.close(x @ new_weight + new_bias, expected, "x @ weight + bias of fold(…)", mistakes=mistakes)
    weight, bias = submission.call("fold", weight, bias, np.ones(2), zeros, zeros, np.ones(2))
    expect.close(weight, new_weight * np.sqrt((var + eps) / 1.00001) / gamma, "fold(…) with the usual eps")


@task("6.9", points=1, visibility="hint", hint="weight *= … would change the network that is still in use")
def test_fold_manners(submission, rng):
    """fold keeps the type and leaves its arguments as they are."""
    for dtype in (np.float32, np.float64):
        arrays = [rng.uniform(0.5, 2, size=size).astype(dtype) for size in ((3, 2), 2, 2, 2, 2, 2)]
        sent = [submission.array(array) for array in arrays]
        found = pair_of(submission.call("fold", *sent), "fold(…)")
        for value in found:
            expect.dtype(value, dtype, f"fold(…) with arrays of type {np.dtype(dtype)}")
        names = ("weight", "bias", "gamma", "beta", "mean", "var")
        for handle, array, name in zip(sent, arrays, names, strict=True):
            expect.unchanged(handle, array, name)
        right = arrays[0] * (arrays[2] / np.sqrt(arrays[5] + 1e-5))
        expect.close(found[0], right, "the weight of fold(…)", rtol=1e-3, atol=1e-4)
