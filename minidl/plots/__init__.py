"""Every picture of minidl: a function of plain arrays that returns a ``matplotlib.figure.Figure``.

No function touches pyplot or any other global state, so pictures can be made in threads, notebooks
and servers alike; save one with ``figure.savefig("name.png")``. Matplotlib is imported when the
first picture is drawn, not when this package is.
"""

from minidl.plots.confusion import confusion_heatmap
from minidl.plots.curves import training_curves
from minidl.plots.filters import filter_grid
from minidl.plots.gallery import error_gallery
from minidl.plots.ladder import ladder_plot
from minidl.plots.samples import sample_sheet

__all__ = [
    "confusion_heatmap",
    "error_gallery",
    "filter_grid",
    "ladder_plot",
    "sample_sheet",
    "training_curves",
]
