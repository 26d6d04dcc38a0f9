"""Bad records: set aside whole, without their neighbours, and put back after a fix."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TypeAlias

import asyncpg
import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from tests.bus import Bus, Read
from tests.command import Completed, inbox
from tests.events import ACCOUNT, command, conversation, message, user
from tests.waiting import until
from tests.worker import Worker
from workers.settings import Settings

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

TOPIC = "messages.received"
PARTITION = 2
CONTACT = "whatsapp:+4911"
SECRET = "between-you-and-me"
"""Stands in every bad record that can hold it: no log may show it."""

# One of them has the name of a header that a dead letter gets.
HEADERS = (("trace", b"\x00\xff"), ("dl_code", b"the record's own"), ("trace", b"twice"))
SAID = ["dl_topic", "dl_partition", "dl_offset", "dl_code", "dl_error", "dl_at"]


class Bad(NamedTuple):
    """A record that cannot be applied, and what is to be said of it."""

    name: str
    value: bytes | None
    code: str
    error: str
    key: bytes | None = b"a key"


def deep(outside: bytes = b"", behind: bytes = b"") -> bytes:
    """JSON nested 100,000 deep."""
    return outside + b"[" * 100_000 + b"]" * 100_000 + behind


def changed(old: str, new: str) -> bytes:
    """A good message with one text replaced."""
    value = message(CONTACT, SECRET).value
    assert old.encode() in value
    return value.replace(old.encode(), new.encode())


BAD = [
    Bad("not JSON", b'{"body": "' + SECRET.encode(), "not_json", "Unterminated string"),
    Bad("not UTF-8", b'"\xff' + SECRET.encode() + b'"', "not_json", "utf-8"),
    Bad("empty", b"", "not_json", "no value"),
    Bad("no value", None, "not_json", "no value"),
    Bad("no value and no key", None, "not_json", "no value", None),
    Bad("not a CloudEvent", msgspec.json.encode({"body": SECRET}), "not_cloudevent", "`$`"),
    Bad("not an object", msgspec.json.encode([SECRET]), "not_cloudevent", "`$`"),
    Bad("other specversion", changed('"1.0"', '"0.3"'), "not_cloudevent", "`$.specversion`"),
    Bad("unknown type", changed("message.received", "message.vanished"), "unknown_type", "vanish"),
    Bad("another topic's type", command("close", CONTACT, SECRET).value, "unknown_type", "close"),
    Bad("wrong field", changed(f'"{SECRET}"', "17"), "invalid_data", "`$.data.body`"),
    Bad("wrong id", changed(f'"{ACCOUNT}"', '"a/b"'), "invalid_data", "`$.data.account_id`"),
    Bad("time without offset", changed("12:00:00Z", "12:00:00"), "invalid_data", "sent_at"),
    Bad("NUL", changed(SECRET, SECRET + "\\u0000"), "unstorable", "NUL"),
    Bad("lone surrogate", changed(SECRET, SECRET + "\\ud800"), "unstorable", "surrogate"),
    Bad("deep", deep(), "not_json", "deep"),
    Bad("deep in a field", deep(b'{"data":{"x":', b"}}"), "not_json", "deep"),
    Bad("2 MiB", changed(SECRET, SECRET * (2**21 // len(SECRET))), "too_large", "262144"),
    Bad("no key", b"{" + SECRET.encode(), "not_json", "", None),
]


@pytest.fixture
async def stopped(settings: Settings, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker that is started by the test, so that all is there when it reads first."""
    worker = Worker(settings, tmp_path / "worker.log")
    yield worker
    if worker.process.poll() is None:
        await worker.stop()


async def publish(settings: Settings, *records: tuple[bytes | None, bytes | None]) -> int:
    """Publish keys and values to the one partition, in order; the position after them.

    Unlike `Bus`, also what has neither key nor value.
    """
    topic = settings.topic(TOPIC)
    producer = AIOKafkaProducer(
        bootstrap_servers=list(settings.kafka or ()), max_request_size=8 * 1024 * 1024
    )
    await producer.start()
    try:
        await producer.partitions_for(topic)
        sent = None
        for key, value in records:
            batch = producer.create_batch()
            batch.append(timestamp=None, key=key, value=value, headers=list(HEADERS))
            sent = await (await producer.send_batch(batch, topic, partition=PARTITION))
    finally:
        await producer.stop()
    assert sent is not None
    return int(sent.offset) + 1


async def applied_to(owner: Owner, settings: Settings, position: int) -> None:
    """Wait until the partition is applied up to a position."""

    async def ask() -> bool:
        query = "SELECT next_offset FROM inbox.positions WHERE topic = $1 AND partition = $2"
        reached = await owner.fetchval(query, settings.topic(TOPIC), PARTITION)
        return (reached or 0) >= position

    await until(ask, f"position {position}")


async def recorded(owner: Owner) -> list[str]:
    """The provider's ids of all messages that are recorded."""
    rows = await owner.fetch("SELECT provider_message_id FROM inbox.messages ORDER BY 1")
    return [row[0] for row in rows]


def provider_ids(log: list[Read]) -> list[str]:
    """The provider's ids of the messages in the log of a conversation, in its order."""
    own = [event.data for event in log if event.kind == "conversation.message_recorded"]
    assert [data["version"] for data in own] == list(range(2, len(own) + 2))
    return [data["provider_message_id"] for data in own]


def place(letter: Read) -> str:
    """A dead letter as the command line names it."""
    return f"{letter.partition}:{letter.offset}"


def good(number: int, body: str = "Hello") -> tuple[bytes, bytes]:
    """The key and value of a message with an id that is easy to recognise."""
    made = message(CONTACT, body, provider_message_id=f"good{number:03d}")
    return made.key.encode(), made.value


async def test_bad_records_are_set_aside_whole_and_their_neighbours_applied(
    settings: Settings, bus: Bus, worker: Worker, owner: Owner
) -> None:
    records: list[tuple[bytes | None, bytes | None]] = [good(0)]
    for number, bad in enumerate(BAD, start=1):
        records += [(bad.key, bad.value), good(number)]
    end = await publish(settings, *records)
    await applied_to(owner, settings, end)

    log = await bus.read_until("conversations", len(BAD) + 2)
    assert provider_ids(log) == [f"good{number:03d}" for number in range(len(BAD) + 1)]
    letters = await bus.read_until("dead-letters", len(BAD))
    assert len(letters) == len(BAD)
    for number, (bad, letter) in enumerate(zip(BAD, letters, strict=True)):
        assert (letter.key, letter.value) == (bad.key, bad.value), bad.name
        assert letter.headers[:-6] == HEADERS
        assert [name for name, _ in letter.headers[-6:]] == SAID
        assert letter.header("dl_topic") == settings.topic(TOPIC)
        assert letter.header("dl_partition") == str(PARTITION)
        assert letter.header("dl_offset") == str(2 * number + 1)
        assert letter.header("dl_code") == bad.code, bad.name
        assert bad.error in (letter.header("dl_error") or ""), bad.name
        assert datetime.fromisoformat(letter.header("dl_at") or "").tzinfo
    written = worker.log.read_text()
    assert written.count("dead-lettered") == len(BAD)
    assert SECRET not in written


async def test_what_is_still_wrong_is_set_aside_again_as_it_was(
    settings: Settings, bus: Bus, worker: Worker, owner: Owner
) -> None:
    end = await publish(settings, *[(bad.key, bad.value) for bad in BAD])
    before = await bus.read_until("dead-letters", len(BAD))

    done = await inbox(settings, "dead-letters", "redrive", "--all")
    assert done.status == 0, done.err
    assert done.lines[-1] == f"{len(BAD)} redriven, 0 skipped, 0 impossible"
    assert SECRET not in done.out
    await applied_to(owner, settings, end + len(BAD))
    letters = await bus.read_until("dead-letters", 2 * len(BAD))
    assert [letter.partition for letter in letters] == [PARTITION] * 2 * len(BAD)
    for old, new in zip(before, letters[len(BAD) :], strict=True):
        assert (new.key, new.value, new.headers[:-6]) == (old.key, old.value, HEADERS)
        assert new.header("dl_code") == old.header("dl_code")
        assert new.header("dl_partition") == str(PARTITION)

    # Those redriven are done with; the new ones are not.
    done = await inbox(settings, "dead-letters", "redrive", "--all", "--dry-run")
    assert done.lines[-1] == f"{len(BAD)} redriven, {len(BAD)} skipped, 0 impossible"


async def test_what_postgres_refuses_is_found_by_halving_and_applied_once_after_a_fix(
    settings: Settings, bus: Bus, stopped: Worker, owner: Owner
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
    assert provider_ids(await bus.read_until("conversations", 20)) == neighbours
    [letter] = await bus.read_until("dead-letters", 1)
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
    log = await bus.read_until("conversations", 21)
    assert provider_ids(log) == [*neighbours, "good011"]

    done = await inbox(settings, "dead-letters", "redrive", place(letter))
    assert (done.status, done.lines[-1]) == (0, "0 redriven, 1 skipped, 0 impossible")
    done = await inbox(settings, "dead-letters", "redrive", "--again", place(letter))
    assert (done.status, done.lines[-1]) == (0, "1 redriven, 0 skipped, 0 impossible")
    await applied_to(owner, settings, end + 2)
    assert sorted(await recorded(owner)) == sorted([*neighbours, "good011"])
    assert await owner.fetchval("SELECT version FROM inbox.conversations") == 21
    assert len(await bus.read("conversations")) == 21
    assert len(await bus.read("dead-letters")) == 1


async def test_a_redriven_command_is_as_old_as_when_it_was_set_aside(
    settings: Settings, bus: Bus, worker: Worker, owner: Owner
) -> None:
    """Else a close that names no time would count as issued after messages nobody has seen."""
    await bus.publish(user("ana"), message(CONTACT))
    await bus.read_until("conversations", 2)
    await until(lambda: owner.fetchval("SELECT count(*) FROM inbox.users"), "a user")
    await owner.execute(
        "ALTER TABLE inbox.conversations ADD CONSTRAINT never_closed CHECK (status = 'open')"
    )
    close = msgspec.json.decode(command("close", CONTACT, "ana").value)
    del close["time"]
    await bus.publish_raw(
        "lifecycle", msgspec.json.encode(close), conversation(CONTACT).encode(), HEADERS
    )
    [letter] = await bus.read_until("dead-letters", 1)
    await owner.execute("ALTER TABLE inbox.conversations DROP CONSTRAINT never_closed")
    await bus.publish(message(CONTACT, "One more thing"))
    await bus.read_until("conversations", 3)

    done = await inbox(settings, "dead-letters", "redrive", place(letter))
    assert done.status == 0, done.err
    [result] = await bus.read_until("results", 1)
    assert (result.kind, result.data["code"]) == ("command.rejected", "superseded")


async def test_binary_mode_is_applied(
    settings: Settings, bus: Bus, worker: Worker, owner: Owner
) -> None:
    data = msgspec.json.decode(good(1)[1])["data"]
    headers = {
        "content-type": "application/json",
        "ce_specversion": "1.0",
        "ce_id": str(uuid.uuid4()),
        "ce_source": "/tests",
        "ce_type": "inbox.message.received.v1",
        "ce_time": "2026-01-01T12:00:00Z",
        "ce_traceparent": "an extension",
    }
    await bus.publish_raw(
        TOPIC,
        msgspec.json.encode(data),
        conversation(CONTACT).encode(),
        [(name, value.encode()) for name, value in headers.items()],
    )
    log = await bus.read_until("conversations", 2)
    assert provider_ids(log) == ["good001"]
    assert log[0].event["causationid"] == headers["ce_id"]
    assert await bus.read("dead-letters") == []


async def test_a_flood_stops_the_worker_before_anything_is_set_aside(
    settings: Settings, bus: Bus, tmp_path: Path, owner: Owner
) -> None:
    end = await publish(settings, *[(b"key", SECRET.encode()) for _ in range(8)])
    flooded = Worker(replace(settings, dead_letter_run=7), tmp_path / "flooded.log")
    await flooded.start(ready=False)
    status = await asyncio.to_thread(flooded.process.wait, 60)

    assert status not in {0, None}
    written = flooded.log.read_text()
    assert "8 records in a row would be dead-lettered; raise INBOX_DEAD_LETTER_RUN" in written
    assert SECRET not in written
    query = "SELECT sum(next_offset)::bigint FROM inbox.positions"
    assert not await owner.fetchval(query)
    assert await bus.read("dead-letters") == []

    patient = Worker(replace(settings, dead_letter_run=8), tmp_path / "patient.log")
    await patient.start()
    await applied_to(owner, settings, end)
    assert len(await bus.read_until("dead-letters", 8)) == 8
    await patient.stop()


async def test_the_error_of_a_dead_letter_quotes_nothing_of_its_content(
    settings: Settings, bus: Bus, worker: Worker, owner: Owner
) -> None:
    await owner.execute("ALTER TABLE inbox.messages ADD CONSTRAINT nothing CHECK (false)")
    await publish(settings, good(1, SECRET))
    [letter] = await bus.read_until("dead-letters", 1)
    error = letter.header("dl_error") or ""
    assert "nothing" in error
    assert SECRET not in error
    assert CONTACT not in error


async def test_a_flood_of_what_postgres_refuses_stops_the_worker_too(
    settings: Settings, tmp_path: Path, owner: Owner
) -> None:
    await owner.execute("ALTER TABLE inbox.messages ADD CONSTRAINT nothing CHECK (false)")
    end = await publish(settings, *[good(number) for number in range(8)])
    flooded = Worker(replace(settings, dead_letter_run=3), tmp_path / "flooded.log")
    await flooded.start(ready=False)

    async def settled() -> bool:
        query = "SELECT max(next_offset) FROM inbox.positions"
        return flooded.process.poll() is not None or (await owner.fetchval(query) or 0) >= end

    await until(settled, "a worker that stops, or has set all aside")
    flooded.kill()
    assert "records in a row would be dead-lettered" in flooded.log.read_text()


async def test_list_shows_the_newest_without_their_content(
    settings: Settings, bus: Bus, worker: Worker
) -> None:
    await publish(settings, (b"key", SECRET.encode()), (None, changed(f'"{SECRET}"', "17")))
    await bus.publish_raw("lifecycle", message(CONTACT, SECRET).value)
    letters = await bus.read_until("dead-letters", 3)

    def rows(listed: Completed) -> list[list[str]]:
        assert listed.status == 0, listed.err
        assert SECRET not in listed.out
        return [line.split() for line in listed.lines[1:]]

    all_rows = rows(await inbox(settings, "dead-letters", "list"))
    assert sorted(row[0] for row in all_rows) == sorted(map(place, letters))
    [first, second] = [row for row in all_rows if row[3].startswith(settings.topic(TOPIC))]
    assert first[2:] == [
        "not_json",
        f"{settings.topic(TOPIC)}[{PARTITION}]@0",
        str(len(SECRET)),
        "no",
    ]
    assert second[2] == "invalid_data"
    assert rows(await inbox(settings, "dead-letters", "list", "--limit", "1")) == all_rows[-1:]
    by_code = await inbox(settings, "dead-letters", "list", "--code", "invalid_data")
    assert rows(by_code) == [second]
    by_topic = await inbox(settings, "dead-letters", "list", "--topic", "lifecycle")
    assert [row[2] for row in rows(by_topic)] == ["unknown_type"]

    done = await inbox(settings, "dead-letters", "redrive", "--code", "invalid_data", "--dry-run")
    assert done.lines == [
        f"{second[0]} would be redriven: to {settings.topic(TOPIC)}",
        "1 redriven, 0 skipped, 0 impossible",
    ]
    assert [row[-1] for row in rows(await inbox(settings, "dead-letters", "list"))] == ["no"] * 3
    done = await inbox(settings, "dead-letters", "redrive", "--topic", TOPIC)
    assert done.lines[-1] == "2 redriven, 0 skipped, 0 impossible"
    await bus.read_until("dead-letters", 5)
    listed = rows(await inbox(settings, "dead-letters", "list"))
    assert sorted(row[0] for row in listed if row[-1] == "yes") == sorted([first[0], second[0]])


async def test_show_shows_all_of_one_and_nothing_that_drives_a_terminal(
    settings: Settings, bus: Bus, worker: Worker
) -> None:
    value = f"{SECRET}\x1b[2J\n\tOlá".encode()
    await publish(settings, (b"\xff\x00", value), (None, None))
    text, nothing = await bus.read_until("dead-letters", 2)

    shown = await inbox(settings, "dead-letters", "show", place(text))
    assert shown.status == 0, shown.err
    assert shown.out.endswith(f"value, {len(value)} bytes:\n{SECRET}\\x1b[2J\n\tOlá\n")
    for line in ("key: ff00", "trace: 00ff", "dl_code: the record's own", "dl_code: not_json"):
        assert line in shown.lines
    shown = await inbox(settings, "dead-letters", "show", place(nothing))
    assert shown.out.endswith("key: (none)\nvalue, 0 bytes:\n(none)\n")


async def test_a_place_that_holds_no_dead_letter_is_said(
    settings: Settings, bus: Bus, worker: Worker
) -> None:
    await publish(settings, (b"key", b"{"))
    [letter] = await bus.read_until("dead-letters", 1)
    # Behind the record there is the marker of its transaction, which is no record.
    for nowhere in (f"{PARTITION}:{letter.offset + 1}", "0:0", "99:0", f"{PARTITION}:999999999"):
        for order in ("show", "redrive"):
            done = await inbox(settings, "dead-letters", order, nowhere)
            assert (done.status, done.out) == (1, "")
            assert done.err == f"inbox: there is no dead letter at {nowhere}\n"
    for wrong in ("1", "1:", "-1:2", "1:2:3"):
        done = await inbox(settings, "dead-letters", "show", "--", wrong)
        assert done.status == 2
        assert "PARTITION:OFFSET" in done.err


@pytest.mark.parametrize("arguments", [[], ["0:1", "--all"]], ids=["nothing", "both"])
async def test_redrive_wants_to_know_what(settings: Settings, arguments: list[str]) -> None:
    done = await inbox(settings, "dead-letters", "redrive", *arguments)
    assert done.status == 2
    assert "say which" in done.err


async def test_a_record_that_no_worker_set_aside_is_listed_and_left_alone(
    settings: Settings, bus: Bus
) -> None:
    await bus.publish_raw("dead-letters", b"stray", None, [("dl_topic", b"elsewhere")], 0)
    said = dict.fromkeys(SAID, b"0") | {
        "dl_topic": b"other.topic",
        "dl_at": b"2026-01-01T00:00:00Z",
    }
    await bus.publish_raw("dead-letters", b"stray", None, said.items(), 0)

    listed = await inbox(settings, "dead-letters", "list")
    assert [line.split()[0] for line in listed.lines[1:]] == ["0:0", "0:1"]
    done = await inbox(settings, "dead-letters", "redrive", "--all")
    assert done.status == 1
    assert done.lines[-1] == "0 redriven, 0 skipped, 2 impossible"


async def test_a_record_that_came_compressed_and_is_huge_is_kept_and_stops_nothing(
    settings: Settings, bus: Bus, worker: Worker
) -> None:
    huge = b"x" * (20 * 2**20)
    async with AIOKafkaProducer(
        bootstrap_servers=list(settings.kafka or ()),
        compression_type="gzip",
        max_request_size=64 * 2**20,
    ) as producer:
        topic = settings.topic("messages.received")
        await producer.send_and_wait(topic, huge, key=b"k", partition=0)
    await bus.publish(message(CONTACT))
    await bus.read_until("conversations", 2)
    (dead,) = await bus.read_until("dead-letters", 1)
    assert (dead.value, dead.header("dl_code")) == (huge, "too_large")
