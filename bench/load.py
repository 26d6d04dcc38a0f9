"""Makes loads from a seed, and puts them into Kafka before anything is measured."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer

from schemas.catalog import TOPIC_OF
from schemas.cloudevents import CONTENT_TYPE_HEADER
from schemas.fields import AccountId, ChannelId
from schemas.ids import conversation_id, uuid5_text
from workers.settings import Settings, required

ACCOUNT, CHANNEL = AccountId("bench"), ChannelId("wa")
USERS = ("ana", "bo", "cy")
BODY = "Is the flat in the Lindenstrasse still free, and could we see it on Saturday? " * 2

BATCH_BYTES = 512 * 1024

Made = tuple[str, str, bytes]
"""A topic without its prefix, a key, and a value."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a run is made of."""

    messages: int
    conversations: int
    seed: int = 1
    doubled: float = 0.0
    """Part of the messages that is published twice, with another event id."""
    commands: float = 0.0
    """Commands per message: assignments, closes and reopens."""


def directory() -> Iterator[Made]:
    """The account's users, whom its messages are told to."""
    for user_id in USERS:
        data = {
            "account_id": ACCOUNT,
            "user_id": user_id,
            "name": user_id.title(),
            "email": f"{user_id}@example.com",
            "inbox_access": True,
        }
        yield _made("user.upserted", data, ACCOUNT, f"user-{user_id}", datetime.now(UTC))


def events(load: Load) -> Iterator[Made]:
    """The messages and commands, in the order they are published."""
    chance = random.Random(load.seed)  # noqa: S311  # repeatable on purpose
    # A few conversations get most of the messages, as Zipf says.
    weights = [1 / (rank + 10) for rank in range(load.conversations)]
    contacts = [f"whatsapp:+49{number:010d}" for number in range(load.conversations)]
    now = datetime.now(UTC)
    for number, contact in enumerate(chance.choices(contacts, weights, k=load.messages)):
        yield _message(number, contact, now, "once")
        if chance.random() < load.doubled:
            yield _message(number, contact, now, "twice")
        if chance.random() < load.commands:
            yield _command(chance, f"command-{number}", contact, now)


def _message(number: int, contact: str, now: datetime, copy: str) -> Made:
    data = {
        "account_id": ACCOUNT,
        "channel_id": CHANNEL,
        "provider_message_id": f"SM{number:032d}",
        "contact": {"address": contact, "name": "Ana Müller"},
        "body": BODY,
        "sent_at": now,
    }
    key = conversation_id(ACCOUNT, CHANNEL, contact)
    return _made("message.received", data, key, uuid5_text(f"{number}/{copy}"), now)


def _command(chance: random.Random, command_id: str, contact: str, now: datetime) -> Made:
    key = conversation_id(ACCOUNT, CHANNEL, contact)
    data: dict[str, Any] = {
        "account_id": ACCOUNT,
        "conversation_id": key,
        "actor_id": chance.choice(USERS),
    }
    kind = chance.choice(("assign", "close", "close", "reopen"))
    if kind == "assign":
        data["assignee_id"] = chance.choice((*USERS, None))
    # Half of them were issued before the messages are recorded, half after.
    issued = now + timedelta(hours=chance.choice((-1, 1)))
    return _made(f"conversation.{kind}", data, key, command_id, issued)


def _made(kind: str, data: dict[str, Any], key: str, event_id: str, time: datetime) -> Made:
    type_ = f"inbox.{kind}.v1"
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": "/bench",
        "type": type_,
        "time": time,
        "data": data,
    }
    return TOPIC_OF[type_], key, msgspec.json.encode(event)


async def publish(settings: Settings, made: Iterator[Made]) -> int:
    """Put events into Kafka, and return how many once all are there."""
    producer = AIOKafkaProducer(
        bootstrap_servers=list(required(settings.kafka, "INBOX_KAFKA")),
        acks="all",
        linger_ms=20,
        max_batch_size=BATCH_BYTES,
    )
    count = 0
    async with producer:
        for topic, key, value in made:
            count += 1
            await producer.send(
                settings.topic(topic), value, key=key.encode(), headers=[CONTENT_TYPE_HEADER]
            )
        await producer.flush()
    return count
