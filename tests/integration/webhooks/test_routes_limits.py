"""The webhooks limit the requests that they hold at once; above that they answer 503."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TypeAlias

import aiohttp
import pytest
from aiohttp import web

from db.connect import pool
from tests.harness.twilio import INBOUND_PATH, STATUS_PATH, Twilio, form
from workers.settings import Settings, required
from workers.webhooks.receiver import Receiver
from workers.webhooks.routes import BODY_BYTES_MAX, TwilioWebhooks

Serve: TypeAlias = Callable[..., Awaitable[Twilio]]


@pytest.fixture
async def serve(settings: Settings, session: aiohttp.ClientSession) -> AsyncIterator[Serve]:
    """Serves the webhooks with the limits of a test, and returns a Twilio that posts to them."""
    application = web.Application(client_max_size=BODY_BYTES_MAX)
    connections = pool(required(settings.database_url, "database"), "test", connections_max=2)
    checked = asyncio.Event()
    checked.set()
    receiver = Receiver(settings, connections, checked)
    runner = web.AppRunner(application)

    async def serve(**limits: int) -> Twilio:
        TwilioWebhooks(settings, receiver, **limits).add_routes(application.router)
        await runner.setup()
        await web.TCPSite(runner, settings.web_host, settings.web_port).start()
        return Twilio(settings.public_url, session)

    async with connections:
        await receiver.start()
        yield serve
        await runner.cleanup()
        await receiver.stop()


@dataclass
class Held:
    """A request whose body the webhook waits for."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    length: int

    async def end(self) -> int:
        """Send the body, which is not signed; the status of the answer."""
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
    """A request whose head the webhook has read, but not its body."""
    async with connected(settings) as (reader, writer):
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n"
        writer.write(f"{head}Expect: 100-continue\r\n\r\n".encode())
        # Now the webhook waits for the body.
        assert await status_of(reader) == 100
        yield Held(reader, writer, length)


async def chunked(settings: Settings) -> int:
    """Post a small request without a length and a signature; the status of the answer."""
    async with connected(settings) as (reader, writer):
        head = f"POST {INBOUND_PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head.encode() + b"1\r\na\r\n0\r\n\r\n")
        return await status_of(reader)


async def test_more_requests_at_once_than_it_holds_are_503_until_others_have_ended(
    settings: Settings, serve: Serve
) -> None:
    twilio = await serve(requests_max=2)
    # The limit is for both webhooks together.
    async with held(settings, INBOUND_PATH, 1) as one, held(settings, STATUS_PATH, 1) as other:
        assert await twilio.post(form()) == 503
        assert await one.end() == 403
        assert await twilio.post(form()) == 204
        async with held(settings, INBOUND_PATH, 1):
            assert await twilio.post(form()) == 503
            assert await other.end() == 403
            # A request that was refused does not count.
            assert await twilio.post(form()) == 204


async def test_more_bytes_at_once_than_it_holds_are_503_until_others_have_ended(
    settings: Settings, serve: Serve
) -> None:
    twilio = await serve(bytes_max=400_000)
    large = form(Body="x" * 200_000)
    async with held(settings, INBOUND_PATH, 240_000) as one:
        assert await twilio.post(large) == 503
        # A request without a length counts as one of the largest size.
        assert await chunked(settings) == 503
        assert await twilio.post(form()) == 204
        assert await one.end() == 403
        assert await twilio.post(large) == 204
        assert await chunked(settings) == 403
