"""When the tests run in several processes (``pytest -n 2``), each keeps to one core.

BLAS reads the variable when NumPy is imported, so it is set here, before any test module is.
"""

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
