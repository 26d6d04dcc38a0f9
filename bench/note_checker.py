"""Checks the notes of a finished run: each message is in exactly one note of each linked entity."""

from collections import Counter, defaultdict
from typing import Any

from bench.promises import expect
from bench.topics import read
from domain.notes import CHARACTERS_MAX, FIRST_MESSAGES_MAX, MESSAGES_MAX
from workers.settings import Settings

Key = tuple[str, str, str]
"""A conversation and an entity."""


class Linked:
    """What the log of a conversation says that its notes must hold."""

    def __init__(self) -> None:
        self._since: dict[Key, int] = {}
        """The version that linked each entity that is linked now."""
        self.wanted: dict[tuple[Key, int], set[str]] = {}
        """For each link, by the version that made it: the messages recorded while it lasted."""

    def apply(self, event: dict[str, Any]) -> None:
        """Follow the log."""
        data = event["data"]
        conversation_id, kind = data["conversation_id"], event["type"].split(".")[-2]
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


async def check_notes(settings: Settings, linked: Linked) -> int:
    """How many notes there are. Raises Broken."""
    found: dict[tuple[Key, int], Counter[str]] = defaultdict(Counter)
    links: dict[Key, int] = {}
    notes: dict[str, dict[str, Any]] = {}
    async for event in read(settings, "notes"):
        data = event["data"]
        key, messages = _key(data), data["messages"]
        if (key, data["version"]) in linked.wanted:
            links[key] = data["version"]
            expect(len(messages) <= FIRST_MESSAGES_MAX, "a link's first note has 20 messages")
        else:
            found[key, links[key]].update(message["message_id"] for message in messages)
        note = notes.setdefault(data["note_id"], {"revision": 0, "messages": 0, "characters": 0})
        expect(data["revision"] == note["revision"] + 1, "revisions of a note have no gap")
        note["revision"] += 1
        note["messages"] += len(messages)
        note["characters"] += sum(len(message["body"]) for message in messages)
        expect(note["messages"] <= MESSAGES_MAX, "a note does not grow without limit")
        grown = note["characters"] <= CHARACTERS_MAX or note["messages"] == 1
        expect(grown, "a note does not grow without limit")
    for link, wanted in linked.wanted.items():
        counted = found[link]
        expect(counted.keys() == wanted, "each message is in a note of each linked entity")
        expect(counted.total() == len(wanted), "no message is in two notes of an entity")
    return len(notes)


def _key(data: dict[str, Any]) -> Key:
    return data["conversation_id"], data["entity"]["type"], data["entity"]["id"]
