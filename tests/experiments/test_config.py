"""Configurations of a run: keys, types, contradictions, and TOML there and back."""

import re
from pathlib import Path

import pytest

from minidl.errors import ConfigError
from minidl.experiments.config import Config, find_key, keys
from minidl.experiments.config_file import (
    config_from,
    key_table,
    merge,
    read_table,
    setting,
    to_toml,
    tomllib,
)

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "training.md"

# One value of each kind; every key has to refuse those of the other kinds.
VALUES = [
    True, 3, 2.5, "text", ["text"], [1.5, 2], [], [[]], {"a": 1.0}, {"a": "b"}, "", " ", None, float("nan"), -1, b"x",
]  # fmt: skip
FITTING = {
    "true or false": [True],
    "a whole number": [3, -1],
    "a text": ["text"],
    "a list of texts": [["text"], []],
    "a table of numbers": [{"a": 1.0}],
    'a list of numbers, or "inverse-frequency"': [[1.5, 2]],
}


def table_of(name, value):
    section, _, option = name.partition(".")
    return {section: {option: value}}


# Keys and types -----------------------------------------------------------------------------------------


def test_an_empty_table_is_the_default():
    assert config_from({}) == Config()
    assert config_from({"data": {}, "training": {}}) == Config()


@pytest.mark.parametrize("key", [key.name for key in keys()])
def test_values_of_the_wrong_type_are_refused_by_the_key(key):
    known = find_key(key)
    for value in VALUES:
        if any(
            value is good or (value == good and type(value) is type(good)) for good in FITTING[known.kind]
        ):
            continue
        if key == "model.rung" and type(value) is int:
            continue  # rung = 3 is what one writes
        with pytest.raises(
            ConfigError, match=rf"^FILE: {re.escape(key)} must be {re.escape(known.kind)}, got "
        ):
            config_from(table_of(key, value), "FILE")


def test_a_boolean_is_no_number_and_a_number_no_boolean():
    with pytest.raises(ConfigError, match=r"training.epochs must be a whole number, got True"):
        config_from(table_of("training.epochs", True))
    with pytest.raises(ConfigError, match=r"data.expand must be true or false, got 1"):
        config_from(table_of("data.expand", 1))


def test_a_rung_may_be_a_number():
    assert config_from(table_of("model.rung", 3)).model.rung == "3"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"training": {"epocs": 3}}, "there is no key 'training.epocs'; did you mean 'training.epochs'?"),
        ({"data": {"epochs": 3}}, "there is no key 'data.epochs'; did you mean 'training.epochs'?"),
        ({"epochs": 3}, "there is no key 'epochs'; did you mean 'training.epochs'?"),
        ({"trainig": {"epochs": 3}}, "there is no section 'trainig'; did you mean 'training'?"),
        ({"training": 3}, "'training' is a section; write [training] and its keys below"),
        ({"data": {"name": "minst"}}, "data.name must be one of mnist, digits, fashion, kmnist, got 'minst'; did you"),
        ({"data": {"batch_size": 0}}, "data.batch_size must be at least 1, got 0"),
        ({"training": {"seed": -1}}, "training.seed must be at least 0, got -1"),
        ({"training": {"threads": 100_000}}, "training.threads must be at most 256"),
        ({"training": {"class_weights": "inverse"}}, "training.class_weights must be a list of numbers, or"),
        ({"training": {"loss": "\ud800"}}, "training.loss must be a text, got '\\ud800'"),
        ({"model": {"rung": "3", "layers": ["Dense(10)"]}}, "model.rung and model.layers both describe the model"),
        ({"model": {"text": "a", "layers": ["b"]}}, "model.text and model.layers both describe the model"),
        ({"model": {"text": "a", "preset": "quick"}}, "model.preset is about rungs of the progression"),
        ({"model": {"init_skip": ["1"]}}, "model.init_skip is about model.init_from, which is not given"),
        ({"model": {"init_strict": False}}, "model.init_strict is about model.init_from, which is not given"),
        ({"data": {"name": "digits", "dir": "x"}}, "data.dir was given, but the digits come with scikit-learn"),
        ({"data": {"sampler": "UnderSampling()", "shuffle": "once"}}, "data.sampler decides the order"),
        (
            {"data": {"smote": 5}, "training": {"class_weights": "inverse-frequency"}},
            'data.smote and training.class_weights = "inverse-frequency" both even out',
        ),
        (
            {"data": {"sampler": "UnderSampling()"}, "training": {"class_weights": "inverse-frequency"}},
            'data.sampler and training.class_weights = "inverse-frequency" both even out',
        ),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_a_sentence(table, message):
    with pytest.raises(ConfigError) as caught:
        config_from(table, "FILE")
    text = str(caught.value)
    assert text.startswith(f"FILE: {message}")
    assert "\n" not in text


# TOML ------------------------------------------------------------------------------------------------


FULL = {
    "data": {"name": "digits", "subset": 100, "expand": True, "augment": ["Cutout(4)", "RandomShift(1)"], "smote": 3},
    "model": {"layers": ["Flatten()", "Dense(10)"], "freeze": ["1.bias"], "lr_factors": {"1": 0.5, "a.b": 1e-30}},
    "training": {
        "loss": "quotes \" ' and \\ back\tslash",
        "optimizer": "nächste Zeile\nÜber \x7f\u2028 \U0001f600 \x00",
        "class_weights": [1, 0.1, 1e-300, 123456789.123],
        "seed": 2**200,
    },
}  # fmt: skip


def test_toml_there_and_back(tmp_path):
    config = config_from(FULL)
    path = tmp_path / "config.toml"
    path.write_text(to_toml(config, "a comment"), encoding="utf-8")
    assert config_from(read_table(path)) == config
    assert config.training.class_weights == (1.0, 0.1, 1e-300, 123456789.123)
    assert config.model.lr_factors == {"1": 0.5, "a.b": 1e-30}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[data\n", "this is no TOML: "),
        (b"a = 1\na = 2\n", "this is no TOML: "),
        (b"\xff\xfe", "this file is not UTF-8 text"),
        (b"a = " + b"[" * 100_000, "this is no TOML: "),
        (b"# " * 1_000_000, "this file is too large for a configuration"),
    ],
)
def test_a_file_that_is_no_toml(tmp_path, content, message):
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=re.escape(f"{path}: {message}")):
        read_table(path)
    with pytest.raises(ConfigError, match="there is no such configuration file"):
        read_table(tmp_path)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("training.epochs=5", "training.epochs", 5),
        (" training.epochs = 5 ", "training.epochs", 5),
        ("training.optimizer=Adam(lr=1e-3)", "training.optimizer", "Adam(lr=1e-3)"),
        ('training.optimizer="Adam(lr=1e-3)"', "training.optimizer", "Adam(lr=1e-3)"),
        ("training.loss='SoftDice(per=\"all\")'", "training.loss", 'SoftDice(per="all")'),
        ("model.rung=3", "model.rung", "3"),
        ("data.expand=true", "data.expand", True),
        ('data.augment=["RandomShift(1)"]', "data.augment", ["RandomShift(1)"]),
        ('model.lr_factors={"0" = 0.1}', "model.lr_factors", {"0": 0.1}),
        ("training.class_weights=[1, 2.5]", "training.class_weights", [1, 2.5]),
    ],
)
def test_settings_of_the_command_line(text, name, value):
    key, found = setting(text)
    assert (key.name, found) == (name, value)


@pytest.mark.parametrize(
    "text", ["training.epochs", "training.epochs=", "=5", "training.epocs=5", "=", "x.y=1"]
)
def test_settings_that_set_nothing(text):
    with pytest.raises(ConfigError, match="--set"):
        setting(text)


@pytest.mark.parametrize(
    "text", ["data.subset=5\nseed = 1", "data.subset=five", "data.augment=RandomShift(1)"]
)
def test_settings_of_another_type_are_left_to_the_check(text):
    key, value = setting(text)
    with pytest.raises(ConfigError, match=f"{key.name} must be "):
        config_from(merge({}, [(key, value)]))


def test_settings_go_before_the_file():
    table = {"training": {"epochs": 3, "seed": 1}, "data": {"subset": 5}}
    merged = merge(table, [setting("training.epochs=7"), setting("model.rung=2")])
    assert merged == {"training": {"epochs": 7, "seed": 1}, "data": {"subset": 5}, "model": {"rung": "2"}}
    assert table["training"]["epochs"] == 3


# The guide ---------------------------------------------------------------------------------------------


def example():
    """Return the first TOML block of the guide, the complete one."""
    return re.search(r"```toml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL).group(1)


def test_the_guide_has_the_table_of_all_keys():
    assert key_table() in GUIDE.read_text(encoding="utf-8"), "paste what `minidl train --keys` prints"


def test_the_example_of_the_guide_shows_every_key():
    section, shown = "", set()
    for line in example().splitlines():
        if found := re.match(r"\[(\w+)\]", line):
            section = found.group(1)
        elif found := re.match(r"(?:# )?(\w+) = ", line):
            shown.add(f"{section}.{found.group(1)}")
    assert shown == {key.name for key in keys()}


def test_the_lines_of_the_example_that_are_commented_out_are_right_too():
    lines = re.findall(r"^# (\w+ = .*)$", example(), re.MULTILINE)
    assert len(lines) > 5
    assert all(tomllib.loads(line) for line in lines)


def test_the_example_of_the_guide_is_a_configuration():
    assert config_from(tomllib.loads(example()), "example").data.name == "digits"
