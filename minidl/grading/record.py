"""The record of a grading run: one line of JSON for every event, on the disk before anything goes on.

The first line says what is graded and how: the plan (tests and points, fixed before any submission is looked
at), the seed, the isolation level, the versions. Then come, for every submission, a line when it begins, one
for each test, and one when it is done. A run that is killed leaves at most one torn line at the end; going on
drops it and grades the submissions again that were not done.

The record holds the seed and the full messages: it is for staff.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any

from minidl.errors import DataError
from minidl.grading.outcomes import Graded, Header, Planned, graded

FORMAT = 1


class Record:
    """The file. Make one with `create` or `resume`; use it in a ``with`` statement.

    Attributes
    ----------
    header : Header
    submissions : dict of str to Graded
        What the file says about each submission, by id.
    """

    def __init__(self, path: Path, header: Header, stream: IO[bytes]) -> None:
        self.path, self.header, self._stream = path, header, stream
        self.submissions: dict[str, Graded] = {}
        self._open: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {}

    @classmethod
    def create(cls, path: Path, header: Header) -> Record:
        """Start a new file.

        Raises
        ------
        DataError
            If there is one already.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o700)  # the seed and the full messages are for staff
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        except FileExistsError:
            raise DataError(
                f"{path}: there is a record of grading already; go on with --resume, or name another folder"
            ) from None
        record = cls(path, header, _locked(os.fdopen(descriptor, "r+b"), path))
        record.append([{"event": "run", "format": FORMAT, **asdict(header)}])
        return record

    @classmethod
    def resume(cls, path: Path) -> Record:
        """Open a file to go on with it; a torn last line is cut off.

        Raises
        ------
        DataError
            If it is missing, somebody else is writing it, or it is damaged anywhere but at its end.
        """
        if not path.is_file():
            raise DataError(f"{path}: there is no record of grading to go on with")
        stream = _locked(path.open("r+b"), path)
        try:
            header, events, end = _parse(path, stream.read())
            record = cls(path, header, stream)
            for number, event in enumerate(events, 2):
                try:
                    record._apply(event)
                except (KeyError, TypeError, ValueError, DataError) as error:
                    raise DataError(f"{path}, line {number}: the record is damaged: {error!r}") from None
            stream.truncate(end)
            stream.seek(end)
        except BaseException:
            stream.close()
            raise
        return record

    @classmethod
    def read(cls, path: Path) -> Record:
        """Return what a file says, without changing it."""
        if not path.is_file():
            raise DataError(f"{path}: there is no record of grading here")
        header, events, _ = _parse(path, path.read_bytes())
        record = cls(path, header, open(os.devnull, "wb"))
        for event in events:
            record._apply(event)
        record._stream.close()
        return record

    def __enter__(self) -> Record:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def append(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Add lines, and return when the disk has them."""
        lines = []
        for event in events:
            if event["event"] != "run":
                self._apply(event)
            lines.append(json.dumps(event, ensure_ascii=True, allow_nan=False, separators=(",", ":")) + "\n")
        try:
            self._stream.write("".join(lines).encode("ascii"))
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise DataError(
                f"{self.path}: the record cannot be written ({error.strerror}); mend that and use --resume"
            ) from None

    def _apply(self, event: Mapping[str, Any]) -> None:
        kind = event["event"]
        name = event["id"]
        if kind == "begin":
            self._open[name] = (dict(event), [])
        elif kind == "test":
            self._open[name][1].append({k: v for k, v in event.items() if k not in ("event", "id")})
        elif kind != "done":
            raise DataError(f"the event {kind!r} is unknown")
        submission = graded(self.header, *self._open[name])
        if kind == "done":
            submission = replace(
                submission, finished=True, seconds=event["seconds"], trouble=event.get("trouble", "")
            )
        self.submissions[name] = submission


def _parse(path: Path, data: bytes) -> tuple[Header, list[dict[str, Any]], int]:
    """Return the header, the events and the length of what is whole."""
    end = data.rfind(b"\n") + 1
    lines = data[:end].splitlines()
    events = []
    for number, text in enumerate(lines, 1):
        try:
            event = json.loads(text)
            if not isinstance(event, dict):
                raise ValueError("not an object")
        except ValueError as error:
            raise DataError(f"{path}, line {number}: the record is damaged: {error}") from None
        events.append(event)
    if not events or events[0].get("event") != "run":
        raise DataError(
            f"{path}: this is no record of grading, or it was torn off at its first line; remove it"
        )
    first = events[0]
    if first.get("format") != FORMAT:
        raise DataError(f"{path}: the record has format {first.get('format')!r}, this version reads {FORMAT}")
    try:
        values = {key: value for key, value in first.items() if key not in ("event", "format")}
        values["tests"] = tuple(Planned(**test) for test in values["tests"])
        values["tasks"] = tuple((task, title) for task, title in values["tasks"])
        values["files"] = tuple(values["files"])
        return Header(**values), events[1:], end
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}, line 1: the record is damaged: {error!r}") from None


def _locked(stream: IO[bytes], path: Path) -> IO[bytes]:
    """Return the stream with a lock that ends with this process; elsewhere than on Unix as it is."""
    try:
        import fcntl
    except ImportError:
        return stream
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.close()
        raise DataError(
            f"{path}: another grading run is writing this record; wait for it or stop it"
        ) from None
    except OSError:
        pass  # a file system without locks
    return stream
