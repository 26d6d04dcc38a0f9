"""The agent of each topic: one literal table."""

import sys
from collections.abc import Callable
from typing import NamedTuple

from schemas.catalog import INBOUND
from schemas.fields import EventData
from workers.agents.commands import ConversationCommands
from workers.agents.delivery_receipts import DeliveryReceipts
from workers.agents.directory_cache import DirectoryCache
from workers.agents.directory_changes import DirectoryChanges
from workers.agents.last_received import LastReceived
from workers.agents.note_changes import NoteChanges
from workers.agents.received_messages import ReceivedMessages
from workers.agents.work import Work


class AgentContext(NamedTuple):
    """What all agents of a worker share."""

    directories: DirectoryCache
    last_received: LastReceived
    app_url: str


class Agent(NamedTuple):
    """The agent of one topic."""

    structs: tuple[type[EventData], ...]
    """The types that it handles."""
    begin: Callable[[AgentContext], Work]
    """Begins a batch."""
    records_max: int = sys.maxsize
    """The limit of records in one transaction, if it is lower than `INBOX_BATCH_RECORDS`."""


LINKS_MAX = 50
"""For each link the latest 20 messages of its conversation are loaded, each of up to 256 KiB."""


def _commands(topic: str, records_max: int = sys.maxsize) -> Agent:
    """Returns the agent of a topic of commands."""
    return Agent(
        INBOUND[topic],
        lambda context: ConversationCommands(topic, context.directories, context.app_url),
        records_max,
    )


AGENTS: dict[str, Agent] = {
    "messages.received": Agent(
        INBOUND["messages.received"],
        lambda context: ReceivedMessages(
            context.directories, context.last_received, context.app_url
        ),
    ),
    "assignments": _commands("assignments"),
    "lifecycle": _commands("lifecycle"),
    "links": _commands("links", records_max=LINKS_MAX),
    "notes.changed": Agent(INBOUND["notes.changed"], lambda context: NoteChanges()),
    "messages.send": _commands("messages.send"),
    "messages.status": Agent(INBOUND["messages.status"], lambda context: DeliveryReceipts()),
    "directory": Agent(INBOUND["directory"], lambda context: DirectoryChanges()),
}
