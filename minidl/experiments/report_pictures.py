"""The pictures of the reports, each with the sentence that stands in for it when its data is missing."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.errors import ShapeError
from minidl.evaluation import confusion_matrix
from minidl.experiments.report_tables import is_done
from minidl.plots import confusion_heatmap, error_gallery, filter_grid, ladder_plot, training_curves
from minidl.plots.report import Paragraph, Picture, Pictures, Section

Curves = dict[str, np.ndarray]


def ladder_section(results: dict[str, Any]) -> list[Section]:
    """Return the picture of the whole ladder."""
    rungs = results.get("rungs") or []
    if not any(is_done(rung) and rung.get("mean") is not None for rung in rungs):
        return [Paragraph("No rung is finished yet: there is no ladder to draw.")]
    is_mnist = bool((results.get("data") or {}).get("is_mnist"))
    split = str(results.get("split", "test")).capitalize()
    figure = ladder_plot(
        [f"{rung['rung']}  {rung.get('title') or ''}".strip() for rung in rungs],
        _numbers(rung.get("mean") for rung in rungs),
        _numbers(rung.get("lecture") for rung in rungs) if is_mnist else None,
        interval=np.array([_numbers(rung.get("wilson") or (None, None)) for rung in rungs]),
        sd=_numbers(rung.get("sd") for rung in rungs),
        split=split.lower(),
    )
    beside = " beside the lecture's" if is_mnist else ""
    return [
        Picture(
            figure,
            alt=f"{split} error of every rung on a logarithmic axis{beside}; the numbers are in the table above",
            caption=f"{split} error of every rung{beside}. On this axis equal steps are equal factors.",
        )
    ]


def curve_sections(
    runs: list[tuple[str, list[Curves | None]]],
    *,
    best_epoch: int | None = None,
    scales: tuple[str, ...] = ("log",),
) -> list[Section]:
    """Return the curves of every named group of runs, once for each scale, "linear" or "log"."""
    pictures, missing = [], []
    for name, histories in runs:
        found = [history for history in histories if history is not None]
        if not found:
            missing.append(name)
            continue
        several = f", {len(found)} runs" if len(found) > 1 else ""
        for scale in scales:
            title = f"{name}{several}" + (f", {scale} scale" if len(scales) > 1 else "")
            figure = training_curves(found, log=scale == "log", title=title, best_epoch=best_epoch)
            drawn = "loss and error rate" if scale == "log" else "loss and accuracy"
            pictures.append(Picture(figure, alt=f"{name}: {drawn} against epochs, {_summary(found[0])}"))
    sections: list[Section] = []
    if pictures:
        note = (
            "Training numbers are means over an epoch while the weights change, with dropout where there "
            "is any. Validation numbers are taken after the epoch."
        )
        sections += [Paragraph(note), Pictures(pictures)]
    if missing:
        sections.append(Paragraph(f"No readable history.csv: {'; '.join(missing)}."))
    return sections or [Paragraph("No run has left curves yet.")]


def filter_sections(weights: list[tuple[str, np.ndarray | None]]) -> list[Section]:
    """Return the first-layer filters of every named run."""
    pictures, missing = [], []
    for name, weight in weights:
        try:
            figure = None if weight is None else filter_grid(weight, title=name, limit=40)
        except ShapeError:
            figure = None
        if figure is None:
            missing.append(name)
        else:
            pictures.append(
                Picture(figure, alt=f"{name}: weights of the first layer as small images", format="png")
            )
    sections: list[Section] = []
    if pictures:
        note = (
            "Red weights raise the activation, blue ones lower it; white is zero. Smooth shapes are a "
            "sign of training."
        )
        sections += [Paragraph(note), Pictures(pictures, width=21)]
    if missing:
        sections.append(Paragraph(f"No saved weights that can be shown as images: {'; '.join(missing)}."))
    return sections or [Paragraph("No run has left weights yet.")]


def mistake_sections(
    name: str,
    predictions: np.ndarray | None,
    images: np.ndarray | None,
    labels: np.ndarray | None,
    data: dict[str, Any],
) -> list[Section]:
    """Return the confusion matrix and the gallery of mistakes of one network or ensemble."""
    if predictions is None:
        return [Paragraph(f"Not shown: there are no saved predictions of {name}.")]
    if labels is None:
        return [Paragraph("Not shown: the report was written without the labels of the test set.")]
    if labels.shape != predictions.shape:
        return [
            Paragraph(
                f"Not shown: {name} predicted {len(predictions)} images, but {len(labels)} labels were given."
            )
        ]
    classes = data.get("classes")
    matrix = confusion_matrix(predictions, labels, len(classes) if classes else None)
    wrong, split = int((predictions != labels).sum()), data.get("split", "test")
    share = 100 * wrong / len(labels)
    sentence = f"Of {len(labels):,} {split} images, {name} gets {wrong:,} wrong ({share:.2f} %)."
    if data.get("is_mnist") and "ensemble" in name:
        sentence += " The lecture's ensemble gets 33 of 10,000 wrong."
    sections: list[Section] = [
        Paragraph(sentence),
        Picture(
            confusion_heatmap(matrix, classes),
            alt=f"Confusion matrix of {name}: most frequent mistakes are {_most_frequent(matrix, classes)}",
            caption="Rows are the true class, columns the predicted one. Only the mistakes are coloured.",
        ),
    ]
    if images is None:
        return [
            *sections,
            Paragraph("The gallery is missing: the report was written without the test images."),
        ]
    if len(images) != len(labels):
        return [
            *sections,
            Paragraph(f"The gallery is missing: {len(images)} images for {len(labels)} labels."),
        ]
    gallery = Picture(
        error_gallery(images, labels, predictions, classes=classes),
        alt=f"The {split} images that {name} gets wrong, with true and predicted class",
        caption="True class at the upper right, predicted class at the lower right, position below.",
        format="png",
    )
    return [*sections, gallery]


def _numbers(values: Any) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _summary(history: Curves) -> str:
    last = f"after {len(history['epoch'])} epochs"
    accuracy = history.get("val_accuracy", np.array([np.nan]))
    accuracy = accuracy[np.isfinite(accuracy)]
    return f"{last} the validation error is {100 * (1 - accuracy[-1]):.2f} %" if len(accuracy) else last


def _most_frequent(matrix: np.ndarray, classes: list[str] | None) -> str:
    mistakes = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-mistakes, axis=None, kind="stable")[:3]
    names = [str(c) for c in (classes or range(len(matrix)))]
    pairs = [divmod(int(index), len(matrix)) for index in order if mistakes.flat[index]]
    return ", ".join(f"{names[t]} taken for {names[p]} ({mistakes[t, p]})" for t, p in pairs) or "none"
