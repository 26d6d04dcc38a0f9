"""Puts dead letters back where they came from."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer

from db.connect import AnyConnection
from db.directory import channel_by_address
from db.outbox import Header
from db.redrives import record_redrives, redriven
from schemas.catalog import INBOUND
from schemas.cloudevents import CONTENT_TYPE_HEADER, encode
from schemas.fields import AccountId
from schemas.topics import TOPICS
from workers.dead_letters.log import DeadLetterRecord
from workers.outbox.dead_letter import FORM, NO_PARTITION, Origin
from workers.settings import Settings
from workers.twilio.form import parse_form
from workers.webhooks.webhook import KINDS, Kind, Webhook


class What(StrEnum):
    """What became of a dead letter."""

    REDRIVEN = "redriven"
    SKIPPED = "skipped"
    """It was put back before."""
    IMPOSSIBLE = "impossible"
    """It stays, for a reason that a person may be able to remove."""


class Outcome(NamedTuple):
    """What became of one dead letter, and where it went or why it did not."""

    record: DeadLetterRecord
    what: What
    detail: str


class Impossible(Exception):
    """A dead letter cannot be put back now; the message says why, without its content."""


@dataclass(frozen=True, slots=True)
class _Target:
    """A record as it goes back."""

    topic: str
    partition: int | None
    """None: the partition of its key."""
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...]
    timestamp_milliseconds: int


class Redriver:
    """Puts dead letters back, and remembers which."""

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
        """Whether those put back before are put back once more."""
        self._dry_run = dry_run
        self._names = {settings.topic(name): name for name in INBOUND}

    async def redrive(self, records: Sequence[DeadLetterRecord]) -> AsyncIterator[Outcome]:
        """Put some dead letters back, in order; what became of each.

        Each is remembered once Kafka has it: when this ends in between, it may be put back twice,
        which changes nothing, but none is forgotten. Raises KafkaError or asyncpg's errors.
        """
        places = [record.place for record in records]
        before = set() if self._again else await redriven(self._connection, places)
        sent: list[tuple[DeadLetterRecord, asyncio.Future[Any]]] = []
        for record in records:
            if record.place in before:
                yield Outcome(record, What.SKIPPED, "it was redriven before")
                continue
            try:
                target = await self._target(record)
            except Impossible as error:
                yield Outcome(record, What.IMPOSSIBLE, str(error))
                continue
            if self._dry_run:
                yield Outcome(record, What.REDRIVEN, f"to {target.topic}")
            else:
                sent.append((record, await self._send(target)))
        async for outcome in self._acknowledged(sent):
            yield outcome

    async def _acknowledged(
        self, sent: Sequence[tuple[DeadLetterRecord, "asyncio.Future[Any]"]]
    ) -> AsyncIterator[Outcome]:
        """Those that Kafka has, remembered; then raises when it did not take one."""
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
            yield Outcome(record, What.REDRIVEN, where)
        if refused:
            raise refused[0]

    async def _target(self, record: DeadLetterRecord) -> _Target:
        origin = record.origin
        name = self._names.get(origin.topic) if origin is not None else None
        if origin is None or name is None:
            raise Impossible("its headers name none of this inbox's topics")
        if origin.partition == NO_PARTITION:
            return await self._event_of_form(record, origin, KINDS.get(name))
        if origin.partition not in await self._producer.partitions_for(origin.topic):
            raise Impossible(f"{origin.topic} has no partition {origin.partition}")
        return _Target(
            origin.topic,
            origin.partition,
            record.key,
            record.value,
            record.own_headers,
            _timestamp(origin.at, name),
        )

    async def _event_of_form(
        self, record: DeadLetterRecord, origin: Origin, kind: Kind | None
    ) -> _Target:
        """The event of a webhook's form whose channel was not installed then, but is now."""
        headers = dict(record.own_headers)
        if kind is None or headers.get("content-type") != FORM:
            raise Impossible("it came from no partition, and is no webhook's form")
        account_id = AccountId((headers.get("account_id") or b"").decode(errors="replace"))
        try:
            body = record.value or b""
            webhook = Webhook(
                kind=kind,
                account_id=account_id,
                body=body,
                form=parse_form(body),
                query=(headers.get("query") or b"").decode(errors="replace"),
                received_at=origin.at,
            )
            channel_id = await channel_by_address(
                self._connection,
                account_id,
                webhook.our_address,
                removed=kind.removed_channels,
            )
            if channel_id is None:
                raise Impossible(
                    f"still no channel of account {account_id} has the address in {kind.our_field}"
                )
            event = webhook.event(channel_id)
        except ValueError as error:
            raise Impossible(f"its form is no event: {error}") from error
        return _Target(
            origin.topic,
            None,
            str(event.subject).encode(),
            encode(event),
            (CONTENT_TYPE_HEADER,),
            _timestamp(origin.at, kind.topic),
        )

    async def _send(self, target: _Target) -> "asyncio.Future[Any]":
        headers = list(target.headers)
        if target.key is None and target.value is None:
            # `send` refuses these, which Kafka takes.
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


def _timestamp(set_aside_at: datetime, topic: str) -> int:
    """The timestamp, in milliseconds, that a record goes back with: when it was set aside.

    A command that does not say when it was issued was issued at its record's timestamp. With a
    fresh one, an old close would count as issued after messages that nobody has seen. It is at
    most half the topic's retention ago, so that Kafka does not remove it before it is read.
    """
    now = datetime.now(UTC)
    oldest = now - timedelta(milliseconds=TOPICS[topic].retention_milliseconds / 2)
    return int(min(max(set_aside_at, oldest), now).timestamp() * 1000)
