"""A slow and simple model of the notes, following the words of the contract: plain lists."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from schemas.commands import CommandAccepted, CommandRejected, ConversationDelete
from schemas.fields import AccountId, Command
from schemas.ids import conversation_id, inbound_message_id, reply_message_id
from schemas.links import ConversationLink, ConversationUnlink, Entity
from schemas.messages import MessageReceived, MessageSend
from tests.unit.domain.given.memory_inbox import Applied

ConversationKey = tuple[AccountId, str]

DAY = timedelta(hours=24)
FIRST_NOTE_MESSAGES = 20
CONTENT_TYPES = {"png": "image/png", "pdf": "application/pdf"}
"""The content types of the files in the replies of histories, by extension."""


class Limits(NamedTuple):
    """How much a note may hold."""

    messages: int = 500
    characters: int = 60_000


class Sent(NamedTuple):
    """A message, as far as notes are concerned."""

    message_id: str
    at: datetime
    characters: int


@dataclass
class ExpectedNote:
    """A note as it should be."""

    starts_at: datetime
    messages: list[Sent]
    """In the order in which they were recorded."""
    continues: int | None = None
    """The index of the note that this one continues, among the notes of its entity."""
    revision: int = 1
    touched: bool = False
    """Whether somebody edited or deleted it in the CRM."""

    @property
    def ends_at(self) -> datetime:
        """Its last moment, which belongs to it."""
        return self.starts_at + DAY

    @property
    def message_ids(self) -> list[str]:
        """The ids in order of time; of equal times, in the order in which they were recorded."""
        return [sent.message_id for sent in sorted(self.messages, key=lambda sent: sent.at)]


@dataclass
class ExpectedNotes:
    """One conversation: its messages, its links, and all notes that it ever had."""

    limits: Limits
    met: Counter[str]
    """Counts what happened, so that a test can check that it tested each case."""
    written: list[Sent] = field(default_factory=list)
    linked: list[Entity] = field(default_factory=list)
    notes: dict[Entity, list[ExpectedNote]] = field(default_factory=dict)

    def record(self, sent: Sent) -> None:
        """Add a message to the newest note of each linked entity, or start another note."""
        self.written.append(sent)
        if self.linked:
            self.met["a message longer than a note"] += sent.characters > self.limits.characters
        for entity in self.linked:
            notes = self.notes[entity]
            newest = notes[-1]
            if newest.touched:
                self.met["a message after an edited note"] += 1
                notes.append(ExpectedNote(sent.at, [sent]))
            elif sent.at > newest.ends_at:
                self.met["a message after the end"] += 1
                notes.append(ExpectedNote(sent.at, [sent]))
            elif self._fits(newest, sent):
                self.met["a message before the start"] += sent.at < newest.starts_at
                self.met["a message at the very end"] += sent.at == newest.ends_at
                newest.messages.append(sent)
                newest.revision += 1
            else:
                self.met["a continuation"] += 1
                notes.append(ExpectedNote(newest.starts_at, [sent], continues=len(notes) - 1))

    def link(self, entity: Entity, at: datetime) -> None:
        """Start a note with the latest messages; continue it if they do not fit into one."""
        if entity in self.linked:
            self.met["a link of what is linked"] += 1
            return
        self.linked.append(entity)
        notes = self.notes.setdefault(entity, [])
        self.met["a link again"] += bool(notes)
        self.met["a link with more messages than its note takes"] += (
            len(self.written) > FIRST_NOTE_MESSAGES
        )
        notes.append(ExpectedNote(at, []))
        for sent in sorted(self.written, key=lambda sent: sent.at)[-FIRST_NOTE_MESSAGES:]:
            if notes[-1].messages and not self._fits(notes[-1], sent):
                self.met["a link whose first note is continued"] += 1
                notes.append(ExpectedNote(at, [], continues=len(notes) - 1))
            notes[-1].messages.append(sent)

    def unlink(self, entity: Entity) -> None:
        """End a link. Its notes stay as they are."""
        self.met["an unlink"] += 1
        self.linked.remove(entity)

    def touch(self, entity: Entity, place: int) -> None:
        """Mark a note that the CRM reported; only the newest one of a linked entity matters."""
        notes = self.notes[entity]
        if entity in self.linked and place == len(notes) - 1:
            notes[place].touched = True
        else:
            self.met["a report about an older note"] += 1

    def delete(self) -> None:
        """Delete the conversation: no note goes on."""
        self.met["a deletion with links"] += bool(self.linked)
        self.written.clear()
        self.linked.clear()

    def _fits(self, note: ExpectedNote, sent: Sent) -> bool:
        characters = sum(other.characters for other in note.messages) + sent.characters
        return len(note.messages) < self.limits.messages and characters <= self.limits.characters


class NoteModel:
    """The notes of all conversations, following a history event by event.

    Whether a command was accepted is read from its result: other tests check that.
    """

    def __init__(self, limits: Limits) -> None:
        self.met: Counter[str] = Counter()
        self.conversations: dict[ConversationKey, ExpectedNotes] = {}
        self._limits = limits
        self._recorded: set[tuple[AccountId, str]] = set()
        self._answered: set[tuple[AccountId, str]] = set()
        self._deleted_at: dict[ConversationKey, datetime] = {}

    def of(self, key: ConversationKey) -> ExpectedNotes:
        """Returns the notes of one conversation."""
        return self.conversations.setdefault(key, ExpectedNotes(self._limits, self.met))

    def follow(self, applied: Applied) -> None:
        """Follow the next event of the history, if it is a message or a command."""
        data = applied.event.data
        if isinstance(data, MessageReceived):
            self._receive(data)
        elif isinstance(data, Command):
            self._command(applied)

    def _receive(self, data: MessageReceived) -> None:
        account_id, channel_id = data.account_id, data.channel_id
        key = (account_id, conversation_id(account_id, channel_id, data.contact.address))
        message_id = inbound_message_id(account_id, channel_id, data.provider_message_id)
        if (account_id, message_id) in self._recorded:
            self.met["a double"] += 1
            return
        if key in self._deleted_at:
            if data.sent_at <= self._deleted_at[key]:
                self.met["a message not later than the deletion"] += 1
                return
            self.met["a fresh start"] += not self.of(key).written
        self._recorded.add((account_id, message_id))
        self.met["a historical message in a linked conversation"] += data.historical and bool(
            self.of(key).linked
        )
        characters = len(data.body) + sum(len(m.url) + len(m.content_type) for m in data.media)
        self.of(key).record(Sent(message_id, data.sent_at, characters))

    def _command(self, applied: Applied) -> None:
        event, data = applied.event, applied.event.data
        if (data.account_id, event.id) in self._answered:
            self.met["a double"] += 1
            return
        self._answered.add((data.account_id, event.id))
        (result,) = (
            item.data
            for item in applied.outgoing
            if isinstance(item.data, CommandAccepted | CommandRejected)
        )
        if isinstance(result, CommandRejected):
            return
        key = (data.account_id, str(data.conversation_id))
        notes = self.of(key)
        if isinstance(data, ConversationLink):
            notes.link(data.entity, event.time)
        elif isinstance(data, ConversationUnlink):
            notes.unlink(data.entity)
        elif isinstance(data, MessageSend):
            self.met["a reply in a linked conversation"] += bool(notes.linked)
            notes.record(_reply(event))
        elif isinstance(data, ConversationDelete):
            self._deleted_at[key] = applied.now
            notes.delete()


def _reply(event: Any) -> Sent:
    data = event.data
    characters = len(data.body)
    for url in data.media_urls:
        content_type = CONTENT_TYPES[url.rpartition(".")[2]]
        characters += len(url) + len(content_type)
    return Sent(reply_message_id(data.account_id, event.id), event.time, characters)
