"""Losses, optimizers, penalties, clipping and counting on the fake device."""

from __future__ import annotations

import numpy as np
import pytest

from minidl.clipping import clip_norm, clip_values
from minidl.example_weights import ExampleWeights
from minidl.layers.catalogue import LOSSES
from minidl.loss import Loss
from minidl.losses import MeanSquaredError, SoftmaxCrossEntropy
from minidl.multitask import MultiTaskLoss
from minidl.optimizer import Optimizer
from minidl.optimizers import Adam
from minidl.regularizers import L1, L2, Regularizer
from minidl.soft_sharing import SoftSharing
from minidl.training.evaluate import count_correct
from tests.device.checks import fused_or_not, kernels, library, require_clean
from tests.device.fake import LEDGER, FakeArray, from_host, raw
from tests.device.parity import (
    OPTIMIZERS,
    SHAPES,
    check_loss_parity,
    check_optimizer_parity,
    loss_arguments,
    parameters,
    set_gradients,
)

REGULARIZERS = {
    "L2": lambda: L2(0.01),
    "L1": lambda: L1(0.01),
    "SoftSharing": lambda: SoftSharing(0.01, between=("a", "b")),
}
# Launches, as plain arrays and with fused kernels: of a step for four parameters (clipping and the forms that
# move the weights before the forward pass included), and of a loss with its gradient.
BUDGET = {
    "SGD": (28, 20),
    "Momentum": (16, 1),
    "Nesterov": (32, 17),
    "Adagrad": (28, 1),
    "RMSProp": (36, 1),
    "Adam": (48, 2),
    "AdamW": (70, 22),
}
LOSS_BUDGET = {"SoftmaxCrossEntropy": 22, "SigmoidCrossEntropy": 22, "MeanSquaredError": 6, "SoftDice": 22}


def test_no_class_is_missing_from_the_tables():
    assert library(Loss) - {"MultiTaskLoss"} == {case.kind for case in LOSSES}
    assert library(Optimizer) == {name.partition(" ")[0] for name in OPTIMIZERS} == set(BUDGET)
    assert library(Regularizer) == set(REGULARIZERS)


# Losses -------------------------------------------------------------------------------------------


@kernels
@pytest.mark.parametrize("case", LOSSES, ids=lambda case: case.label)
def test_loss(device, case, kernels):
    with fused_or_not(kernels):
        check_loss_parity(case, "fake", np.float64)
        loss, there = case.make(), [from_host(x) for x in loss_arguments(case, np.float32)]
        seen = require_clean(lambda: (loss.forward(*there), loss.backward()))
    assert seen.count <= LOSS_BUDGET[case.kind], dict(seen.launches)


@pytest.mark.parametrize("uncertainty", [None, "classification"])
def test_losses_of_several_tasks(device, uncertainty):
    generator = np.random.default_rng(0)
    outputs = [generator.normal(size=(6, 3)).astype(np.float32) for _ in range(2)]
    labels = generator.integers(0, 3, 6)

    def loss():
        parts = {
            "a": SoftmaxCrossEntropy(),
            "b": SoftmaxCrossEntropy() if uncertainty else MeanSquaredError(),
        }
        return MultiTaskLoss(parts, uncertainty=uncertainty)

    host, there = loss(), loss()
    moved, targets = tuple(map(from_host, outputs)), {"a": from_host(labels), "b": from_host(labels)}
    there.forward(moved, targets)
    with LEDGER.watched() as seen:
        value, gradients = there.forward(moved, targets), there.backward()
    assert seen.transfers == []
    expected = host.forward(tuple(outputs), {"a": labels, "b": labels})
    np.testing.assert_allclose(raw(value), expected, rtol=1e-6)
    for a, b in zip(host.backward(), gradients, strict=True):
        np.testing.assert_allclose(raw(b), a, rtol=1e-5, atol=1e-7)
    for (_, a), (_, b) in zip(host.named_parameters(), there.named_parameters(), strict=True):
        np.testing.assert_allclose(raw(b.grad), a.grad, rtol=1e-5)


def test_example_weights(device):
    loss = ExampleWeights(MeanSquaredError())
    outputs, targets, weights = (
        from_host(x.astype(np.float32)) for x in (np.eye(4), np.ones((4, 4)), np.arange(4))
    )
    with LEDGER.watched() as seen:
        loss.forward(outputs, (targets, weights))
        loss.backward()
    assert seen.transfers == []


# Optimizers -----------------------------------------------------------------------------------------


@kernels
@pytest.mark.parametrize("label", OPTIMIZERS)
def test_optimizer(device, label, kernels):
    optimizer, named = OPTIMIZERS[label](), parameters(np.float32, "fake")
    set_gradients(named, 1)

    def step() -> None:
        optimizer.prepare(named)
        optimizer.step(named)

    with fused_or_not(kernels):
        check_optimizer_parity(label, "fake", np.float64)
        seen = require_clean(step)
    assert seen.count <= BUDGET[type(optimizer).__name__][kernels], dict(seen.launches)
    assert all(x.dtype == np.float32 for x in optimizer.state_dict().values() if isinstance(x, FakeArray))


def test_an_optimizer_follows_its_model_to_another_device(device):
    optimizer, named = Adam(), parameters(np.float32, "cpu")
    set_gradients(named, 0)
    optimizer.step(named)
    for _, parameter in named:
        parameter.value = from_host(parameter.value)
    set_gradients(named, 1)
    optimizer.step(named)
    assert all(isinstance(x, FakeArray) for name, x in optimizer.state_dict().items() if "/" in name)

    expected, stays = Adam(), parameters(np.float32, "cpu")
    for seed in range(2):
        set_gradients(stays, seed)
        expected.step(stays)
    for (_, a), (_, b) in zip(stays, named, strict=True):
        np.testing.assert_allclose(raw(b.value), a.value, rtol=1e-6)


@pytest.mark.parametrize("label", REGULARIZERS)
def test_regularizer(device, label):
    regularizer = REGULARIZERS[label]()
    host, there = parameters(np.float32, "cpu"), parameters(np.float32, "fake")
    set_gradients(host, 0)
    set_gradients(there, 0)
    regularizer.add_gradient(host)
    with LEDGER.watched() as seen:
        regularizer.add_gradient(there)
    assert seen.transfers == [] and seen.count <= 16
    for (_, a), (_, b) in zip(host, there, strict=True):
        np.testing.assert_allclose(raw(b.grad), a.grad, rtol=1e-6)
    assert regularizer.penalty(there) == pytest.approx(regularizer.penalty(host), rel=1e-6)


@pytest.mark.parametrize(
    "clip", [lambda g: clip_norm(g, 0.5), lambda g: clip_norm(g, 1e3), lambda g: clip_values(g, 0.3)]
)
def test_clipping(device, clip):
    generator = np.random.default_rng(0)
    host = [generator.normal(size=shape).astype(np.float32) for shape in SHAPES.values()]
    there = [from_host(x) for x in host]
    with LEDGER.watched() as seen:
        clip(there)
    clip(host)
    assert seen.transfers == []
    for a, b in zip(host, there, strict=True):
        np.testing.assert_allclose(raw(b), a, rtol=1e-6)


@pytest.mark.parametrize("targets", ["labels", "soft", "pixels"])
def test_counting_hits(device, targets):
    generator = np.random.default_rng(0)
    shape = (6, 4, 3) if targets == "pixels" else (6, 4)
    outputs = generator.normal(size=shape).astype(np.float32)
    labels = generator.integers(0, 4, shape[:1] + shape[2:])
    shares = generator.dirichlet(np.ones(4), 6).astype(np.float32)
    answer = shares if targets == "soft" else labels
    there = from_host(outputs), from_host(answer)
    with LEDGER.watched(float32_only=targets != "pixels") as seen:
        hits = count_correct(*there)
    assert seen.transfers == []
    assert raw(hits) == pytest.approx(count_correct(outputs, answer))
