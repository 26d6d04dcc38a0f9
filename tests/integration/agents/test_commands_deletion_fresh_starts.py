"""A message after a deletion starts the conversation afresh, until it is deleted again."""

from datetime import UTC, datetime

import pytest

from schemas.conversations import Snapshot
from tests.harness.conversation_states import folded
from tests.harness.deletion import (
    HOUR,
    MARIA,
    UNKNOWN,
    count_rows,
    delete,
    earlier,
    fill_conversation,
    later,
    log_of,
    request,
    results,
    tombstone,
)
from tests.harness.inbox import Inbox, Owner, open_inbox
from tests.harness.input_events import Event, command, conversation, link, message, note_changed
from tests.harness.topics import Topics
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.settings import Settings


@pytest.fixture
async def inbox(settings: Settings, topics: Topics, worker: Worker, owner: Owner) -> Inbox:
    """An inbox with two users, and a channel that ana installed."""
    return await open_inbox(settings, topics, owner)


async def test_a_later_message_starts_afresh_with_versions_that_go_on(inbox: Inbox) -> None:
    await fill_conversation(inbox)
    await inbox.apply(command("close", MARIA, "ana", time=datetime.now(UTC) + HOUR), delete())
    old = await tombstone(inbox.owner)
    notes = len(await inbox.read("notes"))
    await inbox.apply(later())

    created, recorded = (await log_of(inbox))[old["version"] :]
    assert (created.kind, created.data["version"]) == ("conversation.created", old["version"] + 1)
    assert (recorded.kind, recorded.data["version"]) == (
        "conversation.message_recorded",
        old["version"] + 2,
    )
    assert (created.data["before"], created.data["after"]) == (
        None,
        {"status": "open", "assignee_id": None},
    )
    row = await inbox.owner.fetchrow(
        "SELECT status, assignee_id, contact_name, version, message_count, link_count, closed_at,"
        " erased_until FROM inbox.conversations WHERE conversation_id = $1",
        conversation(MARIA),
    )
    assert tuple(row or ()) == (
        "open",
        None,
        "Ana",
        old["version"] + 2,
        1,
        0,
        None,
        old["deleted_at"],
    )
    # Its old links do not exist any more: new messages join no note.
    assert len(await inbox.read("notes")) == notes
    assert await count_rows(inbox.owner, "links") == 0
    # The same entity can be linked again, and an answered request be made again.
    await inbox.apply(link(MARIA, "deal:d1", id="link"), request(request_id="r1", id="ask"))
    answered = await results(inbox)
    assert answered["link"] == (None, old["version"] + 3)
    assert answered["ask"] == (None, old["version"] + 4)
    assert len(await inbox.read("notes")) == notes + 1
    assert (await folded(inbox.topics))[conversation(MARIA)].snapshot == Snapshot("open", None)


async def test_a_conversation_that_started_afresh_can_be_deleted_again(inbox: Inbox) -> None:
    await inbox.apply(earlier(provider_message_id="SM1"), delete(id="first"), delete(id="in vain"))
    first = await tombstone(inbox.owner)
    assert await results(inbox) == {"first": (None, 3), "in vain": (UNKNOWN, 0)}

    await inbox.apply(later(provider_message_id="SM2"), delete(id="second"))
    second = await tombstone(inbox.owner)
    assert (await results(inbox))["second"] == (None, 6)
    assert (first["version"], second["version"]) == (3, 6)
    assert second["deleted_at"] > first["deleted_at"]
    # Messages of the first deletion are still known after the second one.
    await inbox.apply(later(provider_message_id="SM1"), later(provider_message_id="SM2"))
    assert await count_rows(inbox.owner, "conversations") == 0
    await inbox.apply(later())
    assert [read.data["version"] for read in await log_of(inbox)] == list(range(1, 9))


async def test_the_same_deletion_again_says_nothing_and_leaves_what_came_after(
    inbox: Inbox,
) -> None:
    deletion = delete(id="delete")
    await inbox.apply(message(MARIA), deletion, deletion)
    await inbox.apply(deletion, later())
    await inbox.apply(deletion)
    assert [read.kind for read in await log_of(inbox)] == [
        "conversation.created",
        "conversation.message_recorded",
        "conversation.deleted",
        "conversation.created",
        "conversation.message_recorded",
    ]
    assert await results(inbox) == {"delete": (None, 3)}
    assert await count_rows(inbox.owner, "messages") == 1


async def test_what_the_crm_says_of_a_note_deletes_nothing_that_came_back_meanwhile(
    inbox: Inbox,
) -> None:
    await inbox.apply(message(MARIA), link(MARIA, "deal:d1"), delete())
    [created] = await inbox.read("notes")
    before = await tombstone(inbox.owner)
    topic, key, value = note_changed("edited", MARIA, created.data["note_id"])
    position = "SELECT next_offset = 1 FROM inbox.positions WHERE topic = $1 AND next_offset > 0"

    async def applied() -> bool:
        return bool(await inbox.owner.fetchval(position, inbox.settings.topic(topic)))

    async def held_up_or_applied() -> bool:
        waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
        return bool(await inbox.owner.fetchval(waits)) or await applied()

    # Writers of the table links are held up between their reads and their writes.
    async with inbox.owner.transaction():
        await inbox.owner.execute("LOCK TABLE inbox.links IN SHARE MODE")
        await inbox.topics.publish(Event(topic, key, value))
        await until(held_up_or_applied, "the batch of notes")
        await inbox.apply(later())
    await until(applied, "the note that was edited")
    assert await count_rows(inbox.owner, "messages") == 1
    assert await count_rows(inbox.owner, "conversations") == 1
    assert await tombstone(inbox.owner) == before
