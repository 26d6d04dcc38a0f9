"""Workers that send: they share the work, and some die, stop or lose touch at their POSTs."""

import asyncio
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pytest

from bench.mock_twilio import Fault, faults
from bench.mock_twilio.tellings import missing
from tests.harness.inbox import Owner
from tests.harness.sending_inbox import FRONT, JONAS, Desk, heard, serving
from tests.harness.topics import Bus
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.dev.embedded.ports import HOST, free_port
from workers.settings import Settings, required


@pytest.fixture
async def desk(settings: Settings, bus: Bus, owner: Owner, tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk where nobody sends yet, and a Twilio that calls nobody back by itself."""
    async with serving(settings, bus, owner, tmp_path / "worker.log", FRONT) as desk:
        desk.mock.tellings.add(missing())
        yield desk


async def test_workers_share_the_work_and_none_posts_more_at_once_than_it_is_told_to(
    desk: Desk,
) -> None:
    contacts = [f"whatsapp:+49{number}" for number in range(6)]
    await desk.hear(*contacts)
    # Longer than a worker waits for an answer, if they are not let go.
    desk.mock.faults.add(faults.slow(60, times=4))
    async with desk.sender(sends_in_flight=2) as one, desk.sender(sends_in_flight=2) as other:
        for contact in contacts:
            await desk.write(contact, to=contact)
        await desk.until_states(posting=4, queued=2)
        await desk.until_posted(4)
        # They have had time for more, if they were to take it.
        await desk.apply(heard())
        assert desk.posts().total() == 4
        desk.mock.faults.clear()
        desk.let_go()
        await desk.until_states(accepted=6)
        taken = [await _taken(worker) for worker in (one, other)]
    assert min(taken) >= 2
    assert sum(taken) == 6
    assert desk.posts() == dict.fromkeys(contacts, 1)


async def _taken(worker: Worker) -> int:
    """How many POSTs of a worker's were answered well."""
    counter = 'inbox_sends_total{outcome="Taken"} '
    lines = (await worker.metrics()).splitlines()
    return sum(int(float(line.removeprefix(counter))) for line in lines if line.startswith(counter))


async def die_while_posting(desk: Desk, when: faults.When, *contacts: str) -> None:
    """A sender posts a reply to each of some contacts, their addresses, and is killed then."""
    [armed] = desk.mock.faults.add(faults.hanging(when))
    await desk.hear(*contacts)
    async with desk.sender() as sender:
        for contact in contacts:
            await desk.write(contact, to=contact)

        async def all_hang() -> bool:
            return armed.hits == len(contacts)

        await until(all_hang, "POSTs that hang")
        sender.kill()
    assert await desk.parts() == dict.fromkeys(contacts, "posting")
    desk.mock.faults.clear()


async def test_a_sender_that_died_while_posting_is_followed_by_one_that_looks(desk: Desk) -> None:
    contacts = called, listed, late = [f"whatsapp:+49{number}" for number in range(3)]
    await die_while_posting(desk, "after", *contacts)
    desk.mock.faults.add(Fault(act="answer", on="list", where={"To": late}))
    async with desk.sender():
        # A callback settles it, though it is taken for being posted.
        await desk.call_back(desk.sent(called), "sent")
        assert (await desk.parts())[called] == "accepted"
        # The others are in doubt when the POST must have ended, and then looked for in the list.
        await desk.pass_time(30)
        await desk.until_states(accepted=1, uncertain=2)
        await desk.pass_time()
        await desk.until_parts({called: "accepted", listed: "accepted", late: "uncertain"})
        # One that the list does not tell of is settled by a callback that comes much later.
        await desk.pass_time(600)
        await desk.until_parts({called: False, listed: False, late: True}, "told_uncertain")
        assert (await desk.parts())[late] == "uncertain"
        await desk.call_back(desk.sent(late), "failed", error_code=30003)
    assert await desk.parts("status") == {called: "sent", listed: "read", late: "failed"}
    assert await desk.parts("provider_message_id") == desk.sids()
    assert await desk.parts("attempts") == dict.fromkeys(contacts, 1)
    assert desk.posts() == Counter(contacts)
    assert (await desk.published())[late] == [
        ("uncertain", "uncertain", None),
        ("accepted", "accepted", None),
        ("status_changed", "failed", 30003),
    ]


async def test_what_twilio_never_took_is_not_posted_again_and_a_person_is_told(desk: Desk) -> None:
    await die_while_posting(desk, "before", JONAS)
    async with desk.sender():
        # What comes after it waits until its POST must have ended, and no longer.
        await desk.write("And then?", to=JONAS)
        await desk.write("hi")
        await desk.until_parts({JONAS: "posting", "And then?": "queued", "hi": "accepted"})
        await desk.pass_time(30)
        await desk.until_parts({JONAS: "uncertain", "And then?": "accepted", "hi": "accepted"})
        await desk.pass_time(600)
        await desk.until_parts({JONAS: True, "And then?": False, "hi": False}, "told_uncertain")
    assert (await desk.published())[JONAS] == [("uncertain", "uncertain", None)]
    assert desk.posts() == {JONAS: 1, "And then?": 1, "hi": 1}
    assert list(desk.sids()) == ["hi", "And then?"]


async def test_what_is_being_posted_may_end_when_a_worker_is_told_to_stop(desk: Desk) -> None:
    contacts = [f"whatsapp:+49{number}" for number in range(3)]
    await desk.hear(*contacts)
    desk.mock.faults.add(faults.slow(1.0))
    for contact in contacts:
        await desk.write(contact, to=contact)
    async with desk.sender() as sender:
        await desk.until_posted(3)
        assert await sender.stop() == 0
    assert await desk.parts() == dict.fromkeys(contacts, "accepted")
    assert await desk.parts("provider_message_id") == desk.sids()


async def test_a_claim_whose_commit_was_not_confirmed_is_posted_all_the_same(desk: Desk) -> None:
    await desk.write("hi")
    await desk.until_parts({"hi": "queued"})
    async with (
        Cut(required(desk.settings.database_url, "database")) as cut,
        desk.sender(database_url=cut.url),
    ):
        await desk.until_parts({"hi": "accepted"})
        assert cut.has_cut
    assert await desk.parts("attempts") == {"hi": 1}
    assert desk.posts() == {"hi": 1}


class Cut:
    """A way to Postgres that breaks once: when it has committed the first claim, before anybody
    hears of it."""

    def __init__(self, database_url: str) -> None:
        parts = urlsplit(database_url)
        self._there = str(parts.hostname), parts.port
        self._port = free_port()
        at = parts.netloc.rpartition("@")[0]
        self.url = parts._replace(netloc=f"{at}@{HOST}:{self._port}").geturl()
        self.has_cut = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connect, HOST, self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connect(self, reader: Reader, writer: Writer) -> None:
        there, back = await asyncio.open_connection(*self._there)
        committing = asyncio.Event()
        task = asyncio.create_task(self._answers(there, writer, committing))
        self._tasks.add(task)
        claimed = False
        with suppress(ConnectionError):
            while asked := await reader.read(65536):
                claimed = claimed or b"UPDATE inbox.sends" in asked
                if claimed and b"COMMIT;" in asked and not self.has_cut:
                    committing.set()
                back.write(asked)
                await back.drain()
        back.close()

    async def _answers(self, there: Reader, writer: Writer, committing: asyncio.Event) -> None:
        with suppress(ConnectionError):
            while answer := await there.read(65536):
                if committing.is_set() and not self.has_cut:
                    self.has_cut = True
                    break
                writer.write(answer)
                await writer.drain()
        writer.close()
