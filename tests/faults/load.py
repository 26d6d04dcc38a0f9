"""The load of a run: everything that contacts, users, a CRM, Twilio and strangers do at once.

What was asked and what was answered goes into the history. It goes on until it is told to stop,
whatever is away meanwhile.
"""

import asyncio
import io
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from bench.load.load import ACCOUNT, CHANNEL, ENTITIES, USERS, Made, directory, made, message
from schemas.cloudevents import CONTENT_TYPE_HEADER
from schemas.ids import conversation_id
from tests.faults import hostile
from tests.faults.history import History, Kind, Outcome
from tests.harness.twilio import FORM_TYPE, Twilio, form
from workers.kafka.clients import client_arguments
from workers.settings import Settings, required

OUR_ADDRESS = "whatsapp:+14155238886"
CONTACTS = 120
DELETABLE = 12
"""The last contacts, whose conversations are deleted now and then, and who are not replied to."""
CROWD = 4_000
"""Further contacts, who only write. Their number, not what happens to them, makes a run long."""
BURST = 20
"""Messages of the crowd that are published at once."""
UNDER_WAY_MAX = 200
"""Operations of one kind at once; when servers are away, the load waits with them."""
REQUEST_SECONDS = 8
WEBHOOK_ATTEMPTS = 40
AGAIN_SECONDS = 0.5

_COMMANDS = (*["assign", "close", "close", "reopen"] * 4, *["link"] * 4, "unlink", "request")


def contacts() -> list[str]:
    """The addresses of all contacts."""
    return [f"whatsapp:+49{number:09d}" for number in range(CONTACTS)]


class Load:
    """Asks for things, at rates, until told to stop."""

    def __init__(self, settings: Settings, history: History, seed: int) -> None:
        self._settings = settings
        self.history = history
        self._chance = random.Random(seed)  # noqa: S311  # repeatable on purpose
        self._tasks: set[asyncio.Task[None]] = set()
        self._number = 0
        self._stopping = False
        self._without_replies = False
        self._producer: AIOKafkaProducer | None = None
        self._contacts = contacts()
        self._crowd = [f"whatsapp:+48{number:09d}" for number in range(CROWD)]

    async def __aenter__(self) -> "Load":
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        connector = aiohttp.TCPConnector(force_close=True, limit=0)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=connector)
        self._twilio = Twilio(self._settings.public_url, self._session)
        self._producer = AIOKafkaProducer(
            **client_arguments(self._settings),
            acks="all",
            request_timeout_ms=REQUEST_SECONDS * 1000,
        )
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        assert self._producer is not None
        with suppress(TimeoutError):
            async with asyncio.timeout(REQUEST_SECONDS):
                await self._producer.stop()
        await self._session.close()

    async def introduce(self) -> None:
        """The users and the channel: only who is known then is told of what comes later."""
        for each in directory():
            await self.publish("directory", each, f"directory-{self._next()}")

    async def greet(self) -> None:
        """A message of each contact, so that there are windows."""
        for contact in self._contacts:
            await self._message(contact, direct=True)

    async def run(self, messages_per_second: float, crowd_per_second: float = 0.0) -> None:
        """Ask for things until told to stop, then return once all is answered or given up."""
        rate = messages_per_second
        streams = [
            self._stream(rate * 0.75, lambda: self._message(self._contact(), direct=True)),
            self._stream(rate * 0.25, lambda: self._message(self._contact(), direct=False)),
            self._stream(rate * 0.12, self._command),
            self._stream(min(8.0, rate * 0.1), self._reply),
            self._stream(1.0, self._note_change),
            self._stream(min(3.0, rate * 0.03), self._poison),
            self._stream(min(4.0, rate * 0.05), self._hostile),
            self._stream(0.5, self._upsert),
        ]
        if crowd_per_second:
            streams.append(self._stream(crowd_per_second / BURST, self._burst))
        await asyncio.gather(*streams)
        await asyncio.gather(*self._tasks)

    def stop_replies(self) -> None:
        """Ask for no more replies: what is of unknown outcome takes longest to be settled."""
        self._without_replies = True

    def stop(self) -> None:
        """Ask for nothing more."""
        self._stopping = True

    async def _stream(
        self, per_second: float, ask: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        room = asyncio.Semaphore(UNDER_WAY_MAX)
        while not self._stopping:
            await asyncio.sleep(min(5.0, self._chance.expovariate(per_second)))
            await room.acquire()
            task = asyncio.ensure_future(ask())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(lambda _: room.release())

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _contact(self) -> str:
        # A few write most of the messages, as Zipf says.
        weights = [1 / (rank + 5) for rank in range(CONTACTS)]
        return self._chance.choices(self._contacts, weights)[0]

    async def _message(self, contact: str, *, direct: bool) -> None:
        sid = f"SM{self._next():032d}"
        if not direct:
            await self._webhook(sid, contact)
            return
        now = datetime.now(UTC)
        await self.publish("message", message(sid, contact, now), sid, contact)
        if self._chance.random() < 0.1:
            # Another publisher has it too.
            await self.publish("message", message(sid, contact, now, "twice"), sid, contact)

    async def _burst(self) -> None:
        writing = self._chance.choices(self._crowd, k=BURST)
        await asyncio.gather(*(self._message(contact, direct=True) for contact in writing))

    async def _webhook(self, sid: str, contact: str) -> None:
        """As Twilio does: again and again, until somebody answers for it."""
        body = form(MessageSid=sid, From=contact, To=OUR_ADDRESS, Body=f"Message {sid}")
        op = self.history.invoke("message", "webhook", sid, contact)
        outcome: Outcome = "fail"
        detail = ""
        for _ in range(WEBHOOK_ATTEMPTS):
            try:
                status = await self._twilio.post(body)
            except aiohttp.ClientConnectorError as error:
                detail = type(error).__name__
            except (aiohttp.ClientError, TimeoutError) as error:
                outcome, detail = "unknown", type(error).__name__
            else:
                if status == 204:
                    outcome, detail = "ok", "204"
                    break
                outcome, detail = "unknown", str(status)
                if status != 503:
                    break
            if self._stopping:
                break
            await asyncio.sleep(AGAIN_SECONDS)
        self.history.end(op, outcome, detail)

    async def publish(self, kind: Kind, event: Made, name: str, contact: str = "") -> None:
        """Put an event into Kafka, and both into the history."""
        topic, key, value = event
        op = self.history.invoke(kind, topic, name, contact)
        headers = [CONTENT_TYPE_HEADER]
        await self._send(op, topic, key=key.encode(), value=value, headers=headers)

    async def _send(self, op: int, topic: str, **record: Any) -> None:
        assert self._producer is not None
        try:
            sent = await self._producer.send_and_wait(self._settings.topic(topic), **record)
        except (KafkaError, TimeoutError) as error:
            self.history.end(op, "unknown", type(error).__name__)
        else:
            self.history.end(op, "ok", f"{sent.partition}@{sent.offset}")

    async def _command(self) -> None:
        kind = self._chance.choice(_COMMANDS)
        number = self._chance.randrange(CONTACTS)
        if number >= CONTACTS - DELETABLE and self._chance.random() < 0.3:
            kind = "delete"
        contact, number = self._contacts[number], self._next()
        key = conversation_id(ACCOUNT, CHANNEL, contact)
        data: dict[str, Any] = {
            "account_id": ACCOUNT,
            "conversation_id": key,
            "actor_id": self._chance.choice(USERS),
        }
        type_ = f"conversation.{kind}"
        if kind == "assign":
            data["assignee_id"] = self._chance.choice((*USERS, None))
        elif kind in {"link", "unlink"}:
            entity = self._chance.choice(ENTITIES)
            data["entity"] = dict(zip(("type", "id"), entity, strict=True))
        elif kind == "request":
            type_ = "entity.request"
            data["entity"] = {"type": "deal", "name": f"Deal {number}"}
        # Some were issued before messages that are recorded by now, and come late.
        issued = datetime.now(UTC) - timedelta(seconds=self._chance.choice((0, 0, 30)))
        event = made(type_, data, key, f"command-{number}", issued)
        for _ in range(2 if self._chance.random() < 0.1 else 1):
            await self.publish("command", event, f"command-{number}", contact)

    async def _reply(self) -> None:
        if self._without_replies:
            return
        contact = self._contacts[self._chance.randrange(CONTACTS - DELETABLE)]
        number = self._next()
        key = conversation_id(ACCOUNT, CHANNEL, contact)
        data = {
            "account_id": ACCOUNT,
            "conversation_id": key,
            "actor_id": self._chance.choice(USERS),
            "body": self._chance.choice(
                (f"Reply {number}", "Thank you!", f"Reply {number} " * 200)
            ),
        }
        event = made("message.send", data, key, f"reply-{number}", datetime.now(UTC))
        await self.publish("reply", event, f"reply-{number}", contact)

    async def _note_change(self) -> None:
        """The CRM tells that somebody edited or deleted one of the notes there are."""
        try:
            row = await self._a_note()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return
        if row is None:
            return
        kind = self._chance.choice(("note.edited", "note.deleted"))
        data = {"account_id": ACCOUNT, "conversation_id": row[0], "note_id": row[1]}
        name = f"note-{self._next()}"
        await self.publish("note", made(kind, data, str(row[0]), name, datetime.now(UTC)), name)

    async def _a_note(self) -> Any:
        url = required(self._settings.migration_database_url, "database")
        connection = await asyncpg.connect(url, timeout=2, command_timeout=2)
        try:
            return await connection.fetchrow(
                "SELECT conversation_id, note_id FROM inbox.links ORDER BY random() LIMIT 1"
            )
        finally:
            connection.terminate()

    async def _upsert(self) -> None:
        """What is known of users is told again."""
        event = self._chance.choice(list(directory()))
        await self.publish("directory", event, f"directory-{self._next()}")

    async def _poison(self) -> None:
        poison = hostile.poison(self._chance, self._next())
        key = conversation_id(ACCOUNT, CHANNEL, self._contact()).encode()
        op = self.history.invoke("poison", poison.topic, poison.name)
        await self._send(op, poison.topic, key=key, value=poison.value, headers=poison.headers)

    async def _hostile(self) -> None:
        """A webhook that nobody may take. Its history says what it was answered."""
        bad = hostile.webhook(self._chance, self._next(), self._twilio)
        op = self.history.invoke("hostile", bad.path, bad.name)
        try:
            async with self._session.post(
                self._settings.public_url + bad.path,
                data=io.BytesIO(bad.body),
                headers={"Content-Type": FORM_TYPE} | bad.headers,
            ) as response:
                self.history.end(op, "ok", f"{response.status} {bad.wanted}")
        except (aiohttp.ClientError, TimeoutError) as error:
            self.history.end(op, "unknown", type(error).__name__)
