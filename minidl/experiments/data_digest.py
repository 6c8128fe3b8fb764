"""A number that tells one data set from another, for folders that are taken up again."""

from __future__ import annotations

import zlib
from typing import Any

from minidl.data import DataSet


def data_identity(data: DataSet) -> dict[str, Any]:
    """Return name, size and digest of what a training and its choices see; the test set is not looked at."""
    parts = (
        data.train.images[:1000],
        data.train.labels,
        data.validation.images[:1000],
        data.validation.labels,
    )
    digest = zlib.crc32(b"".join(part.tobytes() for part in parts))
    return {"name": data.name, "train": len(data.train), "digest": digest}
