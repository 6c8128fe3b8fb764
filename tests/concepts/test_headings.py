"""Headings of the demonstrations' pictures."""

import pytest

from minidl.data import load
from minidl.experiments.concepts import tanh
from minidl.files import read_json
from minidl.plots.concepts.series import titled_figure

NAME = "scikit-learn digits (NOT MNIST)"


@pytest.mark.parametrize("width", [5.0, 7.2])
@pytest.mark.parametrize("start", ["Random labels: 238,510 weights, 1,197 images: ", "WWWW MMMM WWWW MMMM: "])
def test_a_long_heading_is_seen_to_its_end(width, start):
    figure = titled_figure(width, 3, start + NAME)
    figure.subplots()
    figure.canvas.draw()
    ends = figure._suptitle.get_window_extent()
    assert 0 <= ends.x0 and ends.x1 <= figure.bbox.x1
    assert " ".join(figure._suptitle.get_text().split()) == start + NAME


def test_the_images_named_are_those_there_are(tmp_path):
    data = load("digits")
    told = tanh.run(data, tmp_path, plan=tanh.Plan(images=9999, epochs=1, repeats=1, validation=50))
    assert read_json(tmp_path / "tanh.json")["plan"]["images"] == len(data.train)
    assert "9,999" not in told
