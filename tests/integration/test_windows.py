"""Before a window closes on a contact who waits for an answer, somebody is told, once."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.bus import Bus, Read
from tests.e2e.inbox import Inbox, Owner
from tests.events import (
    ACCOUNT,
    CHANNEL,
    Event,
    channel,
    command,
    conversation,
    event,
    message,
    reply,
    user,
)
from tests.waiting import until
from tests.worker import Worker
from workers.embedded.ports import free_port
from workers.settings import Settings

SENDER, MARIA, JONAS = "whatsapp:+14155238886", "whatsapp:+4911", "whatsapp:+4922"
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)

ANA_IS_TOLD = [{"user_id": "ana", "reason": "unassigned", "media": ["desktop"]}]


@pytest.fixture
async def inbox(settings: Settings, bus: Bus, owner: Owner) -> Inbox:
    """An inbox, of which some worker is yet to be started."""
    return Inbox(settings, bus, owner)


@pytest.fixture
async def served(inbox: Inbox, worker: Worker) -> Inbox:
    """An inbox with a user, and a channel that she installed."""
    await inbox.apply(user("ana"), channel(SENDER, installed_by="ana"))
    return inbox


@asynccontextmanager
async def working(settings: Settings, log: Path) -> AsyncIterator[Worker]:
    """A worker with a port of its own."""
    worker = Worker(replace(settings, web_port=free_port()), log)
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop()


def written(contact: str = MARIA, body: str = "Hello", ago: timedelta = MINUTE, **of: Any) -> Event:
    """What a contact wrote a while ago."""
    return message(contact, body, **{"sent_at": datetime.now(UTC) - ago} | of)


async def pass_time(inbox: Inbox, passed: timedelta) -> None:
    """Make of all windows what they are when so much time has passed."""
    async with inbox.owner.transaction():
        for statement in (
            "UPDATE inbox.conversations SET window_until = window_until - $1::interval",
            "UPDATE inbox.windows SET check_at = check_at - $1::interval",
        ):
            await inbox.owner.execute(statement, passed)


async def count(inbox: Inbox, condition: str = "true") -> int:
    """How many rows of `windows` there are."""
    found: int = await inbox.owner.fetchval(
        f"SELECT count(*) FROM inbox.windows WHERE {condition}"  # noqa: S608  # our own words
    )
    return found


async def warnings(inbox: Inbox) -> list[Read]:
    """The warnings, once nothing is left to be looked at."""

    async def nothing_is_due() -> bool:
        return await count(inbox, "check_at <= clock_timestamp()") == 0

    await until(nothing_is_due, "every window to be looked at")
    watched = "SELECT count(*) FROM inbox.conversations WHERE window_watched"
    assert await count(inbox) == await inbox.owner.fetchval(watched)
    return [read for read in await inbox.read("notifications") if is_warning(read)]


def is_warning(read: Read) -> bool:
    kind: str = read.data["kind"]
    return kind == "window_closing"


async def log_of(inbox: Inbox, contact: str = MARIA) -> list[int]:
    """The versions that the log tells of a conversation."""
    key = conversation(contact)
    log = await inbox.read("conversations")
    return [read.data["version"] for read in log if read.data["conversation_id"] == key]


async def test_an_hour_before_a_window_closes_the_assignee_is_told(served: Inbox) -> None:
    await served.apply(user("bo"), written(body="Is it still for sale?", ago=22 * HOUR))
    await served.apply(command("assign", MARIA, "ana", assignee_id="bo"))
    await pass_time(served, HOUR)
    (warning,) = await warnings(served)
    assert warning.key == conversation(MARIA).encode()
    assert warning.data["recipients"] == [
        {"user_id": "bo", "reason": "assigned_to_me", "media": ["desktop", "email"]}
    ]
    recorded = await served.owner.fetchval("SELECT message_id::text FROM inbox.messages")
    assert warning.data["message"] == {"message_id": recorded, "preview": "Is it still for sale?"}
    assert warning.data["contact_name"] == "Ana"
    assert warning.data["inbox_url"].endswith(f"/conversations/{conversation(MARIA)}")
    # Nothing of the log changed.
    assert await log_of(served) == [1, 2, 3]
    assert warning.data["version"] == 3
    assert await count(served) == 0


async def test_those_are_told_of_an_unassigned_conversation_who_want_to_be(served: Inbox) -> None:
    off = {"unassigned": {"desktop": False, "email": False}}
    chosen = {"account_id": ACCOUNT, "user_id": "bo", "settings": off}
    changed = event("user.notification_settings_changed", chosen, key=ACCOUNT)
    await served.apply(user("bo"), user("cy", inbox_access=False), changed)
    await served.apply(written(ago=23 * HOUR + MINUTE), written("messenger:1", ago=23.5 * HOUR))
    found = {read.data["conversation_id"]: read.data for read in await warnings(served)}
    assert found.keys() == {conversation(MARIA), conversation("messenger:1")}
    assert [data["recipients"] for data in found.values()] == [ANA_IS_TOLD] * 2


async def test_a_window_is_told_of_when_its_last_hour_begins_and_not_before(served: Inbox) -> None:
    sent_at = datetime.now(UTC) - 23 * HOUR + timedelta(seconds=4)
    await served.apply(written(sent_at=sent_at))

    async def is_told() -> bool:
        return await count(served) == 0

    await until(is_told, "the warning")
    (warning,) = await warnings(served)
    assert datetime.fromisoformat(warning.event["time"]) >= sent_at + 23 * HOUR


@pytest.mark.parametrize(
    "then",
    [
        reply(MARIA, "I'll call you"),
        command("close", MARIA, "ana", time=datetime.now(UTC) + 24 * HOUR),
        command("delete", MARIA, "ana"),
    ],
    ids=["reply", "close", "delete"],
)
async def test_nobody_is_told_where_nobody_waits(served: Inbox, then: Event) -> None:
    await served.apply(written(MARIA, ago=22 * HOUR), written(JONAS, ago=22 * HOUR))
    assert await count(served) == 2
    await served.apply(then)
    assert (await served.read("results"))[-1].kind == "command.accepted"
    await pass_time(served, 1.5 * HOUR)
    (warning,) = await warnings(served)
    assert warning.data["conversation_id"] == conversation(JONAS)
    assert await count(served) == 0


async def test_sms_imports_and_what_is_long_past_have_nobody_told(served: Inbox) -> None:
    await served.apply(
        written("+4933", ago=23.5 * HOUR),
        written("whatsapp:+4944", ago=23.5 * HOUR, historical=True),
        written("whatsapp:+4955", ago=24 * HOUR),
    )
    assert await count(served) == 0
    # An import moves a window, and makes no warning of its own.
    await served.apply(written(MARIA, ago=23.5 * HOUR), written(JONAS, ago=22.5 * HOUR))
    await served.apply(written(JONAS, ago=HOUR, historical=True))
    await pass_time(served, HOUR / 4)
    (warning,) = await warnings(served)
    assert warning.data["conversation_id"] == conversation(MARIA)
    await pass_time(served, HOUR / 2)
    assert len(await warnings(served)) == 1
    assert await count(served, f"conversation_id = '{conversation(JONAS)}'") == 1


async def test_a_contact_who_writes_again_moves_the_warning(served: Inbox) -> None:
    await served.apply(written(ago=22 * HOUR), written(body="Hello?" * 30, ago=MINUTE))
    await pass_time(served, 1.5 * HOUR)
    assert await warnings(served) == []
    moved = (
        "SELECT w.check_at = c.window_until - '1 hour'::interval AND w.check_at > now()"
        " FROM inbox.windows AS w JOIN inbox.conversations AS c USING (conversation_id)"
    )
    assert await served.owner.fetchval(moved)
    await pass_time(served, 22 * HOUR)
    (warning,) = await warnings(served)
    assert warning.data["message"]["preview"] == ("Hello?" * 30)[:139] + "…"


async def test_a_window_is_told_of_once_and_the_next_one_again(served: Inbox) -> None:
    await served.apply(written(ago=23.5 * HOUR))
    assert len(await warnings(served)) == 1
    # A message that was long on its way, and leaves the window as it is.
    await served.apply(written(ago=23.6 * HOUR))
    assert await count(served) == 0
    assert len(await warnings(served)) == 1
    await served.apply(written(ago=22.5 * HOUR))
    await pass_time(served, HOUR)
    first, second = await warnings(served)
    assert first.event["id"] != second.event["id"]
    assert first.event["causationid"] != second.event["causationid"]


async def test_of_two_conversations_that_became_one_the_older_is_told_of(served: Inbox) -> None:
    await served.apply(written(MARIA, ago=2 * HOUR), written(JONAS, ago=HOUR))
    both = {
        "account_id": ACCOUNT,
        "channel_id": CHANNEL,
        "provider_message_id": "SM-both",
        "contact": {"address": JONAS, "identities": [MARIA]},
        "body": "It is me",
        "sent_at": datetime.now(UTC),
    }
    await served.apply(event("message.received", both, key=conversation(JONAS)))
    assert await count(served) == 2
    await pass_time(served, 23.5 * HOUR)
    (warning,) = await warnings(served)
    assert warning.data["conversation_id"] == conversation(MARIA)
    assert warning.data["message"]["preview"] == "It is me"


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
        await inbox.bus.publish(*[written(contact) for contact in contacts])

        async def all_are_watched() -> bool:
            return await count(inbox) == len(contacts)

        await until(all_are_watched, "every window to be watched")
        await pass_time(inbox, 23.5 * HOUR)
        told = Counter(read.data["conversation_id"] for read in await warnings(inbox))
    assert told == dict.fromkeys(map(conversation, contacts), 1)


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
            # The last that a transaction asks for before its commit.
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
        told = Counter(read.data["conversation_id"] for read in await warnings(inbox))
    assert told == dict.fromkeys(map(conversation, contacts), 1)


async def test_a_conversation_that_is_locked_holds_up_no_other_and_is_looked_at_later(
    inbox: Inbox, tmp_path: Path
) -> None:
    async with working(inbox.settings, tmp_path / "first.log"):
        await inbox.apply(user("ana"), written(MARIA), written(JONAS))
    await pass_time(inbox, 23.5 * HOUR)
    other = await asyncpg.connect(inbox.settings.migration_database_url)
    lock = "SELECT FROM inbox.conversations WHERE conversation_id = $1 FOR UPDATE"

    async def one_is_told() -> bool:
        return await count(inbox) == 1

    try:
        async with other.transaction():
            await other.execute(lock, conversation(MARIA))
            async with working(inbox.settings, tmp_path / "second.log"):
                await until(one_is_told, "the other conversation")
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
    -- A sequence, since what is refused is rolled back.
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
    # About 75 kB each, where a transaction ends at 8 MiB.
    await served.apply(*[user(f"user-{number:04d}") for number in range(1_000)])
    contacts = [f"whatsapp:+49{number:04d}" for number in range(180)]
    await served.bus.publish(*[written(contact) for contact in contacts])

    async def all_are_watched() -> bool:
        return await count(served) == len(contacts)

    await until(all_are_watched, "every window to be watched")
    await pass_time(served, 23.5 * HOUR)
    told = Counter(
        (read.data["conversation_id"], read.data["part"]) for read in await warnings(served)
    )
    parts = [(conversation(contact), part) for contact in contacts for part in (1, 2, 3)]
    assert told == dict.fromkeys(parts, 1)
