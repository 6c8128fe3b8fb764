"""Several grading processes at once, each with one submission at a time."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import minidl
from minidl.grading.archives import shown
from minidl.grading.intake import Intake, Source, clear, lay_out, take

_GRACE = 30.0  # seconds over its budget after which a submission's grading process is killed
_TRIES = 2


class Job:
    """A process that runs `minidl.grading.job`.

    Parameters
    ----------
    setup : dict
        Its first line: exercise, private, seed, level, budget.
    """

    def __init__(self, setup: dict[str, Any]) -> None:
        home = str(Path(minidl.__file__).resolve().parents[1])
        paths = [home, *filter(os.path.isabs, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        environment = {
            **os.environ,
            # One thread for each job, or two jobs would get in each other's way.
            **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONSAFEPATH": "1",
        }
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "minidl.grading.job"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            # `-m` imports from the working folder first, and that may be the one with the submissions: a
            # file json.py in it would be run by the grader.
            cwd=home,
            text=True,
            encoding="ascii",
            start_new_session=True,  # Ctrl-C is the parent's to handle
        )
        self._send(setup)

    def grade(self, name: str, folder: Path, seconds: float) -> Iterator[dict[str, Any]]:
        """Yield the events of one submission, the last of which is "done".

        Raises
        ------
        JobDied
            If the process ends before, or takes longer than `seconds` and is killed.
        """
        assert self._process.stdout is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            self._process.kill()

        watch = threading.Timer(seconds, end)
        watch.daemon = True
        watch.start()
        try:
            # The process works in a folder of its own.
            self._send({"id": name, "folder": str(folder.resolve())})
            for text in self._process.stdout:
                event = json.loads(text)
                yield event
                if event["event"] == "done":
                    return
        except (BrokenPipeError, ValueError):
            pass
        finally:
            watch.cancel()
        if late.is_set():
            raise JobLate(f"the grading process was ended after {seconds:g} seconds")
        raise JobDied(f"the grading process ended early ({self._ending()})")

    def close(self) -> None:
        """End the process."""
        process = self._process
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            try:
                stream.close()
            except BrokenPipeError:
                pass  # it ended first
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._errors.close()

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()

    def _send(self, value: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value) + "\n")
        self._process.stdin.flush()

    def _ending(self) -> str:
        try:
            code = self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - 4000))
        told = self._errors.read().decode("utf-8", "replace").strip()
        return f"signal {-code}" if code < 0 else f"exit code {code}: {told}"


class JobDied(Exception):
    """A grading process ended before it was done."""


class JobLate(JobDied):
    """It did not keep to the time itself."""


class Pool:
    """Grades submissions in `count` processes.

    Parameters
    ----------
    setup : dict
        As for `Job`.
    sources : sequence of Source
    files : sequence of str
        What the exercise asks for.
    known : dict of str to str
        Digests of the submissions that are graded already, by id; they are passed over.
    work : Path
        A folder for the files that are being graded.
    count : int
    """

    def __init__(
        self,
        setup: dict[str, Any],
        sources: Sequence[Source],
        files: Sequence[str],
        known: dict[str, str],
        work: Path,
        count: int,
    ) -> None:
        self._setup, self._files, self._known, self._work = setup, files, known, work
        self._waiting = iter(sources)
        self._lock = threading.Lock()
        self._events: queue.Queue[dict[str, Any] | BaseException | None] = queue.Queue()
        self._stopped = threading.Event()
        self._jobs: set[Job] = set()
        self._count = max(1, min(count, len(sources)))

    def events(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the events of all submissions, in lists of those that came together.

        Leaving the loop early ends the processes.
        """
        threads = [threading.Thread(target=self._work_off, daemon=True) for _ in range(self._count)]
        for thread in threads:
            thread.start()
        running = len(threads)
        try:
            while running:
                items = [self._events.get()]
                while not self._events.empty():
                    items.append(self._events.get_nowait())
                for item in items:
                    if isinstance(item, BaseException):
                        raise item
                running -= items.count(None)
                events = [item for item in items if isinstance(item, dict)]
                if events:
                    yield events
        finally:
            self._stopped.set()
            with self._lock:
                for job in self._jobs:
                    job.kill()
            for thread in threads:
                thread.join()

    def _work_off(self) -> None:
        job: Job | None = None
        try:
            while not self._stopped.is_set():
                with self._lock:
                    source = next(self._waiting, None)
                if source is None:
                    break
                try:
                    intake = take(source, self._files)
                except Exception as error:
                    # The grader's own fault: it costs this submission's points for now, not the others'.
                    self._fail(source, f"the submission could not be read: {error!r}")
                    continue
                if self._known.get(source.id) == intake.digest:
                    continue
                job = self._grade(intake, job)
        except BaseException as error:
            # Handed to the main thread, which raises it.
            self._events.put(error)
        finally:
            if job is not None:
                self._end(job)
            self._events.put(None)

    def _grade(self, intake: Intake, job: Job | None) -> Job | None:
        """Grade one submission; return the process to go on with."""
        if intake.reason:
            self._begin(intake)
            self._events.put({"event": "done", "id": intake.id, "seconds": 0.0, "trouble": ""})
            return job
        folder = self._work / intake.id
        clear(folder)
        lay_out(intake, folder)
        trouble = ""
        try:
            for _ in range(_TRIES):
                if job is None:
                    job = Job(self._setup)
                    with self._lock:
                        self._jobs.add(job)
                        if self._stopped.is_set():
                            job.kill()
                self._begin(intake)
                try:
                    for event in job.grade(intake.id, folder, self._setup["budget"] + _GRACE):
                        self._events.put(event)
                    return job
                except JobDied as error:
                    self._end(job)
                    job, trouble = None, str(error)
                    if isinstance(error, JobLate):
                        break
                if self._stopped.is_set():
                    return None
        finally:
            clear(folder)
        self._events.put({"event": "done", "id": intake.id, "seconds": 0.0, "trouble": trouble})
        return None

    def _fail(self, source: Source, trouble: str) -> None:
        self._begin(Intake(source.id, shown(source.path.name)[1:-1], missing=tuple(self._files)))
        self._events.put({"event": "done", "id": source.id, "seconds": 0.0, "trouble": trouble})

    def _begin(self, intake: Intake) -> None:
        self._events.put(
            {
                "event": "begin",
                "id": intake.id,
                "source": intake.source,
                "digest": intake.digest,
                "missing": intake.missing,
                "ignored": intake.ignored,
                "notes": intake.notes,
                "reason": intake.reason,
            }
        )

    def _end(self, job: Job) -> None:
        with self._lock:
            self._jobs.discard(job)
        job.close()
