"""Exercise 2: a checker for gradients.

Backpropagation computes a gradient with formulas, and formulas can be wrong. The checker measures the slope
instead: it moves one number a little, looks how the loss changes, and compares.

In all of this file

- f is a function that takes an array and returns one number;
- everything is computed in float64, whatever the type of the arguments;
- arguments stay as they are, and f gets an array of its own in every call: it may write into it.
"""

import numpy as np

STEP = 6e-6  # near the cube root of the rounding error of float64: section 3 of the handout
FLOOR = 1e-3  # of two gradients below this, rounding makes up too much for a relative error: section 4
BEND = 1e-3  # slopes from two sides that differ by more than this share belong to a kink: section 6


def numerical_gradient(f, x, h=STEP):
    """Return the gradient of f at x, measured by central differences.

    Parameters
    ----------
    f : callable
        ``f(array)`` returns a number; the array is of type float64 and of the shape of x.
    x : array of any shape and type
        One without axes, np.array(3.0), is an array as well.
    h : number, or array of the shape of x
        How far to go to both sides: for all entries, or for each its own.

    Returns
    -------
    array of float64, of the shape of x
        Entry by entry the derivative of f. It takes two calls of f for each.
    """
    # BEGIN SOLUTION 2.1
    # HINT np.ndindex(x.shape) goes through the indices of an array of any shape.
    # HINT equation (2); divide by the distance of the two points as they are in the computer.
    point = np.array(x, dtype=np.float64)
    steps = np.broadcast_to(h, point.shape)
    gradient = np.empty(point.shape)
    for index in np.ndindex(point.shape):
        up, down = point.copy(), point.copy()
        up[index] += steps[index]
        down[index] -= steps[index]
        distance = up[index] - down[index]
        gradient[index] = (f(up) - f(down)) / distance
    return gradient
    # END SOLUTION


def step_sizes(x, h=STEP):
    """Return a step for every entry of x: h, and for entries of size above 1, h times the size.

    Returns
    -------
    array of float64, of the shape of x
    """
    # BEGIN SOLUTION 2.2
    # HINT equation (4)
    return h * np.maximum(1.0, np.abs(np.asarray(x, dtype=np.float64)))
    # END SOLUTION


def relative_error(a, n, floor=FLOOR):
    """Return the relative error between an analytic gradient and a numeric one, entry by entry.

    Parameters
    ----------
    a, n : arrays of one shape
    floor : number
        Where both are smaller than this, the error is taken relative to this.

    Returns
    -------
    array of float64, of their shape
        From 0, where they are equal, to 2, where they are opposite.

    Raises
    ------
    ValueError
        If the shapes differ. NumPy would stretch one over the other.
    """
    # BEGIN SOLUTION 2.3
    # HINT equation (5)
    a, n = np.asarray(a, dtype=np.float64), np.asarray(n, dtype=np.float64)
    if a.shape != n.shape:
        raise ValueError(f"the gradients have the shapes {a.shape} and {n.shape}; they must be the same")
    larger = np.maximum(np.abs(a), np.abs(n))
    return np.abs(a - n) / np.maximum(larger, floor)
    # END SOLUTION


def verdict(error, kinks=False):
    """Say what a largest relative error means: "right", "doubtful" or "wrong", by the table in section 5.

    Parameters
    ----------
    error : float
        NaN is "wrong".
    kinks : bool
        Whether the function has kinks, as a ReLU has.
    """
    # BEGIN SOLUTION 2.4
    # HINT every comparison with NaN is False: write the conditions so that NaN ends at "wrong".
    if error <= 1e-7 or (kinks and error <= 1e-4):
        return "right"
    return "doubtful" if error <= 1e-2 else "wrong"
    # END SOLUTION


def find_kinks(f, x, h=STEP):
    """Return where f has a kink within the step: where its slopes to the right and to the left differ.

    Parameters
    ----------
    f, x, h
        As for `numerical_gradient`.

    Returns
    -------
    array of bool, of the shape of x
        For every entry: |right - left| > BEND * (the largest of 1, |right| and |left|).
    """
    # BEGIN SOLUTION 2.5
    # HINT equation (6): three values of f, the one in the middle is the same for all entries.
    point = np.array(x, dtype=np.float64)
    steps = np.broadcast_to(h, point.shape)
    middle = f(point.copy())
    kinks = np.empty(point.shape, dtype=bool)
    for index in np.ndindex(point.shape):
        up, down = point.copy(), point.copy()
        up[index] += steps[index]
        down[index] -= steps[index]
        right = (f(up) - middle) / steps[index]
        left = (middle - f(down)) / steps[index]
        kinks[index] = abs(right - left) > BEND * max(1.0, abs(right), abs(left))
    return kinks
    # END SOLUTION


def worst_error(gradient, f, x):
    """Return the largest relative error of a gradient of f at x.

    The gradient is measured with the steps of `step_sizes`. Entries at which f has a kink within the step do
    not count; if there is no other, the answer is 0.

    Parameters
    ----------
    gradient : array or None
        What somebody says the gradient is.
    f, x
        As for `numerical_gradient`.

    Returns
    -------
    float
        Infinity if the gradient is None or has another shape than x, NaN if one of its entries is NaN.
    """
    # BEGIN SOLUTION 2.6
    # HINT call your functions of the tasks 2.1, 2.2, 2.3 and 2.5.
    # HINT np.max of an array that holds a NaN is NaN; Python's max is not reliable there.
    if gradient is None or np.shape(gradient) != np.shape(x):
        return float("inf")
    steps = step_sizes(x)
    errors = relative_error(gradient, numerical_gradient(f, x, steps))
    counts = ~find_kinks(f, x, steps)
    return float(np.max(errors[counts], initial=0.0))
    # END SOLUTION


def check_layer(layer, x, dy, names=()):
    """Check what the backward pass of a layer says about its input and its parameters.

    The loss is L = sum of dy * y over all entries, so that dL/dy is the array dy. Forward and backward run
    twice, first at x + 1 and then at x, and the gradients of the second time count. So a layer is found out
    that adds its gradients up over the calls, or holds on to the first x.

    Parameters
    ----------
    layer : object
        With ``forward(x)`` and ``backward(dy)``. It gets float64 arrays, which it may write into.
    x : array
        An input.
    dy : array of the shape of the output
        Any numbers: section 7 of the handout says which to take.
    names : sequence of str
        Parameters: for "weight" the array is in ``layer.weight`` and its gradient in ``layer.grad_weight``.
        They are float64 while the check lasts; afterwards the layer has its own arrays again.

    Returns
    -------
    dict
        The `worst_error` of "x", and of every name.
    """
    # BEGIN SOLUTION 2.7
    # HINT getattr(layer, "grad_" + name) and setattr take the name of an attribute as a text.
    # HINT copy the gradients at once: a layer may use the same array again in its next pass.
    x, dy = np.array(x, dtype=np.float64), np.array(dy, dtype=np.float64)
    own = {name: getattr(layer, name) for name in names}
    for name in names:
        setattr(layer, name, np.array(own[name], dtype=np.float64))
    for point in (x + 1, x):
        layer.forward(point.copy())
        gradients = {"x": layer.backward(dy.copy())}
    gradients.update({name: getattr(layer, "grad_" + name) for name in names})
    gradients = {name: None if g is None else np.array(g) for name, g in gradients.items()}
    errors = {"x": worst_error(gradients["x"], lambda v: np.sum(dy * layer.forward(v)), x)}
    for name in names:
        point = getattr(layer, name)

        def loss(value, name=name):
            setattr(layer, name, value)
            return np.sum(dy * layer.forward(x.copy()))

        errors[name] = worst_error(gradients[name], loss, point)
        setattr(layer, name, point)
    for name in names:
        setattr(layer, name, own[name])
    return errors
    # END SOLUTION


def check_loss(loss, outputs, targets):
    """Return the `worst_error` of what a loss says about the network's outputs.

    Forward and backward run twice, first at outputs + 1 and then at outputs, as in `check_layer`.

    Parameters
    ----------
    loss : object
        ``forward(outputs, targets)`` returns a number, and ``backward()`` then the gradient with respect to
        the outputs. It gets outputs of float64, which it may write into, and may use one array for all its
        gradients.
    outputs, targets : arrays
        The targets stay of the type that they are: class numbers must not become floats.
    """
    # BEGIN SOLUTION 2.8
    # HINT the loss is the f of `worst_error`, with the outputs as its x.
    outputs = np.array(outputs, dtype=np.float64)
    for point in (outputs + 1, outputs):
        loss.forward(point.copy(), targets)
        gradient = loss.backward()
    gradient = None if gradient is None else np.array(gradient)
    return worst_error(gradient, lambda v: loss.forward(v, targets), outputs)
    # END SOLUTION
