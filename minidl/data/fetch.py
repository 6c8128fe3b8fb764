"""Downloading: resumed, retried, checked, and only then given its name.

Bytes go into ``NAME.gz.part``. What is there when a connection breaks, or the process is killed, is
continued with an HTTP range request, from the same mirror or another. Only when the content has
passed its checks is the file renamed to ``NAME.gz``; content that fails is deleted. So a file
without ``.part`` was right when it was written.
"""

from __future__ import annotations

import http.client
import importlib.util
import os
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from minidl.data.idx import GZIP_MAGIC, looks_like_page, read_bytes
from minidl.data.places import find_file
from minidl.data.sources import SHAPES, Source, read_file
from minidl.errors import DataError

CHUNK = 1 << 16
NO_RESOLVER = "no name server answers"
LARGEST = 1 << 26  # bytes; the largest file of the catalogue has 26 MB


class UnavailableError(DataError):
    """A data set is not on this machine and could not be downloaded."""


class _Attempt(Exception):
    """One try at one mirror failed; the next may not."""


def fetch(
    known: Source,
    folder: Path,
    *,
    attempts: int = 4,
    timeout: float = 20.0,
    pause: float = 1.0,
    progress: bool = True,
) -> None:
    """Bring the four files of a data set into `folder`; files already there are checked and kept.

    Parameters
    ----------
    known : Source
        Entry of the catalogue.
    folder : Path
        Created when it does not exist.
    attempts : int
        How often each mirror is tried.
    timeout : float
        Seconds a mirror may be silent, while connecting and while sending.
    pause : float
        Seconds of rest after the first round over all mirrors; doubled after every further round.
    progress : bool
        Show a bar if standard error is a terminal and tqdm is installed.

    Raises
    ------
    UnavailableError
        If no mirror gave a good copy.
    DataError
        If `folder` cannot be written to, or a file already there is damaged.
    """
    with _lock(folder):
        for file in SHAPES:
            path = find_file(folder, file)
            if path is not None:
                read_file(known, file, path)
                continue
            target = folder / f"{file}.gz"
            urls = [f"{mirror}{file}.gz" for mirror in known.mirrors]

            def check(part: Path, file: str = file) -> None:
                known.decode(file, read_bytes(part), part)

            download(urls, target, check, attempts=attempts, timeout=timeout, pause=pause, progress=progress)


def fetch_one(
    folder: Path,
    file: str,
    urls: Sequence[str],
    check: Callable[[Path], Any],
    *,
    attempts: int = 4,
    timeout: float = 20.0,
    progress: bool = True,
) -> Path:
    """Bring a single file into `folder` and return its path; a file already there is checked and kept.

    Parameters
    ----------
    folder : Path
        Created when it does not exist.
    file : str
        Name without ``.gz``.
    urls, check, attempts, timeout, progress
        See `download`.

    Raises
    ------
    UnavailableError
        If no mirror gave a good copy.
    DataError
        If `folder` cannot be written to, or the file already there is damaged.
    """
    with _lock(folder):
        path = find_file(folder, file)
        if path is not None:
            check(path)
            return path
        target = folder / f"{file}.gz"
        download(urls, target, check, attempts=attempts, timeout=timeout, progress=progress)
        return target


def download(
    urls: Sequence[str],
    target: Path,
    check: Callable[[Path], Any],
    *,
    attempts: int = 4,
    timeout: float = 20.0,
    pause: float = 1.0,
    progress: bool = True,
) -> None:
    """Download one .gz file from the first of `urls` that gives a good copy.

    Parameters
    ----------
    urls : sequence of str
        The same file on several mirrors.
    target : Path
        Final name; its folder exists.
    check : callable
        Called with the path of the complete download; raises `DataError` if it is not right.
    attempts, timeout, pause, progress
        See `fetch`.
    """
    part = target.with_name(f"{target.name}.part")
    failures: dict[str, str] = {}
    if part.exists() and _is_good(part, check):
        # Complete, but the process was stopped before the rename.
        os.replace(part, target)
        return
    for round_ in range(attempts):
        if round_ > 0:
            time.sleep(pause * 2 ** (round_ - 1))
        for url in urls:
            try:
                _continue_download(url, part, timeout, progress)
                _accept(part, target, check)
                return
            except _Attempt as failure:
                failures[url] = str(failure)
            if attempts == 1 and failures[url] == NO_RESOLVER:
                break  # names cannot be looked up at all: asking for the other mirrors only takes time
    reasons = "; ".join(f"{urlsplit(url).netloc}: {why}" for url, why in failures.items())
    raise UnavailableError(f"{target.name} could not be downloaded ({reasons})")


def _continue_download(url: str, part: Path, timeout: float, progress: bool) -> None:
    """Append to `part` what is missing of `url`, or raise `_Attempt`."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "minidl", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            have, total = _extent(response, have)
            first = response.read(CHUNK)
            _refuse_nonsense(first, have)
            # Opened only now: an error page must not cost what an earlier try has brought.
            with _open_part(part, "ab" if have else "wb") as stream:
                arrived = _copy(first, response, stream, have, total, progress)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            # The part is as long as the file or longer, and was found bad before: begin again.
            part.unlink(missing_ok=True)
        raise _Attempt(f"HTTP error {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise _Attempt(_reason(error.reason)) from None
    except (OSError, http.client.HTTPException) as error:
        raise _Attempt(_reason(error)) from None
    if arrived > LARGEST:
        part.unlink(missing_ok=True)
        raise _Attempt(f"sent more than {LARGEST:,} bytes")
    if total is not None and arrived < total:
        raise _Attempt(f"the connection broke after {arrived:,} of {total:,} bytes")


def _extent(response: Any, have: int) -> tuple[int, int | None]:
    """Return where the answer begins in the file, and how long the file is if the server says so."""
    if response.status != http.client.PARTIAL_CONTENT:
        have = 0
    elif not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
        raise _Attempt("the server sent another range than asked for")
    length = response.headers.get("Content-Length", "")
    return have, have + int(length) if length.isdigit() else None


def _refuse_nonsense(first: bytes, have: int) -> None:
    """Raise `_Attempt` if the first bytes received cannot belong to a .gz file at position `have`."""
    if have == 0 and not first.startswith(GZIP_MAGIC):
        if looks_like_page(first):
            raise _Attempt("sent a web page instead of the file")
        raise _Attempt("sent something that is not gzip-compressed" if first else "sent nothing")


def _copy(
    chunk: bytes, response: Any, stream: IO[bytes], have: int, total: int | None, progress: bool
) -> int:
    """Copy `chunk` and the rest of `response` to `stream`; return the length of the file so far."""
    label = Path(stream.name).name.removesuffix(".part")
    with _bar(have, total, label, progress) as advance:
        while chunk and have <= LARGEST:
            try:
                stream.write(chunk)
                stream.flush()
            except OSError as error:
                raise _cannot_write(Path(stream.name), error) from None
            have += len(chunk)
            advance(len(chunk))
            chunk = response.read(CHUNK)
    return have


def _accept(part: Path, target: Path, check: Callable[[Path], Any]) -> None:
    """Rename a complete download that passes its check; delete one that does not."""
    try:
        check(part)
    except DataError as error:
        part.unlink(missing_ok=True)
        fault = str(error).removeprefix(f"{part}: ").partition(";")[0]
        raise _Attempt(f"the download was damaged: {fault}") from None
    with open(part, "rb") as stream:
        os.fsync(stream.fileno())
    os.replace(part, target)


def _is_good(part: Path, check: Callable[[Path], Any]) -> bool:
    try:
        check(part)
    except DataError:
        return False
    return True


def _open_part(part: Path, mode: str) -> IO[bytes]:
    try:
        return open(part, mode)
    except OSError as error:
        raise _cannot_write(part, error) from None


def _cannot_write(path: Path, error: OSError) -> DataError:
    return DataError(
        f"{path.parent}: cannot be written to ({error.strerror}); name another folder with --data-dir "
        "or MINIDL_DATA_DIR"
    )


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Let one process at a time download into `folder`, which is created when it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = open(folder / ".lock", "ab")
    except OSError as error:
        raise _cannot_write(folder / ".lock", error) from None
    with stream:
        try:
            import fcntl
        except ImportError:  # Windows: two processes at once may each spoil the other's try, no more
            yield
            return
        fcntl.flock(stream, fcntl.LOCK_EX)  # released when the file is closed, however the process ends
        yield


def _reason(error: Any) -> str:
    if isinstance(error, socket.gaierror):
        return NO_RESOLVER if error.errno == socket.EAI_AGAIN else "unknown host"
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


@contextmanager
def _bar(have: int, total: int | None, label: str, progress: bool) -> Iterator[Callable[[int], Any]]:
    """Give a function to call with the number of bytes that arrived; it draws a bar on a terminal."""
    if not (progress and sys.stderr.isatty() and importlib.util.find_spec("tqdm")):
        yield lambda count: None
        return
    from tqdm import tqdm

    with tqdm(total=total, initial=have, desc=label, unit="B", unit_scale=True, leave=False) as bar:
        yield bar.update
