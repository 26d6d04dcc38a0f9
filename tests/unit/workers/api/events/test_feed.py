"""What a feed does with a bug. The integration tests of events have all else."""

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.harness.waiting import until
from tests.unit.workers.api.events.given import ACCOUNT
from workers.api.events.feed import Feed


class BrokenPool:
    """Fails as a query does whose argument Postgres cannot take."""

    def acquire(self, **_: object) -> Any:
        """Raises DataError, which quotes the argument."""
        argument = "what s3cret holds"
        raise asyncpg.DataError(f"invalid input for query argument $1: {argument!r}")


async def test_a_bug_is_logged_without_what_it_was_about(caplog: pytest.LogCaptureFixture) -> None:
    pool: Any = BrokenPool()
    feed = Feed(ACCOUNT, pool, "directory", asyncio.Semaphore(1), 60)
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
