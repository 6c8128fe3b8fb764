"""Hostile archives, folders and files: what a submission can do before any of its code runs."""

from __future__ import annotations

import gzip
import io
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.redteam.cases import WRONG

REFUSED, NOTHING, ALL = "refused", "nothing", "all"


@dataclass(frozen=True)
class Handed:
    """Something handed in.

    Attributes
    ----------
    name : str
        Of the file or folder.
    make : callable
        ``make(path, files)`` writes it; `files` are the reference, the wrong code and what leaves a mark.
    earns : str
        `ALL` tests, `NOTHING`, or `REFUSED`: not taken, with the reason.
    """

    name: str
    make: Callable[[Path, Files], None]
    earns: str


@dataclass(frozen=True)
class Files:
    """Contents: what is right, what is wrong, what leaves a trace if it is ever imported or run."""

    right: bytes
    wrong: bytes
    mark: bytes


def make_files(reference: str, mark: str) -> Files:
    """Return the contents."""
    trace = f"open({mark!r}, 'w').close()\n"
    return Files(reference.encode(), f"import numpy as np\n{WRONG}".encode(), trace.encode())


def handed_in() -> list[Handed]:
    """Return all that is handed in."""
    found = [
        Handed("row10_modules.zip", lambda p, f: make_zip(p, modules(f, f.wrong)), NOTHING),
        Handed("row10_folder", lambda p, f: make_folder(p, modules(f, f.right)), ALL),
        Handed("row31_other_tests.tar.gz", lambda p, f: make_tar(p, other_tests(f)), NOTHING),
        Handed("row31_more_files.zip", lambda p, f: make_zip(p, more_files(f)), ALL),
    ]
    found += [Handed(name, make, REFUSED) for name, make in REFUSALS.items()]
    for name, (content, earns) in SOURCES.items():
        found.append(Handed(name, lambda p, f, content=content: p.write_bytes(content(f)), earns))
    found += [Handed(name, lambda p, f: make_zip(p, evil_members(f)), NOTHING) for name in EVIL_NAMES]
    return found


# Rows 10, 31: files that are not asked for -----------------------------------------------------------


def modules(files: Files, layers: bytes) -> dict[str, bytes]:
    """Modules and settings that a careless grader, or its tests, would import or obey."""
    names = (
        "conftest.py", "sitecustomize.py", "usercustomize.py", "json.py", "numpy/__init__.py", "minidl/__init__.py",
        "props.py", "agreement.py", "__init__.py", "__main__.py", "setup.py", "tests/conftest.py",
    )  # fmt: skip
    settings = {
        "pytest.ini": b"[pytest]\naddopts = --collect-only\npython_files = layers.py\n",
        "setup.cfg": b"[tool:pytest]\naddopts = -p conftest\n",
        "pyproject.toml": b"[tool.pytest.ini_options]\naddopts = '-k nothing'\n",
        "evil.pth": b"import os; " + files.mark,
    }
    return {"layers.py": layers, **dict.fromkeys(names, files.mark), **settings}


def other_tests(files: Files) -> dict[str, bytes]:
    """Other tests, other points, another workflow: the plan was fixed before."""
    test = b'from minidl.grading import task\n@task("1.1", points=40)\ndef test_mine(submission, rng):\n    """x"""\n'
    return {
        "layers.py": files.wrong,
        "exercise.toml": b'id = "01"\nname = "dense"\ntitle = "x"\nhours = 1\nfiles = ["layers.py"]\n',
        "tests/test_public.py": test,
        "tests/test_private.py": test,
        ".github/workflows/classroom.yml": b"on: push\n",
        "staff/record.jsonl": b'{"event":"done"}\n',
    }


def more_files(files: Files) -> dict[str, bytes]:
    """An honest file among many others."""
    return {"homework/layers.py": files.right, **{f"homework/plot{i}.png": b"\x89PNG" for i in range(300)}}


# Rows 29, 30: archives -------------------------------------------------------------------------------


def make_zip(path: Path, members: dict[str, bytes], **options: int) -> None:
    """Write a zip."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.filename = name  # as it is: the constructor cuts at a NUL
            info.external_attr = options.get("mode", 0o100644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)


def make_tar(path: Path, members: dict[str, bytes]) -> None:
    """Write a tar.gz."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def make_folder(path: Path, members: dict[str, bytes]) -> None:
    """Write a folder."""
    for name, content in members.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)


def zip_of(name: str, **options: int) -> Callable[[Path, Files], None]:
    """Return a maker of a zip with the right file, and a member of this name."""
    return lambda path, files: make_zip(path, {"layers.py": files.right, name: files.mark}, **options)


def tar_with(
    kind: bytes, name: str = "layers.py", target: str = "/etc/passwd"
) -> Callable[[Path, Files], None]:
    """Return a maker of a tar with a member that is no file."""

    def make(path: Path, files: Files) -> None:
        with tarfile.open(path, "w") as archive:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)

    return make


def zip_bomb(path: Path, files: Files) -> None:
    make_zip(path, {"layers.py": files.right, "big.bin": bytes(100 << 20)})


def gzip_bomb(path: Path, files: Files) -> None:
    path.write_bytes(gzip.compress(bytes(100 << 20), 9))


def many_members(path: Path, files: Files) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(20_000):
            archive.writestr(zipfile.ZipInfo(f"{i}"), b"")


def overlapping(path: Path, files: Files) -> None:
    """Write a zip whose members all name the same bytes, and lie about how many there are."""
    make_zip(path, {"layers.py": files.right + b"#" * 5_000_000})
    data = bytearray(path.read_bytes())
    start = data.index(b"PK\x01\x02")
    entry = data[start : data.index(b"PK\x05\x06")]
    struct.pack_into("<I", entry, 24, 100)  # the size when unpacked
    end = data[data.index(b"PK\x05\x06") :]
    entries = entry + entry.replace(b"layers.py", b"Layerz.py") * 1
    struct.pack_into("<HHI", end, 8, 2, 2, len(entries))
    path.write_bytes(bytes(data[:start]) + bytes(entries) + bytes(end))


def broken(path: Path, files: Files) -> None:
    make_zip(path, {"layers.py": files.right})
    path.write_bytes(path.read_bytes()[:-30])


def two_homes(path: Path, files: Files) -> None:
    make_zip(path, {"a/layers.py": files.right, "b/layers.py": files.wrong})


def with_link(path: Path, files: Files) -> None:
    path.mkdir()
    (path / "layers.py").symlink_to("/etc/passwd")


def with_pipe(path: Path, files: Files) -> None:
    path.mkdir()
    os.mkfifo(path / "layers.py")


def itself_a_link(path: Path, files: Files) -> None:
    path.symlink_to("/etc")


REFUSALS: dict[str, Callable[[Path, Files], None]] = {
    "row29_above.zip": zip_of("../../mark.py"),
    "row29_absolute.zip": zip_of("/tmp/mark.py"),
    "row29_drive.zip": zip_of("C:\\mark.py"),
    "row29_backslashes.zip": zip_of("..\\..\\mark.py"),
    "row29_nul.zip": zip_of("layers.py\0.txt"),
    "row29_twins.zip": zip_of("LAYERS.PY"),
    "row29_link.zip": zip_of("link", mode=0o120777),
    "row29_device.zip": zip_of("device", mode=0o020666),
    "row29_link.tar": tar_with(tarfile.SYMTYPE),
    "row29_hard_link.tar": tar_with(tarfile.LNKTYPE),
    "row29_device.tar": tar_with(tarfile.CHRTYPE),
    "row29_pipe.tar": tar_with(tarfile.FIFOTYPE),
    "row29_above.tar": tar_with(tarfile.REGTYPE, "../layers.py"),
    "row29_folder_with_link": with_link,
    "row29_folder_with_pipe": with_pipe,
    "row29_itself_a_link": itself_a_link,
    "row30_bomb.zip": zip_bomb,
    "row30_bomb.tar.gz": gzip_bomb,
    "row30_members.zip": many_members,
    "row30_overlapping.zip": overlapping,
    "row30_deep.zip": zip_of("a/" * 200 + "x"),
    "row30_cut.zip": broken,
    "row30_noise.zip": lambda path, files: path.write_bytes(bytes(range(256)) * 100),
    "row30_empty.zip": lambda path, files: path.write_bytes(b""),
    "row30_two_homes.zip": two_homes,
    "row30_other_file.zip": lambda path, files: make_zip(path, {"layer.py": files.right}),
}

# Files that Python itself may stumble over, and what each earns.
SOURCES: dict[str, tuple[Callable[[Files], bytes], str]] = {
    "source_empty.py": (lambda files: b"", NOTHING),
    "source_nul.py": (lambda files: files.right + b"\0", NOTHING),
    "source_latin.py": (lambda files: files.right + b"\nx = '\xff\xfe'\n", NOTHING),
    "source_mark.py": (lambda files: b"\xef\xbb\xbf" + files.right, ALL),
    "source_coding.py": (lambda files: b"# coding: rot13\n" + files.right, NOTHING),
    "source_nested.py": (lambda files: files.right + b"\nx = " + b"(" * 50_000, NOTHING),
    "source_folding.py": (lambda files: files.right + b"\nx = ((1 << 60) ** 9999 << 9999) * 'x'", NOTHING),
    "source_too_long.py": (lambda files: files.right + b"#" * (1 << 20), REFUSED),
}

# Names of files that do something where they are shown.
EVIL_NAMES = (
    "<script>alert(4)<img src=x onerror=alert(5)>.zip",
    '=HYPERLINK("http:evil.example").zip',
    "a;=cmd|' C calc'!A0.zip",
    "\x1b[31mred\x07.zip",
    "\u202egnp.exe.zip",
    "`id` $(id) ;rm -rf %s {0}.zip",
    "[x](javascript:alert(6)) | a | b |\n# heading.zip",
    "-rf.zip",
)


def evil_members(files: Files) -> dict[str, bytes]:
    """Return a file that cannot be imported, and others with names like those above."""
    return {"layers.py": b")", **{name.replace("/", "_"): b"" for name in EVIL_NAMES}}
