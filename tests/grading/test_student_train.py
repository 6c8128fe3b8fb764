"""`minidl exercise train`: a student's classes beside ours, on scikit-learn's digits."""

import sys

import numpy as np
import pytest

from minidl.cli.main import main
from minidl.data import load
from minidl.errors import ConfigError, DivergenceError
from minidl.grading import find_exercise
from minidl.grading.build import reference_files, submission_files, write_files
from minidl.grading.spec import ExerciseError
from minidl.grading.student.folder import Work
from minidl.grading.student.training import another_network, compare
from minidl.plots.student import side_by_side
from tests.grading.tiny import write_course

MORE = """

class Loss:
    def forward(self, z, t):
        assert t.shape == z.shape and set(t.ravel()) == {0.0, 1.0}
        e = np.exp(z - z.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        return -np.mean(np.log((self.p * t).sum(axis=1)))

    def backward(self, t):
        return (self.p - t) / len(t)


class Drop:
    def __init__(self, p):
        self.p, self.training = p, None

    def forward(self, x):
        Drop.seen.add(self.training)
        return x

    def backward(self, dy):
        return dy

    seen = set()


class Descent:
    def __init__(self, lr):
        self.lr = lr

    def update(self, w, g):
        return w - self.lr * g


class InPlace:
    def __init__(self, lr):
        self.lr = lr

    def update(self, w, g):
        w -= self.lr * g
"""


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Return a function: changes of the reference and of [train] -> the student's folder."""
    course = write_course(tmp_path / "course")
    monkeypatch.setenv("MINIDL_EXERCISES_DIR", str(course))

    def make(old="", new="", train=(), more=MORE):
        path = course / "ex01_tiny" / "exercise.toml"
        text = path.read_text()
        for before, after in train:
            assert before in text
            text = text.replace(before, after, 1)
        path.write_text(text)
        folder = tmp_path / "mine"
        folder.mkdir(exist_ok=True)
        for name, content in reference_files(find_exercise(1)).items():
            text = content.decode() + (more if name == "layers.py" else "")
            assert not old or name != "layers.py" or old in text
            (folder / name).write_text(text.replace(old, new) if old else text)
        return Work.find("1", folder)

    return make


def test_right_classes_give_the_same_curve(work, digits):
    path, modules = list(sys.path), set(sys.modules)
    done = compare(work(), digits, epochs=2)
    assert done.parting() is None
    assert "compute what ours do" in done.verdict()
    assert done.yours.accuracies == pytest.approx(done.ours.accuracies)
    assert len(done.yours.losses) == 2 * 400 / 20
    assert done.yours.accuracies[-1] > 0.8
    assert sys.path == path
    assert not {"layers", "tools"} & (set(sys.modules) - modules)


@pytest.mark.parametrize(
    ("old", "new", "batch", "words"),
    [
        ("x @ self.weight + self.bias", "1.01 * (x @ self.weight) + self.bias", 1, "a forward pass or the loss"),
        ("x @ self.weight + self.bias", "x @ self.weight", 2, "a gradient or an update"),  # b starts at 0
        ("self.grad_weight = self._x.T @ dy", "self.grad_weight = self._x.T @ dy / 20", 2, "a gradient or an update"),
        ("self.grad_bias = dy.sum(axis=0)", "self.grad_bias = 1.5 * dy.sum(axis=0)", 2, "a gradient or an update"),
    ],
)  # fmt: skip
def test_the_batch_where_a_wrong_class_parts_is_named(work, digits, old, new, batch, words):
    done = compare(work(old, new), digits)
    assert done.parting() == batch
    assert words in done.verdict()


def test_loss_and_optimizer_can_be_the_students_as_well(work, digits):
    loss = (
        "[train.layers.Dense]",
        '[train.loss]\nclass = "Loss"\ntargets = "one-hot"\n\n[train.layers.Dense]',
    )
    for name in ("Descent", "InPlace"):
        optimizer = f'[train.optimizer]\nclass = "{name}"\narguments = ["lr"]\n\n[train.layers.Dense]'
        made = work(
            train=[loss, ("[train.layers.Dense]", optimizer)] if name == "Descent" else [("Descent", name)]
        )
        done = compare(made, digits)
        assert done.classes == ("Dense", "Loss", name)
        assert done.parting() is None


def test_a_mode_is_set_and_random_layers_need_not_agree(work, digits, capsys):
    plan = '[train.layers.Dropout]\nclass = "Drop"\narguments = ["p"]\nmode = "training"\n\n'
    made = work(
        train=[
            ("Flatten(), Dense(10)", "Flatten(), Dropout(0.3), Dense(10)"),
            ("[train.layers.Dense]", f"{plan}[train.layers.Dense]"),
        ],
        old="Drop.seen.add(self.training)",
        new="print('mode', self.training, self.p)",
    )
    done = compare(made, digits)
    assert set(capsys.readouterr().out.splitlines()) == {"mode True 0.3", "mode False 0.3"}
    assert "close, not equal" in done.verdict()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "self._x.T @ dy",
            "self._x @ dy",
            ["layers.py:20", "self._x @ dy", "Dense.backward raised ValueError"],
        ),
        (
            "dy.sum(axis=0)",
            "dy",
            ["Dense.grad_bias after backward(dy)", "float64 array of shape (20, 10)", "(10,)"],
        ),
        ("return dy @ self.weight.T", "pass", ["Dense.backward(dy) is None", "(20, 784)"]),
        ("return x @ self.weight + self.bias", "exit()", ["layers.py:16", "Dense.forward ended the program"]),
        (
            "return x @ self.weight + self.bias",
            'raise NotImplementedError("task 1.2: x")',
            ["task 1.2: x: not done"],
        ),
        (
            "np.zeros((inputs, outputs))",
            "np.zeros((outputs, inputs))",
            ["Dense(784, 10).weight", "(784, 10)"],
        ),
        (
            "def __init__(self, inputs, outputs)",
            "def __init__(self, inputs)",
            ["Dense(784, 10) raised TypeError"],
        ),
        ("class Dense", "class Other", ["there is no class Dense in layers.py, tools.py"]),
        ("import numpy as np", "import nothing_here", ["layers.py:3", "ModuleNotFoundError"]),
        ("def backward", "def back", ["Dense has no method backward"]),
    ],
)
def test_a_mistake_is_told_with_the_students_line(work, digits, old, new, words):
    with pytest.raises(ExerciseError) as caught:
        compare(work(old, new, more=""), digits)
    for word in words:
        assert word in str(caught.value)


def test_a_loss_that_explodes_is_told(work, digits):
    with pytest.raises(DivergenceError), np.errstate(all="ignore"):
        compare(work("self._x.T @ dy", "np.inf * (self._x.T @ dy)"), digits)


def test_the_command_prints_both_accuracies_and_writes_the_picture(work, capsys, monkeypatch):
    made = work()
    monkeypatch.chdir(made.folder.parent)
    assert main(["exercise", "train", "1", "mine", "--data", "digits", "--subset", "200"]) == 0
    out = capsys.readouterr().out
    assert "NOT MNIST" in out
    assert "200 training images, 1 epoch, batches of 20" in out
    rows = [line.split() for line in out.splitlines() if line.startswith(("yours", "ours"))]
    assert [row[0] for row in rows] == ["yours", "ours"]
    assert rows[0][1] == rows[1][1]
    assert (made.folder / "training.png").read_bytes().startswith(b"\x89PNG")
    assert main(["exercise", "train", "1", "mine", "--epochs", "0"]) == 2


def test_another_network(work, digits, capsys, monkeypatch):
    """Only the classes that the network has are the student's; without any there is nothing to compare."""
    done = compare(work(), digits, model="Flatten(), Dense(8), Tanh(), Dense(10)")
    assert done.parting() is None and done.classes == ("Dense",)
    assert done.model == "Flatten(), Dense(8), Tanh(), Dense(10)"
    made = Work.find("1", work().folder)
    for options, message in (
        ({"model": "Flatten()"}, "none of its layers is one that you write in this exercise"),
        ({"rung": "1"}, "exercise 1 trains a network of its own; choose another with --model"),
        ({"rung": "1", "model": "Flatten()"}, "give one of them"),
    ):
        with pytest.raises(ConfigError, match=message):
            compare(made, digits, **options)
    monkeypatch.chdir(made.folder.parent)
    words = ["exercise", "train", "1", "mine", "--data", "digits", "--subset", "100"]
    assert main([*words, "--model", "Flatten(), Dense(10)"]) == 0
    assert "Exercise 1 on scikit-learn digits (NOT MNIST): Flatten(), Dense(10)" in capsys.readouterr().out
    assert main([*words, "--rung", "99"]) == 2 and main([*words, "--model", "Nonsense()"]) == 2


def test_rungs_of_the_progression(work, digits):
    """A rung is trained with its own learning rate, and with fewer images where a student's convolution is in it."""
    made = work(train=[('model = "Flatten(), Dense(10)"', 'rung = "0"'), ("images = 400", "images = 50000")])
    plan = made.exercise.train
    for rung, update, images in (
        ("0", "SGD(lr=0.1)", 50000),
        ("1", "SGD(lr=0.1)", 2000),
        ("3", "SGD(lr=0.03)", 2000),
    ):
        chosen = another_network(plan, made.exercise, rung, None)
        assert (chosen.rung, chosen.update, chosen.images) == (rung, update, images)
    assert another_network(plan, made.exercise, None, "Conv2D(2, 3), Flatten(), Dense(10)").images == 2000
    assert another_network(plan, made.exercise, None, None) is plan
    with pytest.raises(ConfigError, match="there is no rung '99'"):
        another_network(plan, made.exercise, "99", None)
    done = compare(made, digits, images=100, rung="1", epochs=1)
    assert done.model == "rung 1" and done.parting() is None and done.classes == ("Dense",)


def test_the_capstone_puts_all_the_students_classes_to_work(tmp_path, digits):
    """Layers of four exercises and the optimizer of a fifth, in one network."""
    exercise = find_exercise(8)
    write_files(submission_files(exercise), tmp_path / "mine")
    made = Work.find("8", tmp_path / "mine")
    model = "Conv2D(2, 5), BatchNorm(), ReLU(), MaxPool2D(2), Flatten(), Dense(9), Sigmoid(), Dropout(0.0), Dense(10)"
    done = compare(made, digits, images=60, epochs=2, model=model)
    assert set(done.classes) == {
        *(
            "Conv2D",
            "BatchNorm",
            "ReLU",
            "MaxPool2D",
            "Dense",
            "Sigmoid",
            "Dropout",
            "SoftmaxCrossEntropy",
            "SGD",
        )
    }
    assert done.parting() is None


def test_exercise_5_trains_through_the_backward_pass_of_a_convolution(tmp_path, digits):
    """In the first layer dx is not needed, and a wrong one would not be noticed."""
    exercise = find_exercise(5)
    text = reference_files(exercise)["convolution.py"]
    wrong = text.replace(b"padded[:, :, down, across] += parts", b"padded[:, :, down, across] = parts")
    assert wrong != text
    (tmp_path / "convolution.py").write_bytes(wrong)
    made = Work.find("5", tmp_path)
    assert compare(made, digits, images=60, epochs=1).parting() == 2


def test_an_exercise_without_training_says_so(work, digits):
    made = work()
    path = made.exercise.folder / "exercise.toml"
    path.write_text(path.read_text().partition("[train]")[0])
    with pytest.raises(ExerciseError, match="exercise 1 has nothing to train"):
        compare(Work.find("1", made.folder), digits)


def test_the_picture_has_both_curves_with_their_last_accuracy():
    figure = side_by_side(([2.0, 1.0], [0.5, 0.75]), ([2.0, 0.5], [0.6, 0.875]))
    left, right = figure.axes
    assert [line.get_label() for line in left.lines] == ["ours", "yours"]
    assert [line.get_label() for line in right.lines] == ["ours, 87.50 %", "yours, 75.00 %"]
    assert list(right.lines[1].get_ydata()) == [50, 75]
    # A running mean without bias: the first point is the first loss.
    assert left.lines[0].get_ydata()[0] == pytest.approx(2.0)
    assert left.lines[0].get_ydata()[1] == pytest.approx((0.95 * 2.0 + 0.5) / 1.95)
    with pytest.raises(ConfigError):
        side_by_side(([], []), ([1.0], [0.5]))


def test_a_long_title_fits_the_picture():
    names = "Dense, ReLU, Conv2D, MaxPool2D, BatchNorm, SoftmaxCrossEntropy, SGD"
    curve = ([2.0, 1.0], [0.5, 0.75])
    figure = side_by_side(curve, curve, title=f"Exercise 8 on scikit-learn digits (NOT MNIST): {names}")
    figure.draw_without_rendering()
    title = figure._suptitle.get_window_extent()
    assert title.x1 < figure.bbox.x1 and title.y1 <= figure.bbox.y1
    assert all(title.y0 > axes.get_position().y1 * figure.bbox.height for axes in figure.axes)
