"""Output events as people read them: one phrase for each kind of event, and the line around it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from msgspec import UNSET
from rich.text import Text

from schemas import commands, conversations, messages, notes, notifications
from schemas.conversations import ConversationEvent
from schemas.fields import Emitted
from schemas.note_text import messages_as_text

SHORT_ID_CHARACTERS = 8
NAME_CHARACTERS = 16
RECIPIENTS_SHOWN = 5
"""A notification may name 500 recipients, and its line should still be one that people read."""

_BELOW_INDENT = " " * 10
"""To where the conversation stands in the line above."""

_ZERO_WIDTH_JOINER = "\u200d"


def printable(text: str) -> str:
    """A text without what would move the cursor or turn the line around: contacts wrote it.

    The joiner of emoji is kept.
    """
    return "".join(c if c.isprintable() or c == _ZERO_WIDTH_JOINER else " " for c in text)


def short_type(type_: str) -> str:
    """A type without what all types have in common."""
    return type_.removeprefix("inbox.").removesuffix(".v1")


def short_id(id_: str) -> str:
    """The start of an id, enough to tell it from its neighbours."""
    return id_[:SHORT_ID_CHARACTERS]


def _created(data: conversations.ConversationCreated) -> str:
    return f"created, v{data.version}"


def _message_recorded(data: conversations.MessageRecorded) -> str:
    what = "message" if data.direction == "inbound" else "reply"
    return f"{'historical ' * data.historical}{what} recorded v{data.version}"


def _assigned(data: conversations.ConversationAssigned) -> str:
    assignee_id = data.after.assignee_id if data.after else None
    return f"assigned to {assignee_id} by {data.actor_id}, v{data.version}"


def _reopened(data: conversations.ConversationReopened) -> str:
    by = "a new message" if data.reason == "inbound_message" else data.actor_id
    return f"reopened by {by}, v{data.version}"


def _closed(data: conversations.ConversationClosed) -> str:
    if data.merged_into is not UNSET:
        return f"closed in favour of {short_id(data.merged_into)}, v{data.version}"
    return f"closed by {data.actor_id}, v{data.version}"


def _did(participle: str) -> Callable[[ConversationEvent], str]:
    return lambda data: f"{participle} by {data.actor_id}, v{data.version}"


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
    about = f'"{data.message.preview}"' if data.message else data.kind.replace("_", " ")
    part = f" (part {data.part} of {data.parts})" if data.parts > 1 else ""
    return f"notification to {', '.join(shown)}: {about}{part}"


def _accepted(data: commands.CommandAccepted) -> str:
    return f"accepted: {short_type(data.command_type)}"


def _rejected(data: commands.CommandRejected) -> str:
    command = short_type(data.command_type)
    detail = f": {data.detail}" if data.detail is not UNSET else ""
    return f"rejected: {data.code} ({command}{detail})"


def _note(verb: str) -> Callable[[notes.NoteCreated | notes.NoteAppended], str]:
    def phrase(data: notes.NoteCreated | notes.NoteAppended) -> str:
        where = f"{data.entity.type} {data.entity.id}"
        count = len(data.messages)
        what = "1 message" if count == 1 else f"{count} messages"
        if isinstance(data, notes.NoteCreated) and data.continues is not UNSET:
            what += f", continuing {short_id(data.continues)}"
        return f"note {short_id(data.note_id)} on {where} {verb}, r{data.revision}: {what}"

    return phrase


Sent = (
    messages.MessageAccepted
    | messages.MessageStatusChanged
    | messages.MessageFailed
    | messages.MessageUncertain
)


def _sent(verb: str) -> Callable[[Sent], str]:
    def phrase(data: Sent) -> str:
        part = f", part {data.part} of {data.parts}," if data.parts > 1 else ""
        # What failed, or is uncertain, has no other status than that.
        status = f": {data.status}" if data.status != verb else ""
        error = f", error {data.error_code}" if data.error_code is not UNSET else ""
        return f"reply {short_id(data.message_id)}{part} {verb}{status}{error}"

    return phrase


class Rendering(NamedTuple):
    """How one kind of event is shown."""

    phrase: Callable[[Any], str]
    """What happened, of the event's data; a pure function."""
    style: str
    """In rich's words."""


RENDERINGS: dict[str, Rendering] = {
    conversations.ConversationCreated.TYPE: Rendering(_created, "green"),
    conversations.MessageRecorded.TYPE: Rendering(_message_recorded, ""),
    conversations.ConversationAssigned.TYPE: Rendering(_assigned, "blue"),
    conversations.ConversationUnassigned.TYPE: Rendering(_did("unassigned"), "blue"),
    conversations.ConversationClosed.TYPE: Rendering(_closed, "magenta"),
    conversations.ConversationReopened.TYPE: Rendering(_reopened, "magenta"),
    conversations.ConversationDeleted.TYPE: Rendering(_did("deleted"), "magenta"),
    conversations.ConversationLinked.TYPE: Rendering(_linked, ""),
    conversations.ConversationUnlinked.TYPE: Rendering(_unlinked, ""),
    conversations.EntityRequested.TYPE: Rendering(_entity_requested, ""),
    notifications.NotificationRequested.TYPE: Rendering(_notification, "cyan"),
    commands.CommandAccepted.TYPE: Rendering(_accepted, "dim"),
    commands.CommandRejected.TYPE: Rendering(_rejected, "yellow"),
    notes.NoteCreated.TYPE: Rendering(_note("created"), ""),
    notes.NoteAppended.TYPE: Rendering(_note("appended"), ""),
    messages.MessageAccepted.TYPE: Rendering(_sent("accepted by the provider"), ""),
    messages.MessageStatusChanged.TYPE: Rendering(_sent("moved on"), ""),
    messages.MessageFailed.TYPE: Rendering(_sent("failed"), "yellow"),
    messages.MessageUncertain.TYPE: Rendering(_sent("uncertain"), "yellow"),
}
"""Every kind of event that the system publishes."""

DEAD_LETTER_STYLE = "bold red"


class Said(NamedTuple):
    """What one record says, ready to be shown."""

    when: datetime
    conversation_id: str | None
    phrase: str
    style: str = ""
    contact_name: str | None = None
    """The contact's name, where the record tells it."""
    below: tuple[str, ...] = ()
    """More lines, where one does not say it all."""


def said(when: datetime, data: Emitted) -> Said:
    """What an event of the system says."""
    rendering = RENDERINGS[data.TYPE]
    name = data.contact_name if isinstance(data, notifications.NotificationRequested) else None
    phrase = printable(rendering.phrase(data))
    return Said(when, data.conversation_id, phrase, rendering.style, name, _below(data))


def _below(data: Emitted) -> tuple[str, ...]:
    if not isinstance(data, notes.NoteCreated | notes.NoteAppended) or not data.messages:
        return ()
    return tuple(map(printable, messages_as_text(data.messages).split("\n")))


def said_dead_letter(when: datetime, place: str, headers: Mapping[str, str]) -> Said:
    """What a dead letter's headers say: the code and where it came from, never its bytes.

    `place` is where it is kept, as `inbox dead-letters show` takes it.
    """
    topic, partition = headers.get("dl_topic", "?"), headers.get("dl_partition", "?")
    origin = f"{topic}/{partition}/{headers.get('dl_offset', '?')}"
    if partition == "-1":
        origin = f"a webhook for {topic}"
    phrase = f"dead letter {place}: {headers.get('dl_code', '?')}, {origin}"
    return Said(when, None, printable(phrase), DEAD_LETTER_STYLE)


def line(said: Said, contact_name: str | None) -> Text:
    """One line: the time of day, the conversation, the contact, and what happened."""
    identity = short_id(said.conversation_id or "")
    name = printable(contact_name or "")
    if len(name) > NAME_CHARACTERS:
        name = name[: NAME_CHARACTERS - 1] + "…"
    return Text.assemble(
        (f"{said.when:%H:%M:%S}", "dim"),
        "  ",
        (f"{identity:{SHORT_ID_CHARACTERS}}", "dim"),
        "  ",
        (f"{name:{NAME_CHARACTERS}}", "bold"),
        "  ",
        (said.phrase, said.style),
    )


def block(said: Said, contact_name: str | None) -> Text:
    """The line, and indented below it the others."""
    whole = line(said, contact_name)
    for row in said.below:
        whole.append(f"\n{_BELOW_INDENT}{row}".rstrip(" "))
    return whole
