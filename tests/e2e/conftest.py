"""The inbox that stories are played with."""

import pytest

from tests.harness.inbox import Inbox, Owner
from tests.harness.published import channel, user
from tests.harness.topics import Bus
from tests.harness.worker import Worker
from workers.settings import Settings

SENDER = "+14155238886"
"""The account's own number."""


@pytest.fixture
async def inbox(settings: Settings, bus: Bus, worker: Worker, owner: Owner) -> Inbox:
    """An inbox with a channel that Ana installed, and two users."""
    inbox = Inbox(settings, bus, owner)
    await inbox.apply(user("ana"), user("bo"), channel(SENDER, installed_by="ana"))
    return inbox
