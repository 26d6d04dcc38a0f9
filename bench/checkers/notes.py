"""Checks the notes of a finished run: each message is in one note of each linked entity."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import msgspec

from bench.checkers.promises import Broken, expect
from bench.checkers.topics import kind_of, read
from domain.notes import CHARACTERS_MAX, FIRST_MESSAGES_MAX, MESSAGES_MAX
from schemas.catalog import STRUCT_OF
from schemas.note_text import ShownNote, fold
from schemas.notes import NoteAppended, NoteCreated
from workers.settings import Settings

Key = tuple[str, str, str]
"""A conversation and an entity."""


class Linked:
    """The messages that the notes must hold, as the log of conversations says."""

    def __init__(self) -> None:
        self._since: dict[Key, int] = {}
        """For each present link, the version that made it."""
        self.wanted: dict[tuple[Key, int], set[str]] = {}
        """For each link and the version that made it, the messages recorded while it lasted."""

    def apply(self, event: dict[str, Any]) -> None:
        """Apply the next event of the log."""
        data = event["data"]
        conversation_id, kind = data["conversation_id"], kind_of(event)
        if kind == "linked":
            key = _key(data)
            self._since[key] = data["version"]
            self.wanted[key, data["version"]] = set()
        elif kind == "unlinked":
            del self._since[_key(data)]
        elif kind == "deleted":
            self._since = {k: v for k, v in self._since.items() if k[0] != conversation_id}
        elif kind == "message_recorded":
            for key, version in self._of(conversation_id):
                self.wanted[key, version].add(data["message_id"])

    def _of(self, conversation_id: str) -> list[tuple[Key, int]]:
        return [(k, v) for k, v in self._since.items() if k[0] == conversation_id]


async def check_notes(settings: Settings, linked: Linked, bodies: Mapping[str, str]) -> int:
    """Check all notes, and return how many there are. Raises Broken.

    `bodies` are the texts of all messages.
    """
    found: dict[tuple[Key, int], Counter[str]] = defaultdict(Counter)
    links: dict[Key, int] = {}
    notes: dict[str, ShownNote] = {}
    async for event in read(settings, "notes"):
        data = event["data"]
        key, messages = _key(data), data["messages"]
        if (key, data["version"]) in linked.wanted:
            links[key] = data["version"]
            expect(len(messages) <= FIRST_MESSAGES_MAX, "a link's first note has 20 messages")
        else:
            found[key, links[key]].update(message["message_id"] for message in messages)
        notes[data["note_id"]] = _folded(notes.get(data["note_id"]), event)
    for note in notes.values():
        _check_note(note, bodies)
    for link, wanted in linked.wanted.items():
        counted = found[link]
        expect(counted.keys() == wanted, "each message is in a note of each linked entity")
        expect(counted.total() == len(wanted), "no message is in two notes of an entity")
    return len(notes)


def _folded(note: ShownNote | None, event: dict[str, Any]) -> ShownNote:
    data = msgspec.convert(event["data"], STRUCT_OF[event["type"]])
    assert isinstance(data, NoteCreated | NoteAppended)
    try:
        return fold(note, data)
    except ValueError as error:
        raise Broken(str(error)) from error


def _check_note(note: ShownNote, bodies: Mapping[str, str]) -> None:
    """Check that a note has each message once, unchanged, in order of time, within the limits."""
    texts = [(message.message_id, message.body) for message in note.messages]
    expect(len(set(texts)) == len(texts), "a note has each message once")
    right = all(bodies[message_id] == body for message_id, body in texts)
    expect(right, "a note has the texts of its messages")
    times = [message.sent_at for message in note.messages]
    expect(times == sorted(times), "a note is in order of time")
    characters = sum(len(body) for _, body in texts)
    grown = len(texts) <= MESSAGES_MAX and (characters <= CHARACTERS_MAX or len(texts) == 1)
    expect(grown, "a note does not grow without limit")


def _key(data: dict[str, Any]) -> Key:
    return data["conversation_id"], data["entity"]["type"], data["entity"]["id"]
