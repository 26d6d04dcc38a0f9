"""Each inbound event has the key by which its topic is partitioned."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from schemas.commands import ConversationClose
from schemas.directory import UserRemoved
from schemas.fields import AccountId, ChannelId, EventData, UserId
from schemas.ids import conversation_id, inbound_message_id
from schemas.messages import Contact, MessageReceived, MessageStatus
from schemas.notes import NoteDeleted, NoteEdited
from workers.kafka.publisher import record_key

ACCOUNT, CHANNEL, CONTACT = AccountId("acme"), ChannelId("wa1"), "whatsapp:+4911"
CONVERSATION = conversation_id(ACCOUNT, CHANNEL, CONTACT)
NOTE: dict[str, Any] = {
    "account_id": ACCOUNT,
    "conversation_id": UUID(CONVERSATION),
    "note_id": UUID(int=1),
}
STATUS: dict[str, Any] = {
    "account_id": ACCOUNT,
    "channel_id": CHANNEL,
    "provider_message_id": "SM1",
    "status": "read",
}

KEYS: dict[str, tuple[EventData, str]] = {
    "a contact's message": (
        MessageReceived(
            account_id=ACCOUNT,
            channel_id=CHANNEL,
            provider_message_id="SM1",
            contact=Contact(CONTACT),
            body="Hello",
            sent_at=datetime(2026, 1, 1, tzinfo=UTC),
        ),
        CONVERSATION,
    ),
    "a command": (
        ConversationClose(
            account_id=ACCOUNT, conversation_id=UUID(CONVERSATION), actor_id=UserId("ana")
        ),
        CONVERSATION,
    ),
    "an edited note": (NoteEdited(**NOTE), CONVERSATION),
    "a deleted note": (NoteDeleted(**NOTE), CONVERSATION),
    "a receipt with its conversation": (
        MessageStatus(**STATUS, conversation_id=UUID(CONVERSATION)),
        CONVERSATION,
    ),
    "a receipt without its conversation": (
        MessageStatus(**STATUS),
        inbound_message_id(ACCOUNT, CHANNEL, "SM1"),
    ),
    "an event of the directory": (
        UserRemoved(account_id=ACCOUNT, user_id=UserId("ana")),
        ACCOUNT,
    ),
}


@pytest.mark.parametrize(("data", "key"), KEYS.values(), ids=KEYS)
def test_an_event_has_the_key_of_its_topic(data: EventData, key: str) -> None:
    assert record_key(data) == key
