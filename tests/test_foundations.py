"""Seeds, files, array libraries and initial weights: what everything else stands on."""

import doctest
import json
import math
import os
import stat
import subprocess
import sys
import types
import zlib

import numpy as np
import pytest

import minidl.random
from minidl import backend, files
from minidl.errors import ConfigError, DeviceError
from minidl.initializers import (
    Constant,
    FanIn,
    FanOut,
    Glorot,
    He,
    Normal,
    Uniform,
    nielsen_conv,
    nielsen_dense,
)
from minidl.layers import Conv2D, Dense, ReLU, Sequential
from minidl.random import Seeds, as_seeds

# Seeds -------------------------------------------------------------------------------------------


def draw(seeds, *names, count=1000):
    return seeds.generator(*names).standard_normal(count)


def test_a_stream_is_a_function_of_seed_and_name():
    tree = Seeds(3)
    first = draw(tree, "shuffle", "7")
    draw(tree, "shuffle", "6")  # what was drawn before does not matter
    tree.child("anything").generator("else").random(10)
    np.testing.assert_array_equal(draw(tree, "shuffle", "7"), first)
    np.testing.assert_array_equal(draw(Seeds(3), "shuffle", "7"), first)


def test_a_generator_starts_at_the_beginning_of_its_stream():
    generator = Seeds(3).generator("a")
    generator.random(5)
    assert Seeds(3).generator("a").random() != generator.random()


def test_children_and_full_names_are_the_same_streams():
    expected = draw(Seeds(3), "3", "init")
    np.testing.assert_array_equal(draw(Seeds(3).child("3"), "init"), expected)
    np.testing.assert_array_equal(draw(Seeds(3).child("3").child("init")), expected)
    np.testing.assert_array_equal(draw(Seeds(3).child(3), "init"), expected)  # numbers are names too
    np.testing.assert_array_equal(draw(Seeds(3, ("3",)), "init"), expected)


def test_a_stream_is_what_numpy_makes_of_the_names_checksums():
    """Pinned, because a change would change the outcome of every seed anybody has noted down."""
    key = (zlib.crc32(b"3"), zlib.crc32(b"init"))
    expected = np.random.PCG64(np.random.SeedSequence(0, spawn_key=key)).random_raw(3)
    np.testing.assert_array_equal(Seeds(0).generator("3", "init").bit_generator.random_raw(3), expected)
    assert key == (1842515611, 3329549428)


def test_streams_of_other_names_and_seeds_are_unrelated():
    seeds = Seeds(0)
    streams = [
        draw(seeds),
        draw(seeds, "a"),
        draw(seeds, "b"),
        draw(seeds, "a", "b"),
        draw(seeds, "b", "a"),
        draw(seeds, "ab"),
        draw(seeds, "a", ""),
        draw(Seeds(1)),
        draw(Seeds(1), "a"),
        draw(Seeds(2**40), "a"),
    ]
    correlation = np.corrcoef(streams)
    np.fill_diagonal(correlation, 0)
    # Of 45 pairs of 1000 independent numbers the largest is about 0.09; 5 standard deviations are 0.16.
    assert np.abs(correlation).max() < 5 / math.sqrt(1000)


@pytest.mark.parametrize("seed", [-1, 1.0, "1", None, True, (1,), np.float64(2)])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(ConfigError, match="seed must be an integer >= 0, got"):
        Seeds(seed)


def test_numpy_integers_are_seeds():
    assert Seeds(np.int64(7)).seed == 7 and type(Seeds(np.int64(7)).seed) is int
    np.testing.assert_array_equal(draw(Seeds(np.int64(7)), "a"), draw(Seeds(7), "a"))


def test_everything_a_caller_may_have_becomes_a_node():
    node = Seeds(5, ("a",))
    assert as_seeds(node) is node
    assert (as_seeds(5).seed, as_seeds(5).path) == (5, ())
    first = as_seeds(np.random.default_rng(1))
    again = as_seeds(np.random.default_rng(1))
    assert first.seed == again.seed and first.path == ()
    generator = np.random.default_rng(1)
    assert as_seeds(generator).seed != as_seeds(generator).seed  # each call takes a number
    with pytest.raises(ConfigError, match="seed"):
        as_seeds("five")


def test_the_examples_of_the_docstring_are_true():
    assert doctest.testmod(minidl.random) == (0, 2)  # failed, attempted


# Files -------------------------------------------------------------------------------------------


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("mode", "content"), [("w", "grün\r\nand\n"), ("wb", b"\x00\xff")])
def test_a_file_is_written_as_given(tmp_path, mode, content):
    path = tmp_path / "new" / "folder" / "file"
    with files.atomic_write(path, mode) as stream:
        stream.write(content)
        assert not path.exists()  # not before the end of the block
    assert path.read_bytes() == (content if mode == "wb" else content.encode())
    assert names(path.parent) == ["file"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_crash_inside_the_block_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(error), files.atomic_write(path) as stream:
        stream.write("half of the n")
        raise error
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_a_crash_leaves_no_file_where_there_was_none(tmp_path):
    with pytest.raises(ValueError), files.atomic_write(tmp_path / "file") as stream:
        stream.write("half")
        raise ValueError
    assert names(tmp_path) == []


def test_a_failed_rename_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("old")

    def refuse(source, target):
        raise PermissionError(13, "Permission denied", str(target))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError), files.atomic_write(path) as stream:
        stream.write("new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_follow_the_umask(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        with files.atomic_write(tmp_path / "file") as stream:
            stream.write("x")
        assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode
    finally:
        assert os.umask(before) == mask  # and the umask itself is left alone


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_killed_process_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    source = (
        "import os, signal, sys\n"
        "from minidl.files import atomic_write\n"
        "with atomic_write(sys.argv[1]) as stream:\n"
        "    stream.write('new' * 100_000)\n"
        "    stream.flush()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    done = subprocess.run(
        [sys.executable, "-c", source, str(path)],
        env={**os.environ, "PYTHONPATH": root},
        timeout=60,
        check=False,
    )
    assert done.returncode == -9
    assert path.read_text() == "old"


def test_json_comes_back_as_it_was(tmp_path):
    value = {"accuracy": 0.1 + 0.2, "names": ["é", None, True], "big": 2**60}
    files.write_json(tmp_path / "a" / "file.json", value)
    assert files.read_json(tmp_path / "a" / "file.json") == value
    assert (tmp_path / "a" / "file.json").read_text(encoding="utf-8").endswith("}\n")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_json_has_no_nan(tmp_path, value):
    path = tmp_path / "file.json"
    files.write_json(path, {"loss": 1.0})
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(path, {"loss": [value]})
    assert json.loads(path.read_text()) == {"loss": 1.0}
    assert names(tmp_path) == ["file.json"]


# Array libraries ------------------------------------------------------------------------------------


class Elsewhere:
    """An array that lives on a device of its own."""

    def __init__(self, host):
        self.host = np.array(host)
        self.shape, self.dtype = self.host.shape, self.host.dtype


LIBRARY = types.ModuleType("elsewhere")


@pytest.fixture
def elsewhere(monkeypatch):
    """Register the array type `Elsewhere` as device "moon" for one test."""
    monkeypatch.setattr(backend, "_registered", [])
    backend.register(Elsewhere, LIBRARY, "moon", Elsewhere, lambda x: x.host.copy())


@pytest.fixture
def no_cupy(monkeypatch):
    monkeypatch.setattr(backend, "_registered", [])
    monkeypatch.setitem(sys.modules, "cupy", None)  # importing it fails


@pytest.fixture
def fake_cupy(monkeypatch):
    """Install a `cupy` whose GPU is there or not."""
    monkeypatch.setattr(backend, "_registered", [])

    def install(gpu):
        module = types.ModuleType("cupy")
        module.cuda = types.SimpleNamespace(is_available=lambda: gpu)
        module.ndarray = type("ndarray", (Elsewhere,), {"__module__": "cupy"})
        module.asarray, module.asnumpy = module.ndarray, lambda x: x.host.copy()
        monkeypatch.setitem(sys.modules, "cupy", module)
        return module

    return install


def test_the_array_says_where_the_work_is_done(elsewhere):
    moon = Elsewhere([1.0])
    assert backend.namespace(np.ones(2)) is np and backend.namespace(np.float32(1)) is np
    assert backend.namespace(moon) is LIBRARY
    assert (backend.device_of(np.ones(2)), backend.device_of(moon)) == ("cpu", "moon")


def test_arrays_move_there_and_back(elsewhere):
    here = np.arange(6, dtype=np.float32).reshape(2, 3)
    there = backend.to_device(here, "moon")
    assert isinstance(there, Elsewhere)
    back = backend.to_cpu(there)
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, here)
    np.testing.assert_array_equal(backend.to_device(there, "cpu"), here)


def test_nothing_is_copied_on_the_way_to_where_it_is(elsewhere):
    here, there = np.ones(3), Elsewhere([1.0])
    assert backend.to_device(here, "cpu") is here and backend.to_cpu(here) is here
    assert backend.to_device(there, "moon") is there


def test_a_device_registered_twice_is_the_later_one(elsewhere):
    class Other(Elsewhere):
        pass

    backend.register(Other, LIBRARY, "moon", Other, lambda x: x.host)
    assert type(backend.to_device(np.ones(1), "moon")) is Other


@pytest.mark.parametrize("value", [[1.0, 2.0], 3.0, "text", None])
def test_what_is_no_array_is_refused(elsewhere, value):
    for function in (backend.namespace, backend.device_of, backend.to_cpu):
        with pytest.raises(DeviceError, match=type(value).__name__):
            function(value)


def test_an_unknown_device_is_answered_with_the_known_ones(elsewhere):
    with pytest.raises(DeviceError, match=r"'mars'.*cpu, cuda, moon"):
        backend.to_device(np.ones(1), "mars")


def test_mixed_devices_are_refused_naming_the_layer(elsewhere):
    model = Sequential([Conv2D(2, 3), ReLU(), Conv2D(2, 3)])
    model.build((1, 6, 6))
    name = model.layers[2].name
    with pytest.raises(DeviceError, match=r"moon.*cpu") as raised:
        backend.require_same_device(name, Elsewhere(np.ones((1, 2, 4, 4))), np.ones(1))
    assert str(raised.value).startswith(f"{name}: ") and "to_device(x, 'cpu')" in str(raised.value)
    dense = Dense(2)
    dense.build((3,))
    with pytest.raises(DeviceError, match=r"^Dense.*'moon'.*'cpu'"):
        dense.forward(Elsewhere(np.ones((1, 3), np.float32)))


def test_devices_are_compared_not_only_types(elsewhere):
    class Special(np.ndarray):
        pass

    special = np.ones(1).view(Special)
    assert type(special) is not np.ndarray
    backend.require_same_device("Dense", special, np.ones(1))


def test_choosing_a_device_without_cupy(no_cupy):
    assert backend.choose_device("auto") == backend.choose_device("cpu") == backend.choose_device() == "cpu"
    with pytest.raises(DeviceError, match=r"'cuda' is not available: CuPy is not installed .*--device cpu"):
        backend.choose_device("cuda")
    with pytest.raises(DeviceError, match="CuPy is not installed"):
        backend.to_device(np.ones(1), "cuda")


def test_cupy_without_a_gpu_is_no_gpu(fake_cupy):
    fake_cupy(gpu=False)
    assert backend.choose_device("auto") == "cpu"
    with pytest.raises(DeviceError, match="sees no GPU"):
        backend.choose_device("cuda")
    with pytest.raises(DeviceError, match="sees no GPU"):
        backend.to_device(np.ones(1), "cuda")


def test_cupy_with_a_gpu(fake_cupy):
    cupy = fake_cupy(gpu=True)
    assert backend.choose_device("auto") == backend.choose_device("cuda") == "cuda"
    assert backend.choose_device("cpu") == "cpu"
    array = cupy.ndarray([1.0, 2.0])  # known by the name of its library, before anything was registered
    assert backend.namespace(array) is cupy and backend.device_of(array) == "cuda"
    np.testing.assert_array_equal(backend.to_cpu(backend.to_device(np.ones(2), "cuda")), np.ones(2))


def test_a_device_that_does_not_exist(no_cupy):
    with pytest.raises(DeviceError, match="auto, cpu, cuda, got 'tpu'"):
        backend.choose_device("tpu")


# Initial weights --------------------------------------------------------------------------------------

SHAPE, FAN_IN, FAN_OUT = (400, 500), 400, 500  # 200,000 numbers: the deviation is known to 0.16 %

RULES = [
    (Normal(0.3), 0.3),
    (Uniform(0.3), 0.3 / math.sqrt(3)),
    (FanIn(), 1 / math.sqrt(400)),
    (FanIn(gain=2.0, distribution="uniform"), 2 / math.sqrt(400)),
    (FanOut(), 1 / math.sqrt(500)),
    (FanOut(gain=3.0, distribution="uniform"), 3 / math.sqrt(500)),
    (Glorot(), math.sqrt(2 / 900)),
    (Glorot(gain=5 / 3, distribution="normal"), 5 / 3 * math.sqrt(2 / 900)),
    (He(), math.sqrt(2 / 400)),
    (He(distribution="uniform"), math.sqrt(2 / 400)),
]


def initial(rule, dtype=np.float64, seed=0, shape=SHAPE, fan_in=FAN_IN, fan_out=FAN_OUT):
    return rule(shape, fan_in, fan_out, np.random.default_rng(seed), dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("rule", "std"), RULES, ids=lambda value: repr(value) if not isinstance(value, float) else ""
)
def test_the_standard_deviation_is_the_formula_s(rule, std, dtype):
    values = initial(rule, dtype)
    assert values.shape == SHAPE and values.dtype == dtype
    # kurtosis 3 for a normal, 1.8 for a uniform distribution: relative error at most sqrt(2 / (4 n))
    assert values.std(dtype=np.float64) == pytest.approx(std, rel=5 / math.sqrt(2 * values.size))
    assert abs(values.mean(dtype=np.float64)) < 5 * std / math.sqrt(values.size)
    uniform = isinstance(rule, Uniform) or getattr(rule, "distribution", "normal") == "uniform"
    largest = float(np.abs(values).max())
    if uniform:
        assert 0.999 * math.sqrt(3) * std < largest <= math.sqrt(3) * std * (1 + 1e-6)
    else:  # of 200,000 normal numbers the largest lies between 4 and 6 standard deviations
        assert 4 * std < largest < 6 * std


@pytest.mark.parametrize("rule", [rule for rule, _ in RULES], ids=repr)
def test_single_precision_is_double_precision_rounded(rule):
    double = initial(rule)
    np.testing.assert_array_equal(initial(rule, np.float32), double.astype(np.float32))
    np.testing.assert_array_equal(initial(rule), double)
    assert not np.array_equal(initial(rule, seed=1), double)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant(dtype):
    values = initial(Constant(0.25), dtype)
    assert values.shape == SHAPE and values.dtype == dtype and set(values.ravel()) == {0.25}
    assert not initial(Constant()).any()


@pytest.mark.parametrize(
    ("rule", "shape", "fan_in", "fan_out", "std"),
    [
        # LECTURE 2.1: 20 filters of 5x5 before 2x2 pooling, 40 of them, and 640 -> 100 units
        (nielsen_conv(), (20, 1, 5, 5), 25, 500, 0.0894),
        (nielsen_conv(pool_area=4), (40, 20, 5, 5), 500, 1000, 0.0632),
        (nielsen_conv(pool_area=1), (20, 1, 5, 5), 25, 500, 0.0447),
        (nielsen_dense(), (640, 100), 640, 100, 0.1),
        # and what the rule of his book would give
        (FanIn(), (20, 1, 5, 5), 25, 500, 0.2),
        (FanIn(), (40, 20, 5, 5), 500, 1000, 0.0447),
        (FanIn(), (640, 100), 640, 100, 0.0395),
    ],
)
def test_nielsen_s_numbers(rule, shape, fan_in, fan_out, std):
    drawn = [
        initial(rule, seed=seed, shape=shape, fan_in=fan_in, fan_out=fan_out).ravel() for seed in range(100)
    ]
    # at least 50,000 numbers: 0.3 %, on top of the digits printed
    assert np.concatenate(drawn).std() == pytest.approx(std, rel=0.01)


def test_layers_tell_their_fans():
    """Dense: inputs and units; Conv2D: channels and filters times the area of the kernel."""
    asked = []

    def rule(shape, fan_in, fan_out, generator, dtype):
        asked.append((shape, fan_in, fan_out))
        return np.zeros(shape, dtype)

    Dense(7, weight_init=rule, bias_init=rule).build((3,))
    Conv2D(7, (2, 5), weight_init=rule).build((3, 8, 8))
    assert asked == [((3, 7), 3, 7), ((7,), 3, 7), ((7, 3, 2, 5), 30, 70)]


@pytest.mark.parametrize("kind", [Normal, Uniform, FanIn, FanOut, Glorot])
@pytest.mark.parametrize("scale", [-1.0, math.nan])
def test_a_negative_scale_is_refused(kind, scale):
    with pytest.raises(ConfigError, match=rf"^{kind.__name__}: the scale must be zero or positive"):
        kind(scale)


@pytest.mark.parametrize("kind", [FanIn, FanOut, Glorot, He])
def test_an_unknown_distribution_is_refused(kind):
    with pytest.raises(ConfigError, match=rf"^{kind.__name__}: distribution .* got 'cauchy'"):
        kind(distribution="cauchy")
