"""Replies go to Twilio in order, in parts, at a limited rate, and for a day at most."""

from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

from bench.mock_twilio import faults
from tests.harness.inbox import Owner
from tests.harness.input_events import conversation, event, message, reply, user
from tests.harness.sending_inbox import JONAS, MARIA, SENDER, SendingInbox, serving
from tests.harness.topics import Topics
from workers.settings import Settings


async def test_a_long_reply_is_sent_in_parts_and_in_order(inbox: SendingInbox) -> None:
    body = "".join(f"{number} grüße 👋\n" for number in range(1000))[:4000]
    await inbox.apply(*[reply(MARIA, each) for each in (body, "next", "x" * 17_000)])
    await inbox.until_states(accepted=4)
    *parts, last = inbox.sids()
    assert len(parts) == 3
    assert ("".join(parts), last) == (body, "next")
    assert await inbox.results() == [
        ("message.send", None),
        ("message.send", None),
        ("message.send", "too_long"),
    ]
    numbers = [
        (read.data["part"], read.data["parts"])
        for read in await inbox.read("messages.sent")
        if read.kind == "message.accepted"
    ]
    assert numbers == [(1, 3), (2, 3), (3, 3), (1, 1)]


async def test_replies_of_a_conversation_go_out_in_their_order_whatever_goes_wrong(
    inbox: SendingInbox,
) -> None:
    await inbox.receive_from(JONAS)
    texts = {contact: _texts(contact) for contact in (MARIA, JONAS)}
    for busy, lost, first, *_ in texts.values():
        inbox.mock.faults.add(
            faults.throttled(where={"Body": busy}, times=3),
            faults.connection_closed(where={"Body": lost}),
            faults.throttled(where={"Body": first}, times=1),
        )
    for contact, (busy, lost, first, second, last) in texts.items():
        await inbox.reply(busy, lost, first + second, last, to=contact)
    await inbox.until_states(accepted=8, uncertain=2)
    for contact, (busy, lost, first, second, last) in texts.items():
        # A part that was certainly not taken is posted again; an uncertain one delays no other.
        assert inbox.posted(contact) == [busy] * 4 + [lost, first, first, second, last]


def _texts(contact: str) -> list[str]:
    """The texts of the parts of four replies. The third and the fourth are parts of one reply."""
    return [
        f"{contact}: busy",
        f"{contact}: lost",
        f"{contact}: first".ljust(1600, "."),
        f"{contact}: second",
        f"{contact}: last",
    ]


async def test_a_sender_sends_no_faster_than_its_rate(
    settings: Settings, topics: Topics, owner: Owner, tmp_path: Path
) -> None:
    rates = {"": 100.0, "whatsapp:": 4.0}
    contacts = [f"whatsapp:+49{number}" for number in range(8)]
    async with serving(settings, topics, owner, tmp_path / "log", send_rates=rates) as inbox:
        await inbox.receive_from(*contacts)
        await inbox.topics.publish(*[reply(contact, contact) for contact in contacts])
        await inbox.until_states(accepted=8)
        times = sorted(row["posting_at"] for row in await inbox.rows())
    # At first as many as in one second, then one in each quarter of a second.
    for (first, began), (last, ended) in combinations(enumerate(times), 2):
        assert last - first + 1 <= 4 + 4 * (ended - began).total_seconds()


async def test_an_account_without_a_provider_waits_for_a_day_and_others_do_not(
    inbox: SendingInbox,
) -> None:
    await inbox.apply(*_of_another_account("waits"))
    for attempts in (1, 2):
        await inbox.until_parts({"waits": attempts}, "attempts")
        await inbox.until_parts({"waits": "queued"})
        await inbox.pass_time()
    await inbox.reply("hi")
    await inbox.until_parts({"waits": 3, "hi": 1}, "attempts")
    await inbox.until_parts({"waits": "queued", "hi": "accepted"})
    await inbox.pass_time(timedelta(hours=25).total_seconds())
    await inbox.until_parts({"waits": "failed", "hi": "accepted"})
    assert (await inbox.published())["waits"] == [("failed", "failed", None)]
    assert inbox.posts() == {"hi": 1}


def _of_another_account(body: str) -> list[Any]:
    """A reply of an account that is not in the settings, and the events that it needs before."""
    account, channel_id = "other", "wa2"
    data = {"account_id": account, "channel_id": channel_id}
    key = conversation(JONAS, account, channel_id)
    installed = data | {
        "provider": "whatsapp",
        "address": SENDER,
        "name": "Sales",
        "installed_by": "bo",
    }
    asked = {"account_id": account, "conversation_id": key, "actor_id": "bo", "body": body}
    return [
        user("bo", account=account),
        event("channel.installed", installed, key=account),
        message(JONAS, **data, sent_at=datetime.now(UTC)),
        event("message.send", asked, key=key),
    ]
