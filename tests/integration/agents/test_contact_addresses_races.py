"""Concurrent batches with the addresses of one person: step by step, and while workers die."""

import asyncio
import itertools
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bench.runs.workers import running_workers, until_applied
from db.connect import Connection, connect
from db.errors import is_transient, is_unique_violation
from db.queries import QUERIES
from schemas.catalog import OUTBOUND
from schemas.cloudevents import Decoders, Incoming
from schemas.commands import ConversationDelete
from schemas.directory import ChannelInstalled, UserUpserted
from schemas.ids import inbound_message_id
from schemas.messages import MessageReceived
from tests.harness.conversation_states import folded, stored
from tests.harness.identities import message_from
from tests.harness.inbox import Inbox, Owner
from tests.harness.input_events import ACCOUNT, CHANNEL, Event, channel, command, user
from tests.harness.topics import Topics
from tests.harness.waiting import LIMIT_SECONDS, until
from workers.agents.commands import ConversationCommands
from workers.agents.directory_cache import DirectoryCache
from workers.agents.directory_changes import DirectoryChanges
from workers.agents.last_received import LastReceived
from workers.agents.received_messages import ReceivedMessages
from workers.agents.work import Work
from workers.settings import Settings, required

DECODERS = Decoders((MessageReceived, ConversationDelete, UserUpserted, ChannelInstalled))


def _begin(topic: str) -> Work:
    if topic == "directory":
        return DirectoryChanges()
    if topic == "lifecycle":
        return ConversationCommands(topic, DirectoryCache(), "")
    return ReceivedMessages(DirectoryCache(), LastReceived(), "")


class Batch:
    """A batch of one event, applied step by step on its own connection."""

    STEPS = ("load", "save", "commit")

    def __init__(self, connection: Connection, event: Event) -> None:
        self._connection = connection
        self._work = _begin(event.topic)
        self._event: Incoming[Any] = DECODERS.decode(event.value, (), 0, datetime.now(UTC))
        self._steps: asyncio.Queue[str] = asyncio.Queue()
        self._busy = 0
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        now: datetime
        async with self._connection.transaction():
            for step in self.STEPS:
                assert await self._steps.get() == step
                if step == "load":
                    await self._work.load(self._connection, [self._event])
                    now = await self._connection.fetchval(QUERIES["clock"])
                elif step == "save":
                    self._work.decide(self._event, now)
                    await self._work.save(self._connection, now)
                self._busy -= step != "commit"
        self._busy = 0

    async def begin(self, step: str, owner: Owner) -> None:
        """Begin the next step. Returns once it is done, or waits for the other batch."""
        self._busy += 1
        self._steps.put_nowait(step)
        waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pid = $1)"
        async with asyncio.timeout(LIMIT_SECONDS):
            while self._busy and not self._task.done():
                if await owner.fetchval(waits, self._connection.get_server_pid()):
                    return
                await asyncio.wait([self._task], timeout=0.001)

    async def succeeded(self) -> bool:
        """Whether the batch is committed. If not, the batch loop would try it again."""
        try:
            await self._task
        except Exception as error:
            if not (is_transient(error) or is_unique_violation(error)):
                raise
            return False
        return True


@pytest.fixture
async def connections(database: Settings) -> AsyncIterator[list[Connection]]:
    """Two connections as workers have them."""
    url = required(database.database_url, "database")
    both = [await connect(url, f"worker-{number}") for number in (1, 2)]
    yield both
    for connection in both:
        await connection.close()


ORDERS = sorted(set(itertools.permutations((0, 0, 0, 1, 1, 1))))
"""All orders of the steps of two batches, each of three steps."""

MEETINGS: dict[str, tuple[list[tuple[str, ...]], tuple[str, ...], tuple[str, ...]]] = {
    "one opens what the other names": ([], ("a",), ("b", "a")),
    "one opens what the other names for one that is there": ([("a",)], ("b",), ("a", "b")),
    "each names the other": ([], ("a", "b"), ("b", "a")),
    "both name a third": ([], ("a", "c"), ("b", "c")),
    "both name a third for ones that are there": ([("a",), ("b",)], ("a", "c"), ("b", "c")),
    "both name the same": ([], ("a", "b", "c"), ("a", "c", "b")),
    "both end the same": ([("a",), ("b",), ("c",)], ("a", "c"), ("b", "c")),
    "one ends what the other goes on in": ([("a",), ("b",), ("c",)], ("a", "b"), ("b", "c")),
    "one ends what the other names a new one for": ([("a",), ("b",)], ("a", "b"), ("b", "c")),
    "one ends what the other's address leads to": (
        [("a",), ("b",), ("b", "c")],
        ("a", "b"),
        ("c",),
    ),
    "one ends what the other writes in": ([("a",), ("b",)], ("a", "b"), ("b",)),
}
"""The messages before, then the two concurrent ones: for each the sender, and the others listed."""


@pytest.mark.parametrize("meeting", MEETINGS.values(), ids=MEETINGS.keys())
async def test_two_batches_that_meet_leave_one_conversation_however_they_take_turns(
    meeting: tuple[list[tuple[str, ...]], tuple[str, ...], tuple[str, ...]],
    connections: list[Connection],
    owner: Owner,
) -> None:
    before, *both = meeting
    for person, order in enumerate(ORDERS):
        await apply(connections, owner, *[named(person, addresses) for addresses in before])
        await meet(connections, owner, order, *[named(person, addresses) for addresses in both])
        rows = await owner.fetch(_MESSAGES, f"{person}:%")
        assert len(rows) == len(before) + 2, order
    await assert_one_conversation_per_person(owner, len(ORDERS))


@pytest.mark.parametrize("late", [("a",), ("b",), ("a", "b"), ("b", "a"), ("c", "b"), ("b", "c")])
async def test_a_deletion_that_meets_a_message_leaves_no_address_that_leads_nowhere(
    late: tuple[str, ...], connections: list[Connection], owner: Owner
) -> None:
    await apply(connections, owner, user("ana"), channel("whatsapp:+1", "ana"))
    for person, order in enumerate(ORDERS):
        before = [named(person, ("a",)), named(person, ("a", "b"))]
        await apply(connections, owner, *before)
        deletion = command("delete", f"{person}:a", "ana")
        await meet(connections, owner, order, deletion, named(person, late))
        # Nothing is half done: the later message is recorded, or was deleted with the others.
        assert [tuple(row) for row in await owner.fetch(_HALF_DONE)] == []
        kept = len(await owner.fetch(_MESSAGES, f"{person}:%"))
        assert kept <= 1, order
        await apply(connections, owner, named(person, late))
        assert len(await owner.fetch(_MESSAGES, f"{person}:%")) == kept + 1, order


def named(person: int, addresses: tuple[str, ...]) -> Event:
    """Returns a message of one of many persons: from the first address, listing the others."""
    return message_from(*[f"{person}:{address}" for address in addresses])


async def meet(
    connections: list[Connection], owner: Owner, order: tuple[int, ...], *events: Event
) -> None:
    """Run the batches of two events in turns. A batch that fails is tried again at the end."""
    batches = [Batch(*one) for one in zip(connections, events, strict=True)]
    steps = [iter(Batch.STEPS) for _ in batches]
    for turn in order:
        await batches[turn].begin(next(steps[turn]), owner)
    done = [await batch.succeeded() for batch in batches]
    await apply(connections, owner, *[one for one, ok in zip(events, done, strict=True) if not ok])


async def apply(connections: list[Connection], owner: Owner, *events: Event) -> None:
    """Apply events one by one, in batches without concurrency."""
    for event in events:
        batch = Batch(connections[0], event)
        for step in Batch.STEPS:
            await batch.begin(step, owner)
        assert await batch.succeeded()


_MESSAGES = "SELECT FROM inbox.messages WHERE sender_address LIKE $1"
_HALF_DONE = """
SELECT i.address, c.conversation_id, own.conversation_id
FROM inbox.identities AS i
LEFT JOIN inbox.conversations AS c USING (conversation_id)
LEFT JOIN inbox.conversations AS own ON own.conversation_id = i.alias_id
WHERE c IS NULL OR own IS NOT NULL
"""
"""Aliases that lead nowhere, and aliases whose address has an own conversation too."""


PERSONS, MESSAGES = 60, 6_000


def _load(seed: int) -> tuple[list[Event], dict[str, str]]:
    """Returns messages with any keys, some of them twice, and the sender of each by message id.

    They are of persons with up to four addresses.
    """
    chance = random.Random(seed)  # noqa: S311  # repeatable on purpose
    events: list[Event] = []
    senders: dict[str, str] = {}
    for number in range(MESSAGES):
        person = chance.randrange(PERSONS)
        known = [f"whatsapp:+49{person:03d}{index}" for index in range(1 + person % 4)]
        address = chance.choice(known)
        others = chance.sample(known, chance.choice((0, 0, min(1, len(known)), len(known) // 2)))
        made = message_from(address, *others, provider_message_id=f"SM{number}")
        message_id = inbound_message_id(ACCOUNT, CHANNEL, f"SM{number}")
        senders[message_id] = address
        for _ in range(chance.choice((1, 1, 1, 2))):
            events.append(made._replace(key=f"key-{chance.randrange(1_000)}"))
    return events, senders


@pytest.mark.long
@pytest.mark.busy
async def test_workers_that_die_amid_strangely_keyed_messages_leave_one_conversation_per_person(
    settings: Settings, topics: Topics, owner: Owner, tmp_path: Path
) -> None:
    inbox = Inbox(settings, topics, owner)
    events, senders = _load(seed=1)
    await topics.publish(*events)
    with running_workers(replace(settings, batch_records=100), tmp_path, count=2) as workers:
        for part in (1, 2, 3):

            async def applied(part: int = part) -> bool:
                count = await owner.fetchval("SELECT sum(next_offset) FROM inbox.positions")
                return bool((count or 0) >= len(events) * part // 4)

            await until(applied, f"quarter {part}")
            workers[part % 2].kill_and_start_again()
        await until_applied(settings, workers, len(events))
        reads = {topic: await inbox.read(topic) for topic in OUTBOUND}

    ids = Counter(read.event["id"] for found in reads.values() for read in found)
    assert [id_ for id_, count in ids.items() if count > 1] == []
    assert await folded(topics) == await stored(owner)
    assert await topics.read("dead-letters") == []
    rows = await owner.fetch("SELECT message_id::text, sender_address FROM inbox.messages")
    assert dict(map(tuple, rows)) == senders
    assert len(rows) == MESSAGES
    recorded = Counter(
        read.data["message_id"]
        for read in reads["conversations"]
        if read.kind == "conversation.message_recorded"
    )
    assert recorded == dict.fromkeys(senders, 1)
    await assert_one_conversation_per_person(owner, PERSONS)
    closed = [read.data for read in reads["conversations"] if read.kind == "conversation.closed"]
    assert closed, "some had two"
    assert all(data["merged_into"] != data["conversation_id"] for data in closed)


async def assert_one_conversation_per_person(owner: Owner, count: int) -> None:
    """Check that each of so many persons has one conversation that goes on: their oldest one.

    All addresses of a person lead to it. They differ in the last character only.
    """
    rows = await owner.fetch(
        "SELECT conversation_id::text, contact_address, merged_into::text, status"
        " FROM inbox.conversations ORDER BY created_at"
    )
    ahead = {row[0]: row[2] for row in rows}
    own = {row[1]: row[0] for row in rows}
    led = dict(
        map(tuple, await owner.fetch("SELECT address, conversation_id::text FROM inbox.identities"))
    )
    assert not own.keys() & led.keys()
    persons: dict[str, set[str]] = defaultdict(set)
    for address, id_ in (own | led).items():
        goes_on = id_
        while ahead[goes_on] is not None:
            goes_on = ahead[goes_on]
        persons[address[:-1]].add(goes_on)
    oldest: dict[str, str] = {}
    for address, id_ in own.items():
        oldest.setdefault(address[:-1], id_)
    assert persons == {person: {id_} for person, id_ in oldest.items()}
    assert len(persons) == count
    assert {row[0] for row in rows if row[3] == "open"} == set(oldest.values())
