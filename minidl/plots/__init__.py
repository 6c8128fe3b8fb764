"""Every picture of minidl: a function of plain arrays that returns a ``matplotlib.figure.Figure``.

No function touches pyplot or any other global state, so pictures can be made in threads, notebooks
and servers alike; save one with ``figure.savefig("name.png")``. Matplotlib is imported when the
first picture is drawn, not when this package is.
"""

from minidl.plots.augmentation import augmentation_sheet
from minidl.plots.calibration import calibration_plot
from minidl.plots.class_bars import class_error_bars
from minidl.plots.confusion import confusion_heatmap
from minidl.plots.curves import training_curves
from minidl.plots.filters import filter_grid
from minidl.plots.gallery import error_gallery
from minidl.plots.histograms import filter_strip, histogram_heatmaps
from minidl.plots.ladder import ladder_plot
from minidl.plots.lr_range import lr_range_curve
from minidl.plots.monitoring import (
    batch_loss_plot,
    gradient_depth_plot,
    learning_rate_plot,
    share_plot,
    update_ratio_plot,
)
from minidl.plots.roc import roc_plot
from minidl.plots.samples import sample_sheet
from minidl.plots.schedule import schedule_curves

__all__ = [
    "augmentation_sheet",
    "batch_loss_plot",
    "calibration_plot",
    "class_error_bars",
    "confusion_heatmap",
    "error_gallery",
    "filter_grid",
    "filter_strip",
    "gradient_depth_plot",
    "histogram_heatmaps",
    "ladder_plot",
    "learning_rate_plot",
    "lr_range_curve",
    "roc_plot",
    "sample_sheet",
    "schedule_curves",
    "share_plot",
    "training_curves",
    "update_ratio_plot",
]
