"""The data of events, for the tests of phrases and lines."""

from datetime import UTC, datetime
from typing import Any

from schemas import notes
from schemas.conversations import Snapshot
from schemas.fields import AccountId
from schemas.links import Entity
from schemas.notifications import MessagePreview, Recipient

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ID = "0a1b2c3d-0000-5000-8000-000000000000"
ABOUT: dict[str, Any] = {"account_id": AccountId("acme"), "conversation_id": ID, "version": 5}
OPEN, BOS = Snapshot("open", None), Snapshot("open", "bo")
BY_ANA: dict[str, Any] = ABOUT | {
    "before": OPEN,
    "after": BOS,
    "actor_id": "ana",
    "reason": "command",
}
BY_CONTACT: dict[str, Any] = BY_ANA | {"actor_id": None, "reason": "inbound_message"}
MESSAGE: dict[str, Any] = BY_CONTACT | {
    "message_id": ID,
    "provider_message_id": "SM1",
    "direction": "inbound",
    "sent_at": NOW,
    "historical": False,
}
NOTIFIED: dict[str, Any] = ABOUT | {
    "kind": "message",
    "recipients": (
        Recipient("ana", "unassigned", ("desktop", "email")),
        Recipient("bo", "unassigned", ("desktop",)),
    ),
    "contact_name": "Maria Souza",
    "message": MessagePreview(ID, "Olá! 👋"),
    "inbox_url": "http://127.0.0.1",
}
PERSON = Entity("person", "p1")
NOTE: dict[str, Any] = ABOUT | {
    "note_id": ID,
    "revision": 2,
    "entity": PERSON,
    "starts_at": NOW,
    "ends_at": NOW,
    "assignee": None,
    "inbox_url": "http://127.0.0.1",
    "messages": (
        notes.NoteMessage(ID, "inbound", "Maria", "whatsapp:+4911", NOW, "secret text", ()),
    ),
}
RESULT: dict[str, Any] = ABOUT | {
    "command_id": "c1",
    "command_type": "inbox.conversation.assign.v1",
}
SENT: dict[str, Any] = ABOUT | {"message_id": ID, "status": "queued"}
