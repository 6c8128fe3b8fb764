"""Teams of threads, and BLAS on one thread beside them."""

import os
import signal
import threading
import time

import numpy as np
import pytest
import threadpoolctl

from minidl import parallel
from minidl.errors import ConfigError

# A test that waits for a thread which never comes fails after so many seconds instead of hanging.
PATIENCE = 20


@pytest.fixture
def team():
    made = parallel.Team(2)
    yield made
    made.close()


def finishes(work):
    """Run `work` in a thread of its own and say whether it came to an end."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(PATIENCE if os.environ.get("CI") else 5)
    return not thread.is_alive()


def blas_threads():
    np.ones((4, 4)) @ np.ones((4, 4))  # the library is loaded by now
    return [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]


@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_a_team_runs_every_task_once(team, count):
    done = []
    team.run([lambda number=number: done.append(number) for number in range(count)])
    assert sorted(done) == list(range(count))


def test_the_tasks_run_at_once(team):
    """Each waits for the other: one after another they would never end."""
    meeting = threading.Barrier(2, timeout=PATIENCE)
    met = []
    team.run([lambda: met.append(meeting.wait()), lambda: met.append(meeting.wait())])
    assert sorted(met) == [0, 1]


def test_the_caller_is_one_of_the_team(team):
    names = []
    meeting = threading.Barrier(2, timeout=PATIENCE)

    def note():
        meeting.wait()
        names.append(threading.get_ident())

    team.run([note, note])
    assert threading.get_ident() in names and len(set(names)) == 2


def test_all_has_ended_when_run_returns(team):
    ended = []

    def slow():
        time.sleep(0.05)
        ended.append(True)

    team.run([lambda: None, slow])
    assert ended == [True]


@pytest.mark.parametrize("position", [0, 1])
def test_an_error_is_raised_where_the_team_was_called(team, position):
    ended = []

    def fail():
        raise ValueError("in a thread")

    def other():
        time.sleep(0.02)
        ended.append(True)

    tasks = [other, other]
    tasks[position] = fail
    with pytest.raises(ValueError, match="in a thread"):
        team.run(tasks)
    assert ended == [True]  # the rest was waited for, so that nothing goes on behind the caller's back


def test_a_team_works_on_after_errors(team):
    def fail():
        raise ValueError("again")

    for _ in range(3):
        with pytest.raises(ValueError, match="again"):
            team.run([fail, fail])
    done = []
    team.run([lambda: done.append(0), lambda: done.append(1)])
    assert sorted(done) == [0, 1]


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
def test_ctrl_c_while_waiting_leaves_nothing_behind(team):
    ended = []

    def slow():
        time.sleep(0.3)
        ended.append("slow")

    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        team.run([lambda: None, slow])
    timer.join()
    assert ended == ["slow"]
    # An old report in the queue would let this call return before its own task has ended.
    team.run([lambda: None, slow])
    assert ended == ["slow", "slow"]


def test_closing_ends_the_threads():
    before = threading.active_count()
    team = parallel.Team(4)
    assert threading.active_count() == before + 3
    team.close()
    assert threading.active_count() == before


def test_a_team_of_one_runs_more_tasks_than_it_has_members():
    done = []
    with parallel.threads(1):
        assert finishes(lambda: parallel.run([lambda: done.append(0), lambda: done.append(1)])), (
            "a team of one waits for ever for its second task"
        )
    assert done == [0, 1]


# threads() ---------------------------------------------------------------------------------------


def test_blas_stays_on_one_thread_inside_and_is_set_back():
    with threadpoolctl.threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        if not any(number > 1 for number in before):
            pytest.skip("this BLAS has one thread")
        with parallel.threads(2) as count:
            assert count == 2
            assert set(blas_threads()) == {1}
        assert blas_threads() == before


def test_the_block_is_left_in_order_after_an_error():
    before, alive = blas_threads(), threading.active_count()
    with pytest.raises(ZeroDivisionError), parallel.threads(3):
        raise ZeroDivisionError
    assert parallel.team() is None
    assert blas_threads() == before
    assert threading.active_count() == alive


def test_there_is_a_team_inside_the_block_only():
    assert parallel.team() is None
    with parallel.threads(3):
        assert parallel.team().size == 3
    assert parallel.team() is None


def test_without_a_block_tasks_run_one_after_another_in_the_caller():
    order = []
    parallel.run([lambda number=number: order.append((number, threading.get_ident())) for number in range(3)])
    assert order == [(number, threading.get_ident()) for number in range(3)]


def test_in_a_block_tasks_run_at_once():
    meeting = threading.Barrier(3, timeout=PATIENCE)
    met = []
    with parallel.threads(3):
        parallel.run([lambda: met.append(meeting.wait())] * 3)
    assert sorted(met) == [0, 1, 2]


def test_a_block_inside_a_block_is_refused_and_the_outer_one_goes_on():
    with parallel.threads(2):
        outer = parallel.team()
        with pytest.raises(ConfigError, match="already inside"), parallel.threads(2):
            pass
        assert parallel.team() is outer
        assert set(blas_threads()) <= {1}
        done = []
        parallel.run([lambda: done.append(0), lambda: done.append(1)])
        assert sorted(done) == [0, 1]


@pytest.mark.parametrize("count", [0, -1])
def test_fewer_than_one_thread_are_refused(count):
    before = blas_threads()
    with pytest.raises(ConfigError, match=f"at least 1, got {count}"), parallel.threads(count):
        pass
    assert parallel.team() is None and blas_threads() == before


def test_the_default_is_every_core_the_process_may_use(monkeypatch):
    monkeypatch.setattr(parallel, "available_cores", lambda: 3)
    with parallel.threads() as count:
        assert count == 3 and parallel.team().size == 3


def test_available_cores_are_those_of_the_process(monkeypatch):
    assert 1 <= parallel.available_cores() <= os.cpu_count()
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {2, 5, 7}, raising=False)
    assert parallel.available_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert parallel.available_cores() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert parallel.available_cores() == 1


def test_settings_of_numpy_hold_in_every_thread():
    results = []

    def overflow():
        results.append(np.float32(3e38) * np.ones(2, np.float32) * 10)

    with parallel.threads(2), np.errstate(over="ignore"):
        parallel.run([overflow, overflow])  # a warning would be an error
    assert np.isinf(results).all()


def test_two_functions_run_at_once_only_if_they_are_worth_it():
    meeting = threading.Barrier(2, timeout=PATIENCE)
    order = []
    with parallel.threads(2):
        parallel.both(meeting.wait, meeting.wait, work=parallel.WORTH_TWO_THREADS)
        parallel.both(lambda: order.append(1), lambda: order.append(2), work=1)
    parallel.both(lambda: order.append(3), lambda: order.append(4), work=parallel.WORTH_TWO_THREADS)
    assert order == [1, 2, 3, 4] and not meeting.broken


def test_tasks_of_a_task_run_in_its_own_thread():
    threads = []

    def outer():
        mine = threading.get_ident()
        parallel.run([lambda: threads.append(threading.get_ident() == mine)] * 3)

    with parallel.threads(2):
        parallel.run([outer, outer])
    assert threads == [True] * 6
