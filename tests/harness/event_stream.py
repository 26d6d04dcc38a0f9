"""A client of `GET /events` that notes every event."""

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple, Self

import aiohttp
import msgspec

from tests.harness.input_events import ACCOUNT
from tests.harness.waiting import until
from workers.api.operation import PREFIX
from workers.settings import Settings


class Received(NamedTuple):
    """An event as a browser would dispatch it."""

    name: str
    id: str
    data: Any


@dataclass
class _Fields:
    name: str = ""
    data: str = ""


class EventStream:
    """A stream of one user, read in the background. Use it as a context manager."""

    def __init__(
        self,
        settings: Settings,
        user: str = "ana",
        account: str = ACCOUNT,
        last_event_id: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """`headers` replace those that say who is asking."""
        self._url = settings.local_url + PREFIX + "/events"
        self._headers = headers or {"X-Inbox-Account": account, "X-Inbox-User": user}
        if last_event_id is not None:
            self._headers = self._headers | {"Last-Event-ID": last_event_id}
        self.events: list[Received] = []
        self.last_id = last_event_id or ""
        self.retry: int | None = None
        """The last `retry:`, in milliseconds."""
        self.comments = 0
        self.ended = False
        """Whether the server ended it properly."""

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=30)
        self._session = aiohttp.ClientSession(timeout=timeout)
        self.response = await self._session.get(self._url, headers=self._headers)
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        self.response.close()
        await self._session.close()

    async def _read(self) -> None:
        fields = _Fields()
        try:
            async for raw in self.response.content:
                self._take(raw.decode().removesuffix("\n"), fields)
        except aiohttp.ClientError:
            return
        self.ended = True

    def _take(self, line: str, fields: _Fields) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if fields.data:
                data = msgspec.json.decode(fields.data)
                self.events.append(Received(fields.name, self.last_id, data))
            fields.name = fields.data = ""
        elif not name:
            self.comments += 1
        elif name == "id":
            self.last_id = value
        elif name == "event":
            fields.name = value
        elif name == "data":
            fields.data += value
        elif name == "retry":
            self.retry = int(value)

    def of(self, name: str) -> list[Any]:
        """Returns the data of all events of a kind."""
        return [event.data for event in self.events if event.name == name]

    @property
    def names(self) -> list[str]:
        """The kinds of all events, in order."""
        return [event.name for event in self.events]

    async def until_some(self, name: str, count: int = 1) -> list[Any]:
        """Wait until there are so many events of a kind, and return their data."""

        async def enough() -> bool:
            return len(self.of(name)) >= count

        await until(enough, f"{count} events {name}")
        return self.of(name)

    async def until_version(self, conversation_id: str, version: int) -> Any:
        """Wait for a conversation of this version or a newer one, and return it."""

        async def found() -> Any:
            return [
                shown
                for shown in self.of("conversation")
                if shown["conversation_id"] == conversation_id and shown["version"] >= version
            ]

        return (await until(found, f"version {version} of {conversation_id}"))[-1]

    async def until_ended(self) -> None:
        """Wait until the server has ended it."""

        async def ended() -> bool:
            return self._task.done()

        await until(ended, "the end of a stream")
