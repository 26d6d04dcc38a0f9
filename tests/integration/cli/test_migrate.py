"""`inbox migrate` can be repeated."""

from pathlib import Path

from tests.harness.command import inbox
from workers.settings import Settings


async def test_migrating_twice_changes_nothing_the_second_time(
    database: Settings, tmp_path: Path
) -> None:
    again = await inbox(database, "migrate")
    assert (again.status, again.out, again.err) == (0, "up to date\n", "")
