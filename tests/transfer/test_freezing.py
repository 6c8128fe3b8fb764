"""Frozen parameters stay, the rest learns as if nothing had happened, and every layer has its own rate."""

import copy

import numpy as np
import pytest

from minidl import parallel
from minidl.errors import ConfigError, StateError
from minidl.freezing import learning, restore_learning
from minidl.layers import (
    BatchNorm,
    Branches,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPool2D,
    Parameter,
    ReLU,
    Residual,
    Sequential,
)
from minidl.losses import SoftmaxCrossEntropy
from minidl.optimizers import SGD, Adagrad, Adam, AdamW, Momentum, Nesterov, RMSProp
from minidl.regularizers import L1, L2
from minidl.transfer import (
    discriminative,
    freeze,
    frozen_parameters,
    layer_groups,
    lr_factors,
    set_lr_factors,
    unfreeze,
)

OPTIMIZERS = {
    "SGD": lambda **o: SGD(0.1, **o),
    "Momentum": lambda **o: Momentum(0.1, **o),
    "Momentum inside": lambda **o: Momentum(0.1, form="inside", **o),
    "Nesterov": lambda **o: Nesterov(0.1, **o),
    "Nesterov lookahead": lambda **o: Nesterov(0.1, form="lookahead", **o),
    "Nesterov slide": lambda **o: Nesterov(0.1, form="slide", **o),
    "Adagrad": lambda **o: Adagrad(0.1, **o),
    "RMSProp": lambda **o: RMSProp(0.01, **o),
    "Adam": lambda **o: Adam(0.01, **o),
    "AdamW": lambda **o: AdamW(0.01, **o),
}


def network(dtype=np.float64, seed=0):
    model = Sequential([Conv2D(3, 3), MaxPool2D(2), ReLU(), Flatten(), Dense(6), ReLU(), Dense(4)])
    model.build((1, 8, 8), rng=seed, dtype=dtype)
    return model


def batch(examples=8, seed=0, dtype=np.float64):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(examples, 1, 8, 8)).astype(dtype), generator.integers(4, size=examples)


def train(model, optimizer, steps, start=0, regularizers=()):
    loss, parameters = SoftmaxCrossEntropy(), list(model.named_parameters())
    for step in range(start, start + steps):
        x, y = batch(seed=step)
        optimizer.prepare(parameters)
        loss.forward(model.forward(x, train=True), y)
        model.backward_parameters(loss.backward())
        for regularizer in regularizers:
            regularizer.add_gradient(parameters)
        optimizer.step(parameters)


def values(model):
    return {name: parameter.value.copy() for name, parameter in model.named_parameters()}


# Names -----------------------------------------------------------------------------------------------


def test_a_name_stands_for_the_layer_and_not_for_names_that_begin_alike():
    model = Sequential([Dense(2) for _ in range(11)])
    model.build((2,))
    assert freeze(model, "1") == ["1.weight", "1.bias"]
    assert frozen_parameters(model) == ["1.weight", "1.bias"]  # not 10.weight
    assert freeze(model, "10.bias", "10.bias") == ["10.bias"]
    assert unfreeze(model, "1.weight") == ["1.weight"]
    assert frozen_parameters(model) == ["1.bias", "10.bias"]
    assert len(freeze(model)) == 22 and len(unfreeze(model)) == 22


def test_layers_without_parameters_may_be_named_and_containers_stand_for_all_inside():
    model = Sequential([Sequential([Dense(3), ReLU()]), Residual(Dense(3)), Dense(2)])
    model.build((3,))
    assert freeze(model, "0", "0.1", "1") == ["0.0.weight", "0.0.bias", "1.body.weight", "1.body.bias"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda m: freeze(m, "0", "4.wieght"),
            r"freeze: there is no .*'4.wieght'; did you mean '4.weight'\?",
        ),
        (lambda m: unfreeze(m, "7"), "unfreeze: there is no layer or parameter '7'"),
        (lambda m: set_lr_factors(m, {"0": 0.5, "9": 1}), "set_lr_factors: there is no .*'9'"),
        (
            lambda m: set_lr_factors(m, {"0": 0.5, "4": -1}),
            "factor of '4' must be a finite number >= 0, got -1",
        ),
        (lambda m: set_lr_factors(m, {0: 0.5}), "there is no layer or parameter 0"),
        (lambda m: discriminative(m, 0), "lowest must be above 0"),
        (lambda m: discriminative(m, 0.1, float("nan")), "highest must be a finite number"),
        (lambda m: discriminative(m, groups=[["0"], ["8"]]), "'8'"),
    ],
)
def test_what_does_not_exist_is_refused_and_nothing_is_changed(call, message):
    model = network()
    with pytest.raises(ConfigError, match=message):
        call(model)
    assert learning(model) == {}


def test_before_build_there_is_nothing_to_freeze():
    with pytest.raises(StateError, match="call build"):
        freeze(Sequential([Dense(2)]), "0")
    with pytest.raises(ConfigError, match="no layers with parameters"):
        layer = Dense(2)
        layer.build((2,))
        discriminative(layer)


# What stays ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_frozen_parameters_and_their_memory_stay_bit_for_bit(name):
    """Also with momentum from before, decay, penalties, clipping, and weights moved to look ahead."""
    model = network()
    optimizer = OPTIMIZERS[name](weight_decay=0.1, clip_norm=1.0, clip_value=0.5)
    train(model, optimizer, 3)
    freeze(model, "0", "4.bias")
    before = values(model)
    memory = {
        k: np.copy(v) for k, v in optimizer.state_dict().items() if k.endswith(("/0.weight", "/4.bias"))
    }
    train(model, optimizer, 5, start=3, regularizers=[L2(0.1), L1(0.1)])
    for path, value in values(model).items():
        assert np.array_equal(value, before[path]) == (path in ("0.weight", "0.bias", "4.bias")), path
    after = optimizer.state_dict()
    memory = {k: v for k, v in memory.items() if not k.startswith("updates/")}
    assert all(np.array_equal(after[key], array) for key, array in memory.items())
    unfreeze(model)
    train(model, optimizer, 1, start=8)
    assert not np.array_equal(values(model)["0.weight"], before["0.weight"])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_others_move_as_if_the_frozen_ones_had_been_left_out(name):
    """The oracle: an optimizer that is not even given the frozen parameters."""
    frozen, left_out = network(), network()
    first, second = OPTIMIZERS[name](clip_norm=0.3), OPTIMIZERS[name](clip_norm=0.3)
    freeze(frozen, "0")
    train(frozen, first, 4)
    parameters = [(path, p) for path, p in left_out.named_parameters() if not path.startswith("0.")]
    loss = SoftmaxCrossEntropy()
    for step in range(4):
        x, y = batch(seed=step)
        second.prepare(parameters)
        loss.forward(left_out.forward(x, train=True), y)
        left_out.backward(loss.backward())
        second.step(parameters)
    for path, value in values(left_out).items():
        assert np.array_equal(value, values(frozen)[path]), path


def test_clipping_counts_only_what_learns():
    # Gradients (3, 4) and 1000; the second is frozen, so the norm is 5 and the factor 1/5.
    a, b = Parameter(np.zeros(2)), Parameter(np.zeros(1))
    a.grad, b.grad = np.array([3.0, 4.0]), np.array([1000.0])
    b.frozen = True
    SGD(1.0, clip_norm=1.0).step([("a", a), ("b", b)])
    np.testing.assert_allclose(a.value, [-0.6, -0.8])
    assert b.value[0] == 0 and b.grad[0] == 1000


def test_penalties_do_not_see_frozen_weights():
    a, b = Parameter(np.array([2.0])), Parameter(np.array([3.0]))
    b.frozen = True
    assert L2(0.5).penalty([("a", a), ("b", b)]) == pytest.approx(0.5 * 0.5 * 4)
    a.grad, b.grad = np.zeros(1), None
    L2(0.5).add_gradient([("a", a), ("b", b)])
    assert a.grad[0] == 1.0 and b.grad is None


def test_a_parameter_frozen_between_prepare_and_step_goes_back_to_where_it_was():
    optimizer, parameter = Nesterov(0.1, form="lookahead"), Parameter(np.array([1.0]))
    for _ in range(2):
        optimizer.prepare([("w", parameter)])
        parameter.grad = np.ones(1)
        optimizer.step([("w", parameter)])
    before = parameter.value.copy()
    optimizer.prepare([("w", parameter)])
    parameter.frozen = True
    optimizer.step([("w", parameter)])
    assert np.array_equal(parameter.value, before)


def test_frozen_weights_are_not_moved_to_look_ahead():
    """The others' gradients would be taken at a place where the frozen weights never are."""
    model, optimizer = network(), Nesterov(0.1, form="lookahead")
    train(model, optimizer, 2)
    freeze(model, "0")
    before = values(model)
    optimizer.prepare(list(model.named_parameters()))
    assert np.array_equal(values(model)["0.weight"], before["0.weight"])
    assert not np.array_equal(values(model)["4.weight"], before["4.weight"])


def test_an_unfrozen_parameter_starts_adam_at_its_own_first_step():
    """Bias correction by the optimizer's steps would make the first update 3.2 times too long."""
    a, b = Parameter(np.zeros(1)), Parameter(np.zeros(1))
    optimizer = Adam(0.01, eps=1e-12)
    b.frozen = True
    for _ in range(500):
        a.grad = np.ones(1)
        optimizer.step([("a", a), ("b", b)])
    b.frozen = False
    a.grad, b.grad = np.ones(1), np.ones(1)
    optimizer.step([("a", a), ("b", b)])
    assert b.value[0] == pytest.approx(-0.01)  # the first step of Adam is lr, whatever the gradient

    # And the count survives a checkpoint.
    state = optimizer.state_dict()
    assert state["updates/b"] == 1 and "updates/a" not in state
    twin, c = Adam(0.01, eps=1e-12), Parameter(b.value.copy())
    twin.load_state_dict(state)
    for parameter, by in ((b, optimizer), (c, twin)):
        parameter.grad = np.full(1, 0.3)
        by.step([("b", parameter)])
    assert b.value[0] == c.value[0]


# Backward stops --------------------------------------------------------------------------------------


class Counting(Dense):
    """A dense layer that counts how often it was asked for gradients."""

    calls = 0

    def backward(self, dy):
        self.calls += 1
        return super().backward(dy)

    def backward_parameters(self, dy):
        self.calls += 1
        super().backward_parameters(dy)


def test_backward_goes_no_further_than_the_lowest_layer_that_learns():
    model = Sequential([Counting(3), ReLU(), Counting(3), ReLU(), Counting(2)])
    model.build((4,), rng=0, dtype=np.float64)
    x, dy = np.ones((5, 4)), np.ones((5, 2))

    def calls():
        for layer in model.layers[::2]:
            layer.calls = 0
        model.forward(x, train=True)
        model.backward_parameters(dy)
        return [min(layer.calls, 1) for layer in model.layers[::2]]

    assert calls() == [1, 1, 1]
    freeze(model, "0", "2")
    assert calls() == [0, 0, 1]
    assert model.layers[0].parameters["weight"].grad is None
    model.layers[2].parameters["bias"].frozen = False  # by hand, without unfreeze
    assert calls() == [0, 1, 1]
    freeze(model)
    assert calls() == [0, 0, 0]
    unfreeze(model, "0")
    assert calls() == [1, 1, 1]


DEEP = {
    "plain": lambda: [Conv2D(3, 3), MaxPool2D(2), ReLU(), Conv2D(4, 2), ReLU(), Flatten(), Dense(4)],
    "batch normalisation": lambda: [Conv2D(3, 3), BatchNorm(), ReLU(), Conv2D(4, 2), BatchNorm(), Flatten(), Dense(4)],
    "nested": lambda: [Sequential([Conv2D(3, 3), ReLU()]), Sequential([Conv2D(4, 2), Flatten()]), Dense(4)],
    "residual": lambda: [Residual(Conv2D(1, 3, padding="same")), Residual(Sequential([Conv2D(1, 1)])), Flatten(),
                         Dense(4)],
    "branches": lambda: [Branches([Conv2D(1, 3), Conv2D(2, 3)], merge="concat"), Conv2D(2, 2), Flatten(), Dense(4)],
}  # fmt: skip


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("bottom", [0, 1, 2, -1])
@pytest.mark.parametrize("kind", DEEP)
def test_skipping_the_frozen_bottom_leaves_the_other_gradients_as_they_are(kind, bottom, count):
    """The oracle: a full backward pass through the same network. With two threads also through shards."""
    model = Sequential(DEEP[kind]())
    model.build((1, 8, 8), rng=1, dtype=np.float64)
    if names := [name for name, _ in model.children()][:bottom]:
        freeze(model, *names)
    full = copy.deepcopy(model)
    x, y = batch(80)
    with parallel.threads(count):
        for net, backward in ((model, model.backward_parameters), (full, full.backward)):
            loss = SoftmaxCrossEntropy()
            for _ in range(2):
                loss.forward(net.forward(x, train=True), y)
                backward(loss.backward())
    compared = 0
    for (path, parameter), (_, expected) in zip(
        model.named_parameters(), full.named_parameters(), strict=True
    ):
        if not parameter.frozen:
            np.testing.assert_allclose(parameter.grad, expected.grad, rtol=1e-10, atol=1e-13, err_msg=path)
            compared += 1
    assert compared >= 2


def test_a_container_of_heads_can_be_the_lowest_that_learns():
    model = Sequential([Dense(3), Branches({"a": Dense(2), "b": Sequential([Counting(2)])})])
    model.build((4,), rng=0, dtype=np.float64)
    x, dy = np.ones((5, 4)), (np.ones((5, 2)), 2 * np.ones((5, 2)))
    model.forward(x, train=True)
    model.backward(dy)
    expected = {path: p.grad.copy() for path, p in model.named_parameters()}
    freeze(model, "0", "1.b")
    model.layers[1].branches["b"].layers[0].calls = 0
    model.forward(x, train=True)
    model.backward_parameters(dy)
    assert np.array_equal(model.layers[1].branches["a"].parameters["weight"].grad, expected["1.a.weight"])
    assert model.layers[1].branches["b"].layers[0].calls == 0


# Batch normalisation and dropout ---------------------------------------------------------------------


def test_a_frozen_batch_normalisation_works_as_in_evaluation():
    layer = BatchNorm()
    layer.build((3,), dtype=np.float64)
    generator = np.random.default_rng(0)
    for _ in range(3):
        layer.forward(generator.normal(2, 3, size=(20, 3)), train=True)
    x, dy = generator.normal(size=(6, 3)), generator.normal(size=(6, 3))
    expected = layer.forward(x).copy()
    expected_dx = layer.backward(dy).copy()
    before = {name: np.copy(buffer) for name, buffer in layer.buffers.items()}

    freeze(layer, "gamma")
    assert not np.allclose(layer.forward(x, train=True), expected)  # beta learns: a layer in training
    layer.buffers.update({name: np.copy(buffer) for name, buffer in before.items()})
    freeze(layer, "beta")
    assert np.array_equal(layer.forward(x, train=True), expected)
    assert np.array_equal(layer.backward(dy), expected_dx)
    assert all(np.array_equal(layer.buffers[name], buffer) for name, buffer in before.items())
    unfreeze(layer)
    layer.forward(x, train=True)
    assert int(layer.buffers["batches"]) == 4


def test_dropout_in_a_frozen_body_goes_on_dropping():
    model = Sequential([Dense(50), Dropout(0.5), Dense(2)])
    model.build((3,), rng=0)
    freeze(model, "0", "1")
    x = np.ones((4, 3), np.float32)
    assert not np.array_equal(model.forward(x, train=True), model.forward(x))


# Learning rates --------------------------------------------------------------------------------------


def test_each_parameter_moves_at_its_own_rate():
    # w = 1, gradient 2, rate 0.1 * 0.5: decay 0.5 first, 1 * (1 - 0.05 * 0.5) = 0.975; minus 0.05 * 2.
    a, b = Parameter(np.ones(1)), Parameter(np.ones(1))
    a.lr_factor = 0.5
    a.grad = b.grad = np.full(1, 2.0)
    SGD(0.1, weight_decay=0.5).step([("a", a), ("b", b)])
    assert a.value[0] == pytest.approx(0.875) and b.value[0] == pytest.approx(0.75)


def test_a_factor_of_one_changes_no_bit():
    plain, factored = network(np.float32), network(np.float32)
    set_lr_factors(factored, {"0": 1, "4": 1.0})
    for model in (plain, factored):
        loss, optimizer = SoftmaxCrossEntropy(), Momentum(0.1)
        x, y = batch(dtype=np.float32)
        for _ in range(3):
            loss.forward(model.forward(x, train=True), y)
            model.backward_parameters(loss.backward())
            optimizer.step(model.named_parameters())
    assert all(
        np.array_equal(v, values(plain)[k]) and v.dtype == np.float32 for k, v in values(factored).items()
    )


@pytest.mark.parametrize("kind", ["SGD", "Momentum", "Nesterov", "Adam", "AdamW"])
def test_factors_are_the_parameter_groups_of_pytorch(kind):
    """Two tensors at rates 0.1 and 0.01; the second joins after three steps, as by unfreezing."""
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    ours = {
        "SGD": lambda: SGD(0.1),
        "Momentum": lambda: Momentum(0.1, 0.9),
        "Nesterov": lambda: Nesterov(0.1, 0.9),
        "Adam": lambda: Adam(0.1),
        "AdamW": lambda: AdamW(0.1, weight_decay=0.2),
    }[kind]()
    generator = np.random.default_rng(3)
    start = [generator.normal(size=(4, 3)), generator.normal(size=5)]
    first, second = Parameter(start[0].copy()), Parameter(start[1].copy())
    second.lr_factor = 0.1
    second.frozen = True
    tensors = [torch.nn.Parameter(torch.from_numpy(x.copy())) for x in start]
    groups = [{"params": [tensors[0]]}, {"params": [tensors[1]], "lr": 0.01}]
    theirs = {
        "SGD": lambda: torch.optim.SGD(groups, lr=0.1),
        "Momentum": lambda: torch.optim.SGD(groups, lr=0.1, momentum=0.9),
        "Nesterov": lambda: torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True),
        "Adam": lambda: torch.optim.Adam(groups, lr=0.1),
        "AdamW": lambda: torch.optim.AdamW(groups, lr=0.1, weight_decay=0.2),
    }[kind]()
    for step in range(8):
        second.frozen = step < 3
        for parameter, tensor in zip((first, second), tensors, strict=True):
            gradient = generator.normal(size=parameter.value.shape)
            parameter.grad = gradient.copy()
            tensor.grad = None if tensor is tensors[1] and step < 3 else torch.from_numpy(gradient)
        ours.step([("a", first), ("b", second)])
        theirs.step()
        np.testing.assert_allclose(first.value, tensors[0].detach().numpy(), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(second.value, tensors[1].detach().numpy(), rtol=1e-9, atol=1e-12)


def test_lookahead_reaches_as_far_as_the_parameters_own_rate():
    parameter = Parameter(np.array([1.0]))
    parameter.lr_factor = 0.5
    optimizer = Nesterov(0.1, 0.9, form="lookahead")
    optimizer.prepare([("w", parameter)])
    parameter.grad = np.array([2.0])
    optimizer.step([("w", parameter)])  # v = 2, w = 1 - 0.05 * 2 = 0.9
    optimizer.prepare([("w", parameter)])
    assert parameter.value[0] == pytest.approx(0.9 - 0.05 * 0.9 * 2)


def test_factors_of_layers_and_of_what_is_inside_them():
    model = network()
    set_lr_factors(model, {"4.bias": 2, "4": 0.5})
    assert lr_factors(model) == {"4.weight": 0.5, "4.bias": 2.0}
    set_lr_factors(model, {"4.bias": 1})
    assert lr_factors(model) == {"4.weight": 0.5}


def test_groups_begin_at_layers_with_weights():
    model = Sequential(
        [Conv2D(2, 3), BatchNorm(), ReLU(), Conv2D(2, 3), Flatten(), Dense(4), BatchNorm(), Dense(2)]
    )
    model.build((1, 8, 8))
    assert layer_groups(model) == [["0", "1"], ["3"], ["5", "6"], ["7"]]


def test_discriminative_rates_are_spread_geometrically():
    # fast.ai's slice(3e-5, 3e-4) over three groups: 3e-5, 9.49e-5, 3e-4, that is 0.1, 0.316, 1 of 3e-4.
    model = network()
    spread = discriminative(model, lowest=0.1)
    assert [group for group, _ in spread] == [["0"], ["4"], ["6"]]
    np.testing.assert_allclose([factor for _, factor in spread], [0.1, 0.1**0.5, 1.0])
    factors = {path: p.lr_factor for path, p in model.named_parameters()}
    assert factors["0.bias"] == pytest.approx(0.1) and factors["6.weight"] == 1.0
    assert discriminative(model, 0.2, 0.5, groups=[["0", "4", "6"]]) == [(["0", "4", "6"], 0.5)]


def test_what_learns_can_be_put_back():
    model, other = network(), network()
    freeze(model, "0")
    set_lr_factors(model, {"6": 0.25})
    freeze(other, "4")
    restore_learning(other, learning(model))
    assert learning(other) == learning(model)
    assert frozen_parameters(other) == ["0.weight", "0.bias"] and lr_factors(other) == {
        "6.weight": 0.25,
        "6.bias": 0.25,
    }


def test_flags_survive_copies_and_changes_of_type():
    model = network()
    freeze(model, "0")
    set_lr_factors(model, {"4": 0.5})
    moved = copy.deepcopy(model).to(dtype=np.float32)
    assert learning(moved) == learning(model)
