"""Data sets: finding, checking and fetching them, and feeding them to a network in batches."""

from minidl.data.augment import ExpandedShifts, RandomAffine, RandomShift
from minidl.data.datasets import NAMES, load, load_or_digits
from minidl.data.fetch import UnavailableError
from minidl.data.idx import read_idx, write_idx
from minidl.data.loader import Loader
from minidl.data.splits import DataSet, Split, Vault

__all__ = [
    "NAMES",
    "DataSet",
    "ExpandedShifts",
    "Loader",
    "RandomAffine",
    "RandomShift",
    "Split",
    "UnavailableError",
    "Vault",
    "load",
    "load_or_digits",
    "read_idx",
    "write_idx",
]
