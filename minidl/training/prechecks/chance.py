"""Does an untrained network guess? Its outputs, and its loss against that of a pure guess."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minidl.backend import to_cpu
from minidl.errors import MinidlError
from minidl.layers import Conv2D, Dense, Sequential, Sigmoid, Softmax
from minidl.layers.base import Layer
from minidl.layers.foreign import as_layer
from minidl.losses import SigmoidCrossEntropy, SoftDice, SoftmaxCrossEntropy
from minidl.random import Seeds
from minidl.training.evaluate import count_correct
from minidl.training.prechecks.copies import as_inputs, fresh_copy, plain_loss, require_examples, spread
from minidl.training.prechecks.result import OK, SUSPICIOUS, WRONG, CheckResult

NEAR = 0.25  # of the reference: logits of unit variance, the aim of an initialisation, cost less
FAR = 1.0
LARGE_GAIN = 3.0  # times 1/sqrt(n_in); the rules in use have gains of 1 to 1.41


def check_outputs(
    model: Any,
    loss: Any,
    images: Any,
    labels: Any,
    *,
    classes: int | None = None,
    scale: float = 1 / 255,
    seed: int = 0,
    name: str = "outputs",
) -> CheckResult:
    """Look at what the network returns: does it fit loss and labels, is each example on its own?

    An output that changes with the other examples of the batch (a Reshape that mixes the batch axis
    with another one) trains without an error message, and never well. In evaluation mode it must not.

    Parameters
    ----------
    model : Layer
        Built or not; it is not changed.
    loss : loss object
    images, labels : arrays
        A few training examples.
    classes : int, optional
        K; by default the largest label plus one.
    scale : float
        Factor for bytes.
    seed : int
    """
    require_examples(images, labels)
    labels = to_cpu(np.asarray(labels))
    chosen = spread(labels, 20, Seeds(seed))
    x, y = as_inputs(images[chosen], scale), labels[chosen]
    try:
        twin = fresh_copy(model, x.shape[1:], Seeds(seed))
        x = x.astype(twin.dtype or np.float32)
        outputs = twin.forward(x)
        plain_loss(loss).forward(outputs, y)
    except MinidlError as error:
        advice = "mend the model, the loss or the labels so that one batch passes through"
        return CheckResult(name, WRONG, str(error), advice)
    if isinstance(outputs, tuple):
        return CheckResult(name, OK, f"{len(outputs)} heads, accepted by the loss")
    numbers: dict[str, Any] = {"shape": list(outputs.shape[1:]), "classes": classes}
    if not np.isfinite(outputs).all():
        advice = "look for overflow: inputs or initial weights far too large"
        return CheckResult(name, WRONG, "the outputs are NaN or infinite before training", advice, numbers)
    alone = np.concatenate([twin.forward(x[i : i + 1]) for i in range(min(5, len(x)))])
    size = float(np.abs(outputs).max())
    numbers["depends_on_the_batch"] = float(np.abs(alone - outputs[: len(alone)]).max())
    if numbers["depends_on_the_batch"] > 1e-3 * size:
        finding = "the output for an example depends on the other examples of the batch"
        advice = "look at every reshape and transpose: the first axis must stay the examples"
        return CheckResult(name, WRONG, finding, advice, numbers)
    return _fit(name, twin, loss, outputs.shape[1], labels, classes, numbers)


def _fit(
    name: str, model: Layer, loss: Any, units: int, labels: np.ndarray, classes: int | None, numbers: dict
) -> CheckResult:
    """Judge the number of outputs and the last layer, once one batch has passed through."""
    if labels.ndim == 1 and labels.dtype.kind in "iu" and units > 1:
        classes = classes or int(labels.max()) + 1
        numbers["classes"] = classes
        if units != classes:
            advice = f"is the output layer missing? It should be Dense({classes})"
            return CheckResult(
                name, WRONG, f"the model has {units} outputs for {classes} classes", advice, numbers
            )
    last = last_layer(model)
    kind = type(last).__name__
    if isinstance(loss, SoftmaxCrossEntropy) and isinstance(last, Softmax | Sigmoid):
        finding = f"the model ends in {kind}, but SoftmaxCrossEntropy takes logits and applies softmax itself"
        return CheckResult(name, WRONG, finding, f"take {kind} away from the end of the model", numbers)
    if isinstance(loss, SigmoidCrossEntropy) and isinstance(last, Softmax | Sigmoid):
        finding = f"the model ends in {kind}, but SigmoidCrossEntropy takes logits and applies sigmoid itself"
        return CheckResult(name, WRONG, finding, f"take {kind} away from the end of the model", numbers)
    return CheckResult(
        name, OK, f"{units} outputs, accepted by the loss; each example on its own", "", numbers
    )


def reference_loss(model: Any, loss: Any, labels: np.ndarray, classes: int) -> tuple[float, str] | None:
    """Return the loss of a pure guess over `labels` and its formula; None where none is known.

    Softmax cross-entropy: every class has probability 1/K, so ``-ln(1/K) = ln K``, 2.3026 for K = 10,
    times the mean class weight of the labels. Sigmoid cross-entropy: every answer has probability 1/2,
    ``ln 2 = 0.6931`` an output. Dice: what it says of 1/K behind a Softmax, of 1/2 behind a Sigmoid.
    The squared error of an ignorant network depends on where its outputs happen to lie.
    """
    if labels.dtype.kind not in "iu" or labels.ndim != 1 or classes < 2:
        return None
    if type(loss) is SoftmaxCrossEntropy:
        if loss.class_weights is None or loss.weight_mean == "weights":
            return math.log(classes), f"-ln(1/{classes})"
        mean = float(np.asarray(loss.class_weights, np.float64)[labels].mean())
        return math.log(classes) * mean, f"-ln(1/{classes}) times the mean class weight {mean:.3g}"
    if type(loss) is SigmoidCrossEntropy:
        factor = 1 if loss.scale == "elements" else classes
        return math.log(2) * factor, "ln 2" if factor == 1 else f"{classes} ln 2"
    if type(loss) is SoftDice:
        last = last_layer(as_layer(model))
        if isinstance(last, Softmax | Sigmoid):
            share = 1 / classes if isinstance(last, Softmax) else 0.5
            guess = np.full((len(labels), classes), share)
            return float(plain_loss(loss).forward(guess, labels)), f"the Dice loss of {share:.3g} everywhere"
    return None


def check_chance_loss(
    model: Any,
    loss: Any,
    images: Any,
    labels: Any,
    *,
    classes: int | None = None,
    scale: float = 1 / 255,
    initialisations: int = 5,
    examples: int = 500,
    reference: float | None = None,
    seed: int = 0,
    name: str = "chance loss",
) -> CheckResult:
    """Compare the loss of an untrained network with that of a pure guess (FAU, cs231n).

    Every initialisation is a fresh build of a copy; dropout and label smoothing are off and no
    penalty is added. The loss is taken for each class, and its mean over the classes is compared with
    `reference_loss`.

    The tolerance: logits that scatter with variance s^2 cost about ``s^2/2 (1 - 1/K)`` more than a
    guess, 0.45 for s = 1 and K = 10. A start with s = 1 is what initialisation aims for, so up to 25 %
    of the reference (0.58 for K = 10) is ok; twice the reference and more is wrong. A single class may
    differ from the others by as much as the reference.

    Parameters
    ----------
    model : Layer
        Built or not; it is not changed, and its weights do not matter.
    loss : loss object
    images, labels : arrays
        Training examples, of which `examples` are used, spread over the classes.
    classes : int, optional
        K; by default the largest label plus one.
    scale : float
        Factor for bytes.
    initialisations : int
        Fresh builds.
    reference : float, optional
        The loss of a pure guess, for a loss of your own.
    seed : int
    """
    require_examples(images, labels)
    labels = to_cpu(np.asarray(labels))
    known_classes = labels.ndim == 1 and labels.dtype.kind in "iu"
    classes = classes or (int(labels.max()) + 1 if known_classes else 0)
    seeds = Seeds(seed).child("chance")
    chosen = spread(labels, examples, seeds)
    x, y = as_inputs(images[chosen], scale), labels[chosen]
    plain = plain_loss(loss)
    # Dice is a ratio over the batch: a batch of one class alone would say something else.
    by_class = known_classes and not isinstance(loss, SoftDice)
    groups = {int(label): np.flatnonzero(y == label) for label in np.unique(y)} if by_class else {-1: ...}
    losses: list[list[float]] = []
    accuracies: list[float] = []
    with np.errstate(all="ignore"):
        for k in range(initialisations):
            twin = fresh_copy(model, x.shape[1:], seeds.child(str(k)))
            x = x.astype(twin.dtype or np.float32, copy=False)
            outputs = np.array(twin.forward(x, True))
            losses.append([float(plain.forward(outputs[rows], y[rows])) for rows in groups.values()])
            hits = count_correct(outputs, y)
            accuracies += [] if hits is None else [float(hits) / len(y)]
    found = reference_loss(model, plain, _one_each(groups, y), classes)
    if reference is not None:
        found = (float(reference), "given")
    table = np.array(losses)
    numbers: dict[str, Any] = {
        "per_initialisation": table.mean(axis=1).tolist(),
        "per_class": dict(zip(map(str, groups), table.mean(axis=0).tolist(), strict=True))
        if by_class
        else {},
        "mean": float(table.mean()),
        "accuracy": float(np.mean(accuracies)) if accuracies else None,
        "reference": found[0] if found else None,
    }
    return _judge(name, numbers, found, model, x, seeds, initialisations)


def _one_each(groups: dict[int, Any], y: np.ndarray) -> np.ndarray:
    """Return one label of every class: the mean over classes is what is compared."""
    return np.array(list(groups), np.int64) if -1 not in groups else y


def _judge(
    name: str,
    numbers: dict[str, Any],
    found: tuple[float, str] | None,
    model: Any,
    x: np.ndarray,
    seeds: Seeds,
    initialisations: int,
) -> CheckResult:
    mean = numbers["mean"]
    finding = f"{mean:.4f} over {initialisations} initialisations"
    if not math.isfinite(mean):
        advice = _too_large(model, x, seeds) or "look for overflow, or a logarithm of zero"
        return CheckResult(name, WRONG, f"the loss is {mean} before training", advice, numbers)
    if found is None:
        return CheckResult(name, OK, f"{finding}; no reference value for this loss", "", numbers)
    guess, formula = found
    finding += f", a guess costs {guess:.4f} = {formula}"
    excess = (mean - guess) / guess
    if abs(excess) <= NEAR:
        return _judge_classes(name, finding, numbers, guess)
    verdict = WRONG if abs(excess) > FAR else SUSPICIOUS
    if excess < 0:
        advice = (
            "less than a guess can reach: does a label leak into the inputs, is the loss divided once too "
            "often, or does the output bias hold the class frequencies (which is fine)?"
        )
        return CheckResult(name, verdict, finding, advice, numbers)
    advice = _too_large(model, x, seeds) or (
        "no weights and no inputs are unusually large: is the loss a sum where it should be a mean, or the "
        "number of outputs wrong?"
    )
    return CheckResult(name, verdict, finding, advice, numbers)


def _judge_classes(name: str, finding: str, numbers: dict[str, Any], guess: float) -> CheckResult:
    per_class = numbers["per_class"]
    if not per_class:
        return CheckResult(name, OK, finding, "", numbers)
    label = max(per_class, key=lambda key: abs(per_class[key] - guess))
    if abs(per_class[label] - guess) > guess:
        advice = "some class is favoured before training: start the output bias at zero"
        told = f"{finding}; but {per_class[label]:.3f} for class {label}"
        return CheckResult(name, SUSPICIOUS, told, advice, numbers)
    return CheckResult(name, OK, finding, "", numbers)


def _too_large(model: Any, x: np.ndarray, seeds: Seeds) -> str:
    """Name what is too large in a fresh network: inputs, weights (gain over 1/sqrt(n_in)), or biases."""
    size = math.sqrt(float((x.astype(np.float64) ** 2).mean()))
    if size > LARGE_GAIN:
        return f"the inputs are large (root mean square {size:.3g}): bring them to 0 to 1"
    twin = fresh_copy(model, x.shape[1:], seeds.child("0"))
    weighted = [(path, layer) for path, layer in twin.named_layers() if isinstance(layer, Dense | Conv2D)]
    gains, biases = {}, {}
    for path, layer in weighted:
        weight = layer.parameters["weight"].value
        fan_in = weight.shape[0] if isinstance(layer, Dense) else int(np.prod(weight.shape[1:]))
        gains[path] = float(weight.std()) * math.sqrt(fan_in)
        biases[path] = float(np.abs(layer.parameters["bias"].value).max()) if layer.bias else 0.0
    large = {path: gain for path, gain in gains.items() if gain > LARGE_GAIN}
    if large:
        told = ", ".join(f"{path}.weight ({gain:.3g} times)" for path, gain in large.items())
        where = "the last layer's initial weights are" if list(large) == [list(gains)[-1]] else "weights are"
        return f"{where} too large: a standard deviation of 1/sqrt(n_in) is right, not {told}"
    if weighted and biases[weighted[-1][0]] > 1:
        return f"the output bias {weighted[-1][0]}.bias starts as large as {max(biases.values()):.3g}: start it at 0"
    return ""


def last_layer(model: Layer) -> Layer:
    """Return the layer that computes the outputs, inside however many containers."""
    while isinstance(model, Sequential) and model.layers:
        model = model.layers[-1]
    return model
