"""What a feed does with a bug, and before the directory is applied. The integration tests of
events have all else."""

import asyncio
from typing import Any

import asyncpg
import pytest

from db.positions import Partition
from tests.harness.waiting import until
from tests.unit.workers.api.events.given import ACCOUNT, ANA
from workers.api.events.feed import Feed
from workers.api.events.user_watch import UserWatch

NO_POSITIONS: Any = None


class BrokenPool:
    """Fails as a query does whose argument Postgres cannot take."""

    def acquire(self, **_: object) -> Any:
        """Raises DataError, which quotes the argument."""
        argument = "what s3cret holds"
        raise asyncpg.DataError(f"invalid input for query argument $1: {argument!r}")


async def test_a_bug_is_logged_without_what_it_was_about(caplog: pytest.LogCaptureFixture) -> None:
    pool: Any = BrokenPool()
    feed = Feed(
        ACCOUNT, pool, UserWatch(ACCOUNT, "directory", NO_POSITIONS), asyncio.Semaphore(1), 60
    )
    feed.note_version("c", 1)
    task = asyncio.create_task(feed.run())

    async def is_logged() -> bool:
        return bool(caplog.records)

    await until(is_logged, "a line of the log")
    task.cancel()
    await asyncio.wait([task])
    assert "a bug: DataError" in caplog.text
    assert "test_feed.py" in caplog.text
    assert "s3cret" not in caplog.text


async def test_while_the_directory_is_not_applied_a_feed_takes_no_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pool: Any = BrokenPool()
    asked = 0

    async def positions() -> dict[Partition, int]:
        nonlocal asked
        asked += 1
        return {("directory", 0): 7}

    feed = Feed(ACCOUNT, pool, UserWatch(ACCOUNT, "directory", positions), asyncio.Semaphore(1), 60)
    feed.note_user(ANA, partition=0, offset=7)
    task = asyncio.create_task(feed.run())

    async def is_asked_again() -> bool:
        return asked > 1

    await until(is_asked_again, "another question")
    assert not caplog.records
    feed.note_user(ANA, partition=0, offset=6)

    async def is_taken() -> bool:
        return bool(caplog.records)

    await until(is_taken, "a connection for what is applied")
    task.cancel()
    await asyncio.wait([task])
