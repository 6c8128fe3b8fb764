"""The source of a PyTorch module, and models with everything in them through files and back."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from minidl.errors import CheckpointError, ConfigError, StateError
from minidl.layers import (
    ELU,
    AvgPool2D,
    BatchNorm,
    Branches,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    Identity,
    L2Pool2D,
    LeakyReLU,
    MaxPool2D,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from minidl.layers.catalogue import LAYERS
from minidl.layers.foreign import Foreign
from minidl.training import export_weights, import_weights, torch_source

INPUT = (2, 10, 9)


def everything():
    """Every layer with parameters or a choice of conventions, nested, with names that must agree."""
    left = Sequential(
        [AvgPool2D(3, stride=1, padding="same"), Conv2D(2, 2, padding=((0, 1), (1, 0)), bias=False)]
    )
    return Sequential(
        [
            *(Conv2D(4, 3, padding="same"), BatchNorm(momentum=0.8, eps=1e-3), ReLU()),
            *(MaxPool2D(3, stride=2, padding="same"), Dropout(0.3)),
            Residual(Sequential([Conv2D(4, 3, padding=1), Tanh()])),
            Residual(
                Conv2D(6, (2, 1), stride=2), shortcut=Sequential([Conv2D(6, (3, 1), stride=2), BatchNorm()])
            ),
            Branches({"left": left, "right": Residual(Identity())}, merge="concat"),
            *(L2Pool2D(2, stride=1), LeakyReLU(0.2), Flatten(), Dense(6), BatchNorm(), Sigmoid()),
            *(
                Reshape((6, 1, 1)),
                GlobalAvgPool2D(),
                Dense(5, bias=False),
                Dropout(0.4, scaling="test"),
                ELU(0.5),
            ),
            *(Sequential([Dense(3)]), Softmax()),
        ]
    )


def built(dtype, seed=0, make=everything):
    """A model whose running statistics differ from their start."""
    model = make()
    model.build(INPUT, rng=seed, dtype=dtype)
    for step in range(2):
        x = np.random.default_rng(step).normal(0.5, 2, size=(12, *INPUT)).astype(dtype)
        model.forward(x, train=True)
    return model


def run_source(model, weights=None):
    """Return the module that the source defines."""
    names = {}
    exec(torch_source(model, weights), names)
    return names["model"].eval()


def images(dtype, shape=INPUT):
    return np.random.default_rng(7).normal(size=(5, *shape)).astype(dtype)


TOLERANCE = {np.float32: 2e-6, np.float64: 1e-12}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pytorch_takes_our_weights_and_computes_the_same(tmp_path, monkeypatch, dtype):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    ours = built(dtype)
    export_weights(ours, tmp_path / "weights.safetensors")
    monkeypatch.chdir(tmp_path)
    theirs = run_source(ours, "weights.safetensors")  # which loads the file itself, strictly
    with torch.no_grad():
        outputs = theirs(torch.from_numpy(images(dtype))).numpy()
    assert outputs.dtype == dtype
    np.testing.assert_allclose(outputs, ours.forward(images(dtype)), rtol=0, atol=TOLERANCE[dtype])
    assert np.ptp(outputs) > 0.01


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_we_take_weights_that_pytorch_has_trained(tmp_path, dtype):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    from safetensors.torch import save_file as save_torch

    ours = built(dtype, seed=1)
    torch.manual_seed(0)
    theirs = run_source(ours).train()
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        theirs(torch.from_numpy(images(dtype)))[:, 0].mean().backward()
        optimizer.step()
    theirs.eval()
    save_torch(theirs.state_dict(), tmp_path / "theirs.safetensors")
    import_weights(ours, tmp_path / "theirs.safetensors")
    with torch.no_grad():
        expected = theirs(torch.from_numpy(images(dtype))).numpy()
    np.testing.assert_allclose(ours.forward(images(dtype)), expected, rtol=0, atol=TOLERANCE[dtype])
    # And back into PyTorch, bit for bit.
    export_weights(ours, tmp_path / "ours.safetensors")
    back = load_file(tmp_path / "ours.safetensors")
    assert all(np.array_equal(back[name], tensor.numpy()) for name, tensor in theirs.state_dict().items())


CASES = [
    case for case in LAYERS if not any(isinstance(layer, Foreign) for _, layer in case.make().named_layers())
]


@pytest.mark.parametrize("case", CASES, ids=[case.label for case in CASES])
def test_every_layer_of_the_catalogue(tmp_path, case):
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    ours = case.make()
    ours.build(case.input_shape, rng=2, dtype=np.float64)
    x = images(np.float64, case.input_shape)
    ours.forward(x, train=True)
    export_weights(ours, tmp_path / "weights.safetensors")
    theirs = run_source(ours)
    state = {
        name: torch.from_numpy(np.array(x)) for name, x in load_file(tmp_path / "weights.safetensors").items()
    }
    theirs.load_state_dict(state)
    with torch.no_grad():
        outputs = theirs(torch.from_numpy(x))
    expected = ours.forward(x)
    if not isinstance(expected, tuple):
        outputs, expected = (outputs,), (expected,)
    for output, wanted in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(output.numpy(), wanted, rtol=1e-10, atol=1e-12)


def test_training_agrees_but_for_the_first_running_averages():
    """The documented conventions: momentum is 1 - momentum, eps and the unbiased variance are alike."""
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    ours = Sequential([BatchNorm(momentum=0.75)])
    ours.build((3,), dtype=np.float64)
    theirs = run_source(ours).train()
    generator = np.random.default_rng(0)
    differences = []
    for step in range(12):
        x = generator.normal(2, 3, size=(8, 3))
        if step == 4:  # from batch 1 / (1 - 0.75) = 4 on, both follow the same rule
            for name in ("running_mean", "running_var"):
                getattr(theirs[0], name).copy_(torch.from_numpy(ours.layers[0].buffers[name]))
        y, expected = ours.forward(x, train=True), theirs(torch.from_numpy(x)).detach().numpy()
        np.testing.assert_allclose(y, expected, rtol=1e-10)
        differences.append(
            np.abs(ours.layers[0].buffers["running_var"] - theirs[0].running_var.numpy()).max()
        )
    assert min(differences[:4]) > 0.1 and max(differences[4:]) < 1e-12


# Without PyTorch ------------------------------------------------------------------------------------


def test_the_source_of_a_small_network():
    model = Sequential([Conv2D(20, 5), MaxPool2D(2), ReLU(), Flatten(), Dropout(0.5), Dense(10)])
    model.build((1, 28, 28))
    assert torch_source(model, "rung.safetensors") == (
        "import torch\n"
        "from safetensors.torch import load_file\n"
        "from torch import nn\n"
        "\n"
        "model = nn.Sequential(\n"
        "    nn.Conv2d(1, 20, kernel_size=(5, 5)),\n"
        "    nn.MaxPool2d((2, 2)),\n"
        "    nn.ReLU(),\n"
        "    nn.Flatten(),\n"
        "    nn.Dropout(0.5),\n"
        "    nn.Linear(2880, 10),\n"
        ")\n"
        "\n"
        'model.load_state_dict(load_file("rung.safetensors"))\n'
        "model.eval()"
    )


def test_the_source_is_python_and_double_where_the_model_is():
    for dtype, double in ((np.float32, False), (np.float64, True)):
        source = torch_source(built(dtype))
        compile(source, "model.py", "exec")
        assert (".double()" in source) == double
        assert source.count("class Residual") == 1 and "momentum=0.2" in source and "eps=0.001" in source


def test_names_of_nested_layers_and_a_file_made_by_hand(tmp_path):
    """The names that PyTorch gives to the same structure, typed here."""
    model = Sequential(
        [Residual(Sequential([Conv2D(2, 1), BatchNorm()])), Flatten(), Branches({"a": Dense(3)})]
    )
    model.build((2, 2, 1), dtype=np.float64)
    generator = np.random.default_rng(0)
    arrays = {
        "0.body.0.weight": generator.normal(size=(2, 2, 1, 1)),
        "0.body.0.bias": generator.normal(size=2),
        "0.body.1.weight": generator.normal(size=2),
        "0.body.1.bias": generator.normal(size=2),
        "0.body.1.running_mean": generator.normal(size=2),
        "0.body.1.running_var": generator.uniform(1, 2, size=2),
        "0.body.1.num_batches_tracked": np.array(41),
        "2.a.weight": generator.normal(size=(3, 4)),
        "2.a.bias": generator.normal(size=3),
    }
    save_file(arrays, tmp_path / "torch.safetensors")
    import_weights(model, tmp_path / "torch.safetensors")
    export_weights(model, tmp_path / "ours.safetensors")
    back = load_file(tmp_path / "ours.safetensors")
    assert back.keys() == arrays.keys()
    assert all(np.array_equal(back[name], x) for name, x in arrays.items())

    # The formula, written out for one example.
    x = generator.normal(size=(1, 2, 2, 1))
    z = (
        np.einsum("oc,nchw->nohw", arrays["0.body.0.weight"][:, :, 0, 0], x)
        + arrays["0.body.0.bias"][:, None, None]
    )
    mean, var = (arrays[f"0.body.1.running_{name}"][:, None, None] for name in ("mean", "var"))
    z = (z - mean) / np.sqrt(var + 1e-5) * arrays["0.body.1.weight"][:, None, None]
    z = x + z + arrays["0.body.1.bias"][:, None, None]
    expected = z.reshape(1, 4) @ arrays["2.a.weight"].T + arrays["2.a.bias"]
    np.testing.assert_allclose(model.forward(x)[0], expected, rtol=1e-12)


def test_our_weights_come_back_from_a_file_bit_for_bit(tmp_path):
    first, second = built(np.float32, seed=1), built(np.float32, seed=2)
    export_weights(first, tmp_path / "weights.safetensors")
    import_weights(second, tmp_path / "weights.safetensors")
    assert all(np.array_equal(x, second.state_dict()[name]) for name, x in first.state_dict().items())
    assert np.array_equal(first.forward(images(np.float32)), second.forward(images(np.float32)))


def test_what_has_no_equivalent_is_said():
    class Mine:
        def forward(self, x):
            return x

        def backward(self, dy):
            return dy

    model = Sequential([Dense(2), Mine()])
    with pytest.raises(StateError, match="call build"):
        torch_source(model)
    model.build((3,))
    with pytest.raises(ConfigError, match=r"layer 1 \(Mine\): Mine is a layer of your own"):
        torch_source(model)


def test_a_matrix_that_is_not_transposed_does_not_fit(tmp_path):
    model = Sequential([Dense(3, bias=False)])
    model.build((2,))
    save_file({"0.weight": np.zeros((2, 3), np.float32)}, tmp_path / "wrong.safetensors")
    with pytest.raises(CheckpointError, match=r"0.weight has shape \(2, 3\) where the model has \(3, 2\)"):
        import_weights(model, tmp_path / "wrong.safetensors")
