"""A window that is watched, its end, and what the contact wrote in it."""

from typing import Any

from domain.conversation import Conversation
from schemas.fields import MessageId
from tests.unit.domain.given.events import HOUR, NOON, conversation, directory

KNOWN = directory("ana")
UNTIL = NOON + 24 * HOUR
NEWEST = (MessageId("m1"), "Hello")


def watched(**fields: Any) -> Conversation:
    """An open conversation, to which the contact wrote at noon."""
    usual = {"window_until": UNTIL, "window_watched": True, "last_direction": "inbound"}
    return conversation(**usual | fields)
