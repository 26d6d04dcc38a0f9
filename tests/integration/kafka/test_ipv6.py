"""Kafka is reached at an IPv6 address, by every client that a worker and the commands have."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

from tests.harness.command import inbox
from tests.harness.input_events import message
from tests.harness.ipv6 import HAS_IPV6
from tests.harness.topics import Topics
from tests.harness.worker import Worker
from workers.settings import Settings


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def on_ipv6(broker: str) -> AsyncIterator[str]:
    """Listen on the IPv6 loopback, and pass all on to a broker; yields the new address."""
    host, _, port = broker.rpartition(":")

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection(host, int(port))
        await asyncio.gather(_forward(reader, ours), _forward(theirs, writer))

    server = await asyncio.start_server(accept, "::1", 0)
    async with server:
        yield f"[::1]:{server.sockets[0].getsockname()[1]}"


if HAS_IPV6:

    async def test_a_worker_and_commands_find_kafka_at_an_ipv6_address(
        settings: Settings, topics: Topics, tmp_path: Path
    ) -> None:
        [broker] = settings.kafka or ()
        async with on_ipv6(broker) as address:
            there = replace(settings, kafka=(address,))
            verified = await inbox(there, "topics")
            assert (verified.status, verified.err) == (0, "")
            worker = Worker(there, tmp_path / "worker.log", "ingest,relay,send,web")
            await worker.start()
            await topics.publish(message("whatsapp:+4911"))
            await topics.read_until("conversations", 2)
            await worker.stop()
