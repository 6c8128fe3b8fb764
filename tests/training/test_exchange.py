"""Weights to and from PyTorch."""

import numpy as np
import pytest

from minidl.errors import CheckpointError
from minidl.layers import BatchNorm, Conv2D, Dense, Flatten, MaxPool2D, ReLU, Sequential
from minidl.training import export_weights, import_weights


def model(seed, hidden=5):
    convolution = [Conv2D(4, 3), BatchNorm(), ReLU(), MaxPool2D(2)]
    net = Sequential([*convolution, Flatten(), Dense(hidden), BatchNorm(), Dense(3)])
    net.build((2, 8, 8), rng=seed)
    return net


def trained(seed):
    """A model whose running statistics and every parameter differ from their initial values."""
    net = model(seed)
    generator = np.random.default_rng(seed)
    for _ in range(3):
        net.forward(generator.normal(size=(16, 2, 8, 8)).astype(np.float32), train=True)
    for _, parameter in net.named_parameters():
        parameter.value += 0.1 * generator.normal(size=parameter.value.shape).astype(np.float32)
    return net


def torch_model(torch):
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(2, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(36, 5),
        nn.BatchNorm1d(5),
        nn.Linear(5, 3),
    ).eval()


X = np.random.default_rng(5).normal(size=(6, 2, 8, 8)).astype(np.float32)


def test_pytorch_reads_our_weights_and_computes_the_same(tmp_path):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    from safetensors.torch import load_file

    ours, theirs = trained(0), torch_model(torch)
    export_weights(ours, tmp_path / "weights.safetensors")
    theirs.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    with torch.no_grad():
        expected = theirs(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(ours.forward(X), expected, rtol=1e-5, atol=1e-5)


def test_we_read_weights_of_pytorch_and_compute_the_same(tmp_path):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    from safetensors.torch import save_file

    torch.manual_seed(0)
    theirs = torch_model(torch).train()
    with torch.no_grad():
        theirs(torch.from_numpy(X) * 2 + 1)
        expected = theirs.eval()(torch.from_numpy(X)).numpy()
    save_file(theirs.state_dict(), tmp_path / "weights.safetensors")
    ours = model(3)
    import_weights(ours, tmp_path / "weights.safetensors")
    np.testing.assert_allclose(ours.forward(X), expected, rtol=1e-5, atol=1e-5)
    assert int(ours.state_dict()["1.batches"]) == 1


def test_names_and_shapes_are_those_of_pytorch(tmp_path):
    from safetensors.numpy import load_file

    net = trained(0)
    export_weights(net, tmp_path / "weights.safetensors")
    tensors = load_file(tmp_path / "weights.safetensors")
    assert np.array_equal(tensors["5.weight"], net.state_dict()["5.weight"].T)
    assert np.array_equal(tensors["0.weight"], net.state_dict()["0.weight"])
    assert np.array_equal(tensors["1.weight"], net.state_dict()["1.gamma"])
    assert np.array_equal(tensors["1.bias"], net.state_dict()["1.beta"])
    assert np.array_equal(tensors["1.running_var"], net.state_dict()["1.running_var"])
    assert tensors["1.num_batches_tracked"].shape == () and tensors["1.num_batches_tracked"] == 3


def test_export_and_import_are_inverse(tmp_path):
    first, second = trained(0), model(1)
    export_weights(first, tmp_path / "weights.safetensors")
    import_weights(second, tmp_path / "weights.safetensors")
    for (name, x), y in zip(first.state_dict().items(), second.state_dict().values(), strict=True):
        assert np.array_equal(x, y), name


def test_weights_that_do_not_fit_are_all_named_and_nothing_is_changed(tmp_path):
    small = Sequential([Conv2D(4, 3), ReLU(), Flatten(), Dense(5)])
    small.build((2, 8, 8))
    export_weights(small, tmp_path / "weights.safetensors")
    net = model(0)
    before = {name: x.copy() for name, x in net.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        import_weights(net, tmp_path / "weights.safetensors")
    message = str(caught.value)
    assert "missing 7.weight" in message and "unexpected 3.weight" in message and "\n" not in message
    assert all(np.array_equal(x, before[name]) for name, x in net.state_dict().items())

    export_weights(model(0, hidden=7), tmp_path / "wide.safetensors")
    with pytest.raises(CheckpointError, match=r"5\.weight has shape \(7, 36\) where the model has \(5, 36\)"):
        import_weights(net, tmp_path / "wide.safetensors")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(CheckpointError, match="no such"):
        import_weights(model(0), tmp_path / "nothing.safetensors")
    (tmp_path / "damaged.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}")
    with pytest.raises(CheckpointError, match="not a complete safetensors file"):
        import_weights(model(0), tmp_path / "damaged.safetensors")


def test_types_that_numpy_lacks(tmp_path):
    torch = pytest.importorskip("torch", reason="writes bfloat16")
    from safetensors.torch import save_file

    save_file({"0.weight": torch.zeros(3, dtype=torch.bfloat16)}, tmp_path / "half.safetensors")
    with pytest.raises(CheckpointError):
        import_weights(model(0), tmp_path / "half.safetensors")
