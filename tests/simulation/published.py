"""Reads the published logs as they grow, as `read_committed` shows them, and checks each event."""

import uuid
from collections import Counter, defaultdict
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Raw, Struct

from db.outbox import OutboxRecord
from domain.conversation import NOTHING, Folded, fold
from domain.delivery import ACCEPTED
from domain.history import HistoryEntry, history_entry
from schemas import note_text
from schemas.catalog import STRUCT_OF, TOPIC_OF
from schemas.commands import CommandAccepted, CommandRejected
from schemas.conversations import ConversationDeleted, ConversationEvent, MessageRecorded
from schemas.dead_letters import split_headers
from schemas.fields import Emitted
from schemas.ids import NAMESPACE
from schemas.messages import MessageStatusChanged
from schemas.notes import NoteAppended, NoteCreated
from schemas.notifications import NotificationRequested
from tests.simulation.inputs import PARTITIONS
from tests.simulation.kafka import Kafka, LogName
from workers.kafka.partitions import partition_of

_WORDS = (
    "accepted",
    "queued",
    "sent",
    "failed",
    "undelivered",
    "delivered",
    "read",
)
RANKS = {word: rank for rank, word in enumerate(_WORDS)}
"""How far along a delivery each word is that the publishers use."""


class Broken(AssertionError):
    """A promise was not kept."""


def expect(holds: bool, promise: str) -> None:
    """Raise Broken unless a promise holds."""
    if not holds:
        raise Broken(promise)


class _Envelope(Struct):
    id: str
    type: str
    time: datetime
    data: Raw
    subject: str
    causationid: str


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_DECODERS = {
    type_: msgspec.json.Decoder(struct)
    for type_, struct in STRUCT_OF.items()
    if issubclass(struct, Emitted)
}


class Published:
    """A reader of all that is published, as `read_committed` shows it, record by record."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._places: dict[LogName, int] = defaultdict(int)
        self.ids: set[str] = set()
        self.folded: dict[str, Folded] = defaultdict(lambda: NOTHING)
        self.histories: dict[str, list[HistoryEntry]] = defaultdict(list)
        """The history of each conversation since it was deleted, if it was."""
        self.results: Counter[tuple[str, str]] = Counter()
        self.outcomes: dict[tuple[str, str], tuple[str, int]] = {}
        """The code and the version of each result."""
        self.recorded: Counter[str] = Counter()
        self.notes: dict[str, note_text.ShownNote] = {}
        self.statuses: dict[tuple[str, int], str] = {}
        self.dead: Counter[tuple[str, int, int]] = Counter()

    def read(self) -> None:
        """Read what is new, and check that it goes on from what was read."""
        for log in list(self._kafka.outputs):
            for place, record in self._kafka.committed(log, self._places[log]):
                self._places[log] = place
                self._see(log, record)

    def _see(self, log: LogName, record: OutboxRecord) -> None:
        topic = log[0].removeprefix("inbox.")
        if topic == "relay":
            return
        if topic == "dead-letters":
            _, origin = split_headers(record.headers or ())
            self.dead[origin.topic, origin.partition, origin.offset] += 1
            return
        envelope = _decode_envelope(record.value or b"")
        data = _DECODERS[envelope.type].decode(envelope.data)
        expect(envelope.id not in self.ids, f"event {envelope.type} {envelope.id} is there once")
        self.ids.add(envelope.id)
        expect(envelope.id == _contracted_id(envelope, data), "an id follows from its cause")
        key = data.conversation_id
        expect(
            (topic, log[1]) == (TOPIC_OF[envelope.type], partition_of(key, PARTITIONS)),
            "an event is on its topic, and on the partition of its conversation",
        )
        self._follow(key, data, envelope.time)

    def _follow(self, key: str, data: Any, time: datetime) -> None:
        if isinstance(data, ConversationEvent):
            self._follow_conversation(key, data, time)
        elif isinstance(data, CommandAccepted | CommandRejected):
            command = (data.account_id, data.command_id)
            self.results[command] += 1
            code = data.code if isinstance(data, CommandRejected) else "accepted"
            self.outcomes[command] = (code, data.version)
        elif isinstance(data, NoteCreated | NoteAppended):
            try:
                self.notes[data.note_id] = note_text.fold(self.notes.get(data.note_id), data)
            except ValueError as error:
                raise Broken(f"revisions of a note follow each other: {error}") from error
        elif isinstance(data, MessageStatusChanged):
            part = (data.message_id, data.part)
            before = self.statuses.get(part, ACCEPTED)
            forward = RANKS[data.status] > RANKS[before]
            expect(forward, f"a status moves forward: {data.status} after {before}")
            self.statuses[part] = data.status

    def _follow_conversation(self, key: str, data: ConversationEvent, time: datetime) -> None:
        try:
            self.folded[key] = fold(self.folded[key], data)
        except ValueError as error:
            raise Broken(f"versions of {key} follow each other: {error}") from error
        if isinstance(data, MessageRecorded):
            self.recorded[data.message_id] += 1
        elif isinstance(data, ConversationDeleted):
            self.histories.pop(key, None)
        elif (entry := history_entry(data, time)) is not None:
            self.histories[key].append(entry)


def _contracted_id(envelope: _Envelope, data: Any) -> str:
    """The id of an event as the contract words it."""
    part: object = 1
    if isinstance(data, NoteCreated | NoteAppended):
        part = data.note_id
    elif isinstance(data, NotificationRequested):
        part = data.part
    elif hasattr(data, "message_id") and hasattr(data, "parts"):
        part = f"{data.message_id}/{data.part}/{data.status}"
    where = f"{envelope.causationid}/{data.account_id}/{data.conversation_id}"
    return str(uuid.uuid5(NAMESPACE, f"{where}/{envelope.type}/{data.version}/{part}"))
