"""Conversations, records, what Postgres shows, and connections, for tests of events."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec

from db.listed_conversations import ListedConversation
from db.message_pages import StoredMessage
from domain.directory import User
from schemas.conversations import (
    ConversationAssigned,
    ConversationDeleted,
    MessageRecorded,
    Snapshot,
)
from schemas.fields import AccountId, ConversationId, MessageId, UserId
from workers.api.caller import Caller, Identity
from workers.api.events.published import Published
from workers.api.events.round import Loaded

ACCOUNT, ANA, BO = AccountId("acme"), UserId("ana"), UserId("bo")
OPEN, OF_BO = Snapshot("open", None), Snapshot("open", "bo")


class Connection(asyncio.Transport):
    """The connection of a client that reads all at once, or nothing."""

    def __init__(self, *, reads: bool) -> None:
        super().__init__()
        self._reads = reads
        self.written: list[bytes] = []
        self.waiting = 0
        """The bytes that the client has not read."""
        self.is_aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take it."""
        self.written.append(bytes(data))
        self.waiting += 0 if self._reads else len(data)

    def is_closing(self) -> bool:
        """Whether it was aborted."""
        return self.is_aborted

    def get_write_buffer_size(self) -> int:
        """Returns what waits."""
        return self.waiting

    def abort(self) -> None:
        """Note it."""
        self.is_aborted = True


def caller(account_id: AccountId, user_id: UserId) -> Caller:
    """Returns a user behind a proxy."""
    identity = Identity(account_id=account_id, user_id=user_id, proven_by="proxy", expires_at=None)
    user = User(account_id=account_id, user_id=user_id, inbox_access=True)
    return Caller(identity=identity, user=user)


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


def stored(id_: str, body: str) -> StoredMessage:
    """Returns an inbound message as Postgres shows it."""
    return StoredMessage(
        message_id=MessageId(id_),
        direction="inbound",
        sender_name="Maria",
        sender_address="whatsapp:+49",
        body=body,
        media=(),
        sent_at=datetime(2026, 1, 1, tzinfo=UTC),
        version=2,
        historical=False,
        context=None,
        parts=(),
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
