"""What becomes of a reply only ever moves forward, however Twilio tells it."""

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import aiohttp

from bench.mock_twilio import MockTwilio, Telling, faults
from bench.mock_twilio.tellings import missing
from domain.delivery import later
from tests.harness.sending_inbox import TEMPLATE, Desk
from tests.harness.waiting import until
from tests.integration.twilio.test_conformance import Session, assert_conforms
from tests.integration.twilio.validator import Asked

BEGUN = ("accepted", "queued")
"""Words that are skipped where a receipt is faster or slower than the answer."""


async def test_a_reply_is_accepted_sent_delivered_and_read(desk: Desk) -> None:
    await desk.write("hi")
    await desk.until_parts({"hi": "read"}, "status")
    assert await desk.parts() == {"hi": "accepted"}
    assert await desk.parts("provider_message_id") == desk.sids()
    told = (await desk.published())["hi"]
    assert told[0][0] == "accepted"
    assert {kind for kind, *_ in told[1:]} == {"status_changed"}
    assert [word for _, word, _ in told][-3:] == ["sent", "delivered", "read"]
    assert desk.posts() == {"hi": 1}


async def test_what_is_posted_conforms_to_the_description(desk: Desk, tmp_path: Path) -> None:
    await desk.write("hi")
    await desk.write("see", media_urls=["https://files.example.com/a.jpg?x=1&y=2"])
    await desk.write("", content_sid=TEMPLATE, content_variables={"1": "Ana"})
    await desk.until_parts(dict.fromkeys(("hi", "see", ""), "accepted"))
    asked = Asked.from_ledger(desk.mock.ledger.requests)
    assert len(asked) == 3
    async with MockTwilio() as judged, aiohttp.ClientSession() as session:
        judged.tellings.add(missing())
        await assert_conforms(asked, Session(session, judged), tmp_path)


class Tale(NamedTuple):
    """A telling, what is published of it, and the error code that stays."""

    telling: Telling
    published: list[tuple[str, int | None]]
    error_code: int | None = None


ARRIVES: list[tuple[str, int | None]] = [("sent", None), ("delivered", None), ("read", None)]

TALES = {
    "doubled": Tale(Telling(copies=2, where={"Body": "doubled"}), ARRIVES),
    "reversed": Tale(Telling(order="reversed", where={"Body": "reversed"}), [("read", None)]),
    "unknown": Tale(
        Telling(statuses=("queued", "teleported", "sent"), where={"Body": "unknown"}),
        [("sent", None)],
    ),
    "failed": Tale(
        Telling(statuses=("queued", "failed"), error_code=30003, where={"Body": "failed"}),
        [("failed", 30003)],
        30003,
    ),
    "revived": Tale(
        Telling(
            statuses=("queued", "failed", "delivered"), error_code=30008, where={"Body": "revived"}
        ),
        [("failed", 30008), ("delivered", None)],
    ),
    "relapsed": Tale(
        Telling(
            statuses=("queued", "delivered", "failed"), error_code=30008, where={"Body": "relapsed"}
        ),
        [("delivered", None)],
    ),
}


async def until_told(desk: Desk) -> None:
    """Wait until all that Twilio tells is applied."""
    await desk.mock.drain()
    told = {(call.sid, call.status) for call in desk.mock.ledger.callbacks}

    async def are_applied() -> bool:
        rows = await desk.owner.fetch("SELECT provider_message_id, status FROM inbox.receipts")
        return {tuple(row) for row in rows} == told

    await until(are_applied, "all receipts")


async def test_statuses_only_move_forward_in_whatever_order_they_come(desk: Desk) -> None:
    desk.mock.tellings.add(*[tale.telling for tale in TALES.values()])
    await desk.write(*TALES)
    await desk.until_parts(dict.fromkeys(TALES, "accepted"))
    await until_told(desk)

    told = await desk.published()
    assert {
        body: [(word, code) for _, word, code in said if word not in BEGUN]
        for body, said in told.items()
    } == {body: tale.published for body, tale in TALES.items()}
    for said in told.values():
        kinds = [kind for kind, *_ in said]
        assert kinds == ["accepted"] + ["status_changed"] * (len(said) - 1)
        words = [word for _, word, _ in said]
        assert all(later(before, after) for before, after in pairwise(words))
    statuses = {body: tale.published[-1][0] for body, tale in TALES.items()}
    assert await desk.parts("status") == statuses
    assert await desk.parts("error_code") == {body: tale.error_code for body, tale in TALES.items()}
    assert await desk.parts("provider_message_id") == desk.sids()
    assert desk.posts() == dict.fromkeys(TALES, 1)


async def test_receipts_that_are_faster_than_the_answer_settle_the_reply(desk: Desk) -> None:
    # While the POST hangs, nothing but receipts can tell that the message was taken.
    desk.mock.tellings.add(Telling(early=3))
    desk.mock.faults.add(faults.hanging("after", where={"Body": "hi"}))
    await desk.write("hi")
    await desk.until_parts({"hi": "read"}, "status")
    await desk.write("after")
    await desk.until_parts({"hi": "read", "after": "read"}, "status")
    await until_told(desk)
    words = [word for _, word, _ in (await desk.published())["hi"]]
    assert words == ["accepted", "queued", "sent", "delivered", "read"]
    assert await desk.parts("provider_message_id") == desk.sids()
    assert desk.posts() == {"hi": 1, "after": 1}


async def test_an_answer_after_its_receipts_changes_nothing(desk: Desk) -> None:
    desk.mock.tellings.add(Telling(early=4))
    desk.mock.faults.add(faults.slow(1.0, "after"))
    await desk.write("hi", "then")
    await desk.until_parts({"hi": "read", "then": "read"}, "status")
    await until_told(desk)
    for said in (await desk.published()).values():
        assert [kind for kind, *_ in said].count("accepted") == 1
        words = [word for _, word, _ in said]
        assert all(later(before, after) for before, after in pairwise(words))
    assert await desk.parts("provider_message_id") == desk.sids()
    assert desk.posts() == {"hi": 1, "then": 1}
