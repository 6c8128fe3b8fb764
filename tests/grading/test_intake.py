"""Taking submissions: honest ones in every wrapping, hostile ones refused with the reason."""

import bz2
import gzip
import io
import os
import random
import stat
import struct
import sys
import tarfile
import time
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest

from minidl.errors import DataError
from minidl.grading.archives import Limits
from minidl.grading.intake import Source, clear, find_submissions, lay_out, student_id, take

FILES = ("layers.py",)
CODE = b"import numpy as np\n\n\ndef softmax(z):\n    return z\n"
needs_links = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")


def make_zip(path, members, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data, **options)
    return path


def make_tar(path, members, mode="w:gz", format=tarfile.PAX_FORMAT):
    """`members` are (name, data) or whole TarInfo objects."""
    with tarfile.open(path, mode, format=format) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return path


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def taken(path, files=FILES, limits=None):
    return take(Source(student_id(path), path), files, limits)


def reason(path, files=FILES, limits=None):
    intake = taken(path, files, limits)
    assert intake.contents == {} and intake.missing == tuple(files)
    assert intake.reason and len(intake.reason) < 400 and intake.reason.isprintable()
    return intake.reason


# --- honest submissions -----------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["", "ex01/", "Alice Smith/ex01_dense/", "./"])
@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tgz", "folder"])
def test_every_wrapping_gives_the_same(tmp_path, kind, folder):
    members = [(f"{folder}layers.py", CODE), (f"{folder}notes.txt", b"hello")]
    path = tmp_path / f"alice.{kind}"
    if kind == "zip":
        make_zip(path, members)
    elif kind == "folder":
        path = tmp_path / "alice"
        for name, data in members:
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
    else:
        make_tar(path, members, "w" if kind == "tar" else "w:gz")
    intake = taken(path)
    assert (intake.id, intake.reason, intake.missing) == ("alice", "", ())
    assert intake.contents == {"layers.py": CODE}
    assert [name.rpartition("/")[2] for name in intake.ignored] == ["notes.txt"]
    (tmp_path / "bob.py").write_bytes(CODE)
    assert taken(tmp_path / "bob.py").digest == intake.digest


def test_what_an_archive_is_its_bytes_say(tmp_path):
    path = make_zip(tmp_path / "alice.tar.gz", [("layers.py", CODE)])
    assert taken(path).contents == {"layers.py": CODE}


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_of_every_tar_format(tmp_path, format):
    folder = "a" * 90 + "/" + "b" * 60 + "/"
    path = make_tar(tmp_path / "alice.tar", [(folder + "layers.py", CODE)], "w", format)
    assert taken(path).contents == {"layers.py": CODE}
    path = make_tar(tmp_path / "unicode.tar", [("Übung/layers.py", CODE)], "w", format)
    assert taken(path).contents == {"layers.py": CODE}


def test_what_computers_add_is_not_mentioned(tmp_path):
    junk = [
        "__MACOSX/._layers.py",
        ".DS_Store",
        "ex/__pycache__/layers.cpython-311.pyc",
        "ex/.git/config",
        "ex/venv/x.py",
    ]
    path = make_zip(tmp_path / "alice.zip", [("ex/layers.py", CODE), *((name, b"x") for name in junk)])
    intake = taken(path)
    assert (intake.contents, intake.ignored) == ({"layers.py": CODE}, ())


def test_what_is_missing_and_what_is_ignored(tmp_path):
    members = [("layers.py", CODE), ("Optim.py", b"1"), *((f"x{i:02}.txt", b"") for i in range(30))]
    intake = taken(make_zip(tmp_path / "alice.zip", members), ("layers.py", "optim.py"))
    assert intake.missing == ("optim.py",)
    assert intake.notes == ("optim.py is missing, but there is 'Optim.py': upper and lower case must match",)
    assert len(intake.ignored) == 21 and intake.ignored[-1] == "and 11 more"


def test_files_of_two_attempts_are_not_mixed(tmp_path):
    path = make_zip(tmp_path / "alice.zip", [("one/layers.py", CODE), ("two/layers.py", CODE)])
    assert "lie in 2 folders ('one/' and 'two/')" in reason(path)


def test_an_archive_alone_in_a_folder_is_opened(tmp_path):
    (tmp_path / "Alice_123").mkdir()
    make_zip(tmp_path / "Alice_123" / "work.zip", [("ex01/layers.py", CODE)])
    assert taken(tmp_path / "Alice_123").contents == {"layers.py": CODE}
    make_zip(tmp_path / "Alice_123" / "other.zip", [("layers.py", CODE)])
    assert "none of the files asked for" in reason(tmp_path / "Alice_123")


def test_a_single_file_must_tell_which_it_is(tmp_path):
    for name in ("alice.py", "alice_12_optim.py"):
        (tmp_path / name).write_bytes(CODE)
    assert "does not say which it is" in reason(tmp_path / "alice.py", ("layers.py", "optim.py"))
    intake = taken(tmp_path / "alice_12_optim.py", ("layers.py", "optim.py"))
    assert (list(intake.contents), intake.missing) == (["optim.py"], ("layers.py",))


# --- whose it is ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("alice.tar.gz", "alice"),
        ("Alice Smith (2).zip", "Alice_Smith_2"),
        ("José.zip", "José"),
        ("a.b-c_d.zip", "a.b-c_d"),
        ("<script>alert(1)<.zip", "script_alert_1"),
        ("=cmd|' -C calc'!A1.zip", "cmd_-C_calc_A1"),
        ("..hidden.zip", "hidden"),
        ("\u202eevil.zip", "evil"),
        ("con.zip", "_con"),
        ("$(rm -rf).zip", "rm_-rf"),
        ("---.zip", "unnamed"),
    ],
)
def test_ids_are_safe_everywhere(name, expected):
    assert student_id(Path(name)) == expected


def test_a_long_name_stays_a_file_name():
    one, other = (student_id(Path("ü" * 120 + end)) for end in ("a.zip", "b.zip"))
    assert one != other
    assert len(f"{one}.html".encode()) < 200


def test_two_files_of_one_student_stay_apart(tmp_path):
    for name in ("alice.zip", "Alice.tar", "bob.zip"):
        (tmp_path / name).write_bytes(b"")
    ids = [source.id for source in find_submissions(tmp_path, FILES)]
    assert len({name.casefold() for name in ids}) == 3 and "bob" in ids
    (tmp_path / "bob.zip").unlink()
    assert [source.id for source in find_submissions(tmp_path, FILES)] == [n for n in ids if n != "bob"]


def test_one_submission_alone(tmp_path):
    (tmp_path / "layers.py").write_bytes(CODE)
    assert [s.id for s in find_submissions(tmp_path, FILES)] == [tmp_path.name]
    path = make_zip(tmp_path / "carol.zip", [("layers.py", CODE)])
    assert [s.id for s in find_submissions(path, FILES)] == ["carol"]


def test_nothing_to_grade_is_said(tmp_path):
    with pytest.raises(DataError, match="no submissions here"):
        find_submissions(tmp_path / "nowhere", FILES)
    (tmp_path / ".DS_Store").touch()
    with pytest.raises(DataError, match="the folder is empty"):
        find_submissions(tmp_path, FILES)


# --- hostile ones -----------------------------------------------------------------------------------

NAMES = {
    "../layers.py": "leads out of the archive",
    "a/../../layers.py": "leads out of the archive",
    "..\\layers.py": "leads out of the archive",
    "/etc/layers.py": "absolute",
    "\\\\server\\share\\layers.py": "absolute",
    "C:\\layers.py": "drive letter",
    "c:layers.py": "drive letter",
    "x" * 1200: "1200 characters",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_that_lead_elsewhere(tmp_path, name):
    members = [("layers.py", CODE), (name, b"x")]
    assert NAMES[name] in reason(make_zip(tmp_path / "a.zip", members))
    assert NAMES[name] in reason(make_tar(tmp_path / "a.tar.gz", members))
    assert [p.name for p in tmp_path.parent.iterdir()].count("layers.py") == 0


def test_nul_in_a_name(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("layers.pyXhidden", CODE)])
    path.write_bytes(path.read_bytes().replace(b"layers.pyX", b"layers.py\0"))
    assert "NUL" in reason(path)
    info = tarfile.TarInfo("x")
    info.pax_headers = {"path": "layers.py\0hidden"}
    assert "NUL" in reason(make_tar(tmp_path / "a.tar", [info], "w"))


@pytest.mark.parametrize(
    ("first", "second"),
    [("layers.py", "LAYERS.py"), ("layers.py", "layers.py"), ("straße.py", "STRASSE.py"), ("a\u0308.py", "ä.py"),
     ("layers.py", "./layers.py"), ("layers.py", "layers.py/x.py")],
)  # fmt: skip
def test_names_that_are_one(tmp_path, first, second):
    with pytest.warns(UserWarning, match="Duplicate") if first == second else _nothing():
        path = make_zip(tmp_path / "a.zip", [(first, CODE), (second, b"other")])
    assert "same on some computers" in reason(path) or "both a file and a folder" in reason(path)
    assert taken(make_tar(tmp_path / "a.tar", [(first, CODE), (second, b"other")], "w")).reason


def _nothing():
    import contextlib

    return contextlib.nullcontext()


def test_links_and_devices_in_archives(tmp_path):
    info = zipfile.ZipInfo("layers.py")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    assert "symbolic link" in reason(make_zip(tmp_path / "a.zip", [(info, b"/etc/passwd")]))
    kinds = {
        tarfile.SYMTYPE: "symbolic link",
        tarfile.LNKTYPE: "hard link",
        tarfile.CHRTYPE: "device",
        tarfile.BLKTYPE: "device",
        tarfile.FIFOTYPE: "named pipe",
        tarfile.GNUTYPE_SPARSE: "file with holes",
        b"Z": "unknown kind",
    }
    for i, (kind, word) in enumerate(kinds.items()):
        members = [("layers.py", CODE), special("other.py", kind, "/etc/passwd")]
        assert word in reason(make_tar(tmp_path / f"{i}.tar", members, "w"))


@needs_links
def test_links_and_pipes_on_the_disk(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("the private tests")
    folder = tmp_path / "alice"
    folder.mkdir()
    (folder / "layers.py").symlink_to(secret)
    assert "'layers.py' is a symbolic link" in reason(folder)
    (folder / "layers.py").unlink()
    os.mkfifo(folder / "layers.py")
    assert "'layers.py' is a named pipe" in reason(folder)
    for name, target in (("bob", folder), ("bob.py", secret), ("bob.zip", secret)):
        (tmp_path / name).symlink_to(target)
        assert "link" in reason(tmp_path / name)
    os.mkfifo(tmp_path / "carol.zip")
    os.mkfifo(tmp_path / "carol.py")
    assert "named pipe" in reason(tmp_path / "carol.zip")
    assert "regular file" in reason(tmp_path / "carol.py")
    (folder / "layers.py").unlink()
    (folder / "deep").symlink_to("/", target_is_directory=True)
    assert "symbolic link" in reason(folder)


def test_bombs_are_stopped_by_what_comes_out(tmp_path):
    zeros = bytes(8 << 20)
    bombs = [
        make_zip(tmp_path / "ratio.zip", [("layers.py", zeros)]),
        make_zip(tmp_path / "other.zip", [("layers.py", CODE), ("data.bin", zeros)]),
        make_tar(tmp_path / "ratio.tar.gz", [("layers.py", CODE), ("x", zeros)]),
    ]
    assert all("200-fold" in reason(path) for path in bombs)
    # Many that are harmless one by one.
    noise = random.Random(0).randbytes(700_000)
    limits = Limits(total_bytes=1 << 20)
    many = [("layers.py", CODE), ("a", noise), ("b", noise)]
    assert "more than 1 MiB" in reason(make_zip(tmp_path / "many.zip", many), limits=limits)
    assert "more than 1 MiB" in reason(make_tar(tmp_path / "many.tar.gz", many), limits=limits)
    assert "at most 0 are taken" in reason(tmp_path / "many.zip", limits=Limits(archive_bytes=1000))
    long = make_zip(tmp_path / "long.zip", [("layers.py", noise + noise)], compress_type=zipfile.ZIP_STORED)
    assert "more than 1024 KiB" in reason(long)
    (tmp_path / "long.py").write_bytes(noise + noise)
    assert "more than 1024 KiB" in reason(tmp_path / "long.py")


def test_a_header_that_lies_about_the_size_gains_nothing(tmp_path):
    """The archive claims 100 bytes; 4 MiB come out. Only counting what is read finds it."""
    path = make_zip(tmp_path / "a.zip", [("layers.py", random.Random(0).randbytes(1000) * 4000)])
    data = path.read_bytes()
    size = struct.pack("<I", 4_000_000)
    assert data.count(size) == 2
    path.write_bytes(data.replace(size, struct.pack("<I", 100)))
    assert "damaged" in reason(path)
    path = tmp_path / "b.tar.gz"
    path.write_bytes(gzip.compress(b"\0" * (20 << 20), 9)[:-4] + struct.pack("<I", 512))
    assert "200-fold" in reason(path)


def test_too_many_members(tmp_path):
    names = [(f"{i}.txt", b"") for i in range(2001)]
    assert "more than 2000" in reason(make_zip(tmp_path / "a.zip", names))
    assert "more than 2000" in reason(make_tar(tmp_path / "a.tar", names, "w"))
    (tmp_path / "alice").mkdir()
    for i in range(12):
        (tmp_path / "alice" / f"{i}.txt").touch()
    assert "more than 10" in reason(tmp_path / "alice", limits=Limits(members=10))


def test_a_table_of_contents_of_a_million_members(tmp_path):
    """Every member costs 47 bytes in the file and far more in memory: it must not be read at all."""
    entry = (
        struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"x"
    )
    count = 600_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65535, 65535, count * len(entry), 0, 0)
    local = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 0, 0, 33, 0, 0, 0, 1, 0) + b"x"
    path = tmp_path / "a.zip"
    path.write_bytes(local + entry * count + end)
    tracemalloc.start()
    clock = time.perf_counter()
    assert "table of contents is too long" in reason(path)
    assert time.perf_counter() - clock < 2
    assert tracemalloc.get_traced_memory()[1] < 80 << 20
    tracemalloc.stop()


def test_unusual_and_encrypted_zips(tmp_path):
    path = make_zip(tmp_path / "lzma.zip", [("layers.py", CODE)], compress_type=zipfile.ZIP_LZMA)
    assert "unusual method" in reason(path)
    data = bytearray(make_zip(tmp_path / "secret.zip", [("layers.py", CODE)]).read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "secret.zip").write_bytes(data)
    assert "encrypted" in reason(tmp_path / "secret.zip")


def test_what_is_no_archive(tmp_path):
    contents = {"a.rar": b"Rar!\x1a\x07", "b.zip": b"", "c.gz": gzip.compress(CODE), "d.tar": b"x" * 700,
                "e.bz2": bz2.compress(CODE), "f.txt": b"hello", "g.tar": bytes(10240), "h.zip": b"PK\x03\x04 etc",
                "i.tar.gz": b"\x1f\x8b\x08 torn"}  # fmt: skip
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
        assert reason(tmp_path / name)
    (tmp_path / "empty").mkdir()
    assert "none of the files asked for (layers.py)" in reason(tmp_path / "empty")


def test_a_tar_with_holes_or_cut_short(tmp_path):
    info = tarfile.TarInfo("layers.py")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.realsize": "99999999999"}
    assert "file with holes" in reason(make_tar(tmp_path / "a.tar", [info], "w"))
    path = make_tar(tmp_path / "b.tar", [("notes.txt", b"x"), ("layers.py", CODE * 40)], "w")
    path.write_bytes(path.read_bytes()[: 3 * 512 + 700])
    assert "ends too early" in reason(path)


def test_a_tar_that_points_backwards(tmp_path):
    """A negative size sends some readers round in circles."""
    data = bytearray(make_tar(tmp_path / "a.tar", [("layers.py", CODE)], "w").read_bytes())
    data[124:136] = b"\xff" * 10 + b"\xfe\x00"
    data[148:156] = b"%06o\0 " % (sum(data[:148]) + 32 * 8 + sum(data[156:512]))
    (tmp_path / "a.tar").write_bytes(data)
    assert "negative" in reason(tmp_path / "a.tar")


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_damaged_archives_never_do_worse_than_be_refused(tmp_path, kind):
    members = [("ex/layers.py", CODE * 20), ("ex/notes.txt", b"hello"), ("ü" * 120, b"x")]
    path = tmp_path / f"a.{kind}"
    make_zip(path, members) if kind == "zip" else make_tar(path, members, "w" if kind == "tar" else "w:gz")
    whole, random_ = path.read_bytes(), random.Random(5)
    refused = 0
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(random_.choice((1, 2, 8))):
            data[random_.randrange(len(data))] = random_.choice((0, 255, random_.randrange(256)))
        if random_.random() < 0.2:
            del data[random_.randrange(len(data)) :]
        path.write_bytes(data)
        intake = taken(path)
        refused += bool(intake.reason)
        if kind == "zip" and intake.contents:  # zips carry checksums of the contents
            assert zlib.crc32(intake.contents["layers.py"]) == zlib.crc32(CODE * 20)
    assert refused > 30


def test_a_folder_that_cannot_be_read_costs_only_itself(tmp_path, monkeypatch):
    def fail(path):
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "alice").mkdir()
    monkeypatch.setattr(os, "scandir", fail)
    assert reason(tmp_path / "alice") == "Permission denied"


# --- laying out -------------------------------------------------------------------------------------


def test_files_are_laid_out_read_only_and_removed(tmp_path):
    intake = taken(make_zip(tmp_path / "alice.zip", [("layers.py", CODE), ("more.py", b"")]))
    folder = lay_out(intake, tmp_path / "work" / "alice")
    assert [path.name for path in folder.iterdir()] == ["layers.py"]
    assert (folder / "layers.py").read_bytes() == CODE
    assert not (folder / "layers.py").stat().st_mode & 0o222 and not folder.stat().st_mode & 0o222
    clear(folder)
    assert not folder.exists()
    clear(folder)
