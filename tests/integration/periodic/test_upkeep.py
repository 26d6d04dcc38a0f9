"""What is remembered for a while is forgotten after it, and not before."""

from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from db.commands import PRUNED_MAX, REMEMBERED
from db.seen import SWEPT_MAX
from tests.harness.input_events import ACCOUNT
from tests.harness.stored_conversations import numbered, store_conversation, store_directory
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.settings import Settings

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

REMEMBER = {
    "commands": (
        "INSERT INTO inbox.commands (account_id, command_id, applied_at)"
        " SELECT $1, 'command-' || n, clock_timestamp() - $2::interval"
        " FROM generate_series(1, $3::integer) AS n"
    ),
    "deleted_messages": (
        "INSERT INTO inbox.deleted_messages (account_id, message_id, deleted_at)"
        " SELECT $1, gen_random_uuid(), clock_timestamp() - $2::interval"
        " FROM generate_series(1, $3::integer)"
    ),
}
OLD, YOUNG = REMEMBERED + timedelta(seconds=1), REMEMBERED - timedelta(hours=1)


@pytest.mark.parametrize("table", REMEMBER)
async def test_what_is_older_than_seven_days_is_forgotten_and_what_is_younger_is_not(
    settings: Settings, owner: Owner, tmp_path: Path, table: str
) -> None:
    assert timedelta(days=7) == REMEMBERED
    # More than one statement forgets: the rest does not wait until the next time.
    await owner.execute(REMEMBER[table], "old", OLD, PRUNED_MAX + 1)
    await owner.execute(REMEMBER[table], "young", YOUNG, 3)

    async def kept() -> dict[str, int]:
        counted = f"SELECT account_id, count(*) FROM inbox.{table} GROUP BY 1"  # noqa: S608
        return dict(map(tuple, await owner.fetch(counted)))

    async def old_are_forgotten() -> bool:
        return "old" not in await kept()

    worker = Worker(settings, tmp_path / "worker.log", roles="relay")
    await worker.start()
    try:
        await until(old_are_forgotten, "what is old to be forgotten")
        assert await kept() == {"young": 3}
    finally:
        await worker.stop()


async def test_what_was_seen_is_forgotten_once_the_conversation_or_the_user_is_gone(
    settings: Settings, owner: Owner, tmp_path: Path
) -> None:
    await store_directory(owner)
    there = await store_conversation(owner, SWEPT_MAX)
    of_gone_conversations = [(ACCOUNT, numbered(n), "ana", 1) for n in range(SWEPT_MAX)]
    rows = [
        *of_gone_conversations,
        (ACCOUNT, there, "ana", 1),
        (ACCOUNT, there, "removed", 1),
        ("other", there, "ana", 1),
    ]
    await owner.copy_records_to_table("seen", schema_name="inbox", records=rows)

    async def one_is_left() -> bool:
        return len(await owner.fetch("SELECT FROM inbox.seen LIMIT 2")) == 1

    worker = Worker(settings, tmp_path / "worker.log", roles="relay")
    await worker.start()
    try:
        await until(one_is_left, "what is gone to be forgotten")
        left = await owner.fetchrow("SELECT conversation_id::text, user_id FROM inbox.seen")
        assert tuple(left or ()) == (there, "ana")
    finally:
        await worker.stop()
