"""Networks side by side: outputs, gradients and masks are those of each network alone."""

from __future__ import annotations

import numpy as np
import pytest

from minidl.backend import to_cpu, to_device
from minidl.errors import ConfigError, StateError
from minidl.layers import (
    AvgPool2D,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    L2Pool2D,
    LeakyReLU,
    MaxPool2D,
    ReLU,
    Sequential,
    Sigmoid,
    Tanh,
)
from minidl.layers.stacked import stack
from minidl.layers.stacked_loss import StackedCrossEntropy
from minidl.losses import SoftmaxCrossEntropy
from tests.device.fake import fake_device

NETWORKS, BATCH = 3, 5


def layers(changed=None):
    return [
        Conv2D(4, 3, padding="same"), MaxPool2D(2), ReLU(), Conv2D(5, 3, stride=2, padding=1, bias=False), Sigmoid(),
        AvgPool2D(2, stride=1), Dropout(0.3), Flatten(), Dropout(0.5, scaling="test"), Dense(7), Tanh(),
        *([] if changed is None else [changed]), Dense(4, bias=False),
    ]  # fmt: skip


def networks(make=layers):
    built = []
    for seed in range(NETWORKS):
        model = Sequential(make())
        model.build((2, 9, 9), rng=seed, dtype=np.float64)
        built.append(model)
    return built


@pytest.mark.parametrize("where", ["cpu", "fake"])
def test_a_stack_computes_what_its_networks_do(where):
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((NETWORKS, BATCH, 2, 9, 9)), rng.standard_normal((NETWORKS, BATCH, 4))
    with fake_device():
        alone = networks()
        side_by_side = networks()
        for model in side_by_side:
            model.to(where)
        whole = stack(side_by_side)
        assert whole.input_shape == (2 * NETWORKS, 9, 9) and whole.output_shape == (4 * NETWORKS,)
        inputs = to_device(np.ascontiguousarray(x.transpose(1, 0, 2, 3, 4).reshape(BATCH, -1, 9, 9)), where)
        gradient = to_device(np.ascontiguousarray(dy.transpose(1, 0, 2).reshape(BATCH, -1)), where)
        for _ in range(2):  # the second step has other masks
            y, dx = whole.forward(inputs, train=True), whole.backward(gradient)
            for index, model in enumerate(alone):
                expected = model.forward(x[index], train=True)
                np.testing.assert_allclose(to_cpu(y)[:, 4 * index : 4 * index + 4], expected, atol=1e-12)
                below = model.backward(dy[index])
                np.testing.assert_allclose(to_cpu(dx)[:, 2 * index : 2 * index + 2], below, atol=1e-12)
                for (name, whole_one), (_, one) in zip(
                    whole.named_parameters(), model.named_parameters(), strict=True
                ):
                    np.testing.assert_allclose(
                        to_cpu(whole_one.grad)[index], one.grad, atol=1e-11, err_msg=name
                    )
        evaluated = to_cpu(whole.forward(inputs))
        for index, model in enumerate(alone):
            np.testing.assert_allclose(
                evaluated[:, 4 * index : 4 * index + 4], model.forward(x[index]), atol=1e-12
            )


def test_the_networks_parameters_are_views_of_the_stack():
    models = networks()
    before = models[1].layers[0].parameters["weight"].value.copy()
    whole = stack(models)
    np.testing.assert_array_equal(models[1].layers[0].parameters["weight"].value, before)
    dict(whole.named_parameters())["0.weight"].value[1] += 1
    np.testing.assert_array_equal(models[1].layers[0].parameters["weight"].value, before + 1)
    assert whole.flops() == NETWORKS * models[0].flops()


@pytest.mark.parametrize("where", ["cpu", "fake", "kernels off"])
def test_the_loss_of_a_stack(where):
    rng = np.random.default_rng(1)
    z, labels = rng.standard_normal((NETWORKS, BATCH, 4)), rng.integers(0, 4, (NETWORKS, BATCH))
    with fake_device(kernels=where == "fake"):
        device = "cpu" if where == "cpu" else "fake"
        loss = StackedCrossEntropy(NETWORKS)
        outputs = to_device(np.ascontiguousarray(z.transpose(1, 0, 2).reshape(BATCH, -1)), device)
        losses = to_cpu(loss.forward(outputs, to_device(labels.reshape(-1), device)))
        gradient = to_cpu(loss.backward())
    for index in range(NETWORKS):
        alone = SoftmaxCrossEntropy()
        np.testing.assert_allclose(losses[index], alone.forward(z[index], labels[index]), rtol=1e-13)
        np.testing.assert_allclose(gradient[:, 4 * index : 4 * index + 4], alone.backward(), atol=1e-15)


def test_what_cannot_be_stacked():
    with pytest.raises(ConfigError, match="BatchNorm.* cannot be stacked"):
        stack(networks(lambda: layers(BatchNorm())))
    different = [*networks()[:1], *networks(lambda: layers(LeakyReLU()))[:1]]
    with pytest.raises(ConfigError, match="not of one architecture"):
        stack(different)
    with pytest.raises(ConfigError, match="at least one network"):
        stack([])
    frozen = networks()
    frozen[1].layers[0].parameters["weight"].frozen = True
    with pytest.raises(ConfigError, match="frozen"):
        stack(frozen)


def test_options_of_a_layer_must_be_the_same():
    with pytest.raises(ConfigError, match="not of one architecture"):
        stack([*networks()[:1], *networks(lambda: [*layers()[:8], Dropout(0.1), *layers()[9:]])[:1]])
    with pytest.raises(ConfigError, match="not of one architecture"):
        stack([*networks()[:1], *networks(lambda: [*layers()[:5], L2Pool2D(2, stride=1), *layers()[6:]])[:1]])


def test_masks_out_of_step_are_noticed():
    models = networks()
    with fake_device():
        for model in models:
            model.to("fake")
        whole = stack(models)
        models[2].layers[6].skip_masks(1)
        with pytest.raises(StateError, match="different numbers of masks"):
            whole.forward(to_device(np.zeros((BATCH, 6, 9, 9)), "fake"), train=True)
