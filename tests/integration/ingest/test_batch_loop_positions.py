"""The claim of a position on a real Postgres: each failure that it guards against."""

from typing import TypeAlias

import asyncpg

from tests.harness.input_events import message
from tests.harness.topics import Topics
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.settings import Settings

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

CONTACT = "whatsapp:+4911"


async def _move(owner: Owner, settings: Settings, offset: int) -> None:
    """Put the position of the one partition that was used somewhere else."""
    moved = await owner.execute(
        "UPDATE inbox.positions SET next_offset = $2 WHERE topic = $1 AND next_offset > 0",
        settings.topic("messages.received"),
        offset,
    )
    assert moved == "UPDATE 1"


async def _position_is(owner: Owner, settings: Settings, offset: int) -> None:
    async def reached() -> bool:
        found = await owner.fetchval(
            "SELECT max(next_offset) FROM inbox.positions WHERE topic = $1",
            settings.topic("messages.received"),
        )
        return bool(found == offset)

    await until(reached, f"position {offset}")


async def test_records_that_were_passed_over_are_read_again_and_applied_once(
    settings: Settings, topics: Topics, worker: Worker, owner: Owner
) -> None:
    await topics.publish(*[message(CONTACT) for _ in range(5)])
    await _position_is(owner, settings, 5)
    # As if records 0 to 4 had been lost between Kafka and the agent.
    await _move(owner, settings, 0)
    await topics.publish(message(CONTACT))
    await _position_is(owner, settings, 6)
    log = await topics.read_until("conversations", 7)
    assert [record.data["version"] for record in log] == list(range(1, 8))
    assert await owner.fetchval("SELECT count(*) FROM inbox.messages") == 6


async def test_records_that_another_worker_applied_are_dropped(
    settings: Settings, topics: Topics, worker: Worker, owner: Owner
) -> None:
    await topics.publish(message(CONTACT, "0"))
    await _position_is(owner, settings, 1)
    # As if another worker owned the partition now, and had applied records 1 and 2.
    await _move(owner, settings, 3)
    await topics.publish(*[message(CONTACT, str(number)) for number in range(1, 5)])
    await _position_is(owner, settings, 5)
    bodies = [row[0] for row in await owner.fetch("SELECT body FROM inbox.messages")]
    assert sorted(bodies) == ["0", "3", "4"]
    assert 'inbox_refused_positions_total{topic="messages.received"}' in await worker.metrics()
