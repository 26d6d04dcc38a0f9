"""Makes and stops Kafka clients: how they connect, guards against outages, and a quick stop.

`guard_client` prevents three failures of aiokafka when Kafka is away or has just come back, and one
when topics are missing:

- A broker that has just started answers for a moment that there are no brokers. aiokafka accepts
  that answer. The next search for a coordinator then fails with an AssertionError. It makes the
  start of a transactional producer fail, and it ends the coordination of a consumer for ever: the
  consumer runs, but never joins its group.
- While a partition has no leader, consumers and producers request metadata again as soon as they
  get an answer or a refusal: thousands of times a second, whatever `retry_backoff_ms` is.
- aiokafka writes to a connection that has just ended. asyncio ignores that, but uvloop raises a
  RuntimeError, which ends the task that writes: a consumer that commits, and with it the worker.
- A request for the metadata of a topic creates it, with the broker's number of partitions, where
  the broker has `auto.create.topics.enable`, as is Kafka's default. `inbox topics` alone creates.
"""

import asyncio
import time
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, KafkaError, ProducerClosed
from aiokafka.protocol.metadata import MetadataRequest

from workers.settings import Settings, required

BOOTSTRAP_SECONDS = 30.0
BOOTSTRAP_PAUSE_SECONDS = 0.2

METADATA_UPDATES_MAX = 10
METADATA_WINDOW_SECONDS = 1.0
"""A client requests metadata at most so often within this time. The first requests are not
delayed, because a start needs them."""

CLIENT_STOP_SECONDS = 1.0
"""For each of three steps of a stop, so that a worker ends in ten seconds even without Kafka."""


def client_arguments(settings: Settings) -> dict[str, Any]:
    """Returns the arguments with which an aiokafka client connects. Raises SettingsError."""
    brokers = list(required(settings.kafka, "INBOX_KAFKA"))
    return {"bootstrap_servers": brokers, **settings.kafka_security.arguments()}


def new_consumer(settings: Settings, *topics: str, **given: Any) -> AIOKafkaConsumer:
    """Returns a consumer of committed records, which commits no offsets. Start and stop it."""
    consumer = AIOKafkaConsumer(
        *topics,
        **client_arguments(settings),
        isolation_level="read_committed",
        enable_auto_commit=False,
        **given,
    )
    guard_client(consumer._client)
    return consumer


def new_producer(settings: Settings, **given: Any) -> AIOKafkaProducer:
    """Returns a producer that waits for all in-sync replicas. Start and stop it."""
    producer = AIOKafkaProducer(**client_arguments(settings), acks="all", **given)
    guard_client(producer.client)
    return producer


def new_admin(settings: Settings, **given: Any) -> AIOKafkaAdminClient:
    """Returns a client that creates and describes topics. Start and close it."""
    admin = AIOKafkaAdminClient(**client_arguments(settings), **given)
    guard_client(admin._client)
    return admin


def guard_client(client: AIOKafkaClient) -> None:
    """Guard a client that is not started yet against the failures that this module describes.

    It starts only when brokers are known, limits its requests for metadata, does not use a
    connection that has ended, and creates no topic by asking for it. Its `bootstrap` raises
    KafkaError when no broker answers at first, or when the answers contain no broker for
    BOOTSTRAP_SECONDS.
    """
    bootstrap, update, connect = client.bootstrap, client._metadata_update, client._get_conn
    times: deque[float] = deque(maxlen=METADATA_UPDATES_MAX)

    async def bootstrap_until_brokers_are_known() -> None:
        deadline = time.monotonic() + BOOTSTRAP_SECONDS
        await bootstrap()
        while not client.cluster.brokers():
            if time.monotonic() > deadline:
                raise KafkaConnectionError("Kafka answers, but knows of no broker")
            await asyncio.sleep(BOOTSTRAP_PAUSE_SECONDS)
            with suppress(KafkaError):
                await bootstrap()

    async def update_metadata_rarely(*arguments: Any) -> bool:
        if len(times) == METADATA_UPDATES_MAX:
            await asyncio.sleep(times[0] + METADATA_WINDOW_SECONDS - time.monotonic())
        times.append(time.monotonic())
        updated: bool = await update(*arguments)
        return updated

    async def connect_unless_ended(*arguments: Any, **given: Any) -> AIOKafkaConnection | None:
        connection = await connect(*arguments, **given)
        if connection is not None and connection._writer.is_closing():
            # aiokafka has not noticed yet. The requests that wait for its answers fail now.
            connection.close(reason=CloseReason.CONNECTION_BROKEN)
            connection = await connect(*arguments, **given)
        if connection is not None:
            _create_nothing(connection)
        return connection

    client._get_conn = connect_unless_ended
    client.bootstrap = bootstrap_until_brokers_are_known
    client._metadata_update = update_metadata_rarely


def _create_nothing(connection: AIOKafkaConnection) -> None:
    """Make a connection say, in each request for metadata, that no topic is to be created.

    aiokafka has no setting for it. A start asks on connections of its own, about no topic.
    """

    def send(request: Any, *arguments: Any, **given: Any) -> Any:
        if isinstance(request, MetadataRequest):
            request._allow_auto_topic_creation = False
        return type(connection).send(connection, request, *arguments, **given)

    connection.send = send


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer in limited time, even if its broker is away."""
    if not await _ends(consumer.stop()):
        await _ends(consumer._client.close())


async def stop_producer(producer: AIOKafkaProducer) -> None:
    """Stop a producer in limited time, even if its broker is away or takes no batch."""
    if await _ends(producer.stop()):
        return
    sender = producer._sender.sender_task
    if sender is not None:
        sender.cancel()
        await asyncio.wait([sender], timeout=CLIENT_STOP_SECONDS)
    # Only now: nothing of the failed batches can be sent any more.
    producer._message_accumulator.fail_all(ProducerClosed())
    await _ends(producer.client.close())


async def _ends(work: Coroutine[Any, Any, None]) -> bool:
    """Run a step of a stop. Returns whether it ends in time and without an error.

    The step runs in a task of its own. aiokafka cancels its sender, or a fetch that waits after an
    error, and awaits it: that CancelledError must not look like a cancellation of our own task.
    """
    task = asyncio.ensure_future(work)
    await asyncio.wait([task], timeout=CLIENT_STOP_SECONDS)
    if not task.done():
        task.cancel()
        return False
    return not task.cancelled() and task.exception() is None
