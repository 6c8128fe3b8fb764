"""The catalogue: which data sets there are, where they come from, and how to know the real ones.

MNIST is known by the SHA-256 of the uncompressed content, because re-compressed copies have another
.gz but the same numbers. For Fashion-MNIST and KMNIST only the MD5 of the published .gz files is on
record (torchvision's lists), so only those files are accepted.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minidl.data.idx import AGAIN, decode_idx, read_bytes, unpack
from minidl.errors import ConfigError, DataError

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"
SHAPES: dict[str, tuple[int, ...]] = {
    TRAIN_IMAGES: (60_000, 28, 28),
    TRAIN_LABELS: (60_000,),
    TEST_IMAGES: (10_000, 28, 28),
    TEST_LABELS: (10_000,),
}


@dataclass(frozen=True)
class Source:
    """One data set of four IDX files.

    Parameters
    ----------
    name, title : str
        The name typed (``"mnist"``) and the name printed (``"MNIST"``).
    mirrors : tuple of str
        Addresses that end in a slash; a file name is appended. Tried in this order.
    algorithm : {"sha256", "md5"}
        How `digests` were made.
    of_content : bool
        Whether `digests` are of the uncompressed content (then a raw or re-compressed file is as
        good) or of the published .gz file.
    digests : dict
        Hexadecimal digest by file name without ``.gz``.
    folders : tuple of str
        Sub-folders of a data folder in which the files may lie, tried before the folder itself.
    classes : tuple of str
        Names of labels 0 to 9.
    megabytes : float
        Size of the download.
    licence, citation : str
        What the owners say.
    """

    name: str
    title: str
    mirrors: tuple[str, ...]
    algorithm: str
    of_content: bool
    digests: dict[str, str]
    folders: tuple[str, ...]
    classes: tuple[str, ...]
    megabytes: float
    licence: str
    citation: str

    def decode(self, file: str, content: bytes, path: str | Path) -> np.ndarray:
        """Check the bytes of one file of this data set and return its array.

        Parameters
        ----------
        file : str
            Which of the four: a key of `digests`.
        content : bytes
            As read or downloaded.
        path : str or Path
            Where it lies, named in errors.

        Raises
        ------
        DataError
            If the content is damaged, has the wrong shape or labels, or is not the published file.
        """
        raw = unpack(content, path)
        array = decode_idx(raw, path)
        if array.shape != SHAPES[file] or array.dtype != np.uint8:
            raise DataError(
                f"{path}: holds {array.dtype} numbers of shape {array.shape}, but {file} of {self.title} "
                f"has uint8 {SHAPES[file]}; {AGAIN}"
            )
        if array.ndim == 1:
            require_labels(array, len(self.classes), path)
        if not self.of_content and raw is content:
            raise DataError(
                f"{path}: is not compressed, and only the published .gz files of {self.title} can be "
                f"checked; put {file}.gz in its place"
            )
        digest = hashlib.new(self.algorithm, raw if self.of_content else content).hexdigest()
        if digest != self.digests[file]:
            raise DataError(f"{path}: {self._stranger(file, digest, content)}; {AGAIN}")
        return array

    def _stranger(self, file: str, digest: str, content: bytes) -> str:
        other = owner_of(file, content)
        if other is not None and other is not self:
            return f"is {file} of {other.title}, not of {self.title}"
        return (
            f"is not the published {file} of {self.title} (its {self.algorithm.upper()} is {digest}, "
            f"expected {self.digests[file]})"
        )


def owner_of(file: str, content: bytes) -> Source | None:
    """Return the data set whose `file` has exactly this content, or None."""
    for known in SOURCES.values():
        try:
            hashed = unpack(content, file) if known.of_content else content
        except DataError:
            continue
        if hashlib.new(known.algorithm, hashed).hexdigest() == known.digests[file]:
            return known
    return None


def source(name: str) -> Source:
    """Return the catalogue entry `name`, or raise a `ConfigError` that lists the names."""
    if name not in SOURCES:
        names = ", ".join([*SOURCES, "digits"])
        raise ConfigError(f"unknown data set {name!r}: choose one of {names}")
    return SOURCES[name]


def read_file(known: Source, file: str, path: Path) -> np.ndarray:
    """Read and check one of the four files of a data set."""
    return known.decode(file, read_bytes(path), path)


def require_labels(labels: np.ndarray, classes: int, origin: str | Path) -> None:
    """Raise a `DataError` naming `origin` unless every label is in 0 … classes - 1."""
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if wrong.size:
        raise DataError(
            f"{origin}: label number {wrong[0]} is {labels[wrong[0]]}, outside 0 to {classes - 1} "
            f"({wrong.size:,} such labels); {AGAIN}"
        )


MNIST = Source(
    name="mnist",
    title="MNIST",
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ),
    algorithm="sha256",
    of_content=True,
    digests={
        TRAIN_IMAGES: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        TRAIN_LABELS: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        TEST_IMAGES: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        TEST_LABELS: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    folders=("mnist", "MNIST/raw"),
    classes=tuple("0123456789"),
    megabytes=11.6,
    licence="unclear (Keras: CC BY-SA 3.0; LeCun's page names none)",
    citation="Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits, 1998",
)

FASHION = Source(
    name="fashion",
    title="Fashion-MNIST",
    mirrors=(
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    algorithm="md5",
    of_content=False,
    digests={
        TRAIN_IMAGES: "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        TRAIN_LABELS: "25c81989df183df01b3e8a0aad5dffbe",
        TEST_IMAGES: "bef4ecab320f06d8554ea6380940ec79",
        TEST_LABELS: "bb300cfdad3c16e7a12a480ee83cd310",
    },
    folders=("fashion", "FashionMNIST/raw"),
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    megabytes=30.9,
    licence="MIT",
    citation="H. Xiao, K. Rasul, R. Vollgraf, Fashion-MNIST, arXiv:1708.07747, 2017",
)

KMNIST = Source(
    name="kmnist",
    title="KMNIST",
    mirrors=("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
    algorithm="md5",
    of_content=False,
    digests={
        TRAIN_IMAGES: "bdb82020997e1d708af4cf47b453dcf7",
        TRAIN_LABELS: "e144d726b3acfaa3e44228e80efcd344",
        TEST_IMAGES: "5c965bf0a639b31b8f53240b1b52f4d7",
        TEST_LABELS: "7320c461ea6c1c855c0b718fb2a4b134",
    },
    folders=("kmnist", "KMNIST/raw"),
    classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    megabytes=21.0,
    licence="CC BY-SA 4.0",
    citation="T. Clanuwat et al., Deep Learning for Classical Japanese Literature, arXiv:1812.01718, 2018",
)

SOURCES = {known.name: known for known in (MNIST, FASHION, KMNIST)}
