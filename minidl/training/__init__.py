"""Training: the loop, what hangs on it, and the folder a run leaves behind."""

from minidl.training.averaging import WeightAverage, recompute_batchnorm
from minidl.training.callbacks import BestWeights, Callback, NaNGuard, Progress
from minidl.training.checkpoint import load_weights
from minidl.training.divergence import check_finite
from minidl.training.early_stopping import EarlyStopping
from minidl.training.evaluate import Score, evaluate, predict
from minidl.training.exchange import export_weights, import_weights
from minidl.training.history import History
from minidl.training.lr_finder import LRRangeTest, lr_range_test
from minidl.training.plateau import ReduceOnPlateau
from minidl.training.prechecks import precheck
from minidl.training.run_folder import RunFolder
from minidl.training.snapshots import Snapshots
from minidl.training.torch_source import torch_source
from minidl.training.trainer import Trainer
from minidl.training.unfreeze import Freeze, Unfreeze

__all__ = [
    "BestWeights",
    "Callback",
    "EarlyStopping",
    "Freeze",
    "History",
    "LRRangeTest",
    "NaNGuard",
    "Progress",
    "ReduceOnPlateau",
    "RunFolder",
    "Score",
    "Snapshots",
    "Trainer",
    "Unfreeze",
    "WeightAverage",
    "check_finite",
    "evaluate",
    "export_weights",
    "import_weights",
    "load_weights",
    "lr_range_test",
    "precheck",
    "predict",
    "recompute_batchnorm",
    "torch_source",
]
