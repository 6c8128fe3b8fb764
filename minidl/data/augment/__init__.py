"""More training images from the same data.

An augmentation is a callable ``augment(images, generator) -> images`` on a whole batch of shape
(n, C, H, W). It returns a new array of the same shape and type, leaves its input alone, and draws
everything random from the generator. A `minidl.data.Loader` applies one to every batch, anew in each
epoch; outside of it a hand-written loop can do the same.

=====================  ==========================================================================
`RandomShift`          by whole pixels (UU's displacement, drawn afresh)
`RandomAffine`         rotation, scaling in and out, shift, shear (AAR, TUE, UU)
`RandomCrop`           a part of the image, resized to the whole (AAR)
`RandomFlip`           mirror images (AAR); refused for digits unless allowed
`Elastic`              elastic distortion (UU; Simard 2003)
`Distort`              `RandomAffine` and `Elastic` in one reading, which blurs less than both in turn
`GaussianNoise`        noise on the grey levels (AAR)
`ContrastBrightness`   stretched and lifted grey levels (TUE)
`Cutout`               a square taken out (AAR; DeVries & Taylor 2017)
`Compose`              several, one after the other
`Sometimes`            one, on a share of the images
=====================  ==========================================================================

`ExpandedShifts` is no augmentation on the fly but the lecture's fixed set of 250,000 images.
"""

from minidl.data.augment.affine import RandomAffine, RandomCrop, warp
from minidl.data.augment.base import Augmentation
from minidl.data.augment.combine import Compose, Sometimes
from minidl.data.augment.distort import Distort
from minidl.data.augment.elastic import Elastic
from minidl.data.augment.expansion import COPIES, ExpandedShifts
from minidl.data.augment.intensity import ContrastBrightness, Cutout, GaussianNoise
from minidl.data.augment.sampling import FILLS
from minidl.data.augment.shift import RandomFlip, RandomShift

__all__ = [
    "COPIES",
    "FILLS",
    "Augmentation",
    "Compose",
    "ContrastBrightness",
    "Cutout",
    "Distort",
    "Elastic",
    "ExpandedShifts",
    "GaussianNoise",
    "RandomAffine",
    "RandomCrop",
    "RandomFlip",
    "RandomShift",
    "Sometimes",
    "warp",
]
