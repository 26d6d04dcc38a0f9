"""Each window has one warning, whichever workers run, die, wait for a lock or are refused."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from tests.harness.inbox import Inbox
from tests.harness.input_events import conversation, user
from tests.harness.waiting import until
from tests.harness.windows import (
    HOUR,
    JONAS,
    MARIA,
    count,
    pass_time,
    warnings,
    working,
    written,
)
from tests.harness.worker import Worker

pytestmark = pytest.mark.seconds(35)


@pytest.mark.parametrize(("passed", "told"), [(23.9 * HOUR, 1), (24 * HOUR, 0)])
async def test_a_worker_that_was_away_tells_of_windows_that_are_still_open(
    inbox: Inbox, tmp_path: Path, passed: timedelta, told: int
) -> None:
    async with working(inbox.settings, tmp_path / "first.log"):
        await inbox.apply(user("ana"), written())
    await pass_time(inbox, passed)
    async with working(inbox.settings, tmp_path / "second.log"):
        assert len(await warnings(inbox)) == told
        assert await count(inbox) == 0


async def test_two_workers_tell_of_each_window_once(inbox: Inbox, tmp_path: Path) -> None:
    contacts = [f"whatsapp:+49{number:04d}" for number in range(1_000)]
    async with (
        working(inbox.settings, tmp_path / "first.log"),
        working(inbox.settings, tmp_path / "second.log"),
    ):
        await inbox.apply(user("ana"))
        await inbox.topics.publish(*[written(contact) for contact in contacts])

        async def all_are_watched() -> bool:
            return await count(inbox) == len(contacts)

        await until(all_are_watched, "every window to be watched")
        await pass_time(inbox, 23.5 * HOUR)
        warned = Counter(read.data["conversation_id"] for read in await warnings(inbox))
    assert warned == dict.fromkeys(map(conversation, contacts), 1)


async def test_a_worker_that_dies_while_it_tells_told_nobody_and_the_next_does(
    inbox: Inbox, tmp_path: Path
) -> None:
    contacts = [f"whatsapp:+49{number:04d}" for number in range(20)]
    other = await asyncpg.connect(inbox.settings.migration_database_url)
    doomed = Worker(inbox.settings, tmp_path / "doomed.log")
    await doomed.start()
    try:
        await inbox.apply(user("ana"), *[written(contact) for contact in contacts])
        async with other.transaction():
            # The last lock that a transaction takes before its commit.
            await other.execute("SELECT FROM inbox.outbox_shards FOR UPDATE")
            xid = await other.fetchval("SELECT pg_current_xact_id()::xid")

            async def is_held_up() -> bool:
                waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND transactionid = $1"
                return bool(await inbox.owner.fetchval(waiting, xid))

            await pass_time(inbox, 23.5 * HOUR)
            await until(is_held_up, "a worker about to commit")
            doomed.kill()
            assert await count(inbox) == len(contacts)
    finally:
        await doomed.stop()
        await other.close()
    async with working(inbox.settings, tmp_path / "next.log"):
        warned = Counter(read.data["conversation_id"] for read in await warnings(inbox))
    assert warned == dict.fromkeys(map(conversation, contacts), 1)


async def test_a_conversation_that_is_locked_holds_up_no_other_and_is_looked_at_later(
    inbox: Inbox, tmp_path: Path
) -> None:
    async with working(inbox.settings, tmp_path / "first.log"):
        await inbox.apply(user("ana"), written(MARIA), written(JONAS))
    await pass_time(inbox, 23.5 * HOUR)
    other = await asyncpg.connect(inbox.settings.migration_database_url)
    lock = "SELECT FROM inbox.conversations WHERE conversation_id = $1 FOR UPDATE"

    async def one_is_warned() -> bool:
        return await count(inbox) == 1

    try:
        async with other.transaction():
            await other.execute(lock, conversation(MARIA))
            async with working(inbox.settings, tmp_path / "second.log"):
                await until(one_is_warned, "the other conversation")
    finally:
        await other.close()
    assert await count(inbox, f"conversation_id = '{conversation(MARIA)}'") == 1
    async with working(inbox.settings, tmp_path / "third.log"):
        assert len(await warnings(inbox)) == 2


REFUSE = """
CREATE SEQUENCE inbox.tries;
GRANT USAGE ON inbox.tries TO inbox_worker;
CREATE FUNCTION inbox.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- A sequence, because its value is not rolled back with the refused transaction.
    IF nextval('inbox.tries') <= 2 THEN
        RAISE EXCEPTION 'not now' USING ERRCODE = '40P01';
    END IF;
    RETURN OLD;
END
$$;
CREATE TRIGGER refuse BEFORE DELETE ON inbox.windows FOR EACH ROW EXECUTE FUNCTION inbox.refuse();
"""


async def test_what_the_database_refuses_for_a_while_is_tried_again(
    served: Inbox, worker: Worker
) -> None:
    await served.owner.execute(REFUSE)
    await served.apply(written(ago=23.5 * HOUR))
    assert len(await warnings(served)) == 1
    assert await served.owner.fetchval("SELECT last_value FROM inbox.tries") == 3
    assert "inbox_window_warnings_total 1.0" in await worker.metrics()


async def test_more_warnings_than_one_transaction_can_say_are_said_in_several(
    served: Inbox, worker: Worker
) -> None:
    # About 75 kB for each warning, and at most 8 MiB for a transaction.
    await served.apply(*[user(f"user-{number:04d}") for number in range(1_000)])
    contacts = [f"whatsapp:+49{number:04d}" for number in range(180)]
    await served.topics.publish(*[written(contact) for contact in contacts])

    async def all_are_watched() -> bool:
        return await count(served) == len(contacts)

    await until(all_are_watched, "every window to be watched")
    await pass_time(served, 23.5 * HOUR)
    warned = Counter(
        (read.data["conversation_id"], read.data["part"]) for read in await warnings(served)
    )
    parts = [(conversation(contact), part) for contact in contacts for part in (1, 2, 3)]
    assert warned == dict.fromkeys(parts, 1)
