"""The schema: the result of the migrations, the rights of the roles, the plans of hot queries."""

import asyncio
import os
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

import db
from db.connect import connect
from db.databases import ensure_database
from db.errors import SchemaMismatch
from db.migrate import migrate, migrations, verify
from db.queries import QUERIES
from tests.conftest import OWNER_PASSWORD
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.settings import Settings, required

GOLDEN = Path(db.__file__).parent / "schema.sql"

HOT = {
    "claim_positions": ("text[], integer[], bigint[], bigint[]", "'{t}', '{1}', '{0}', '{5}'"),
    "load_position": ("text, integer", "'t', 1"),
    "load_positions": ("text[], integer[]", "'{t}', '{1}'"),
    "lock_conversations": ("text[], uuid[]", "'{a}', ARRAY[gen_random_uuid()]"),
    "has_conversation": ("text, uuid", "'a', gen_random_uuid()"),
    "update_conversations": (
        "text[], uuid[], text[], text[], text[], integer[], integer[], timestamptz[],"
        " timestamptz[], timestamptz[], integer[], timestamptz[], boolean[], text[], uuid[]",
        "'{a}', ARRAY[gen_random_uuid()], '{n}', '{open}', '{u}', '{1}', '{1}', '{now}', '{now}',"
        " '{now}', '{0}', '{now}', '{f}', '{inbound}', '{null}'",
    ),
    "load_tombstones": ("text[], uuid[]", "'{a}', ARRAY[gen_random_uuid()]"),
    "load_links": ("text[], uuid[]", "'{a}', ARRAY[gen_random_uuid()]"),
    "update_links": (
        "text[], uuid[], text[], text[], timestamptz[], uuid[], integer[], timestamptz[],"
        " integer[], integer[], boolean[]",
        "'{a}', ARRAY[gen_random_uuid()], '{deal}', '{d}', '{now}', ARRAY[gen_random_uuid()],"
        " '{1}', '{now}', '{1}', '{1}', '{f}'",
    ),
    "due_windows": ("integer", "200"),
    "unwatch_windows": ("text[], uuid[]", "'{a}', ARRAY[gen_random_uuid()]"),
    "record_gone_assignees": ("text[], text[], text[]", "'{a}', '{u}', '{e}'"),
    "forget_gone_assignees": ("text[], text[]", "'{a}', '{u}'"),
    "find_gone_assignees": ("text, text, integer", "'', '', 1000"),
    "next_gone_assignee": ("text, text", "'', ''"),
    "lock_conversations_of_assignee": ("text, text, integer", "'a', 'u', 200"),
    "forget_done_assignee": ("text, text", "'a', 'u'"),
    "load_identities": ("text[], uuid[]", "'{a}', ARRAY[gen_random_uuid()]"),
    "load_requests": ("text[], uuid[], text[]", "'{a}', ARRAY[gen_random_uuid()], '{r}'"),
    "recorded_messages": ("text[], uuid[], text", "'{a}', ARRAY[gen_random_uuid()], 'inbound'"),
    "answered_messages": (
        "text[], text[], text[], uuid[], integer",
        "'{a}', '{c}', '{SM1}', ARRAY[gen_random_uuid()], 140",
    ),
    "applied_commands": ("text[], text[]", "'{a}', '{c}'"),
    "load_outcome": ("text, text, uuid", "'a', 'c', gen_random_uuid()"),
    "directory_versions": ("text[]", "'{a}'"),
    "users_of_accounts": ("text[]", "'{a}'"),
    "users_by_id": ("text[], text[]", "'{a}', '{u}'"),
    "channels_by_id": ("text[], text[]", "'{a}', '{c}'"),
    "save_last_received": ("text[], text[], timestamptz", "'{a}', '{c}', 'now'"),
    "channel_by_address": ("text, text", "'a', 'whatsapp:+1'"),
    "try_lock_conversations": ("text[], uuid[]", "'{a}', ARRAY[gen_random_uuid()]"),
    "earlier_failures": (
        "text[], uuid[], integer[], text[]",
        "'{a}', ARRAY[gen_random_uuid()], '{2}', '{failed}'",
    ),
    "sends_by_message": ("text[], uuid[], integer[]", "'{a}', ARRAY[gen_random_uuid()], '{1}'"),
    "sends_by_provider_id": ("text[], text[]", "'{a}', '{SM1}'"),
    "update_sends": (
        "text[], uuid[], integer[], integer[], text[], integer[], timestamptz[], timestamptz[],"
        " text[], text[], integer[], boolean[]",
        "'{a}', ARRAY[gen_random_uuid()], '{1}', '{1}', '{posting}', '{1}', '{now}', '{now}',"
        " '{SM1}', '{sent}', '{1}', '{f}'",
    ),
    "receipts_of": ("text[], text[]", "'{a}', '{SM1}'"),
    "save_rates": ("text[], text[], timestamptz[]", "'{a}', '{+1}', '{now}'"),
    "add_outbox": ("integer[], integer[], bytea[]", "'{1}', '{1}', ARRAY[''::bytea]"),
    "load_outbox": ("integer, bigint, integer", "1, 0, 8"),
    "outbox_numbers": ("integer[]", "'{1}'"),
    "delete_outbox": ("integer, bigint", "1, 5"),
}

INDEX = {
    "recorded_messages": "messages_pkey",
    "channel_by_address": "channels_by_address",
}

FILTERS = (
    # A filter on the one row that has the key.
    "Filter: (c.previous = next_offset)",
    "Filter: (direction = $3)",
    "Filter: (direction = 'outbound'::text)",
    # A filter on the one row of a channel.
    "Filter: ((last_received_at IS NULL) OR (last_received_at < $3))",
    # A filter on the one row of a user, and on the steps of a search.
    "Filter: (u.inbox_access IS NOT TRUE)",
    "Filter: (number < $3)",
    "Filter: (number > 0)",
    # A filter on the other parts of one reply, nine at most.
    "Filter: (status = ANY ($4))",
    # A filter on a batch's own rows and its few shards, which are in memory.
    "Join Filter: (l.shard = a.shard)",
    "Join Filter: (g.shard = c.shard)",
)


def _dump(postgres: EmbeddedPostgres, url: str) -> str:
    parts = urlsplit(url)
    dumped = subprocess.run(
        [
            str(postgres.binary("pg_dump")),
            "--schema-only",
            "--no-owner",
            "--schema=inbox",
            "--host",
            str(parts.hostname),
            "--port",
            str(parts.port),
            "--username",
            str(parts.username),
            parts.path.lstrip("/"),
        ],
        env=os.environ | {"PGPASSWORD": OWNER_PASSWORD},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    # Drop lines that differ between runs, or between minor versions.
    lines = [
        line for line in dumped.splitlines() if not line.startswith(("\\", "--", "SET ", "SELECT "))
    ]
    return "\n".join(lines).strip().replace("\n\n\n", "\n").replace("\n\n\n", "\n") + "\n"


def test_the_golden_schema_is_what_the_migrations_build(
    postgres: EmbeddedPostgres, database: Settings
) -> None:
    dumped = _dump(postgres, required(database.migration_database_url, "database"))
    if os.environ.get("INBOX_UPDATE_GOLDEN"):
        GOLDEN.write_text(dumped, "utf-8")
    assert GOLDEN.read_text("utf-8") == dumped, "run again with INBOX_UPDATE_GOLDEN=1, and look"


async def test_migrations_run_twice_and_at_once_are_applied_once(
    postgres: EmbeddedPostgres,
) -> None:
    await ensure_database(postgres.superuser_url, "inbox_at_once")
    url = postgres.url("inbox_at_once", "inbox_owner", OWNER_PASSWORD)
    applied = await asyncio.gather(*(migrate(url) for _ in range(4)))
    names = [migration.name for migration in migrations()]
    assert sorted(applied) == [[], [], [], names]
    assert await migrate(url) == []


async def test_a_worker_refuses_a_schema_that_is_older_or_newer(
    database: Settings, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    worker = await connect(required(database.database_url, "database"), "test")
    try:
        await verify(worker)
        await owner.execute("INSERT INTO inbox.migrations (number, name) VALUES (9999, 'later')")
        with pytest.raises(SchemaMismatch, match="update this program"):
            await verify(worker)
        await owner.execute("DELETE FROM inbox.migrations")
        with pytest.raises(SchemaMismatch, match="run `inbox migrate`"):
            await verify(worker)
    finally:
        await worker.close()


async def test_every_table_and_column_is_explained(
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    silent = await owner.fetch(
        """
        SELECT c.relname, a.attname
        FROM pg_class AS c
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum >= 0 AND NOT a.attisdropped
        WHERE c.relnamespace = 'inbox'::regnamespace AND c.relkind = 'r'
          AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid) IS NULL)
        """
    )
    assert silent == []


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE inbox.mine (id int)",
        "CREATE TABLE public.mine (id int)",
        "CREATE SCHEMA mine",
        "ALTER TABLE inbox.messages ADD COLUMN mine int",
        "DROP TABLE inbox.messages",
        "TRUNCATE inbox.messages",
        "UPDATE inbox.messages SET body = ''",
        "DELETE FROM inbox.tombstones",
        "DELETE FROM inbox.positions",
        "INSERT INTO inbox.migrations VALUES (9, 'mine')",
        "CREATE TEMPORARY TABLE mine (id int)",
    ],
)
async def test_the_worker_may_only_do_what_its_queries_do(
    database: Settings, statement: str
) -> None:
    worker = await connect(required(database.database_url, "database"), "test")
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await worker.execute(statement)
    finally:
        await worker.close()


@pytest.mark.parametrize("name", HOT)
async def test_a_hot_query_goes_by_an_index_even_on_tables_nobody_analyzed(
    database: Settings, name: str
) -> None:
    types, values = HOT[name]
    worker = await connect(required(database.database_url, "database"), "test")
    try:
        await worker.execute(f"PREPARE hot ({types}) AS {QUERIES[name]}")
        rows = await worker.fetch(f"EXPLAIN EXECUTE hot ({values})")
    finally:
        await worker.close()
    plan = "\n".join(row[0] for row in rows)
    assert "Seq Scan" not in plan, plan
    assert "Index" in plan, plan
    # The index must be searched with the whole key. A filter means that only a part of it is used.
    for allowed in FILTERS:
        plan = plan.replace(allowed, "")
    assert "Filter" not in plan, plan
    assert INDEX.get(name, "") in plan, plan
