"""A miniature MNIST with its own digests, a web server that can misbehave, and an empty machine."""

import gzip
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from minidl.data import datasets, places, sources
from minidl.data.idx import encode_idx
from minidl.data.sources import SHAPES, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, Source


@pytest.fixture
def empty_machine(monkeypatch, tmp_path):
    """No data anywhere: an empty current folder, an empty cache, no checkout, no variable."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.delenv("MINIDL_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(places.sys, "platform", "linux")
    monkeypatch.setattr(places, "checkout_folder", lambda: None)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return here


@pytest.fixture
def tiny(monkeypatch, empty_machine):
    """60 + 20 images under the name "mnist"; attribute `contents` has the four .gz files."""
    rng = np.random.default_rng(7)
    arrays = {
        TRAIN_IMAGES: rng.integers(0, 256, (60, 28, 28)).astype(np.uint8),
        TRAIN_LABELS: (np.arange(60) % 10).astype(np.uint8),
        TEST_IMAGES: rng.integers(0, 256, (20, 28, 28)).astype(np.uint8),
        TEST_LABELS: (np.arange(20) % 10).astype(np.uint8),
    }
    for file, array in arrays.items():
        monkeypatch.setitem(SHAPES, file, array.shape)
    monkeypatch.setattr(datasets, "VALIDATION", 10)
    raw = {file: encode_idx(array) for file, array in arrays.items()}
    known = Source(
        name="mnist",
        title="MNIST",
        mirrors=("http://127.0.0.1:9/",),  # the discard port: refused at once
        algorithm="sha256",
        of_content=True,
        digests={file: hashlib.sha256(content).hexdigest() for file, content in raw.items()},
        folders=("mnist", "MNIST/raw"),
        classes=tuple("0123456789"),
        megabytes=0.1,
        licence="none",
        citation="none",
    )
    monkeypatch.setitem(sources.SOURCES, "mnist", known)
    contents = {f"{file}.gz": gzip.compress(content, mtime=0) for file, content in raw.items()}
    return Tiny(known, arrays, contents)


class Tiny:
    def __init__(self, source, arrays, contents):
        self.source, self.arrays, self.contents = source, arrays, contents

    def put(self, folder, **changes):
        """Write the four files; `changes` maps a stem like ``train_labels`` to other bytes or None."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.contents.items():
            key = "_".join(name.split("-")[:2])
            content = changes.get(key, content)
            if content is not None:
                (folder / name).write_bytes(content)
        return folder


class Server:
    """Serves `files` by name; `script` has one behaviour per coming request, then all is well.

    Behaviours: "ok", "no range" (sends all, whatever was asked), ("cut", n) (n bytes of what was
    promised), ("error", code), "page" (HTML with status 200), "corrupt" (last byte flipped),
    ("wait", seconds). `requests` lists (name, Range header or None).
    """

    def __init__(self):
        self.files, self.script, self.requests = {}, [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *args):
                pass

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        self.released = threading.Event()
        self.url = f"http://127.0.0.1:{self.httpd.server_port}/"
        self.thread = threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self):
        self.released.set()
        self.httpd.shutdown()
        self.thread.join()
        self.httpd.server_close()

    def answer(self, handler):
        name, wanted = handler.path.rpartition("/")[2], handler.headers.get("Range")
        self.requests.append((name, wanted))
        act = self.script.pop(0) if self.script else "ok"
        if act == "wait":
            self.released.wait(10)
            return
        content = self.files[name]
        if act == "page":
            content, wanted = b"<!DOCTYPE html><html>please log in</html>", None
        if act == "corrupt":
            content = content[:-1] + bytes([content[-1] ^ 1])
        if act == "no range":
            wanted = None
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        if act[0] == "error" or start >= len(content):
            handler.send_error(act[1] if act[0] == "error" else 416)
            return
        handler.send_response(206 if wanted else 200)
        if wanted:
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        body = content[start:]
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: act[1]] if act[0] == "cut" else body)


@pytest.fixture
def server():
    running = Server()
    yield running
    running.close()
