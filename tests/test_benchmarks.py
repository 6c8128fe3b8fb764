"""The benchmark measures what it says: the same network in both libraries, the right operation counts."""

import json

import numpy as np
import pytest

from benchmarks import layers as layer_grid
from benchmarks import models, monitoring, train_step
from minidl.losses import SoftmaxCrossEntropy


def test_useful_operations_by_hand():
    # Rung 1: convolution 24*24*20 outputs of 25 products, pooled to 12*12*20 = 2,880; 2,880 to 100 to 10.
    # Forward 2 * (288,000 + 288,000 + 1,000) = 1,154,000; training three times that, less the
    # convolution's gradient for the image, 2 * 288,000: 3 * 1,154,000 - 576,000 = 2,886,000.
    assert models.training_flops(models.minidl_model("1")) == 2_886_000


def test_the_networks_are_those_of_the_lecture():
    counts = {rung: models.minidl_model(rung).parameter_count() for rung in ("0", "1", "3", "10")}
    assert counts == {"0": 79_510, "1": 289_630, "3": 85_670, "10": 1_672_570}


@pytest.mark.parametrize("rung", ["0", "1", "3"])
def test_the_twin_computes_the_same_loss_and_gradients(rung):
    torch = pytest.importorskip("torch", reason="the twin is a PyTorch network")
    model = models.minidl_model(rung)
    twin = models.torch_twin(model)
    # The lecture's softmax layer starts at zero, which would hide every gradient below it.
    rng = np.random.default_rng(1)
    for (_, ours), theirs in zip(model.named_parameters(), twin.parameters(), strict=True):
        if ours.decay:
            ours.value += rng.normal(0, 0.02, ours.value.shape).astype(np.float32)
            value = ours.value.T if ours.value.ndim == 2 else ours.value
            with torch.no_grad():
                theirs.copy_(torch.from_numpy(value.copy()))
    ((x, y),) = models.random_batches(6, 1)
    loss = SoftmaxCrossEntropy()
    ours = loss.forward(model.forward(x, train=True), y)
    model.backward_parameters(loss.backward())
    theirs = torch.nn.functional.cross_entropy(twin(torch.from_numpy(x)), torch.from_numpy(y))
    theirs.backward()
    np.testing.assert_allclose(ours, theirs.item(), rtol=1e-5)
    for (name, parameter), other in zip(model.named_parameters(), twin.parameters(), strict=True):
        grad = parameter.grad.T if parameter.grad.ndim == 2 else parameter.grad
        other = other.grad.numpy()
        np.testing.assert_allclose(grad, other, rtol=1e-3, atol=1e-5 * np.abs(other).max(), err_msg=name)


def test_a_short_run_of_minidl_alone(tmp_path, capsys):
    file = tmp_path / "out" / "step.json"
    words = "--rungs 0 --batches 10,4 --threads 1 --seconds 0.05 --rounds 2 --no-torch --json".split()
    assert train_step.main([*words, str(file)]) == 0
    record = json.loads(file.read_text())
    assert [(result["rung"], result["batch"]) for result in record["results"]] == [("0", 10), ("0", 4)]
    entry, alone = record["results"][0]["contestants"]
    assert entry["framework"] == "minidl" and entry["threads"] == 1
    assert 0 < entry["minimum_us"] <= entry["median_us"]
    assert alone["framework"] == "products" and alone["minimum_us"] < entry["minimum_us"]
    assert record["machine"]["packages"]["numpy"] == np.__version__
    assert record["sgemm_gflops"]["1"] > 0
    # 784*100 and 100*10 products: 3 * 2 * 79,400 - 2 * 78,400 = 319,600 for an example.
    assert record["results"][0]["useful_flops_per_step"] == 10 * 319_600
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.startswith("   0 ")]) == 2
    assert len([line for line in lines if "the matrix products alone take" in line]) == 2


def test_the_products_of_a_step_and_nothing_else(monkeypatch):
    """Rung 0: 784 to 100 to 10, three products for each dense layer but the first, which has two."""
    called = []
    for name in ("dense_forward", "dense_backward_weight", "dense_backward_input"):
        plain = getattr(train_step.products, name)
        monkeypatch.setattr(
            train_step.products,
            name,
            lambda a, b, out, name=name, plain=plain: (
                called.append((name, a.shape, b.shape)),
                plain(a, b, out),
            )[1],
        )
    step = train_step.products_step("0", models.random_batches(6, 1))
    assert np.isfinite(step(0))
    assert called == [
        ("dense_forward", (6, 784), (784, 100)), ("dense_backward_weight", (6, 784), (6, 100)),
        ("dense_forward", (6, 100), (100, 10)), ("dense_backward_weight", (6, 100), (6, 10)),
        ("dense_backward_input", (6, 10), (100, 10)),
    ]  # fmt: skip
    assert train_step.products_step("1", models.random_batches(6, 1)) is None


def test_a_run_beside_pytorch_gives_the_ratio(tmp_path, capsys):
    pytest.importorskip("torch", reason="the peer of this benchmark")
    file = tmp_path / "step.json"
    words = "--rungs 0 --batches 4 --threads 1 --seconds 0.05 --rounds 1 --json".split()
    assert train_step.main([*words, str(file)]) == 0
    (result,) = json.loads(file.read_text())["results"]
    best = {
        name: min(entry["median_us"] for entry in result["contestants"] if entry["framework"] == name)
        for name in ("minidl", "PyTorch")
    }
    assert result["torch_over_minidl_median"] == pytest.approx(best["PyTorch"] / best["minidl"], rel=0.01)
    assert "PyTorch" in capsys.readouterr().out


def test_contestants_that_compute_different_networks_are_refused():
    entries = [
        train_step.Contestant("minidl", "", 1, lambda number: 2.30),
        train_step.Contestant("PyTorch", "", 1, lambda number: 2.31),
    ]
    with pytest.raises(RuntimeError, match="do not compute the same network"):
        train_step.require_same_loss(entries)


@pytest.mark.parametrize("words", [["--batches", "0"], ["--batches", "x"], ["--seconds", "0"]])
def test_a_wrong_option_exits_with_2(words, capsys):
    with pytest.raises(SystemExit) as exit_:
        train_step.main(words)
    assert exit_.value.code == 2
    assert "error" in capsys.readouterr().err


def test_the_cost_of_monitoring_is_measured_in_pairs(tmp_path, capsys):
    words = "--rungs 0 --batches 10 --images 60 --epochs 2 --pairs 3 --json".split()
    assert monitoring.main([*words, str(tmp_path / "cost.json")]) == 0
    (result,) = json.loads((tmp_path / "cost.json").read_text())["results"]
    assert len(result["later_pairs"]) == 3 and result["look_ms"] > 0
    assert result["later"] == sorted(result["later_pairs"])[1]
    assert "monitor:" not in capsys.readouterr().err  # noise teaches nothing: no warnings about it


def test_the_grid_has_the_same_layers_in_both_libraries():
    """Each case once: minidl's outputs and gradients are PyTorch's, but for the random masks of dropout."""
    torch = pytest.importorskip("torch", reason="the other side of the grid is PyTorch")
    for case in layer_grid.cases():
        if case.kind == "dropout" or case.shape[0] * np.prod(case.shape[1:]) > 20_000:
            continue
        layer = case.layer()
        layer.build(case.shape, rng=0)
        x = np.random.default_rng(0).standard_normal((3, *case.shape), dtype=np.float32)
        values = [torch.from_numpy(p.value.copy()).requires_grad_() for _, p in layer.named_parameters()]
        images = torch.from_numpy(x).requires_grad_()
        theirs = case.functional(torch.nn.functional, images, values)
        ours = layer.forward(x, train=True)
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-3, atol=1e-4, err_msg=case.name)
        dy = np.random.default_rng(1).standard_normal(ours.shape, dtype=np.float32)
        grads = torch.autograd.grad(theirs, [images, *values], torch.from_numpy(dy))
        mine = [layer.backward(dy), *(p.grad for _, p in layer.named_parameters())]
        for a, b in zip(mine, grads, strict=True):
            scale = float(np.abs(b.numpy()).max())
            np.testing.assert_allclose(a, b.numpy(), rtol=1e-3, atol=1e-4 * max(scale, 1), err_msg=case.name)


def test_a_short_run_of_the_grid(tmp_path, capsys):
    file = tmp_path / "layers.json"
    words = "--kinds loss,dropout --batch 4 --threads 1 --seconds 0.02 --rounds 1 --no-torch --json".split()
    assert layer_grid.main([*words, str(file)]) == 0
    record = json.loads(file.read_text())
    assert {result["kind"] for result in record["results"]} == {"loss", "dropout"}
    assert all(result["both"]["minidl"]["median_us"] > 0 for result in record["results"])
    assert "SoftmaxCrossEntropy of 10" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        layer_grid.main(["--kinds", "pol"])
    assert "there is no pol" in capsys.readouterr().err


def test_the_means_by_hand():
    results = [{"kind": "conv", "both": {"ratio": ratio}} for ratio in (0.5, 2.0, 8.0)] + [
        {"kind": "loss", "both": {}}
    ]
    assert layer_grid.means(results) == {"conv": {"geometric_mean": 2.0, "lowest": 0.5}}
