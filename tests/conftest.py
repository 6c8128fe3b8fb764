"""What tests of several folders share.

When the tests run in several processes (``pytest -n 2``), each keeps to one core. BLAS reads the variable when
NumPy is imported, so it is set here, before any test module is.
"""

import os
import time
import warnings

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def shared_cluster():
    """A Dask cluster of two workers, started once."""
    distributed = pytest.importorskip("distributed", reason="a cluster needs Dask: pip install distributed")
    import dask

    # A scheduler gives a task three more chances by itself; without, it is seen who gives the fourth.
    allowed = dask.config.set({"distributed.scheduler.allowed-failures": 0})
    with warnings.catch_warnings(), allowed:
        warnings.simplefilter("ignore")  # the cluster's own, about ports and forks
        local = distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=50
        )
    with local:
        yield local


@pytest.fixture
def local_cluster(shared_cluster):
    """The cluster, with both workers alive, whatever the test before did to them."""
    end = time.monotonic() + 30
    while len(shared_cluster.scheduler.workers) < 2:
        assert time.monotonic() < end, "the cluster has not replaced a worker that died"
        time.sleep(0.02)
    return shared_cluster


@pytest.fixture
def cluster(local_cluster):
    """Address of its scheduler."""
    return local_cluster.scheduler_address
