"""Data sets: finding, checking and fetching them, and feeding them to a network in batches."""

from minidl.data.augment import ExpandedShifts, RandomAffine, RandomShift
from minidl.data.datasets import NAMES, load, load_or_digits
from minidl.data.fetch import UnavailableError
from minidl.data.idx import read_idx, write_idx
from minidl.data.loader import Loader
from minidl.data.mix import Mixup
from minidl.data.partition import Fold, hold_out, k_fold
from minidl.data.resample import (
    BalancedSampling,
    OverSampling,
    UnderSampling,
    augment_classes,
    inverse_frequency,
    smote,
)
from minidl.data.resplit import resplit
from minidl.data.splits import DataSet, Split, Vault
from minidl.data.statistics import mean_and_std

__all__ = [
    "NAMES",
    "BalancedSampling",
    "DataSet",
    "ExpandedShifts",
    "Fold",
    "Loader",
    "Mixup",
    "OverSampling",
    "RandomAffine",
    "RandomShift",
    "Split",
    "UnavailableError",
    "UnderSampling",
    "Vault",
    "augment_classes",
    "hold_out",
    "inverse_frequency",
    "k_fold",
    "load",
    "load_or_digits",
    "mean_and_std",
    "read_idx",
    "resplit",
    "smote",
    "write_idx",
]
