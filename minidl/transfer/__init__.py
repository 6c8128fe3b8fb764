"""Transfer learning: take what a network has learned on one task to another (lectures TUE, AAR).

The lecture's way is four steps: put a fresh head on a trained body (`replace_head`), train the head alone
(`freeze`), let everything learn (`unfreeze`) at rates that grow towards the head (`discriminative`). Or
the body only computes features (`extract`) for another classifier.
"""

from minidl.freezing import (
    discriminative,
    freeze,
    frozen_parameters,
    layer_groups,
    lr_factors,
    set_lr_factors,
    unfreeze,
)
from minidl.transfer.loading import LoadReport, load_matching
from minidl.transfer.surgery import extract, feature_extractor, replace_head

__all__ = [
    "LoadReport",
    "discriminative",
    "extract",
    "feature_extractor",
    "freeze",
    "frozen_parameters",
    "layer_groups",
    "load_matching",
    "lr_factors",
    "replace_head",
    "set_lr_factors",
    "unfreeze",
]
