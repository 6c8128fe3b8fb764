import pytest

from tests.device.fake import fake_device


@pytest.fixture
def device():
    """The fake device, with its ledger."""
    with fake_device() as ledger:
        yield ledger
