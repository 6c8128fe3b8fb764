"""IDX, the file format of MNIST: a header of a few bytes, then the numbers.

Big-endian throughout. Bytes 0 and 1 are zero, byte 2 is the type of the numbers, byte 3 the count
of dimensions; then one unsigned 32-bit size per dimension, then the data in C order. An image file
of MNIST begins ``00 00 08 03`` (unsigned bytes, three dimensions), a label file ``00 00 08 01``.
The format is described on LeCun's MNIST page; files are usually gzip-compressed.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from minidl.errors import DataError
from minidl.files import atomic_write

DTYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(np.uint8),
    0x09: np.dtype(np.int8),
    0x0B: np.dtype(np.int16),
    0x0C: np.dtype(np.int32),
    0x0D: np.dtype(np.float32),
    0x0E: np.dtype(np.float64),
}
MAX_DIMENSIONS = 64  # NumPy's limit; the format's is 255
GZIP_MAGIC = b"\x1f\x8b"
AGAIN = "delete it and fetch it again with `minidl data fetch`"


def read_idx(path: str | Path) -> np.ndarray:
    """Read an IDX file, gzip-compressed or not (the content decides, not the name).

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    numpy.ndarray
        In the machine's byte order, writable.

    Raises
    ------
    DataError
        If the file is missing, unreadable, damaged, or not IDX.
    """
    path = Path(path)
    return decode_idx(unpack(read_bytes(path), path), path)


def write_idx(path: str | Path, array: np.ndarray) -> None:
    """Write `array` as IDX, atomically; compressed if the name ends in ``.gz``.

    Raises
    ------
    DataError
        If IDX has no code for the dtype, or cannot hold the shape.
    """
    path = Path(path)
    content = encode_idx(array)
    if path.suffix == ".gz":
        # Without a time stamp the same array always gives the same file.
        content = gzip.compress(content, mtime=0)
    with atomic_write(path, "wb") as stream:
        stream.write(content)


def encode_idx(array: np.ndarray) -> bytes:
    """Return `array` in the IDX format, uncompressed."""
    codes = {dtype: code for code, dtype in DTYPES.items()}
    native = array.dtype.newbyteorder("=")
    if native not in codes:
        names = ", ".join(map(str, codes))
        raise DataError(f"IDX cannot hold {array.dtype} numbers: convert the array to one of {names}")
    if any(size >= 2**32 for size in array.shape):
        raise DataError(f"IDX cannot hold shape {array.shape}: every size must be below 2**32")
    header = struct.pack(f">HBB{array.ndim}I", 0, codes[native], array.ndim, *array.shape)
    return header + array.astype(native.newbyteorder(">")).tobytes()


def decode_idx(content: bytes, path: str | Path) -> np.ndarray:
    """Return the array in the uncompressed IDX bytes `content`; `path` is named in errors.

    Raises
    ------
    DataError
        If the first bytes are not IDX, or the file holds more or fewer bytes than its header says.
    """
    _refuse_page(content, path)
    if len(content) < 4:
        raise DataError(f"{path}: only {len(content)} bytes long, not an IDX file; {AGAIN}")
    zero, code, ndim = struct.unpack(">HBB", content[:4])
    if zero != 0 or code not in DTYPES or ndim > MAX_DIMENSIONS:
        raise DataError(
            f"{path}: starts with the bytes {content[:4].hex(' ')}, which is not IDX "
            f"(00 00, a type code from 08 to 0e, the number of dimensions); {AGAIN}"
        )
    start = 4 + 4 * ndim
    if len(content) < start:
        raise DataError(f"{path}: the file ends inside its header; {AGAIN}")
    shape = struct.unpack(f">{ndim}I", content[4:start])
    dtype = DTYPES[code]
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        fault = "truncated" if len(content) < expected else "too long"
        raise DataError(
            f"{path}: {fault}: the header announces {' x '.join(map(str, shape)) or 'one'} {dtype} "
            f"({expected:,} bytes), the file has {len(content):,}; {AGAIN}"
        )
    return np.frombuffer(content, dtype.newbyteorder(">"), offset=start).astype(dtype).reshape(shape)


def read_bytes(path: str | Path) -> bytes:
    """Return the content of a file, or raise a `DataError` that names it."""
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; check the path or run `minidl data fetch`") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the file's permissions") from None


def unpack(content: bytes, path: str | Path) -> bytes:
    """Return `content` decompressed if it is gzip, as it is otherwise; `path` is named in errors.

    Raises
    ------
    DataError
        If the compressed data is cut off or damaged, or `content` is a web page.
    """
    if not content.startswith(GZIP_MAGIC):
        _refuse_page(content, path)
        return content
    try:
        return gzip.decompress(content)
    except EOFError:
        raise DataError(f"{path}: truncated: the compressed data ends too early; {AGAIN}") from None
    except (zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: the compressed data is damaged ({error}); {AGAIN}") from None


def looks_like_page(content: bytes) -> bool:
    """Tell whether `content` begins like HTML or XML: what a server sends instead of a file."""
    return content[:512].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def _refuse_page(content: bytes, path: str | Path) -> None:
    if looks_like_page(content):
        raise DataError(f"{path}: is a web page (HTML), not data: a server sent an error page; {AGAIN}")
