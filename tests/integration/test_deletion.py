"""A deleted conversation is gone from every table, and only a later message makes a new one."""

import random
import uuid
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.catalog import COMMANDS, OUTBOUND
from schemas.conversations import Snapshot
from schemas.ids import inbound_message_id
from schemas.messages import MessageReceived
from tests.bus import Bus, Read
from tests.e2e.inbox import Inbox, Owner, answers
from tests.e2e.test_story import folded, stored
from tests.events import (
    ACCOUNT,
    CHANNEL,
    Event,
    channel,
    command,
    conversation,
    event,
    link,
    message,
    note_changed,
    reply,
    unlink,
    user,
)
from tests.waiting import until
from tests.worker import Worker
from workers.settings import Settings

SENDER = "whatsapp:+14155238886"
MARIA, JONAS = "whatsapp:+4915199887766", "whatsapp:+4922"
MARIAS_ID = "whatsapp:DE.13491208655302741918"

NAME, BODY, REPLY = "Quendolyne Ypsilander", "Zwetschgenkompott", "Sauerampfersuppe"
FILE, REPLY_FILE = "https://files.example/ME77xylophon", "https://files.example/contrabassoon.pdf"
REQUESTED = "Xanthippe Holdings"
WORDS = (
    *(MARIA, MARIA.partition("+")[2], MARIAS_ID, MARIAS_ID.partition(".")[2], NAME),
    *(BODY, REPLY, FILE, REPLY_FILE, REQUESTED),
)

UNKNOWN = "unknown_conversation"
INSTANT, HOUR = timedelta(microseconds=1), timedelta(hours=1)


@pytest.fixture
async def inbox(settings: Settings, bus: Bus, worker: Worker, owner: Owner) -> Inbox:
    """An inbox with two users, and a channel that ana installed."""
    inbox = Inbox(settings, bus, owner)
    await inbox.apply(user("ana"), user("bo"), channel(SENDER, installed_by="ana"))
    return inbox


def earlier(**fields: Any) -> Event:
    """A message that Maria wrote an hour ago, with a file."""
    data = {
        "account_id": ACCOUNT,
        "channel_id": CHANNEL,
        "provider_message_id": uuid.uuid4().hex,
        "contact": {"address": MARIA, "name": NAME},
        "body": BODY,
        "media": [{"url": FILE, "content_type": "image/jpeg"}],
        "sent_at": datetime.now(UTC) - HOUR,
    }
    return event("message.received", data | fields, key=conversation(MARIA))


def later(**fields: Any) -> Event:
    """A message that Maria writes after whatever was deleted until now."""
    return message(MARIA, "I am back", **{"sent_at": datetime.now(UTC) + HOUR} | fields)


def request(contact: str = MARIA, **fields: Any) -> Event:
    """Ana asks the CRM for a deal."""
    entity = {"type": "deal", "name": REQUESTED, "fields": {"phone": contact}}
    return command("entity.request", contact, "ana", entity=entity, **fields)


def delete(contact: str = MARIA, actor: str = "ana", **fields: Any) -> Event:
    """The deletion of a contact's conversation."""
    return command("delete", contact, actor, **fields)


async def live(inbox: Inbox) -> None:
    """Give Maria's conversation something of everything."""
    await inbox.apply(earlier(provider_message_id="SM1"), link(MARIA, "deal:d1"))
    [created] = await inbox.read("notes")
    await inbox.apply(
        note_changed("edited", MARIA, created.data["note_id"]),
        link(MARIA, "person:p1"),
        request(request_id="r1"),
        link(MARIA, "deal:d2", request_id="r1"),
        request(request_id="r2"),
        reply(MARIA, REPLY, media_urls=[REPLY_FILE], id="reply"),
        earlier(
            provider_message_id="SM2",
            contact={"address": MARIA, "name": NAME, "identities": [MARIAS_ID]},
        ),
        command("assign", MARIA, "ana", assignee_id="bo"),
    )


async def of(inbox: Inbox, contact: str = MARIA) -> list[Read]:
    """The log of a contact's conversation."""
    key = conversation(contact).encode()
    return [read for read in await inbox.read("conversations") if read.key == key]


async def results(inbox: Inbox) -> dict[str, tuple[str | None, int]]:
    """The code, None when accepted, and the version that each command was answered."""
    found = await inbox.read("results")
    pairs = {
        read.data["command_id"]: (read.data.get("code"), read.data["version"]) for read in found
    }
    assert len(pairs) == len(found)
    return pairs


async def holding(owner: Owner, *words: str) -> set[str]:
    """The columns of the schema, written as table.column, with a row that holds one of these."""
    columns = await owner.fetch(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'inbox'"
    )
    found = set()
    for table, column in columns:
        for [text] in await owner.fetch(
            f'SELECT lower("{column}"::text) FROM inbox."{table}"'  # noqa: S608  # our own names
        ):
            if text is not None and any(word.lower() in text for word in words):
                found.add(f"{table}.{column}")
    return found


async def counted(owner: Owner, table: str, contact: str = MARIA) -> int:
    """How many rows of a table belong to a contact's conversation."""
    query = f"SELECT count(*) FROM inbox.{table} WHERE conversation_id = $1"  # noqa: S608
    count: int = await owner.fetchval(query, conversation(contact))
    return count


async def tombstone(owner: Owner) -> dict[str, Any]:
    """What stayed of Maria's conversation."""
    row = await owner.fetchrow(
        "SELECT * FROM inbox.tombstones WHERE conversation_id = $1", conversation(MARIA)
    )
    assert row is not None
    return dict(row)


async def test_only_the_user_who_installed_the_channel_may_delete(inbox: Inbox) -> None:
    await inbox.apply(
        user("cy", inbox_access=False),
        message(MARIA),
        message(JONAS, channel_id="untold"),
    )
    untold = conversation(JONAS, channel="untold")
    data = {"account_id": ACCOUNT, "conversation_id": untold, "actor_id": "ana"}
    await inbox.apply(
        delete(actor="bo", id="bo"),
        delete(actor="cy", id="cy"),
        delete(actor="nobody", id="nobody"),
        event("conversation.delete", data, key=untold, id="untold"),
    )
    assert await results(inbox) == {
        "bo": ("not_installer", 2),
        "cy": ("no_inbox_access", 2),
        "nobody": ("unknown_user", 2),
        "untold": ("unknown_channel", 2),
    }
    assert len(await inbox.read("conversations")) == 4
    assert await inbox.owner.fetchval("SELECT count(*) FROM inbox.conversations") == 2
    assert await inbox.owner.fetchval("SELECT count(*) FROM inbox.tombstones") == 0

    await inbox.apply(delete(id="ana"))
    assert (await results(inbox))["ana"] == (None, 3)
    assert await counted(inbox.owner, "conversations") == 0


async def test_who_installed_the_channel_last_may_delete_though_it_was_removed(
    inbox: Inbox,
) -> None:
    removed = event("channel.removed", {"account_id": ACCOUNT, "channel_id": CHANNEL}, key=ACCOUNT)
    await inbox.apply(message(MARIA), channel(SENDER, installed_by="bo"), removed)
    await inbox.apply(delete(actor="ana", id="ana"), delete(actor="bo", id="bo"))
    assert await results(inbox) == {"ana": ("not_installer", 2), "bo": (None, 3)}


async def test_nothing_that_the_contact_wrote_or_is_known_by_stays_in_any_table(
    inbox: Inbox, worker: Worker
) -> None:
    await live(inbox)
    await inbox.apply(message(JONAS, "stays"), link(JONAS, "deal:d1"))
    owner = inbox.owner
    # The search finds what there is to find.
    assert await holding(owner, *WORDS) == {
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
    assert await counted(owner, "messages") == 3
    assert await counted(owner, "links") == 3
    assert await counted(owner, "entity_requests") == 2
    notes = {row[0] for row in await owner.fetch("SELECT note_id::text FROM inbox.links")}
    ids = {row[0] for row in await owner.fetch("SELECT message_id FROM inbox.messages")}

    await inbox.apply(delete())
    # Nothing waits to be published either: what does is compressed, and would not be found.
    await inbox.read("conversations")
    assert await holding(owner, *WORDS) == set()
    for table in ("conversations", "messages", "links", "entity_requests", "sends", "identities"):
        assert await counted(owner, table) == 0, table
    kept = {row[0] for row in await owner.fetch("SELECT note_id::text FROM inbox.links")}
    assert await holding(owner, *(notes - kept)) == set()
    assert len(notes - kept) == 3
    log = worker.log.read_text()
    assert [word for word in WORDS if word in log] == []

    # Jonas's is as it was.
    for table, count in {"conversations": 1, "messages": 1, "links": 1}.items():
        assert await counted(owner, table, JONAS) == count, table
    rows = await owner.fetch("SELECT message_id, deleted_at FROM inbox.deleted_messages")
    assert {row["message_id"] for row in rows} == ids - {
        row[0] for row in await owner.fetch("SELECT message_id FROM inbox.messages")
    }
    assert {row["deleted_at"] for row in rows} == {(await tombstone(owner))["deleted_at"]}


async def test_a_tombstone_tells_who_deleted_when_and_the_version_and_nothing_more(
    inbox: Inbox,
) -> None:
    await live(inbox)
    before = await inbox.owner.fetchval("SELECT clock_timestamp()")
    await inbox.apply(delete(id="delete"))
    after = await inbox.owner.fetchval("SELECT clock_timestamp()")

    found = await tombstone(inbox.owner)
    assert before < found.pop("deleted_at") < after
    assert found | {"conversation_id": str(found["conversation_id"])} == {
        "account_id": ACCOUNT,
        "conversation_id": conversation(MARIA),
        "deleted_by": "ana",
        "version": len(await of(inbox)),
    }


async def test_of_every_address_that_led_there_a_tombstone_stays_and_nothing_old_comes_back(
    inbox: Inbox,
) -> None:
    await live(inbox)
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
    assert await holding(inbox.owner, *WORDS) == set()

    # What comes later begins a life of its own.
    await inbox.apply(message(MARIAS_ID, sent_at=datetime.now(UTC) + HOUR))
    log = await of(inbox, MARIAS_ID)
    assert [read.data["version"] for read in log] == [1, 2]
    assert await holding(inbox.owner, MARIA) == set()


async def test_the_log_tells_of_a_deletion_what_was_and_never_a_text(inbox: Inbox) -> None:
    await live(inbox)
    await inbox.apply(delete(id="delete"))
    log = await of(inbox)
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
    # The log is kept for ever. What users name entities that they ask for is theirs to say.
    said = [read.value for read in log if read.kind != "entity.requested"]
    assert [word for word in WORDS if any(word.encode() in (value or b"") for value in said)] == []


@pytest.mark.parametrize("historical", [False, True], ids=["message", "import"])
async def test_what_a_provider_repeats_never_brings_a_conversation_back(
    inbox: Inbox, historical: bool
) -> None:
    await inbox.apply(
        earlier(provider_message_id="SM1"), earlier(provider_message_id="SM2"), delete()
    )
    before = [len(await inbox.read(topic)) for topic in ("conversations", "notifications")]
    # As a log tells it, with its old time; as a webhook does, which knows no time but now.
    repeats = [
        earlier(provider_message_id="SM1", historical=historical),
        later(provider_message_id="SM1", historical=historical),
        later(provider_message_id="SM2", historical=historical),
    ]
    await inbox.apply(*repeats)
    assert await counted(inbox.owner, "conversations") == 0
    assert await counted(inbox.owner, "messages") == 0

    # Neither before nor after the contact comes back, nor together with that.
    await inbox.apply(*repeats, later(), *repeats)
    await inbox.apply(*repeats)
    after = [len(await inbox.read(topic)) for topic in ("conversations", "notifications")]
    assert after == [before[0] + 2, before[1] + 1]
    assert await counted(inbox.owner, "messages") == 1
    assert await holding(inbox.owner, BODY, NAME) == set()


async def test_a_message_not_later_than_the_deletion_never_brings_a_conversation_back(
    inbox: Inbox,
) -> None:
    await inbox.apply(message(MARIA), delete())
    deleted_at = (await tombstone(inbox.owner))["deleted_at"]
    # They are new here: it was their way that took long.
    late = [
        earlier(sent_at=deleted_at - HOUR),
        earlier(sent_at=deleted_at),
        earlier(sent_at=deleted_at, historical=True),
    ]
    await inbox.apply(*late)
    assert await counted(inbox.owner, "conversations") == 0

    await inbox.apply(*late, later(sent_at=deleted_at + INSTANT), *late)
    assert await counted(inbox.owner, "messages") == 1
    await inbox.apply(*late)
    assert await counted(inbox.owner, "messages") == 1
    assert [read.kind for read in await of(inbox)] == [
        "conversation.created",
        "conversation.message_recorded",
        "conversation.deleted",
        "conversation.created",
        "conversation.message_recorded",
    ]
    assert await holding(inbox.owner, BODY, NAME) == set()


async def test_a_later_message_starts_afresh_with_versions_that_go_on(inbox: Inbox) -> None:
    await live(inbox)
    await inbox.apply(command("close", MARIA, "ana", time=datetime.now(UTC) + HOUR), delete())
    old = await tombstone(inbox.owner)
    notes = len(await inbox.read("notes"))
    await inbox.apply(later())

    created, recorded = (await of(inbox))[old["version"] :]
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
    # Its old links are no more: what is written now joins no note.
    assert len(await inbox.read("notes")) == notes
    assert await counted(inbox.owner, "links") == 0
    # What was linked may be linked again, and what was answered asked for again.
    await inbox.apply(link(MARIA, "deal:d1", id="link"), request(request_id="r1", id="ask"))
    answered = await results(inbox)
    assert answered["link"] == (None, old["version"] + 3)
    assert answered["ask"] == (None, old["version"] + 4)
    assert len(await inbox.read("notes")) == notes + 1
    assert (await folded(inbox.bus))[conversation(MARIA)].snapshot == Snapshot("open", None)


async def test_a_conversation_that_started_afresh_can_be_deleted_again(inbox: Inbox) -> None:
    await inbox.apply(earlier(provider_message_id="SM1"), delete(id="first"), delete(id="in vain"))
    first = await tombstone(inbox.owner)
    assert await results(inbox) == {"first": (None, 3), "in vain": (UNKNOWN, 0)}

    await inbox.apply(later(provider_message_id="SM2"), delete(id="second"))
    second = await tombstone(inbox.owner)
    assert (await results(inbox))["second"] == (None, 6)
    assert (first["version"], second["version"]) == (3, 6)
    assert second["deleted_at"] > first["deleted_at"]
    # What was deleted the first time is not forgotten the second.
    await inbox.apply(later(provider_message_id="SM1"), later(provider_message_id="SM2"))
    assert await counted(inbox.owner, "conversations") == 0
    await inbox.apply(later())
    assert [read.data["version"] for read in await of(inbox)] == list(range(1, 9))


async def test_the_same_deletion_again_says_nothing_and_leaves_what_came_after(
    inbox: Inbox,
) -> None:
    deletion = delete(id="delete")
    await inbox.apply(message(MARIA), deletion, deletion)
    await inbox.apply(deletion, later())
    await inbox.apply(deletion)
    assert [read.kind for read in await of(inbox)] == [
        "conversation.created",
        "conversation.message_recorded",
        "conversation.deleted",
        "conversation.created",
        "conversation.message_recorded",
    ]
    assert await results(inbox) == {"delete": (None, 3)}
    assert await counted(inbox.owner, "messages") == 1


async def test_every_command_on_a_deleted_conversation_is_refused_and_changes_nothing(
    inbox: Inbox,
) -> None:
    await live(inbox)
    [*_, newest] = await inbox.read("notes")
    await inbox.apply(delete())
    before = await tombstone(inbox.owner)
    counts = [len(await inbox.read(topic)) for topic in ("conversations", "notes")]
    asked = [
        command("assign", MARIA, "ana", assignee_id="ana"),
        command("close", MARIA, "ana"),
        command("reopen", MARIA, "ana"),
        delete(),
        link(MARIA, "deal:d1"),
        link(MARIA, "deal:d3", request_id="r2"),
        unlink(MARIA, "deal:d1"),
        request(request_id="r3"),
        reply(MARIA, REPLY),
    ]
    answered = len(await inbox.read("results"))
    await inbox.apply(*asked, note_changed("deleted", MARIA, newest.data["note_id"]))
    found = (await inbox.read("results"))[answered:]
    assert Counter(answers(found)) == Counter(
        {
            ("conversation.assign", UNKNOWN, 0): 1,
            ("conversation.close", UNKNOWN, 0): 1,
            ("conversation.reopen", UNKNOWN, 0): 1,
            ("conversation.delete", UNKNOWN, 0): 1,
            ("conversation.link", UNKNOWN, 0): 2,
            ("conversation.unlink", UNKNOWN, 0): 1,
            ("entity.request", UNKNOWN, 0): 1,
            ("message.send", UNKNOWN, 0): 1,
        }
    )
    assert [len(await inbox.read(topic)) for topic in ("conversations", "notes")] == counts
    assert await holding(inbox.owner, *WORDS) == set()
    assert await tombstone(inbox.owner) == before
    assert await inbox.bus.read("dead-letters") == []


async def test_nobody_deletes_in_the_name_of_another_account(inbox: Inbox) -> None:
    theirs = event(
        "channel.installed",
        {
            "account_id": "other",
            "channel_id": CHANNEL,
            "provider": "whatsapp",
            "address": SENDER,
            "name": "Theirs",
            "installed_by": "ana",
        },
        key="other",
    )
    await inbox.apply(user("ana", account="other"), theirs)
    await inbox.apply(message(MARIA, BODY), message(MARIA, BODY, account_id="other"))
    await inbox.apply(delete(account_id="other", id="other"))
    assert await results(inbox) == {"other": (UNKNOWN, 0)}
    assert await counted(inbox.owner, "messages") == 1

    # Nor is another account's conversation with the same contact deleted along with it.
    await inbox.apply(delete(id="own"))
    rows = await inbox.owner.fetch("SELECT account_id, message_count FROM inbox.conversations")
    assert [tuple(row) for row in rows] == [("other", 1)]
    assert await inbox.owner.fetchval("SELECT count(*) FROM inbox.messages") == 1


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

    # Whoever would write to links is held up between reading and writing.
    async with inbox.owner.transaction():
        await inbox.owner.execute("LOCK TABLE inbox.links IN SHARE MODE")
        await inbox.bus.publish(Event(topic, key, value))
        await until(held_up_or_applied, "the batch of notes")
        await inbox.apply(later())
    await until(applied, "the note that was edited")
    assert await counted(inbox.owner, "messages") == 1
    assert await counted(inbox.owner, "conversations") == 1
    assert await tombstone(inbox.owner) == before


ROUNDS, CONTACTS = 3, [f"whatsapp:+49{number:04d}" for number in range(30)]


def _mix(round_: int) -> list[Event]:
    """Something of everything for each contact, in the order of one contact's life."""
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
    """Tables and topics tell of one history; the messages that it ever recorded."""
    owner = inbox.owner
    reads = {topic: await inbox.read(topic) for topic in OUTBOUND}
    ids = Counter(read.event["id"] for found in reads.values() for read in found)
    assert [id_ for id_, count in ids.items() if count > 1] == []
    # One event for each version, in order: else it does not fold.
    states = await folded(inbox.bus)
    assert await stored(owner) == {key: each for key, each in states.items() if each.snapshot}
    gone = await owner.fetch(
        "SELECT conversation_id::text, t.version FROM inbox.tombstones AS t"
        " LEFT JOIN inbox.conversations AS c USING (conversation_id) WHERE c IS NULL"
    )
    assert dict(map(tuple, gone)) == {
        key: each.version for key, each in states.items() if not each.snapshot
    }
    # Nothing is left of what is gone, and nothing is missing of what is there.
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
    assert await inbox.bus.read("dead-letters") == []
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
"""Where a conversation's belongings are not as many as it counts, or it is not there."""


async def test_a_worker_that_is_killed_while_it_deletes_leaves_nothing_half_done(
    settings: Settings, bus: Bus, owner: Owner, tmp_path: Path
) -> None:
    # By a name of its own, so that the group knows it again at once.
    worker = Worker(replace(settings, instance_id="only"), tmp_path / "worker.log")
    inbox = Inbox(settings, bus, owner)
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
            await bus.publish(*mixed)
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
    # What is later than every deletion is recorded whatever happens, and what is not may be.
    later_ones = {
        inbound_message_id(ACCOUNT, CHANNEL, each["data"]["provider_message_id"])
        for each in envelopes
        if each["type"] == MessageReceived.TYPE and each["data"]["sent_at"] > each["time"]
    }
    assert len(later_ones) == 2 * ROUNDS * len(CONTACTS)
    assert later_ones <= recorded
