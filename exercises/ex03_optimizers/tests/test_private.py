"""The promises of the docstrings, on gradients that are drawn anew for every grading.

What is right is computed here, from the equations of the handout, in float64. Every optimizer is tested on
its own.
"""

import math

import numpy as np

from minidl.grading import expect, task

# The rules: what is multiplied by the learning rate, from the gradient, what was remembered, and the step.


def by_sgd(g, memory, t):
    return g


def by_momentum(g, memory, t, momentum=0.9):
    memory["v"] = momentum * memory.get("v", 0) + g
    return memory["v"]


def by_nesterov(g, memory, t, momentum=0.9):
    return g + momentum * by_momentum(g, memory, t, momentum)


def by_adagrad(g, memory, t, eps=1e-8):
    memory["s"] = memory.get("s", 0) + g * g
    return g / (np.sqrt(memory["s"]) + eps)


def by_rmsprop(g, memory, t, gamma=0.9, eps=1e-8):
    memory["s"] = gamma * memory.get("s", 0) + (1 - gamma) * g * g
    return g / (np.sqrt(memory["s"]) + eps)


def by_adam(g, memory, t, beta1=0.9, beta2=0.999, eps=1e-8):
    memory["m"] = beta1 * memory.get("m", 0) + (1 - beta1) * g
    memory["s"] = beta2 * memory.get("s", 0) + (1 - beta2) * g * g
    return memory["m"] / (1 - beta1**t) / (np.sqrt(memory["s"] / (1 - beta2**t)) + eps)


def path(rule, w, gradients, rates, numbers):
    """Return the points after each step by a rule."""
    memory, points = {}, []
    for t, (g, lr) in enumerate(zip(gradients, rates, strict=True), 1):
        w = w - lr * rule(g, memory, t, **numbers)
        points.append(w)
    return points


def draw(rng, shape, steps):
    """Return a start and gradients, none of them near 0."""
    gradients = rng.uniform(0.5, 2, size=(steps, *shape)) * rng.choice([-1, 1], size=(steps, *shape))
    return rng.normal(size=shape), gradients


def follow(submission, name, rule, w, gradients, rates, numbers, slips=None):
    """Take steps with an optimizer of the submission; every one has to be right.

    `slips` maps a sentence to the rule with that mistake.
    """
    optimizer = submission.new(name, rates[0], **numbers)
    handle, before = submission.array(w), w
    right = path(rule, w, gradients, rates, numbers)
    wrong = {text: path(slip, w, gradients, rates, numbers) for text, slip in (slips or {}).items()}
    given = "".join(f", {key}={value:g}" for key, value in numbers.items())
    for t, (g, lr) in enumerate(zip(gradients, rates, strict=True)):
        what = f"w after step {t + 1} of {name}(lr={rates[0]:g}{given})"
        if lr != rates[0]:
            optimizer.lr = lr
            what += f" with lr = {lr:g} from step {rates.index(lr) + 1} on"
        optimizer.update(handle, g)
        found = handle.value()
        mistakes = {text: points[t] for text, points in wrong.items()}
        expect.close(found, right[t], what, rtol=1e-6, atol=1e-7, before=before, mistakes=mistakes)
        before = found


def check_random(submission, rng, name, rule, numbers, slips=None):
    """Four steps at a constant rate, for a vector, a matrix and a kernel of four axes."""
    for shape in ((int(rng.integers(2, 6)),), (3, 2), (2, 1, 3, 3)):
        w, gradients = draw(rng, shape, 4)
        lr = float(rng.uniform(0.05, 0.5))
        follow(submission, name, rule, w, gradients, [lr] * 4, numbers, slips)


def check_rate(submission, rng, name, rule, slips=None):
    """Five steps; after the second the learning rate is a third."""
    w, gradients = draw(rng, (3, 2), 5)
    follow(submission, name, rule, w, gradients, [0.3, 0.3, 0.1, 0.1, 0.1], {}, slips)


def check_zeros(submission, rng, name, rule, numbers):
    """Some gradients are 0 in every step, some tiny; the eps is then all there is to divide by."""
    w, gradients = draw(rng, (6,), 3)
    gradients[:, :2] = 0
    gradients[:, 2:4] *= 1e-6
    follow(submission, name, rule, w, gradients, [0.1] * 3, {})
    follow(submission, name, rule, w, gradients, [0.1] * 3, numbers)


def check_manners(submission, rng, name, rule):
    """One array for all gradients, w by columns and in float32, and two objects in turn."""
    first, second = submission.new(name, 0.1), submission.new(name, 0.1)
    w, gradients = draw(rng, (3, 4), 3)
    w, gradients = w.astype(np.float32), gradients.astype(np.float32)
    other, others = draw(rng, (5,), 3)
    # A transposed array lies in memory column by column, as slices of the weights of some layers do.
    turned = submission.hold(submission.prop("Transpose").forward, np.ascontiguousarray(w.T))
    buffer, handle = submission.array(gradients[0]), submission.array(other)
    right = path(rule, w.astype(np.float64), gradients.astype(np.float64), [0.1] * 3, {})
    right_other = path(rule, other, others, [0.1] * 3, {})
    for t in range(3):
        buffer.write(gradients[t])
        first.update(turned, buffer)
        expect.unchanged(buffer, gradients[t], "g")
        second.update(handle, others[t])
        what = f"w after step {t + 1} of {name}(0.1), with w of float32 and all gradients in one array g"
        expect.dtype(turned.value(), np.float32, what)
        expect.close(turned.value(), right[t], what, rtol=1e-4, atol=1e-4)
        expect.close(
            handle.value(), right_other[t], f"w of the second of two {name} objects after its step {t + 1}"
        )


# 3.1 ---------------------------------------------------------------------------------------------


@task("3.1", points=1, visibility="hint", hint="w - lr g, with the rate that is in self.lr now")
def test_sgd_random(submission, rng):
    """SGD is right for arrays of any shape, and for a learning rate that changes."""
    check_random(submission, rng, "SGD", by_sgd, {})
    check_rate(submission, rng, "SGD", by_sgd)


@task("3.1", points=1, visibility="hint", hint="in place (w -= …), and g belongs to the layer")
def test_sgd_manners(submission, rng):
    """SGD changes w in place, also a float32 and a transposed one, and leaves g alone."""
    check_manners(submission, rng, "SGD", by_sgd)


# 3.2 ---------------------------------------------------------------------------------------------


def with_average(g, memory, t, momentum=0.9):
    memory["v"] = momentum * memory.get("v", 0) + (1 - momentum) * g
    return memory["v"]


def without_memory(g, memory, t, **numbers):
    return g


@task(
    "3.2",
    points=2,
    visibility="hint",
    hint="equation (2) is a sum with friction: the gradient is added in full",
)
def test_momentum_random(submission, rng):
    """Momentum is right for arrays of any shape and any mu, 0 included."""
    slips = {
        "the velocity is an average, (1 - mu) times what it should be": with_average,
        "this is gradient descent without a velocity": without_memory,
    }
    for mu in (float(rng.uniform(0.3, 0.99)), 0.0):
        check_random(submission, rng, "Momentum", by_momentum, {"momentum": mu}, slips)


@task(
    "3.2", points=1, visibility="hint", hint="the rate multiplies the whole velocity when the step is taken"
)
def test_momentum_new_rate(submission, rng):
    """Momentum slows down at once when the learning rate is lowered."""
    check_rate(submission, rng, "Momentum", by_momentum)


@task("3.2", points=1, visibility="hint", hint="v = g keeps the layer's own array: make a new one")
def test_momentum_manners(submission, rng):
    """Momentum changes w in place, leaves g alone, and does not keep it."""
    check_manners(submission, rng, "Momentum", by_momentum)


# 3.3 ---------------------------------------------------------------------------------------------


def with_old_velocity(g, memory, t, momentum=0.9):
    old = memory.get("v", 0)
    by_momentum(g, memory, t, momentum)
    return g + momentum * old


def looking_twice(g, memory, t, momentum=0.9):
    v = by_momentum(g, memory, t, momentum)
    return v + momentum * v


@task("3.3", points=2, visibility="hint", hint="equations (2) and (6): g + mu v, with the v of this step")
def test_nesterov_random(submission, rng):
    """Nesterov is right for arrays of any shape and any mu, 0 included."""
    slips = {
        "this is plain momentum: the look ahead is missing": by_momentum,
        "the old velocity is taken in g + mu v, which makes plain momentum of it": with_old_velocity,
        "this is v + mu v, it should be g + mu v": looking_twice,
    }
    for mu in (float(rng.uniform(0.3, 0.99)), 0.0):
        check_random(submission, rng, "Nesterov", by_nesterov, {"momentum": mu}, slips)


@task("3.3", points=1, visibility="hint", hint="the rate is no part of the velocity")
def test_nesterov_new_rate(submission, rng):
    """Nesterov slows down at once when the learning rate is lowered."""
    check_rate(submission, rng, "Nesterov", by_nesterov)


@task("3.3", points=1, visibility="hint", hint="v = g keeps the layer's own array: make a new one")
def test_nesterov_manners(submission, rng):
    """Nesterov changes w in place, leaves g alone, and does not keep it."""
    check_manners(submission, rng, "Nesterov", by_nesterov)


# 3.4 ---------------------------------------------------------------------------------------------


def without_root(g, memory, t, eps=1e-8):
    memory["s"] = memory.get("s", 0) + g * g
    return g / (memory["s"] + eps)


def sum_after(g, memory, t, eps=1e-8):
    step = g / (np.sqrt(memory.get("s", 0)) + eps)
    memory["s"] = memory.get("s", 0) + g * g
    return step


@task("3.4", points=1, visibility="hint", hint="equations (7) and (8), entry by entry")
def test_adagrad_random(submission, rng):
    """Adagrad is right for arrays of any shape."""
    slips = {"the root is missing": without_root, "the new square is left out of the sum": sum_after}
    check_random(submission, rng, "Adagrad", by_adagrad, {"eps": float(rng.uniform(0.01, 0.1))}, slips)


@task("3.4", points=1, visibility="hint", hint="eps is added to the root, not under it; 0 / (0 + eps) is 0")
def test_adagrad_eps(submission, rng):
    """Adagrad uses eps as equation (8) says, for gradients that are 0, tiny and usual."""
    check_zeros(submission, rng, "Adagrad", by_adagrad, {"eps": float(rng.uniform(1e-4, 1e-3))})


@task("3.4", points=1, visibility="hint", hint="the rate multiplies the step, it does not get into the sum")
def test_adagrad_new_rate(submission, rng):
    """Adagrad takes the learning rate that is in lr at the moment."""
    check_rate(submission, rng, "Adagrad", by_adagrad)


@task("3.4", points=1, visibility="hint", hint="w in place; g *= g would square the layer's own array")
def test_adagrad_manners(submission, rng):
    """Adagrad changes w in place, leaves g alone, and does not keep it."""
    check_manners(submission, rng, "Adagrad", by_adagrad)


# 3.5 ---------------------------------------------------------------------------------------------


def shares_exchanged(g, memory, t, gamma=0.9, eps=1e-8):
    return by_rmsprop(g, memory, t, 1 - gamma, eps)


def full_square(g, memory, t, gamma=0.9, eps=1e-8):
    memory["s"] = gamma * memory.get("s", 0) + g * g
    return g / (np.sqrt(memory["s"]) + eps)


def never_forgetting(g, memory, t, gamma=0.9, eps=1e-8):
    return by_adagrad(g, memory, t, eps)


@task("3.5", points=1, visibility="hint", hint="equation (9): gamma belongs to the old average")
def test_rmsprop_random(submission, rng):
    """RMSProp is right for arrays of any shape and any gamma."""
    slips = {
        "gamma and 1 - gamma are exchanged": shares_exchanged,
        "the square is added in full, its share should be 1 - gamma": full_square,
        "this is Adagrad: nothing is forgotten": never_forgetting,
    }
    for gamma in (float(rng.uniform(0.55, 0.99)), 0.0):
        numbers = {"gamma": gamma, "eps": float(rng.uniform(0.01, 0.1))}
        check_random(submission, rng, "RMSProp", by_rmsprop, numbers, slips)


@task("3.5", points=1, visibility="hint", hint="eps is added to the root, not under it; 0 / (0 + eps) is 0")
def test_rmsprop_eps(submission, rng):
    """RMSProp uses eps as equation (8) says, for gradients that are 0, tiny and usual."""
    check_zeros(submission, rng, "RMSProp", by_rmsprop, {"eps": float(rng.uniform(1e-4, 1e-3))})


@task(
    "3.5", points=1, visibility="hint", hint="the rate multiplies the step, it does not get into the average"
)
def test_rmsprop_new_rate(submission, rng):
    """RMSProp takes the learning rate that is in lr at the moment."""
    check_rate(submission, rng, "RMSProp", by_rmsprop)


@task("3.5", points=1, visibility="hint", hint="w in place; g *= g would square the layer's own array")
def test_rmsprop_manners(submission, rng):
    """RMSProp changes w in place, leaves g alone, and does not keep it."""
    check_manners(submission, rng, "RMSProp", by_rmsprop)


# 3.6 ---------------------------------------------------------------------------------------------


def without_correction(g, memory, t, beta1=0.9, beta2=0.999, eps=1e-8):
    return by_adam(g, memory, math.inf, beta1, beta2, eps)


def first_correction(g, memory, t, beta1=0.9, beta2=0.999, eps=1e-8):
    return by_adam(g, memory, 1, beta1, beta2, eps)


def one_step_late(g, memory, t, beta1=0.9, beta2=0.999, eps=1e-8):
    return by_adam(g, memory, t + 1, beta1, beta2, eps)


def corrected_twice(g, memory, t, beta1=0.9, beta2=0.999, eps=1e-8):
    memory["m"] = (beta1 * memory.get("m", 0) + (1 - beta1) * g) / (1 - beta1**t)
    memory["s"] = (beta2 * memory.get("s", 0) + (1 - beta2) * g * g) / (1 - beta2**t)
    return memory["m"] / (np.sqrt(memory["s"]) + eps)


@task(
    "3.6",
    points=2,
    visibility="hint",
    hint="equations (10) to (12); keep the averages without the correction",
)
def test_adam_random(submission, rng):
    """Adam is right for arrays of any shape and any betas."""
    slips = {
        "the averages are used without the correction": without_correction,
        "the correction is that of the first step in all steps": first_correction,
        "the correction is that of the step after: t is 1 in the first": one_step_late,
        "the corrected averages were kept, and are corrected again in the next step": corrected_twice,
    }
    for beta1 in (float(rng.uniform(0.5, 0.95)), 0.0):
        numbers = {
            "beta1": beta1,
            "beta2": float(rng.uniform(0.9, 0.999)),
            "eps": float(rng.uniform(0.01, 0.1)),
        }
        check_random(submission, rng, "Adam", by_adam, numbers, slips)


@task(
    "3.6",
    points=1,
    visibility="hint",
    hint="eps is added to the root, not under it, and after the correction",
)
def test_adam_eps(submission, rng):
    """Adam uses eps as equation (12) says, for gradients that are 0, tiny and usual."""
    check_zeros(submission, rng, "Adam", by_adam, {"eps": float(rng.uniform(1e-4, 1e-3))})


@task(
    "3.6",
    points=1,
    visibility="hint",
    hint="t counts the updates of this object; the rate multiplies the step",
)
def test_adam_many_steps(submission, rng):
    """Adam is right for thirty steps, and takes the learning rate that is in lr at the moment."""
    check_rate(submission, rng, "Adam", by_adam)
    w, gradients = draw(rng, (4,), 30)
    follow(submission, "Adam", by_adam, w, gradients, [0.05] * 30, {})
    optimizer, handle = submission.new("Adam"), submission.array(w)
    optimizer.update(handle, gradients[0])
    what = "w after one step of Adam(), whose rate is 0.001"
    expect.close(handle.value(), w - 0.001 * np.sign(gradients[0]), what, atol=1e-9)


@task("3.6", points=1, visibility="hint", hint="w in place; g *= g would square the layer's own array")
def test_adam_manners(submission, rng):
    """Adam changes w in place, leaves g alone, and does not keep it."""
    check_manners(submission, rng, "Adam", by_adam)


# 3.7 ---------------------------------------------------------------------------------------------


@task("3.7", points=1, visibility="hint", hint="the exponent is a whole number: t // every")
def test_step_decay_random(submission, rng):
    """step_decay is right for every step of a training, with any factor."""
    lr, every, factor = float(rng.uniform(0.1, 1)), int(rng.integers(2, 6)), float(rng.uniform(0.1, 0.9))
    for t in range(3 * every + 2):
        expected = lr * factor ** math.floor(t / every + 1e-9)
        mistakes = {
            "the rate falls in every step, it should fall after every so many": lr * factor ** (t / every),
            "it falls one step too early": lr * factor ** ((t + 1) // every),
        }
        what = f"step_decay({t}, {lr:g}, {every}, {factor:g})"
        found = submission.call("step_decay", t, lr, every, factor)
        expect.close(found, expected, what, rtol=1e-9, atol=0, mistakes=mistakes)


@task("3.7", points=1, visibility="hint", hint="from lr to final and not to 0; after the last step it stays")
def test_cosine_random(submission, rng):
    """cosine is right for every step of a training and after its end, with any final rate."""
    for steps in (1, int(rng.integers(4, 12))):
        lr, final = float(rng.uniform(0.5, 1)), float(rng.uniform(0.01, 0.2))
        for t in range(2 * steps + 2):
            shape = (1 + math.cos(math.pi * min(t, steps) / steps)) / 2
            mistakes = {
                "it ends at 0, it should end at final": lr * shape,
                "it starts at lr + final": final + lr * shape,
                "the cosine rises again after the end": final
                + (lr - final) / 2 * (1 + math.cos(math.pi * t / steps)),
            }
            what = f"cosine({t}, {lr:g}, steps={steps}, final={final:g})"
            found = submission.call("cosine", t, lr, steps, final)
            expect.close(found, final + (lr - final) * shape, what, rtol=1e-9, atol=1e-15, mistakes=mistakes)


# 3.8 ---------------------------------------------------------------------------------------------


@task(
    "3.8",
    points=2,
    visibility="hint",
    hint="(t + 1) / (length + 1) of schedule(0), then schedule(t - length)",
)
def test_warmup_random(submission, rng):
    """warmup is right for any length, 0 and 1 included, and asks the schedule for nothing but its own steps."""
    for length in (0, 1, int(rng.integers(3, 9))):
        values = [float(value) for value in rng.uniform(0.1, 1, size=6)]
        rates = submission.prop("Rates", values)
        for t in range(length + len(values)):
            if t < length:
                expected = values[0] * (t + 1) / (length + 1)
            else:
                expected = values[t - length]
            found = submission.call("warmup", t, length, rates.at)
            mistakes = {
                "the rate after the warm-up comes one step early": values[0] * (t + 1) / max(length, 1),
                "the first rate is 0": values[0] * t / (length + 1),
            }
            expect.close(
                found, expected, f"warmup({t}, {length}, schedule)", rtol=1e-9, atol=0, mistakes=mistakes
            )


# 3.9 ---------------------------------------------------------------------------------------------


@task(
    "3.9",
    points=1,
    visibility="hint",
    hint="first the rate, then the gradient where w is now, then the update",
)
def test_descend_random(submission, rng):
    """descend is right for arrays of any shape, any schedule, and for no step at all."""
    for shape in ((3,), (2, 3), (2, 1, 2)):
        a, w, steps = rng.uniform(0.5, 1.5, size=shape), rng.normal(size=shape), int(rng.integers(2, 6))
        values = [float(value) for value in rng.uniform(0.05, 0.4, size=steps)]
        ravine, asked = submission.prop("Ravine", a), []

        def schedule(t, values=values, asked=asked):
            asked.append(int(t))
            if not 0 <= asked[-1] < len(values):
                raise ValueError(f"there is no step {asked[-1]} among these {len(values)}")
            return values[asked[-1]]

        rates = submission.callback(schedule, "schedule")
        points, total = [w], 0
        for lr in values:
            total = total + a * points[-1]
            points.append(points[-1] - lr * total)
        for count in (steps, 0):
            found = submission.call(
                "descend", submission.prop("Plain", 9.0), ravine.gradient, w, rates, count
            )
            what = f"descend(optimizer, gradient, w, schedule, {count}) with w of shape {shape}"
            expect.close(found, np.array(points[: count + 1]), what)
        expect.equal(asked, list(range(steps)), "the steps that the schedule was asked for")


@task("3.9", points=1, visibility="hint", hint="walk with a copy of w")
def test_descend_manners(submission, rng):
    """descend leaves the start as it is."""
    w, a = rng.normal(size=(2, 3)), rng.uniform(0.5, 1.5, size=(2, 3))
    sent = submission.array(w)
    ravine, rates = submission.prop("Ravine", a), submission.prop("Rates", [0.1])
    found = submission.call("descend", submission.prop("Plain", 0.1), ravine.gradient, sent, rates.at, 1)
    expect.unchanged(sent, w, "w")
    expect.close(found, np.array([w, w - 0.1 * a * w]), "descend(optimizer, gradient, w, schedule, 1)")
