"""What the webhooks hold at once is limited; above it they answer 503, and Twilio tries again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TypeAlias

import aiohttp
import pytest
from aiohttp import web

from db.connect import pool
from tests.harness.twilio import PATH, STATUS_PATH, Twilio, form
from workers.settings import Settings, required
from workers.webhooks.receiver import Receiver
from workers.webhooks.routes import BODY_BYTES_MAX, TwilioWebhooks

Serve: TypeAlias = Callable[..., Awaitable[Twilio]]


@pytest.fixture
async def serve(settings: Settings, session: aiohttp.ClientSession) -> AsyncIterator[Serve]:
    """Serves the webhooks with limits of a test's own; answers with a Twilio that posts there."""
    application = web.Application(client_max_size=BODY_BYTES_MAX)
    receiver = Receiver(settings)
    connections = pool(required(settings.database_url, "database"), "test", connections_max=2)
    runner = web.AppRunner(application)

    async def serve(**limits: int) -> Twilio:
        TwilioWebhooks(settings, receiver, **limits).add_routes(application.router)
        await runner.setup()
        await web.TCPSite(runner, settings.web_host, settings.web_port).start()
        return Twilio(settings.public_url, session)

    async with connections:
        await receiver.start(connections)
        yield serve
        await runner.cleanup()
        await receiver.stop()


@dataclass
class Held:
    """A request that the webhook waits for the body of."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    length: int

    async def end(self) -> int:
        """Send the body, which nobody signed; the status that it is answered with."""
        self.writer.write(b"a" * self.length)
        return await status_of(self.reader)


@asynccontextmanager
async def connected(
    settings: Settings,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to the webhooks."""
    reader, writer = await asyncio.open_connection(settings.web_host, settings.web_port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def status_of(reader: asyncio.StreamReader) -> int:
    """The status of an answer."""
    async with asyncio.timeout(30):
        return int((await reader.readuntil(b"\r\n\r\n")).split()[1])


@asynccontextmanager
async def held(settings: Settings, path: str, length: int) -> AsyncIterator[Held]:
    """A request of which the webhook has read no more than its head."""
    async with connected(settings) as (reader, writer):
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n"
        writer.write(f"{head}Expect: 100-continue\r\n\r\n".encode())
        # By then it is being received.
        assert await status_of(reader) == 100
        yield Held(reader, writer, length)


async def chunked(settings: Settings) -> int:
    """The status of a small request that does not say how long it is, and that nobody signed."""
    async with connected(settings) as (reader, writer):
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head.encode() + b"1\r\na\r\n0\r\n\r\n")
        return await status_of(reader)


async def test_more_requests_at_once_than_it_holds_are_503_until_others_have_ended(
    settings: Settings, serve: Serve
) -> None:
    twilio = await serve(requests_max=2)
    # Both webhooks together have that much room.
    async with held(settings, PATH, 1) as one, held(settings, STATUS_PATH, 1) as other:
        assert await twilio.post(form()) == 503
        assert await one.end() == 403
        assert await twilio.post(form()) == 204
        async with held(settings, PATH, 1):
            assert await twilio.post(form()) == 503
            assert await other.end() == 403
            # One that was refused has taken no room.
            assert await twilio.post(form()) == 204


async def test_more_bytes_at_once_than_it_holds_are_503_until_others_have_ended(
    settings: Settings, serve: Serve
) -> None:
    twilio = await serve(bytes_max=100_000)
    large = form(Body="x" * 50_000)
    async with held(settings, PATH, 60_000) as one:
        assert await twilio.post(large) == 503
        # What does not say how long it is may be as long as any.
        assert await chunked(settings) == 503
        assert await twilio.post(form()) == 204
        assert await one.end() == 403
        assert await twilio.post(large) == 204
        assert await chunked(settings) == 403
