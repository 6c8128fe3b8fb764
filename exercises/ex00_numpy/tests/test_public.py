"""The examples of the handout, and the rule of the file: no loops.

Run `minidl exercise check 0` for the messages with hints, or plain `pytest`. Your file is graded with these
tests and with others that draw their numbers anew.
"""

import re

import numpy as np

from minidl.grading import expect, task
from minidl.grading.worker.errors import StudentError

FILE = "warmup.py"
LOOPS = ["For", "AsyncFor", "While", "ListComp", "SetComp", "DictComp", "GeneratorExp"]
IN_DISGUISE = (
    "vectorize",
    "apply_along_axis",
    "apply_over_axes",
    "frompyfunc",
    "fromfunction",
    "fromiter",
    "map",
    "reduce",
)
FUNCTIONS = [
    "standardise", "squared_distances", "one_hot", "centre", "brighten", "strides_of", "byte_offset", "windows",
    "patches", "confusion_matrix", "class_means",
]  # fmt: skip


def loops_in(submission, path):
    """Count the loops and comprehensions in a function, or in the whole file for ""; None if it is not there."""
    try:
        return submission.count_nodes(FILE, path, LOOPS)
    except StudentError as error:
        if error.type == "MissingName":  # a function that was removed; the file, in a notebook
            return None
        raise


def expect_no_loops(submission, *names):
    """Expect no loop in these functions, nor in a helper, which they might call."""
    everywhere = loops_in(submission, "")
    if everywhere != 0:
        for name in names:
            count = loops_in(submission, name)
            expect.that(
                not count, f"{name} is right, but holds {count} loops or comprehensions: it can do without"
            )
        elsewhere = (everywhere or 0) - sum(loops_in(submission, name) or 0 for name in FUNCTIONS)
        what = f"{FILE} holds {elsewhere} loops or comprehensions outside of the functions of the tasks"
        expect.that(elsewhere <= 0, what)
    try:
        code = re.sub("#.*", "", submission.source(FILE))
    except StudentError:
        return  # in a notebook there is no file
    # What stands before the first function, then in turn a name and what belongs to it.
    parts = re.split(r"(?m)^def (\w+)", code)
    searched = {"the file": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}
    for place, text in searched.items():
        for name in IN_DISGUISE:
            found = re.search(rf"\b{name}\s*\(", text)
            if place in names or place not in FUNCTIONS:
                expect.that(
                    found is None, f"{place} calls {name}, which is a loop in disguise, and as slow as one"
                )


@task("0.1", points=1, hint="minus the mean of the column, over its standard deviation: axis=0")
def test_standardise_example(submission, rng):
    """standardise gives the table of section 2."""
    found = submission.call("standardise", np.array([[1.0, 10.0, 0.0], [3.0, 10.0, 8.0]]))
    mistakes = {
        "the rows were standardised, it should be the columns": np.array(
            [[-0.592999, 1.408374, -0.815374], [-1.358732, 1.019049, 0.339683]]
        ),
        "only the mean is taken off": np.array([[-1.0, 0.0, -4.0], [1.0, 0.0, 4.0]]),
        "divided by the variance; its root is the standard deviation": np.array(
            [[-1.0, 0.0, -0.25], [1.0, 0.0, 0.25]]
        ),
        "this is the standard deviation with N - 1 in place of N": np.array(
            [[-1.0, 0.0, -1.0], [1.0, 0.0, 1.0]]
        )
        / 2**0.5,
    }
    expect.close(found, np.array([[-1.0, 0.0, -1.0], [1.0, 0.0, 1.0]]), "standardise(x)", mistakes=mistakes)


@task("0.1", points=1, hint="axis=0 does all columns at once")
def test_standardise_without_loops(submission, rng):
    """standardise needs no loop."""
    found = submission.call("standardise", np.array([[1.0, 2.0], [3.0, 6.0]]))
    expect.close(found, np.array([[-1.0, -1.0], [1.0, 1.0]]), "standardise(x)")
    expect_no_loops(submission, "standardise")


@task("0.2", points=1, hint="every point of a with every point of b, and the sum over the coordinates")
def test_squared_distances_example(submission, rng):
    """squared_distances gives the table of section 2."""
    a, b = np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[3.0, 4.0], [0.0, 1.0], [1.0, 0.0]])
    expected = np.array([[25.0, 1.0, 1.0], [0.0, 18.0, 20.0]])
    mistakes = {"the root was taken: squared distances are asked for": np.sqrt(expected)}
    expect.close(
        submission.call("squared_distances", a, b), expected, "squared_distances(a, b)", mistakes=mistakes
    )


@task(
    "0.2", points=1, hint="three axes: one for the points of a, one for those of b, one for the coordinates"
)
def test_squared_distances_without_loops(submission, rng):
    """squared_distances needs no loop."""
    found = submission.call("squared_distances", np.array([[0.0], [2.0]]), np.array([[1.0], [5.0], [2.0]]))
    expect.close(found, np.array([[1.0, 25.0, 4.0], [1.0, 9.0, 0.0]]), "squared_distances(a, b)")
    expect_no_loops(submission, "squared_distances")


@task("0.3", points=1, hint="row n has its 1 in the column labels[n]")
def test_one_hot_example(submission, rng):
    """one_hot gives the table of section 3."""
    expected = np.array([[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 1, 0]])
    everywhere = np.tile([1, 0, 1, 0], (3, 1))
    mistakes = {"every row has a 1 for every label: table[:, labels] means all rows": everywhere}
    expect.close(
        submission.call("one_hot", np.array([2, 0, 2]), 4),
        expected,
        "one_hot([2, 0, 2], 4)",
        mistakes=mistakes,
    )


@task("0.3", points=1, hint="an index can be an array: of rows, of columns, of both")
def test_one_hot_without_loops(submission, rng):
    """one_hot needs no loop."""
    expect.close(
        submission.call("one_hot", np.array([1, 0]), 2), np.array([[0, 1], [1, 0]]), "one_hot([1, 0], 2)"
    )
    expect_no_loops(submission, "one_hot")


@task("0.4", points=1, hint="where it begins: half of what is cut; where it ends: so many further")
def test_centre_example(submission, rng):
    """centre cuts out the middle of the image of section 4."""
    image = np.arange(20.0).reshape(1, 4, 5)
    expect.close(
        submission.call("centre", image, 2, 3), np.array([[[6.0, 7, 8], [11, 12, 13]]]), "centre(image, 2, 3)"
    )
    mistakes = {"one row too many is cut at the beginning": np.array([[[11.0, 12, 13]]])}
    found = submission.call("centre", image, 1, 3)
    expect.close(found, np.array([[[6.0, 7, 8]]]), "centre(image, 1, 3)", mistakes=mistakes)


@task("0.4", points=1, hint="a slice is a view; .copy(), np.array(…) and an index of lists make copies")
def test_centre_is_a_view(submission, rng):
    """What is written into the result of centre is written into the images."""
    images = submission.array(np.zeros((1, 4, 4)))
    middle = submission.hold("centre", images, 2, 2)
    expect.shape(middle.value(), (1, 2, 2), "centre(images, 2, 2) with images of shape (1, 4, 4)")
    middle.write(np.ones((1, 2, 2)))
    changed = np.array_equal(images.value(), np.pad(np.ones((1, 2, 2)), ((0, 0), (1, 1), (1, 1))))
    expect.that(
        changed, "centre(images, 2, 2) is a copy: what was written into it did not get into the images"
    )


@task(
    "0.5",
    points=1,
    hint="a uint8 that gets too large begins again at 0: compute in a larger type and cut off",
)
def test_brighten_example(submission, rng):
    """brighten gives the pixels of section 4."""
    pixels = np.array([0, 100, 250], dtype=np.uint8)
    around = {"a pixel that is too large begins again at 0: 250 + 10 = 4": np.array([10, 110, 4])}
    expect.close(
        submission.call("brighten", pixels, 10),
        np.array([10, 110, 255]),
        "brighten([0, 100, 250], 10)",
        mistakes=around,
    )
    around = {"a pixel below 0 becomes a large one: 0 - 20 = 236": np.array([236, 80, 230])}
    expect.close(
        submission.call("brighten", pixels, -20),
        np.array([0, 80, 230]),
        "brighten([0, 100, 250], -20)",
        mistakes=around,
    )


@task("0.6", points=1, hint="from behind: the itemsize, times the last length, times the one before")
def test_strides_example(submission, rng):
    """strides_of and byte_offset give the numbers of section 5."""
    found = submission.call("strides_of", (2, 3, 4), 8)
    expect.equal(found, (96, 32, 8), "strides_of((2, 3, 4), 8)")
    expect.equal(
        submission.call("byte_offset", (1, 0, 2), (96, 32, 8)), 112, "byte_offset((1, 0, 2), (96, 32, 8))"
    )


@task("0.7", points=1, hint="one row for every place where a window can begin")
def test_windows_example(submission, rng):
    """windows and patches give the arrays of section 6."""
    found = submission.call("windows", np.array([1.0, 2.0, 4.0, 8.0]), 3)
    expect.close(found, np.array([[1.0, 2.0, 4.0], [2.0, 4.0, 8.0]]), "windows([1, 2, 4, 8], 3)")
    image = np.arange(9.0).reshape(1, 3, 3)
    expected = np.array([[[[[0.0, 1], [3, 4]], [[1, 2], [4, 5]]], [[[3, 4], [6, 7]], [[4, 5], [7, 8]]]]])
    expect.close(submission.call("patches", image, 2, 2), expected, "patches(image, 2, 2)")


@task("0.7", points=1, hint="both functions come from np.lib.stride_tricks and need no loop")
def test_windows_are_views_without_loops(submission, rng):
    """windows and patches copy nothing and need no loop."""
    x, images = np.arange(3.0), np.arange(6.0).reshape(1, 2, 3)
    cases = [
        ("windows", x, (2,), np.array([[0.0, 1.0], [1.0, 2.0]])),
        ("patches", images, (2, 2), np.array([[[[[0.0, 1], [3, 4]], [[1, 2], [4, 5]]]]])),
    ]
    for name, given, sizes, expected in cases:
        sent = submission.array(given)
        found = submission.hold(name, sent, *sizes)
        expect.close(found.value(), expected, name)
        sent.write(given + 10)
        changed = np.array_equal(found.value(), expected + 10)
        expect.that(changed, f"the result of {name} is a copy: it did not change with its argument")
    expect_no_loops(submission, "windows", "patches")


LABELS, PREDICTIONS = np.array([0, 1, 1, 1, 2]), np.array([0, 2, 2, 1, 2])


@task(
    "0.8", points=1, hint="section 7: pairs that occur twice count twice; and a matrix product adds up rows"
)
def test_counting_example(submission, rng):
    """confusion_matrix and class_means give the tables of section 7."""
    expected = np.array([[1, 0, 0], [0, 1, 2], [0, 0, 1]])
    mistakes = {
        "a pair that occurs twice was counted once: matrix[labels, predictions] += 1 does that": np.minimum(
            expected, 1
        ),
        "rows and columns are exchanged: the right class is the row": expected.T,
    }
    found = submission.call("confusion_matrix", LABELS, PREDICTIONS, 3)
    expect.close(
        found, expected, "confusion_matrix(labels, predictions, 3)", rtol=0, atol=0, mistakes=mistakes
    )
    x = np.array([[1.0, 2.0], [4.0, 0.0], [0.0, 4.0], [5.0, 5.0], [7.0, 8.0]])
    means = np.array([[1.0, 2.0], [3.0, 3.0], [7.0, 8.0]])
    mistakes = {"these are the sums of the classes": means * np.array([[1.0], [3.0], [1.0]])}
    expect.close(
        submission.call("class_means", x, LABELS, 3), means, "class_means(x, labels, 3)", mistakes=mistakes
    )


@task("0.8", points=1, hint="np.bincount counts, a product with a one-hot matrix adds up")
def test_counting_without_loops(submission, rng):
    """confusion_matrix and class_means need no loop."""
    found = submission.call("confusion_matrix", np.array([1, 0]), np.array([1, 1]), 2)
    expect.close(found, np.array([[0, 1], [0, 1]]), "confusion_matrix([1, 0], [1, 1], 2)")
    found = submission.call("class_means", np.array([[2.0], [4.0]]), np.array([1, 1]), 2)
    expect.close(found, np.array([[0.0], [3.0]]), "class_means([[2], [4]], [1, 1], 2)")
    expect_no_loops(submission, "confusion_matrix", "class_means")
