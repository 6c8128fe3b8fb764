"""Independent tasks in processes and on a cluster: all done, each counted once, whoever dies."""

import os
import signal
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from minidl.data import load
from minidl.errors import ConfigError
from minidl.evaluation.crossval import nested_cross_validate
from minidl.experiments.plan import Plan
from minidl.experiments.progression import Progression
from minidl.jobs import WorkerError, Workers, run_all
from tests.search import tasks

KILL = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_results_do_not_depend_on_the_number_of_workers(jobs):
    assert run_all(tasks.square, range(7), shared=(1, 2), jobs=jobs) == [k * k + 3 for k in range(7)]


def test_nothing_to_do():
    assert run_all(tasks.square, [], jobs=2) == []


def test_one_worker_goes_by_the_order_of_the_tasks():
    with Workers() as workers:
        assert list(workers.run(tasks.square, [3, 1])) == [(0, 9), (1, 1)]


def test_large_arrays_are_shared():
    images = np.random.default_rng(0).integers(0, 256, (4, 600, 600), dtype=np.uint8)
    assert run_all(tasks.total, range(4), shared=(images,), jobs=2) == [int(each.sum()) for each in images]


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_in_a_task_is_raised_here(jobs):
    with pytest.raises(ValueError, match="task"):
        run_all(tasks.fail, [1, 2], jobs=jobs)


@KILL
def test_a_process_that_dies_loses_nothing(tmp_path):
    found = run_all(tasks.die_once, range(8), shared=(str(tmp_path),), jobs=2)
    assert (tmp_path / "died").exists()
    assert found == [k * 10 for k in range(8)]
    calls = {k: (tmp_path / f"calls-{k}").read_text() for k in range(8)}
    assert calls[3] == "xx" and calls[0] == "x"  # what was done before the death was not done again


@KILL
def test_processes_that_always_die_end_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("minidl.jobs.ATTEMPTS", 2)
    with pytest.raises(WorkerError, match="died 2 times in a row with [123] tasks left"):
        run_all(tasks.always_die, range(3), shared=(str(tmp_path),), jobs=2)


def test_a_process_ends_after_the_one_that_started_it(monkeypatch):
    from minidl import jobs

    ended = []
    monkeypatch.setattr(jobs.os, "getppid", lambda: 1)
    monkeypatch.setattr(jobs.os, "_exit", ended.append)
    jobs._outlive(parent=4711)
    assert ended == [1]


def test_no_workers_are_refused():
    with pytest.raises(ConfigError, match="jobs must be at least 1, got 0"):
        Workers(jobs=0)


class TestCluster:
    def test_the_same_results(self, cluster):
        assert run_all(tasks.square, range(7), shared=(1, 2), cluster=cluster) == [
            k * k + 3 for k in range(7)
        ]

    def test_an_error_in_a_task_is_raised_here(self, cluster):
        with pytest.raises(ValueError, match="task"):
            run_all(tasks.fail, [1], cluster=cluster)

    @KILL
    def test_a_worker_that_dies_loses_nothing(self, cluster, tmp_path):
        with Workers(cluster=cluster, shared=(str(tmp_path),), folder=tmp_path) as workers:
            assert workers.count == 2
            found = dict(workers.run(tasks.die_once, range(8)))
        assert (tmp_path / "died").exists()
        assert found == {k: k * 10 for k in range(8)}

    @KILL
    def test_workers_that_always_die_end_in_a_sentence(self, cluster, tmp_path, monkeypatch):
        monkeypatch.setattr("minidl.jobs.ATTEMPTS", 2)
        with pytest.raises(WorkerError, match="died 2 times in a row with 1 tasks left"):
            run_all(tasks.always_die, [1], shared=(str(tmp_path),), cluster=cluster)

    def test_the_networks_of_a_progression_are_those_of_one_machine(self, cluster, tmp_path):
        data = load("digits")
        small = replace(data, train=data.train.subset(100))
        for name, address in (("here", None), ("there", cluster)):
            plan = Plan("quick", ("0",), seeds=2, data="digits", device="cpu", jobs=1, changes={"epochs": 1})
            Progression(plan, small, tmp_path / name, say=lambda line: None, cluster=address).run()
        here, there = (
            [
                path.read_bytes()
                for path in sorted((tmp_path / name).glob("rung-00/*/checkpoints/best.safetensors"))
            ]
            for name in ("here", "there")
        )
        assert here == there and len(here) == 2

    def test_a_nested_cross_validation_is_that_of_one_machine(self, cluster):
        labels = np.repeat([0, 1, 2], 12)
        here, there, beside = (
            nested_cross_validate(tasks.part_of_sum, [1, -2], labels, outer=3, inner=2, map_=map_)
            for map_ in (map, partial(run_all, cluster=cluster), partial(run_all, jobs=2))
        )
        assert here.chosen == there.chosen == beside.chosen
        assert here.scores.tolist() == there.scores.tolist() == beside.scores.tolist()

    def test_a_worker_must_see_the_folder(self, cluster, tmp_path, monkeypatch):
        monkeypatch.setattr("minidl.jobs._sees", os.path.islink)  # as if it were another machine's
        with pytest.raises(
            ConfigError, match="does not see the folder .* file system that all machines share"
        ):
            Workers(cluster=cluster, folder=tmp_path).__enter__()

    def test_outside_of_its_block(self, cluster):
        with pytest.raises(ConfigError, match="inside their with block"):
            list(Workers(cluster=cluster).run(tasks.square, [1]))


def test_an_address_where_nobody_answers(monkeypatch):
    pytest.importorskip("distributed", reason="a cluster needs Dask: pip install distributed")
    monkeypatch.setattr("minidl.jobs.PATIENCE", 0.3)
    with pytest.raises(ConfigError, match="no Dask scheduler answers there"):
        Workers(cluster="tcp://127.0.0.1:9").__enter__()


def test_without_dask_the_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"pip install \"minidl\[distributed\]\""):
        Workers(cluster="tcp://127.0.0.1:9").__enter__()
