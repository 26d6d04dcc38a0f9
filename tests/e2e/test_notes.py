"""The rolling note: each message of a conversation joins a note on every linked entity."""

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import UNSET

from schemas.ids import reply_message_id
from tests.e2e.conftest import SENDER
from tests.harness.inbox import Inbox
from tests.harness.input_events import (
    ACCOUNT,
    Event,
    command,
    conversation,
    link,
    message,
    note_changed,
    reply,
    unlink,
)
from tests.harness.waiting import until
from tests.harness.worker import Worker

# By SMS: unlike on WhatsApp, a user may reply at any time after the contact's message.
MARIA = "+4911"
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
DAY, INSTANT = timedelta(days=1), timedelta(microseconds=1)
DEAL, LEAD = "deal:d1", "lead:l1"


def at(hours: float = 0, **more: float) -> datetime:
    """Returns a time after noon."""
    return NOON + timedelta(hours=hours, **more)


def written(body: str, sent_at: datetime, **fields: Any) -> Event:
    """Returns a message that Maria wrote at a time."""
    return message(MARIA, body, sent_at=sent_at, **fields)


async def test_linking_starts_a_note_at_once_with_the_latest_twenty_messages(
    inbox: Inbox,
) -> None:
    picture = {"url": "https://example.com/ME1", "content_type": "image/jpeg"}
    await inbox.apply(
        *[written(f"message {number}", at(minutes=number - 60)) for number in range(1, 24)],
        reply(MARIA, "49 €", "bo", id="reply", time=at(minutes=-5)),
        written("", at(minutes=-1), media=[picture]),
        written("imported last, but older", at(-500), historical=True),
        link(MARIA, DEAL, id="link", time=NOON),
    )
    linked = (await inbox.read("conversations"))[-1]
    (created,) = await inbox.read("notes")
    assert created.kind == "note.created"
    assert created.event["causationid"] == linked.event["causationid"] == "link"
    *texts, replied, pictured = created.data["messages"]
    assert [text["body"] for text in texts] == [f"message {number}" for number in range(6, 24)]
    assert {key: texts[0][key] for key in ("sender_name", "sender_address", "direction")} == {
        "sender_name": "Ana",
        "sender_address": MARIA,
        "direction": "inbound",
    }
    assert texts[0]["sent_at"] == "2026-01-02T11:06:00Z"
    assert replied == {
        "message_id": reply_message_id(ACCOUNT, "reply"),
        "direction": "outbound",
        "sender_name": "Bo",
        "sender_address": SENDER,
        "sent_at": "2026-01-02T11:55:00Z",
        "body": "49 €",
        "media": [],
    }
    assert (pictured["body"], pictured["media"]) == ("", [picture])
    assert {name: created.data[name] for name in created.data.keys() - {"messages", "note_id"}} == {
        "account_id": ACCOUNT,
        "conversation_id": conversation(MARIA),
        "version": linked.data["version"],
        "revision": 1,
        "entity": {"type": "deal", "id": "d1"},
        "starts_at": "2026-01-02T12:00:00Z",
        "ends_at": "2026-01-03T12:00:00Z",
        "assignee": None,
        "inbox_url": f"{inbox.settings.app_url}/conversations/{conversation(MARIA)}",
    }
    await inbox.assert_exact()


async def test_a_note_names_the_assignee_of_the_moment(inbox: Inbox) -> None:
    await inbox.apply(
        written("1", at(-1)),
        link(MARIA, DEAL, time=NOON),
        command("assign", MARIA, "ana", assignee_id="bo"),
        link(MARIA, LEAD, time=NOON),
        written("2", at(1)),
        command("assign", MARIA, "ana", assignee_id=None),
        reply(MARIA, "3", time=at(2)),
    )
    bo = {"user_id": "bo", "name": "Bo"}
    assert [
        (read.data["entity"]["type"], read.data["revision"], read.data["assignee"])
        for read in await inbox.read("notes")
    ] == [
        ("deal", 1, None),
        ("lead", 1, bo),
        ("deal", 2, bo),
        ("lead", 2, bo),
        ("deal", 3, None),
        ("lead", 3, None),
    ]
    await inbox.assert_exact()


async def test_messages_join_for_24_hours_and_the_first_outside_starts_the_next_note(
    inbox: Inbox,
) -> None:
    await inbox.apply(
        written("before the link", at(-1)),
        link(MARIA, DEAL, time=NOON),
        written("an hour later", at(1)),
        reply(MARIA, "a reply", time=at(2)),
        written("an import", at(3), historical=True),
        written("the very end", NOON + DAY),
        written("late", at(-2)),
        reply(MARIA, "outside", time=NOON + DAY + INSTANT),
        written("late for the first note", at(5)),
        # The 24 hours of this link begin at its own time.
        link(MARIA, LEAD, time=at(30)),
        reply(MARIA, "the second end", time=NOON + 2 * DAY + INSTANT),
        written("outside again", NOON + 2 * DAY + 2 * INSTANT, historical=True),
        written("much later", at(200)),
    )
    assert await inbox.note_history(DEAL) == [
        (1, 1, ["before the link"]),
        (1, 2, ["an hour later"]),
        (1, 3, ["a reply"]),
        (1, 4, ["an import"]),
        (1, 5, ["the very end"]),
        (1, 6, ["late"]),
        (2, 1, ["outside"]),
        (2, 2, ["late for the first note"]),
        (2, 3, ["the second end"]),
        (3, 1, ["outside again"]),
        (4, 1, ["much later"]),
    ]
    notes = await inbox.notes(DEAL)
    starts = [NOON, NOON + DAY + INSTANT, NOON + 2 * DAY + 2 * INSTANT, at(200)]
    assert [(note.starts_at, note.ends_at) for note in notes] == [
        (start, start + DAY) for start in starts
    ]
    assert {note.continues for note in notes} == {UNSET}
    in_time = ["late", "before the link", "an hour later", "a reply", "an import"]
    in_time += ["late for the first note", "the very end", "outside"]
    assert await inbox.note_history(LEAD) == [
        (1, 1, in_time),
        (1, 2, ["the second end"]),
        (1, 3, ["outside again"]),
        (2, 1, ["much later"]),
    ]
    await inbox.assert_exact(noted_on=[DEAL, LEAD])


async def test_a_note_that_was_edited_or_deleted_in_the_crm_is_never_touched_again(
    inbox: Inbox,
) -> None:
    await inbox.apply(
        written("1", at(-1)), link(MARIA, DEAL, time=NOON), link(MARIA, LEAD, time=NOON)
    )
    (first,) = await inbox.notes(DEAL)
    await inbox.apply(
        written("2", at(1)),
        note_changed("edited", MARIA, first.note_id),
        reply(MARIA, "3", time=at(2)),
        written("4", at(3)),
    )
    _, second = await inbox.notes(DEAL)
    await inbox.apply(
        note_changed("deleted", MARIA, second.note_id),
        # It starts a note although it is late: the newest note is deleted, and messages join no
        # other note.
        written("5", at(-2)),
        note_changed("edited", MARIA, second.note_id),
        note_changed("deleted", MARIA, first.note_id),
        note_changed("deleted", MARIA, "00000000-0000-5000-8000-000000000000"),
        written("6", at(4)),
    )
    assert await inbox.note_history(DEAL) == [
        (1, 1, ["1"]),
        (1, 2, ["2"]),
        (2, 1, ["3"]),
        (2, 2, ["4"]),
        (3, 1, ["5"]),
        (3, 2, ["6"]),
    ]
    assert [note.starts_at for note in await inbox.notes(DEAL)] == [NOON, at(2), at(-2)]
    assert await inbox.note_history(LEAD) == [
        (1, revision, [body]) for revision, body in enumerate("123456", start=1)
    ]
    await inbox.assert_exact(noted_on=[DEAL, LEAD])


async def test_linking_again_after_unlinking_starts_a_new_note(inbox: Inbox) -> None:
    await inbox.apply(
        written("1", at(-1)),
        link(MARIA, DEAL, time=NOON),
        written("2", at(1)),
        unlink(MARIA, DEAL),
        written("3, for nobody", at(2)),
        link(MARIA, DEAL, time=at(3)),
        written("4", at(4)),
    )
    assert await inbox.note_history(DEAL) == [
        (1, 1, ["1"]),
        (1, 2, ["2"]),
        (2, 1, ["1", "2", "3, for nobody"]),
        (2, 2, ["4"]),
    ]
    assert [note.starts_at for note in await inbox.notes(DEAL)] == [NOON, at(3)]
    await inbox.assert_exact()


async def test_a_note_of_60_000_characters_goes_on_in_one_that_continues_it(
    inbox: Inbox,
) -> None:
    # 17 characters of address and 10 of content type: the second message fills the note.
    picture = {"url": "https://a.io/" + "m" * 4, "content_type": "image/jpeg"}
    await inbox.apply(
        written("a" * 30_000, at(-1)),
        link(MARIA, DEAL, time=NOON),
        written("b" * 29_973, at(1), media=[picture]),
        written("c", at(2)),
        written("d" * 59_999, at(-3)),
        # This message alone is longer than a note may be, so it has a note of its own.
        written("e" * 70_000, at(3)),
        written("f", at(4)),
        # A new link: the messages so far fill several notes at once.
        link(MARIA, LEAD, time=NOON),
        written("g", NOON + DAY + INSTANT),
    )
    assert await initials(inbox, DEAL) == ["ab", "dc", "e", "f", "g"]
    await assert_each_continues_the_one_before(inbox, DEAL, count=4)
    assert await initials(inbox, LEAD) == ["d", "ab", "c", "e", "f", "g"]
    await assert_each_continues_the_one_before(inbox, LEAD, count=5)
    await inbox.assert_exact(noted_on=[DEAL, LEAD])


async def initials(inbox: Inbox, entity: str) -> list[str]:
    """Returns the first characters of the messages of each note."""
    return ["".join(each.body[0] for each in note.messages) for note in await inbox.notes(entity)]


async def assert_each_continues_the_one_before(inbox: Inbox, entity: str, count: int) -> None:
    """Assert that the first notes share the 24 hours from noon, and that no other continues one."""
    notes = await inbox.notes(entity)
    wanted = [UNSET, *(note.note_id for note in notes[: count - 1])]
    assert [note.continues for note in notes[:count]] == wanted
    assert {(note.starts_at, note.ends_at) for note in notes[:count]} == {(NOON, NOON + DAY)}
    assert {note.continues for note in notes[count:]} <= {UNSET}


async def test_a_thousand_messages_are_noted_once_though_the_worker_is_killed_midway(
    inbox: Inbox, worker: Worker
) -> None:
    await inbox.apply(
        written("first", NOON), link(MARIA, DEAL, time=NOON), link(MARIA, LEAD, time=NOON)
    )
    await inbox.apply(*messages_of_a_day(range(500)))
    async with inbox.owner.transaction():
        # With this lock, the kill comes in the middle of a transaction, half of the work done.
        await inbox.owner.execute("SELECT FROM inbox.conversations FOR UPDATE")
        await inbox.topics.publish(*messages_of_a_day(range(500, 1_000)))
        await until(
            lambda: inbox.owner.fetchval(WAITING_FOR_LOCK), "a worker that waits for the lock"
        )
        worker.kill()
    await worker.start()
    await inbox.apply(written("last", NOON + DAY), reply(MARIA, "the very last", time=NOON + DAY))

    for entity in (DEAL, LEAD):
        notes = await inbox.notes(entity)
        assert [len(note.messages) for note in notes] == [500, 500, 3]
        await assert_each_continues_the_one_before(inbox, entity, count=3)
    await inbox.assert_exact(noted_on=[DEAL, LEAD])
    assert await inbox.owner.fetchval("SELECT count(*) FROM inbox.messages") == 1_003


WAITING_FOR_LOCK = """
SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))
"""


def messages_of_a_day(numbers: range) -> list[Event]:
    """Returns a message for each number, all within 24 hours. Every tenth is a reply."""
    return [
        reply(MARIA, f"{number}", time=at(minutes=number))
        if number % 10 == 0
        else written(f"{number}", at(minutes=number))
        for number in numbers
    ]
