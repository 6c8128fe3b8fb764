"""Training: the loop, what hangs on it, and the folder a run leaves behind."""

from minidl.training.callbacks import BestWeights, Callback, NaNGuard, Progress
from minidl.training.checkpoint import load_weights
from minidl.training.divergence import check_finite
from minidl.training.evaluate import Score, evaluate, predict
from minidl.training.exchange import export_weights, import_weights
from minidl.training.history import History
from minidl.training.run_folder import RunFolder
from minidl.training.trainer import Trainer

__all__ = [
    "BestWeights",
    "Callback",
    "History",
    "NaNGuard",
    "Progress",
    "RunFolder",
    "Score",
    "Trainer",
    "check_finite",
    "evaluate",
    "export_weights",
    "import_weights",
    "load_weights",
    "predict",
]
