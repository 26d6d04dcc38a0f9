"""`inbox send`: validates events from JSON on stdin, and publishes them to their topics."""

import asyncio
import json
import re
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain, count
from typing import Any, NamedTuple

import click
import msgspec

from schemas.catalog import INBOUND, TOPIC_OF
from schemas.cloudevents import CONTENT_TYPE_HEADER, Decoders, Incoming, encode
from schemas.codes import DeadLetterCode
from schemas.errors import InvalidRecord
from workers.cli.failures import expected_failures
from workers.cli.target import check_target
from workers.kafka.clients import new_producer
from workers.kafka.publisher import record_key
from workers.kafka.topic_admin import require_topics
from workers.process.errors import CommandFailed
from workers.settings import Settings, required

SOURCE = "/inbox/send"
"""The `source` of events that have none."""

KAFKA_ANSWER_SECONDS = 30

_NO_SPACE = re.compile(r"[^ \t\r\n]")


class ValidEvent(NamedTuple):
    """An event that may be published, and its bytes."""

    event: Incoming[Any]
    value: bytes


@click.command()
def send() -> None:
    """Publish events: JSON on stdin, one document or several.

    Each document is a CloudEvent. What its envelope lacks of id, source, specversion and time is
    filled in, so that {"type": "inbox.conversation.close.v1", "data": {...}} will do. Nothing is
    sent unless all are valid. Prints a line for each: topic, partition, offset, id.
    """
    settings = Settings.from_environment()
    required(settings.kafka, "INBOX_KAFKA")
    events = read_events(click.get_binary_stream("stdin").read())
    with expected_failures():
        asyncio.run(_publish(settings, events))


def read_events(text: bytes) -> list[ValidEvent]:
    """Returns the events of a stream of JSON documents.

    Raises CommandFailed, with a line for each invalid document.
    """
    decoders = Decoders(chain.from_iterable(INBOUND.values()))
    now = datetime.now(UTC)
    documents = _documents(text)
    events, errors = [], []
    for number in count(1):
        try:
            document = next(documents, None)
            if document is None:
                break
            value = _completed(document, now)
            event = decoders.decode(value, (), int(now.timestamp() * 1000), now)
            events.append(ValidEvent(event, value))
        except InvalidRecord as error:
            errors.append(f"document {number}: {error}")
    if errors:
        raise CommandFailed("nothing was sent\n" + "\n".join(errors))
    if not events:
        raise CommandFailed("there is no event on stdin")
    return events


def _documents(text: bytes) -> Iterator[bytes]:
    """Yield each JSON document. Raises InvalidRecord, and then ends, at text that is not JSON."""
    decoder = json.JSONDecoder()
    end = 0
    try:
        characters = text.decode("utf-8-sig")
        while found := _NO_SPACE.search(characters, end):
            _, end = decoder.raw_decode(characters, found.start())
            yield characters[found.start() : end].encode()
    except RecursionError:
        raise InvalidRecord(DeadLetterCode.NOT_JSON, "nested deeper than can be read") from None
    except ValueError as error:
        raise InvalidRecord(DeadLetterCode.NOT_JSON, str(error)) from error


def _completed(document: bytes, now: datetime) -> bytes:
    """Returns a CloudEvent with missing attributes added. The others stay as they were written."""
    try:
        given = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
    except msgspec.MsgspecError:
        # The decoder of events will report what is wrong with it.
        return document
    envelope = {"specversion": "1.0", "id": str(uuid.uuid4()), "source": SOURCE, "time": now}
    return encode(envelope | given)


async def _publish(settings: Settings, events: Sequence[ValidEvent]) -> None:
    names = [TOPIC_OF[event.type] for event, _ in events]
    await check_target(settings, changes=True, needs_database=False)
    await require_topics(settings, names)
    producer = new_producer(
        settings, enable_idempotence=True, request_timeout_ms=KAFKA_ANSWER_SECONDS * 1000
    )
    try:
        await producer.start()
        sent = [
            await producer.send(
                settings.topic(name),
                value,
                key=record_key(event.data).encode(),
                headers=[CONTENT_TYPE_HEADER],
            )
            for name, (event, value) in zip(names, events, strict=True)
        ]
        answers = await asyncio.gather(*sent, return_exceptions=True)
    finally:
        await producer.stop()
    for (event, _), answer in zip(events, answers, strict=True):
        if not isinstance(answer, BaseException):
            click.echo(f"{answer.topic} {answer.partition} {answer.offset} {event.id}")
    if failures := [answer for answer in answers if isinstance(answer, BaseException)]:
        raise failures[0]
