"""An inbox that sends replies to a mock of Twilio, and what became of them."""

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
from bench.mock_twilio.account import ACCOUNTS
from bench.mock_twilio.ledger import LedgerSend
from tests.harness.inbox import Inbox, Owner, answers
from tests.harness.input_events import (
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
from tests.harness.topics import Topics
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.dev.embedded.ports import free_port
from workers.dev.twilio_stand_in.server import Account
from workers.settings import Settings

SENDER, MARIA, JONAS = "whatsapp:+14155238886", "whatsapp:+4915112345678", "whatsapp:+4922"
TEMPLATE = "HX" + "a" * 32

WITHOUT_SEND = "ingest,relay,web"
"""All roles of a worker but `send`."""

PartEvents = list[tuple[str, str, int | None]]
"""The events of a part: their types without `message.`, statuses, and error codes."""


class SendingInbox(Inbox):
    """An inbox that sends replies to a mock of Twilio. Each reply has a text of its own."""

    def __init__(self, inbox: Inbox, mock: MockTwilio, worker: Worker) -> None:
        super().__init__(inbox.settings, inbox.topics, inbox.owner)
        self.mock = mock
        self.worker = worker
        self._senders = 0

    @asynccontextmanager
    async def sender(self, **changed: Any) -> AsyncIterator[Worker]:
        """Run another worker that only sends, with some settings changed. It may be killed."""
        self._senders += 1
        settings = replace(self.settings, **{"web_port": free_port()} | changed)
        log = self.worker.log.with_suffix(f".sender-{self._senders}")
        worker = Worker(settings, log, "send")
        try:
            await worker.start()
            yield worker
        finally:
            await worker.stop()

    async def receive_from(self, *contacts: str) -> None:
        """Receive the first message of each contact, and wait until they are known."""
        await self.topics.publish(*map(inbound, contacts))
        known = "SELECT count(*) FROM inbox.conversations WHERE contact_address = ANY($1)"

        async def are_known() -> bool:
            return bool(await self.owner.fetchval(known, contacts) == len(contacts))

        await until(are_known, "conversations")

    async def reply(self, *bodies: str, to: str = MARIA, **fields: Any) -> None:
        """Publish replies to a contact."""
        await self.topics.publish(*[reply(to, body, **fields) for body in bodies])

    async def results(self) -> list[tuple[str, str | None]]:
        """The types and rejection codes of all results; None where the command was accepted."""
        return [(kind, code) for kind, code, _ in answers(await self.read("results"))]

    async def rows(self) -> list[asyncpg.Record]:
        """All parts, in the order of sending within each conversation."""
        return await self.owner.fetch(
            "SELECT * FROM inbox.sends ORDER BY conversation_id, version, part"
        )

    async def parts(self, column: str = "state") -> dict[str, Any]:
        """The value of a column, by the text of the part."""
        return {row["body"]: row[column] for row in await self.rows()}

    async def until_parts(self, wanted: Mapping[str, Any], column: str = "state") -> None:
        """Wait until a column has these values, by the text of the part."""

        async def have_values() -> bool:
            return await self.parts(column) == wanted

        await until(have_values, f"{column}: {wanted}")

    async def until_states(self, **count: int) -> None:
        """Wait until so many parts have each state, and no part has another state."""

        async def have_states() -> bool:
            return Counter(row["state"] for row in await self.rows()) == count

        await until(have_states, f"parts: {count}")

    async def until_tried(self, body: str, count: int) -> None:
        """Wait until a part has so many attempts."""

        async def has_attempts() -> bool:
            return bool((await self.parts("attempts")).get(body, 0) >= count)

        await until(has_attempts, f"{count} attempts")

    async def until_posted(self, count: int) -> None:
        """Wait until so many POSTs came in."""

        async def have_come() -> bool:
            return self.posts().total() >= count

        await until(have_come, f"{count} POSTs")

    async def until_checked(self) -> None:
        """Wait until all uncertain parts were checked, and are due for the next check."""

        async def are_checked() -> bool:
            return bool(await self.owner.fetchval(_CHECKED))

        await until(are_checked, "a check of each uncertain part")

    def posted(self, to: str | None = None) -> list[str]:
        """The texts of all POSTs that came in, in order; with `to`, of those to one contact.

        The text of a template is "".
        """
        forms = [
            dict(parse_qsl(request.body))
            for request in self.mock.ledger.requests
            if request.route == "send"
        ]
        return [form.get("Body", "") for form in forms if to in {None, form["To"]}]

    def posts(self) -> Counter[str]:
        """How many POSTs came in, by text, in the order of the first POSTs."""
        return Counter(self.posted())

    def sids(self) -> dict[str, str]:
        """The sids of all messages that Twilio took, by text, in order."""
        return {sent.body: sent.sid for sent in self.mock.ledger.sends}

    def sent(self, body: str) -> LedgerSend:
        """The one message that Twilio took with this text."""
        [sent] = [sent for sent in self.mock.ledger.sends if sent.body == body]
        return sent

    async def published(self) -> dict[str, PartEvents]:
        """The published events of each part, by its text."""
        bodies = {(str(row["message_id"]), row["part"]): row["body"] for row in await self.rows()}
        events: dict[str, PartEvents] = defaultdict(list)
        for read in await self.read("messages.sent"):
            body = bodies[read.data["message_id"], read.data["part"]]
            kind = read.kind.removeprefix("message.")
            events[body].append((kind, read.data["status"], read.data.get("error_code")))
        return events

    async def pass_time(self, seconds: float = 0) -> None:
        """Make all unsettled parts so much older, and due.

        Their conversations are locked meanwhile, so that no worker overwrites that.
        """
        async with self.owner.transaction():
            await self.owner.execute(_LOCK)
            await self.owner.execute(
                "UPDATE inbox.sends SET due_at = clock_timestamp(),"
                " created_at = created_at - $1::interval, posting_at = posting_at - $1::interval"
                " WHERE state IN ('queued', 'posting', 'uncertain')",
                timedelta(seconds=seconds),
            )

    def release(self) -> None:
        """Let Twilio answer slow requests at once, and close the connections that hang."""
        # They wait for the end of the mock. The mock goes on all the same.
        self.mock.stopping.set()
        self.mock.stopping.clear()

    async def call_back(self, sent: LedgerSend, status: str, **fields: Any) -> None:
        """Apply a receipt that names the message's reply and part, as Twilio's callbacks do."""
        message_id, part = part_of(sent)
        await self.apply(
            receipt(sent.sid, status, sent.to, message_id=message_id, attempt=part, **fields)
        )


_LOCK = "SELECT FROM inbox.conversations ORDER BY account_id, conversation_id FOR UPDATE"
"""In the order in which workers lock them."""

_CHECKED = """
SELECT bool_and(extract(epoch FROM due_at - posting_at) IN (60, 180, 600))
FROM inbox.sends WHERE state = 'uncertain'
"""


def part_of(sent: LedgerSend) -> tuple[str, int]:
    """The reply and the part in the callback URL of a message."""
    query = dict(parse_qsl(str(sent.status_callback).partition("?")[2]))
    return query["mid"], int(query["a"])


@asynccontextmanager
async def serving(
    settings: Settings,
    topics: Topics,
    owner: Owner,
    log: Path,
    roles: str = f"{WITHOUT_SEND},send",
    *,
    accounts: Mapping[str, Account] = ACCOUNTS,
    **changed: Any,
) -> AsyncIterator[SendingInbox]:
    """Run an inbox with a user, a channel, and a contact who just wrote.

    `accounts` are those that Twilio admits, `changed` are settings. At the end it checks that
    Twilio took no part twice, and that there is no dead letter.
    """
    async with MockTwilio(accounts) as mock:
        unhindered = {"twilio_api_url": mock.url, "send_rates": {"": 1000.0}}
        settings = replace(settings, **unhindered | changed)
        worker = Worker(settings, log, roles)
        inbox = SendingInbox(Inbox(settings, topics, owner), mock, worker)
        try:
            await worker.start()
            await inbox.apply(user("ana"), channel(SENDER), inbound())
            yield inbox
            taken = Counter(sent.status_callback for sent in mock.ledger.sends)
            assert [each for each, count in taken.items() if count > 1] == []
            assert await topics.read("dead-letters") == []
        finally:
            inbox.release()
            await worker.stop()


def inbound(contact: str = MARIA, ago: timedelta = timedelta(0)) -> Event:
    """A message that a contact wrote a while ago."""
    return message(contact, "Hello", sent_at=datetime.now(UTC) - ago)


def receipt(sid: str, status: str, contact: str = MARIA, **fields: Any) -> Event:
    """A receipt; it names no reply, unless `fields` do."""
    data = {"account_id": ACCOUNT, "channel_id": CHANNEL, "provider_message_id": sid}
    return event("message.status", data | {"status": status} | fields, key=conversation(contact))
