"""Sends messages at a steady rate; the timestamp of each is when it was due, not when it was sent.

bench.latency runs it as a process: `python -m bench.load.pacer FIRST MESSAGES CONVERSATIONS RATE`,
with settings in the environment. It sends the messages of a load from number FIRST on. It prints
the line `ready` when it begins, and at the end JSON: when the first message was due (seconds since
1970), and for each message how long after it was due the Kafka client got it, and Kafka had it
(seconds).

Latencies are counted from when a message was due. So a sender that is delayed, or too slow, makes
them longer, and never hides any of them ("coordinated omission").
"""

import asyncio
import gc
import sys
import time

import msgspec
import uvloop
from aiokafka import AIOKafkaProducer
from msgspec import Struct

from bench.load.message_load import MessageLoad
from bench.load.publishing import LOAD_BATCH_BYTES
from schemas.cloudevents import CONTENT_TYPE_HEADER
from workers.kafka.partitions import partition_of
from workers.settings import Settings, required

TICK_SECONDS = 0.01
"""The shortest time between two sends: twice as long as Kafka's own producers linger."""

LEAD_SECONDS = 0.5

Record = tuple[int, bytes, bytes]
"""A partition, a key, and a value."""


class Paced(Struct):
    """What was sent when; each list has one item per message."""

    began: float
    """When the first was due, in seconds since 1970."""
    handed: list[float]
    """How many seconds after it was due the Kafka client got each message."""
    taken: list[float]
    """How many seconds after it was due Kafka had acknowledged each message."""


def records_of(load: MessageLoad, first: int, partitions: int) -> list[Record]:
    """Returns the messages of a load from a number on, ready to be sent."""
    return [
        (partition_of(key, partitions), key.encode(), value) for _, key, value in load.events(first)
    ]


async def pace(settings: Settings, records: list[Record], rate: float) -> Paced:
    """Send so many records per second."""
    topic = settings.topic("messages.received")
    producer = AIOKafkaProducer(
        bootstrap_servers=list(required(settings.kafka, "INBOX_KAFKA")),
        acks="all",
        linger_ms=0,
        max_batch_size=LOAD_BATCH_BYTES,
    )
    async with producer:
        await producer.partitions_for(topic)
        paced = Paced(time.time() + LEAD_SECONDS, [], [])
        while (sent := len(paced.taken)) < len(records):
            now = time.time()
            due = min(len(records), int((now - paced.began) * rate) + 1) if now > paced.began else 0
            if due > sent:
                times = [paced.began + number / rate for number in range(sent, due)]
                paced.handed += [now - moment for moment in times]
                await _send(producer, topic, records[sent:due], times)
                taken_at = time.time()
                paced.taken += [taken_at - moment for moment in times]
            await asyncio.sleep(max(0.0, now + TICK_SECONDS - time.time()))
    return paced


async def _send(
    producer: AIOKafkaProducer, topic: str, records: list[Record], times: list[float]
) -> None:
    """Send the records that are due, a batch for each partition, and wait until Kafka has them."""
    batches = {}
    for (partition, key, value), moment in zip(records, times, strict=True):
        if partition not in batches:
            batches[partition] = producer.create_batch()
        added = batches[partition].append(
            timestamp=int(moment * 1000), key=key, value=value, headers=[CONTENT_TYPE_HEADER]
        )
        if not added:
            raise RuntimeError("too far behind: what is due does not fit into one batch")
    sent = [
        await producer.send_batch(batch, topic, partition=partition)
        for partition, batch in batches.items()
    ]
    await asyncio.gather(*sent)


async def main(first: int, messages: int, conversations: int, rate: float) -> None:
    """Send, and print when each message was sent."""
    settings = Settings.from_environment()
    load = MessageLoad(messages=first + messages, conversations=conversations)
    records = records_of(load, first, settings.partitions)
    gc.freeze()
    print("ready", flush=True)
    paced = await pace(settings, records, rate)
    sys.stdout.buffer.write(msgspec.json.encode(paced))


if __name__ == "__main__":
    uvloop.install()
    given_first, given_messages, given_conversations, given_rate = sys.argv[1:]
    asyncio.run(
        main(int(given_first), int(given_messages), int(given_conversations), float(given_rate))
    )
