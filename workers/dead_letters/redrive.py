"""Redrives dead letters: puts them back on the topics that they came from."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer

from db.connect import AnyConnection
from db.redrives import record_redrives, redriven
from schemas.catalog import INBOUND, TOPIC_OF
from schemas.cloudevents import CONTENT_TYPE_HEADER, encode
from schemas.dead_letters import NO_PARTITION, Header
from schemas.topics import TOPICS
from workers.dead_letters.reader import DeadLetterRecord
from workers.dead_letters.webhook_form import CannotRedrive, event_of_form
from workers.settings import Settings


class RedriveResult(StrEnum):
    """What became of a dead letter that was to be redriven."""

    REDRIVEN = "redriven"
    SKIPPED = "skipped"
    """It was redriven before."""
    IMPOSSIBLE = "impossible"
    """It stays, for a reason that a person may be able to remove."""


class RedriveReport(NamedTuple):
    """The result for one dead letter, and where it went or why it stays."""

    record: DeadLetterRecord
    result: RedriveResult
    detail: str


@dataclass(frozen=True, slots=True)
class _Target:
    """The record that Kafka gets back."""

    topic: str
    """With the prefix."""
    partition: int | None
    """None: the partition of its key."""
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...]
    timestamp_milliseconds: int


class Redriver:
    """Redrives dead letters, and records which were redriven."""

    def __init__(
        self,
        settings: Settings,
        connection: AnyConnection,
        producer: AIOKafkaProducer,
        *,
        again: bool,
        dry_run: bool,
    ) -> None:
        self._connection = connection
        self._producer = producer
        self._again = again
        """Whether to redrive dead letters that were redriven before."""
        self._dry_run = dry_run
        """Whether to report only, without a change."""
        self._settings = settings
        self._names = {settings.topic(name): name for name in INBOUND}
        """The topics that are ingested: full names, and names without the prefix."""

    async def redrive(self, records: Sequence[DeadLetterRecord]) -> AsyncIterator[RedriveReport]:
        """Redrive some dead letters in order, and report on each.

        A redrive is recorded once Kafka has the record. If the process ends in between, a dead
        letter may be redriven twice, which changes nothing, but none is forgotten. Raises
        KafkaError or asyncpg's errors.
        """
        places = [record.place for record in records]
        before = set() if self._again else await redriven(self._connection, places)
        sent: list[tuple[DeadLetterRecord, asyncio.Future[Any]]] = []
        for record in records:
            if record.place in before:
                yield RedriveReport(record, RedriveResult.SKIPPED, "it was redriven before")
                continue
            try:
                target = await self._target(record)
            except CannotRedrive as error:
                yield RedriveReport(record, RedriveResult.IMPOSSIBLE, str(error))
                continue
            if self._dry_run:
                yield RedriveReport(record, RedriveResult.REDRIVEN, f"to {target.topic}")
            else:
                sent.append((record, await self._send(target)))
        async for report in self._acknowledged(sent):
            yield report

    async def _acknowledged(
        self, sent: Sequence[tuple[DeadLetterRecord, "asyncio.Future[Any]"]]
    ) -> AsyncIterator[RedriveReport]:
        """Record and report the dead letters that Kafka took. Raises if it refused any."""
        answers = await asyncio.gather(*(future for _, future in sent), return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, BaseException)]
        taken = [
            (record, answer)
            for (record, _), answer in zip(sent, answers, strict=True)
            if not isinstance(answer, BaseException)
        ]
        await record_redrives(self._connection, [record.place for record, _ in taken])
        for record, put in taken:
            where = f"to {put.topic}[{put.partition}]@{put.offset}"
            yield RedriveReport(record, RedriveResult.REDRIVEN, where)
        if refused:
            raise refused[0]

    async def _target(self, record: DeadLetterRecord) -> _Target:
        """Returns the record that a dead letter becomes. Raises CannotRedrive."""
        origin = record.origin
        name = self._names.get(origin.topic) if origin is not None else None
        if origin is None or name is None:
            raise CannotRedrive("its headers name none of this inbox's topics")
        timestamp = _timestamp_milliseconds(origin.at, name)
        if origin.partition == NO_PARTITION:
            event = await event_of_form(self._connection, record, origin, name)
            key = str(event.subject).encode()
            topic = self._settings.topic(TOPIC_OF[event.type])
            headers = (CONTENT_TYPE_HEADER,)
            return _Target(topic, None, key, encode(event), headers, timestamp)
        if origin.partition not in await self._producer.partitions_for(origin.topic):
            raise CannotRedrive(f"{origin.topic} has no partition {origin.partition}")
        return _Target(
            origin.topic,
            origin.partition,
            record.key,
            record.value,
            record.own_headers,
            timestamp,
        )

    async def _send(self, target: _Target) -> "asyncio.Future[Any]":
        headers = list(target.headers)
        if target.key is None and target.value is None:
            # Kafka takes a record without key and value, but aiokafka's `send` refuses it.
            batch = self._producer.create_batch()
            batch.append(
                timestamp=target.timestamp_milliseconds, key=None, value=None, headers=headers
            )
            sent = await self._producer.send_batch(batch, target.topic, partition=target.partition)
        else:
            sent = await self._producer.send(
                target.topic,
                target.value,
                key=target.key,
                partition=target.partition,
                timestamp_ms=target.timestamp_milliseconds,
                headers=headers,
            )
        future: asyncio.Future[Any] = sent
        return future


def _timestamp_milliseconds(dead_lettered_at: datetime, topic: str) -> int:
    """Returns the timestamp of a redriven record: when it was dead-lettered.

    A command without an issue time counts as issued at its record's timestamp. With a new
    timestamp, an old close would count as issued after messages that its user has not seen.

    The result is at most half the topic's retention ago, so that Kafka does not remove the record
    before it is read.
    """
    now = datetime.now(UTC)
    oldest = now - timedelta(milliseconds=TOPICS[topic].retention_milliseconds / 2)
    return int(min(max(dead_lettered_at, oldest), now).timestamp() * 1000)
