"""Which topic is worked on by which agent: one literal table."""

import sys
from collections.abc import Callable
from typing import NamedTuple

from schemas.commands import (
    ConversationAssign,
    ConversationClose,
    ConversationDelete,
    ConversationReopen,
)
from schemas.directory import (
    ChannelInstalled,
    ChannelRemoved,
    UserAvailabilityChanged,
    UserNotificationSettingsChanged,
    UserRemoved,
    UserUpserted,
)
from schemas.fields import EventData
from schemas.links import ConversationLink, ConversationUnlink, EntityRequest
from schemas.messages import MessageReceived, MessageSend, MessageStatus
from schemas.notes import NoteDeleted, NoteEdited
from workers.agents.commands import Commands
from workers.agents.delivery_receipts import Receipts
from workers.agents.directory_cache import Directories
from workers.agents.directory_changes import DirectoryChanges
from workers.agents.note_changes import NotesChanged
from workers.agents.received_messages import ReceivedMessages
from workers.ingest.batch_loop import Work


class Context(NamedTuple):
    """What agents share."""

    directories: Directories
    app_url: str


class Agent(NamedTuple):
    """The types that an agent handles, and how it begins a batch."""

    structs: tuple[type[EventData], ...]
    begin: Callable[[Context], Work]
    records_max: int = sys.maxsize
    """Records of one transaction, where fewer are wanted than `INBOX_BATCH_RECORDS`."""


LINKS_MAX = 50
"""A link loads the latest messages of its conversation: 20, of up to 256 KiB each."""


AGENTS: dict[str, Agent] = {
    "messages.received": Agent(
        (MessageReceived,),
        lambda context: ReceivedMessages(context.directories, context.app_url),
    ),
    "assignments": Agent(
        (ConversationAssign,),
        lambda context: Commands("assignments", context.directories, context.app_url),
    ),
    "lifecycle": Agent(
        (ConversationClose, ConversationReopen, ConversationDelete),
        lambda context: Commands("lifecycle", context.directories, context.app_url),
    ),
    "links": Agent(
        (ConversationLink, ConversationUnlink, EntityRequest),
        lambda context: Commands("links", context.directories, context.app_url),
        records_max=LINKS_MAX,
    ),
    "notes.changed": Agent((NoteEdited, NoteDeleted), lambda context: NotesChanged()),
    "messages.send": Agent(
        (MessageSend,),
        lambda context: Commands("messages.send", context.directories, context.app_url),
    ),
    "messages.status": Agent((MessageStatus,), lambda context: Receipts()),
    "directory": Agent(
        (
            UserUpserted,
            UserRemoved,
            UserAvailabilityChanged,
            UserNotificationSettingsChanged,
            ChannelInstalled,
            ChannelRemoved,
        ),
        lambda context: DirectoryChanges(),
    ),
}
