"""The inbox in which the stories happen."""

import pytest

from tests.harness.inbox import Inbox, Owner, open_inbox
from tests.harness.topics import Topics
from tests.harness.worker import Worker
from workers.settings import Settings

SENDER = "+14155238886"
"""The number of the account."""


@pytest.fixture
async def inbox(settings: Settings, topics: Topics, worker: Worker, owner: Owner) -> Inbox:
    """An inbox with a channel that Ana installed, and two users."""
    return await open_inbox(settings, topics, owner, SENDER)
