"""Records of every topic as no publisher should write them, fed to the codec."""

import json
from datetime import UTC, datetime
from importlib.resources import files
from random import Random
from typing import Any

import msgspec

from schemas.catalog import INBOUND, OUTBOUND, TOPIC_OF
from schemas.cloudevents import CloudEvent, Decoders, encode
from schemas.dead_letters import split_headers
from schemas.errors import InvalidRecord
from schemas.fields import texts
from tests.fuzz.mutations import changed_bytes, changed_json, text, to_json, value
from tests.harness.kafka_records import kafka_record
from workers.kafka.publisher import record_key
from workers.kafka.records import KafkaRecord
from workers.outbox.dead_letter import dead_letter

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
TIMESTAMPS = (1_767_268_800_000, 0, -1, 2**63 - 1, -(2**63), 253_402_300_800_000)
NAMES = ("content-type", "ce_id", "ce_type", "ce_source", "ce_specversion", "ce_time", "Ce_Id", "")
TYPES = (b"application/cloudevents+json", b"application/json", b"", b"\xff", b"APPLICATION/CLOUDEV")

EXAMPLES: dict[str, list[dict[str, Any]]] = {}
for _file in sorted(files("schemas").joinpath("examples").iterdir(), key=lambda file: file.name):
    _example = json.loads(_file.read_text("utf-8"))
    EXAMPLES.setdefault(TOPIC_OF[_example["type"]], []).append(_example)

DECODERS = {topic: Decoders(structs) for topic, structs in {**INBOUND, **OUTBOUND}.items()}
TOPICS = sorted(EXAMPLES)


class WronglyAccepted(Exception):
    """An input was accepted that cannot be stored or published unchanged."""


def make(random: Random) -> KafkaRecord:
    """Returns a record: mostly an example of its topic that was made wrong, in either mode."""
    topic = random.choice(TOPICS)
    example = random.choice(EXAMPLES[topic])
    how = random.random()
    headers: list[tuple[str, bytes | None]] = []
    body: bytes | None
    if how < 0.35:
        body = to_json(changed_json(random, example))
    elif how < 0.6:
        body = changed_bytes(random, to_json(example))
    elif how < 0.9:
        data = example["data"] if random.random() < 0.3 else changed_json(random, example["data"])
        body, headers = to_json(data), _headers(random, example)
        if random.random() < 0.3:
            body = changed_bytes(random, body, 1)
    elif how < 0.95:
        body = to_json(value(random))
    else:
        body = random.randbytes(random.randrange(200)) if random.random() < 0.9 else None
    if random.random() < 0.1:
        headers.append(_header(random))
    moment = TIMESTAMPS[0] if random.random() < 0.8 else random.choice(TIMESTAMPS)
    record: KafkaRecord = kafka_record(
        topic, 3, 17, body, key=b"key", headers=tuple(headers), timestamp=moment
    )
    return record


def _headers(random: Random, example: dict[str, Any]) -> list[tuple[str, bytes | None]]:
    """Returns the headers of an example in binary mode, of which up to two are wrong."""
    headers: list[tuple[str, bytes | None]] = [
        (f"ce_{name}", str(example[name]).encode())
        for name in ("specversion", "id", "source", "type", "time")
    ]
    for _ in range(random.randrange(3)):
        place = random.randrange(len(headers))
        how = random.random()
        if how < 0.3:
            headers[place] = _header(random)
        elif how < 0.6:
            name, given = headers[place]
            headers[place] = (name, changed_bytes(random, given or b"", 1))
        elif len(headers) > 1:
            del headers[place]
    return headers


def _header(random: Random) -> tuple[str, bytes | None]:
    name = random.choice(NAMES)
    how = random.random()
    if how < 0.3:
        return name, random.choice(TYPES)
    if how < 0.4:
        return name, None
    return name, text(random).encode(errors="surrogatepass")


def outcome_of(record: KafkaRecord) -> str:
    """Returns the code of the dead letter, or `taken`. All other errors are raised."""
    try:
        event = DECODERS[record.topic].decode(record.value, record.headers, record.timestamp, NOW)
    except InvalidRecord as error:
        letter = dead_letter("dead-letters", record, error, NOW, 4)
        own, origin = split_headers(letter.headers or ())
        if (letter.value, list(own), origin.code) != (record.value, [*record.headers], error.code):
            raise WronglyAccepted("the dead letter is not the record") from error
        return str(error.code)
    again = CloudEvent(event.id, event.type, event.time, event.data)
    written = DECODERS[record.topic].decode(encode(again), (), record.timestamp, NOW)
    if (written.id, written.time, written.data) != (event.id, event.time, event.data):
        raise WronglyAccepted("written and read again it is another")
    for found in texts([event.id, msgspec.to_builtins(event.data)]):
        found.encode()
        if "\0" in found:
            raise WronglyAccepted("a text has a NUL")
    record_key(event.data).encode()
    return "taken"
