"""The batch loop on real servers: odd keys, repeats, limits of what a batch emits."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import asyncpg

from tests.harness.input_events import Event, command, conversation, message, user
from tests.harness.topics import Topics
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.kafka.partitions import partition_of
from workers.settings import Settings


async def test_a_message_under_a_strange_key_belongs_to_its_own_conversation(
    settings: Settings, topics: Topics, worker: Worker
) -> None:
    await topics.publish(user("ana"))
    contact = "whatsapp:+4911"
    for number in range(20):
        topic, _, value = message(contact, f"message {number}")
        await topics.publish(Event(topic, f"strange-{number}", value))
    log = await topics.read_until("conversations", 21)
    # All on the conversation's own partition, in the order of its versions.
    home = partition_of(conversation(contact), settings.partitions)
    assert {record.partition for record in log} == {home}
    assert [record.data["version"] for record in log] == list(range(1, 22))


async def test_a_provider_message_is_recorded_once_whoever_repeats_it(
    topics: Topics, worker: Worker, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    first = message("whatsapp:+4911", provider_message_id="SM1")
    await topics.publish(
        first, first, message("whatsapp:+4911", "again", provider_message_id="SM1")
    )
    # From another address, and thus on another partition: still the same message.
    await topics.publish(message("whatsapp:+4922", provider_message_id="SM1"))
    await topics.publish(message("whatsapp:+4911", "last"), message("whatsapp:+4922", "last"))
    await topics.read_until("conversations", 5)
    rows = await owner.fetch("SELECT provider_message_id FROM inbox.messages")
    assert Counter(row[0] for row in rows)["SM1"] == 1
    assert len(rows) == 3


async def test_a_conversation_that_somebody_has_locked_holds_up_no_other_partition(
    settings: Settings, topics: Topics, worker: Worker, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    contacts = [f"whatsapp:+49{number}" for number in range(40)]
    locked, home = contacts[0], partition_of(conversation(contacts[0]), settings.partitions)
    free = [
        each for each in contacts if partition_of(conversation(each), settings.partitions) != home
    ]
    await topics.publish(*(message(contact) for contact in contacts))
    await topics.read_until("conversations", 2 * len(contacts))

    async def recorded(wanted: list[str]) -> bool:
        query = "SELECT sender_address FROM inbox.messages WHERE body = 'again'"
        return {row[0] for row in await owner.fetch(query)} >= set(wanted)

    async with owner.transaction():
        # As a worker that was frozen in the middle of a batch holds it.
        lock = "SELECT FROM inbox.conversations WHERE conversation_id = $1 FOR UPDATE"
        await owner.execute(lock, conversation(locked))
        await topics.publish(*(message(contact, "again") for contact in contacts))
        await until(lambda: recorded(free), "those of other partitions are recorded")
        assert not await recorded([locked])
    await until(lambda: recorded(contacts), "all are recorded")


async def test_every_command_has_one_result_however_often_it_comes(
    topics: Topics, worker: Worker, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    contact = "whatsapp:+4911"
    await topics.publish(user("ana"), user("bo", inbox_access=False), user("eve", account="other"))
    await _until_known(owner, 3)
    await topics.publish(message(contact))
    await topics.read_until("conversations", 2)
    later = datetime.now(UTC) + timedelta(hours=1)
    earlier = datetime.now(UTC) - timedelta(hours=1)
    asked = {
        "assigned": command("assign", contact, "ana", assignee_id="ana", id="assigned"),
        "no_inbox_access": command("assign", contact, "bo", assignee_id="ana", id="bo"),
        "unknown_user": command("assign", contact, "eve", assignee_id="ana", id="eve"),
        "unknown_conversation": command("close", "whatsapp:+4999", "ana", id="nobody"),
        "stale_version": command("close", contact, "ana", id="stale", expected_version=1),
        "superseded": command("close", contact, "ana", id="early", time=earlier),
        "closed": command("close", contact, "ana", id="closed", time=later),
    }
    other = command("close", contact, "eve", id="other", account_id="other", time=later)
    await topics.publish(*asked.values(), *asked.values(), other)
    await topics.publish(*asked.values())
    results = await topics.read_until("results", len(asked) + 1)
    codes = {record.data["command_id"]: record.data.get("code") for record in results}
    assert codes == {
        "assigned": None,
        "bo": "no_inbox_access",
        "eve": "unknown_user",
        "nobody": "unknown_conversation",
        "stale": "stale_version",
        "early": "superseded",
        "closed": None,
        "other": "unknown_conversation",
    }
    assert len(results) == len(codes)


async def test_a_thousand_recipients_are_told_in_parts_of_five_hundred(
    topics: Topics, worker: Worker, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    users = [user(f"user-{number:04d}") for number in range(1_201)]
    await topics.publish(*users)
    await _until_known(owner, 1_201)
    await topics.publish(message("whatsapp:+4911", "to all"))

    parts = [record.data for record in await topics.read_until("notifications", 3)]
    assert [(part["part"], part["parts"], len(part["recipients"])) for part in parts] == [
        (1, 3, 500),
        (2, 3, 500),
        (3, 3, 201),
    ]
    told = [recipient["user_id"] for part in parts for recipient in part["recipients"]]
    assert sorted(set(told)) == [f"user-{number:04d}" for number in range(1_201)]


async def test_a_batch_with_too_much_to_say_is_cut_and_nothing_is_lost(
    topics: Topics, worker: Worker, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await topics.publish(*[user(f"user-{number:04d}") for number in range(1_000)])
    await _until_known(owner, 1_000)
    # About 70 kB of notifications a message: a batch ends long before its records do.
    contact = "whatsapp:+4911"
    await topics.publish(*[message(contact, f"message {number}") for number in range(300)])
    await topics.read_until("conversations", lambda log: len(log) >= 301)
    batches = [
        line
        for line in (await worker.metrics()).splitlines()
        if line.startswith('inbox_batch_records_bucket{le="250.0",topic="messages.received"}')
    ]
    assert float(batches[0].split()[-1]) >= 2


async def _until_known(owner: "asyncpg.Connection[asyncpg.Record]", users: int) -> None:
    """Wait until the whole directory is applied."""

    async def known() -> bool:
        return bool(await owner.fetchval("SELECT count(*) = $1 FROM inbox.users", users))

    await until(known, "the directory")
