"""Reading what a student handed in: a zip, a tar, a tar.gz or a folder, none of which is trusted.

Python's own extractors rename what is dangerous (they drop ``..`` and leading slashes, and write links as
files), so that a hostile archive is taken as if it were a harmless one. Here it is refused, with the reason.
Nothing is written to the disk: an archive gives names, and the bytes of those names that are asked for.
Tar archives are parsed here, since a crafted one can send the standard library's reader into an endless loop.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Protocol

from minidl.grading.archives import (
    IntakeError,
    Limits,
    check_count,
    check_file,
    check_names,
    check_total,
    is_junk,
    kind_of,
    read_file,
    read_source,
    reason_of,
    safe_name,
    shown,
)
from minidl.grading.tarball import tar_members

_CHUNK = 65536
_CENTRAL_DIRECTORY = 1 << 20  # bytes; some 10,000 members


class Tree(Protocol):
    """Files by name, whatever they are packed in."""

    names: list[str]

    def read(self, name: str) -> bytes:
        """Return the bytes of one file; IntakeError if there are too many or they are damaged."""


def open_tree(path: Path, limits: Limits) -> Tree:
    """Return the files of a folder or an archive; what an archive is, its first bytes say.

    Raises
    ------
    IntakeError
        If it is neither, is damaged, or holds what no submission needs: links, devices, names that lead
        elsewhere, two names that are one on some computers, more than the limits allow.
    """
    status = path.lstat()
    if stat.S_ISDIR(status.st_mode):
        return FolderTree(path, limits)
    if not stat.S_ISREG(status.st_mode):
        raise IntakeError(f"it is {kind_of(status.st_mode)}, not a file or a folder")
    if status.st_size > limits.archive_bytes:
        raise IntakeError(
            f"the file has {status.st_size >> 20} MiB, at most {limits.archive_bytes >> 20} are taken; "
            "hand in only the files asked for"
        )
    start = read_file(path, 512)
    if start[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return ZipTree(path, limits)
    if start[:2] == b"\x1f\x8b":
        return TarTree(_gunzip(path, limits), limits)
    if start[257:262] == b"ustar" or path.suffix.lower() == ".tar":
        return TarTree(read_file(path, limits.archive_bytes), limits)
    raise IntakeError("it is neither a zip, a tar, a tar.gz nor a folder; hand in one of these")


class ZipTree:
    """A zip archive."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.limits = limits
        try:
            self._archive = zipfile.ZipFile(_Bounded(read_file(path, limits.archive_bytes)))
            infos = self._archive.infolist()
        except _DAMAGE as error:
            raise IntakeError(f"the zip archive is damaged ({reason_of(error)})") from None
        check_count(len(infos), limits)
        self._infos: dict[str, zipfile.ZipInfo] = {}
        total = 0
        names = []
        for info in infos:
            is_folder = info.orig_filename.endswith(("/", "\\"))
            name = safe_name(info.orig_filename)
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise IntakeError(f"{shown(name)} is {kind_of(kind)}; only files and folders are taken")
            total += info.file_size
            if info.file_size > 1 << 20 and info.file_size > limits.ratio * max(1, info.compress_size):
                raise IntakeError(f"{shown(name)} would grow {limits.ratio}-fold and more when unpacked")
            names.append((name, is_folder))
            if not is_folder:
                self._infos[name] = info
        check_total(total, limits)
        self.names = check_names(names)

    def read(self, name: str) -> bytes:
        info = self._infos[name]
        if info.flag_bits & 0x1:
            raise IntakeError(f"{shown(name)} is encrypted; hand in an archive without a password")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # The readers of the other methods do not bound how much comes out of one piece.
            raise IntakeError(f"{shown(name)} is packed by an unusual method; use an ordinary zip (deflate)")
        try:
            with self._archive.open(info) as stream:
                return _read_stream(stream, name, self.limits.file_bytes)
        except _DAMAGE as error:
            raise IntakeError(f"{shown(name)}: the zip archive is damaged ({reason_of(error)})") from None


class TarTree:
    """A tar archive, unpacked if it was gzipped."""

    def __init__(self, data: bytes, limits: Limits) -> None:
        self.limits, self._data = limits, data
        self._places: dict[str, tuple[int, int]] = {}
        names = []
        count = 0
        for member in tar_members(data):
            count += 1
            check_count(count, limits)
            if member.damage:
                raise IntakeError(f"the tar archive is damaged ({member.damage})")
            name = safe_name(member.name)
            if member.refused:
                raise IntakeError(f"{shown(name)} is {member.refused}; only files and folders are taken")
            names.append((name, member.is_folder))
            if not member.is_folder:
                self._places[name] = (member.start, member.size)
        if not count:
            raise IntakeError("the archive is empty, or what was gzipped is not a tar archive")
        self.names = check_names(names)

    def read(self, name: str) -> bytes:
        start, size = self._places[name]
        check_file(size, name, self.limits.file_bytes)
        return self._data[start : start + size]


class FolderTree:
    """A folder on the disk. Links are never followed; hidden folders and environments are not entered."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.limits, self._folder = limits, folder
        names, waiting, count = [], [""], 0
        while waiting:
            prefix = waiting.pop()
            for entry in sorted(os.scandir(folder / prefix), key=lambda e: e.name):
                name = f"{prefix}{entry.name}"
                if is_junk(name):
                    continue
                count += 1
                check_count(count, limits)
                mode = entry.stat(follow_symlinks=False).st_mode
                if stat.S_ISDIR(mode):
                    waiting.append(f"{name}/")
                elif stat.S_ISREG(mode):
                    names.append((name, False))
                else:
                    raise IntakeError(f"{shown(name)} is {kind_of(mode)}; only files and folders are taken")
        self.names = check_names(names)

    def read(self, name: str) -> bytes:
        return read_source(self._folder / name, self.limits)


class _Bounded(io.BytesIO):
    """Bytes that are not read a MiB at once: a zip's table of contents cannot fill the memory."""

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > _CENTRAL_DIRECTORY:
            raise zipfile.BadZipFile("its table of contents is too long")
        return super().read(size)


# All that zipfile and zlib raise on crafted bytes; a MemoryError or a bug in this file is not among them.
_DAMAGE = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError,
    OSError, ValueError, IndexError, OverflowError, KeyError, TypeError, struct.error,
)  # fmt: skip


def _read_stream(stream: IO[bytes], name: str, most: int) -> bytes:
    pieces, size = [], 0
    while piece := stream.read(_CHUNK):
        size += len(piece)
        check_file(size, name, most)
        pieces.append(piece)
    return b"".join(pieces)


def _gunzip(path: Path, limits: Limits) -> bytes:
    """Unpack gzip piece by piece, stopping at the limits; several gzips in a row count as one."""
    packed = read_file(path, limits.archive_bytes)
    pieces, total, position = [], 0, 0
    try:
        while position < len(packed):
            unpacker = zlib.decompressobj(wbits=31)
            waiting = b""
            while not unpacker.eof:
                if not waiting:
                    waiting = packed[position : position + _CHUNK]
                    position += len(waiting)
                    if not waiting:
                        raise EOFError("it ends too early")
                piece = unpacker.decompress(waiting, _CHUNK)
                waiting = unpacker.unconsumed_tail
                total += len(piece)
                check_total(total, limits)
                if total > 1 << 20 and total > limits.ratio * position:
                    raise IntakeError(f"it grows {limits.ratio}-fold and more when unpacked")
                pieces.append(piece)
            position -= len(unpacker.unused_data)
            if not packed[position:].strip(b"\0"):
                break  # some programs fill up with zeros
    except (zlib.error, EOFError) as error:
        raise IntakeError(f"the gzip data are damaged ({reason_of(error)})") from None
    return b"".join(pieces)
