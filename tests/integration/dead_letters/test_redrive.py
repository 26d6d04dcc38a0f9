"""`inbox dead-letters redrive` puts bad records back; after a fix each is applied once."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tests.harness.command import inbox
from tests.harness.dead_letters import (
    BAD,
    CONTACT,
    DL_NAMES,
    HEADERS,
    PARTITION,
    SECRET,
    TOPIC,
    Owner,
    applied_to,
    good,
    place,
    provider_ids,
    publish,
)
from tests.harness.input_events import command, conversation, message, user
from tests.harness.topics import Topics
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.settings import Settings


@pytest.fixture
async def stopped(settings: Settings, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker that the test starts, once all records are published."""
    worker = Worker(settings, tmp_path / "worker.log")
    yield worker
    if worker.process.poll() is None:
        await worker.stop()


async def recorded(owner: Owner) -> list[str]:
    """Returns the provider's ids of all recorded messages."""
    rows = await owner.fetch("SELECT provider_message_id FROM inbox.messages ORDER BY 1")
    return [row[0] for row in rows]


async def test_what_is_still_wrong_is_set_aside_again_as_it_was(
    settings: Settings, topics: Topics, worker: Worker, owner: Owner
) -> None:
    end = await publish(settings, *[(bad.key, bad.value) for bad in BAD])
    before = await topics.read_until("dead-letters", len(BAD))

    done = await inbox(settings, "dead-letters", "redrive", "--all")
    assert done.status == 0, done.err
    assert done.lines[-1] == f"{len(BAD)} redriven, 0 skipped, 0 impossible"
    assert SECRET not in done.out
    await applied_to(owner, settings, end + len(BAD))
    letters = await topics.read_until("dead-letters", 2 * len(BAD))
    assert [letter.partition for letter in letters] == [PARTITION] * 2 * len(BAD)
    for old, new in zip(before, letters[len(BAD) :], strict=True):
        assert (new.key, new.value, new.headers[:-6]) == (old.key, old.value, HEADERS)
        assert new.header("dl_code") == old.header("dl_code")
        assert new.header("dl_partition") == str(PARTITION)

    # The old dead letters count as redriven; the new ones do not.
    done = await inbox(settings, "dead-letters", "redrive", "--all", "--dry-run")
    assert done.lines[-1] == f"{len(BAD)} redriven, {len(BAD)} skipped, 0 impossible"


async def test_what_postgres_refuses_is_found_by_halving_and_applied_once_after_a_fix(
    settings: Settings, topics: Topics, stopped: Worker, owner: Owner
) -> None:
    await owner.execute(
        "ALTER TABLE inbox.messages ADD CONSTRAINT no_poison CHECK (body <> 'poison')"
    )
    bodies = ["poison" if number == 11 else "Hello" for number in range(20)]
    records = [good(number, body) for number, body in enumerate(bodies)]
    end = await publish(settings, *records)
    await stopped.start()
    await applied_to(owner, settings, end)

    neighbours = [f"good{number:03d}" for number in range(20) if number != 11]
    assert provider_ids(await topics.read_until("conversations", 20)) == neighbours
    [letter] = await topics.read_until("dead-letters", 1)
    assert (letter.key, letter.value) == records[11]
    assert letter.header("dl_code") == "unstorable"
    assert letter.header("dl_offset") == "11"
    assert "no_poison" in (letter.header("dl_error") or "")

    await owner.execute("ALTER TABLE inbox.messages DROP CONSTRAINT no_poison")
    done = await inbox(settings, "dead-letters", "redrive", place(letter))
    assert done.status == 0, done.err
    assert done.lines == [
        f"{place(letter)} redriven: to {settings.topic(TOPIC)}[{PARTITION}]@{end}",
        "1 redriven, 0 skipped, 0 impossible",
    ]
    await applied_to(owner, settings, end + 1)
    log = await topics.read_until("conversations", 21)
    assert provider_ids(log) == [*neighbours, "good011"]

    done = await inbox(settings, "dead-letters", "redrive", place(letter))
    assert (done.status, done.lines[-1]) == (0, "0 redriven, 1 skipped, 0 impossible")
    done = await inbox(settings, "dead-letters", "redrive", "--again", place(letter))
    assert (done.status, done.lines[-1]) == (0, "1 redriven, 0 skipped, 0 impossible")
    await applied_to(owner, settings, end + 2)
    assert sorted(await recorded(owner)) == sorted([*neighbours, "good011"])
    assert await owner.fetchval("SELECT version FROM inbox.conversations") == 21
    assert len(await topics.read("conversations")) == 21
    assert len(await topics.read("dead-letters")) == 1


async def test_a_redriven_command_is_as_old_as_when_it_was_set_aside(
    settings: Settings, topics: Topics, worker: Worker, owner: Owner
) -> None:
    """Otherwise a close without a time would count as issued after messages nobody has seen."""
    await topics.publish(user("ana"), message(CONTACT))
    await topics.read_until("conversations", 2)
    await until(lambda: owner.fetchval("SELECT count(*) FROM inbox.users"), "a user")
    await owner.execute(
        "ALTER TABLE inbox.conversations ADD CONSTRAINT never_closed CHECK (status = 'open')"
    )
    close = msgspec.json.decode(command("close", CONTACT, "ana").value)
    del close["time"]
    await topics.publish_raw(
        "lifecycle", msgspec.json.encode(close), conversation(CONTACT).encode(), HEADERS
    )
    [letter] = await topics.read_until("dead-letters", 1)
    await owner.execute("ALTER TABLE inbox.conversations DROP CONSTRAINT never_closed")
    await topics.publish(message(CONTACT, "One more thing"))
    await topics.read_until("conversations", 3)

    done = await inbox(settings, "dead-letters", "redrive", place(letter))
    assert done.status == 0, done.err
    [result] = await topics.read_until("results", 1)
    assert (result.kind, result.data["code"]) == ("command.rejected", "superseded")


@pytest.mark.parametrize("arguments", [[], ["0:1", "--all"]], ids=["nothing", "both"])
async def test_redrive_wants_to_know_what(settings: Settings, arguments: list[str]) -> None:
    done = await inbox(settings, "dead-letters", "redrive", *arguments)
    assert done.status == 2
    assert "say which" in done.err


async def test_a_record_that_no_worker_set_aside_is_listed_and_left_alone(
    settings: Settings, topics: Topics
) -> None:
    await topics.publish_raw("dead-letters", b"stray", None, [("dl_topic", b"elsewhere")], 0)
    headers = dict.fromkeys(DL_NAMES, b"0") | {
        "dl_topic": b"other.topic",
        "dl_at": b"2026-01-01T00:00:00Z",
    }
    await topics.publish_raw("dead-letters", b"stray", None, headers.items(), 0)

    listed = await inbox(settings, "dead-letters", "list")
    assert [line.split()[0] for line in listed.lines[1:]] == ["0:0", "0:1"]
    done = await inbox(settings, "dead-letters", "redrive", "--all")
    assert done.status == 1
    assert done.lines[-1] == "0 redriven, 0 skipped, 2 impossible"
