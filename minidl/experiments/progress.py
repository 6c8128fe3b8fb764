"""A progress bar over networks that train in other processes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INTERVAL = 1.0  # seconds between looks


@contextmanager
def epoch_bar(folders: list[Path], total: int) -> Iterator[None]:
    """Show how many of `total` epochs are done, by looking into the run folders; on a terminal only."""
    if not sys.stderr.isatty():
        yield
        return
    from tqdm import tqdm

    done = threading.Event()
    with tqdm(total=total, unit="epoch", desc="training", leave=False, dynamic_ncols=True) as bar:

        def watch() -> None:
            while not done.wait(INTERVAL):
                bar.update(sum(_epochs(folder) for folder in folders) - bar.n)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()


def _epochs(folder: Path) -> int:
    try:
        return max(0, (folder / "history.csv").read_text(encoding="utf-8").count("\n") - 1)
    except OSError:
        return 0
