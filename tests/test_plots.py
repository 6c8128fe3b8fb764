"""Every picture: what is in it, its labels and units, and that it leaves no global state."""

import base64
import re
import subprocess
import sys

import numpy as np
import pytest

from minidl.errors import ConfigError, ShapeError
from minidl.plots import confusion_heatmap, error_gallery, filter_grid, ladder_plot, training_curves
from minidl.plots.report import (
    Code,
    Facts,
    Heading,
    Notice,
    Paragraph,
    Picture,
    Pictures,
    Table,
    data_uri,
    render,
    write_report,
)

HISTORY = {
    "epoch": np.array([1, 2, 3]),
    "train_loss": np.array([0.5, 0.2, 0.1]),
    "val_loss": np.array([0.4, 0.3, 0.25]),
    "train_accuracy": np.array([0.9, 0.95, 1.0]),
    "val_accuracy": np.array([0.92, 0.96, 0.97]),
}


def texts(axes):
    return [text.get_text() for text in axes.texts]


def lines(axes):
    return {line.get_label(): line.get_ydata() for line in axes.lines}


def test_drawing_touches_neither_pyplot_nor_matplotlib_before_it_is_needed():
    code = (
        "import sys, numpy as np, minidl.plots as plots; assert 'matplotlib' not in sys.modules;"
        "plots.confusion_heatmap(np.eye(3, dtype=int)).savefig('/dev/null', format='png');"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# curves


def test_curves_show_loss_and_accuracy_in_percent():
    left, right = training_curves(HISTORY).axes
    assert (left.get_xlabel(), left.get_ylabel(), left.get_yscale()) == ("epoch", "loss", "linear")
    assert (right.get_xlabel(), right.get_ylabel()) == ("epoch", "accuracy, %")
    np.testing.assert_array_equal(lines(left)["training"], HISTORY["train_loss"])
    np.testing.assert_allclose(lines(right)["validation"], [92, 96, 97])


def test_log_curves_show_the_error_rate_and_leave_a_gap_at_zero():
    left, right = training_curves(HISTORY, log=True, best_epoch=3).axes
    assert left.get_yscale() == right.get_yscale() == "log"
    assert right.get_ylabel() == "error rate, % (log scale)"
    np.testing.assert_allclose(lines(right)["training"], [10, 5, np.nan])
    np.testing.assert_allclose(lines(right)["validation"], [8, 4, 3])
    assert "best validation" in lines(left)


def test_curves_of_several_runs_have_one_entry_in_the_legend():
    left, _ = training_curves([HISTORY, HISTORY, HISTORY]).axes
    assert len(left.lines) == 6
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["training", "validation"]


def test_curves_without_validation_or_accuracy_say_so():
    figure = training_curves({"epoch": np.array([1, 2]), "train_loss": np.array([1.0, np.nan])}, log=True)
    left, right = figure.axes
    assert list(lines(left)) == ["training"]
    assert texts(right) == ["not recorded"]
    data_uri(figure, "svg")


@pytest.mark.parametrize("epochs", [1, 2, 60])
def test_epochs_are_whole_numbers_on_the_axis(epochs):
    numbers = np.arange(1, epochs + 1)
    figure = training_curves({"epoch": numbers, "train_loss": 1 / numbers})
    figure.canvas.draw()
    axes = figure.axes[0]
    low, high = axes.get_xlim()
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    assert ticks and all(tick == round(tick) for tick in ticks)
    assert low <= 1 and high >= epochs


def test_curves_need_epochs():
    with pytest.raises(ConfigError, match="epoch"):
        training_curves([{"train_loss": np.ones(2)}])
    with pytest.raises(ConfigError):
        training_curves([])


# filters


def test_convolution_filters_share_a_scale_symmetric_around_zero():
    weights = np.random.default_rng(0).normal(size=(20, 1, 5, 5)).astype(np.float32)
    axes, bar = filter_grid(weights, title="first layer").axes
    assert len(axes.images) == 20
    for image, weight in zip(axes.images, weights, strict=True):
        np.testing.assert_allclose(image.get_array(), weight[0], rtol=1e-6)
        assert image.get_clim() == pytest.approx((-np.abs(weights).max(), np.abs(weights).max()))
    assert bar.get_ylabel() == "weight"
    assert axes.get_title(loc="left") == "first layer"


def test_dense_units_are_shown_as_images_and_their_number_is_limited():
    weights = np.arange(784 * 30, dtype=np.float64).reshape(784, 30)
    axes, _ = filter_grid(weights, limit=12, title="hidden").axes
    assert len(axes.images) == 12
    np.testing.assert_array_equal(axes.images[2].get_array(), weights[:, 2].reshape(28, 28))
    assert axes.get_title(loc="left") == "hidden (first 12 of 30)"


def test_channels_stand_side_by_side_with_a_gap():
    axes, _ = filter_grid(np.ones((2, 3, 4, 5))).axes
    tile = np.ma.filled(axes.images[0].get_array(), np.nan)
    assert tile.shape == (4, 5 + 1 + 5 + 1 + 5)
    assert np.isnan(tile[:, [5, 11]]).all() and np.nansum(tile) == 3 * 4 * 5


@pytest.mark.parametrize("count", [1, 7, 100])
def test_tiles_do_not_overlap_and_lie_within_the_axes(count):
    axes, _ = filter_grid(np.zeros((count, 1, 3, 3))).axes
    corners = {(round(image.get_extent()[0], 6), round(image.get_extent()[2], 6)) for image in axes.images}
    assert len(corners) == count
    assert all(
        axes.get_xlim()[0] <= i.get_extent()[0] < i.get_extent()[1] <= axes.get_xlim()[1] for i in axes.images
    )
    assert all(
        axes.get_ylim()[0] <= i.get_extent()[2] < i.get_extent()[3] <= axes.get_ylim()[1] for i in axes.images
    )


def test_weights_of_another_shape_are_refused():
    with pytest.raises(ShapeError, match="filter_grid"):
        filter_grid(np.zeros((100, 10)))


# confusion matrix


def test_confusion_matrix_prints_every_count_and_colours_only_mistakes():
    matrix = np.array([[980, 0, 4], [1, 50, 0], [0, 0, 0]])
    axes = confusion_heatmap(matrix, ["zero", "one", "two"]).axes[0]
    assert texts(axes) == ["980", "4", "1", "50"]
    # (column, row) of the 4: a true zero that was called two.
    assert axes.texts[1].get_position() == (2, 0)
    coloured = np.ma.filled(axes.images[1].get_array(), np.nan)
    np.testing.assert_array_equal(
        np.isfinite(coloured), [[False, False, True], [True, False, False], [False] * 3]
    )
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["zero", "one", "two"]
    right = axes.child_axes[0]
    assert [tick.get_text() for tick in right.get_yticklabels()] == ["99.6 %", "98.0 %", "no example"]


def test_confusion_matrix_must_be_square_and_named():
    with pytest.raises(ShapeError):
        confusion_heatmap(np.zeros((2, 3), dtype=int))
    with pytest.raises(ShapeError, match="2 class names"):
        confusion_heatmap(np.eye(3, dtype=int), ["a", "b"])


# gallery


def digits(n):
    images = np.random.default_rng(0).integers(256, size=(n, 1, 28, 28), dtype=np.uint8)
    labels = np.arange(n) % 10
    return images, labels, labels.copy()


def test_gallery_shows_the_errors_with_true_above_predicted_at_the_right():
    images, labels, predictions = digits(100)
    predictions[[14, 51]] = [9, 7]
    figure = error_gallery(images, labels, predictions)
    (axes,) = figure.axes
    assert axes.get_title(loc="left") == "2 of 100 misclassified"
    assert len(axes.images) == 2
    np.testing.assert_array_equal(axes.images[1].get_array(), images[51, 0])
    assert texts(axes) == ["4", "9", "14", "1", "7", "51"]  # true, predicted, position
    true, predicted = (axes.texts[i].get_position() for i in (0, 1))
    right, bottom, top = (axes.images[0].get_extent()[i] for i in (1, 2, 3))
    assert true[0] > right and predicted[0] > right
    assert bottom < predicted[1] < true[1] < top


def test_gallery_of_33_errors_is_readable():
    images, labels, predictions = digits(10_000)
    predictions[np.arange(33) * 300] += 1
    figure = error_gallery(images, labels, predictions)
    figure.canvas.draw()
    (axes,) = figure.axes
    assert len(axes.images) == 33
    # On the page (96 pixels an inch) a digit is at least 45 pixels wide and its label 12 high.
    per_unit = axes.transData.transform((1, 0))[0] - axes.transData.transform((0, 0))[0]
    assert per_unit / figure.dpi * 96 > 45
    assert axes.texts[0].get_fontsize() * 96 / 72 > 12
    inside = figure.bbox
    for text in axes.texts:
        box = text.get_window_extent()
        assert inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1


def test_gallery_says_when_it_leaves_errors_out_and_when_there_are_none():
    images, labels, predictions = digits(30)
    (axes,) = error_gallery(images, labels, (labels + 1) % 10, limit=5).axes
    assert len(axes.images) == 5 and axes.get_title(loc="left") == "30 of 30 misclassified (first 5 shown)"
    (axes,) = error_gallery(images, labels, predictions).axes
    assert texts(axes) == ["No image was misclassified."]


def test_gallery_uses_class_names():
    images, labels, predictions = digits(10)
    predictions[1] = 0
    (axes,) = error_gallery(images[:, 0], labels, predictions, classes=["shirt", "coat", *"abcdefgh"]).axes
    assert texts(axes)[:2] == ["coat", "shirt"]


def test_gallery_refuses_arrays_that_do_not_belong_together():
    images, labels, predictions = digits(10)
    with pytest.raises(ShapeError, match="error_gallery"):
        error_gallery(images, labels[:-1], predictions)


# ladder


def test_ladder_shows_error_rates_of_ours_and_the_lectures():
    figure = ladder_plot(
        ["0", "1", "2"],
        np.array([97.5, 99.0, np.nan]),
        np.array([97.8, np.nan, 99.06]),
        interval=np.array([[97.2, 97.8], [98.8, 99.2], [np.nan, np.nan]]),
        sd=np.array([0.1, np.nan, np.nan]),
    )
    axes, numbers = figure.axes
    assert axes.get_xscale() == "log" and axes.get_xlabel() == "test error rate, % (log scale)"
    drawn = {c.get_label(): c for c in axes.collections}
    np.testing.assert_allclose(drawn["ours"].get_offsets(), [[2.5, 0], [1.0, 1]])
    np.testing.assert_allclose(drawn["the lecture"].get_offsets(), [[2.2, 0], [0.94, 2]])
    np.testing.assert_allclose(drawn["95 % interval (Wilson)"].get_segments()[0][:, 0], [2.2, 2.8])
    np.testing.assert_allclose(drawn["± sd over seeds"].get_segments()[0][:, 0], [2.4, 2.6])
    assert texts(numbers) == ["ours, %", "lecture, %", "97.50", "97.80", "99.00", "not run", "99.06"]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["0", "1", "2"]
    # The first rung is the topmost.
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_ladder_draws_a_network_without_errors_at_the_edge():
    axes = ladder_plot(["a", "b"], np.array([100.0, 98.0])).axes[0]
    offsets = {c.get_label(): c for c in axes.collections}["ours"].get_offsets()
    assert offsets[0, 0] == axes.get_xlim()[0] > 0


def test_ladder_without_the_lecture_does_not_mention_it():
    figure = ladder_plot(["a"], np.array([97.0]))
    assert "lecture, %" not in texts(figure.axes[1])


def test_ladder_refuses_columns_of_another_length():
    with pytest.raises(ShapeError, match="lecture has shape"):
        ladder_plot(["a", "b"], np.array([1.0, 2.0]), np.array([1.0]))


# report


def test_report_escapes_everything():
    bad = "<script>alert('&\"')</script>"
    figure = training_curves(HISTORY)
    sections = [
        Heading(bad), Paragraph(bad), Notice(bad), Code(bad), Facts([(bad, bad)]),
        Table([bad, (bad, bad)], [[bad, (bad, bad)]], caption=bad),
        Picture(figure, alt=bad, caption=bad), Pictures([Picture(figure, alt=bad)]),
    ]  # fmt: skip
    page = render(bad, sections, subtitle=bad)
    assert "<script" not in page and "alert('" not in page
    # title twice, subtitle, heading, paragraph, notice, code, 2 facts, caption, 6 cells, alt, caption, alt
    assert page.count("&lt;script&gt;alert(&#x27;&amp;&quot;&#x27;)&lt;/script&gt;") == 19


def test_svg_is_self_contained_and_the_same_every_time():
    svg = [
        base64.b64decode(data_uri(training_curves(HISTORY), "svg").split(",")[1]).decode() for _ in range(2)
    ]
    assert svg[0] == svg[1]
    assert svg[0].startswith("<svg") and "<metadata" not in svg[0] and "DOCTYPE" not in svg[0]


def test_png_is_embedded_at_twice_the_resolution_of_the_page():
    html = Picture(confusion_heatmap(np.eye(3, dtype=int)), alt="a", format="png").html()
    png = base64.b64decode(html.split("base64,")[1].split('"')[0])
    width = int.from_bytes(png[16:20], "big")
    assert int(re.search(r'width="(\d+)"', html)[1]) == pytest.approx(width / 2, abs=1)


def test_contents_link_to_the_headings():
    page = render("t", [Heading("First"), Paragraph("x"), Heading("Second"), Heading("below", level=3)])
    assert '<a href="#section-0">First</a> <a href="#section-2">Second</a></nav>' in page
    assert '<h2 id="section-2">Second</h2>' in page and '<h3 id="section-3">below</h3>' in page


def test_table_marks_headers_and_numbers():
    html = Table(["a", ("b", "small")], [["x", "1"]], numeric=[1]).html()
    assert '<th scope="col" class="number">b<small>small</small></th>' in html
    assert '<th scope="row">x</th><td class="number">1</td>' in html


def test_report_is_written_atomically(tmp_path):
    path = write_report(tmp_path / "report.html", "t", [Paragraph("ä")])
    assert "<p>ä</p>" in path.read_text(encoding="utf-8")
    with pytest.raises(AttributeError):
        write_report(path, "t", ["not a section"])
    assert "<p>ä</p>" in path.read_text(encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_a_long_title_is_seen_to_its_end():
    history = {"epoch": [1, 2], "train_loss": [1.0, 0.5], "train_accuracy": [0.5, 0.6]}
    title = "A training with many options, all of them named one after another in its title, to the very end"
    figure = training_curves(history, title=title)
    figure.draw_without_rendering()
    place = figure._suptitle.get_window_extent()
    assert place.x1 < figure.bbox.x1 and " ".join(figure._suptitle.get_text().split()) == title
