"""A TCP proxy on loopback that can cut connections, hold data up, and lose answers."""

import asyncio
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from bench.mock_twilio.faults import reset_on_close
from workers.dev.embedded.ports import HOST, free_port

CHUNK_BYTES = 64 * 1024
UPSTREAM_CONNECT_SECONDS = 2.0


class RequestDetector(Protocol):
    """Reads the data of one client, and detects the requests of one kind."""

    def detects(self, data: bytes) -> bool:
        """Whether the next data of the client has such a request."""


class PostgresCommits:
    """Detects a COMMIT, which asyncpg sends as a simple query without other statements."""

    _COMMIT = b"Q\x00\x00\x00\x0cCOMMIT;\x00"

    def detects(self, data: bytes) -> bool:
        """Whether the data has a COMMIT."""
        return self._COMMIT in data


class KafkaRequests:
    """Detects Kafka's requests by their key: 0 is Produce, 26 is EndTxn.

    https://kafka.apache.org/protocol#protocol_api_keys
    """

    PRODUCE, END_TRANSACTION = 0, 26

    def __init__(self, key: int) -> None:
        self._key = key
        self._begun = b""
        """The first bytes of a request whose key has not come yet."""
        self._rest = 0
        """How many bytes are still to come of a request whose key has come."""

    def detects(self, data: bytes) -> bool:
        """Whether a request with that key begins in the data."""
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
    """Passes connections on to the first of some ports that accepts them."""

    def __init__(self, targets: Callable[[], Sequence[int]], requests: Sequence[str] = ()) -> None:
        """`targets` returns the ports for each connection; `lose` may name these `requests`."""
        self.port = free_port()
        self.latency_seconds = 0.0
        """The delay of each direction."""
        self.lost = 0
        """How many answers were lost so far."""
        self._targets = targets
        self._requests = requests
        self._connections: set[_Connection] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._to_lose: dict[str, int] = dict.fromkeys(requests, 0)

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._take, HOST, self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> int:
        """Reset all connections, and return how many there were."""
        cut = list(self._connections)
        for connection in cut:
            connection.reset()
        return len(cut)

    def hold(self) -> None:
        """Pass nothing on from now on, like a network without a route."""
        self._flows.clear()

    def release(self) -> None:
        """Pass everything on again."""
        self._flows.set()

    def lose(self, what: str, count: int = 1) -> None:
        """Lose the answers to the next requests of a kind, and reset their connections."""
        self._to_lose[what] = count

    def heal(self) -> None:
        """Only pass data on from now on."""
        self._to_lose = dict.fromkeys(self._requests, 0)
        self.latency_seconds = 0.0
        self.release()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = await self._connect()
        if upstream is None:
            _reset(writer)
            return
        connection = _Connection((reader, writer), upstream, self._requests)
        self._connections.add(connection)
        try:
            await connection.run(self)
        finally:
            self._connections.discard(connection)

    async def _connect(self) -> "tuple[asyncio.StreamReader, asyncio.StreamWriter] | None":
        for port in self._targets():
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(UPSTREAM_CONNECT_SECONDS):
                    return await asyncio.open_connection(HOST, port)
        return None

    async def delay(self) -> None:
        """Wait as long as data is delayed or held up."""
        if self.latency_seconds:
            await asyncio.sleep(self.latency_seconds)
        await self._flows.wait()

    def is_to_be_lost(self, what: str) -> bool:
        """Whether the answer to this request is to be lost; counts the request."""
        if not self._to_lose.get(what):
            return False
        self._to_lose[what] -= 1
        return True


_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_DETECTORS: dict[str, Callable[[], RequestDetector]] = {
    "commit": PostgresCommits,
    "produce": lambda: KafkaRequests(KafkaRequests.PRODUCE),
    "end-transaction": lambda: KafkaRequests(KafkaRequests.END_TRANSACTION),
}


class _Connection:
    """A connection of a client, and the connection to the server that belongs to it."""

    def __init__(self, client: _Stream, server: _Stream, requests: Sequence[str]) -> None:
        self._client, self._server = client, server
        self._detectors = {name: _DETECTORS[name]() for name in requests}
        self._is_answer_lost = False

    async def run(self, proxy: Proxy) -> None:
        """Pass data on in both directions until one of them ends."""
        directions = (
            asyncio.ensure_future(self._pass_requests(proxy)),
            asyncio.ensure_future(self._pass_answers(proxy)),
        )
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            await asyncio.gather(*directions, return_exceptions=True)
            for _, writer in (self._client, self._server):
                writer.close()

    async def _pass_requests(self, proxy: Proxy) -> None:
        while data := await self._client[0].read(CHUNK_BYTES):
            await proxy.delay()
            for name, detector in self._detectors.items():
                if detector.detects(data) and proxy.is_to_be_lost(name):
                    self._is_answer_lost = True
            self._server[1].write(data)
            await self._server[1].drain()

    async def _pass_answers(self, proxy: Proxy) -> None:
        while data := await self._server[0].read(CHUNK_BYTES):
            await proxy.delay()
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
        with suppress(OSError):
            reset_on_close(connection)
    writer.transport.abort()
