"""Workers that send share the work; some die, stop, or lose the database during their POSTs."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.mock_twilio import Fault, faults
from bench.mock_twilio.callback_rules import callbacks_missing
from tests.harness.commit_cut import CommitCut
from tests.harness.inbox import Owner
from tests.harness.sending_inbox import JONAS, WITHOUT_SEND, SendingInbox, inbound, serving
from tests.harness.topics import Topics
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.settings import Settings, required


@pytest.fixture
async def inbox(
    settings: Settings, topics: Topics, owner: Owner, tmp_path: Path
) -> AsyncIterator[SendingInbox]:
    """An inbox without a sender yet, and a Twilio that sends no status callbacks by itself."""
    async with serving(settings, topics, owner, tmp_path / "worker.log", WITHOUT_SEND) as inbox:
        inbox.mock.callback_rules.add(callbacks_missing())
        yield inbox


async def test_workers_share_the_work_and_none_posts_more_at_once_than_it_is_told_to(
    inbox: SendingInbox,
) -> None:
    contacts = [f"whatsapp:+49{number}" for number in range(6)]
    await inbox.receive_from(*contacts)
    # Longer than a worker waits for an answer, unless they are released.
    inbox.mock.faults.add(faults.slow(60, times=4))
    async with inbox.sender(sends_in_flight=2) as one, inbox.sender(sends_in_flight=2) as other:
        for contact in contacts:
            await inbox.reply(contact, to=contact)
        await inbox.until_states(posting=4, queued=2)
        await inbox.until_posted(4)
        # Both had the time for further POSTs.
        await inbox.apply(inbound())
        assert inbox.posts().total() == 4
        inbox.mock.faults.clear()
        inbox.release()
        await inbox.until_states(accepted=6)
        taken = [await _taken(worker) for worker in (one, other)]
    assert min(taken) >= 2
    assert sum(taken) == 6
    assert inbox.posts() == dict.fromkeys(contacts, 1)


async def _taken(worker: Worker) -> int:
    """How many POSTs of a worker Twilio took."""
    counter = 'inbox_sends_total{outcome="Taken"} '
    lines = (await worker.metrics()).splitlines()
    return sum(int(float(line.removeprefix(counter))) for line in lines if line.startswith(counter))


async def die_while_posting(inbox: SendingInbox, when: faults.When, *contacts: str) -> None:
    """Kill a sender while it posts a reply to each contact. The text of a reply is its address."""
    [armed] = inbox.mock.faults.add(faults.hanging(when))
    await inbox.receive_from(*contacts)
    async with inbox.sender() as sender:
        for contact in contacts:
            await inbox.reply(contact, to=contact)

        async def all_hang() -> bool:
            return armed.hits == len(contacts)

        await until(all_hang, "POSTs that hang")
        sender.kill()
    assert await inbox.parts() == dict.fromkeys(contacts, "posting")
    inbox.mock.faults.clear()


async def test_a_sender_that_died_while_posting_is_followed_by_one_that_looks(
    inbox: SendingInbox,
) -> None:
    contacts = called, listed, late = [f"whatsapp:+49{number}" for number in range(3)]
    await die_while_posting(inbox, "after", *contacts)
    inbox.mock.faults.add(Fault(act="answer", on="list", where={"To": late}))
    async with inbox.sender():
        # A callback settles a part that still counts as posting.
        await inbox.call_back(inbox.sent(called), "sent")
        assert (await inbox.parts())[called] == "accepted"
        # The others are uncertain once their POSTs must have ended, and are then checked.
        await inbox.pass_time(30)
        await inbox.until_states(accepted=1, uncertain=2)
        await inbox.pass_time()
        await inbox.until_parts({called: "accepted", listed: "accepted", late: "uncertain"})
        # A part that is not in the list is settled by a callback that comes much later.
        await inbox.pass_time(600)
        await inbox.until_parts({called: False, listed: False, late: True}, "told_uncertain")
        assert (await inbox.parts())[late] == "uncertain"
        await inbox.call_back(inbox.sent(late), "failed", error_code=30003)
    assert await inbox.parts("status") == {called: "sent", listed: "read", late: "failed"}
    assert await inbox.parts("provider_message_id") == inbox.sids()
    assert await inbox.parts("attempts") == dict.fromkeys(contacts, 1)
    assert inbox.posts() == Counter(contacts)
    assert (await inbox.published())[late] == [
        ("uncertain", "uncertain", None),
        ("accepted", "accepted", None),
        ("status_changed", "failed", 30003),
    ]


async def test_what_twilio_never_took_is_not_posted_again_and_a_person_is_told(
    inbox: SendingInbox,
) -> None:
    await die_while_posting(inbox, "before", JONAS)
    async with inbox.sender():
        # The reply after it waits until its POST must have ended, and no longer.
        await inbox.reply("And then?", to=JONAS)
        await inbox.reply("hi")
        await inbox.until_parts({JONAS: "posting", "And then?": "queued", "hi": "accepted"})
        await inbox.pass_time(30)
        await inbox.until_parts({JONAS: "uncertain", "And then?": "accepted", "hi": "accepted"})
        await inbox.pass_time(600)
        await inbox.until_parts({JONAS: True, "And then?": False, "hi": False}, "told_uncertain")
    assert (await inbox.published())[JONAS] == [("uncertain", "uncertain", None)]
    assert inbox.posts() == {JONAS: 1, "And then?": 1, "hi": 1}
    assert list(inbox.sids()) == ["hi", "And then?"]


async def test_what_is_being_posted_may_end_when_a_worker_is_told_to_stop(
    inbox: SendingInbox,
) -> None:
    contacts = [f"whatsapp:+49{number}" for number in range(3)]
    await inbox.receive_from(*contacts)
    inbox.mock.faults.add(faults.slow(1.0))
    for contact in contacts:
        await inbox.reply(contact, to=contact)
    async with inbox.sender() as sender:
        await inbox.until_posted(3)
        assert await sender.stop() == 0
    assert await inbox.parts() == dict.fromkeys(contacts, "accepted")
    assert await inbox.parts("provider_message_id") == inbox.sids()


async def test_a_claim_whose_commit_was_not_confirmed_is_posted_all_the_same(
    inbox: SendingInbox,
) -> None:
    await inbox.reply("hi")
    await inbox.until_parts({"hi": "queued"})
    async with (
        CommitCut(required(inbox.settings.database_url, "database"), b"UPDATE inbox.sends") as cut,
        inbox.sender(database_url=cut.url),
    ):
        await inbox.until_parts({"hi": "accepted"})
        assert cut.has_cut
    assert await inbox.parts("attempts") == {"hi": 1}
    assert inbox.posts() == {"hi": 1}
