"""Twilio as the sender of webhooks, for the tests of this folder."""

import aiohttp
import pytest

from tests.harness.twilio import STATUS_PATH, Twilio
from tests.harness.worker import Worker


@pytest.fixture
def twilio(worker: Worker, session: aiohttp.ClientSession) -> Twilio:
    """Twilio, which posts messages of contacts to a worker."""
    return Twilio(worker.settings.public_url, session)


@pytest.fixture
def callbacks(worker: Worker, session: aiohttp.ClientSession) -> Twilio:
    """Twilio, which posts status callbacks to a worker."""
    return Twilio(worker.settings.public_url, session, path=STATUS_PATH)
