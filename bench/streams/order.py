"""Whether streams miss anything, say it twice, or say an older version after a newer one."""

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

import msgspec
from msgspec import Struct

from bench.checkers.promises import expect
from bench.checkers.tables import owner_connection
from bench.load.input_events import USERS, InputEvent, command, message, random_fields
from bench.load.publishing import publish
from bench.runs.workers import WorkerProcess, until_applied
from bench.streams.client import Client, connect
from db.connect import Connection
from workers.settings import Settings

CONVERSATIONS = 500
KINDS = ("conversation.assign", "conversation.close", "conversation.reopen")
RESTLESS = USERS[-1]
RESTLESS_SECONDS = 1.0
"""The client of this user hangs up so often, and goes on with its last id."""

EVENTS_PER_SECOND, PIECE = 400, 200
"""So many are published, a piece at a time. With far more, the clients would only be told to fetch
again and again."""

RETRY_SECONDS = 0.2
SETTLE_SECONDS = 60.0
"""The longest wait for the last frames."""

CONVERSATIONS_NOW = "SELECT conversation_id::text, version FROM inbox.conversations"
MESSAGES_NOW = "SELECT message_id::text FROM inbox.messages"


class _Said(Struct):
    conversation_id: str = ""
    version: int = 0
    message_id: str = ""


_DECODER = msgspec.json.Decoder(_Said)


@dataclass
class Shown:
    """What Postgres shows at a moment."""

    versions: dict[str, int]
    messages: set[str]


async def load_shown(connection: Connection) -> Shown:
    """Returns what Postgres shows now."""
    rows = await connection.fetch(CONVERSATIONS_NOW)
    messages = await connection.fetch(MESSAGES_NOW)
    return Shown({row[0]: row[1] for row in rows}, {row[0] for row in messages})


class Follower:
    """One user's client: it follows, comes back when its stream ends, and fetches when told to."""

    def __init__(self, settings: Settings, url: str, user_id: str) -> None:
        self.user_id = user_id
        self.streams = self.said = self.resets = self.wrong = 0
        """How many streams it had, events it got, resets among them, and faults of the order."""
        self._settings = settings
        self._url = url
        self._versions: dict[str, int] = {}
        self._messages: set[str] = set()
        self._fetching: asyncio.Task[Shown] | None = None

    async def run(self) -> None:
        """Follow, for ever."""
        last = ""
        while True:
            client = Client(self.user_id, last, self._take)
            try:
                await connect(self._url, client)
            except OSError:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self.streams += 1
            stays = RESTLESS_SECONDS if self.user_id == RESTLESS else None
            await asyncio.wait([client.lost], timeout=stays)
            client.transport.abort()
            await client.lost
            last = client.last_id

    def _take(self, name: str, data: bytes) -> None:
        self.said += 1
        if name == "reset":
            self.resets += 1
            self._versions, self._messages = {}, set()
            self._fetching = asyncio.create_task(self._fetch())
            return
        said = _DECODER.decode(data)
        if name == "conversation":
            self.wrong += said.version <= self._versions.get(said.conversation_id, 0)
            self._versions[said.conversation_id] = said.version
        elif name == "message":
            self.wrong += said.message_id in self._messages
            self._messages.add(said.message_id)

    async def _fetch(self) -> Shown:
        async with owner_connection(self._settings) as connection:
            return await load_shown(connection)

    async def missing(self, now: Shown) -> int:
        """Returns how many conversations and messages it knows otherwise than Postgres has them."""
        assert self._fetching is not None
        known = await self._fetching
        versions = known.versions.copy()
        for id_, version in self._versions.items():
            versions[id_] = max(version, versions.get(id_, 0))
        other = versions.items() ^ now.versions.items()
        return len({id_ for id_, _ in other}) + len(
            (known.messages | self._messages) ^ now.messages
        )


@dataclass(frozen=True, kw_only=True)
class Order:
    """What was compared."""

    published: int
    conversations: int
    messages: int
    followers: list[Follower]

    def lines(self) -> list[str]:
        """What to print."""
        return [
            f"{self.published} events, {self.conversations} conversations and {self.messages} "
            "messages compared with Postgres: nothing missing, doubled, or out of order",
            *(
                f"  {each.user_id}: {each.streams} streams, {each.said} events, "
                f"{each.resets} resets"
                for each in self.followers
            ),
        ]


def changes(count: int) -> Iterator[InputEvent]:
    """Yield messages and commands on conversations, in a random order."""
    chance = random.Random(1)  # noqa: S311  # the same load each time
    for number in range(count):
        now, contact = datetime.now(UTC), f"whatsapp:+1{chance.randrange(CONVERSATIONS)}"
        if chance.random() < 0.5:
            yield message(f"SM-order-{number}", contact, now)
        else:
            kind = chance.choice(KINDS)
            yield command(kind, contact, f"o-{number}", now, **random_fields(chance, kind))


async def order(settings: Settings, ingest: WorkerProcess, api: WorkerProcess, count: int) -> Order:
    """Publish so many events, kill processes meanwhile, and compare. Raises Broken."""
    followers = [Follower(settings, api.url, user_id) for user_id in USERS]
    tasks = [asyncio.create_task(each.run()) for each in followers]
    try:
        async with owner_connection(settings) as connection:
            applied = await connection.fetchval("SELECT sum(next_offset) FROM inbox.positions")
            events = changes(count)
            published = 0
            victims = {count * part // 4: each for part, each in enumerate((api, api, ingest), 1)}
            began = time.monotonic()
            while piece := list(islice(events, PIECE)):
                published += await publish(settings, piece)
                for due in [due for due in victims if due <= published]:
                    victims.pop(due).kill_and_start_again()
                due_at = began + published / EVENTS_PER_SECOND
                await asyncio.sleep(max(0.0, due_at - time.monotonic()))
            await until_applied(settings, [ingest, api], applied + published)
            now = await load_shown(connection)
            await _settle(followers, now)
    finally:
        for task in tasks:
            task.cancel()
    for each in followers:
        expect(each.wrong == 0, f"{each.user_id}: {each.wrong} events doubled or out of order")
        missing = await each.missing(now)
        expect(missing == 0, f"{each.user_id}: {missing} conversations or messages missed")
    return Order(
        published=published,
        conversations=len(now.versions),
        messages=len(now.messages),
        followers=followers,
    )


async def _settle(followers: list[Follower], now: Shown) -> None:
    """Wait until all followers know everything, for SETTLE_SECONDS at most."""
    deadline = asyncio.get_running_loop().time() + SETTLE_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        if not any([each.resets == 0 or await each.missing(now) for each in followers]):
            return
        await asyncio.sleep(RETRY_SECONDS)
