"""An inbox that sends replies, for the tests of this folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness.inbox import Owner
from tests.harness.sending_inbox import SendingInbox, serving
from tests.harness.topics import Topics
from workers.settings import Settings


@pytest.fixture
async def inbox(
    settings: Settings, topics: Topics, owner: Owner, tmp_path: Path
) -> AsyncIterator[SendingInbox]:
    """An inbox whose replies go to a mock of Twilio."""
    async with serving(settings, topics, owner, tmp_path / "worker.log") as inbox:
        yield inbox
