"""Workers are killed while they delete: the tables and the topics still agree."""

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from schemas.catalog import COMMANDS, OUTBOUND
from schemas.ids import inbound_message_id
from schemas.messages import MessageReceived
from tests.harness.conversation_states import folded, stored
from tests.harness.deletion import HOUR, SENDER, request
from tests.harness.inbox import Inbox, Owner
from tests.harness.input_events import (
    ACCOUNT,
    CHANNEL,
    Event,
    channel,
    command,
    link,
    message,
    reply,
    user,
)
from tests.harness.topics import Topics
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.settings import Settings

ROUNDS, CONTACTS = 3, [f"whatsapp:+49{number:04d}" for number in range(30)]


def _mix(round_: int) -> list[Event]:
    """Returns events of all kinds for each contact, shuffled."""
    now = datetime.now(UTC)
    events = []
    for number, contact in enumerate(CONTACTS):
        sid = f"SM-{round_}-{number}"
        first = message(contact, sent_at=now - HOUR, provider_message_id=f"{sid}-1")
        events += [
            first,
            link(contact, "deal:d1"),
            request(contact),
            message(contact, sent_at=now + HOUR, provider_message_id=f"{sid}-2"),
            first,
            reply(contact, "a reply", id=f"reply-{round_}-{number}"),
            command("delete", contact, "ana"),
            message(contact, sent_at=now + 2 * HOUR, provider_message_id=f"{sid}-3"),
            link(contact, "person:p1"),
            command("close", contact, "bo"),
            command("delete", contact, "ana" if number % 2 else "bo"),
        ]
    random.Random(round_).shuffle(events)  # noqa: S311  # repeatable on purpose
    return events


async def assert_consistent(inbox: Inbox) -> set[str]:
    """Check that tables and topics agree. Returns the ids of all messages ever recorded."""
    owner = inbox.owner
    reads = {topic: await inbox.read(topic) for topic in OUTBOUND}
    ids = Counter(read.event["id"] for found in reads.values() for read in found)
    assert [id_ for id_, count in ids.items() if count > 1] == []
    # There is one event for each version, in order: otherwise the fold fails.
    states = await folded(inbox.topics)
    assert await stored(owner) == {key: each for key, each in states.items() if each.snapshot}
    gone = await owner.fetch(
        "SELECT conversation_id::text, t.version FROM inbox.tombstones AS t"
        " LEFT JOIN inbox.conversations AS c USING (conversation_id) WHERE c IS NULL"
    )
    assert dict(map(tuple, gone)) == {
        key: each.version for key, each in states.items() if not each.snapshot
    }
    # Deleted conversations have no rows left, and the others miss none.
    assert [tuple(row) for row in await owner.fetch(_BELONGINGS)] == []
    recorded = Counter(
        read.data["message_id"]
        for read in reads["conversations"]
        if read.kind == "conversation.message_recorded"
    )
    assert set(recorded.values()) <= {1}
    kept, deleted = [
        {row[0] for row in await owner.fetch(f"SELECT message_id::text FROM inbox.{table}")}  # noqa: S608
        for table in ("messages", "deleted_messages")
    ]
    assert not kept & deleted
    assert kept | deleted == recorded.keys()
    assert await inbox.topics.read("dead-letters") == []
    return set(recorded)


_BELONGINGS = """
WITH counted AS (
    SELECT conversation_id, count(*) AS messages, 0 AS links FROM inbox.messages GROUP BY 1
    UNION ALL
    SELECT conversation_id, 0, count(*) FROM inbox.links GROUP BY 1
    UNION ALL
    SELECT conversation_id, 0, 0 FROM inbox.entity_requests
), belongings AS (
    SELECT conversation_id, sum(messages) AS messages, sum(links) AS links
    FROM counted GROUP BY 1
)
SELECT conversation_id, c.message_count, b.messages, c.link_count, b.links
FROM belongings AS b FULL JOIN inbox.conversations AS c USING (conversation_id)
WHERE (b.messages, b.links) IS DISTINCT FROM (c.message_count, c.link_count)
"""
"""Conversations whose counters differ from their rows, and rows without a conversation."""


async def test_a_worker_that_is_killed_while_it_deletes_leaves_nothing_half_done(
    settings: Settings, topics: Topics, owner: Owner, tmp_path: Path
) -> None:
    # With a fixed name, so that the consumer group recognizes it after a restart.
    worker = Worker(replace(settings, instance_id="only"), tmp_path / "worker.log")
    inbox = Inbox(settings, topics, owner)
    given = [user("ana"), user("bo"), channel(SENDER, installed_by="ana")]

    async def all_applied() -> bool:
        applied = await owner.fetchval("SELECT sum(next_offset) FROM inbox.positions")
        return bool(applied == len(given))

    await worker.start()
    try:
        await inbox.apply(*given)
        for round_ in range(ROUNDS):
            mixed = _mix(round_)
            given += mixed
            await topics.publish(*mixed)
            worker.kill()
            await worker.start()
        await until(all_applied, "all that was published")
        recorded = await assert_consistent(inbox)
        answered = {read.data["command_id"] for read in await inbox.read("results")}
    finally:
        await worker.stop()
    envelopes = [msgspec.json.decode(each.value) for each in given]
    asked = {each["id"] for each in envelopes if each["type"] in COMMANDS}
    assert answered == asked
    # Messages later than every deletion are recorded in any case, the others perhaps.
    later_ones = {
        inbound_message_id(ACCOUNT, CHANNEL, each["data"]["provider_message_id"])
        for each in envelopes
        if each["type"] == MessageReceived.TYPE and each["data"]["sent_at"] > each["time"]
    }
    assert len(later_ones) == 2 * ROUNDS * len(CONTACTS)
    assert later_ones <= recorded
