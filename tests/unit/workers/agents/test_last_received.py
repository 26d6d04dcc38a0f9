"""How often a worker writes when a channel received something."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from db.directory import ChannelKey
from domain.outgoing import Message
from schemas.fields import AccountId, ConversationId, MessageId
from workers.agents import last_received
from workers.agents.last_received import EVERY, LastReceived

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LITTLE = timedelta(milliseconds=1)
MESSAGE = Message(
    account_id=AccountId("acme"),
    conversation_id=ConversationId("c1"),
    message_id=MessageId("m1"),
    channel_id="wa1",
    provider_message_id="SM1",
    direction="inbound",
    sender_name=None,
    sender_address="+1",
    body="Hello",
    media=(),
    sent_at=NOON,
    historical=False,
    version=2,
)


def message(message_id: str, channel_id: str = "wa1", **fields: Any) -> Message:
    return replace(MESSAGE, message_id=MessageId(message_id), channel_id=channel_id, **fields)


class Channels:
    """The channels of one worker."""

    def __init__(self) -> None:
        self._last_received = LastReceived()
        self.written: list[str] = []

    async def write(self, _: object, keys: Iterable[ChannelKey], now: datetime) -> None:
        """Take the place of the statement."""
        self.written = [channel_id for _, channel_id in keys]

    async def save(self, now: datetime, *messages: Message) -> list[str]:
        """Returns the channels that are written for the messages of a batch."""
        self.written = []
        await self._last_received.save(None, messages, now)  # type: ignore[arg-type]  # not used
        return self.written


@pytest.fixture
def channels(monkeypatch: pytest.MonkeyPatch) -> Channels:
    channels = Channels()
    monkeypatch.setattr(last_received, "save_last_received", channels.write)
    return channels


async def test_a_channel_is_written_at_once_and_then_every_few_seconds(channels: Channels) -> None:
    assert await channels.save(NOON) == []
    assert await channels.save(NOON, message("m1"), message("m2")) == ["wa1"]
    assert await channels.save(NOON + LITTLE, message("m3"), message("m4", "wa2")) == ["wa2"]
    assert await channels.save(NOON + EVERY - LITTLE, message("m5")) == []
    assert await channels.save(NOON + EVERY, message("m6")) == ["wa1"]
    assert await channels.save(NOON + EVERY + LITTLE, message("m7")) == []


async def test_imports_do_not_count(channels: Channels) -> None:
    assert await channels.save(NOON, message("m1", historical=True)) == []
    assert await channels.save(NOON + LITTLE, message("m2")) == ["wa1"]


async def test_what_was_rolled_back_is_written_again(channels: Channels) -> None:
    assert await channels.save(NOON, message("m1"), message("m2")) == ["wa1"]
    assert await channels.save(NOON + LITTLE, message("m1"), message("m2")) == ["wa1"]
    assert await channels.save(NOON + LITTLE, message("m3")) == []


async def test_the_memory_has_a_limit(channels: Channels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_received, "CHANNELS_MAX", 2)
    assert await channels.save(NOON, message("m1", "wa1"), message("m2", "wa2")) == ["wa1", "wa2"]
    assert await channels.save(NOON, message("m3", "wa3")) == ["wa3"]
    assert await channels.save(NOON, message("m4", "wa3"), message("m5", "wa1")) == ["wa1"]
