"""Clients of `GET /events`, thousands in one process."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast
from urllib.parse import urlsplit

from bench.load.input_events import ACCOUNT
from workers.api.operation import PREFIX

UNDER_WAY_MAX = 500
"""So many connects at most wait for their answers."""

CONNECT_SECONDS = 30.0
ATTEMPTS_MAX = 5
RETRY_SECONDS = 0.5

Take = Callable[[str, bytes], None]
"""Takes the name and the data of an event."""


class Refused(OSError):
    """A stream was not answered 200."""


class Client(asyncio.Protocol):
    """One stream. It counts the names of its events, and knows the last id."""

    def __init__(self, user_id: str, last_id: str = "", take: Take | None = None) -> None:
        """`last_id` is where it goes on; empty: nowhere. `take` gets each event."""
        self.user_id = user_id
        self.last_id = last_id
        self.status = 0
        loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()
        self.counts: dict[str, int] = {}
        self._take = take
        self._text = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        self.transport = cast(asyncio.Transport, transport)
        last = f"Last-Event-ID: {self.last_id}\r\n" if self.last_id else ""
        # The answer to HTTP/1.0 has no chunks.
        self.transport.write(
            f"GET {PREFIX}/events HTTP/1.0\r\nHost: bench\r\nX-Inbox-Account: {ACCOUNT}\r\n"
            f"X-Inbox-User: {self.user_id}\r\n{last}\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Take whole events."""
        if not self.status:
            head, found, data = (self._text + data).partition(b"\r\n\r\n")
            if not found:
                self._text = head
                return
            self._text = b""
            self.status = int(head[9:12])
            self.answered.set_result(None)
        *events, self._text = (self._text + data).split(b"\n\n")
        for event in events:
            self._note(event)

    def _note(self, event: bytes) -> None:
        fields = dict(line.partition(b": ")[::2] for line in event.split(b"\n"))
        if b"event" not in fields:
            return
        name = fields[b"event"].decode()
        self.last_id = fields[b"id"].decode()
        self.counts[name] = self.counts.get(name, 0) + 1
        if self._take is not None:
            self._take(name, fields[b"data"])

    def connection_lost(self, _error: Exception | None) -> None:
        """Note the end."""
        for each in (self.answered, self.lost):
            if not each.done():
                each.set_result(None)


async def connect(url: str, client: Client) -> None:
    """Connect a client, and wait for the head of its answer. Raises OSError."""
    host, _, port = urlsplit(url).netloc.partition(":")
    async with asyncio.timeout(CONNECT_SECONDS):
        await asyncio.get_running_loop().create_connection(lambda: client, host, int(port))
        await client.answered
    if client.status != 200:
        client.transport.abort()
        raise Refused(f"a stream was answered {client.status or 'nothing'}")


class Asked(NamedTuple):
    """A stream to be opened."""

    user_id: str
    last_id: str = ""


@dataclass(slots=True)
class Opened:
    """Streams that were opened."""

    clients: list[Client]
    errors: list[str]
    """What went wrong before a connect was tried again."""
    seconds: float


async def open_streams(url: str, asked: Sequence[Asked], seconds: float) -> Opened:
    """Open streams, their beginnings spread over so many seconds.

    Raises OSError if one did not open in ATTEMPTS_MAX attempts.
    """
    opened = Opened([], [], 0.0)
    under_way = asyncio.Semaphore(UNDER_WAY_MAX)
    began = time.monotonic()

    async def open_one(one: Asked) -> None:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            client = Client(*one)
            try:
                async with under_way:
                    await connect(url, client)
            except OSError as error:
                opened.errors.append(str(error) or type(error).__name__)
                if attempt == ATTEMPTS_MAX:
                    raise
                await asyncio.sleep(RETRY_SECONDS * attempt)
            else:
                opened.clients.append(client)
                return

    async with asyncio.TaskGroup() as tasks:
        for number, one in enumerate(asked):
            due = began + seconds * number / len(asked)
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            tasks.create_task(open_one(one))
    opened.seconds = time.monotonic() - began
    return opened


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; whoever calls limits the time."""
    while not condition():  # noqa: ASYNC110  # no signal tells of all clients
        await asyncio.sleep(0.005)
