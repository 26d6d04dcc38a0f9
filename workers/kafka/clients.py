"""What every Kafka client of ours has in common: how Kafka is reached, patience, and an end.

aiokafka does two things at once that have to wait while Kafka is away or just back; `be_patient`
has a client wait:

- A broker that just started answers for a moment as if there were none. aiokafka takes that for an
  answer; whoever looks for a coordinator next fails with an AssertionError, which ends a consumer's
  coordination for good (it runs, and never joins its group) and a transactional producer's start.
- Where a partition has no leader, consumers and producers ask for metadata again as soon as they
  are answered, or refused: thousands of times a second, whatever `retry_backoff_ms` is.

And it does not know uvloop, which refuses to write to a connection that has just ended with a
RuntimeError, where asyncio says nothing. That ends whoever wanted to write: a consumer that
commits, and with it the worker.
"""

import asyncio
import time
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, KafkaError, ProducerClosed

from workers.settings import Settings, required

BOOTSTRAP_SECONDS = 30.0
BOOTSTRAP_AGAIN_SECONDS = 0.2

UPDATES_MAX = 10
UPDATES_SECONDS = 1.0
"""A client asks for metadata so often in so long: the first ones at once, as a start needs."""

STOP_SECONDS = 1.0
"""For each of three steps, so that a worker is gone within its ten seconds though Kafka is away."""


def client_arguments(settings: Settings) -> dict[str, Any]:
    """The first keyword arguments of an aiokafka client. Raises SettingsError without a Kafka."""
    brokers = list(required(settings.kafka, "INBOX_KAFKA"))
    return {"bootstrap_servers": brokers, **settings.kafka_security.arguments()}


def new_consumer(settings: Settings, *topics: str, **given: Any) -> AIOKafkaConsumer:
    """A consumer of committed records that keeps its own positions; start and stop it."""
    consumer = AIOKafkaConsumer(
        *topics,
        **client_arguments(settings),
        isolation_level="read_committed",
        enable_auto_commit=False,
        **given,
    )
    be_patient(consumer._client)
    return consumer


def new_producer(settings: Settings, **given: Any) -> AIOKafkaProducer:
    """A producer that waits for all in-sync replicas; start and stop it."""
    producer = AIOKafkaProducer(**client_arguments(settings), acks="all", **given)
    be_patient(producer.client)
    return producer


def be_patient(client: AIOKafkaClient) -> None:
    """Have a client that was not started yet start once brokers are known, not ask too often, and
    use no connection that has ended.

    Its `bootstrap` raises KafkaError when nobody answers at first, or when those who answer know
    of no broker for so long.
    """
    bootstrap, update, connect = client.bootstrap, client._metadata_update, client._get_conn
    times: deque[float] = deque(maxlen=UPDATES_MAX)

    async def bootstrap_patiently() -> None:
        until = time.monotonic() + BOOTSTRAP_SECONDS
        await bootstrap()
        while not client.cluster.brokers():
            if time.monotonic() > until:
                raise KafkaConnectionError("Kafka answers, but knows of no broker")
            await asyncio.sleep(BOOTSTRAP_AGAIN_SECONDS)
            with suppress(KafkaError):
                await bootstrap()

    async def update_patiently(*arguments: Any) -> bool:
        if len(times) == UPDATES_MAX:
            await asyncio.sleep(times[0] + UPDATES_SECONDS - time.monotonic())
        times.append(time.monotonic())
        updated: bool = await update(*arguments)
        return updated

    async def connect_again(*arguments: Any, **given: Any) -> AIOKafkaConnection | None:
        connection = await connect(*arguments, **given)
        if connection is not None and connection._writer.is_closing():
            # Its reader has not heard so yet. What waits for answers through it fails now.
            connection.close(reason=CloseReason.CONNECTION_BROKEN)
            connection = await connect(*arguments, **given)
        return connection

    client._get_conn = connect_again
    client.bootstrap = bootstrap_patiently
    client._metadata_update = update_patiently


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop, without hanging on a broker that is gone."""
    if not await _ends(consumer.stop()):
        await _ends(consumer._client.close())


async def stop_producer(producer: AIOKafkaProducer) -> None:
    """Stop, without hanging on a broker that is gone or a batch that nobody takes."""
    if await _ends(producer.stop()):
        return
    sender = producer._sender.sender_task
    if sender is not None:
        sender.cancel()
        await asyncio.wait([sender], timeout=STOP_SECONDS)
    # Only now, when nothing of it can be sent any more.
    producer._message_accumulator.fail_all(ProducerClosed())
    await _ends(producer.client.close())


async def _ends(work: Coroutine[Any, Any, None]) -> bool:
    """Whether it ends in time, and well.

    In a task of its own: aiokafka cancels its sender, or a fetch that waits after an error, and
    awaits it; that cancellation must not be taken for one of ours.
    """
    task = asyncio.ensure_future(work)
    await asyncio.wait([task], timeout=STOP_SECONDS)
    if not task.done():
        task.cancel()
        return False
    return not task.cancelled() and task.exception() is None
