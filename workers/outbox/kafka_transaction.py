"""The relay's Kafka transactions: whole batches to known partitions, every send awaited."""

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
from schemas.cloudevents import EVENT_HEADERS
from workers.kafka.clients import new_producer
from workers.process import metrics
from workers.settings import Settings

TRANSACTION_BATCH_BYTES_MAX = 512 * 1024
"""The size of one Kafka record batch. A larger record gets a batch of its own."""

TRANSACTION_REQUEST_BYTES_MAX = 8 * 1024 * 1024

TRANSACTION_MILLISECONDS = 10_000
"""After a crash, `read_committed` consumers wait at most this long for the open transaction."""

STEP_SECONDS = 15.0
"""The longest wait for one step of a transaction. After that its outcome is unknown, and the shard
starts again with a new producer."""

ABORT_SECONDS = 2.0

_CODEC_ZSTD = DefaultRecordBase.CODEC_ZSTD


def transactional_producer(settings: Settings, shard: int) -> AIOKafkaProducer:
    """Returns the producer of a shard's owner. Starting it fences that of the last owner."""
    return new_producer(
        settings,
        client_id=f"inbox-relay-{shard}",
        transactional_id=f"{settings.topic_prefix}relay-{shard}",
        transaction_timeout_ms=TRANSACTION_MILLISECONDS,
        max_batch_size=TRANSACTION_BATCH_BYTES_MAX,
        max_request_size=TRANSACTION_REQUEST_BYTES_MAX,
        request_timeout_ms=int(STEP_SECONDS * 1000),
    )


async def transact(producer: AIOKafkaProducer, records: list[OutboxRecord]) -> None:
    """Publish records in one transaction, in order per partition.

    Raises KafkaError or TimeoutError. The producer cannot be used after that.
    """
    try:
        await producer.begin_transaction()
        await _fill_and_commit(producer, records)
    except (IllegalOperation, AssertionError) as error:
        # aiokafka raises these when the producer was fenced or failed between two of our steps.
        await _abort(producer)
        raise KafkaError(f"the transaction is over: {error}") from error
    except BaseException:
        await _abort(producer)
        raise


async def _fill_and_commit(producer: AIOKafkaProducer, records: list[OutboxRecord]) -> None:
    began = perf_counter()
    async with asyncio.timeout(STEP_SECONDS):
        # The commit would ignore a failed send, so every send is awaited.
        await asyncio.gather(*await _send(producer, records))
    sent = perf_counter()
    async with asyncio.timeout(STEP_SECONDS):
        await producer.commit_transaction()
    metrics.RELAY_SECONDS.labels("send").observe(sent - began)
    metrics.RELAY_SECONDS.labels("commit").observe(perf_counter() - sent)


class _LargeBatch(BatchBuilder):  # type: ignore[misc]  # aiokafka has no types
    """A batch of one dead letter whose record came compressed, and is too large uncompressed."""

    def __init__(self) -> None:
        super().__init__(TRANSACTION_BATCH_BYTES_MAX, _CODEC_ZSTD, is_transactional=True)


async def _send(
    producer: AIOKafkaProducer, records: list[OutboxRecord]
) -> list[asyncio.Future[object]]:
    """Hand records to the producer in order, in batches per partition."""
    futures = []
    timestamp = int(time.time() * 1000)
    batches: dict[tuple[str, int], Any] = {}
    for topic, partition, key, value, own in records:
        headers = EVENT_HEADERS if own is None else list(own)
        large = len(value or b"") > TRANSACTION_BATCH_BYTES_MAX
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
    # The first failure ends the transaction. Reading the errors of the others here keeps asyncio
    # from warning about them.
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future


async def _abort(producer: AIOKafkaProducer) -> None:
    """Abort an open transaction, so that stopping the producer does not wait for it.

    Does not wait long, since the next owner's `InitProducerId` aborts it in any case. A commit of
    unknown outcome cannot be aborted: aiokafka raises AssertionError then.
    """
    with suppress(KafkaError, TimeoutError, AssertionError):
        async with asyncio.timeout(ABORT_SECONDS):
            await producer.abort_transaction()
