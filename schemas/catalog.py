"""Every event type by its name, with the topic that carries it."""

from typing import Protocol

from msgspec import Struct

from schemas import commands, conversations, directory, links, messages, notes, notifications
from schemas.fields import Command


class EventData(Protocol):
    """What is sent as the `data` of a CloudEvent: a struct that knows its type's name."""

    TYPE: str
    account_id: str


INBOUND: dict[str, tuple[type[Struct], ...]] = {
    "messages.received": (messages.MessageReceived,),
    "messages.send": (messages.MessageSend,),
    "messages.status": (messages.MessageStatus,),
    "assignments": (commands.ConversationAssign,),
    "lifecycle": (
        commands.ConversationClose,
        commands.ConversationReopen,
        commands.ConversationDelete,
    ),
    "links": (links.ConversationLink, links.ConversationUnlink, links.EntityRequest),
    "notes.changed": (notes.NoteEdited, notes.NoteDeleted),
    "directory": (
        directory.UserUpserted,
        directory.UserRemoved,
        directory.UserAvailabilityChanged,
        directory.UserNotificationSettingsChanged,
        directory.ChannelInstalled,
        directory.ChannelRemoved,
    ),
}
"""What other services publish, by topic."""

OUTBOUND: dict[str, tuple[type[Struct], ...]] = {
    "conversations": (
        conversations.ConversationCreated,
        conversations.MessageRecorded,
        conversations.ConversationAssigned,
        conversations.ConversationUnassigned,
        conversations.ConversationClosed,
        conversations.ConversationReopened,
        conversations.ConversationDeleted,
        conversations.ConversationLinked,
        conversations.ConversationUnlinked,
        conversations.EntityRequested,
    ),
    "notifications": (notifications.NotificationRequested,),
    "notes": (notes.NoteCreated, notes.NoteAppended),
    "messages.sent": (
        messages.MessageAccepted,
        messages.MessageStatusChanged,
        messages.MessageFailed,
        messages.MessageUncertain,
    ),
    "results": (commands.CommandAccepted, commands.CommandRejected),
}
"""What the system publishes, by topic."""


def type_of(struct: type[Struct]) -> str:
    """The CloudEvents type that a struct is the data of."""
    name: str = struct.TYPE  # type: ignore[attr-defined]  # every struct listed here has one
    return name


TOPIC_OF: dict[str, str] = {
    type_of(struct): topic
    for topic, structs in (INBOUND | OUTBOUND).items()
    for struct in structs
}
"""The topic that carries each type."""

STRUCT_OF: dict[str, type[Struct]] = {
    type_of(struct): struct for structs in (INBOUND | OUTBOUND).values() for struct in structs
}
"""The struct of each type."""

COMMANDS: frozenset[str] = frozenset(
    type_of(struct)
    for structs in INBOUND.values()
    for struct in structs
    if issubclass(struct, Command)
)
"""The types that are answered by exactly one result."""
