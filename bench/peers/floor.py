"""The least that any program must do: `getmany`, typed decode, and `COPY` of the same rows.

No program that stores messages can be faster, so workers are compared with it. bench.compare runs
it as a process: `python -m bench.peers.floor RECORDS`, with settings in the environment. It prints
the seconds that it took and its peak memory, as JSON.
"""

import asyncio
import resource
import sys
import time
from datetime import UTC, datetime

import asyncpg
import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from db.messages import record_messages
from domain.messages import derive_ids, message_row
from domain.outgoing import Message
from schemas.cloudevents import Decoders, Incoming
from schemas.messages import MessageReceived
from workers.kafka.clients import client_arguments
from workers.settings import Settings, required


def _row(event: Incoming[MessageReceived]) -> Message:
    return message_row(event.data, derive_ids(event.data), version=1)


async def main(records: int) -> float:
    """Copy so many records. Returns the seconds from the first poll that returned any."""
    settings = Settings.from_environment()
    topic = settings.topic("messages.received")
    decode = Decoders((MessageReceived,)).decode
    connection = await asyncpg.connect(required(settings.database_url, "INBOX_DATABASE_URL"))
    consumer = AIOKafkaConsumer(
        **client_arguments(settings),
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_records=settings.batch_records,
    )
    async with consumer:
        consumer.assign([TopicPartition(topic, number) for number in range(settings.partitions)])
        copied, began = 0, 0.0
        while copied < records:
            for polled in (await consumer.getmany(timeout_ms=1000)).values():
                began = began or time.perf_counter()
                now = datetime.now(UTC)
                rows = [_row(decode(r.value, r.headers, r.timestamp, now)) for r in polled]
                await record_messages(connection, rows, now)
                copied += len(rows)
    await connection.close()
    return time.perf_counter() - began


if __name__ == "__main__":
    uvloop.install()
    seconds = asyncio.run(main(int(sys.argv[1])))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KiB
    print(msgspec.json.encode({"seconds": seconds, "peak_megabytes": peak}).decode())
