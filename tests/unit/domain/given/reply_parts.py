"""Sample parts of replies, receipts and listed messages for the tests of sending."""

from datetime import timedelta
from typing import Any

from domain.listed_messages import ListedMessage
from domain.outgoing import Outgoing
from domain.receipts import Receipt
from domain.sending import Send
from schemas.fields import MessageId
from schemas.messages import (
    MessageAccepted,
    MessageFailed,
    MessageStatusChanged,
    MessageUncertain,
)
from tests.unit.domain.given.samples import ACCOUNT, ADDRESS, CHANNEL, CONVERSATION, NOON

OPEN = NOON + timedelta(hours=24)
"""The end of the window in which the parts are sent."""

PartEvent = MessageAccepted | MessageStatusChanged | MessageFailed | MessageUncertain


def part(**fields: Any) -> Send:
    """Returns the only part of a reply, created at noon and due since then."""
    usual: dict[str, Any] = {
        "account_id": ACCOUNT,
        "conversation_id": CONVERSATION,
        "version": 3,
        "part": 1,
        "parts": 1,
        "message_id": MessageId("reply"),
        "command_id": "c1",
        "channel_id": CHANNEL,
        "from_address": "whatsapp:+1",
        "to_address": ADDRESS,
        "body": "Hi",
        "media_urls": (),
        "content_sid": None,
        "content_variables": None,
        "state": "queued",
        "attempts": 0,
        "created_at": NOON,
        "due_at": NOON,
    }
    return Send(**(usual | fields))


def posting(**fields: Any) -> Send:
    """Returns a part whose first POST began at noon."""
    usual: dict[str, Any] = {"state": "posting", "attempts": 1, "posting_at": NOON}
    return part(**(usual | fields))


def uncertain(**fields: Any) -> Send:
    """Returns a part whose first POST, of noon, has an unknown outcome."""
    return posting(**({"state": "uncertain"} | fields))


def accepted(**fields: Any) -> Send:
    """Returns a part that the provider took."""
    usual = {"state": "accepted", "provider_message_id": "SM1", "status": "queued"}
    return posting(**(usual | fields))


def receipt(status: str = "sent", **fields: Any) -> Receipt:
    """Returns a receipt of the usual part."""
    usual: dict[str, Any] = {
        "account_id": ACCOUNT,
        "provider_message_id": "SM1",
        "event_id": f"receipt {status}",
        "status": status,
        "error_code": None,
        "message_id": "reply",
        "part": 1,
    }
    return Receipt(**(usual | fields))


def listed(provider_message_id: str = "SM1", **fields: Any) -> ListedMessage:
    """Returns a listed message of noon with the usual text."""
    usual: dict[str, Any] = {
        "body": "Hi",
        "status": "delivered",
        "error_code": None,
        "created_at": NOON,
    }
    return ListedMessage(provider_message_id, **(usual | fields))


def part_events(outgoing: tuple[Outgoing, ...]) -> list[PartEvent]:
    """Returns the events about parts."""
    return [item.data for item in outgoing if isinstance(item.data, PartEvent)]
