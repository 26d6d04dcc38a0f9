"""Replies in parts and outside of windows, while Twilio hangs, and of which nobody can tell."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.bus import Bus
from tests.e2e.inbox import Owner, answers
from tests.events import channel, command, conversation, event, message, reply, user
from tests.integration.test_sending_traps import (
    JONAS,
    MARIA,
    SENDER,
    TEMPLATE,
    Desk,
    heard,
    serving,
)
from tests.mock_twilio import faults
from tests.mock_twilio.tellings import failing, missing
from tests.waiting import until
from workers.settings import Settings

DAYS_AGO = timedelta(days=2)
SMS_SENDER, SMS_CONTACT = "+16505552222", "+16505551111"


@pytest.fixture
async def desk(settings: Settings, bus: Bus, owner: Owner, tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk."""
    async with serving(settings, bus, owner, tmp_path / "worker.log") as desk:
        yield desk


async def results(desk: Desk) -> list[tuple[str, str | None]]:
    """What replies were answered, a code where they were rejected."""
    return [(kind, code) for kind, code, _ in answers(await desk.read("results"))]


async def test_a_long_reply_is_sent_in_parts_and_in_order(desk: Desk) -> None:
    body = "".join(f"{number} grüße 👋\n" for number in range(1000))[:4000]
    desk.mock.faults.add(faults.throttled(times=2))
    await desk.apply(*[reply(MARIA, each) for each in (body, "next", "x" * 17_000)])

    async def all_are_accepted() -> bool:
        return list((await desk.parts()).values()) == ["accepted"] * 4

    await until(all_are_accepted, "four parts")
    *parts, last = desk.sids()
    assert len(parts) == 3
    assert ("".join(parts), last) == (body, "next")
    assert await results(desk) == [
        ("message.send", None),
        ("message.send", None),
        ("message.send", "too_long"),
    ]
    numbers = [
        (read.data["part"], read.data["parts"])
        for read in await desk.read("messages.sent")
        if read.kind == "message.accepted"
    ]
    assert numbers == [(1, 3), (2, 3), (3, 3), (1, 1)]


async def test_only_a_template_goes_out_once_the_window_is_closed(desk: Desk) -> None:
    await desk.apply(heard(JONAS, DAYS_AGO), reply(JONAS, "late"))
    assert await results(desk) == [("message.send", "window_closed")]
    variables = {"1": "Jonas"}
    await desk.apply(reply(JONAS, "", content_sid=TEMPLATE, content_variables=variables))
    await desk.until_parts({"": "accepted"})
    [sent] = desk.mock.ledger.sends
    assert (sent.to, sent.content_sid) == (JONAS, TEMPLATE)
    assert sent.content_variables == '{"1":"Jonas"}'
    assert "Body" not in sent.raw


async def test_text_messages_have_no_window(desk: Desk) -> None:
    await desk.apply(channel(SMS_SENDER), heard(SMS_CONTACT, DAYS_AGO), reply(SMS_CONTACT, "late"))
    await desk.until_parts({"late": "accepted"})
    [sent] = desk.mock.ledger.sends
    assert (sent.from_, sent.to) == (SMS_SENDER, SMS_CONTACT)


async def test_a_window_may_close_before_the_reply_is_posted(desk: Desk) -> None:
    async with desk.mock.refusing():
        await desk.write("hi")
        await desk.until_tried("hi", 1)
        await desk.owner.execute(
            "UPDATE inbox.conversations SET window_until = clock_timestamp() - interval '1 minute'"
        )
        await desk.until_parts({"hi": "failed"})
    assert await desk.published() == {"hi": [("failed", "failed", 63016)]}
    assert desk.posts() == {}


@pytest.mark.parametrize("by", ["answer", "receipt"])
async def test_who_is_told_that_the_window_is_closed_believes_it(desk: Desk, by: str) -> None:
    if by == "answer":
        desk.mock.faults.add(faults.window_closed(MARIA))
    else:
        desk.mock.tellings.add(failing(63016))
    await desk.write("first")
    await desk.until_parts({"first": 63016}, "error_code")
    await desk.apply(reply(MARIA, "second"))
    assert await results(desk) == [("message.send", None), ("message.send", "window_closed")]
    # The contact writes again, which opens it again.
    desk.mock.faults.clear()
    desk.mock.tellings.clear()
    await desk.apply(heard(), reply(MARIA, "third"))
    await desk.until_parts({"first": "failed", "third": "read"}, "status")
    assert (await desk.published())["first"][-1][1:] == ("failed", 63016)


async def test_of_two_equal_texts_nobody_can_tell_which_was_taken(desk: Desk) -> None:
    desk.mock.tellings.add(missing())
    desk.mock.faults.add(faults.server_error("before", times=1), faults.answer_lost(times=1))
    await desk.write("same", "same")
    states = "SELECT array_agg(state) FROM inbox.sends"

    async def both_are_uncertain() -> bool:
        return bool(await desk.owner.fetchval(states) == ["uncertain"] * 2)

    await until(both_are_uncertain, "two of unknown outcome")
    await desk.pass_time(20)

    async def both_were_looked_for() -> bool:
        looks = "bool_and(extract(epoch FROM due_at - posting_at) IN (60, 180, 600))"
        return bool(await desk.owner.fetchval(f"SELECT {looks} FROM inbox.sends"))  # noqa: S608

    await until(both_were_looked_for, "two looks")
    assert [each.route for each in desk.mock.ledger.requests].count("list") >= 2
    assert await both_are_uncertain()
    assert desk.posts() == {"same": 2}
    assert len(desk.mock.ledger.sends) == 1
    assert await desk.read("messages.sent") == []


async def test_contacts_are_heard_while_twilio_hangs(desk: Desk) -> None:
    [armed] = desk.mock.faults.add(faults.hanging("before"))
    await desk.write("hi")
    await desk.until_posted(1)
    await desk.apply(heard(MARIA), heard(JONAS))
    assert await desk.parts() == {"hi": "posting"}
    assert await desk.owner.fetchval("SELECT count(*) FROM inbox.messages") == 4
    await desk.until_parts({"hi": "uncertain"})
    await desk.pass_time(601)
    await desk.until_parts({"hi": True}, "told_uncertain")
    assert await desk.published() == {"hi": [("uncertain", "uncertain", None)]}
    assert armed.hits == 1


async def test_a_conversation_may_be_deleted_while_its_reply_is_posted(desk: Desk) -> None:
    desk.mock.faults.add(faults.hanging("before", where={"Body": "hi"}))
    await desk.write("hi")
    await desk.until_posted(1)
    await desk.apply(command("delete", MARIA, "ana"))
    assert await desk.parts() == {}
    await desk.apply(heard(JONAS), reply(JONAS, "others"))

    async def has_ended() -> bool:
        return 'inbox_sends_total{outcome="Unknown"} 1.0' in await desk.worker.metrics()

    await until(has_ended, "the end of the POST")
    await desk.apply(reply(JONAS, "later"))
    await desk.until_parts({"others": "read", "later": "read"}, "status")
    about = {read.data["conversation_id"] for read in await desk.read("messages.sent")}
    assert about == {conversation(JONAS)}
    assert desk.posts() == {"hi": 1, "others": 1, "later": 1}


async def test_an_account_without_a_provider_waits_and_others_do_not(desk: Desk) -> None:
    await desk.apply(*_of_another_account("waits"))

    async def was_tried() -> bool:
        state = "attempts = 1 AND state = 'queued'"
        return bool(await desk.owner.fetchval(f"SELECT {state} FROM inbox.sends"))  # noqa: S608

    await until(was_tried, "an attempt")
    await desk.write("hi")
    await desk.until_parts({"waits": "queued", "hi": "accepted"})
    assert desk.posts() == {"hi": 1}


def _of_another_account(body: str) -> list[Any]:
    """A reply of an account that no setting names, and what it takes."""
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
