"""A reply is posted at most once, whatever happens between the POST and its answer."""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from msgspec import structs

from tests.bus import Bus
from tests.e2e.inbox import Inbox, Owner
from tests.events import (
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
from tests.mock_twilio import Fault, MockTwilio, faults
from tests.mock_twilio.tellings import missing
from tests.waiting import until
from tests.worker import Worker
from workers.settings import Settings

SENDER, MARIA, JONAS = "whatsapp:+14155238886", "whatsapp:+4915112345678", "whatsapp:+4922"
TEMPLATE = "HX" + "a" * 32

Told = list[tuple[str, str, int | None]]
"""Events of a part: their types without `message.`, statuses, and error codes."""


class Desk(Inbox):
    """An inbox whose replies go to a mock of Twilio. Their texts tell them apart."""

    def __init__(self, inbox: Inbox, mock: MockTwilio, worker: Worker) -> None:
        super().__init__(inbox.settings, inbox.bus, inbox.owner)
        self.mock = mock
        self.worker = worker

    async def write(self, *bodies: str, **fields: Any) -> None:
        """Maria is answered."""
        await self.bus.publish(*[reply(MARIA, body, **fields) for body in bodies])

    async def parts(self, column: str = "state") -> dict[str, Any]:
        """What a column says of each part, by its text."""
        rows = await self.owner.fetch("SELECT * FROM inbox.sends")
        return {row["body"]: row[column] for row in rows}

    async def until_parts(self, wanted: Mapping[str, Any], column: str = "state") -> None:
        """Wait until a column says this of all parts."""

        async def ask() -> bool:
            return await self.parts(column) == wanted

        await until(ask, f"{column}: {wanted}")

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

    def posts(self) -> Counter[str]:
        """POSTs that came in, by text, in the order of the first of each."""
        return Counter(
            dict(parse_qsl(request.body)).get("Body", "")
            for request in self.mock.ledger.requests
            if request.route == "send"
        )

    def sids(self) -> dict[str, str]:
        """What Twilio took, in order."""
        return {sent.body: sent.sid for sent in self.mock.ledger.sends}

    async def published(self) -> dict[str, Told]:
        """What was published of each part."""
        rows = await self.owner.fetch("SELECT message_id::text, part, body FROM inbox.sends")
        bodies = {(row["message_id"], row["part"]): row["body"] for row in rows}
        told: dict[str, Told] = defaultdict(list)
        for read in await self.read("messages.sent"):
            body = bodies[read.data["message_id"], read.data["part"]]
            kind = read.kind.removeprefix("message.")
            told[body].append((kind, read.data["status"], read.data.get("error_code")))
        return told

    async def pass_time(self, seconds: float) -> None:
        """Make of all parts of unknown outcome what they are so much later, when they are due."""
        await self.owner.execute(
            "UPDATE inbox.sends SET due_at = clock_timestamp(), "
            "posting_at = posting_at - $1::interval WHERE state = 'uncertain'",
            timedelta(seconds=seconds),
        )


@asynccontextmanager
async def serving(settings: Settings, bus: Bus, owner: Owner, log: Path) -> AsyncIterator[Desk]:
    """A desk with a user, a channel, and a contact who just wrote.

    Whatever happens there, nothing is taken twice, and nothing becomes a dead letter.
    """
    async with MockTwilio() as mock:
        settings = replace(settings, twilio_api_url=mock.url, send_rates={"": 1000.0})
        worker = Worker(settings, log, "ingest,relay,web,send")
        await worker.start()
        desk = Desk(Inbox(settings, bus, owner), mock, worker)
        try:
            await desk.apply(user("ana"), channel(SENDER), heard())
            yield desk
            taken = Counter(sent.status_callback for sent in mock.ledger.sends)
            assert [each for each, count in taken.items() if count > 1] == []
            assert await bus.read("dead-letters") == []
        finally:
            await worker.stop()


def heard(contact: str = MARIA, ago: timedelta = timedelta(0)) -> Event:
    """What a contact wrote a while ago."""
    return message(contact, "Hello", sent_at=datetime.now(UTC) - ago)


@pytest.fixture
async def desk(settings: Settings, bus: Bus, owner: Owner, tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk."""
    async with serving(settings, bus, owner, tmp_path / "worker.log") as desk:
        yield desk


async def test_a_reply_waits_while_connections_are_refused(desk: Desk) -> None:
    async with desk.mock.refusing():
        await desk.write("hi")
        await desk.until_tried("hi", 2)
    await desk.until_parts({"hi": "accepted"})
    assert desk.posts() == {"hi": 1}


async def test_a_reply_that_is_throttled_is_sent_once_and_before_those_after_it(desk: Desk) -> None:
    desk.mock.faults.add(faults.throttled(times=2, where={"Body": "first"}))
    await desk.write("first", "second")
    await desk.until_parts({"first": "accepted", "second": "accepted"})
    assert list(desk.sids()) == ["first", "second"]
    assert list(desk.posts().items()) == [("first", 3), ("second", 1)]


async def test_a_reply_waits_as_long_as_it_is_told_to(desk: Desk) -> None:
    desk.mock.faults.add(faults.throttled(1000, times=1))
    await desk.write("hi")

    async def waits() -> bool:
        waits = "state = 'queued' AND due_at > clock_timestamp() + interval '900 seconds'"
        return bool(await desk.owner.fetchval(f"SELECT {waits} FROM inbox.sends"))  # noqa: S608

    await until(waits, "a reply that waits")
    await desk.owner.execute("UPDATE inbox.sends SET due_at = clock_timestamp()")
    await desk.until_parts({"hi": "accepted"})
    assert desk.posts() == {"hi": 2}


REFUSED = {
    "json": (faults.refused(21211), 21211),
    "problem": (faults.problem("before", 400, 21610), 21610),
}


@pytest.mark.parametrize("shape", REFUSED)
async def test_a_reply_that_is_refused_fails_and_those_after_it_go_on(
    desk: Desk, shape: str
) -> None:
    fault, code = REFUSED[shape]
    desk.mock.faults.add(_of(fault, "bad"))
    await desk.write("bad", "good")
    await desk.until_parts({"bad": "failed", "good": "accepted"})
    assert (await desk.published())["bad"] == [("failed", "failed", code)]
    assert await desk.parts("error_code") == {"bad": code, "good": None}
    assert desk.posts() == {"bad": 1, "good": 1}


TAKEN = {
    "5xx": faults.server_error("after"),
    "HTML": faults.html_502("after"),
    "lost": faults.answer_lost(),
    "cut": faults.answer_cut(),
    "reset": faults.connection_reset("after"),
}
"""Answers that do not say that the message was taken, though it was, by the text of a reply."""

UNTAKEN = {
    "5xx": faults.server_error("before"),
    "500": faults.server_error("before", 500),
    "HTML": faults.html_502("before"),
    "closed": faults.connection_closed(),
    "reset": faults.connection_reset("before"),
}
"""Likewise, though it was not."""


def _of(fault: Fault, body: str) -> Fault:
    """A fault for one text."""
    return structs.replace(fault, where={"Body": body})


async def meet(desk: Desk, met: Mapping[str, Fault]) -> None:
    """Write a reply for each fault."""
    desk.mock.faults.add(*[_of(fault, body) for body, fault in met.items()])
    await desk.write(*met)


async def test_callbacks_settle_what_was_taken(desk: Desk) -> None:
    await meet(desk, TAKEN)
    await desk.until_parts(dict.fromkeys(TAKEN, "read"), "status")
    assert await desk.parts("provider_message_id") == desk.sids()
    assert desk.posts() == Counter(TAKEN.keys())
    for told in (await desk.published()).values():
        assert [kind for kind, *_ in told].count("accepted") == 1


async def test_the_list_settles_what_was_taken(desk: Desk) -> None:
    desk.mock.tellings.add(missing())
    await meet(desk, TAKEN)
    await desk.until_parts(dict.fromkeys(TAKEN, "uncertain"))
    await desk.pass_time(15)
    await desk.until_parts(dict.fromkeys(TAKEN, "accepted"))
    assert await desk.parts("provider_message_id") == desk.sids()
    assert await desk.published() == {body: [("accepted", "read", None)] for body in TAKEN}
    assert desk.posts() == Counter(TAKEN.keys())


async def test_what_nobody_finds_is_uncertain_until_a_receipt_comes(desk: Desk) -> None:
    await meet(desk, UNTAKEN)
    await desk.until_parts(dict.fromkeys(UNTAKEN, "uncertain"))
    await desk.pass_time(601)
    await desk.until_parts(dict.fromkeys(UNTAKEN, True), "told_uncertain")
    # Nobody looks again, even if one is due, and others pass.
    await desk.pass_time(1000)
    await desk.write("next")
    await desk.until_parts(dict.fromkeys(UNTAKEN, "uncertain") | {"next": "accepted"})
    told = await desk.published()
    assert [told[body] for body in UNTAKEN] == [[("uncertain", "uncertain", None)]] * len(UNTAKEN)
    assert desk.posts() == Counter([*UNTAKEN, "next"])

    late = str((await desk.parts("message_id"))["closed"])
    await desk.apply(receipt(late, "SM" + "f" * 32, "delivered"))
    assert (await desk.parts())["closed"] == "accepted"
    assert (await desk.parts("provider_message_id"))["closed"] == "SM" + "f" * 32
    assert (await desk.published())["closed"][1:] == [
        ("accepted", "accepted", None),
        ("status_changed", "delivered", None),
    ]
    assert desk.posts() == Counter([*UNTAKEN, "next"])


def receipt(message_id: str, sid: str, status: str) -> Event:
    """A receipt of a reply to Maria."""
    key = conversation(MARIA)
    data = {
        "account_id": ACCOUNT,
        "channel_id": CHANNEL,
        "conversation_id": key,
        "message_id": message_id,
        "attempt": 1,
        "provider_message_id": sid,
        "status": status,
    }
    return event("message.status", data, key=key)
