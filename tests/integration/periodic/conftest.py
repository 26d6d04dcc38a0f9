"""Inboxes with and without a worker, for the tests of window warnings."""

import pytest

from tests.harness.inbox import Inbox, Owner
from tests.harness.topics import Topics
from tests.harness.windows import opened
from tests.harness.worker import Worker
from workers.settings import Settings


@pytest.fixture
async def inbox(settings: Settings, topics: Topics, owner: Owner) -> Inbox:
    """An inbox without a worker."""
    return Inbox(settings, topics, owner)


@pytest.fixture
async def served(inbox: Inbox, worker: Worker) -> Inbox:
    """An inbox with a worker, a user, and a channel that she installed."""
    return await opened(inbox)
