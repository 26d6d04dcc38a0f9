"""A TCP proxy on loopback that cuts connections, holds them up, and loses answers on demand."""

import asyncio
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from workers.dev.embedded.ports import HOST, free_port

CHUNK_BYTES = 64 * 1024
CONNECT_SECONDS = 2.0


class Watch(Protocol):
    """Follows what one client says, to know when it asks for what is to go unanswered."""

    def asks(self, data: bytes) -> bool:
        """Whether this, the next of what it says, asks for that."""


class PostgresCommits:
    """Knows a client's COMMIT, which asyncpg sends as a simple query of its own."""

    _COMMIT = b"Q\x00\x00\x00\x0cCOMMIT;\x00"

    def asks(self, data: bytes) -> bool:
        """Whether a transaction is to be committed."""
        return self._COMMIT in data


class KafkaRequests:
    """Knows Kafka's requests by their key: 0 is Produce, 26 EndTxn.

    https://kafka.apache.org/protocol#protocol_api_keys
    """

    PRODUCE, END_TRANSACTION = 0, 26

    def __init__(self, key: int) -> None:
        self._key = key
        self._begun = b""
        """The first bytes of a request whose key did not come yet."""
        self._rest = 0
        """How much is to come of a request whose key did."""

    def asks(self, data: bytes) -> bool:
        """Whether a request of that key begins in this."""
        found = False
        while data:
            if self._rest:
                skipped = min(self._rest, len(data))
                self._rest -= skipped
                data = data[skipped:]
                continue
            head = (self._begun + data)[:6]
            data = data[len(head) - len(self._begun) :]
            self._begun = head
            if len(head) == 6:
                size, key = struct.unpack(">ih", head)
                self._begun, self._rest = b"", size - 2
                found = found or key == self._key
        return found


class Proxy:
    """Passes connections on to the first of some ports that takes them."""

    def __init__(self, targets: Callable[[], Sequence[int]], watches: Sequence[str] = ()) -> None:
        """`targets` is asked for every connection; `watches` are those that `lose` may name."""
        self.port = free_port()
        self.latency_seconds = 0.0
        """Added to each way."""
        self.lost = 0
        """How many answers were lost."""
        self._targets = targets
        self._watches = watches
        self._connections: set[_Connection] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._to_lose: dict[str, int] = dict.fromkeys(watches, 0)

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._take, HOST, self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> int:
        """Reset all connections; how many there were."""
        cut = list(self._connections)
        for connection in cut:
            connection.reset()
        return len(cut)

    def hold(self) -> None:
        """Pass nothing on from now on, as a network that lost its route."""
        self._flows.clear()

    def release(self) -> None:
        """Pass all on again."""
        self._flows.set()

    def lose(self, what: str, count: int = 1) -> None:
        """Lose the answers to the next requests of a kind, and their connections with them."""
        self._to_lose[what] = count

    def heal(self) -> None:
        """Do nothing but pass on."""
        self._to_lose = dict.fromkeys(self._watches, 0)
        self.latency_seconds = 0.0
        self.release()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = await self._connect()
        if upstream is None:
            _reset(writer)
            return
        connection = _Connection((reader, writer), upstream, self._watches)
        self._connections.add(connection)
        try:
            await connection.run(self)
        finally:
            self._connections.discard(connection)

    async def _connect(self) -> "tuple[asyncio.StreamReader, asyncio.StreamWriter] | None":
        for port in self._targets():
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(CONNECT_SECONDS):
                    return await asyncio.open_connection(HOST, port)
        return None

    async def pass_time(self) -> None:
        """What everything that passes through waits for."""
        if self.latency_seconds:
            await asyncio.sleep(self.latency_seconds)
        await self._flows.wait()

    def is_to_be_lost(self, what: str) -> bool:
        """Whether the answer to a request of a kind is to be lost; counts it."""
        if not self._to_lose.get(what):
            return False
        self._to_lose[what] -= 1
        return True


_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_WATCHES: dict[str, Callable[[], Watch]] = {
    "commit": PostgresCommits,
    "produce": lambda: KafkaRequests(KafkaRequests.PRODUCE),
    "end-transaction": lambda: KafkaRequests(KafkaRequests.END_TRANSACTION),
}


class _Connection:
    """One connection and the one behind it."""

    def __init__(self, client: _Stream, server: _Stream, watches: Sequence[str]) -> None:
        self._client, self._server = client, server
        self._watches = {name: _WATCHES[name]() for name in watches}
        self._is_answer_lost = False

    async def run(self, proxy: Proxy) -> None:
        """Pass on both ways until one of them ends."""
        ways = (
            asyncio.ensure_future(self._ask(proxy)),
            asyncio.ensure_future(self._answer(proxy)),
        )
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for _, writer in (self._client, self._server):
                writer.close()

    async def _ask(self, proxy: Proxy) -> None:
        while data := await self._client[0].read(CHUNK_BYTES):
            await proxy.pass_time()
            for name, watch in self._watches.items():
                if watch.asks(data) and proxy.is_to_be_lost(name):
                    self._is_answer_lost = True
            self._server[1].write(data)
            await self._server[1].drain()

    async def _answer(self, proxy: Proxy) -> None:
        while data := await self._server[0].read(CHUNK_BYTES):
            await proxy.pass_time()
            if self._is_answer_lost:
                proxy.lost += 1
                self.reset()
                return
            self._client[1].write(data)
            await self._client[1].drain()

    def reset(self) -> None:
        """Reset both sides."""
        for _, writer in (self._client, self._server):
            _reset(writer)


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None:
        # Not to linger, for zero seconds: closing then resets.
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
