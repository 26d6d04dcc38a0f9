"""Receipts that say little, or say it late: none is lost, and none undoes what came after it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.mock_twilio import faults
from bench.mock_twilio.tellings import missing
from tests.harness.inbox import Owner
from tests.harness.published import command, conversation
from tests.harness.sending_inbox import JONAS, MARIA, Desk, heard, receipt, serving
from tests.harness.topics import Bus
from tests.harness.waiting import until
from workers.settings import Settings


@pytest.fixture
async def desk(settings: Settings, bus: Bus, owner: Owner, tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk, and a Twilio that calls nobody back by itself."""
    async with serving(settings, bus, owner, tmp_path / "worker.log") as desk:
        desk.mock.tellings.add(missing())
        yield desk


async def kept(desk: Desk) -> list[str]:
    """The words of all receipts."""
    rows = await desk.owner.fetch("SELECT status FROM inbox.receipts ORDER BY status")
    return [row["status"] for row in rows]


async def test_receipts_that_name_no_reply_count_once_it_is_known_whose_they_are(
    desk: Desk,
) -> None:
    await desk.hear(JONAS)
    desk.mock.faults.add(faults.answer_lost())
    await desk.write("named late")
    await desk.write("listed", to=JONAS)
    await desk.until_states(uncertain=2)
    named, listed = desk.sent("named late"), desk.sent("listed")
    await desk.apply(
        receipt(named.sid, "delivered"),
        receipt(listed.sid, "undelivered", JONAS, error_code=30003),
        receipt(listed.sid, "teleported", JONAS),
        receipt("SM" + "f" * 32, "read", JONAS),
    )
    assert await desk.parts() == {"named late": "uncertain", "listed": "uncertain"}
    assert await kept(desk) == ["delivered", "read", "teleported", "undelivered"]
    # One that names it comes late, with a word that is far behind.
    await desk.call_back(named, "sent")
    assert (await desk.parts())["named late"] == "accepted"
    # In the list the other is read by now: Twilio may say more there than it told.
    await desk.pass_time(15)
    await desk.until_parts({"named late": "delivered", "listed": "read"}, "status")
    assert (await desk.published())["named late"] == [
        ("accepted", "accepted", None),
        ("status_changed", "delivered", None),
    ]


async def test_a_receipt_that_comes_twice_is_kept_once_and_tells_nothing_new(desk: Desk) -> None:
    await desk.write("hi")
    await desk.until_parts({"hi": "accepted"})
    sid = desk.sent("hi").sid
    same = receipt(sid, "failed", error_code=30008)
    await desk.apply(same, receipt(sid, "failed", error_code=30005), same)
    assert await kept(desk) == ["failed", "failed"]
    assert await desk.parts("error_code") == {"hi": 30008}
    kinds = [kind for kind, *_ in (await desk.published())["hi"]]
    assert kinds == ["accepted", "status_changed"]


async def test_a_receipt_of_a_deleted_reply_is_kept_and_of_nobody(desk: Desk) -> None:
    desk.mock.faults.add(faults.answer_lost(times=1))
    await desk.write("OK")
    await desk.until_parts({"OK": "uncertain"})
    gone = desk.sent("OK")
    await desk.apply(command("delete", MARIA, "ana"))
    assert await desk.parts() == {}
    await desk.call_back(gone, "delivered")
    assert await kept(desk) == ["delivered"]

    # What it became is not taken for what a later reply with the same text became.
    desk.mock.faults.add(faults.connection_closed(times=1))
    await desk.apply(heard())
    await desk.write("OK")
    await desk.until_parts({"OK": "uncertain"})
    await desk.pass_time(15)
    await desk.until_looked()
    assert await desk.parts() == {"OK": "uncertain"}
    await desk.pass_time(600)
    await desk.until_parts({"OK": True}, "told_uncertain")
    assert await desk.published() == {"OK": [("uncertain", "uncertain", None)]}


async def test_a_conversation_may_be_deleted_while_its_reply_is_posted(desk: Desk) -> None:
    await desk.hear(JONAS)
    desk.mock.faults.add(faults.hanging("before", where={"Body": "hi"}))
    await desk.write("hi")
    await desk.until_posted(1)
    await desk.apply(command("delete", MARIA, "ana"))
    assert await desk.parts() == {}
    desk.let_go()

    async def has_ended() -> bool:
        return 'inbox_sends_total{outcome="Unknown"} 1.0' in await desk.worker.metrics()

    await until(has_ended, "the end of the POST")
    await desk.write("others", to=JONAS)
    await desk.until_parts({"others": "accepted"})
    assert {read.data["conversation_id"] for read in await desk.read("messages.sent")} == {
        conversation(JONAS)
    }
    assert desk.posts() == {"hi": 1, "others": 1}
