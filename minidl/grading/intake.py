"""Which submissions are there, whose are they, and what of them counts.

A submission is one child of the folder of submissions: a zip, a tar, a tar.gz, a folder, or a single Python
file. Only the files that the exercise names count; the others are ignored and reported, missing ones are
reported, and what cannot be taken gets no points, with the reason, while grading goes on.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from minidl.errors import DataError
from minidl.grading.archives import IntakeError, Limits, is_junk, read_source, shown
from minidl.grading.trees import Tree, open_tree

_ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")
_ID_BYTES = 100  # leaves room for endings within the 255 bytes of a file name
_NAMED = 20  # ignored files that are named; the others are counted
# Names that Windows keeps for devices, whatever their ending.
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """Where a submission lies: the student's id, and the file or folder."""

    id: str
    path: Path


@dataclass(frozen=True)
class Intake:
    """What was handed in.

    Attributes
    ----------
    id : str
        Of the student, from the name of the file or folder; safe as a file name.
    source : str
        The name of the file or folder, printable.
    contents : dict of str to bytes
        The files that count.
    missing : tuple of str
        Files the exercise asks for that are not there.
    ignored : tuple of str
        Others, printable; the last may say how many more there are.
    notes : tuple of str
        What the student should know about how the files were found.
    reason : str
        Why nothing could be taken; empty if something was.
    digest : str
        SHA-256 of what counts.
    """

    id: str
    source: str
    contents: dict[str, bytes] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reason: str = ""
    digest: str = ""


def find_submissions(place: str | Path, files: Sequence[str]) -> list[Source]:
    """Return the submissions of a folder, ordered by id.

    Parameters
    ----------
    place : path
        A folder of submissions; or one submission: an archive, a Python file, or a folder that holds one of
        `files` itself.
    files : sequence of str
        What the exercise asks for.

    Raises
    ------
    DataError
        If there is nothing, or a folder could be one submission as well as several.
    """
    place = Path(place)
    if not place.exists():
        raise DataError(f"{place}: there are no submissions here; give a folder of them, or one of them")
    if not place.is_dir():
        return [Source(student_id(place.resolve()), place)]
    own = [name for name in files if (place / name).is_file()]
    if own:
        others = [path.name for path in sorted(place.iterdir()) if _is_another(path, files)]
        if others:  # or a student whose file has this very name would take the place of the whole class
            raise DataError(
                f"{place}: {own[0]} makes this folder one submission, but {shown(others[0])} looks like another "
                f"one; put {own[0]} into a folder of its own, or take {shown(others[0])} away"
            )
        return [Source(student_id(place.resolve()), place)]
    paths = sorted((path for path in place.iterdir() if not is_junk(path.name)), key=lambda path: path.name)
    if not paths:
        raise DataError(f"{place}: the folder is empty; it should hold one file or folder for each student")
    return sorted((Source(*pair) for pair in zip(_ids(paths), paths, strict=True)), key=lambda s: s.id)


def _ids(paths: Sequence[Path]) -> list[str]:
    """Return a student's id for each of several files, all different also where case does not count."""
    names = [student_id(path) for path in paths]
    marks = [hashlib.sha256(os.fsencode(path.name)).hexdigest() for path in paths]
    ids, length = list(names), 8
    while len(counts := Counter(name.casefold() for name in ids)) < len(ids):
        # Each of two gets a mark of its own. Again, and a longer one, since somebody else's name may be one's
        # name and mark.
        twice = [counts[name.casefold()] > 1 for name in ids]
        ids = [
            f"{name}-{mark[:length]}" if again else before
            for name, mark, again, before in zip(names, marks, twice, ids, strict=True)
        ]
        length += 8
    return ids


def _is_another(path: Path, files: Sequence[str]) -> bool:
    """Whether what lies beside the files of a submission looks like somebody else's."""
    if path.is_dir():
        return not is_junk(path.name) and any((path / name).is_file() for name in files)
    return path.name.lower().endswith(_ARCHIVES)


def student_id(path: Path) -> str:
    """Return the name of a file or folder without the ending of an archive, fit to be a file name anywhere.

    Letters and digits of any alphabet, dots, minus signs and underscores stay; other characters become
    underscores.
    """
    name = path.name
    if not path.is_dir():
        ending = next((end for end in _ARCHIVES if name.lower().endswith(end)), path.suffix)
        name = name[: len(name) - len(ending)] or name
    text = unicodedata.normalize("NFKC", name.encode("utf-8", "replace").decode("utf-8"))
    text = re.sub(r"[^\w.-]+", "_", text).strip("._-")
    if len(text.encode("utf-8")) > _ID_BYTES:
        mark = hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
        text = text.encode("utf-8")[:_ID_BYTES].decode("utf-8", "ignore") + "-" + mark
    if _DEVICES.fullmatch(text):
        text = f"_{text}"
    return text or "unnamed"


def take(source: Source, files: Sequence[str], limits: Limits | None = None) -> Intake:
    """Read what counts of a submission. Whatever is wrong with it ends up in the result, not in an error."""
    limits = limits or Limits()
    name = shown(source.path.name)[1:-1]
    try:
        if source.path.suffix.lower() == ".py" and not source.path.is_dir():
            contents, ignored, notes = _single(source.path, files, limits)
        else:
            tree = open_tree(source.path, limits)
            contents, ignored, notes = _from_tree(_unpacked(source.path, tree, files, limits), files)
        if not contents:
            raise IntakeError(f"it holds none of the files asked for ({', '.join(files)})")
    except (IntakeError, OSError) as error:
        reason = error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
        return Intake(
            source.id, name, missing=tuple(files), reason=reason, digest=_digest({"": reason.encode()})
        )
    missing = tuple(file for file in files if file not in contents)
    return Intake(source.id, name, contents, missing, ignored, notes, "", _digest(contents))


def lay_out(intake: Intake, folder: Path) -> Path:
    """Write the files that count into a new folder, read-only, and return it."""
    folder.mkdir(parents=True)
    for name, data in intake.contents.items():
        path = folder / name
        path.write_bytes(data)
        path.chmod(0o444)
    folder.chmod(0o555)
    return folder


def clear(folder: Path) -> None:
    """Remove a folder that `lay_out` made."""
    if not folder.is_dir():
        return
    folder.chmod(0o755)
    for path in folder.iterdir():
        path.chmod(0o644)  # Windows does not remove a read-only file
        path.unlink()
    folder.rmdir()


def _from_tree(tree: Tree, files: Sequence[str]) -> tuple[dict[str, bytes], tuple[str, ...], tuple[str, ...]]:
    """Return contents, ignored names and notes of a tree: the files, wherever in it they lie together."""
    names = [name for name in tree.names if not is_junk(name)]
    homes = {name[: -len(file)] for name in names for file in files if f"/{name}".endswith(f"/{file}")}
    home = ""
    notes = []
    if homes:
        depth = min(prefix.count("/") for prefix in homes)
        nearest = sorted(prefix for prefix in homes if prefix.count("/") == depth)
        if len(nearest) > 1:
            where = " and ".join(shown(prefix) for prefix in nearest[:3])
            raise IntakeError(f"the files asked for lie in {len(nearest)} folders ({where}); hand in one")
        home = nearest[0]
    present = [file for file in files if home + file in names]
    contents = {file: tree.read(home + file) for file in present}
    counted = {home + file for file in present}
    others = [name for name in names if name not in counted]
    for file in files:
        alike = [name for name in others if name.rpartition("/")[2].casefold() == file.casefold()]
        if file not in present and alike:
            notes.append(
                f"{file} is missing, but there is {shown(alike[0])}: upper and lower case must match"
            )
    ignored = [shown(name)[1:-1] for name in others[:_NAMED]]
    if len(others) > _NAMED:
        ignored.append(f"and {len(others) - _NAMED} more")
    return contents, tuple(ignored), tuple(notes)


def _unpacked(path: Path, tree: Tree, files: Sequence[str], limits: Limits) -> Tree:
    """Return the archive inside a folder that holds nothing else, as some learning platforms hand out."""
    names = [name for name in tree.names if not is_junk(name)]
    wanted = [name for name in names if name.rpartition("/")[2] in files]
    if path.is_dir() and not wanted and len(names) == 1 and names[0].lower().endswith(_ARCHIVES):
        return open_tree(path / names[0], limits)
    return tree


def _single(
    path: Path, files: Sequence[str], limits: Limits
) -> tuple[dict[str, bytes], tuple[str, ...], tuple[str, ...]]:
    """Return the contents of one Python file: the exercise's only file, or the one its name ends with."""
    ends = [file for file in files if path.name == file or re.search(rf"[\W_]{re.escape(file)}$", path.name)]
    if not ends and len(files) > 1:
        raise IntakeError(
            f"this exercise asks for {len(files)} files ({', '.join(files)}), and the name of this one does not "
            "say which it is; hand in an archive"
        )
    return {(ends or list(files))[0]: read_source(path, limits)}, (), ()


def _digest(contents: dict[str, bytes]) -> str:
    total = hashlib.sha256()
    for name in sorted(contents):
        for part in (name.encode(), contents[name]):
            total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()
