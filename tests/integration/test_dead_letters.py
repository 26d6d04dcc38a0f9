"""Bad records: set aside whole, without their neighbours, and put back after a fix."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from tests.bus import Bus, Read
from tests.command import Completed, inbox
from tests.events import ACCOUNT, CHANNEL, command, conversation, event, message
from tests.waiting import until
from tests.worker import Worker
from workers.dead_letter_log import DeadLetterLog
from workers.settings import Settings

Owner = asyncpg.Connection[asyncpg.Record] if False else Any

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
    Bad("empty", b"", "not_json", "Expecting value"),
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


async def publish(
    settings: Settings, key: bytes | None, value: bytes | None, headers: Any = ()
) -> None:
    """Publish to the one partition; unlike `Bus`, also what has neither key nor value."""
    producer = AIOKafkaProducer(
        bootstrap_servers=list(settings.kafka or ()), max_request_size=8 * 1024 * 1024
    )
    await producer.start()
    try:
        await producer.partitions_for(settings.topic(TOPIC))
        batch = producer.create_batch()
        batch.append(timestamp=None, key=key, value=value, headers=list(headers))
        sent = await producer.send_batch(batch, settings.topic(TOPIC), partition=PARTITION)
        await sent
    finally:
        await producer.stop()
