"""Sample notes to show: plain ones, and ones whose texts an attacker wrote."""

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from schemas.context_text import context_lines
from schemas.fields import AccountId, Direction
from schemas.links import Entity
from schemas.message_context import Location, MessageContext, Referral
from schemas.messages import Media
from schemas.note_text import ShownNote, fold
from schemas.notes import Assignee, NoteAppended, NoteCreated, NoteMessage

START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
HEADING = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, (contact|reply by) ")
URL = "https://inbox.example.com/conversations/9c2a"


def note_message(
    body: str = "Hello",
    minute: int = 0,
    *attached: Media,
    direction: Direction = "inbound",
    name: str | None = "Ana Müller 👋",
    address: str = "whatsapp:+4915112345678",
) -> NoteMessage:
    """Returns a message that was sent so many minutes after the note's start."""
    moment = START + timedelta(minutes=minute)
    return NoteMessage("m", direction, name, address, moment, body, attached)


def event_fields(*messages: NoteMessage, **changed: Any) -> dict[str, Any]:
    """Returns the fields that all events of notes have."""
    return {
        "account_id": AccountId("acme"),
        "conversation_id": "9c2a",
        "version": 5,
        "note_id": "n1",
        "revision": 1,
        "entity": Entity("person", "p1"),
        "starts_at": START,
        "ends_at": START + timedelta(hours=24),
        "assignee": Assignee("u-carl", "Carl Berg"),
        "inbox_url": URL,
        "messages": messages,
    } | changed


def created(*messages: NoteMessage, **changed: Any) -> NoteCreated:
    """Returns the first event of a note."""
    return NoteCreated(**event_fields(*messages, **changed))


def appended(revision: int, *messages: NoteMessage, **changed: Any) -> NoteAppended:
    """Returns one of the later events of a note."""
    return NoteAppended(**event_fields(*messages, revision=revision, **changed))


def folded(first: NoteCreated, *others: NoteAppended) -> ShownNote:
    """Returns the note after all of its events."""
    note = fold(None, first)
    for other in others:
        note = fold(note, other)
    return note


def example() -> ShownNote:
    """Returns the note of the contract's example events."""
    first, second = (
        files("schemas").joinpath(f"examples/inbox.note.{name}.v1.json").read_bytes()
        for name in ("created", "appended")
    )
    return folded(
        msgspec.convert(msgspec.json.decode(first)["data"], NoteCreated),
        msgspec.convert(msgspec.json.decode(second)["data"], NoteAppended),
    )


def visible(text: str) -> str:
    """Returns the visible characters of a text, by the tables of Unicode."""
    for line_break in ("\r\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029"):
        text = text.replace(line_break, "\n")
    shown = ""
    for char in text:
        category = unicodedata.category(char)
        if category == "Cs":
            shown += "\ufffd"
        elif char in "\n\t" or (
            category != "Cc"
            and unicodedata.bidirectional(char)
            not in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
        ):
            shown += char
    return shown


def visible_line(text: str) -> str:
    """Returns the visible characters of a text that is shown on one line."""
    return " ".join(visible(text).split())


NASTY = [
    *("\r\n", "\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029", "\x1c", "\t", " ", "    "),
    *("\0", "\x1b[2J", "\x7f", "\x9b", "\u202e", "\u2066", "\u2069", "\u200f", "שלום", "\ud800"),
    *("<script>", "</p>", "</blockquote>", "<!--", "-->", "<![CDATA[", "<?php", "<!DOCTYPE"),
    *('"', "'", "`", "=", ">", "&", "&lt;", "&#106;", "&#x6A", " onload='x'", "<img src=x>"),
    *("javascript:", "https://", "http://a.example/", "@", "\\", "data:text/html,"),
    *("2026-03-02 09:30:00 UTC, reply by Carl Berg", "  Attached image/png: ", "Unassigned"),
]
HOSTILE = st.lists(st.sampled_from(NASTY) | st.text(max_size=3), max_size=8).map("".join)
URLS = HOSTILE | st.just("https://a.example/?a=1&b='2'&lt;=%20")
SENT = st.builds(
    note_message,
    HOSTILE,
    st.integers(0, 3),
    direction=st.sampled_from(["inbound", "outbound"]),
    name=st.none() | HOSTILE,
    address=HOSTILE,
)
# A context is measured as JSON when it is made, so none holds a lone surrogate.
STORED = HOSTILE.map(lambda text: text.replace("\ud800", "?"))
CONTEXTS = st.builds(
    MessageContext,
    in_reply_to=st.none() | st.just("MM1"),
    button_payload=st.none() | STORED,
    form=st.none() | st.dictionaries(STORED, STORED, max_size=2),
    referral=st.none()
    | st.builds(
        Referral, headline=STORED, source_url=st.none() | st.sampled_from([URL, NASTY[-5], ""])
    ),
    location=st.none() | st.builds(Location, label=STORED),
    forwarded=st.booleans(),
)
WHOLE_MESSAGES = st.builds(
    lambda message, media, context, answered: replace(
        message, media=tuple(media), context=context, answered=answered
    ),
    SENT,
    st.lists(st.builds(Media, URLS, HOSTILE), max_size=2),
    st.just(UNSET) | CONTEXTS,
    st.just(UNSET) | HOSTILE,
)
NOTES = st.builds(
    lambda messages, **changed: fold(None, created(*messages, **changed)),
    st.lists(WHOLE_MESSAGES, max_size=3),
    entity=st.builds(Entity, HOSTILE, HOSTILE),
    assignee=st.none() | st.builds(Assignee, HOSTILE, HOSTILE),
    inbox_url=URLS,
    continues=st.just(UNSET) | HOSTILE,
)


def about(message: NoteMessage) -> list[str]:
    """Returns the visible lines of a note that say what a message is about."""
    return [
        visible_line(line.text) + (f": {visible_line(line.url)}" if line.url else "")
        for line in context_lines(message.context, message.body, message.answered)
    ]
