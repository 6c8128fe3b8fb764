"""What the tests of this folder share."""

import pytest

from tests.gpu.cuda_on_cpu import all_kernels, compile_kernels


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """All kernels, compiled for the CPU, once."""
    return compile_kernels(all_kernels(), tmp_path_factory.mktemp("kernels"))
