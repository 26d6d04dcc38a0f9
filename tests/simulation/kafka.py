"""Kafka as the workers rely on it: logs, transactions, fencing, and what `read_committed` shows."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from aiokafka.errors import KafkaConnectionError, ProducerFenced

from db.outbox import OutboxRecord
from schemas.dead_letters import Header
from tests.simulation.turns import Fate, Turns

LogName = tuple[str, int]
"""A topic and a partition."""


@dataclass(slots=True)
class Record:
    """A record of an input topic, as a consumer gets it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header] = ()
    timestamp_type: int = 0


@dataclass(slots=True)
class Log:
    """An input log; offsets have gaps where transactions' markers would be."""

    records: list[Record] = field(default_factory=list)
    end: int = 0


class State(Enum):
    """What became of a transaction."""

    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"


@dataclass(eq=False)
class KafkaTransaction:
    """A transaction of a producer."""

    state: State = State.OPEN


@dataclass(slots=True)
class Entry:
    """A record of an output log."""

    record: OutboxRecord
    transaction: KafkaTransaction


class Kafka:
    """All logs, and the owner of each transactional id."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.inputs: dict[LogName, Log] = defaultdict(Log)
        self.outputs: dict[LogName, list[Entry]] = defaultdict(list)
        self.epochs: dict[int, int] = defaultdict(int)
        self.open: dict[int, KafkaTransaction] = {}

    def committed(self, log: LogName, start: int) -> Iterator[tuple[int, OutboxRecord]]:
        """What `read_committed` shows of a log from a place on: each record, and the place after.

        Nothing from the first open transaction on.
        """
        entries = self.outputs[log]
        for place in range(start, len(entries)):
            entry = entries[place]
            if entry.transaction.state is State.OPEN:
                return
            if entry.transaction.state is State.COMMITTED:
                yield place + 1, entry.record


class Producer:
    """The producer of a shard's owner."""

    def __init__(self, kafka: Kafka, shard: int) -> None:
        self._kafka = kafka
        self._shard = shard
        self._epoch = 0

    async def start(self) -> None:
        """Fence the one before, and end its open transaction."""
        fate = await self._kafka.turns.turn("fence the old owner")
        if fate is not Fate.FAILED:
            self.fence()
        if fate is not Fate.DONE:
            raise KafkaConnectionError("no answer")

    def fence(self) -> None:
        """What a broker does at `InitProducerId`."""
        self._kafka.epochs[self._shard] += 1
        self._epoch = self._kafka.epochs[self._shard]
        if (unfinished := self._kafka.open.pop(self._shard, None)) is not None:
            unfinished.state = State.ABORTED
            self._kafka.turns.met["a transaction of a relay that was fenced"] += 1

    async def transact(self, records: Sequence[OutboxRecord]) -> None:
        """Publish records in one transaction. Raises KafkaError; then it is of no more use."""
        middle = len(records) // 2
        for some in (records[:middle], records[middle:]):
            if some:
                fate = await self._kafka.turns.turn("send records")
                if fate is not Fate.FAILED:
                    self.send(some)
                if fate is not Fate.DONE:
                    raise KafkaConnectionError("no answer")
        fate = await self._kafka.turns.turn("commit to Kafka")
        if fate is not Fate.FAILED:
            self.commit()
        if fate is not Fate.DONE:
            raise KafkaConnectionError("the outcome is unknown")

    def send(self, records: Sequence[OutboxRecord]) -> None:
        """Append records to the transaction, which the first of them begins."""
        self._check_owner()
        transaction = self._kafka.open.setdefault(self._shard, KafkaTransaction())
        for record in records:
            self._kafka.outputs[record.topic, record.partition].append(Entry(record, transaction))

    def commit(self) -> None:
        """End the transaction."""
        self._check_owner()
        self._kafka.open.pop(self._shard).state = State.COMMITTED

    def _check_owner(self) -> None:
        if self._kafka.epochs[self._shard] != self._epoch:
            self._kafka.turns.met["a relay that is no owner any more"] += 1
            raise ProducerFenced("another producer owns the transactional id")


async def read_marker(kafka: Kafka, shard: int, topic: str) -> int | None:
    """The number of the last committed marker of a shard; None where there is none."""
    fate = await kafka.turns.turn("read the marker")
    if fate is not Fate.DONE:
        raise KafkaConnectionError("no answer")
    markers = [json.loads(record.value or b"") for _, record in kafka.committed((topic, shard), 0)]
    return int(markers[-1]["number"]) if markers else None
