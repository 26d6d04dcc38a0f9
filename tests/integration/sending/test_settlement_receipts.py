"""Receipts without their reply, or late ones: none is lost, and none undoes a later one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.mock_twilio import faults
from bench.mock_twilio.callback_rules import callbacks_missing
from tests.harness.inbox import Owner
from tests.harness.input_events import command, conversation
from tests.harness.sending_inbox import JONAS, MARIA, SendingInbox, inbound, receipt, serving
from tests.harness.topics import Topics
from tests.harness.waiting import until
from workers.settings import Settings


@pytest.fixture
async def inbox(
    settings: Settings, topics: Topics, owner: Owner, tmp_path: Path
) -> AsyncIterator[SendingInbox]:
    """An inbox, and a Twilio that sends no status callbacks by itself."""
    async with serving(settings, topics, owner, tmp_path / "worker.log") as inbox:
        inbox.mock.callback_rules.add(callbacks_missing())
        yield inbox


async def kept(inbox: SendingInbox) -> list[str]:
    """The status words of all receipts that are kept."""
    rows = await inbox.owner.fetch("SELECT status FROM inbox.receipts ORDER BY status")
    return [row["status"] for row in rows]


async def test_receipts_that_name_no_reply_count_once_it_is_known_whose_they_are(
    inbox: SendingInbox,
) -> None:
    await inbox.receive_from(JONAS)
    inbox.mock.faults.add(faults.answer_lost())
    await inbox.reply("named late")
    await inbox.reply("listed", to=JONAS)
    await inbox.until_states(uncertain=2)
    named, listed = inbox.sent("named late"), inbox.sent("listed")
    await inbox.apply(
        receipt(named.sid, "delivered"),
        receipt(listed.sid, "undelivered", JONAS, error_code=30003),
        receipt(listed.sid, "teleported", JONAS),
        receipt("SM" + "f" * 32, "read", JONAS),
    )
    assert await inbox.parts() == {"named late": "uncertain", "listed": "uncertain"}
    assert await kept(inbox) == ["delivered", "read", "teleported", "undelivered"]
    # A receipt that names the reply comes late, with an early status word.
    await inbox.call_back(named, "sent")
    assert (await inbox.parts())["named late"] == "accepted"
    # The list shows the other one as read: it may be ahead of the callbacks.
    await inbox.pass_time(15)
    await inbox.until_parts({"named late": "delivered", "listed": "read"}, "status")
    assert (await inbox.published())["named late"] == [
        ("accepted", "accepted", None),
        ("status_changed", "delivered", None),
    ]


async def test_a_receipt_that_comes_twice_is_kept_once_and_tells_nothing_new(
    inbox: SendingInbox,
) -> None:
    await inbox.reply("hi")
    await inbox.until_parts({"hi": "accepted"})
    sid = inbox.sent("hi").sid
    same = receipt(sid, "failed", error_code=30008)
    await inbox.apply(same, receipt(sid, "failed", error_code=30005), same)
    assert await kept(inbox) == ["failed", "failed"]
    assert await inbox.parts("error_code") == {"hi": 30008}
    kinds = [kind for kind, *_ in (await inbox.published())["hi"]]
    assert kinds == ["accepted", "status_changed"]


async def test_a_receipt_of_a_deleted_reply_is_kept_and_of_nobody(inbox: SendingInbox) -> None:
    inbox.mock.faults.add(faults.answer_lost(times=1))
    await inbox.reply("OK")
    await inbox.until_parts({"OK": "uncertain"})
    gone = inbox.sent("OK")
    await inbox.apply(command("delete", MARIA, "ana"))
    assert await inbox.parts() == {}
    await inbox.call_back(gone, "delivered")
    assert await kept(inbox) == ["delivered"]

    # Its message in the list is not taken for a later reply with the same text.
    inbox.mock.faults.add(faults.connection_closed(times=1))
    await inbox.apply(inbound())
    await inbox.reply("OK")
    await inbox.until_parts({"OK": "uncertain"})
    await inbox.pass_time(15)
    await inbox.until_checked()
    assert await inbox.parts() == {"OK": "uncertain"}
    await inbox.pass_time(600)
    await inbox.until_parts({"OK": True}, "told_uncertain")
    assert await inbox.published() == {"OK": [("uncertain", "uncertain", None)]}


async def test_a_conversation_may_be_deleted_while_its_reply_is_posted(inbox: SendingInbox) -> None:
    await inbox.receive_from(JONAS)
    inbox.mock.faults.add(faults.hanging("before", where={"Body": "hi"}))
    await inbox.reply("hi")
    await inbox.until_posted(1)
    await inbox.apply(command("delete", MARIA, "ana"))
    assert await inbox.parts() == {}
    inbox.release()

    async def has_ended() -> bool:
        return 'inbox_sends_total{outcome="Unknown"} 1.0' in await inbox.worker.metrics()

    await until(has_ended, "the end of the POST")
    await inbox.reply("others", to=JONAS)
    await inbox.until_parts({"others": "accepted"})
    assert {read.data["conversation_id"] for read in await inbox.read("messages.sent")} == {
        conversation(JONAS)
    }
    assert inbox.posts() == {"hi": 1, "others": 1}
