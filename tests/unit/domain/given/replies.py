"""Replies of a team's users, and what is decided of them."""

from typing import Any
from uuid import uuid5

from domain.commands import decide_command
from domain.conversation import Conversation
from domain.directory import Directory
from domain.thread import Decision, Thread
from schemas.cloudevents import Incoming
from schemas.ids import NAMESPACE
from tests.unit.domain.given.events import APP_URL, NOON, SECOND, channel, conversation, directory

TEAM = directory("ana", "bo")
NOW = NOON + 60 * SECOND
REPLY_ID = str(uuid5(NAMESPACE, "acme/c1"))


def decide(
    command: Incoming[Any],
    before: Conversation | None = None,
    known: Directory = TEAM,
) -> Decision:
    """What is decided of a reply on a conversation, whose channel is installed."""
    thread = Thread(before or conversation())
    return decide_command(thread, command, NOW, known, APP_URL, channel=channel())
