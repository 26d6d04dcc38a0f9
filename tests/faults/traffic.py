"""The traffic of a run: what contacts, users, a CRM, Twilio and strangers do, all at once.

The history gets each request and its outcome. The traffic goes on until it is stopped, also while
servers are down.
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

from bench.load.input_events import (
    ACCOUNT,
    LEAVER,
    USERS,
    InputEvent,
    command,
    conversation_of,
    directory,
    input_event,
    message,
    random_fields,
    removal,
    reply_bodies,
    user,
)
from bench.load.message_load import zipf_weights
from schemas.cloudevents import CONTENT_TYPE_HEADER
from tests.faults import bad_input
from tests.faults.history import History, Kind, OperationOutcome
from tests.harness.twilio import FORM_TYPE, Twilio, form
from workers.kafka.clients import client_arguments
from workers.settings import Settings, required

OUR_ADDRESS = "whatsapp:+14155238886"
CONTACTS = 120
DELETABLE = 12
"""The last contacts. Their conversations are deleted now and then, and get no replies."""
CROWD = 4_000
"""Further contacts, who only write. They make a run large; nothing special happens to them."""
BURST = 20
"""How many messages of the crowd are published at once."""
UNDER_WAY_MAX = 200
"""How many operations of one kind may be under way; while servers are down, the traffic waits."""
OPERATION_SECONDS = 8
WEBHOOK_ATTEMPTS = 40
WEBHOOK_PAUSE_SECONDS = 0.5

_COMMANDS = (*["assign", "close", "close", "reopen"] * 4, *["link"] * 4, "unlink", "request")


def contacts() -> list[str]:
    """Returns the addresses of all contacts but the crowd."""
    return [f"whatsapp:+49{number:09d}" for number in range(CONTACTS)]


class Traffic:
    """Makes requests at certain rates, until it is stopped."""

    def __init__(self, settings: Settings, history: History, seed: int) -> None:
        self._settings = settings
        self.history = history
        self._chance = random.Random(seed)  # noqa: S311  # repeatable on purpose
        self._tasks: set[asyncio.Task[None]] = set()
        self._number = 0
        self._stopping = False
        self._producer: AIOKafkaProducer | None = None
        self._contacts = contacts()
        self._crowd = [f"whatsapp:+48{number:09d}" for number in range(CROWD)]

    async def __aenter__(self) -> "Traffic":
        timeout = aiohttp.ClientTimeout(total=OPERATION_SECONDS)
        connector = aiohttp.TCPConnector(force_close=True, limit=0)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=connector)
        self._twilio = Twilio(self._settings.public_url, self._session)
        self._producer = AIOKafkaProducer(
            **client_arguments(self._settings),
            acks="all",
            request_timeout_ms=OPERATION_SECONDS * 1000,
        )
        await self._producer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        assert self._producer is not None
        with suppress(TimeoutError):
            async with asyncio.timeout(OPERATION_SECONDS):
                await self._producer.stop()
        await self._session.close()

    async def publish_directory(self) -> None:
        """Publish the users and the channel: only known users are notified of later messages."""
        for each in directory():
            await self.publish("directory", each, f"directory-{self._next()}")

    async def open_windows(self) -> None:
        """Publish a message of each contact, which opens the window for replies."""
        for contact in self._contacts:
            await self._message(contact, direct=True)

    async def run(self, messages_per_second: float, crowd_per_second: float = 0.0) -> None:
        """Make requests until `stop`, then return once each has ended."""
        rate = messages_per_second
        streams = [
            self._stream(rate * 0.75, lambda: self._message(self._contact(), direct=True)),
            self._stream(rate * 0.25, lambda: self._message(self._contact(), direct=False)),
            self._stream(rate * 0.12, self._command),
            self._stream(min(8.0, rate * 0.1), self._reply),
            self._stream(1.0, self._note_change),
            self._stream(min(3.0, rate * 0.03), self._poison),
            self._stream(min(4.0, rate * 0.05), self._bad_webhook),
            self._stream(0.5, self._upsert),
            self._stream(0.3, self._come_or_go),
        ]
        if crowd_per_second:
            streams.append(self._stream(crowd_per_second / BURST, self._burst))
        await asyncio.gather(*streams)
        await asyncio.gather(*self._tasks)

    def stop(self) -> None:
        """Make no further requests."""
        self._stopping = True

    async def _stream(
        self, per_second: float, operation: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        room = asyncio.Semaphore(UNDER_WAY_MAX)
        while not self._stopping:
            await asyncio.sleep(min(5.0, self._chance.expovariate(per_second)))
            await room.acquire()
            task = asyncio.ensure_future(operation())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(lambda _: room.release())

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _contact(self) -> str:
        return self._chance.choices(self._contacts, zipf_weights(CONTACTS, flattened_by=5))[0]

    async def _message(self, contact: str, *, direct: bool) -> None:
        sid = f"SM{self._next():032d}"
        if not direct:
            await self._webhook(sid, contact)
            return
        now = datetime.now(UTC)
        await self.publish("message", message(sid, contact, now), sid, contact)
        if self._chance.random() < 0.1:
            # Another publisher publishes the message too.
            await self.publish("message", message(sid, contact, now, "twice"), sid, contact)

    async def _burst(self) -> None:
        writing = self._chance.choices(self._crowd, k=BURST)
        await asyncio.gather(*(self._message(contact, direct=True) for contact in writing))

    async def _webhook(self, sid: str, contact: str) -> None:
        """Post a message's webhook until it is answered 204, as Twilio does."""
        body = form(MessageSid=sid, From=contact, To=OUR_ADDRESS, Body=f"Message {sid}")
        op = self.history.start("message", "webhook", sid, contact)
        outcome: OperationOutcome = "fail"
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
            await asyncio.sleep(WEBHOOK_PAUSE_SECONDS)
        self.history.end(op, outcome, detail)

    async def publish(self, kind: Kind, event: InputEvent, name: str, contact: str = "") -> None:
        """Publish an event to Kafka, and write the request and its outcome into the history."""
        topic, key, value = event
        op = self.history.start(kind, topic, name, contact)
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
        word = self._chance.choice(_COMMANDS)
        number = self._chance.randrange(CONTACTS)
        if number >= CONTACTS - DELETABLE and self._chance.random() < 0.3:
            word = "delete"
        contact, number = self._contacts[number], self._next()
        actor_id = self._chance.choice(USERS)
        kind = "entity.request" if word == "request" else f"conversation.{word}"
        fields = random_fields(self._chance, kind)
        if word == "request":
            fields = {"entity": {"type": "deal", "name": f"Deal {number}"}}
        # Some commands come late: messages that were sent after them are recorded already.
        issued_at = datetime.now(UTC) - timedelta(seconds=self._chance.choice((0, 0, 30)))
        name = f"command-{number}"
        event = command(kind, contact, name, issued_at, actor_id=actor_id, **fields)
        for _ in range(2 if self._chance.random() < 0.1 else 1):
            await self.publish("command", event, name, contact)

    async def _reply(self) -> None:
        contact = self._contacts[self._chance.randrange(CONTACTS - DELETABLE)]
        number = self._next()
        actor_id = self._chance.choice(USERS)
        body = self._chance.choice(reply_bodies(number))
        name = f"reply-{number}"
        event = command(
            "message.send", contact, name, datetime.now(UTC), actor_id=actor_id, body=body
        )
        await self.publish("reply", event, name, contact)

    async def _note_change(self) -> None:
        """Publish, as the CRM does, that somebody edited or deleted one of the notes."""
        try:
            row = await self._a_note()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return
        if row is None:
            return
        kind = self._chance.choice(("note.edited", "note.deleted"))
        data = {"account_id": ACCOUNT, "conversation_id": row[0], "note_id": row[1]}
        name = f"note-{self._next()}"
        event = input_event(kind, data, str(row[0]), name, datetime.now(UTC))
        await self.publish("note", event, name)

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
        """Publish a part of the directory again."""
        event = self._chance.choice(list(directory()))
        await self.publish("directory", event, f"directory-{self._next()}")

    async def _come_or_go(self) -> None:
        """Publish that a user, not the installer, is removed, loses inbox access, or comes back."""
        name = f"directory-{self._next()}"
        changes = (
            removal(LEAVER, name),
            user(LEAVER, name, inbox_access=False),
            user(LEAVER, name),
        )
        await self.publish("directory", self._chance.choice(changes), name)

    async def _poison(self) -> None:
        poison = bad_input.poison(self._chance, self._next())
        key = conversation_of(self._contact()).encode()
        op = self.history.start("poison", poison.topic, poison.name)
        await self._send(op, poison.topic, key=key, value=poison.value, headers=poison.headers)

    async def _bad_webhook(self) -> None:
        """Post a bad webhook. The history gets the status of the answer, and the correct one."""
        bad = bad_input.bad_webhook(self._chance, self._next(), self._twilio)
        op = self.history.start("bad webhook", bad.path, bad.name)
        try:
            async with self._session.post(
                self._settings.public_url + bad.path,
                data=io.BytesIO(bad.body),
                headers={"Content-Type": FORM_TYPE} | bad.headers,
            ) as response:
                self.history.end(op, "ok", f"{response.status} {bad.wanted}")
        except (aiohttp.ClientError, TimeoutError) as error:
            self.history.end(op, "unknown", type(error).__name__)
