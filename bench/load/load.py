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
from workers.kafka.clients import client_arguments
from workers.settings import Settings

ACCOUNT, CHANNEL = AccountId("bench"), ChannelId("wa")
USERS = INSTALLER, *_ = ("ana", "bo", "cy")
ENTITIES = (("person", "p1"), ("lead", "l1"), ("deal", "d1"))
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
    """Commands per message: mostly assignments, closes and reopens, some of each other kind."""
    series: int = 0
    """Loads of different series have neither contacts nor messages in common."""

    @property
    def contacts(self) -> list[str]:
        """The addresses of all contacts."""
        return [f"whatsapp:+49{self.series}{number:09d}" for number in range(self.conversations)]


def directory() -> Iterator[Made]:
    """The account's users, whom its messages are told to, and its channel."""
    channel = {
        "account_id": ACCOUNT,
        "channel_id": CHANNEL,
        "provider": "whatsapp",
        "address": "whatsapp:+14155238886",
        "name": "Sales",
        "installed_by": INSTALLER,
    }
    yield made("channel.installed", channel, ACCOUNT, "channel", datetime.now(UTC))
    for user_id in USERS:
        data = {
            "account_id": ACCOUNT,
            "user_id": user_id,
            "name": user_id.title(),
            "email": f"{user_id}@example.com",
            "inbox_access": True,
        }
        yield made("user.upserted", data, ACCOUNT, f"user-{user_id}", datetime.now(UTC))


def events(load: Load) -> Iterator[Made]:
    """The messages and commands, in the order they are published."""
    chance = random.Random(load.seed)  # noqa: S311  # repeatable on purpose
    # A few conversations get most of the messages, as Zipf says.
    weights = [1 / (rank + 10) for rank in range(load.conversations)]
    now = datetime.now(UTC)
    for number, contact in enumerate(chance.choices(load.contacts, weights, k=load.messages)):
        id_ = f"SM{load.series}{number:031d}"
        # Later than a deletion, so that conversations start afresh, and in notes of several days.
        sent_at = now + timedelta(hours=chance.choice((0, 20, 40))) if load.commands else now
        yield message(id_, contact, sent_at, "once")
        if chance.random() < load.doubled:
            yield message(id_, contact, sent_at, "twice")
        if chance.random() < load.commands:
            yield _command(chance, f"command-{number}", contact, now)


def message(id_: str, contact: str, sent_at: datetime, copy: str = "once") -> Made:
    """A contact's message."""
    data = {
        "account_id": ACCOUNT,
        "channel_id": CHANNEL,
        "provider_message_id": id_,
        "contact": {"address": contact, "name": "Ana Müller"},
        "body": BODY,
        "sent_at": sent_at,
    }
    key = conversation_id(ACCOUNT, CHANNEL, contact)
    return made("message.received", data, key, uuid5_text(f"{id_}/{copy}"), sent_at)


def link(contact: str, entity: tuple[str, str], now: datetime) -> Made:
    """A link of a contact's conversation."""
    key = conversation_id(ACCOUNT, CHANNEL, contact)
    data = {
        "account_id": ACCOUNT,
        "conversation_id": key,
        "actor_id": INSTALLER,
        "entity": dict(zip(("type", "id"), entity, strict=True)),
    }
    return made("conversation.link", data, key, f"link-{contact}-{entity}", now)


_KINDS = (*["assign", "close", "close", "reopen"] * 5, *["link"] * 4, "unlink", "delete")


def _command(chance: random.Random, command_id: str, contact: str, now: datetime) -> Made:
    key = conversation_id(ACCOUNT, CHANNEL, contact)
    data: dict[str, Any] = {
        "account_id": ACCOUNT,
        "conversation_id": key,
        "actor_id": chance.choice(USERS),
    }
    kind = chance.choice(_KINDS)
    if kind == "assign":
        data["assignee_id"] = chance.choice((*USERS, None))
    elif kind in {"link", "unlink"}:
        data["entity"] = dict(zip(("type", "id"), chance.choice(ENTITIES), strict=True))
    # Half of them were issued before the messages are recorded, half after.
    issued = now + timedelta(hours=chance.choice((-1, 1)))
    return made(f"conversation.{kind}", data, key, command_id, issued)


def made(kind: str, data: dict[str, Any], key: str, event_id: str, time: datetime) -> Made:
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
        **client_arguments(settings),
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
