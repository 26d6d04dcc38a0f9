"""A desk: an inbox whose replies go to a mock of Twilio, and what became of them."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import asyncpg

from bench.mock_twilio import MockTwilio
from bench.mock_twilio.ledger import Send
from tests.harness.inbox import Inbox, Owner, answers
from tests.harness.published import (
    ACCOUNT,
    CHANNEL,
    Event,
    channel,
    conversation,
    event,
    message,
    reply,
    user,
)
from tests.harness.topics import Bus
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.dev.embedded.ports import free_port
from workers.settings import Settings

SENDER, MARIA, JONAS = "whatsapp:+14155238886", "whatsapp:+4915112345678", "whatsapp:+4922"
TEMPLATE = "HX" + "a" * 32

FRONT = "ingest,relay,web"
"""All that a worker may do but send."""

Told = list[tuple[str, str, int | None]]
"""Events of a part: their types without `message.`, statuses, and error codes."""


class Desk(Inbox):
    """An inbox whose replies go to a mock of Twilio. Their texts tell them apart."""

    def __init__(self, inbox: Inbox, mock: MockTwilio, worker: Worker) -> None:
        super().__init__(inbox.settings, inbox.bus, inbox.owner)
        self.mock = mock
        self.worker = worker
        self._senders = 0

    @asynccontextmanager
    async def sender(self, **changed: Any) -> AsyncIterator[Worker]:
        """Another worker, which only sends, with some settings changed. It may be killed."""
        self._senders += 1
        settings = replace(self.settings, **{"web_port": free_port()} | changed)
        log = self.worker.log.with_suffix(f".sender-{self._senders}")
        worker = Worker(settings, log, "send")
        try:
            await worker.start()
            yield worker
        finally:
            await worker.stop()

    async def hear(self, *contacts: str) -> None:
        """Contacts write for the first time; returns once they are known."""
        await self.bus.publish(*map(heard, contacts))
        known = "SELECT count(*) FROM inbox.conversations WHERE contact_address = ANY($1)"

        async def ask() -> bool:
            return bool(await self.owner.fetchval(known, contacts) == len(contacts))

        await until(ask, "conversations")

    async def write(self, *bodies: str, to: str = MARIA, **fields: Any) -> None:
        """A contact is answered."""
        await self.bus.publish(*[reply(to, body, **fields) for body in bodies])

    async def results(self) -> list[tuple[str, str | None]]:
        """What commands were answered, a code where they were rejected."""
        return [(kind, code) for kind, code, _ in answers(await self.read("results"))]

    async def rows(self) -> list[asyncpg.Record]:
        """All parts, in the order of sending within each conversation."""
        return await self.owner.fetch(
            "SELECT * FROM inbox.sends ORDER BY conversation_id, version, part"
        )

    async def parts(self, column: str = "state") -> dict[str, Any]:
        """What a column says of each part, by its text."""
        return {row["body"]: row[column] for row in await self.rows()}

    async def until_parts(self, wanted: Mapping[str, Any], column: str = "state") -> None:
        """Wait until a column says this of all parts."""

        async def ask() -> bool:
            return await self.parts(column) == wanted

        await until(ask, f"{column}: {wanted}")

    async def until_states(self, **count: int) -> None:
        """Wait until so many parts have each state, and none has another."""

        async def ask() -> bool:
            return Counter(row["state"] for row in await self.rows()) == count

        await until(ask, f"parts: {count}")

    async def until_tried(self, body: str, count: int) -> None:
        """Wait until a part was begun to be posted so often."""

        async def ask() -> bool:
            return bool((await self.parts("attempts")).get(body, 0) >= count)

        await until(ask, f"{count} attempts")

    async def until_posted(self, count: int) -> None:
        """Wait until so many POSTs came in."""

        async def ask() -> bool:
            return self.posts().total() >= count

        await until(ask, f"{count} POSTs")

    async def until_looked(self) -> None:
        """Wait until all parts of unknown outcome were looked for, and will be again."""

        async def ask() -> bool:
            return bool(await self.owner.fetchval(_LOOKED))

        await until(ask, "a look")

    def posted(self, to: str | None = None) -> list[str]:
        """The texts of all POSTs that came in, in order; of those to one contact, if one is given.

        A template's is "".
        """
        forms = [
            dict(parse_qsl(request.body))
            for request in self.mock.ledger.requests
            if request.route == "send"
        ]
        return [form.get("Body", "") for form in forms if to in {None, form["To"]}]

    def posts(self) -> Counter[str]:
        """How many POSTs came in, by text, in the order of the first of each."""
        return Counter(self.posted())

    def sids(self) -> dict[str, str]:
        """What Twilio took, by text, in order."""
        return {sent.body: sent.sid for sent in self.mock.ledger.sends}

    def sent(self, body: str) -> Send:
        """The one message that a text became."""
        [sent] = [sent for sent in self.mock.ledger.sends if sent.body == body]
        return sent

    async def published(self) -> dict[str, Told]:
        """What was published of each part."""
        bodies = {(str(row["message_id"]), row["part"]): row["body"] for row in await self.rows()}
        told: dict[str, Told] = defaultdict(list)
        for read in await self.read("messages.sent"):
            body = bodies[read.data["message_id"], read.data["part"]]
            kind = read.kind.removeprefix("message.")
            told[body].append((kind, read.data["status"], read.data.get("error_code")))
        return told

    async def pass_time(self, seconds: float = 0) -> None:
        """Make of all parts that are on their way what they are so much later, when they are due.

        Their conversations are held meanwhile, so that no worker writes over it.
        """
        async with self.owner.transaction():
            await self.owner.execute(_HOLD)
            await self.owner.execute(
                "UPDATE inbox.sends SET due_at = clock_timestamp(),"
                " created_at = created_at - $1::interval, posting_at = posting_at - $1::interval"
                " WHERE state IN ('queued', 'posting', 'uncertain')",
                timedelta(seconds=seconds),
            )

    def let_go(self) -> None:
        """Twilio answers at once what it is slow with, and hangs up on whatever hangs."""
        # Who waits for the end of the mock wakes up, though it goes on.
        self.mock.stopping.set()
        self.mock.stopping.clear()

    async def call_back(self, sent: Send, status: str, **fields: Any) -> None:
        """Twilio tells what became of a message, and of which part it is; returns once applied."""
        message_id, part = part_of(sent)
        await self.apply(
            receipt(sent.sid, status, sent.to, message_id=message_id, attempt=part, **fields)
        )


_HOLD = "SELECT FROM inbox.conversations ORDER BY account_id, conversation_id FOR UPDATE"
"""In the order in which workers lock them."""

_LOOKED = """
SELECT bool_and(extract(epoch FROM due_at - posting_at) IN (60, 180, 600))
FROM inbox.sends WHERE state = 'uncertain'
"""


def part_of(sent: Send) -> tuple[str, int]:
    """The reply and the part that a message's callbacks name."""
    query = dict(parse_qsl(str(sent.status_callback).partition("?")[2]))
    return query["mid"], int(query["a"])


@asynccontextmanager
async def serving(
    settings: Settings,
    bus: Bus,
    owner: Owner,
    log: Path,
    roles: str = f"{FRONT},send",
    **changed: Any,
) -> AsyncIterator[Desk]:
    """A desk with a user, a channel, and a contact who just wrote; with some settings changed.

    Whatever happens there, nothing is taken twice, and nothing becomes a dead letter.
    """
    async with MockTwilio() as mock:
        unhindered = {"twilio_api_url": mock.url, "send_rates": {"": 1000.0}}
        settings = replace(settings, **unhindered | changed)
        worker = Worker(settings, log, roles)
        desk = Desk(Inbox(settings, bus, owner), mock, worker)
        try:
            await worker.start()
            await desk.apply(user("ana"), channel(SENDER), heard())
            yield desk
            taken = Counter(sent.status_callback for sent in mock.ledger.sends)
            assert [each for each, count in taken.items() if count > 1] == []
            assert await bus.read("dead-letters") == []
        finally:
            desk.let_go()
            await worker.stop()


def heard(contact: str = MARIA, ago: timedelta = timedelta(0)) -> Event:
    """What a contact wrote a while ago."""
    return message(contact, "Hello", sent_at=datetime.now(UTC) - ago)


def receipt(sid: str, status: str, contact: str = MARIA, **fields: Any) -> Event:
    """A receipt that does not say which reply it is of, unless it is told to."""
    data = {"account_id": ACCOUNT, "channel_id": CHANNEL, "provider_message_id": sid}
    return event("message.status", data | {"status": status} | fields, key=conversation(contact))
