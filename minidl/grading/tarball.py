"""The headers of a tar archive, read one after the other: no recursion, no seek backwards, no link."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_BLOCK = 512
_LONG_NAME = 4096  # bytes of a name in a block of its own
_PAX = 65536  # bytes of an extended header
_REFUSED = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a named pipe",
    b"S": "a file with holes",
}


@dataclass(frozen=True)
class TarMember:
    """One member.

    Attributes
    ----------
    name : str
    is_folder : bool
    start, size : int
        Where its bytes lie.
    refused : str
        What it is, if it is neither a file nor a folder.
    damage : str
        Why the archive cannot be read on; the member is the last one then.
    """

    name: str = ""
    is_folder: bool = False
    start: int = 0
    size: int = 0
    refused: str = ""
    damage: str = ""


class _Damage(Exception):
    """The archive breaks the format."""


def tar_members(data: bytes) -> Iterator[TarMember]:
    """Yield the members of a tar archive of the ustar, GNU or pax kind.

    Every step goes forward by at least one block, so that the time is bounded by the size.
    """
    position = 0
    extra: dict[str, str] = {}
    try:
        while position + _BLOCK <= len(data):
            header = data[position : position + _BLOCK]
            if not header.strip(b"\0"):
                return
            _check_sum(header)
            kind, start = header[156:157], position + _BLOCK
            size = _number(header[124:136])
            if kind not in (b"x", b"g", b"L", b"K"):
                size = _pax_size(extra, size)
            if start + size > len(data):
                raise _Damage("it ends too early")
            body = data[start : start + size]
            position = start + -(-size // _BLOCK) * _BLOCK
            if kind == b"L":
                if size > _LONG_NAME:
                    raise _Damage("a name is too long")
                extra["path"] = _text(body.rstrip(b"\0"))
            elif kind == b"x":
                extra.update(_pax_records(body))
            elif kind == b"g":
                if _pax_records(body).keys() & {"path", "size", "linkpath"}:
                    raise _Damage("a name is meant for all members")
            elif kind != b"K":  # a long target of a link, which itself is refused
                yield _member(header, kind, start, size, extra)
                extra = {}
    except _Damage as damage:
        yield TarMember(damage=str(damage))


def _member(header: bytes, kind: bytes, start: int, size: int, extra: dict[str, str]) -> TarMember:
    name = extra.get("path") or _name(header)
    is_folder = kind == b"5" or (kind in (b"0", b"\0") and name.endswith("/"))
    refused = _REFUSED.get(kind, "")
    if kind not in (b"0", b"\0", b"7", b"5") and not refused:
        refused = "of an unknown kind"
    if any(key.startswith("GNU.sparse") for key in extra):
        refused = _REFUSED[b"S"]
    return TarMember(name, is_folder, start, 0 if is_folder else size, refused)


def _name(header: bytes) -> str:
    name = header[:100].partition(b"\0")[0]
    prefix = header[345:500].partition(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return _text(prefix + b"/" + name if prefix else name)


def _text(name: bytes) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("latin-1")


def _check_sum(header: bytes) -> None:
    body = header[:148] + b" " * 8 + header[156:]
    signed = sum(byte - 256 if byte > 127 else byte for byte in body)  # as some old programs add them up
    if _number(header[148:156]) not in (sum(body), signed):
        raise _Damage("a header is not one")


def _number(field: bytes) -> int:
    if field[0] & 0x80:
        if field[0] != 0x80:
            raise _Damage("a size is negative or too large")
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if not re.fullmatch(rb"[0-7]*", digits):
        raise _Damage("a number is not one")
    return int(digits or b"0", 8)


def _pax_size(extra: dict[str, str], size: int) -> int:
    text = extra.get("size")
    if text is None:
        return size
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise _Damage("a size is not a number")
    return int(text)


def _pax_records(body: bytes) -> dict[str, str]:
    """Return the records ``length key=value\\n`` of an extended header."""
    if len(body) > _PAX:
        raise _Damage("an extended header is too long")
    records = {}
    while body:
        match = re.match(rb"([0-9]{1,6}) ([^=]{1,200})=", body)
        length = int(match.group(1)) if match else 0
        if match is None or not match.end() < length <= len(body) or body[length - 1 : length] != b"\n":
            raise _Damage("an extended header is malformed")
        records[_text(match.group(2))] = _text(body[match.end() : length - 1])
        body = body[length:]
    return records
