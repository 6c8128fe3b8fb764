"""Many independent tasks: one after another, in processes of this machine, or on a cluster.

A task must give the same result wherever and in whatever company it runs; then results do not depend on
the number of workers, and a task whose worker died can simply be done again. A task that leaves files
may find those of an earlier attempt, and should go on from them.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from minidl.errors import ConfigError, MinidlError

ATTEMPTS = 3  # rounds in a row that may end in a death before any task is done
PATIENCE = 10.0  # seconds to wait for a scheduler and its first worker
WATCHER, WATCH_EVERY = "minidl-parent", 0.5  # seconds

Function = Callable[..., Any]
Outcomes = Iterator[tuple[int, Any]]


class WorkerError(MinidlError, RuntimeError):
    """The workers die whatever they are given."""


class Workers:
    """Who does the work.

    Parameters
    ----------
    jobs : int
        Tasks at once on this machine. With 1 they run in this process.
    cluster : str, optional
        Address of a Dask scheduler, such as ``tcp://10.0.0.5:8786``: its workers do the work, and `jobs`
        means nothing. Each needs minidl installed and one thread (``dask worker ADDRESS --nthreads 1``),
        since a training keeps its own threads.
    shared : tuple
        What every task needs besides its own argument, such as the data. It is sent to each worker once.
    folder : path, optional
        A folder that tasks write to; every worker of a cluster must see it.

    Raises
    ------
    ConfigError
        On entering the ``with`` block, if joblib or Dask is missing, the cluster does not answer, or a
        worker of it cannot be used.

    Examples
    --------
    >>> with Workers(jobs=1, shared=(10,)) as workers:
    ...     sorted(workers.run(divmod, [25, 37]))
    [(0, (2, 5)), (1, (3, 7))]
    """

    def __init__(
        self, jobs: int = 1, cluster: str | None = None, shared: tuple = (), folder: str | Path | None = None
    ) -> None:
        if jobs < 1:
            raise ConfigError(f"jobs must be at least 1, got {jobs}")
        self.jobs, self.cluster, self.shared = jobs, cluster, shared
        self.folder = None if folder is None else Path(folder).absolute()
        self._client: Any = None

    def __enter__(self) -> Workers:
        if self.cluster is not None:
            self._client = _connect(self.cluster, self.folder)
        return self

    def __exit__(self, *error: object) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    @property
    def count(self) -> int:
        """How many tasks run at once, as far as is known."""
        return self.jobs if self._client is None else max(1, len(self._client.scheduler_info(-1)["workers"]))

    def run(self, function: Function, tasks: Sequence[Any]) -> Outcomes:
        """Call ``function(task, *shared)`` for every task.

        The order is that of the tasks with one worker, and otherwise the order in which they are done. If a
        worker dies, what it was working on is given to another one.

        Parameters
        ----------
        function : callable
            Of a module that the workers can import.
        tasks : sequence

        Yields
        ------
        (int, object)
            A task's place in `tasks` and its result. Each task is yielded once.

        Raises
        ------
        WorkerError
            If workers have died again and again and nothing was done in between.
        """
        waiting = dict(enumerate(tasks))
        if self.cluster is None and self.jobs == 1:
            for index, task in waiting.items():
                yield index, function(task, *self.shared)
            return
        if self.cluster is not None and self._client is None:
            raise ConfigError("workers of a cluster are used inside their with block")
        attempts = 0
        while waiting:
            try:
                for index, result in self._round(function, dict(waiting)):
                    del waiting[index]
                    attempts = 0
                    yield index, result
            except _Died as death:
                attempts += 1
                if attempts == ATTEMPTS:
                    raise WorkerError(
                        f"workers died {attempts} times in a row with {len(waiting)} tasks left to do ({death}); "
                        "is there too little memory? Try fewer jobs"
                    ) from None

    def _round(self, function: Function, waiting: dict[int, Any]) -> Outcomes:
        if self.cluster is not None:
            return _on_cluster(self._client, function, waiting, self.shared)
        return _in_processes(self.jobs, function, waiting, self.shared)


def run_all(
    function: Function,
    tasks: Sequence[Any],
    *,
    shared: tuple = (),
    jobs: int = 1,
    cluster: str | None = None,
) -> list[Any]:
    """Return ``function(task, *shared)`` of every task, in the order of the tasks.

    Parameters
    ----------
    function : callable
    tasks : sequence
    shared : tuple
    jobs : int
    cluster : str, optional
        All as for `Workers` and `Workers.run`.

    Examples
    --------
    >>> run_all(pow, [2, 3], shared=(2,))
    [4, 9]
    """
    with Workers(jobs, cluster, shared) as workers:
        return [result for _, result in sorted(workers.run(function, tasks), key=lambda pair: pair[0])]


class _Died(Exception):
    """One or more workers are gone; what was not yielded is to be done again."""


def _in_processes(jobs: int, function: Function, waiting: dict[int, Any], shared: tuple) -> Outcomes:
    try:
        from joblib import Parallel, delayed, parallel_config
    except ImportError:
        raise ConfigError("several jobs need joblib, which is not installed: pip install joblib") from None

    # Large arrays in `shared` are written once and mapped into every process.
    with parallel_config(backend="loky", inner_max_num_threads=1):
        # At least two: with one, joblib works in this very process, and a task that kills its process, too.
        side_by_side = Parallel(n_jobs=max(2, min(jobs, len(waiting))), return_as="generator_unordered")
        try:
            yield from side_by_side(
                delayed(_call_watched)(os.getpid(), function, index, task, shared)
                for index, task in waiting.items()
            )
        except BrokenProcessPool as error:
            raise _Died(type(error).__name__) from None


def _call_watched(parent: int, function: Function, index: int, task: Any, shared: tuple) -> tuple[int, Any]:
    """Do a task in a process that ends soon after the one that started it, however that ended."""
    if os.getppid() == parent and all(thread.name != WATCHER for thread in threading.enumerate()):
        threading.Thread(target=_outlive, args=(parent,), name=WATCHER, daemon=True).start()
    return _call(function, index, task, shared)


def _outlive(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_EVERY)
    os._exit(1)  # nobody is left to clean up for


def _call(function: Function, index: int, task: Any, shared: tuple) -> tuple[int, Any]:
    return index, function(task, *shared)


# On a cluster ------------------------------------------------------------------------------------


def _connect(address: str, folder: Path | None) -> Any:
    """Return a client of the scheduler at `address`, whose workers have been looked at."""
    try:
        from distributed import Client
    except ImportError:
        raise ConfigError(
            'a cluster needs Dask, which is not installed: pip install "minidl[distributed]"'
        ) from None
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"cluster {address}: no Dask scheduler answers there ({_first_line(error)}); start one by "
            "`dask scheduler` and give the address it prints, such as tcp://127.0.0.1:8786"
        ) from None
    try:
        _check_workers(client, address, folder)
    except BaseException:
        client.close()
        raise
    return client


def _check_workers(client: Any, address: str, folder: Path | None) -> None:
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        raise ConfigError(
            f"cluster {address}: the scheduler has no workers; start some by "
            f"`dask worker {address} --nthreads 1`"
        ) from None
    for name, worker in client.scheduler_info(-1)["workers"].items():
        if worker["nthreads"] != 1:
            raise ConfigError(
                f"cluster {address}: the worker {name} has {worker['nthreads']} threads, and trainings need a "
                "process each; start it with --nthreads 1 (and --nworkers for more workers)"
            )
    # A file that is only here now: /tmp is a folder on every machine, and not the same one.
    place = next((each for each in (folder, *folder.parents) if each.is_dir()), None) if folder else None
    with tempfile.NamedTemporaryFile(prefix=".minidl-", dir=place) as marker:
        try:
            seen = client.run(_sees, marker.name if folder else None)
        except Exception as error:  # whatever a worker without minidl, or with an older one, raises
            raise ConfigError(
                f"cluster {address}: the workers cannot run minidl ({_first_line(error)}); "
                "install the same version there"
            ) from None
    blind = [name for name, sees in seen.items() if not sees]
    if blind:
        raise ConfigError(
            f"cluster {address}: the worker {blind[0]} does not see the folder {place}; choose one on a file "
            "system that all machines share"
        )


def _sees(path: str | None) -> bool:
    return path is None or Path(path).exists()


def _on_cluster(client: Any, function: Function, waiting: dict[int, Any], shared: tuple) -> Outcomes:
    from distributed import CancelledError, KilledWorker, as_completed

    # A copy on every worker: the death of one loses nothing. If all die, the next round sends it again.
    (common,) = client.scatter([shared], broadcast=True, hash=False)
    futures = {
        client.submit(_call, function, index, task, common, pure=False): index
        for index, task in waiting.items()
    }
    deaths = 0
    try:
        for future in as_completed(list(futures), loop=client.loop):
            try:
                yield future.result()
            except (KilledWorker, CancelledError):
                deaths += 1
    finally:
        client.cancel([future for future in futures if not future.done()])
    if deaths:
        raise _Died(f"{deaths} tasks lost their workers")


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
