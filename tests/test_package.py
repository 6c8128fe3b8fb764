"""The package as a whole: what importing it costs, what it may use, and that the tests test."""

import ast
import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import minidl

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "minidl"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))

# An import hook for a subprocess: the standard library, NumPy and minidl exist, nothing else does.
NUMPY_ONLY = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in ("numpy", "minidl"):
            raise ImportError(f"{name} is blocked by the test")
sys.meta_path.insert(0, Blocked())
"""


def python(source, *, cwd=ROOT):
    """Run Python code in a fresh interpreter, from the folder that holds `minidl`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", source], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120
    )


def relative(path):
    return str(path.relative_to(ROOT))


# What importing needs ---------------------------------------------------------------------------


def test_the_import_hook_really_blocks():
    done = python(NUMPY_ONLY + "import pytest")
    assert done.returncode != 0 and "blocked by the test" in done.stderr


def test_a_network_trains_with_numpy_alone():
    done = python(
        NUMPY_ONLY
        + """
import numpy as np
import minidl
model = minidl.Sequential([
    minidl.Conv2D(4, 3), minidl.BatchNorm(), minidl.ReLU(), minidl.MaxPool2D(2), minidl.Dropout(0.2),
    minidl.Flatten(), minidl.Dense(3),
])
model.build((1, 8, 8), rng=0)
loss, optimizer = minidl.SoftmaxCrossEntropy(), minidl.SGD(lr=0.1)
rng = np.random.default_rng(0)
x, y = rng.normal(size=(6, 1, 8, 8)).astype(np.float32), np.arange(6) % 3
values = []
for _ in range(30):
    values.append(float(loss.forward(model.forward(x, train=True), y)))
    model.backward(loss.backward())
    optimizer.step(model.named_parameters())
assert values[-1] < 0.5 * values[0], values
print(minidl.__version__)
"""
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == minidl.__version__


def test_every_module_can_be_imported_with_numpy_alone():
    """The other packages are imported inside the functions that use them.

    Two exceptions say so: `minidl.sklearn` has classes that inherit from scikit-learn's, and the plug-in for
    pytest makes fixtures with it.
    """
    done = python(
        NUMPY_ONLY
        + """
import importlib, pkgutil
import minidl
failed = []
for found in pkgutil.walk_packages(minidl.__path__, "minidl.", onerror=lambda name: None):
    if found.name == "minidl.__main__":
        continue
    try:
        importlib.import_module(found.name)
    except ImportError as error:
        exceptions = ("minidl.sklearn", "minidl.grading.pytest_plugin")
        if found.name not in exceptions or "pip install" not in str(error):
            failed.append(f"{found.name}: {error}")
print("\\n".join(failed))
"""
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("module", ["minidl", "minidl.cli.main"])
def test_importing_loads_no_package_but_numpy(module):
    done = python(
        f"""
import sys
before = set(sys.modules)
import {module}
loaded = {{name for name in set(sys.modules) - before if getattr(sys.modules[name], "__file__", None)}}
new = {{name.partition(".")[0] for name in loaded}}
print(sorted(new - set(sys.stdlib_module_names) - {{"numpy", "minidl"}}))
"""
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


# What is packaged -------------------------------------------------------------------------------


def test_every_folder_with_code_is_a_package():
    """setuptools leaves a folder without __init__.py out of the installed package."""
    assert [relative(source) for source in SOURCES if not (source.parent / "__init__.py").is_file()] == []


def test_setup_cfg_names_what_exists():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    assert config["metadata"]["version"] == "attr: minidl._version.__version__"
    assert config["options.entry_points"]["console_scripts"].strip() == "minidl = minidl.cli.main:main"
    assert (ROOT / config["metadata"]["license_files"]).is_file()
    assert (PACKAGE / "py.typed").is_file()
    assert re.fullmatch(r"\d+\.\d+\.\d+", minidl.__version__)


def test_every_public_name_is_there_once():
    assert len(minidl.__all__) == len(set(minidl.__all__))
    assert [name for name in minidl.__all__ if not hasattr(minidl, name)] == []


# What the code may not do -----------------------------------------------------------------------

# The parts of numpy.random that keep no global state.
STATELESS = {"Generator", "SeedSequence", "BitGenerator", "PCG64", "Philox", "SFC64", "default_rng"}
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}


def dotted(node):
    """Return ``a.b.c`` for an attribute chain on a name, else an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (head := dotted(node.value)):
        return f"{head}.{node.attr}"
    return ""


def imports(tree):
    """Yield (line, absolute dotted name) for everything a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def global_random_state(tree):
    """Return the lines that touch NumPy's or Python's global random state."""
    lines = []
    for node in ast.walk(tree):
        name = dotted(node) if isinstance(node, ast.Attribute) else ""
        match = re.fullmatch(r"(?:np|numpy)\.random\.(\w+)", name)
        if match and match.group(1) not in STATELESS:
            lines.append(node.lineno)
    for line, name in imports(tree):
        if name == "random" or name.startswith("random."):
            lines.append(line)
        match = re.fullmatch(r"numpy\.random\.(\w+)", name)
        if match and match.group(1) not in STATELESS:
            lines.append(line)
    return lines


def pickling(tree):
    """Return the lines that import a pickle module or let NumPy load one."""
    lines = [line for line, name in imports(tree) if name.partition(".")[0] in PICKLES]
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            if not (isinstance(node.value, ast.Constant) and node.value.value is False):
                lines.append(node.value.lineno)
    return lines


def importing_cupy(tree):
    """Return the lines that import CuPy."""
    return [line for line, name in imports(tree) if name.partition(".")[0] in ("cupy", "cupyx")]


@pytest.mark.parametrize(
    ("rule", "bad", "good"),
    [
        (global_random_state, "import numpy as np\nnp.random.seed(1)", "np.random.default_rng(1).normal()"),
        (global_random_state, "from numpy.random import rand", "from numpy.random import Generator"),
        (global_random_state, "import random", "from minidl import random"),
        (pickling, "import pickle", "import json"),
        (pickling, "np.load(p, allow_pickle=True)", "np.load(p, allow_pickle=False)"),
        (importing_cupy, "def f():\n    import cupyx.scipy", "cupy = 1"),
    ],
)
def test_the_rules_see_what_they_forbid(rule, bad, good):
    assert len(rule(ast.parse(bad))) == 1
    assert rule(ast.parse(good)) == []


@pytest.mark.parametrize("rule", [global_random_state, pickling])
def test_no_source_file_breaks_the_rule(rule):
    found = {relative(source): rule(ast.parse(source.read_text(encoding="utf-8"))) for source in SOURCES}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_only_the_backend_and_the_gpu_kernels_know_cupy():
    allowed = (PACKAGE / "backend.py", PACKAGE / "kernels" / "gpu")
    found = {
        relative(source): importing_cupy(ast.parse(source.read_text(encoding="utf-8")))
        for source in SOURCES
        if not any(source.is_relative_to(place) for place in allowed)
    }
    assert {name: lines for name, lines in found.items() if lines} == {}


# What the tests may not do ----------------------------------------------------------------------


def functions_that_test(tree):
    """Yield (scope, function) for every test function of a module."""
    for scope in [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]:
        for node in scope.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield scope, node


def can_fail(function, helpers):
    """Return whether a function holds an assertion: an assert, pytest.raises, a helper that asserts."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert) and not (isinstance(node.test, ast.Constant) and node.test.value):
            return True
        if isinstance(node, ast.Call):
            name = dotted(node.func)
            last = name.rpartition(".")[2]
            if name in helpers or re.match(r"(raises|warns|fail)$|(check|assert|expect)(_|$)", last):
                return True
            if any(keyword.arg == "check" for keyword in node.keywords):  # subprocess.run(..., check=True)
                return True
    return False


def empty_tests(tree):
    """Return the names of a module's tests that assert nothing, by themselves or in a helper beside them."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    helpers: set[str] = set()
    while found := {f.name for f in functions if f.name not in helpers and can_fail(f, helpers)}:
        helpers |= found
    return [function.name for _, function in functions_that_test(tree) if not can_fail(function, helpers)]


def test_the_search_for_assertions_sees_empty_tests():
    source = """
def helper(x):
    assert f(x) == 2
def test_a():
    assert True
def test_b():
    f(1)
def test_c():
    assert f(1) == 2
def test_d():
    helper(1)
def test_e():
    with pytest.raises(ValueError):
        f(1)
"""
    assert empty_tests(ast.parse(source)) == ["test_a", "test_b"]


def test_every_test_can_fail():
    empty = [
        f"{relative(path)}::{name}"
        for path in TESTS
        for name in empty_tests(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert empty == []


def test_no_test_hides_another_of_the_same_name():
    hidden = []
    for path in TESTS:
        seen = set()
        for scope, function in functions_that_test(ast.parse(path.read_text(encoding="utf-8"))):
            key = (id(scope), function.name)
            if key in seen:
                hidden.append(f"{relative(path)}::{function.name}")
            seen.add(key)
    assert hidden == []
