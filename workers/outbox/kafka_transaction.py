"""Kafka transactions of the relay: whole batches to known partitions, every send awaited."""

import asyncio
import time
from contextlib import suppress
from time import perf_counter
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import IllegalOperation, KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBase

from db.outbox import OutboxRecord
from schemas.cloudevents import CONTENT_TYPE_HEADER
from workers.kafka.clients import new_producer
from workers.process import metrics
from workers.settings import Settings

BATCH_BYTES_MAX = 512 * 1024
"""Bytes of one Kafka record batch; a larger record gets one of its own."""

REQUEST_BYTES_MAX = 8 * 1024 * 1024

TRANSACTION_MILLISECONDS = 10_000
"""A crash freezes readers for at most so long."""

STEP_SECONDS = 15.0
"""Longest wait for one step of a transaction; then its outcome is unknown, and the producer new."""

ABORT_SECONDS = 2.0

_CODEC_ZSTD = DefaultRecordBase.CODEC_ZSTD
_EVENT_HEADERS = [CONTENT_TYPE_HEADER]


def transactional_producer(settings: Settings, shard: int) -> AIOKafkaProducer:
    """The producer of a shard's owner: starting it fences the one before."""
    return new_producer(
        settings,
        client_id=f"inbox-relay-{shard}",
        transactional_id=f"{settings.topic_prefix}relay-{shard}",
        transaction_timeout_ms=TRANSACTION_MILLISECONDS,
        max_batch_size=BATCH_BYTES_MAX,
        max_request_size=REQUEST_BYTES_MAX,
        request_timeout_ms=int(STEP_SECONDS * 1000),
    )


async def transact(producer: AIOKafkaProducer, records: list[OutboxRecord]) -> None:
    """Publish records in one transaction, in order per partition.

    Raises KafkaError or TimeoutError; then the producer is of no more use.
    """
    try:
        await producer.begin_transaction()
        await _fill_and_commit(producer, records)
    except (IllegalOperation, AssertionError) as error:
        # How aiokafka says that it was fenced, or failed, between two steps of ours.
        await _abort(producer)
        raise KafkaError(f"the transaction is over: {error}") from error
    except BaseException:
        await _abort(producer)
        raise


async def _fill_and_commit(producer: AIOKafkaProducer, records: list[OutboxRecord]) -> None:
    began = perf_counter()
    async with asyncio.timeout(STEP_SECONDS):
        # The commit would ignore a send that failed, so every one is awaited.
        await asyncio.gather(*await _send(producer, records))
    sent = perf_counter()
    async with asyncio.timeout(STEP_SECONDS):
        await producer.commit_transaction()
    metrics.RELAY_SECONDS.labels("send").observe(sent - began)
    metrics.RELAY_SECONDS.labels("commit").observe(perf_counter() - sent)


class _LargeBatch(BatchBuilder):  # type: ignore[misc]  # aiokafka has no types
    """A batch of one dead letter of a size that came compressed, and has to go so too."""

    def __init__(self) -> None:
        super().__init__(BATCH_BYTES_MAX, _CODEC_ZSTD, is_transactional=True)


async def _send(
    producer: AIOKafkaProducer, records: list[OutboxRecord]
) -> list[asyncio.Future[object]]:
    """Hand records to the producer in order, in batches per partition."""
    futures = []
    timestamp = int(time.time() * 1000)
    batches: dict[tuple[str, int], Any] = {}
    for topic, partition, key, value, given in records:
        headers = _EVENT_HEADERS if given is None else list(given)
        large = len(value or b"") > BATCH_BYTES_MAX
        batch = batches.get((topic, partition))
        if (
            batch is None
            or large
            or not batch.append(timestamp=timestamp, key=key, value=value, headers=headers)
        ):
            if batch is not None:
                futures.append(await _send_batch(producer, batch, topic, partition))
            batch = _LargeBatch() if large else producer.create_batch()
            batches[topic, partition] = batch
            batch.append(timestamp=timestamp, key=key, value=value, headers=headers)
    for (topic, partition), batch in batches.items():
        futures.append(await _send_batch(producer, batch, topic, partition))
    return futures


async def _send_batch(
    producer: AIOKafkaProducer, batch: BatchBuilder, topic: str, partition: int
) -> asyncio.Future[object]:
    future: asyncio.Future[object] = await producer.send_batch(batch, topic, partition=partition)
    # The first failure ends the transaction; asyncio need not complain that nobody saw the others.
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future


async def _abort(producer: AIOKafkaProducer) -> None:
    """Abort what is open, so that stopping does not wait for it; not for long: the next owner's
    `InitProducerId` aborts it in any case. A commit of unknown outcome cannot be aborted, which
    aiokafka says with an AssertionError."""
    with suppress(KafkaError, TimeoutError, AssertionError):
        async with asyncio.timeout(ABORT_SECONDS):
            await producer.abort_transaction()
