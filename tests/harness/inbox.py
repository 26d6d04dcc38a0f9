"""An inbox that stories are played with, and what it must keep whatever they do."""

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
from tests.e2e.test_story import folded, stored
from tests.harness.published import Event
from tests.harness.topics import Bus, Read
from tests.harness.waiting import until
from workers.settings import Settings

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Inbox:
    """The topics and tables of a test, where a worker runs."""

    def __init__(self, settings: Settings, bus: Bus, owner: Owner) -> None:
        self.settings = settings
        self.bus = bus
        self.owner = owner

    async def apply(self, *events: Event) -> None:
        """Publish events in order, those of another topic or key once all before are applied."""
        for (topic, key), same in groupby(events, lambda event: (event.topic, event.key)):
            *first, last = same
            await self.bus.publish(*first)
            partition, offset = await self.bus.publish_raw(topic, last.value, key.encode())
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

    async def read(self, topic: str) -> list[Read]:
        """All that a topic says of what is applied by now."""

        async def is_published() -> bool:
            if await self.owner.fetchval("SELECT EXISTS (SELECT FROM inbox.outbox)"):
                return False
            # A transaction is decided a moment before its records can be read.
            written = await self._ends(topic, "read_uncommitted")
            return written == await self._ends(topic, "read_committed")

        await until(is_published, f"all of {topic}")
        return await self.bus.read(topic)

    async def _ends(self, topic: str, isolation_level: str) -> dict[TopicPartition, int]:
        name = self.settings.topic(topic)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=list(self.settings.kafka or ()),
            isolation_level=isolation_level,
            enable_auto_commit=False,
        )
        async with consumer:
            partitions = [TopicPartition(name, n) for n in range(self.settings.partitions)]
            ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
            return ends

    async def notes(self, entity: str) -> list[ShownNote]:
        """The notes of an entity, written as `deal:d1`, as the CRM has them: oldest first.

        Raises ValueError where a revision is missing or there twice.
        """
        shown: dict[str, ShownNote] = {}
        for data in await self._note_events(entity):
            shown[data.note_id] = fold(shown.get(data.note_id), data)
        return list(shown.values())

    async def told(self, entity: str) -> list[tuple[int, int, list[str]]]:
        """What each event told an entity's notes: which note, counted from 1, the revision, and
        the bodies of the messages that joined.
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
        """Nothing is lost, doubled or made up, as far as can be told of any story.

        Entities of `noted_on` have each message of the story once: they were linked before the
        twenty-first, and never unlinked.
        """
        reads = [read for topic in OUTBOUND for read in await self.read(topic)]
        ids = Counter(read.event["id"] for read in reads)
        assert [id_ for id_, count in ids.items() if count > 1] == []
        # One event for each version, in order: else it does not fold.
        assert await folded(self.bus) == await stored(self.owner)
        assert [dict(row) for row in await self.owner.fetch(_MISCOUNTED)] == []
        assert await self.read("dead-letters") == []
        rows = await self.owner.fetch("SELECT message_id::text FROM inbox.messages")
        for entity in noted_on:
            noted = [said.message_id for note in await self.notes(entity) for said in note.messages]
            assert sorted(noted) == sorted(row[0] for row in rows)


_MISCOUNTED = """
SELECT conversation_id, link_count FROM inbox.conversations AS c
WHERE link_count <> (
    SELECT count(*) FROM inbox.links AS l WHERE l.conversation_id = c.conversation_id
)
"""


def answers(results: list[Read]) -> list[tuple[str, str | None, int]]:
    """What commands were answered: the type, the code if it was rejected, and the version."""
    return [
        (
            result.data["command_type"].removeprefix("inbox.").removesuffix(".v1"),
            result.data.get("code"),
            result.data["version"],
        )
        for result in results
    ]


def entity_of(read: Read) -> str | None:
    """The entity of an event, written as `deal:d1`; None where it has none with an id."""
    entity = read.data.get("entity", {})
    return f"{entity['type']}:{entity['id']}" if "id" in entity else None
