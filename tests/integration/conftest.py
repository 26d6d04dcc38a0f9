"""Twilio and mocks of it, for the tests of webhooks, of replies, and of the mock itself."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bench.mock_twilio import MockTwilio
from tests.harness.inbox import Owner
from tests.harness.sending_inbox import Desk, serving
from tests.harness.topics import Bus
from tests.harness.twilio import STATUS_PATH, Twilio
from tests.harness.twilio_clients import Plain, Receiver
from tests.harness.worker import Worker
from workers.settings import Settings


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """A client that opens a connection for each request: servers drop those that made no sense."""
    timeout = aiohttp.ClientTimeout(total=60)
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        yield session


@pytest.fixture
def twilio(worker: Worker, session: aiohttp.ClientSession) -> Twilio:
    """Twilio, and a worker that takes the messages it has."""
    return Twilio(worker.settings.public_url, session)


@pytest.fixture
def callbacks(worker: Worker, session: aiohttp.ClientSession) -> Twilio:
    """Twilio, and a worker that takes its status callbacks."""
    return Twilio(worker.settings.public_url, session, path=STATUS_PATH)


@pytest.fixture
async def mock() -> AsyncIterator[MockTwilio]:
    """A mock of Twilio."""
    async with MockTwilio() as mock:
        yield mock


@pytest.fixture
def plain(session: aiohttp.ClientSession) -> Plain:
    """A plain client of a mock of Twilio."""
    return Plain(session)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver of status callbacks, where every one must be signed."""
    async with Receiver().running() as receiver:
        yield receiver
    assert receiver.unsigned == []


@pytest.fixture
async def desk(settings: Settings, bus: Bus, owner: Owner, tmp_path: Path) -> AsyncIterator[Desk]:
    """An inbox whose replies go to a mock of Twilio."""
    async with serving(settings, bus, owner, tmp_path / "worker.log") as desk:
        yield desk
