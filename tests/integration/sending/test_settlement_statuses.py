"""The status of a reply only moves forward, in whatever order the callbacks come."""

from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import aiohttp

from bench.mock_twilio import CallbackRule, MockTwilio, faults
from bench.mock_twilio.callback_rules import callbacks_missing
from domain.delivery import is_later
from tests.harness.sending_inbox import TEMPLATE, SendingInbox
from tests.harness.waiting import until
from tests.integration.twilio.test_conformance import Session, assert_conforms
from tests.integration.twilio.validator import ApiRequest

BEGUN = ("accepted", "queued")
"""Status words that may be missing, as receipts may come before or after the answer."""


async def test_a_reply_is_accepted_sent_delivered_and_read(inbox: SendingInbox) -> None:
    await inbox.reply("hi")
    await inbox.until_parts({"hi": "read"}, "status")
    assert await inbox.parts() == {"hi": "accepted"}
    assert await inbox.parts("provider_message_id") == inbox.sids()
    events = (await inbox.published())["hi"]
    assert events[0][0] == "accepted"
    assert {kind for kind, *_ in events[1:]} == {"status_changed"}
    assert [word for _, word, _ in events][-3:] == ["sent", "delivered", "read"]
    assert inbox.posts() == {"hi": 1}


async def test_what_is_posted_conforms_to_the_description(
    inbox: SendingInbox, tmp_path: Path
) -> None:
    await inbox.reply("hi")
    await inbox.reply("see", media_urls=["https://files.example.com/a.jpg?x=1&y=2"])
    await inbox.reply("", content_sid=TEMPLATE, content_variables={"1": "Ana"})
    await inbox.until_parts(dict.fromkeys(("hi", "see", ""), "accepted"))
    requests = ApiRequest.from_ledger(inbox.mock.ledger.requests)
    assert len(requests) == 3
    async with MockTwilio() as judged, aiohttp.ClientSession() as session:
        judged.callback_rules.add(callbacks_missing())
        await assert_conforms(requests, Session(session, judged), tmp_path)


class Case(NamedTuple):
    """Callbacks, and what they lead to."""

    rule: CallbackRule
    published: list[tuple[str, int | None]]
    """The statuses and error codes of the events, without the words of BEGUN."""
    error_code: int | None = None
    """The error code at the end."""


ARRIVES: list[tuple[str, int | None]] = [("sent", None), ("delivered", None), ("read", None)]

CASES = {
    "doubled": Case(CallbackRule(copies=2, where={"Body": "doubled"}), ARRIVES),
    "reversed": Case(CallbackRule(order="reversed", where={"Body": "reversed"}), [("read", None)]),
    "unknown": Case(
        CallbackRule(statuses=("queued", "teleported", "sent"), where={"Body": "unknown"}),
        [("sent", None)],
    ),
    "failed": Case(
        CallbackRule(statuses=("queued", "failed"), error_code=30003, where={"Body": "failed"}),
        [("failed", 30003)],
        30003,
    ),
    "revived": Case(
        CallbackRule(
            statuses=("queued", "failed", "delivered"), error_code=30008, where={"Body": "revived"}
        ),
        [("failed", 30008), ("delivered", None)],
    ),
    "relapsed": Case(
        CallbackRule(
            statuses=("queued", "delivered", "failed"), error_code=30008, where={"Body": "relapsed"}
        ),
        [("delivered", None)],
    ),
}


async def until_applied(inbox: SendingInbox) -> None:
    """Wait until all callbacks of Twilio are applied."""
    await inbox.mock.drain()
    called = {(call.sid, call.status) for call in inbox.mock.ledger.callbacks}

    async def are_applied() -> bool:
        rows = await inbox.owner.fetch("SELECT provider_message_id, status FROM inbox.receipts")
        return {tuple(row) for row in rows} == called

    await until(are_applied, "all receipts")


async def test_statuses_only_move_forward_in_whatever_order_they_come(inbox: SendingInbox) -> None:
    inbox.mock.callback_rules.add(*[case.rule for case in CASES.values()])
    await inbox.reply(*CASES)
    await inbox.until_parts(dict.fromkeys(CASES, "accepted"))
    await until_applied(inbox)

    published = await inbox.published()
    assert {
        body: [(word, code) for _, word, code in events if word not in BEGUN]
        for body, events in published.items()
    } == {body: case.published for body, case in CASES.items()}
    for events in published.values():
        kinds = [kind for kind, *_ in events]
        assert kinds == ["accepted"] + ["status_changed"] * (len(events) - 1)
        words = [word for _, word, _ in events]
        assert all(is_later(after, before) for before, after in pairwise(words))
    statuses = {body: case.published[-1][0] for body, case in CASES.items()}
    assert await inbox.parts("status") == statuses
    assert await inbox.parts("error_code") == {
        body: case.error_code for body, case in CASES.items()
    }
    assert await inbox.parts("provider_message_id") == inbox.sids()
    assert inbox.posts() == dict.fromkeys(CASES, 1)


async def test_receipts_that_are_faster_than_the_answer_settle_the_reply(
    inbox: SendingInbox,
) -> None:
    # While the POST hangs, only receipts can prove that the message was taken.
    inbox.mock.callback_rules.add(CallbackRule(early=3))
    inbox.mock.faults.add(faults.hanging("after", where={"Body": "hi"}))
    await inbox.reply("hi")
    await inbox.until_parts({"hi": "read"}, "status")
    await inbox.reply("after")
    await inbox.until_parts({"hi": "read", "after": "read"}, "status")
    await until_applied(inbox)
    words = [word for _, word, _ in (await inbox.published())["hi"]]
    assert words == ["accepted", "queued", "sent", "delivered", "read"]
    assert await inbox.parts("provider_message_id") == inbox.sids()
    assert inbox.posts() == {"hi": 1, "after": 1}


async def test_an_answer_after_its_receipts_changes_nothing(inbox: SendingInbox) -> None:
    inbox.mock.callback_rules.add(CallbackRule(early=4))
    inbox.mock.faults.add(faults.slow(1.0, "after"))
    await inbox.reply("hi", "then")
    await inbox.until_parts({"hi": "read", "then": "read"}, "status")
    await until_applied(inbox)
    for events in (await inbox.published()).values():
        assert [kind for kind, *_ in events].count("accepted") == 1
        words = [word for _, word, _ in events]
        assert all(is_later(after, before) for before, after in pairwise(words))
    assert await inbox.parts("provider_message_id") == inbox.sids()
    assert inbox.posts() == {"hi": 1, "then": 1}
