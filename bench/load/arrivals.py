"""Reads notifications as a `read_committed` consumer, and reports when each of them arrived.

bench.latency runs it as a process: `python -m bench.load.arrivals MESSAGES SECONDS`, with settings
in the environment. It prints the line `ready` once it is at the end of the topic. It reads until so
many notifications of messages came and no further one for a while, or until the time is over. Then
it prints JSON: for each notification the message's id, and when it was recorded, published, and
received.
"""

import asyncio
import gc
import sys
import time
from datetime import datetime

import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition
from msgspec import Struct

from workers.settings import Settings, required

QUIET_SECONDS = 1.0
"""How long to wait for a notification too many."""


class _Message(Struct):
    message_id: str


class _Data(Struct):
    kind: str
    message: _Message | None


class _Notification(Struct):
    time: datetime
    data: _Data


class Arrival(Struct, array_like=True):
    """A notification. Times are in seconds since 1970."""

    message_id: str
    recorded: float
    """When a worker recorded the message."""
    published: float
    """When a worker began to publish the notification."""
    received: float


Polls = list[tuple[float, list[tuple[int, bytes]]]]
"""When each poll returned, and its records' timestamps (milliseconds) and values."""


async def arrivals(settings: Settings, messages: int, seconds: float) -> list[Arrival]:
    """Read all, and only then decode, so that the reader slows nothing down."""
    topic = settings.topic("notifications")
    consumer = AIOKafkaConsumer(
        bootstrap_servers=list(required(settings.kafka, "INBOX_KAFKA")),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="latest",
    )
    polls: Polls = []
    async with consumer:
        tps = [TopicPartition(topic, number) for number in range(settings.partitions)]
        consumer.assign(tps)
        for tp in tps:
            await consumer.position(tp)
        print("ready", flush=True)
        deadline, count = time.monotonic() + seconds, 0
        while (left := deadline - time.monotonic()) > 0:
            wait = QUIET_SECONDS if count >= messages else left
            polled = await consumer.getmany(timeout_ms=int(wait * 1000))
            received_at = time.time()
            values = [(one.timestamp, one.value) for records in polled.values() for one in records]
            polls.append((received_at, values))
            count += len(values)
            if count >= messages and not values:
                break
    return _decode(polls)


def _decode(polls: Polls) -> list[Arrival]:
    decode = msgspec.json.Decoder(_Notification).decode
    found = []
    for received_at, values in polls:
        for timestamp, value in values:
            event = decode(value)
            if event.data.kind == "message" and event.data.message is not None:
                id_, recorded_at = event.data.message.message_id, event.time.timestamp()
                found.append(Arrival(id_, recorded_at, timestamp / 1000, received_at))
    return found


async def main(messages: int, seconds: float) -> None:
    """Read, and print when each notification arrived."""
    gc.disable()
    found = await arrivals(Settings.from_environment(), messages, seconds)
    sys.stdout.buffer.write(msgspec.json.encode(found))


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
