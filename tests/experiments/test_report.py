"""The reports: complete, self-contained, honest about the data, and whole when files are missing."""

import base64
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from minidl.errors import DataError
from minidl.experiments.records import read_first_weight, read_predictions
from minidl.experiments.report import best_run, write_progression_report, write_run_report
from minidl.experiments.report_tables import DASH
from tests.experiments.fake_progression import write_fake_progression

N = 10_000
LABELS = np.random.default_rng(5).integers(10, size=N)
IMAGES = np.random.default_rng(6).integers(256, size=(N, 1, 28, 28), dtype=np.uint8)


class Page(HTMLParser):
    """Checks that tags nest, and collects text, images and tables."""

    VOID = ("meta", "img", "br", "link")

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.html = path.read_text(encoding="utf-8")
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.images: list[dict] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.feed(self.html)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.attributes += [(tag, name, value or "") for name, value in attributes]
        if tag == "img":
            self.images.append(dict(attributes))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open:
            return
        self.text += data + " "
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data + " "

    def row(self, *start: str) -> list[str]:
        """Return the one row whose first cells begin so."""
        (found,) = [row for row in self.rows if [cell.strip() for cell in row[: len(start)]] == list(start)]
        return [cell.strip() for cell in found]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The whole ladder with three seeds, and its page."""
    folder = tmp_path_factory.mktemp("whole")
    results = write_fake_progression(folder, LABELS, seeds=(0, 1, 2))
    return folder, results, Page(write_progression_report(folder, test_images=IMAGES, test_labels=LABELS))


def small(folder, **options):
    options.setdefault("rungs", ("0", "1"))
    return write_fake_progression(folder, LABELS, epochs=2, **options)


def change(folder, edit):
    """Edit results.json in place."""
    results = json.loads((folder / "results.json").read_text())
    edit(results)
    (folder / "results.json").write_text(json.dumps(results))


def test_header_says_what_was_run_and_how_to_repeat_it(whole):
    _, results, page = whole
    for text in (
        results["command"],
        "MNIST",
        "quick",
        "0, 1, 2",
        "x86_64",
        "numpy 2.4.0",
        "4 min 28 s",
        "50,000 / 10,000",
    ):
        assert text in page.text
    assert "not comparable" not in page.text


def test_table_has_a_row_for_every_rung(whole):
    _, results, page = whole
    for rung in results["rungs"]:
        row = _table_row(page, rung)
        assert f"{rung['mean']:.2f}" in row[2]
        assert row[4] == (DASH if rung["ensemble"] else f"{rung['by_validation']:.2f}")
        assert row[3] == f"{rung['wilson'][0]:.2f} {DASH} {rung['wilson'][1]:.2f}"
        assert row[5] == row[6] == (DASH if rung["lecture"] is None else f"{rung['lecture']:.2f}")
        assert row[7] == f"{rung['parameters']:,}"
    assert (
        "± 0." in _table_row(page, results["rungs"][0])[2]
        and "3 seeds" in _table_row(page, results["rungs"][0])[2]
    )
    assert "±" not in _table_row(page, results["rungs"][-1])[2]


def _table_row(page, rung):
    (row,) = [row for row in page.rows if len(row) == 10 and row[0].strip() == rung["rung"]]
    assert rung["title"] in row[1] and rung["change"] in row[1] and rung["architecture"] in row[1]
    return [cell.strip() for cell in row]


def test_mcnemar_of_successive_rungs(whole):
    folder, _, page = whole
    row = page.row("0 → 1")
    right = [
        [read_predictions(folder / f"rung-{r}/seed-{s}") == LABELS for s in range(3)] for r in ("00", "01")
    ]
    first = [int((a & ~b).sum()) for a, b in zip(*right, strict=True)]
    second = [int((b & ~a).sum()) for a, b in zip(*right, strict=True)]
    assert row[1:4] == ["0, 1, 2", ", ".join(map(str, first)), ", ".join(map(str, second))]
    p = [binomtest(a, a + b, 0.5).pvalue for a, b in zip(first, second, strict=True)]
    assert row[4] == ", ".join(f"{x:.2g}" if x >= 1e-4 else "< 0.0001" for x in p)
    assert page.row("10 → 11")[1] == "0"  # the ensemble shares only seed 0
    # 8 pairs of three seeds and one of one: 25 tests, 0.05 / 25.
    assert "With 25 tests" in page.text and "p < 0.002" in page.text
    assert "if the two networks were equally good" in page.text


def test_pictures_are_there_and_described(whole):
    _, _, page = whole
    alt = [image["alt"] for image in page.images]
    assert all(alt)
    # A ladder, nine rungs' filters and nine rungs' curves, a confusion matrix, a gallery.
    assert len(alt) == 1 + 9 + 9 + 1 + 1
    assert sum("loss and error rate" in text for text in alt) == 9
    assert sum("weights of the first layer" in text for text in alt) == 9
    assert any(text.startswith("Confusion matrix of the ensemble (rung 11)") for text in alt)
    assert "the ensemble (rung 11) gets 33 wrong (0.33 %)" in page.text


def test_independence_of_the_ensemble_is_examined(whole):
    folder, _, page = whole
    wrong = np.stack([read_predictions(folder / f"rung-10/seed-{s}") != LABELS for s in range(5)])
    assert f"Mean error of one network {100 * wrong.mean():.2f} %" in page.text
    pairs = np.corrcoef(wrong)[np.triu_indices(5, 1)]
    assert f"mean of pairs {pairs.mean():.2f}" in page.text
    assert f"Images all networks get wrong {wrong.all(axis=0).sum()}" in page.text
    p = wrong.mean()
    promised = sum(c * p**k * (1 - p) ** (5 - k) for k, c in ((3, 10), (4, 5), (5, 1)))
    shown = float(re.search(r"Majority wrong if independent ([0-9.]+) %", page.text)[1])
    assert shown == pytest.approx(100 * promised, rel=0.06)  # two digits are shown


def test_openings_of_the_vault_are_listed(whole):
    assert whole[2].row("2025-11-21 09:04:00+00:00")[1] == "accuracy of rung 0, seed 0"


def test_nothing_is_loaded_from_elsewhere(whole):
    _, _, page = whole
    for tag, name, value in page.attributes:
        if name in ("src", "href", "srcset", "action", "data"):
            assert value.startswith("#") if tag == "a" else value.startswith("data:image/")
        assert tag not in ("script", "link", "iframe", "object") and not name.startswith("on")
    assert "url(" not in page.html and "@import" not in page.html and "http://" not in page.html
    assert "default-src 'none'" in page.html
    for image in page.images:
        kind, data = image["src"].split(";base64,")
        if kind == "data:image/svg+xml":
            svg = base64.b64decode(data).decode()
            references = re.findall(r'(?:href|src)="([^"]*)"', svg) + re.findall(r"url\(([^)]*)\)", svg)
            assert all(reference.startswith(("#", "data:")) for reference in references)
            assert "<script" not in svg


def test_other_data_is_never_passed_off_as_mnist(tmp_path):
    small(tmp_path, is_mnist=False)
    page = Page(write_progression_report(tmp_path, test_images=IMAGES, test_labels=LABELS))
    assert "This is not MNIST." in page.text and "not comparable" in page.text
    assert 'class="notice"' in page.html
    assert "Lecture, % on MNIST" in re.sub(r"\s+", " ", page.text)
    assert "The lecture's ensemble" not in page.text
    assert not any("beside the lecture" in image["alt"] for image in page.images)


def test_text_from_files_is_escaped(tmp_path):
    small(tmp_path)
    bad = "<img src=x onerror=alert(1)>"

    def poison(results):
        results["command"] = results["preset"] = results["data"]["title"] = results["machine"]["system"] = bad
        results["rungs"][0].update(title=bad, change=bad, architecture=bad, error=bad)
        results["vault"][0]["reason"] = bad

    change(tmp_path, poison)
    page = Page(write_progression_report(tmp_path, test_labels=LABELS))
    assert bad not in page.html and page.text.count(bad) > 8
    assert all(image["src"].startswith("data:") for image in page.images)


def test_works_without_the_test_images_and_labels(tmp_path):
    small(tmp_path)
    page = Page(write_progression_report(tmp_path, test_labels=LABELS))
    assert "The gallery is missing: the report was written without the test images." in page.text
    assert any(image["alt"].startswith("Confusion matrix") for image in page.images)
    page = Page(write_progression_report(tmp_path))
    assert "without the labels of the test set" in page.text


def test_works_while_the_ladder_is_unfinished(tmp_path):
    small(tmp_path, rungs=("0", "1", "10", "11"))

    def unfinish(results):
        for rung, status in zip(results["rungs"][1:], ("failed", "running", "pending"), strict=True):
            rung.update(status=status, mean=None, sd=None, wilson=None, seconds=None, runs=[], members=[])
        results["rungs"][1]["error"] = "the loss became NaN in epoch 2"
        results.update(vault=[], seconds=None)

    change(tmp_path, unfinish)
    page = Page(write_progression_report(tmp_path, test_images=IMAGES, test_labels=LABELS))
    assert "failed: the loss became NaN in epoch 2" in page.text
    for status in ("failed", "running", "pending"):
        assert any(len(row) == 9 and row[2].strip() == status for row in page.rows)
    assert "Fewer than two rungs are finished" in page.text
    assert "No opening is recorded." in page.text


def test_works_when_nothing_is_finished(tmp_path):
    (tmp_path / "results.json").write_text('{"format": 1, "rungs": []}')
    page = Page(write_progression_report(tmp_path))
    assert "No rung is finished yet" in page.text


def test_missing_and_damaged_files_are_named_and_the_rest_is_shown(tmp_path):
    small(tmp_path, rungs=("0", "1", "2", "10", "11"))
    (tmp_path / "rung-00/seed-0/history.csv").unlink()
    (tmp_path / "rung-01/seed-0/history.csv").write_text("epoch,train_loss\n1,abc\n")
    (tmp_path / "rung-00/seed-0/checkpoints/best.safetensors").write_bytes(b"\x08\x00")
    (tmp_path / "rung-01/seed-0/test_outputs.safetensors").unlink()
    shutil.rmtree(tmp_path / "rung-10/seed-3")
    page = Page(write_progression_report(tmp_path, test_images=IMAGES, test_labels=LABELS))
    assert "No readable history.csv: Rung 0: Fully connected; Rung 1: One convolution." in page.text
    assert "No saved weights that can be shown as images: Rung 0: Fully connected." in page.text
    assert "Not compared, for want of saved predictions on these test images: 0 and 1; 1 and 2." in page.text
    assert page.row("2 → 10") and page.row("10 → 11")
    assert "predictions of the ensemble or of some of its members are missing" in page.text
    assert sum("loss and error rate" in image["alt"] for image in page.images) == 2


def test_labels_of_another_test_set_are_noticed(tmp_path):
    small(tmp_path)
    page = Page(write_progression_report(tmp_path, test_images=IMAGES, test_labels=LABELS[:-1]))
    assert "predicted 10000 images, but 9999 labels were given" in page.text
    assert "Not compared" in page.text


@pytest.mark.parametrize("content", [None, "{", '{"format": 2}', "[]"])
def test_a_folder_without_usable_results_is_refused_in_a_sentence(tmp_path, content):
    if content is not None:
        (tmp_path / "results.json").write_text(content)
    with pytest.raises(DataError, match=r"results\.json"):
        write_progression_report(tmp_path)


def test_the_best_run_is_chosen_by_validation_and_not_by_test_accuracy(tmp_path):
    results = small(tmp_path)
    zero, one = (rung["runs"][0] for rung in results["rungs"])
    zero.update(accuracy=90.0, validation_accuracy=99.0)
    one.update(accuracy=99.9, validation_accuracy=98.0)
    assert best_run(tmp_path, results["rungs"]) == ("rung 0, seed 0", tmp_path / "rung-00/seed-0")


def test_first_weight_is_the_earliest_layers(tmp_path):
    small(tmp_path)
    # Beside "model/2.weight" the file holds "model/10.weight", which sorts first as text.
    assert read_first_weight(tmp_path / "rung-00/seed-0").shape == (784, 100)
    assert read_first_weight(tmp_path / "rung-01/seed-0").shape == (20, 1, 5, 5)


def test_run_report_shows_the_run(tmp_path):
    small(tmp_path, rungs=("1",))
    run = tmp_path / "rung-01/seed-0"
    path = write_run_report(run, test_images=IMAGES, test_labels=LABELS)
    page = Page(path)
    assert path == run / "report.html" and "Run rung-01/seed-0" in page.text
    assert "train seconds 21.5" in page.text and '"rung": "1"' in page.text
    kinds = ("loss and error rate", "weights of the first layer", "Confusion matrix", "gets wrong")
    assert [any(kind in image["alt"] for image in page.images) for kind in kinds] == [True] * 4


def test_run_report_of_an_empty_folder_is_sentences(tmp_path):
    page = Page(write_run_report(tmp_path))
    for sentence in (
        "no readable results.json",
        "No readable history.csv",
        "No saved weights",
        "no readable run.json",
    ):
        assert sentence in page.text
    assert not page.images
