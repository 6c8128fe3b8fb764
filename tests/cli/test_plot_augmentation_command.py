"""``minidl plot augmentation`` and its sheet."""

import numpy as np
import pytest

from minidl.cli.main import main
from minidl.cli.plot_augmentation import _one_of_each
from minidl.data import Split
from minidl.errors import ShapeError
from minidl.plots import augmentation_sheet
from minidl.plots.augmentation import _wrapped

pytest.importorskip("matplotlib", reason="matplotlib is not installed")


def plot(*words):
    return main(["plot", "augmentation", *words])


def images_and_texts(figure):
    (axes,) = figure.axes
    shown = [(tuple(map(float, image.get_extent())), np.asarray(image.get_array())) for image in axes.images]
    return shown, [(text.get_text(), text.get_position()) for text in axes.texts]


# The sheet --------------------------------------------------------------------------------------


def test_originals_stand_beside_their_variants():
    originals = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1) * np.ones((1, 1, 4, 4), np.uint8)
    blocks = {
        "Small(1)": np.stack([originals + 10 * v for v in (1, 2)], axis=1),
        "Large(2)": np.stack([originals + 10 * v for v in (3, 4)], axis=1),
    }
    figure = augmentation_sheet(originals, blocks, title="Digits")
    shown, texts = images_and_texts(figure)
    rows = {}
    for (left, _, _, top), pixels in sorted(shown, key=lambda item: (item[0][3], item[0][0])):
        rows.setdefault(top, []).append((left, int(pixels[0, 0])))
    values = [[value for _, value in row] for row in rows.values()]
    assert values == [[n, n + 10, n + 20, n + 30, n + 40] for n in range(3)]
    lefts = next(iter(rows.values()))
    assert [(text, position[0]) for text, position in texts] == [
        ("original", 0),
        ("Small(1)", lefts[1][0]),
        ("Large(2)", lefts[3][0]),
    ]
    assert figure.axes[0].get_title(loc="left") == "Digits"
    assert all(image.get_clim() == (0, 255) for image in figure.axes[0].images)


def test_blocks_that_do_not_fit_the_page_go_below():
    originals = np.zeros((2, 1, 4, 4), np.float32)
    blocks = {f"A({n})": np.zeros((2, 4, 1, 4, 4), np.float32) for n in range(7)}
    figure = augmentation_sheet(originals, blocks)
    shown, texts = images_and_texts(figure)
    assert len(shown) == 2 * (7 * 4 + 3)  # the originals once for each of three bands
    assert [text for text, _ in texts].count("original") == 3
    assert figure.get_size_inches()[0] < 7.5
    assert all(image.get_clim() == (0, 1) for image in figure.axes[0].images)
    places = [extent for extent, _ in shown]
    assert len(set(places)) == len(places)


def test_long_headings_break_where_a_call_may():
    call = "Compose([RandomAffine(rotation=10, scale=0.1), Cutout(8)])"
    lines = _wrapped(call, 24)
    assert lines == ["Compose([RandomAffine(", "rotation=10, scale=0.1),", "Cutout(8)])"]
    assert _wrapped("Short(1)", 24) == ["Short(1)"]
    assert _wrapped("x" * 50, 24) == ["x" * 24, "x" * 24, "xx"]


@pytest.mark.parametrize(
    ("originals", "variants"),
    [
        (np.zeros((2, 1, 4, 4)), {}),
        (np.zeros((2, 1, 4, 4)), {"A": np.zeros((3, 2, 1, 4, 4))}),
        (np.zeros((2, 1, 4, 4)), {"A": np.zeros((2, 2, 1, 4, 4)), "B": np.zeros((2, 3, 1, 4, 4))}),
        (np.zeros((2, 3, 4, 4)), {"A": np.zeros((2, 2, 3, 4, 4))}),
        (np.zeros((0, 1, 4, 4)), {"A": np.zeros((0, 2, 1, 4, 4))}),
    ],
)
def test_arrays_that_do_not_belong_together(originals, variants):
    with pytest.raises(ShapeError, match="augmentation_sheet"):
        augmentation_sheet(originals, variants)


# The command ------------------------------------------------------------------------------------


def test_one_example_of_each_class():
    labels = np.array([2, 2, 0, 1, 0, 2, 1])
    images = np.arange(7, dtype=np.uint8).reshape(7, 1, 1, 1)
    assert _one_of_each(Split(images, labels), 5).ravel().tolist() == [2, 3, 0, 4, 6]
    assert _one_of_each(Split(images, labels), 100).ravel().tolist() == [2, 3, 0, 4, 6, 1, 5]


def test_the_command_writes_the_same_picture_again(tmp_path, capsys):
    words = ("RandomAffine(rotation=10)", "Elastic(pixels=1.4)", "--data", "digits", "--examples", "2")
    for name, extra in (("a.png", ()), ("b.png", ()), ("c.png", ("--seed", "1"))):
        assert plot(*words, "--out", str(tmp_path / name), *extra) == 0
    first, again, other = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png", "c.png"))
    assert first[:8] == b"\x89PNG\r\n\x1a\n" and first == again != other
    assert f"wrote {tmp_path / 'a.png'}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["RandomFlip()"], "AUGMENTATION: RandomFlip: the mirror image of a digit is no digit"),
        (["RandomAffin()"], "there is no 'RandomAffin'; did you mean 'RandomAffine'?"),
        (["RandomAffine(rotate=3)"], "RandomAffine has no option 'rotate'; did you mean 'rotation'?"),
        (["Elastic()"], "give the strength once"),
        (["Cutout(40, inside=True)"], "does not fit inside images of 28"),
        (["RandomShift(1)", "--examples", "0"], "--examples must be from 1 to 100, got 0"),
        (["RandomShift(1)", "--variants", "13"], "--variants must be from 1 to 12, got 13"),
        (["RandomShift(1)", "--out", "sheet.txt"], "a picture's name ends in"),
    ],
)
def test_mistakes_are_one_sentence_and_write_nothing(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert plot(*words, "--data", "digits") == 2
    error = [line for line in capsys.readouterr().err.splitlines() if "ATTENTION" not in line]
    assert len(error) == 1 and error[0].startswith("minidl: error: ") and message in error[0]
    assert list(tmp_path.iterdir()) == []
