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
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connect, HOST, self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connect(self, reader: Reader, writer: Writer) -> None:
        there, back = await asyncio.open_connection(*self._there)
        committing = asyncio.Event()
        task = asyncio.create_task(self._answers(there, writer, committing))
        self._tasks.add(task)
        prepared = False
        with suppress(ConnectionError):
            while request := await reader.read(65536):
                prepared = prepared or self._statement in request
                if prepared and b"COMMIT;" in request and not self.has_cut:
                    committing.set()
                back.write(request)
                await back.drain()
        back.close()

    async def _answers(self, there: Reader, writer: Writer, committing: asyncio.Event) -> None:
        with suppress(ConnectionError):
            while answer := await there.read(65536):
                if committing.is_set() and not self.has_cut:
                    self.has_cut = True
                    break
                writer.write(answer)
                await writer.drain()
        writer.close()
