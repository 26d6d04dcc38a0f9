"""Records as lines on a terminal: their columns, colours, and the console that prints them."""

import sys
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from domain.graphemes import shorten
from schemas import commands, conversations, messages, notes, notifications
from schemas.dead_letters import NO_PARTITION
from schemas.fields import Emitted
from schemas.note_text import messages_as_text
from workers.follow.phrases import PHRASES, SHORT_ID_CHARACTERS, short_id

NAME_CHARACTERS = 16

STYLES = {
    conversations.ConversationCreated.TYPE: "green",
    conversations.ConversationAssigned.TYPE: "blue",
    conversations.ConversationUnassigned.TYPE: "blue",
    conversations.ConversationClosed.TYPE: "magenta",
    conversations.ConversationReopened.TYPE: "magenta",
    conversations.ConversationDeleted.TYPE: "magenta",
    notifications.NotificationRequested.TYPE: "cyan",
    commands.CommandAccepted.TYPE: "dim",
    commands.CommandRejected.TYPE: "yellow",
    messages.MessageFailed.TYPE: "yellow",
    messages.MessageUncertain.TYPE: "yellow",
}
"""The styles of the phrases, in the notation of rich. The other types of events have none."""

DEAD_LETTER_STYLE = "bold red"

_INDENT = " " * 10
"""The width of the time of day. The lines below start in the column of the conversation id."""

_ZERO_WIDTH_JOINER = "\u200d"


class RenderedRecord(NamedTuple):
    """A record in words, ready to be printed."""

    time: datetime
    conversation_id: str | None
    phrase: str
    style: str = ""
    contact_name: str | None = None
    """None where the record does not hold the contact's name."""
    lines_below: tuple[str, ...] = ()
    """The messages that joined a note. Other records have one line only."""


def new_console() -> Console:
    """Returns a console on standard output that never wraps a line, however long it is.

    It prints colours on a terminal only.
    """
    # A character that the terminal cannot show, such as an emoji, must not end the command.
    if reconfigure := getattr(sys.stdout, "reconfigure", None):
        reconfigure(errors="replace")
    return Console(highlight=False, soft_wrap=True, emoji=False)


def printable(text: str) -> str:
    """Returns a text with a space for each character that moves the cursor or reverses the line.

    Contacts wrote the text. The joiner that emoji are made with stays.
    """
    return "".join(c if c.isprintable() or c == _ZERO_WIDTH_JOINER else " " for c in text)


def render_event(time: datetime, data: Emitted) -> RenderedRecord:
    """Returns an event of the system in words."""
    name = data.contact_name if isinstance(data, notifications.NotificationRequested) else None
    phrase = printable(PHRASES[data.TYPE](data))
    style = STYLES.get(data.TYPE, "")
    return RenderedRecord(time, data.conversation_id, phrase, style, name, _lines_below(data))


def _lines_below(data: Emitted) -> tuple[str, ...]:
    if not isinstance(data, notes.NoteCreated | notes.NoteAppended) or not data.messages:
        return ()
    return tuple(map(printable, messages_as_text(data.messages).split("\n")))


def render_dead_letter(time: datetime, position: str, headers: Mapping[str, str]) -> RenderedRecord:
    """Returns a dead letter in words: its code and its origin, never the bytes that it holds.

    `position` is the partition and offset of the dead letter itself, written as
    `inbox dead-letters show` takes them.
    """
    topic, partition = headers.get("dl_topic", "?"), headers.get("dl_partition", "?")
    origin = f"{topic}/{partition}/{headers.get('dl_offset', '?')}"
    if partition == str(NO_PARTITION):
        origin = f"a webhook for {topic}"
    phrase = f"dead letter {position}: {headers.get('dl_code', '?')}, {origin}"
    return RenderedRecord(time, None, printable(phrase), DEAD_LETTER_STYLE)


def render_unreadable(time: datetime, key: str, code: str, position: str) -> RenderedRecord:
    """Returns a record that is no event of this version in words."""
    return RenderedRecord(time, key, f"unreadable: {code}, {position}", DEAD_LETTER_STYLE)


def line(rendered: RenderedRecord, contact_name: str | None) -> Text:
    """Returns one line: the time of day, the conversation, the contact, and the phrase."""
    identity = short_id(rendered.conversation_id or "")
    name = shorten(printable(contact_name or ""), NAME_CHARACTERS)
    return Text.assemble(
        (f"{rendered.time:%H:%M:%S}", "dim"),
        "  ",
        (f"{identity:{SHORT_ID_CHARACTERS}}", "dim"),
        "  ",
        (f"{name:{NAME_CHARACTERS}}", "bold"),
        "  ",
        (rendered.phrase, rendered.style),
    )


def block(rendered: RenderedRecord, contact_name: str | None) -> Text:
    """Returns a record's line, and the lines below it, indented."""
    whole = line(rendered, contact_name)
    for row in rendered.lines_below:
        whole.append(f"\n{_INDENT}{row}".rstrip(" "))
    return whole
