"""A deleted conversation is removed from every table; what stays of it is not personal."""

from datetime import UTC, datetime

import pytest

from tests.harness.deletion import (
    HOUR,
    JONAS,
    MARIA,
    MARIAS_ID,
    NAME,
    WORDS,
    columns_holding,
    count_rows,
    delete,
    earlier,
    fill_conversation,
    log_of,
    results,
    tombstone,
)
from tests.harness.inbox import Inbox, Owner, open_inbox
from tests.harness.input_events import ACCOUNT, conversation, link, message
from tests.harness.topics import Topics
from tests.harness.worker import Worker
from workers.settings import Settings


@pytest.fixture
async def inbox(settings: Settings, topics: Topics, worker: Worker, owner: Owner) -> Inbox:
    """An inbox with two users, and a channel that ana installed."""
    return await open_inbox(settings, topics, owner)


async def test_nothing_that_the_contact_wrote_or_is_known_by_stays_in_any_table(
    inbox: Inbox, worker: Worker
) -> None:
    await fill_conversation(inbox)
    await inbox.apply(message(JONAS, "stays"), link(JONAS, "deal:d1"))
    owner = inbox.owner
    # The search works: it finds everything before the deletion.
    assert await columns_holding(owner, *WORDS) == {
        "conversations.contact_address",
        "conversations.contact_name",
        "messages.sender_name",
        "messages.sender_address",
        "messages.body",
        "messages.media",
        "sends.to_address",
        "sends.body",
        "sends.media_urls",
        "identities.address",
    }
    assert await count_rows(owner, "messages") == 3
    assert await count_rows(owner, "links") == 3
    assert await count_rows(owner, "entity_requests") == 2
    assert await count_rows(owner, "history") == 4
    await owner.execute(
        "INSERT INTO inbox.seen (account_id, conversation_id, user_id, version)"
        " SELECT account_id, conversation_id, 'ana', version FROM inbox.conversations"
    )
    notes = {row[0] for row in await owner.fetch("SELECT note_id::text FROM inbox.links")}
    ids = {row[0] for row in await owner.fetch("SELECT message_id FROM inbox.messages")}

    await inbox.apply(delete())
    # Wait until the outbox is empty: its rows are compressed, so the search would not see them.
    await inbox.read("conversations")
    assert await columns_holding(owner, *WORDS) == set()
    for table in (
        *("conversations", "messages", "links", "entity_requests", "sends", "identities"),
        *("history", "seen"),
    ):
        assert await count_rows(owner, table) == 0, table
    kept = {row[0] for row in await owner.fetch("SELECT note_id::text FROM inbox.links")}
    assert await columns_holding(owner, *(notes - kept)) == set()
    assert len(notes - kept) == 3
    log = worker.log.read_text()
    assert [word for word in WORDS if word in log] == []

    # The conversation of Jonas is unchanged.
    kept_rows = {"conversations": 1, "messages": 1, "links": 1, "history": 1, "seen": 1}
    for table, count in kept_rows.items():
        assert await count_rows(owner, table, JONAS) == count, table
    rows = await owner.fetch("SELECT message_id, deleted_at FROM inbox.deleted_messages")
    assert {row["message_id"] for row in rows} == ids - {
        row[0] for row in await owner.fetch("SELECT message_id FROM inbox.messages")
    }
    assert {row["deleted_at"] for row in rows} == {(await tombstone(owner))["deleted_at"]}


async def test_a_tombstone_tells_who_deleted_when_and_the_version_and_nothing_more(
    inbox: Inbox,
) -> None:
    await fill_conversation(inbox)
    before = await inbox.owner.fetchval("SELECT clock_timestamp()")
    await inbox.apply(delete(id="delete"))
    after = await inbox.owner.fetchval("SELECT clock_timestamp()")

    found = await tombstone(inbox.owner)
    assert before < found.pop("deleted_at") < after
    assert found | {"conversation_id": str(found["conversation_id"])} == {
        "account_id": ACCOUNT,
        "conversation_id": conversation(MARIA),
        "deleted_by": "ana",
        "version": len(await log_of(inbox)),
    }


async def test_of_every_address_that_led_there_a_tombstone_stays_and_nothing_old_comes_back(
    inbox: Inbox,
) -> None:
    await fill_conversation(inbox)
    await inbox.apply(delete())
    rows = await inbox.owner.fetch(
        "SELECT conversation_id::text, deleted_at, deleted_by, version FROM inbox.tombstones"
    )
    old = await tombstone(inbox.owner)
    deleted = (old["deleted_at"], "ana")
    assert {row[0]: tuple(row)[1:] for row in rows} == {
        conversation(MARIA): (*deleted, old["version"]),
        conversation(MARIAS_ID): (*deleted, 0),
    }
    by_id = {"contact": {"address": MARIAS_ID, "name": NAME}}
    named = {"contact": {"address": MARIAS_ID, "name": NAME, "identities": [MARIA]}}
    await inbox.apply(earlier(**by_id), earlier(**named), earlier(sent_at=old["deleted_at"]))
    assert await columns_holding(inbox.owner, *WORDS) == set()

    # A later message from the other address starts a conversation of its own.
    await inbox.apply(message(MARIAS_ID, sent_at=datetime.now(UTC) + HOUR))
    log = await log_of(inbox, MARIAS_ID)
    assert [read.data["version"] for read in log] == [1, 2]
    assert await columns_holding(inbox.owner, MARIA) == set()


async def test_the_log_tells_of_a_deletion_what_was_and_never_a_text(inbox: Inbox) -> None:
    await fill_conversation(inbox)
    await inbox.apply(delete(id="delete"))
    log = await log_of(inbox)
    deleted = log[-1]
    assert deleted.kind == "conversation.deleted"
    assert deleted.event["causationid"] == "delete"
    assert deleted.data == {
        "account_id": ACCOUNT,
        "conversation_id": conversation(MARIA),
        "version": len(log),
        "before": {"status": "open", "assignee_id": "bo"},
        "after": None,
        "actor_id": "ana",
        "reason": "command",
    }
    assert (await results(inbox))["delete"] == (None, len(log))
    # The log is kept for ever. The names in requests of entities were chosen by users.
    values = [read.value for read in log if read.kind != "entity.requested"]
    assert [
        word for word in WORDS if any(word.encode() in (value or b"") for value in values)
    ] == []
