"""A proxy before Postgres that makes the outcome of a commit unknown."""

import asyncio
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

from workers.dev.embedded.ports import HOST, free_port


class CommitCut:
    """A proxy before Postgres that cuts one connection, once, at a COMMIT.

    Postgres commits, and the client never gets the answer. It is the first commit of a connection
    on which a certain statement was prepared.
    """

    def __init__(self, database_url: str, statement: bytes) -> None:
        self._statement = statement
        parts = urlsplit(database_url)
        self._there = str(parts.hostname), parts.port
        self._port = free_port()
        at = parts.netloc.rpartition("@")[0]
        self.url = parts._replace(netloc=f"{at}@{HOST}:{self._port}").geturl()
        self.has_cut = False
        self._writers: set[Writer] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connect, HOST, self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _connect(self, client: Reader, to_client: Writer) -> None:
        self._writers.add(to_client)
        server, to_server = await asyncio.open_connection(*self._there)
        self._writers.add(to_server)
        committing = asyncio.Event()
        for work in (
            self._pass_requests(client, to_server, committing),
            self._pass_answers(server, to_client, committing),
        ):
            self._tasks.add(asyncio.create_task(work))

    async def _pass_requests(
        self, client: Reader, to_server: Writer, committing: asyncio.Event
    ) -> None:
        prepared = False
        with suppress(ConnectionError):
            while request := await client.read(65536):
                prepared = prepared or self._statement in request
                if prepared and b"COMMIT;" in request and not self.has_cut:
                    committing.set()
                to_server.write(request)
                await to_server.drain()
        to_server.close()

    async def _pass_answers(
        self, server: Reader, to_client: Writer, committing: asyncio.Event
    ) -> None:
        with suppress(ConnectionError):
            while answer := await server.read(65536):
                if committing.is_set() and not self.has_cut:
                    self.has_cut = True
                    break
                to_client.write(answer)
                await to_client.drain()
        to_client.close()
