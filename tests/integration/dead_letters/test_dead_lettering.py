"""Bad records are dead-lettered whole, and their neighbours are applied."""

import uuid
from datetime import datetime

import msgspec
from aiokafka import AIOKafkaProducer

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
    provider_ids,
    publish,
)
from tests.harness.input_events import conversation, message
from tests.harness.topics import Topics
from tests.harness.worker import Worker
from workers.settings import Settings


async def test_bad_records_are_set_aside_whole_and_their_neighbours_applied(
    settings: Settings, topics: Topics, worker: Worker, owner: Owner
) -> None:
    records: list[tuple[bytes | None, bytes | None]] = [good(0)]
    for number, bad in enumerate(BAD, start=1):
        records += [(bad.key, bad.value), good(number)]
    end = await publish(settings, *records)
    await applied_to(owner, settings, end)

    log = await topics.read_until("conversations", len(BAD) + 2)
    assert provider_ids(log) == [f"good{number:03d}" for number in range(len(BAD) + 1)]
    letters = await topics.read_until("dead-letters", len(BAD))
    assert len(letters) == len(BAD)
    for number, (bad, letter) in enumerate(zip(BAD, letters, strict=True)):
        assert (letter.key, letter.value) == (bad.key, bad.value), bad.name
        assert letter.headers[:-6] == HEADERS
        assert [name for name, _ in letter.headers[-6:]] == DL_NAMES
        assert letter.header("dl_topic") == settings.topic(TOPIC)
        assert letter.header("dl_partition") == str(PARTITION)
        assert letter.header("dl_offset") == str(2 * number + 1)
        assert letter.header("dl_code") == bad.code, bad.name
        assert bad.error in (letter.header("dl_error") or ""), bad.name
        assert datetime.fromisoformat(letter.header("dl_at") or "").tzinfo
    written = worker.log.read_text()
    assert written.count("dead-lettered") == len(BAD)
    assert SECRET not in written


async def test_binary_mode_is_applied(
    settings: Settings, topics: Topics, worker: Worker, owner: Owner
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
    await topics.publish_raw(
        TOPIC,
        msgspec.json.encode(data),
        conversation(CONTACT).encode(),
        [(name, value.encode()) for name, value in headers.items()],
    )
    log = await topics.read_until("conversations", 2)
    assert provider_ids(log) == ["good001"]
    assert log[0].event["causationid"] == headers["ce_id"]
    assert await topics.read("dead-letters") == []


async def test_the_error_of_a_dead_letter_quotes_nothing_of_its_content(
    settings: Settings, topics: Topics, worker: Worker, owner: Owner
) -> None:
    await owner.execute("ALTER TABLE inbox.messages ADD CONSTRAINT nothing CHECK (false)")
    await publish(settings, good(1, SECRET))
    [letter] = await topics.read_until("dead-letters", 1)
    error = letter.header("dl_error") or ""
    assert "nothing" in error
    assert SECRET not in error
    assert CONTACT not in error


async def test_a_record_that_came_compressed_and_is_huge_is_kept_and_stops_nothing(
    settings: Settings, topics: Topics, worker: Worker
) -> None:
    huge = b"x" * (20 * 2**20)
    async with AIOKafkaProducer(
        bootstrap_servers=list(settings.kafka or ()),
        compression_type="gzip",
        max_request_size=64 * 2**20,
    ) as producer:
        topic = settings.topic("messages.received")
        await producer.send_and_wait(topic, huge, key=b"k", partition=0)
    await topics.publish(message(CONTACT))
    await topics.read_until("conversations", 2)
    (dead,) = await topics.read_until("dead-letters", 1)
    assert (dead.value, dead.header("dl_code")) == (huge, "too_large")
