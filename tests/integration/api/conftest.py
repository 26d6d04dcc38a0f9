"""A worker that serves the API of an inbox with two users and a channel."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness.api import ROLES, ApiClient, trusting
from tests.harness.inbox import Inbox, Owner, open_inbox
from tests.harness.topics import Topics
from tests.harness.worker import Worker
from workers.settings import Settings


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings of an API that trusts the headers of this machine's programs."""
    return trusting(settings)


@pytest.fixture
async def worker(settings: Settings, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker that ingests and serves the API, ready."""
    worker = Worker(settings, tmp_path / "worker.log", ROLES)
    await worker.start()
    yield worker
    await worker.stop()


@pytest.fixture
async def inbox(worker: Worker, settings: Settings, topics: Topics, owner: Owner) -> Inbox:
    """An inbox of the account acme: users ana and bo, and ana's WhatsApp channel wa1."""
    return await open_inbox(settings, topics, owner)


@pytest.fixture
async def ana(inbox: Inbox, settings: Settings) -> AsyncIterator[ApiClient]:
    """The API as the user ana, who installed the channel."""
    async with ApiClient(settings, "ana") as client:
        yield client


@pytest.fixture
async def bo(inbox: Inbox, settings: Settings) -> AsyncIterator[ApiClient]:
    """The API as the user bo."""
    async with ApiClient(settings, "bo") as client:
        yield client
