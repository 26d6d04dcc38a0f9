"""A conversation with a watched window, the end of the window, and the newest message in it."""

from typing import Any

from domain.conversation import Conversation
from schemas.fields import MessageId
from tests.unit.domain.given.samples import HOUR, NOON, conversation, directory

KNOWN = directory("ana")
UNTIL = NOON + 24 * HOUR
NEWEST = (MessageId("m1"), "Hello")


def watched(**fields: Any) -> Conversation:
    """Returns an open conversation, to which the contact wrote at noon."""
    usual = {"window_until": UNTIL, "window_watched": True, "last_direction": "inbound"}
    return conversation(**usual | fields)
