"""The wording of events: one phrase for each kind of event that the system publishes."""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from schemas import commands, conversations, messages, notes, notifications

SHORT_ID_CHARACTERS = 8

RECIPIENTS_SHOWN = 5
"""A notification may have 500 recipients, and its line must stay readable."""


def short_type(type_: str) -> str:
    """Returns an event's type without the prefix and the version that all types share."""
    return type_.removeprefix("inbox.").removesuffix(".v1")


def short_id(id_: str) -> str:
    """Returns the first characters of an id: enough to distinguish it from other ids."""
    return id_[:SHORT_ID_CHARACTERS]


def _created(data: conversations.ConversationCreated) -> str:
    return f"created, v{data.version}"


def _message_recorded(data: conversations.MessageRecorded) -> str:
    noun = "message" if data.direction == "inbound" else "reply"
    return f"{'historical ' * data.historical}{noun} recorded v{data.version}"


def _assigned(data: conversations.ConversationAssigned) -> str:
    assignee_id = data.after.assignee_id if data.after else None
    return f"assigned to {assignee_id} by {data.actor_id}, v{data.version}"


def _unassigned(data: conversations.ConversationUnassigned) -> str:
    if data.reason == "assignee_gone" and data.before:
        return f"unassigned, since {data.before.assignee_id} is gone, v{data.version}"
    return f"unassigned by {data.actor_id}, v{data.version}"


def _reopened(data: conversations.ConversationReopened) -> str:
    by = "a new message" if data.reason == "inbound_message" else data.actor_id
    return f"reopened by {by}, v{data.version}"


def _closed(data: conversations.ConversationClosed) -> str:
    if data.merged_into is not UNSET:
        return f"closed in favour of {short_id(data.merged_into)}, v{data.version}"
    return f"closed by {data.actor_id}, v{data.version}"


def _deleted(data: conversations.ConversationDeleted) -> str:
    return f"deleted by {data.actor_id}, v{data.version}"


def _linked(data: conversations.ConversationLinked) -> str:
    entity = f"{data.entity.type} {data.entity.id}"
    return f"linked to {entity} by {data.actor_id}, v{data.version}"


def _unlinked(data: conversations.ConversationUnlinked) -> str:
    entity = f"{data.entity.type} {data.entity.id}"
    return f"unlinked from {entity} by {data.actor_id}, v{data.version}"


def _entity_requested(data: conversations.EntityRequested) -> str:
    entity = f'{data.entity.type} "{data.entity.name}"'
    return f"{entity} requested by {data.actor_id}, v{data.version}"


def _notification(data: notifications.NotificationRequested) -> str:
    shown = [
        f"{recipient.user_id} ({', '.join(recipient.media)})"
        for recipient in data.recipients[:RECIPIENTS_SHOWN]
    ]
    if more := len(data.recipients) - len(shown):
        shown.append(f"{more} more")
    subject = f'"{data.message.preview}"' if data.message else data.kind.replace("_", " ")
    part = f" (part {data.part} of {data.parts})" if data.parts > 1 else ""
    return f"notification to {', '.join(shown)}: {subject}{part}"


def _accepted(data: commands.CommandAccepted) -> str:
    return f"accepted: {short_type(data.command_type)}"


def _rejected(data: commands.CommandRejected) -> str:
    command = short_type(data.command_type)
    detail = f": {data.detail}" if data.detail is not UNSET else ""
    return f"rejected: {data.code} ({command}{detail})"


def _note(verb: str) -> Callable[[notes.NoteCreated | notes.NoteAppended], str]:
    def phrase(data: notes.NoteCreated | notes.NoteAppended) -> str:
        entity = f"{data.entity.type} {data.entity.id}"
        count = len(data.messages)
        content = "1 message" if count == 1 else f"{count} messages"
        if isinstance(data, notes.NoteCreated) and data.continues is not UNSET:
            content += f", continuing {short_id(data.continues)}"
        return f"note {short_id(data.note_id)} on {entity} {verb}, r{data.revision}: {content}"

    return phrase


SendEvent = (
    messages.MessageAccepted
    | messages.MessageStatusChanged
    | messages.MessageFailed
    | messages.MessageUncertain
)


def _sent(verb: str) -> Callable[[SendEvent], str]:
    def phrase(data: SendEvent) -> str:
        part = f", part {data.part} of {data.parts}," if data.parts > 1 else ""
        # The status of a reply that failed or is uncertain only repeats the verb.
        status = f": {data.status}" if data.status != verb else ""
        error = f", error {data.error_code}" if data.error_code is not UNSET else ""
        return f"reply {short_id(data.message_id)}{part} {verb}{status}{error}"

    return phrase


PHRASES: dict[str, Callable[[Any], str]] = {
    conversations.ConversationCreated.TYPE: _created,
    conversations.MessageRecorded.TYPE: _message_recorded,
    conversations.ConversationAssigned.TYPE: _assigned,
    conversations.ConversationUnassigned.TYPE: _unassigned,
    conversations.ConversationClosed.TYPE: _closed,
    conversations.ConversationReopened.TYPE: _reopened,
    conversations.ConversationDeleted.TYPE: _deleted,
    conversations.ConversationLinked.TYPE: _linked,
    conversations.ConversationUnlinked.TYPE: _unlinked,
    conversations.EntityRequested.TYPE: _entity_requested,
    notifications.NotificationRequested.TYPE: _notification,
    commands.CommandAccepted.TYPE: _accepted,
    commands.CommandRejected.TYPE: _rejected,
    notes.NoteCreated.TYPE: _note("created"),
    notes.NoteAppended.TYPE: _note("appended"),
    messages.MessageAccepted.TYPE: _sent("accepted by the provider"),
    messages.MessageStatusChanged.TYPE: _sent("moved on"),
    messages.MessageFailed.TYPE: _sent("failed"),
    messages.MessageUncertain.TYPE: _sent("uncertain"),
}
"""For each type of event, a pure function from its data to its phrase."""
