"""Conversations, records and what Postgres shows, for tests of events."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from db.listed_conversations import ListedConversation
from schemas.conversations import (
    ConversationAssigned,
    ConversationDeleted,
    MessageRecorded,
    Snapshot,
)
from schemas.fields import AccountId, ConversationId, UserId
from workers.api.events.published import Published
from workers.api.events.round import Loaded

ACCOUNT, ANA, BO = AccountId("acme"), UserId("ana"), UserId("bo")
OPEN, OF_BO = Snapshot("open", None), Snapshot("open", "bo")


def listed(id_: str, version: int, **fields: Any) -> ListedConversation:
    """Returns a conversation as Postgres shows it."""
    given: dict[str, Any] = {
        "status": "open",
        "assignee_id": None,
        "assignee_name": None,
        "channel_id": "wa1",
        "channel_name": "Sales",
        "provider": "whatsapp",
        "contact_name": "Maria",
        "contact_address": "whatsapp:+49",
        "last_message_at": datetime(2026, 1, 1, tzinfo=UTC),
        "last_direction": "inbound",
        "preview": "Hello",
        "message_count": 1,
        "inbound_version": 2,
        "window_until": None,
    }
    return ListedConversation(
        conversation_id=ConversationId(id_), version=version, **given | fields
    )


def loaded(*conversations: ListedConversation) -> Loaded:
    """Returns what a round loads that shows these conversations."""
    return Loaded({each.conversation_id: each for each in conversations}, {}, {})


def assigned(id_: str, version: int, before: Snapshot = OPEN) -> ConversationAssigned:
    """Returns the record of an assignment to bo."""
    return ConversationAssigned(
        account_id=ACCOUNT,
        conversation_id=id_,
        version=version,
        before=before,
        after=OF_BO,
        actor_id="ana",
        reason="command",
    )


def deleted(id_: str, version: int) -> ConversationDeleted:
    """Returns the record of a deletion."""
    return ConversationDeleted(
        account_id=ACCOUNT,
        conversation_id=id_,
        version=version,
        before=OPEN,
        after=None,
        actor_id="ana",
        reason="command",
    )


def recorded(id_: str, version: int) -> MessageRecorded:
    """Returns the record of a message."""
    return MessageRecorded(
        account_id=ACCOUNT,
        conversation_id=id_,
        version=version,
        before=OPEN,
        after=OPEN,
        actor_id=None,
        reason="inbound_message",
        message_id=f"{id_}/{version}",
        provider_message_id=None,
        direction="inbound",
        sent_at=datetime(2026, 1, 1, tzinfo=UTC),
        historical=False,
    )


def said(event: Published, user_id: UserId = ANA) -> tuple[str, str, Any]:
    """Returns the name, the id and the data of an event as a user gets it."""
    framed = event.frame_for(user_id, {})
    assert framed is not None
    id_, name, data, *rest = framed.decode().split("\n")
    assert rest == ["", ""]
    decoded = msgspec.json.decode(data.removeprefix("data: "))
    return name.removeprefix("event: "), id_.removeprefix("id: "), decoded
