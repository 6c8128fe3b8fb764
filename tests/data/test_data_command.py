"""``minidl data`` on the command line."""

import argparse
import dataclasses

import pytest

from minidl.cli import data as command
from minidl.data.sources import SOURCES
from minidl.errors import ConfigError, DataError


def minidl(line):
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers(dest="command"))
    return command.run(parser.parse_args(line.split()))


def test_list(tiny, tmp_path, capsys):
    tiny.put(tmp_path / "d")
    assert minidl(f"data list --data-dir {tmp_path / 'd'}") == 0
    out = capsys.readouterr().out
    assert f"MNIST is in {tmp_path / 'd'}" in out
    assert "NOT MNIST" in out and "KMNIST" in out and "KMNIST is in" not in out


def test_fetch_then_verify(tiny, server, tmp_path, monkeypatch, capsys):
    server.files.update(tiny.contents)
    monkeypatch.setitem(SOURCES, "mnist", dataclasses.replace(tiny.source, mirrors=(server.url,)))
    folder = tmp_path / "new"  # fetch makes the folder
    assert minidl(f"data fetch --data-dir {folder}") == 0
    assert minidl(f"data fetch mnist --data-dir {folder}") == 0
    assert len(server.requests) == 4
    capsys.readouterr()
    assert minidl(f"data verify --data-dir {folder}") == 0
    assert "MNIST in" in capsys.readouterr().out
    (folder / "mnist" / "t10k-labels-idx1-ubyte.gz").write_bytes(b"<html>")
    for line in ("data verify", "data verify mnist", "data fetch", "data show"):
        with pytest.raises(DataError, match="web page"):
            minidl(f"{line} --data-dir {folder}")


def test_verify_without_data(tiny):
    with pytest.raises(DataError, match="no data set is in any"):
        minidl("data verify")
    with pytest.raises(DataError, match="KMNIST is not in any"):
        minidl("data verify kmnist")


def test_show_writes_a_picture(tiny, tmp_path, empty_machine, capsys):
    from matplotlib.image import imread

    tiny.put(tmp_path / "d")
    assert minidl(f"data show --data-dir {tmp_path / 'd'} --per-class 3") == 0
    assert capsys.readouterr().out.strip() == "samples-mnist.png"
    height, width, _ = imread(empty_machine / "samples-mnist.png").shape
    assert height > 2 * width  # ten rows of three
    assert minidl("data show digits --split validation --per-class 2 --out sub/sheet.png") == 0
    assert (empty_machine / "sub" / "sheet.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("data show nonsense", "unknown data set 'nonsense'"),
        ("data fetch nonsense", "unknown data set 'nonsense': choose one of mnist, fashion, kmnist, qmnist$"),
        ("data verify mnist nonsense", "unknown data set 'nonsense': choose one of mnist, .*, qmnist$"),
        ("data show qmnist", "unknown data set 'qmnist': choose one of mnist, fashion, kmnist, digits$"),
        ("data verify digits", "needs no download"),
        ("data fetch digits", "needs no download"),
        ("data show --per-class 0", "--per-class"),
    ],
)
def test_wrong_options(tiny, line, message):
    with pytest.raises(ConfigError, match=message):
        minidl(line)


def test_the_test_images_are_not_shown():
    with pytest.raises(SystemExit):
        minidl("data show mnist --split test")
