"""Every event type by its name, with the topic that carries it."""

from schemas import commands, conversations, directory, links, messages, notes, notifications
from schemas.fields import Command, Emitted, EventData

INBOUND: dict[str, tuple[type[EventData], ...]] = {
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
"""The types that other services publish, by topic."""

OUTBOUND: dict[str, tuple[type[Emitted], ...]] = {
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
"""The types that the system publishes, by topic."""

_CARRIED: dict[str, tuple[type[EventData], ...]] = {**INBOUND, **OUTBOUND}

TOPIC_OF: dict[str, str] = {
    struct.TYPE: topic for topic, structs in _CARRIED.items() for struct in structs
}
"""The topic that carries each type."""

STRUCT_OF: dict[str, type[EventData]] = {
    struct.TYPE: struct for structs in _CARRIED.values() for struct in structs
}
"""The struct of each type."""

COMMANDS: frozenset[str] = frozenset(
    struct.TYPE for struct in STRUCT_OF.values() if issubclass(struct, Command)
)
"""The types of commands: each command is answered by exactly one result."""
