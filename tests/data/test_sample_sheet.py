"""The sheet of samples: the images drawn are the images given."""

import numpy as np
import pytest

from minidl.errors import ShapeError
from minidl.plots.samples import sample_sheet


def test_images_and_labels_in_reading_order():
    images = np.random.default_rng(0).integers(0, 256, (5, 1, 6, 4)).astype(np.uint8)
    (axes,) = sample_sheet(images, ["a", "b", "c", "d", 7], columns=2, title="Heading").axes
    assert axes.get_title("left") == "Heading"
    drawn = axes.get_images()
    assert [text.get_text() for text in axes.texts] == ["a", "b", "c", "d", "7"]
    for artist, image in zip(drawn, images[:, 0], strict=True):
        np.testing.assert_array_equal(artist.get_array(), image)
        assert artist.get_clim() == (0, images.max())
    corners = [(artist.get_extent()[0], artist.get_extent()[3]) for artist in drawn]
    lefts, tops = zip(*corners, strict=True)
    assert lefts[0] == lefts[2] == lefts[4] < lefts[1] == lefts[3]
    assert tops[0] == tops[1] < tops[2] == tops[3] < tops[4]
    for x, y in [(lefts[1] + 4, tops[4] + 6), (0, 0)]:  # everything lies within the axes, rows downwards
        assert axes.get_xlim()[0] <= x <= axes.get_xlim()[1]
        assert axes.get_ylim()[1] <= y <= axes.get_ylim()[0]


def test_what_does_not_belong_together():
    for images, labels, columns in [
        (np.zeros((2, 3, 4, 4)), [1, 2], 10),
        (np.zeros((2, 4, 4)), [1], 10),
        (np.zeros((0, 4, 4)), [], 10),
        (np.zeros((2, 4, 4)), [1, 2], 0),
    ]:
        with pytest.raises(ShapeError, match="sample_sheet"):
            sample_sheet(images, labels, columns)
