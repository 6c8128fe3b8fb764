"""Several tasks at once: the weighted sum, uncertainty, soft sharing, and the way through a Trainer."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from minidl.errors import ConfigError, DataError, ShapeError, StateError
from minidl.layers import Branches, Dense, Flatten, ReLU, Sequential, Tanh
from minidl.losses import MeanSquaredError, SoftmaxCrossEntropy
from minidl.multitask import MultiTaskLoss, SoftSharing, TaskLoader, together
from minidl.optimizers import SGD, Adam
from minidl.regularizers import L2
from minidl.training import Trainer, evaluate, predict
from tests.training.toys import blobs

RNG = np.random.default_rng(0)


def squares(**options):
    return MultiTaskLoss({"a": MeanSquaredError(), "b": MeanSquaredError()}, **options)


def pair(a=1.0, b=2.0, dtype=np.float64):
    """Outputs of one example and targets 0: losses a^2 and b^2, gradients 2a and 2b."""
    zero = np.zeros((1, 1), dtype)
    return (zero + dtype(a), zero + dtype(b)), (zero, zero)


def test_weighted_sum_by_hand():
    # 1 + 4 = 5, gradients 2 and 4; with weights 3 and 0.5: 3 + 2 = 5, gradients 6 and 2.
    loss = squares()
    assert loss.forward(*pair()) == 5
    assert [float(g[0, 0]) for g in loss.backward()] == [2, 4]
    assert loss.values() == {"a": 1, "b": 4} and loss.sigmas() == {}
    loss = squares(weights={"a": 3, "b": 0.5})
    assert loss.forward(*pair()) == 5
    assert [float(g[0, 0]) for g in loss.backward()] == [6, 2]
    assert loss.values() == {"a": 1, "b": 4}
    assert squares(weights={"b": 2}).forward(*pair()) == 1 + 8  # 1 where none is given


def test_uncertainty_by_hand():
    # sigma = (1, 2) and losses 1, 4. Regression: 1/2 + log 1 + 4/(2*4) + log 2 = 1 + log 2.
    # Gradients of the outputs: 2 * 1/2 = 1, 4 * 1/8 = 1/2. Of log sigma: 1 - 1/1 = 0 and 1 - 4/4 = 0:
    # sigma^2 = L is where it comes to rest.
    loss = squares(uncertainty="regression")
    ((name, parameter),) = loss.named_parameters()
    assert name == "loss.log_sigma" and parameter.value.tolist() == [0, 0] and not parameter.decay
    loss.load_state_dict({"log_sigma": np.log([1.0, 2.0])})
    assert loss.forward(*pair()) == pytest.approx(1 + math.log(2), rel=1e-15)
    assert [float(g[0, 0]) for g in loss.backward()] == pytest.approx([1, 0.5])
    np.testing.assert_allclose(parameter.grad, [0, 0], atol=1e-15)
    assert loss.sigmas() == pytest.approx({"a": 1, "b": 2})
    # Classification: 1 + 4/4 + log 2, gradients 2 and 4/4, and 1 - 2 = -1 for both.
    loss = squares(uncertainty="classification")
    loss.load_state_dict({"log_sigma": np.log([1.0, 2.0])})
    assert loss.forward(*pair()) == pytest.approx(2 + math.log(2), rel=1e-15)
    assert [float(g[0, 0]) for g in loss.backward()] == pytest.approx([2, 1])
    ((_, parameter),) = loss.named_parameters()
    np.testing.assert_allclose(parameter.grad, [-1, -1])
    mixed = squares(uncertainty={"a": "classification", "b": "regression"})
    assert mixed.forward(*pair()) == pytest.approx(1 + 2)


@pytest.mark.parametrize("options", [{}, {"weights": {"digit": 0.3}}, {"uncertainty": "classification"},
                                     {"uncertainty": {"digit": "classification", "size": "regression"}}])  # fmt: skip
def test_gradients_agree_with_central_differences(options):
    rng = np.random.default_rng(1)
    loss = MultiTaskLoss({"digit": SoftmaxCrossEntropy(), "size": MeanSquaredError()}, **options)
    outputs = (rng.normal(size=(5, 4)), rng.normal(size=(5, 2)))
    targets = {"size": rng.normal(size=(5, 2)), "digit": rng.integers(4, size=5)}  # in any order
    if "uncertainty" in options:
        loss.load_state_dict({"log_sigma": np.array([0.4, -0.3])})
    loss.forward(outputs, targets)
    gradients = list(loss.backward())
    arrays = list(outputs)
    for _, parameter in loss.named_parameters():
        arrays.append(parameter.value)
        gradients.append(parameter.grad)
    assert len(arrays) == (3 if "uncertainty" in options else 2)
    h = 1e-6
    for array, gradient in zip(arrays, gradients, strict=True):
        for index in np.ndindex(array.shape):
            kept = array[index]
            array[index] = kept + h
            ahead = loss.forward(outputs, targets)
            array[index] = kept - h
            behind = loss.forward(outputs, targets)
            array[index] = kept
            assert gradient[index] == pytest.approx((ahead - behind) / (2 * h), rel=1e-6, abs=1e-9)


def test_float32_stays_float32():
    for options in ({"weights": {"a": 0.1}}, {"uncertainty": "regression"}):
        loss = squares(**options)
        assert loss.forward(*pair(dtype=np.float32)).dtype == np.float32
        assert all(gradient.dtype == np.float32 for gradient in loss.backward())
        assert all(p.value.dtype == p.grad.dtype == np.float32 for _, p in loss.named_parameters())


def test_trained_uncertainty_comes_to_rest_at_the_size_of_the_losses():
    # Losses 4 and 0.25 that never change: sigma^2 = L in the regression form, 2 L in the other.
    for form, factor in (("regression", 1), ("classification", 2)):
        loss, optimizer = squares(uncertainty=form), SGD(0.2)
        for _ in range(200):
            loss.forward(*pair(2, 0.5))
            loss.backward()
            optimizer.step(loss.named_parameters())
        assert [sigma**2 for sigma in loss.sigmas().values()] == pytest.approx([4 * factor, 0.25 * factor])


def test_refusals_of_the_loss():
    mse = MeanSquaredError()
    for make, message in [
        (lambda: MultiTaskLoss({}), "at least one loss"),
        (lambda: MultiTaskLoss([mse]), "losses must be a dictionary"),
        (lambda: squares(weights={"c": 1}), "weights names no task 'c'; there are a, b"),
        (lambda: squares(weights={"a": -1}), "weights must be finite numbers >= 0"),
        (lambda: squares(weights={"a": 0, "b": 0}), "not all 0"),
        (lambda: squares(uncertainty="kendall"), "uncertainty of 'a' must be one of .*, got 'kendall'"),
        (lambda: squares(uncertainty={"a": "regression"}), "uncertainty of 'b' must be one of .*, got None"),
        (lambda: squares(weights={"a": 1}, uncertainty="regression"), "leave weights out"),
    ]:
        with pytest.raises(ConfigError, match=message):
            make()
    loss, (outputs, targets) = squares(), pair()
    with pytest.raises(ShapeError, match="expected a tuple of 2 outputs for a, b, got one array"):
        loss.forward(outputs[0], targets)
    with pytest.raises(ShapeError, match="got 3 outputs"):
        loss.forward((*outputs, outputs[0]), targets)
    with pytest.raises(ShapeError, match="expected targets for a, b, got them for a"):
        loss.forward(outputs, {"a": targets[0]})
    with pytest.raises(ShapeError, match="as a dictionary or as a tuple"):
        loss.forward(outputs, targets[0])
    with pytest.raises(StateError, match="backward was called before forward"):
        loss.backward()
    with pytest.raises(StateError, match="before forward"):
        loss.values()


# Hard sharing ------------------------------------------------------------------------------------


def tasks(split):
    return {"class": split.labels, "first": (split.labels == 0).astype(np.int64)}


def hard(seed=0, dtype=np.float32):
    heads = Branches({"class": Dense(3), "first": Dense(2)})
    model = Sequential([Flatten(), Dense(12), ReLU(), heads])
    model.build((6,), rng=seed, dtype=dtype)
    return model


def task_loss(**options):
    return MultiTaskLoss({"class": SoftmaxCrossEntropy(), "first": SoftmaxCrossEntropy()}, **options)


def task_loader(split, **options):
    return TaskLoader(split.images, tasks(split), 20, scale=1, **options)


def test_the_encoder_gets_the_gradients_of_both_heads():
    model, split = hard(dtype=np.float64), blobs(20)
    x = split.images.astype(np.float64)
    shared = model.layers[1].parameters["weight"]

    def gradient(**weights):
        loss = task_loss(weights=weights)
        loss.forward(model.forward(x, train=True), tasks(split))
        model.backward(loss.backward())
        return shared.grad.copy()

    one, other = gradient(first=0), gradient(**{"class": 0})
    np.testing.assert_allclose(gradient(first=0.5), one + 0.5 * other, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("uncertainty", [None, "classification"])
def test_a_hand_written_loop_and_a_trainer_take_the_same_steps(uncertainty):
    split = blobs()
    model, loss, optimizer = hard(), task_loss(uncertainty=uncertainty), Adam(0.01)
    parameters = [*model.named_parameters(), *loss.named_parameters()]
    for epoch in range(3):
        for x, y in task_loader(split).epoch(epoch):
            loss.forward(model.forward(x, train=True), y)
            model.backward(loss.backward())
            optimizer.step(parameters)

    run = Trainer(hard(), task_loss(uncertainty=uncertainty), Adam(0.01))
    history = run.fit(task_loader(split), 3, task_loader(blobs(seed=1), shuffle="never"))
    assert all(np.array_equal(x, model.state_dict()[name]) for name, x in run.model.state_dict().items())
    assert run.loss.sigmas() == loss.sigmas()
    if uncertainty:
        assert all(sigma != 1 for sigma in loss.sigmas().values())
    # Accuracy is that of the main task, the first.
    guesses = predict(run.model, blobs(seed=1).images)
    assert isinstance(guesses, tuple) and [head.shape for head in guesses] == [(120, 3), (120, 2)]
    assert history["val_accuracy"][-1] == np.mean(guesses[0].argmax(axis=1) == blobs(seed=1).labels)
    assert history["train_accuracy"][-1] > 0.6
    run.restore_best()


def test_evaluation_with_a_column_of_labels_for_each_head():
    model, split = hard(), blobs(50)
    loss = task_loss()
    outputs = model.forward(split.images)
    expected = float(loss.forward(outputs, tasks(split)))
    right = np.mean(outputs[0].argmax(axis=1) == split.labels)
    named = SimpleNamespace(images=split.images, labels=tasks(split))
    in_order = SimpleNamespace(images=split.images, labels=tuple(tasks(split).values()))
    for data in (named, in_order, task_loader(split)):
        for batch_size in (7, 50):
            score = evaluate(model, loss, data, batch_size=batch_size)
            assert score.loss == pytest.approx(expected, rel=1e-6) and score.accuracy == pytest.approx(right)
    short = {"class": split.labels, "first": split.labels[:-1]}
    with pytest.raises(ShapeError, match="50 images but 49 labels"):
        evaluate(model, loss, SimpleNamespace(images=split.images, labels=short))


def test_predictions_of_several_heads_do_not_depend_on_the_batches():
    model, images = hard(), blobs(50).images
    whole = predict(model, images)
    for part, all_at_once in zip(predict(model, images, batch_size=7), whole, strict=True):
        np.testing.assert_allclose(part, all_at_once, rtol=2e-6, atol=2e-6)


def test_the_task_loader_keeps_images_and_targets_together():
    split = blobs(50)
    numbered = TaskLoader(
        np.arange(50, dtype=np.uint8)[:, None], {"row": np.arange(50), "soft": np.arange(100).reshape(50, 2)}, 8,
        scale=1,
    )  # fmt: skip
    assert len(numbered) == 7
    seen = []
    for x, y in numbered.epoch(3):
        assert np.array_equal(x[:, 0], y["row"]) and np.array_equal(y["soft"][:, 0], 2 * y["row"])
        seen += y["row"].tolist()
    assert sorted(seen) == list(range(50)) != seen
    assert task_loader(split).scale == 1
    with pytest.raises(DataError, match="there are no targets"):
        TaskLoader(split.images, {}, 8)
    with pytest.raises(DataError, match=r"50 images but targets of shape \(49,\) for 'class'"):
        TaskLoader(split.images, {"class": split.labels[:-1]}, 8)
    with pytest.raises(ConfigError, match="cannot be mixed"):
        task_loader(split, mix=lambda x, y, generator: (x, y))


def test_trained_uncertainty_is_part_of_the_run(tmp_path):
    def make(folder):
        loss = task_loss(uncertainty="classification")
        return Trainer(hard(), loss, Adam(0.01), run_dir=tmp_path / folder, regularizers=[L2(0.01)])

    split, validation = blobs(), task_loader(blobs(seed=1), shuffle="never")
    whole = make("whole")
    whole.fit(task_loader(split), 4, validation)
    make("parts").fit(task_loader(split), 2, validation)
    resumed = make("parts")
    history = resumed.fit(task_loader(split), 4, validation, resume=True)
    assert history.rows == whole.history.rows and resumed.loss.sigmas() == whole.loss.sigmas()
    last = "checkpoints/last.safetensors"
    assert (tmp_path / "parts" / last).read_bytes() == (tmp_path / "whole" / last).read_bytes()


# Soft sharing ------------------------------------------------------------------------------------


def soft(dtype=np.float64):
    """Two whole networks, one for each task."""

    def network(classes):
        return Sequential([Dense(4), Tanh(), Dense(classes)])

    model = Branches({"class": network(3), "first": network(2)})
    model.build((6,), rng=0, dtype=dtype)
    return model


def test_soft_sharing_by_hand():
    # w = (1, 5) and v = (3, 2): squared distance 4 + 9 = 13; with strength 0.5 the penalty is 0.25 * 13.
    # Gradient of w: 0.5 * (-2, 3), of v the negative.
    one, other = (Sequential([Dense(2, bias=False)]) for _ in range(2))
    for model, values in ((one, [[1.0, 5.0]]), (other, [[3.0, 2.0]])):
        model.build((1,), dtype=np.float64)
        model.load_state_dict({"0.weight": np.array(values)})
        model.layers[0].parameters["weight"].grad = np.ones((1, 2))
    parameters = together(left=one, right=other)
    assert [name for name, _ in parameters] == ["left.0.weight", "right.0.weight"]
    sharing = SoftSharing(0.5, between=("left", "right"))
    assert sharing.penalty(parameters) == 0.25 * 13
    sharing.add_gradient(parameters)
    assert parameters[0][1].grad.tolist() == [[1 - 1, 1 + 1.5]]
    assert parameters[1][1].grad.tolist() == [[1 + 1, 1 - 1.5]]


def test_what_is_shared():
    parameters = list(soft().named_parameters())

    def shared(**options):
        names = [a[0] for a, _ in SoftSharing(1.0, ("class", "first"), **options).pairs(parameters)]
        return [name.removeprefix("class.") for name in names]

    assert shared() == ["0.weight", "0.bias"]  # the heads differ in size
    assert shared(only=["0.weight"]) == ["0.weight"] and shared(only=["0", "2"]) == shared()
    with pytest.raises(ConfigError, match="no parameter in the same place"):
        shared(only=["2"])
    with pytest.raises(ConfigError, match="no parameter in the same place"):
        SoftSharing(1.0, ("class", "third")).pairs(parameters)
    for between in ("class", ("class",), ("class", "class")):
        with pytest.raises(ConfigError, match="two or more different networks"):
            SoftSharing(1.0, between)
    with pytest.raises(ConfigError, match="strength"):
        SoftSharing(-1.0, ("class", "first"))
    with pytest.raises(ConfigError, match="only must be a list"):
        SoftSharing(1.0, ("class", "first"), only="0")
    with pytest.raises(StateError, match="has no gradient"):
        SoftSharing(1.0, ("class", "first")).add_gradient(parameters)


@pytest.mark.parametrize("networks", [2, 3])
def test_gradient_of_soft_sharing_agrees_with_central_differences(networks):
    names = [f"n{i}" for i in range(networks)]
    model = Branches({name: Sequential([Dense(2), Tanh()]) for name in names})
    model.build((3,), rng=1, dtype=np.float64)
    parameters = list(model.named_parameters())
    for _, parameter in parameters:
        parameter.value += RNG.normal(size=parameter.value.shape)
        parameter.grad = np.zeros_like(parameter.value)
    sharing, h = SoftSharing(0.7, names), 1e-6
    sharing.add_gradient(parameters)
    for _, parameter in parameters:
        for index in np.ndindex(parameter.value.shape):
            kept = parameter.value[index]
            parameter.value[index] = kept + h
            ahead = sharing.penalty(parameters)
            parameter.value[index] = kept - h
            behind = sharing.penalty(parameters)
            parameter.value[index] = kept
            assert parameter.grad[index] == pytest.approx((ahead - behind) / (2 * h), rel=1e-6, abs=1e-8)


def test_a_frozen_side_is_not_pulled():
    model = soft()
    parameters = list(model.named_parameters())
    for name, parameter in parameters:
        parameter.grad = np.zeros_like(parameter.value)
        parameter.frozen = name.startswith("class.")
    SoftSharing(1.0, ("class", "first")).add_gradient(parameters)
    grads = {name: parameter.grad.any() for name, parameter in parameters}
    assert grads["first.0.weight"] and not grads["class.0.weight"]


def test_soft_sharing_in_a_trainer_brings_the_networks_together():
    def distance(strength):
        model = soft(np.float32)
        sharing = SoftSharing(strength, ("class", "first"))
        run = Trainer(model, task_loss(), SGD(0.1), regularizers=[sharing])
        history = run.fit(task_loader(blobs()), 5, task_loader(blobs(seed=1)))
        assert history["penalty"][-1] == pytest.approx(sharing.penalty(model.named_parameters()))
        return SoftSharing(2.0, ("class", "first")).penalty(model.named_parameters())

    free, loose, tight = distance(0.0), distance(0.05), distance(1.0)
    assert free > loose > tight and tight < 0.05 * free
