"""Optimizers: hand-worked steps, PyTorch as oracle, and the promises of the base class."""

import math

import numpy as np
import pytest

from minidl.blocks import BLOCK, blocks
from minidl.clipping import clip_norm, clip_values
from minidl.errors import CheckpointError, ConfigError, ShapeError, StateError
from minidl.layers.base import Parameter
from minidl.optimizers import SGD, Adagrad, Adam, AdamW, Momentum, Nesterov, RMSProp
from minidl.regularizers import L2

EVERY = [
    pytest.param(lambda **o: SGD(0.1, **o), id="SGD"),
    pytest.param(lambda **o: Momentum(0.1, **o), id="Momentum"),
    pytest.param(lambda **o: Momentum(0.1, form="inside", **o), id="Momentum-inside"),
    pytest.param(lambda **o: Nesterov(0.1, **o), id="Nesterov"),
    pytest.param(lambda **o: Nesterov(0.1, form="lookahead", **o), id="Nesterov-lookahead"),
    pytest.param(lambda **o: Nesterov(0.1, form="slide", **o), id="Nesterov-slide"),
    pytest.param(lambda **o: Adagrad(0.1, **o), id="Adagrad"),
    pytest.param(lambda **o: Adagrad(0.1, eps_inside=True, **o), id="Adagrad-inside"),
    pytest.param(lambda **o: RMSProp(0.01, **o), id="RMSProp"),
    pytest.param(lambda **o: RMSProp(0.01, eps_inside=True, **o), id="RMSProp-inside"),
    pytest.param(lambda **o: Adam(0.01, **o), id="Adam"),
    pytest.param(lambda **o: Adam(0.01, eps_inside=True, **o), id="Adam-inside"),
    pytest.param(lambda **o: Adam(0.01, bias_correction=False, **o), id="Adam-uncorrected"),
    pytest.param(lambda **o: AdamW(0.01, **o), id="AdamW"),
]


def network(dtype=np.float64, seed=5):
    rng = np.random.default_rng(seed)
    shapes = {"0.weight": (3, 4), "0.bias": (4,), "1.weight": (4, 2)}
    return [
        (name, Parameter(rng.normal(size=shape).astype(dtype), decay="weight" in name))
        for name, shape in shapes.items()
    ]


def train(optimizer, model, steps, start=0):
    """Take steps with gradients that depend on the weights and differ from step to step."""
    for step in range(start, start + steps):
        optimizer.prepare(model)
        for name, parameter in model:
            rng = np.random.default_rng([step, len(name)])
            noise = rng.normal(size=parameter.value.shape)
            parameter.grad = (parameter.value * 0.3 + noise).astype(parameter.value.dtype)
        optimizer.step(model)


def values(model):
    return {name: parameter.value.copy() for name, parameter in model}


def one_weight(optimizer, gradients, start=1.0):
    """Return the positions of a single weight that is given the gradients one after the other."""
    parameter = Parameter(np.array([start]))
    path = []
    for gradient in gradients:
        parameter.grad = np.array([gradient])
        optimizer.step([("w", parameter)])
        path.append(float(parameter.value[0]))
    return path


class TestByHand:
    """Start at w = 1 with rate 0.1; the gradients are 2 and then 1."""

    def test_sgd(self):
        # 1 - 0.1 * 2 = 0.8; 0.8 - 0.1 * 1 = 0.7
        assert one_weight(SGD(0.1), [2, 1]) == pytest.approx([0.8, 0.7])

    @pytest.mark.parametrize("form", ["outside", "inside"])
    def test_momentum(self, form):
        # v = 2, w = 0.8; v = 0.9 * 2 + 1 = 2.8, w = 0.8 - 0.28
        assert one_weight(Momentum(0.1, 0.9, form=form), [2, 1]) == pytest.approx([0.8, 0.52])

    def test_forms_of_momentum_differ_when_the_rate_falls(self):
        # Rate 0.1 then 0.01. Outside: 0.8 - 0.01 * 2.8 = 0.772.
        # Inside: v = -0.2, then 0.9 * -0.2 - 0.01 = -0.19, w = 0.61.
        for form, expected in (("outside", 0.772), ("inside", 0.61)):
            optimizer = Momentum(0.1, 0.9, form=form)
            parameter = Parameter(np.array([1.0]))
            for optimizer.lr, gradient in ((0.1, 2.0), (0.01, 1.0)):
                parameter.grad = np.array([gradient])
                optimizer.step([("w", parameter)])
            assert parameter.value[0] == pytest.approx(expected)

    def test_velocity_is_a_sum_not_an_average(self):
        # Erratum 12: a constant gradient of 1 is multiplied by 1 / (1 - 0.9) = 10 in the long run.
        path = one_weight(Momentum(0.1, 0.9), [1] * 300)
        assert path[-2] - path[-1] == pytest.approx(0.1 * 10)

    def test_nesterov_reformulated(self):
        # v = 2, w = 1 - 0.1 * (2 + 1.8) = 0.62; v = 2.8, w = 0.62 - 0.1 * (1 + 2.52) = 0.268
        assert one_weight(Nesterov(0.1, 0.9), [2, 1]) == pytest.approx([0.62, 0.268])

    def test_adagrad(self):
        # G = 4, w = 1 - 0.1 * 2/2 = 0.9; G = 5, w = 0.9 - 0.1 / sqrt(5)
        path = one_weight(Adagrad(0.1, eps=1e-12), [2, 1])
        assert path == pytest.approx([0.9, 0.9 - 0.1 / math.sqrt(5)])

    def test_rmsprop(self):
        # G = 0.1 * 4 = 0.4, w = 1 - 0.2/sqrt(0.4); G = 0.36 + 0.1 = 0.46, w -= 0.1/sqrt(0.46)
        first = 1 - 0.2 / math.sqrt(0.4)
        path = one_weight(RMSProp(0.1, 0.9, eps=1e-12), [2, 1])
        assert path == pytest.approx([first, first - 0.1 / math.sqrt(0.46)])

    def test_adam(self):
        # beta1 = 0.5, beta2 = 0.75. Step 1: m = 1, v = 1, m_hat = 2, v_hat = 4: w = 1 - 0.1 * 2/2.
        # Step 2: m = 0.5 + 0.5 = 1, v = 0.75 + 0.25 = 1; m_hat = 1/0.75, v_hat = 1/0.4375.
        path = one_weight(Adam(0.1, 0.5, 0.75, eps=1e-12), [2, 1])
        assert path == pytest.approx([0.9, 0.9 - 0.1 / 0.75 * math.sqrt(0.4375)])
        # The lecture's "almost Adam" uses m = 1 and v = 1 as they are, both times.
        path = one_weight(Adam(0.1, 0.5, 0.75, eps=1e-12, bias_correction=False), [2, 1])
        assert path == pytest.approx([0.9, 0.8])

    def test_first_step_of_almost_adam_is_too_long(self):
        # (1 - 0.9) / sqrt(1 - 0.999) = 3.16 times the rate
        (after,) = one_weight(Adam(0.1, bias_correction=False), [2])
        assert 1 - after == pytest.approx(0.1 * 0.1 / math.sqrt(0.001), rel=1e-6)

    def test_adamw(self):
        # w shrinks by 1 - 0.1 * 0.5 before the first Adam step of length 0.1.
        (after,) = one_weight(AdamW(0.1, weight_decay=0.5), [2])
        assert after == pytest.approx(0.95 - 0.1)


@pytest.mark.parametrize(
    "make",
    [
        lambda inside: Adagrad(1.0, eps=1e-8, eps_inside=inside),
        lambda inside: RMSProp(1.0, eps=1e-8, eps_inside=inside),
        lambda inside: Adam(1.0, eps=1e-8, eps_inside=inside),
    ],
    ids=["Adagrad", "RMSProp", "Adam"],
)
def test_epsilon_inside_the_root_acts_like_its_root_outside(make):
    # Erratum 11. A gradient of 1e-12 leaves the squared gradients at practically 0, so the step is
    # lr * g (or m_hat = g) divided by eps outside, by sqrt(eps) = 1e-4 inside.
    outside, inside = (1 - one_weight(make(flag), [1e-12])[0] for flag in (False, True))
    assert outside == pytest.approx(1e-12 / 1e-8, rel=1e-3)
    assert inside == pytest.approx(1e-12 / 1e-4, rel=1e-3)


def test_epsilon_inside_follows_the_formula():
    # Step 2 of Adam as above with eps = 0.5: 0.1 * m_hat / sqrt(v_hat + 0.5).
    first = 1 - 0.1 * 2 / math.sqrt(4 + 0.5)
    second = first - 0.1 / 0.75 / math.sqrt(1 / 0.4375 + 0.5)
    path = one_weight(Adam(0.1, 0.5, 0.75, eps=0.5, eps_inside=True), [2, 1])
    assert path == pytest.approx([first, second])
    first = 1 - 0.1 * 2 / (2 + 0.5)
    second = first - 0.1 / 0.75 / (math.sqrt(1 / 0.4375) + 0.5)
    assert one_weight(Adam(0.1, 0.5, 0.75, eps=0.5), [2, 1]) == pytest.approx([first, second])


def test_epsilon_inside_of_adagrad_and_rmsprop_by_hand():
    # Adagrad, eps = 5: G = 4, step 0.1 * 2 / sqrt(4 + 5); G = 5, step 0.1 / sqrt(10). Outside: 0.1 * 2 / (2 + 5).
    path = one_weight(Adagrad(0.1, eps=5, eps_inside=True), [2, 1])
    assert path == pytest.approx([1 - 0.2 / 3, 1 - 0.2 / 3 - 0.1 / math.sqrt(10)])
    assert one_weight(Adagrad(0.1, eps=5), [2]) == pytest.approx([1 - 0.2 / 7])
    # RMSProp, gamma = 0.5, eps = 7: G = 2, step 0.2 / 3; G = 1.5, step 0.1 / sqrt(8.5).
    path = one_weight(RMSProp(0.1, 0.5, eps=7, eps_inside=True), [2, 1])
    assert path == pytest.approx([1 - 0.2 / 3, 1 - 0.2 / 3 - 0.1 / math.sqrt(8.5)])


class TestNesterovForms:
    """On J(w) = w^2 / 2, whose gradient at a point is the point."""

    LR, MU = 0.1, 0.9

    def descend(self, form, steps):
        optimizer = Nesterov(self.LR, self.MU, form=form)
        parameter = Parameter(np.array([1.0]))
        model = [("w", parameter)]
        seen, weights, velocities = [], [], []
        for _ in range(steps):
            optimizer.prepare(model)
            parameter.grad = parameter.value.copy()
            seen.append(float(parameter.value[0]))
            optimizer.step(model)
            weights.append(float(parameter.value[0]))
            velocities.append(float(optimizer.state_dict()["velocity/w"][0]))
        return np.array(seen), np.array(weights), np.array(velocities)

    def test_lookahead_and_reformulated_are_one_method(self):
        seen, w, v = self.descend("lookahead", 20)
        seen_reformulated, u, v_reformulated = self.descend("reformulated", 20)
        # Same points visited, so same losses; and what is stored are the two ends of the change of
        # variables u = w - lr mu v.
        np.testing.assert_allclose(seen, seen_reformulated, rtol=1e-12)
        np.testing.assert_allclose(v, v_reformulated, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(u, w - self.LR * self.MU * v, rtol=1e-12, atol=1e-15)

    def test_by_hand(self):
        # Step 1 from v = 0 is the same for all: g = 1, v = 1, w = 0.9.
        # Look-ahead: gradient at 0.9 - 0.1 * 0.9 * 1 = 0.81, v = 0.9 + 0.81 = 1.71, w = 0.729.
        # Slide: gradient at 0.9 + 0.9 * 1 = 1.8, v = 0.9 + 1.8 = 2.7, w = 0.63.
        for form, point, weight in (("lookahead", 0.81, 0.729), ("slide", 1.8, 0.63)):
            seen, w, _ = self.descend(form, 2)
            np.testing.assert_allclose(seen, [1, point], rtol=1e-14)
            np.testing.assert_allclose(w, [0.9, weight], rtol=1e-14)

    def test_the_slide_pays_for_its_sign(self):
        # (w, v) -> (w - lr v', v') with v' = mu v + c, c = w + a mu v: a matrix whose spectral radius
        # says how fast the loss falls. a = -lr is the look-ahead, a = +1 the slide.
        def radius(a):
            row = np.array([1, self.MU * (1 + a)])
            matrix = np.stack([[1, 0] - self.LR * row, row])
            return abs(np.linalg.eigvals(matrix)).max()

        for form, a in (("lookahead", -self.LR), ("slide", 1.0)):
            _, w, v = self.descend(form, 400)
            size = np.hypot(w, v)
            assert (size[-1] / size[99]) ** (1 / 300) == pytest.approx(radius(a), rel=1e-2)
        assert radius(-self.LR) < 0.95 < 1.2 < radius(1.0)

    @pytest.mark.parametrize("form", ["lookahead", "slide"])
    def test_step_needs_prepare(self, form):
        optimizer, model = Nesterov(form=form), network()
        for _, parameter in model:
            parameter.grad = np.ones_like(parameter.value)
        with pytest.raises(StateError, match=r"prepare\(named_parameters\) before the forward pass"):
            optimizer.step(model)

    def test_prepare_moves_and_step_returns_exactly(self):
        optimizer, model = Nesterov(0.1, form="lookahead"), network(np.float32)
        train(optimizer, model, 2)
        before = values(model)
        optimizer.prepare(model)
        moved = values(model)
        assert all((moved[name] != before[name]).all() for name in before)
        with pytest.raises(StateError, match="between prepare and step"):
            optimizer.state_dict()
        optimizer.prepare(model)  # starts again from the same weights
        for name, parameter in model:
            np.testing.assert_array_equal(parameter.value, moved[name])
        optimizer.lr = 0.0
        optimizer.step(model)
        for name, parameter in model:
            np.testing.assert_array_equal(parameter.value, before[name])


def torch_steps(make, model, regularize=None):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    tensors = [torch.tensor(parameter.value, requires_grad=True) for _, parameter in model]
    optimizer = make(torch.optim, tensors)
    for step in range(8):
        for (name, _), tensor in zip(model, tensors, strict=True):
            noise = np.random.default_rng([step, len(name)]).normal(size=tensor.shape)
            tensor.grad = tensor.detach() * 0.3 + torch.tensor(noise)
        optimizer.step()
    return [tensor.detach().numpy() for tensor in tensors]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda: SGD(0.1), lambda optim, p: optim.SGD(p, 0.1)),
        (lambda: SGD(0.1, weight_decay=0.2), lambda optim, p: optim.SGD(p, 0.1, weight_decay=0.2)),
        (lambda: Momentum(0.1, 0.8), lambda optim, p: optim.SGD(p, 0.1, momentum=0.8)),
        (lambda: Nesterov(0.1, 0.8), lambda optim, p: optim.SGD(p, 0.1, momentum=0.8, nesterov=True)),
        (lambda: Adagrad(0.1), lambda optim, p: optim.Adagrad(p, 0.1, eps=1e-8)),
        (lambda: RMSProp(0.1, 0.8), lambda optim, p: optim.RMSprop(p, 0.1, alpha=0.8)),
        (lambda: Adam(0.1, 0.8, 0.95), lambda optim, p: optim.Adam(p, 0.1, betas=(0.8, 0.95))),
        (lambda: AdamW(0.1), lambda optim, p: optim.AdamW(p, 0.1)),
        (lambda: Adam(0.1, weight_decay=0.3), lambda optim, p: optim.AdamW(p, 0.1, weight_decay=0.3)),
    ],
    ids=["SGD", "SGD-decay", "Momentum", "Nesterov", "Adagrad", "RMSProp", "Adam", "AdamW", "Adam-decay"],
)
def test_eight_steps_against_pytorch(ours, theirs):
    model = network()
    for _, parameter in model:
        parameter.decay = True  # PyTorch decays every parameter it is given
    expected = torch_steps(theirs, model)
    train(ours(), model, 8)
    for (_, parameter), tensor in zip(model, expected, strict=True):
        np.testing.assert_allclose(parameter.value, tensor, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda: Momentum(0.1, 0.8), lambda o, p: o.SGD(p, 0.1, momentum=0.8, weight_decay=0.2)),
        (
            lambda: Nesterov(0.1, 0.8),
            lambda o, p: o.SGD(p, 0.1, momentum=0.8, nesterov=True, weight_decay=0.2),
        ),
        (lambda: Adagrad(0.1), lambda o, p: o.Adagrad(p, 0.1, eps=1e-8, weight_decay=0.2)),
        (lambda: RMSProp(0.1, 0.8), lambda o, p: o.RMSprop(p, 0.1, alpha=0.8, weight_decay=0.2)),
        (lambda: Adam(0.1), lambda o, p: o.Adam(p, 0.1, weight_decay=0.2)),
    ],
    ids=["Momentum", "Nesterov", "Adagrad", "RMSProp", "Adam"],
)
def test_l2_penalty_is_what_pytorch_calls_weight_decay(ours, theirs):
    model = network()
    for _, parameter in model:
        parameter.decay = True
    expected = torch_steps(theirs, model)
    optimizer, penalty = ours(), L2(0.2)
    for step in range(8):
        for name, parameter in model:
            noise = np.random.default_rng([step, len(name)]).normal(size=parameter.value.shape)
            parameter.grad = parameter.value * 0.3 + noise
        penalty.add_gradient(model)
        optimizer.step(model)
    for (_, parameter), tensor in zip(model, expected, strict=True):
        np.testing.assert_allclose(parameter.value, tensor, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("make", "same"), [(SGD, True), (Momentum, False), (Adam, False)])
def test_l2_and_decoupled_decay_coincide_for_sgd_alone(make, same):
    decoupled, penalised = network(), network()
    one, other = make(0.1, weight_decay=0.2), make(0.1)
    rng = np.random.default_rng(1)
    for _ in range(3):
        for (_, p), (_, q) in zip(decoupled, penalised, strict=True):
            p.grad = rng.normal(size=p.value.shape)
            q.grad = p.grad.copy()
        one.step(decoupled)
        L2(0.2).add_gradient(penalised)
        other.step(penalised)
    for (name, p), (_, q) in zip(decoupled, penalised, strict=True):
        agree = np.allclose(p.value, q.value, rtol=1e-12, atol=1e-14)
        assert agree == (same or name == "0.bias")  # biases do not decay in either way


@pytest.mark.parametrize("make", EVERY)
def test_float32_stays_float32_even_with_a_numpy_rate(make):
    model, optimizer = network(np.float32), make(weight_decay=0.1, clip_norm=1.0)
    optimizer.lr = np.float64(optimizer.lr)
    train(optimizer, model, 3)
    arrays = [array for key, array in optimizer.state_dict().items() if key != "step"]
    assert len(arrays) == len(optimizer.slots) * len(model)
    assert all(parameter.value.dtype == np.float32 for _, parameter in model)
    assert all(array.dtype == np.float32 for array in arrays)
    # The type of the rate makes no difference to a single bit.
    plain_model, plain = network(np.float32), make(weight_decay=0.1, clip_norm=1.0)
    train(plain, plain_model, 3)
    for (_, p), (_, q) in zip(model, plain_model, strict=True):
        np.testing.assert_array_equal(p.value, q.value)


@pytest.mark.parametrize("make", EVERY)
@pytest.mark.parametrize("order", ["C", "F", "sliced"])
def test_blocked_update_equals_unblocked_bit_for_bit(make, order, monkeypatch):
    # More than two blocks and an odd rest, against the same steps with the array taken whole.
    rng = np.random.default_rng(2)
    start = rng.normal(size=(2 * BLOCK // 100 + 7, 101)).astype(np.float32)
    blocked, whole = ([("w", Parameter(start.copy()))] for _ in range(2))
    one, other = make(weight_decay=0.01), make(weight_decay=0.01)
    for _ in range(2):
        gradient = rng.normal(size=start.shape).astype(np.float32)
        if order == "F":
            gradient = np.asfortranarray(gradient)
        elif order == "sliced":
            gradient = np.repeat(gradient, 2, axis=1)[:, ::2]
        for optimizer, model in ((one, blocked), (other, whole)):
            with monkeypatch.context() as patch:
                if optimizer is other:
                    patch.setattr("minidl.blocks.BLOCK", start.size)
                optimizer.prepare(model)
                model[0][1].grad = gradient
                optimizer.step(model)
    assert len(list(blocks(start))) == 3
    np.testing.assert_array_equal(blocked[0][1].value, whole[0][1].value)
    for key, array in one.state_dict().items():
        np.testing.assert_array_equal(array, other.state_dict()[key])


def test_blocks_cover_everything_once_in_place():
    for array in (np.zeros((7, BLOCK)), np.zeros((BLOCK, 7)).T, np.zeros((3, 5)), np.zeros(0)):
        for (piece,) in blocks(array):
            piece += 1
        np.testing.assert_array_equal(array, 1)


@pytest.mark.parametrize("make", EVERY)
def test_resuming_from_the_state_continues_bit_for_bit(make):
    model, optimizer = network(np.float32), make(weight_decay=0.1)
    train(optimizer, model, 6)
    again, first = network(np.float32), make(weight_decay=0.1)
    train(first, again, 3)
    saved = {key: np.array(value) for key, value in first.state_dict().items()}
    resumed = make(weight_decay=0.1)
    resumed.load_state_dict(saved)
    kept = {key: value.copy() for key, value in saved.items()}
    train(resumed, again, 3, start=3)
    for (_, p), (_, q) in zip(model, again, strict=True):
        np.testing.assert_array_equal(p.value, q.value)
    assert resumed.state_dict().keys() == optimizer.state_dict().keys()
    for key, value in kept.items():  # loading copied: training on does not touch the checkpoint
        np.testing.assert_array_equal(saved[key], value)


class TestState:
    def test_keys(self):
        optimizer, model = Adam(), network()
        assert optimizer.state_dict() == {"step": 0}
        train(optimizer, model, 2)
        state = optimizer.state_dict()
        names = [f"{slot}/{name}" for name, _ in model for slot in ("mean", "square_mean")]
        assert list(state) == ["step", *names]
        assert state["step"] == 2
        assert list(SGD().state_dict()) == ["step"]

    def test_state_of_another_kind_is_refused(self):
        optimizer, model = Adam(), network()
        train(optimizer, model, 1)
        momentum = Momentum()
        with pytest.raises(CheckpointError, match=r"needs velocity; missing or unexpected: mean/0\.bias"):
            momentum.load_state_dict(optimizer.state_dict())
        assert momentum.steps == 0
        with pytest.raises(CheckpointError, match="no 'step'"):
            momentum.load_state_dict({})

    def test_incomplete_state_is_refused(self):
        optimizer, model = Adam(), network()
        train(optimizer, model, 1)
        state = optimizer.state_dict()
        del state["mean/0.weight"]
        with pytest.raises(CheckpointError, match=r"mean/0\.weight"):
            Adam().load_state_dict(state)

    def test_state_of_another_model_is_refused(self):
        optimizer, model = Momentum(), network()
        optimizer.load_state_dict({"step": 1, "velocity/0.weight": np.zeros((9, 9))})
        with pytest.raises(CheckpointError, match=r"'0\.weight' has shape \(9, 9\)"):
            train(optimizer, model, 1)

    def test_state_follows_the_type_of_the_parameter(self):
        optimizer, model = Momentum(), network(np.float64)
        train(optimizer, model, 2)
        for _, parameter in model:
            parameter.value = parameter.value.astype(np.float32)
        train(optimizer, model, 1)
        assert optimizer.state_dict()["velocity/0.bias"].dtype == np.float32
        assert optimizer.state_dict()["velocity/0.bias"].any()

    def test_parameters_left_out_are_frozen(self):
        optimizer, model = Momentum(), network()
        before = values(model)
        train(optimizer, model[1:], 2)
        np.testing.assert_array_equal(model[0][1].value, before["0.weight"])
        assert "velocity/0.weight" not in optimizer.state_dict()

    def test_step_takes_a_generator(self):
        model = network()
        for _, parameter in model:
            parameter.grad = np.ones_like(parameter.value)
        before = values(model)
        SGD(0.5, clip_norm=1e9).step(pair for pair in model)
        for name, parameter in model:
            np.testing.assert_array_equal(parameter.value, before[name] - 0.5)


class TestDecay:
    @pytest.mark.parametrize("make", EVERY)
    def test_only_weights_decay_and_only_by_the_rate(self, make):
        # With gradient 0 and no memory an optimizer does nothing else.
        optimizer, model = make(weight_decay=0.5), network()
        before = values(model)
        optimizer.prepare(model)
        for _, parameter in model:
            parameter.grad = np.zeros_like(parameter.value)
        optimizer.step(model)
        for name, parameter in model:
            factor = 1 - optimizer.lr * 0.5 if parameter.decay else 1.0
            np.testing.assert_allclose(parameter.value, before[name] * factor, rtol=1e-15)


class TestClipping:
    def gradients(self):
        # Norms 3 and 4, so 5 together.
        return [np.array([[1.0, 2.0], [2.0, 0.0]]), np.array([0.0, -4.0])]

    def test_norm_over_all_arrays(self):
        gradients = self.gradients()
        assert clip_norm(gradients, 1.0) == pytest.approx(5)
        np.testing.assert_allclose(gradients[0], [[0.2, 0.4], [0.4, 0]])
        np.testing.assert_allclose(gradients[1], [0, -0.8])

    def test_norm_below_the_limit_changes_nothing(self):
        gradients = self.gradients()
        clip_norm(gradients, 5.0)
        for clipped, original in zip(gradients, self.gradients(), strict=True):
            np.testing.assert_array_equal(clipped, original)

    def test_values(self):
        gradients = self.gradients()
        clip_values(gradients, 1.5)
        np.testing.assert_array_equal(gradients[0], [[1, 1.5], [1.5, 0]])
        np.testing.assert_array_equal(gradients[1], [0, -1.5])

    @pytest.mark.parametrize("make", EVERY)
    def test_optimizer_clips_before_it_remembers(self, make):
        # Values first (1.5, see above), then the norm of all together, then the formula.
        clipped, expected = network(), network()
        optimizer, plain = make(clip_value=1.5, clip_norm=2.0), make()
        rng = np.random.default_rng(4)
        for _ in range(2):
            optimizer.prepare(clipped)
            plain.prepare(expected)
            for (_, p), (_, q) in zip(clipped, expected, strict=True):
                p.grad = rng.normal(scale=2, size=p.value.shape)
                q.grad = np.clip(p.grad, -1.5, 1.5)
            norm = math.sqrt(sum((q.grad**2).sum() for _, q in expected))
            assert norm > 2
            for _, q in expected:
                q.grad = q.grad * 2 / norm
            optimizer.step(clipped)
            plain.step(expected)
        for (_, p), (_, q) in zip(clipped, expected, strict=True):
            np.testing.assert_allclose(p.value, q.value, rtol=1e-11, atol=1e-13)

    @pytest.mark.parametrize("turn", [np.asarray, np.asfortranarray, lambda g: np.repeat(g, 2, 0)[::2]])
    def test_any_memory_order(self, turn):
        original = np.random.default_rng(3).normal(size=(300, 400))
        gradient = turn(original.copy())
        norm = np.linalg.norm(original)
        assert clip_norm([gradient], 1.0) == pytest.approx(norm)
        np.testing.assert_allclose(gradient, original / norm, rtol=1e-12)
        clip_values([gradient], 1e-3)
        np.testing.assert_allclose(gradient, np.clip(original / norm, -1e-3, 1e-3), rtol=1e-12)

    def test_float32_stays_float32(self):
        gradient = np.full(3, 10, np.float32)
        assert clip_norm([gradient], 1.0).dtype == gradient.dtype == np.float32


def test_flush_denormals():
    optimizer, model = Momentum(0.1, 0.9), network(np.float32)
    train(optimizer, model, 1)
    velocity = optimizer.state_dict()["velocity/0.weight"]
    velocity[0] = [1e-40, -1e-31, 1e-29, -1.0]
    kept = velocity[1:].copy()
    optimizer.flush_denormals()
    np.testing.assert_array_equal(velocity[0], np.array([0, 0, 1e-29, -1.0], np.float32))
    np.testing.assert_array_equal(velocity[1:], kept)
    assert model[0][1].value.all()  # weights are not touched


class TestErrors:
    def test_no_gradient(self):
        model = network()
        before = values(model)
        model[0][1].grad = np.ones((3, 4))
        with pytest.raises(StateError, match=r"SGD: parameter '0\.bias' has no gradient; run backward"):
            SGD().step(model)
        np.testing.assert_array_equal(model[0][1].value, before["0.weight"])  # all or nothing

    def test_gradient_that_would_broadcast(self):
        model = network()[:1]
        model[0][1].grad = np.ones(4)
        with pytest.raises(ShapeError, match=r"shape \(3, 4\) but its gradient \(4,\)"):
            SGD().step(model)

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (lambda: SGD(-0.1), "SGD: lr must be"),
            (lambda: SGD(math.nan), "lr must be"),
            (lambda: SGD(weight_decay=-1), "weight_decay"),
            (lambda: SGD(clip_norm=0), "clip_norm"),
            (lambda: SGD(clip_value=-1), "clip_value"),
            (lambda: Momentum(momentum=1.0), r"momentum must be in \[0, 1\), got 1.0"),
            (lambda: Momentum(form="nesterov"), "'outside', 'inside'"),
            (lambda: Nesterov(form="outside"), "'reformulated', 'lookahead', 'slide'"),
            (lambda: Adagrad(eps=0), "eps"),
            (lambda: RMSProp(gamma=1), "gamma"),
            (lambda: Adam(beta2=1), "beta2"),
        ],
    )
    def test_bad_options(self, make, words):
        with pytest.raises(ConfigError, match=words):
            make()


def test_threads_share_a_large_update_bit_for_bit():
    from minidl import parallel

    def trained(count):
        rng = np.random.default_rng(0)
        parameter = Parameter(rng.standard_normal((1200, 700)))
        optimizer = Adam(lr=0.01, weight_decay=0.1)
        with parallel.threads(count):
            for _ in range(2):
                parameter.grad = rng.standard_normal(parameter.value.shape)
                optimizer.step([("weight", parameter)])
        return parameter.value, optimizer.state_dict()

    (one, state_one), (two, state_two) = trained(1), trained(2)
    assert np.array_equal(one, two)
    assert all(np.array_equal(state_one[name], state_two[name]) for name in state_one)
