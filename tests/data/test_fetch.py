"""Downloads from a web server on this machine that breaks off, lies, and fails."""

import dataclasses
import gzip
import os
import time

import pytest

from minidl.data import UnavailableError
from minidl.data.fetch import download, fetch
from minidl.data.idx import read_bytes
from minidl.errors import DataError

CONTENT = gzip.compress(os.urandom(300_000), mtime=0)


def check(path):
    if read_bytes(path) != CONTENT:
        raise DataError(f"{path}: is not the published file; delete it")


@pytest.fixture
def get(server, tmp_path):
    """Download "file.gz" from the server, with the options given; return the folder."""
    server.files["file.gz"] = CONTENT
    target = tmp_path / "file.gz"

    def run(mirrors=1, **options):
        urls = [f"{server.url}{number}/file.gz" for number in range(mirrors)]
        download(urls, target, check, **{"pause": 0, "timeout": 5, **options})
        return target

    run.target, run.part = target, tmp_path / "file.gz.part"
    return run


def assert_good(get):
    assert get.target.read_bytes() == CONTENT
    assert not get.part.exists()


def test_plain_download(get, server):
    get()
    assert_good(get)
    assert server.requests == [("file.gz", None)]


def test_a_broken_connection_is_resumed_where_it_broke(get, server):
    server.script = [("cut", 100_000), ("cut", 50_000)]
    get()
    assert_good(get)
    assert server.requests == [
        ("file.gz", None),
        ("file.gz", "bytes=100000-"),
        ("file.gz", "bytes=150000-"),
    ]


def test_another_mirror_goes_on_where_the_first_broke(get, server):
    server.script = [("cut", 100_000)]
    get(mirrors=2, attempts=1)
    assert_good(get)
    assert server.requests[1] == ("file.gz", "bytes=100000-")


def test_a_download_of_an_earlier_process_is_resumed(get, server):
    get.part.write_bytes(CONTENT[:1234])
    get()
    assert_good(get)
    assert server.requests == [("file.gz", "bytes=1234-")]


def test_a_complete_part_needs_no_network(get, server):
    get.part.write_bytes(CONTENT)
    get()
    assert_good(get)
    assert server.requests == []


def test_a_server_without_ranges_starts_again(get, server):
    get.part.write_bytes(CONTENT[:1234])
    server.script = ["no range"]
    get()
    assert_good(get)


@pytest.mark.parametrize("junk", [b"junk", CONTENT + b"too long", CONTENT[:-1] + b"?"])
def test_a_part_that_is_junk_is_thrown_away(get, junk):
    get.part.write_bytes(junk)
    get()
    assert_good(get)


@pytest.mark.parametrize("fault", ["page", "corrupt", ("error", 500), ("error", 404), ("cut", 0)], ids=str)
def test_a_fault_is_followed_by_another_try(get, server, fault):
    server.script = [fault, fault]
    get(attempts=3)
    assert_good(get)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("page", "web page"),
        ("corrupt", "damaged: is not the published file"),
        (("error", 503), "HTTP error 503"),
        (("cut", 1000), "broke after 2,000 of"),
    ],
    ids=str,
)
def test_nothing_bad_is_left_under_the_good_name(get, server, fault, reason):
    server.script = [fault] * 2
    with pytest.raises(UnavailableError, match=reason) as caught:
        get(attempts=2)
    assert not get.target.exists()
    assert "file.gz could not be downloaded (127.0.0.1" in str(caught.value)
    # What arrived so far stays only where it can still become the file.
    assert not get.part.exists() or CONTENT.startswith(get.part.read_bytes())


def test_an_error_page_does_not_cost_what_has_arrived(get, server):
    get.part.write_bytes(CONTENT[:1234])
    server.script = ["page"]
    with pytest.raises(UnavailableError, match="web page"):
        get(attempts=1)
    assert get.part.read_bytes() == CONTENT[:1234]


def test_a_silent_server_is_given_up_after_the_timeout(get, server):
    server.script = ["wait"]
    start = time.monotonic()
    with pytest.raises(UnavailableError, match="timed out"):
        get(attempts=1, timeout=0.2)
    assert time.monotonic() - start < 2


def test_the_rest_between_rounds_doubles(get, server, monkeypatch):
    rests = []
    monkeypatch.setattr("minidl.data.fetch.time.sleep", rests.append)
    server.script = [("error", 500)] * 8
    with pytest.raises(UnavailableError):
        get(mirrors=2, attempts=4, pause=1.0)
    assert rests == [1, 2, 4]
    assert len(server.requests) == 8


def test_without_a_name_server_the_other_mirrors_are_not_waited_for(tmp_path, monkeypatch):
    import socket

    asked = []

    def lookup(host, *args, **kwargs):
        asked.append(host)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UnavailableError, match="no name server"):
        download(["http://a.test/x.gz", "http://b.test/x.gz"], tmp_path / "x.gz", check, attempts=1)
    assert asked == ["a.test"]


def test_fetch_brings_four_files_and_keeps_those_there(tiny, server, tmp_path):
    server.files.update(tiny.contents)
    known = dataclasses.replace(tiny.source, mirrors=(server.url,))
    folder = tiny.put(tmp_path / "some", train_images=None, t10k_labels=None)
    fetch(known, folder, pause=0)
    assert {path.name for path in folder.iterdir()} == {*tiny.contents, ".lock"}
    assert sorted(name for name, _ in server.requests) == sorted(
        ["train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"]
    )


def test_fetch_accepts_a_recompressed_mirror(tiny, server, tmp_path):
    server.files.update({name: gzip.compress(gzip.decompress(c), 1) for name, c in tiny.contents.items()})
    assert server.files != tiny.contents
    fetch(dataclasses.replace(tiny.source, mirrors=(server.url,)), tmp_path / "new", pause=0)


def test_fetch_refuses_another_data_set_from_a_mirror(tiny, server, tmp_path):
    swapped = dict(tiny.contents)
    swapped["train-labels-idx1-ubyte.gz"] = gzip.compress(
        gzip.decompress(swapped["train-labels-idx1-ubyte.gz"])[:-1] + b"\1"
    )
    server.files.update(swapped)
    with pytest.raises(UnavailableError, match="SHA256"):
        fetch(dataclasses.replace(tiny.source, mirrors=(server.url,)), tmp_path / "new", pause=0, attempts=2)
    assert not (tmp_path / "new" / "train-labels-idx1-ubyte.gz").exists()


def test_fetch_into_what_is_no_folder(tiny, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"cannot be written to .*--data-dir"):
        fetch(tiny.source, tmp_path / "file" / "mnist")


def test_fetch_into_a_read_only_folder(tiny, tmp_path, monkeypatch):
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    if os.access(folder, os.W_OK):  # root may write anywhere, so the refusal is played
        import builtins

        real = builtins.open

        def refuse(path, mode="r", *args, **kwargs):
            if str(path).startswith(str(folder)) and mode != "rb":
                raise PermissionError(13, "Permission denied", str(path))
            return real(path, mode, *args, **kwargs)

        monkeypatch.setattr(builtins, "open", refuse)
    with pytest.raises(DataError, match=r"locked: cannot be written to \(Permission denied\)"):
        fetch(tiny.source, folder)


def test_two_processes_fetch_the_same_folder(tiny, server, tmp_path):
    # Threads stand for processes: flock holds between open files, not between processes.
    import threading

    server.files.update(tiny.contents)
    known = dataclasses.replace(tiny.source, mirrors=(server.url,))
    faults = []

    def work():
        try:
            fetch(known, tmp_path / "both", pause=0)
        except DataError as error:
            faults.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert len(server.requests) == 4  # each file once
