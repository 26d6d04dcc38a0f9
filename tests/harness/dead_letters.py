"""Good and bad records of one partition, and what became of them, for tests of dead letters."""

from typing import NamedTuple, TypeAlias

import asyncpg
import msgspec
from aiokafka import AIOKafkaProducer

from tests.harness.input_events import ACCOUNT, command, message
from tests.harness.topics import ReadRecord
from tests.harness.waiting import until
from workers.settings import Settings

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

TOPIC = "messages.received"
PARTITION = 2
CONTACT = "whatsapp:+4911"
SECRET = "between-you-and-me"
"""Every bad record that can hold this text contains it. No log may show it."""

# One of them has the name of a `dl_` header.
HEADERS = (("trace", b"\x00\xff"), ("dl_code", b"the record's own"), ("trace", b"twice"))
DL_NAMES = ["dl_topic", "dl_partition", "dl_offset", "dl_code", "dl_error", "dl_at"]
"""Of the headers that a dead letter gets, in their order."""


class Bad(NamedTuple):
    """A record that cannot be applied, with the code and a part of the error to be expected."""

    name: str
    value: bytes | None
    code: str
    error: str
    key: bytes | None = b"a key"


def deep(outside: bytes = b"", behind: bytes = b"") -> bytes:
    """Returns JSON that is nested 100,000 deep."""
    return outside + b"[" * 100_000 + b"]" * 100_000 + behind


def changed(old: str, new: str) -> bytes:
    """Returns a good message with one text replaced."""
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


async def publish(settings: Settings, *records: tuple[bytes | None, bytes | None]) -> int:
    """Publish keys and values to the one partition in order, and return the position after them.

    Unlike `Topics`, it also publishes records without key and value.
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

    async def is_applied() -> bool:
        query = "SELECT next_offset FROM inbox.positions WHERE topic = $1 AND partition = $2"
        reached = await owner.fetchval(query, settings.topic(TOPIC), PARTITION)
        return (reached or 0) >= position

    await until(is_applied, f"position {position}")


def provider_ids(log: list[ReadRecord]) -> list[str]:
    """Returns the provider's ids of the messages in a conversation's log, in the log's order."""
    own = [event.data for event in log if event.kind == "conversation.message_recorded"]
    assert [data["version"] for data in own] == list(range(2, len(own) + 2))
    return [data["provider_message_id"] for data in own]


def place(letter: ReadRecord) -> str:
    """Returns a dead letter's place as the command line writes it: PARTITION:OFFSET."""
    return f"{letter.partition}:{letter.offset}"


def good(number: int, body: str = "Hello") -> tuple[bytes, bytes]:
    """Returns the key and value of a message whose id is easy to recognise."""
    made = message(CONTACT, body, provider_message_id=f"good{number:03d}")
    return made.key.encode(), made.value
