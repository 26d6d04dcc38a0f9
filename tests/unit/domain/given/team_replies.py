"""Replies of a team's users, and the decisions about them."""

from typing import Any
from uuid import uuid5

from domain.commands import decide_command
from domain.conversation import Conversation
from domain.conversation_state import ConversationState, Decision
from domain.directory import Directory
from schemas.cloudevents import Incoming
from schemas.ids import NAMESPACE
from tests.unit.domain.given.samples import APP_URL, NOON, SECOND, channel, conversation, directory

TEAM = directory("ana", "bo")
NOW = NOON + 60 * SECOND
REPLY_ID = str(uuid5(NAMESPACE, "acme/c1"))


def decide(
    command: Incoming[Any],
    before: Conversation | None = None,
    known: Directory = TEAM,
) -> Decision:
    """Decide a reply on a conversation whose channel is installed."""
    state = ConversationState(before or conversation())
    return decide_command(state, command, NOW, known, APP_URL, channel=channel())
