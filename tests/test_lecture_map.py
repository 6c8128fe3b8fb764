"""docs/lecture-map.md names every box of the lectures, and everything it points to is there.

The map is a promise to a reader: this file, this name, this test, this command. Here each is looked up:
files and names by importing them, tests by parsing their files, commands by the command line's own parser.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
import inspect
import io
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest

from minidl.cli import train
from minidl.cli.main import build_parser
from minidl.errors import ConfigError
from minidl.experiments import vocabulary
from minidl.experiments.config import find_key
from minidl.experiments.config_file import config_from
from minidl.experiments.parts import make_parts
from minidl.expressions import build

ROOT = Path(__file__).parents[1]
MAP = ROOT / "docs" / "lecture-map.md"
STATES = ("x", "part", "not yet", "–")

# What the lectures teach, section by section: a word or two of every box, in the order of the notes. The
# list is typed from the notes and not read from the map, so that a row cannot be lost.
BOXES = {
    "1.1": [
        "Fully connected", "5x5 local receptive field", "Stride", "Several channels", "Shared weights",
        "Max pooling", "L2 pooling", "followed by pooling", "Dropout layer", "Batch normalisation", "fused",
        "Flatten", "Computational graph", "matrix-based",
    ],
    "1.2": ["tanh, ReLU", "(1 + tanh(z/2))/2", "tanh trains a bit faster", "Swish"],
    "1.3": [
        "log-likelihood", "Weighted cross-entropy", "Dice", "Label-smoothed", "Mixup targets", "RSS",
        "Multi-task", "chance loss",
    ],
    "1.4": [
        "SGD", "Momentum", "Nesterov", "Adagrad", "RMSProp", "Almost Adam", "Adam:", "Adadelta",
        "saddle point", "presets",
    ],
    "1.5": [
        "Step", "Plateau", "Exponential", "Linear", "CLR", "range test", "One-cycle", "warm-up",
        "M = 6 cycles", "1/128",
    ],
    "1.6": ["std 1/sqrt(n_in)", "Uniform [-s, s]", "large N(0, 1)"],
    "1.7": [
        "J + lambda R(w)", "L1", "constancy", "p = 0.5", "E[a]", "Early stopping", "Augmentation", "Fill modes",
        "Elastic", "250,000", "Cutout", "hard sharing", "Weight averaging", "Noise",
    ],
    "1.8": ["Gradient check", "Chance loss", "Overfit", "Increase lambda"],
    "1.9": [
        "loss curves", "Update/weight ratio", "First-layer filter", "histograms", "Large-jump", "intermediate",
        "33 digits",
    ],
    "1.10": ["Log-scale sampling", "Grid vs random", "Border warning", "6-step", "binary sub-problem", "Bayesian"],
    "1.11": ["Binomial", "Members", "Majority vote"],
    "1.12": ["9999/1", "Under-sampling"],
    "1.13": ["TP/FP/TN/FN", "k-fold", "t-test", "Multi-annotator", "Vault"],
    "1.14": ["initialisation or as", "Presets", "Same preprocessing"],
    "1.14b": ["Random-label", "smaller subset", "Bias-variance", "cartoon", "Binomial-ensemble", "SVM"],
    "1.15": ["Zero-centre", "SVM", "ImageDataGenerator"],
}  # fmt: skip
ERRATA = 28


class Row(NamedTuple):
    section: str
    state: str
    number: str
    box: str
    where: list[tuple[str, str]]  # text and target of every link
    tests: list[tuple[str, str]]
    shown: list[str]  # everything in backquotes


def rows(text: str) -> list[Row]:
    found, section = [], ""
    for line in text.splitlines():
        if line.startswith("## "):
            section = line.split()[1]
        if not line.startswith("| ") or line.startswith(("| Done", "| ---")):
            continue
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        assert len(cells) == 6, f"six columns expected: {line}"
        state, number, box, where, tests, shown = cells
        found.append(
            Row(section, state, number, box, links(where), links(tests), re.findall(r"`([^`]+)`", shown))
        )
    return found


def links(cell: str) -> list[tuple[str, str]]:
    found = re.findall(r"\[`([^`]+)`\]\(([^)]+)\)", cell)
    assert len(found) == cell.count("]("), f"write links as [`Name`](file): {cell}"
    return found


ROWS = rows(MAP.read_text(encoding="utf-8"))


# How things are looked up. Each function returns a sentence, or nothing if all is well. ------------


def wrong_place(text: str, target: str, folder: Path = MAP.parent) -> str | None:
    """Look up [`Name`](../minidl/file.py), [`Class.method`](…) or [`Class(option=…)`](…)."""
    path = (folder / target).resolve()
    if not path.is_file():
        return f"{target} does not exist"
    if path.suffix != ".py":
        return None
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    tree = ast.parse(text, mode="eval").body
    call = tree if isinstance(tree, ast.Call) else None
    thing = importlib.import_module(name)
    for part in ast.unparse(call.func if call else tree).split("."):
        if not hasattr(thing, part):
            return f"{target} has no {text}"
        thing = getattr(thing, part)
    return wrong_options(thing, call) if call else None


def wrong_options(function: object, call: ast.Call) -> str | None:
    signature = inspect.signature(function)
    given = {keyword.arg: None for keyword in call.keywords if keyword.arg}
    try:
        signature.bind_partial(*[None] * len(call.args), **given)
    except TypeError as error:
        return f"{ast.unparse(call)}: {error}"
    return None


def wrong_test(text: str, target: str, folder: Path = MAP.parent) -> str | None:
    """Look up [`test_file.py::TestClass::test_name`](../tests/test_file.py)."""
    path = (folder / target).resolve()
    name, *scopes = text.split("::")
    if not path.is_file() or path.name != name:
        return f"{text}: {target} is not there or not that file"
    node: ast.AST = ast.parse(path.read_text(encoding="utf-8"))
    for scope in scopes:
        inside = [
            child
            for child in getattr(node, "body", [])
            if isinstance(child, ast.ClassDef | ast.FunctionDef) and child.name == scope
        ]
        if not inside:
            return f"{target} has no {scope}"
        node = inside[0]
    if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test_"):
        return f"{text} is no test"
    return None


def everything_that_can_be_called() -> dict[str, object]:
    known: dict[str, object] = {}
    for module in (
        "minidl", "minidl.initializers", "minidl.schedules", "minidl.data", "minidl.data.augment",
        "minidl.data.mix", "minidl.evaluation", "minidl.evaluation.classes", "minidl.gradcheck",
        "minidl.training", "minidl.training.prechecks", "minidl.monitoring", "minidl.transfer",
        "minidl.freezing", "minidl.multitask", "minidl.soft_sharing", "minidl.plots",
    ):  # fmt: skip
        module_ = importlib.import_module(module)
        known |= {name: item for name, item in vars(module_).items() if callable(item) and name[0] != "_"}
    return known


def wrong_command(code: str) -> str | None:
    """Check `minidl …`, `python -m …`, or a call in Python."""
    if code.startswith("minidl "):
        return wrong_minidl(shlex.split(code)[1:])
    if code.startswith("python -m "):
        module = code.split()[2]
        return None if importlib.util.find_spec(module) else f"there is no module {module}"
    known = everything_that_can_be_called()
    try:
        calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    except SyntaxError:
        return f"{code} is neither a command nor Python"
    for call in calls:
        name, *attributes = ast.unparse(call.func).split(".")
        if name not in known:
            if attributes and name.islower():
                continue  # a method of the reader's own variable: model.forward(x)
            return f"{code}: nothing is called {name}"
        thing = known[name]
        for attribute in attributes:
            if not hasattr(thing, attribute):
                return f"{code}: {name} has no {attribute}"
            thing = getattr(thing, attribute)
        if sentence := wrong_options(thing, call):
            return sentence
    return None if calls else f"{code} calls nothing"


def wrong_minidl(words: list[str]) -> str | None:
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            args = build_parser().parse_args(words)
    except SystemExit:
        return f"minidl {shlex.join(words)}: {complaint.getvalue().strip().splitlines()[-1]}"
    try:
        if args.command == "train":
            keys = [(find_key(name), value) for name, (_, value) in train._given(args).items()]
            table: dict[str, dict[str, object]] = {}
            for key, value in keys:
                section, _, name = key.name.partition(".")
                table.setdefault(section, {})[name] = value
            make_parts(config_from(table), None)
        else:
            for word in words:
                if re.match(r"[A-Z]\w*\(", word):
                    build(word, objects_on_a_command_line(word), "the text")
    except ConfigError as error:
        return f"minidl {shlex.join(words)}: {error}"
    return None


def objects_on_a_command_line(text: str) -> dict[str, object]:
    if text.startswith("Sequential"):
        return vocabulary.layers()
    return {
        **vocabulary.losses(), **vocabulary.optimizers(), **vocabulary.regularizers(), **vocabulary.schedules(),
        **vocabulary.augmentations(), **vocabulary.mixes(), **vocabulary.callbacks(), **vocabulary.monitors(),
    }  # fmt: skip


# The map ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("section", BOXES)
def test_every_box_has_its_row(section):
    here = [row for row in ROWS if row.section == section]
    assert [row.number for row in here] == [f"{section}.{k}" for k in range(1, len(BOXES[section]) + 1)]
    missing = [key for key, row in zip(BOXES[section], here, strict=True) if key not in row.box]
    assert missing == []


def test_every_erratum_has_its_row():
    here = [row for row in ROWS if row.section == "1.16"]
    assert [row.number for row in here] == [str(k) for k in range(1, ERRATA + 1)]


def test_there_is_nothing_else():
    assert {row.section for row in ROWS} == {*BOXES, "1.16"}
    assert {row.state for row in ROWS} <= set(STATES)


def test_what_is_ticked_has_a_place_a_test_and_an_example():
    bare = [row.number for row in ROWS if row.state == "x" and not (row.where and row.tests and row.shown)]
    assert bare == []


def test_what_is_there_in_part_says_what_is_not():
    unclear = [row.number for row in ROWS if row.state == "part" and "not yet" not in row.box.lower()]
    assert unclear == []
    early = [row.number for row in ROWS if row.state == "not yet" and (row.where or row.tests or row.shown)]
    assert early == []


@pytest.mark.parametrize(
    ("column", "wrong"), [("where", wrong_place), ("tests", wrong_test)], ids=["where", "test"]
)
def test_links_lead_to_what_they_say(column, wrong):
    found = [f"{row.number}: {why}" for row in ROWS for link in getattr(row, column) if (why := wrong(*link))]
    assert found == []


def test_commands_and_calls_are_understood():
    codes = sorted({(row.number, code) for row in ROWS for code in row.shown})
    assert [f"{number}: {why}" for number, code in codes if (why := wrong_command(code))] == []


def test_the_documentation_leads_here():
    assert "(lecture-map.md)" in (ROOT / "docs" / "README.md").read_text(encoding="utf-8")


# The look-up itself ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("look_up", "arguments", "why"),
    [
        (wrong_place, ("Dense", "../minidl/layers/dens.py"), "does not exist"),
        (wrong_place, ("Dens", "../minidl/layers/dense.py"), "has no Dens"),
        (wrong_place, ("L2.boook", "../minidl/regularizers.py"), "has no L2.boook"),
        (wrong_place, ("Dropout(scalling=1)", "../minidl/layers/dropout.py"), "scalling"),
        (wrong_test, ("test_losses.py::test_nothing", "../tests/test_losses.py"), "has no test_nothing"),
        (
            wrong_test,
            ("test_losses.py::TestSoftDice::test_all", "../tests/test_losses.py"),
            "has no test_all",
        ),
        (wrong_test, ("test_losses.py::TestSoftDice", "../tests/test_losses.py"), "is no test"),
        (wrong_test, ("test_loss.py::test_contract", "../tests/test_losses.py"), "not that file"),
        (wrong_command, ("minidl tran --rung 3",), "invalid choice"),
        (wrong_command, ("minidl train --rungs 3",), "--rungs"),
        (wrong_command, ("minidl train --rung 30",), "30"),
        (wrong_command, ("minidl train --optimizer 'Adam(lrate=1)'",), "lrate"),
        (wrong_command, ("minidl train --set trainin.epochs=3",), "trainin"),
        (wrong_command, ("minidl plot schedule 'Cosin(0.1)'",), "Cosin"),
        (wrong_command, ("python -m benchmarks.nothing",), "no module"),
        (wrong_command, ("Dropout(0.2, scalling='test')",), "scalling"),
        (wrong_command, ("L2.boook(1)",), "boook"),
        (wrong_command, ("Adm(0.1)",), "Adm"),
        (wrong_command, ("see below",), "neither"),
    ],
)
def test_mistakes_are_noticed(look_up, arguments, why):
    assert why in (look_up(*arguments) or "")


@pytest.mark.parametrize(
    ("look_up", "arguments"),
    [
        (wrong_place, ("L2.book", "../minidl/regularizers.py")),
        (wrong_place, ("L2Pool2D(mode=\"mean\")", "../minidl/layers/pooling.py")),
        (wrong_test, ("test_losses.py::TestSoftDice::test_by_hand", "../tests/test_losses.py")),
        (wrong_command, ("minidl train --rung 3 --optimizer 'Adam(lr=1e-3)' --set training.epochs=3",)),
        (wrong_command, ("fold_batchnorm(model).forward(x)",)),
        (wrong_command, ("L2.book(5.0, examples=100)",)),
    ],
)  # fmt: skip
def test_what_is_right_is_accepted(look_up, arguments):
    assert look_up(*arguments) is None


def test_a_row_is_read_as_it_is_written():
    line = "| x | 1.1 | A \\| B | [`Dense`](a.py) | [`t.py::test_a`](t.py) | `minidl data list`, `Dense(3)` |"
    assert rows(f"## 1.1 Layers\n| Done | # |\n| --- | --- |\n{line}") == [
        Row("1.1", "x", "1.1", "A | B", [("Dense", "a.py")], [("t.py::test_a", "t.py")],
            ["minidl data list", "Dense(3)"])
    ]  # fmt: skip
