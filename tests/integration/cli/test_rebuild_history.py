"""`inbox rebuild-history` makes the history equal the log, while workers run; once is enough."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.harness.command import inbox
from tests.harness.inbox import Owner, open_inbox
from tests.harness.input_events import ACCOUNT, command, conversation, event, link, message
from tests.harness.topics import Topics
from tests.harness.worker import Worker
from workers.settings import Settings

MARIA, JONAS, ELLA = "whatsapp:+4911", "whatsapp:+4922", "whatsapp:+4933"


async def history(owner: Owner) -> list[tuple[Any, ...]]:
    """Returns all rows, in order."""
    rows = await owner.fetch("SELECT * FROM inbox.history ORDER BY account_id, 2, version")
    return [tuple(row) for row in rows]


def summary(records: int, entries: int, added: int, removed: int) -> str:
    return (
        f"{records} records read, {entries} of them history: "
        f"{added} entries added, {removed} of deleted conversations removed"
    )


async def test_what_is_missing_is_added_and_what_is_of_deleted_conversations_is_removed(
    settings: Settings, topics: Topics, worker: Worker, owner: Owner
) -> None:
    there = await open_inbox(settings, topics, owner)
    await there.apply(
        *(message(contact) for contact in (MARIA, JONAS, ELLA)),
        *(link(contact, "deal:d1") for contact in (MARIA, JONAS, ELLA)),
        command("assign", MARIA, "ana", assignee_id="bo"),
    )
    of_before = await history(owner)
    await there.apply(command("delete", JONAS, "ana"), command("delete", ELLA, "ana"))
    # Ella's conversation starts afresh.
    await there.apply(message(ELLA, sent_at=datetime.now(UTC) + timedelta(hours=1)))
    await there.apply(link(ELLA, "deal:d2"))
    records = len(await there.read("conversations"))
    complete = await history(owner)
    assert len(of_before) == 4 and len(complete) == 3

    # As if an older program had done all of it.
    await owner.execute("TRUNCATE inbox.history")
    for row in of_before:
        if row not in complete:
            await owner.execute(
                "INSERT INTO inbox.history VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)", *row
            )
    done = await inbox(settings, "rebuild-history")
    assert (done.status, done.lines[-1]) == (0, summary(records, 5, 3, 2)), done.err
    assert await history(owner) == complete

    done = await inbox(settings, "rebuild-history")
    assert (done.status, done.lines[-1]) == (0, summary(records, 5, 0, 0))
    # The worker goes on with it.
    await there.apply(command("close", MARIA, "bo"))
    assert len(await history(owner)) == 4


async def test_what_it_cannot_read_it_passes_over_and_says_so(
    settings: Settings, topics: Topics
) -> None:
    await topics.publish_raw("conversations", b"of a later version")
    unknown = {"status": "open", "assignee_id": None}
    data = {"account_id": ACCOUNT, "conversation_id": conversation(MARIA), "version": 3}
    data |= {"before": unknown, "after": unknown, "actor_id": "ana", "reason": "command"}
    await topics.publish(event("conversation.reopened", data, key=conversation(MARIA)))
    done = await inbox(settings, "rebuild-history")
    assert (done.status, done.lines) == (1, [summary(2, 1, 0, 0)])
    assert done.err.splitlines()[-1] == "inbox: 1 records are no events of this version"
