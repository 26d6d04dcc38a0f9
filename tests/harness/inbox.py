"""An inbox for the tests of whole stories, and the checks that must hold after each story."""

from collections import Counter
from collections.abc import Collection
from itertools import groupby
from typing import Any, TypeAlias

import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.catalog import OUTBOUND, STRUCT_OF
from schemas.note_text import ShownNote, fold
from schemas.notes import NoteAppended, NoteCreated
from tests.harness.conversation_states import folded, stored
from tests.harness.input_events import Event, channel, user
from tests.harness.topics import ReadRecord, Topics
from tests.harness.waiting import until
from workers.settings import Settings

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Inbox:
    """The topics and tables of a test, where a worker runs."""

    def __init__(self, settings: Settings, topics: Topics, owner: Owner) -> None:
        self.settings = settings
        self.topics = topics
        self.owner = owner

    async def apply(self, *events: Event) -> None:
        """Publish events in order.

        Before an event of another topic or key is published, all events before it are applied.
        """
        for (topic, key), same in groupby(events, lambda event: (event.topic, event.key)):
            *first, last = same
            await self.topics.publish(*first)
            partition, offset = await self.topics.publish_raw(topic, last.value, key.encode())
            await self._until_applied(topic, partition, offset)

    async def _until_applied(self, topic: str, partition: int, offset: int) -> None:
        async def is_applied() -> bool:
            position = await self.owner.fetchval(
                "SELECT next_offset FROM inbox.positions WHERE topic = $1 AND partition = $2",
                self.settings.topic(topic),
                partition,
            )
            return position is not None and position > offset

        await until(is_applied, f"{topic}/{partition}/{offset} to be applied")

    async def read(self, topic: str) -> list[ReadRecord]:
        """Returns all records of a topic that the applied records caused."""

        async def is_published() -> bool:
            if await self.owner.fetchval("SELECT EXISTS (SELECT FROM inbox.outbox)"):
                return False
            # A transaction is committed a moment before its records can be read.
            written = await self._ends(topic, "read_uncommitted")
            return written == await self._ends(topic, "read_committed")

        await until(is_published, f"all of {topic}")
        return await self.topics.read(topic)

    async def _ends(self, topic: str, isolation_level: str) -> dict[TopicPartition, int]:
        name = self.settings.topic(topic)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=list(self.settings.kafka or ()),
            isolation_level=isolation_level,
            enable_auto_commit=False,
        )
        async with consumer:
            partitions = [TopicPartition(name, n) for n in range(self.settings.partitions)]
            # Once they are assigned, the consumer asks for their brokers without a pause.
            consumer.assign(partitions)
            ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
            return ends

    async def notes(self, entity: str) -> list[ShownNote]:
        """Returns the notes of an entity as the CRM has them, the oldest first.

        An entity is written as `deal:d1`. Raises ValueError when a revision is missing or repeated.
        """
        shown: dict[str, ShownNote] = {}
        for data in await self._note_events(entity):
            shown[data.note_id] = fold(shown.get(data.note_id), data)
        return list(shown.values())

    async def note_history(self, entity: str) -> list[tuple[int, int, list[str]]]:
        """Returns, for each event of an entity's notes, the number of the note (from 1), its
        revision, and the bodies of the messages that joined.
        """
        numbers: dict[str, int] = {}
        return [
            (
                numbers.setdefault(data.note_id, len(numbers) + 1),
                data.revision,
                [message.body for message in data.messages],
            )
            for data in await self._note_events(entity)
        ]

    async def _note_events(self, entity: str) -> list[NoteCreated | NoteAppended]:
        found = []
        for read in await self.read("notes"):
            data: Any = msgspec.convert(read.data, STRUCT_OF[read.event["type"]])
            if f"{data.entity.type}:{data.entity.id}" == entity:
                found.append(data)
        return found

    async def assert_exact(self, noted_on: Collection[str] = ()) -> None:
        """Assert what must hold after every story: nothing is lost, doubled or invented.

        The notes of each entity in `noted_on` must have every message of the story once. Such an
        entity was linked before the twenty-first message, and never unlinked.
        """
        reads = [read for topic in OUTBOUND for read in await self.read(topic)]
        ids = Counter(read.event["id"] for read in reads)
        assert [id_ for id_, count in ids.items() if count > 1] == []
        # `folded` fails unless there is one event for each version, in order.
        assert await folded(self.topics) == await stored(self.owner)
        assert [dict(row) for row in await self.owner.fetch(_MISCOUNTED)] == []
        assert await self.read("dead-letters") == []
        rows = await self.owner.fetch("SELECT message_id::text FROM inbox.messages")
        for entity in noted_on:
            noted = [each.message_id for note in await self.notes(entity) for each in note.messages]
            assert sorted(noted) == sorted(row[0] for row in rows)


_MISCOUNTED = """
SELECT conversation_id, link_count FROM inbox.conversations AS c
WHERE link_count <> (
    SELECT count(*) FROM inbox.links AS l WHERE l.conversation_id = c.conversation_id
)
"""


async def open_inbox(
    settings: Settings, topics: Topics, owner: Owner, address: str = "whatsapp:+14155238886"
) -> Inbox:
    """Returns an inbox with two users, and a channel that ana installed. A worker has to run."""
    inbox = Inbox(settings, topics, owner)
    await inbox.apply(user("ana"), user("bo"), channel(address, installed_by="ana"))
    return inbox


def answers(results: list[ReadRecord]) -> list[tuple[str, str | None, int]]:
    """Returns the type of each answered command, the code of its rejection, and the version."""
    return [
        (
            result.data["command_type"].removeprefix("inbox.").removesuffix(".v1"),
            result.data.get("code"),
            result.data["version"],
        )
        for result in results
    ]


def entity_of(read: ReadRecord) -> str | None:
    """Returns the entity of an event, written as `deal:d1`; None without an entity id."""
    entity = read.data.get("entity", {})
    return f"{entity['type']}:{entity['id']}" if "id" in entity else None
