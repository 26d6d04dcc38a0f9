"""Versions of the schema: which programs run on which, and that migrations keep what they say."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
import pytest

import db.migrate
from db.connect import connect
from db.databases import ensure_database
from db.errors import SchemaMismatch
from db.migrate import Migration, load_schema, migrate, migrations, verify
from tests.conftest import OWNER_PASSWORD
from tests.harness.command import inbox
from tests.harness.logins import own_login
from tests.harness.program_versions import LATER, NEWEST, pretend
from tests.harness.waiting import until
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.settings import Settings, required

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

FIRST_THAT_SAYS = 4
"""Older migrations were released before they had to say who runs on their result."""

EXPANDING = [each for each in migrations() if each.readable_from < each.number]

COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity
FROM information_schema.columns WHERE table_schema = 'inbox' AND table_name <> 'migrations'
"""
RULES = """
SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'inbox'::regnamespace AND conrelid <> 'inbox.migrations'::regclass
UNION ALL
SELECT tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger
WHERE tgrelid::regclass::text LIKE 'inbox.%' AND NOT tgisinternal
UNION ALL
SELECT tablename::regclass::text, indexdef FROM pg_indexes
WHERE schemaname = 'inbox' AND indexdef LIKE '% UNIQUE %' AND tablename <> 'migrations'
"""
WAITS = """
SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""
"""Whether a migration waits for a table."""
RIGHTS = """
SELECT table_name, column_name, privilege_type FROM information_schema.column_privileges
WHERE grantee = 'inbox_worker' AND table_schema = 'inbox'
UNION ALL
SELECT table_name, '', privilege_type FROM information_schema.table_privileges
WHERE grantee = 'inbox_worker' AND table_schema = 'inbox'
"""


@asynccontextmanager
async def empty_database(postgres: EmbeddedPostgres, name: str) -> AsyncIterator[str]:
    """Make a database without any migration; yields its URL for the owner."""
    await ensure_database(postgres.superuser_url, name)
    yield postgres.url(name, "inbox_owner", OWNER_PASSWORD)


async def _shape(url: str) -> list[set[tuple[Any, ...]]]:
    """Returns the columns, the rules and the rights of a schema."""
    connection = await asyncpg.connect(url, server_settings={"search_path": "inbox"})
    try:
        return [
            {tuple(row) for row in await connection.fetch(query)}
            for query in (COLUMNS, RULES, RIGHTS)
        ]
    finally:
        await connection.close()


def test_each_migration_says_who_runs_on_its_result() -> None:
    for each in migrations()[FIRST_THAT_SAYS - 1 :]:
        assert "\n-- readable_from: " in each.sql, each.name
        assert 1 <= each.readable_from <= each.number, each.name


@pytest.mark.parametrize("migration", EXPANDING, ids=lambda migration: migration.name)
async def test_a_migration_only_adds_to_what_the_programs_use_that_it_lets_run(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch, migration: Migration
) -> None:
    known = migrations()
    async with empty_database(postgres, f"expanded_{migration.number}") as url:
        pretend(monkeypatch, *known[: migration.readable_from])
        await migrate(url)
        columns, rules, rights = await _shape(url)
        pretend(monkeypatch, *known[: migration.number])
        await migrate(url)
        new_columns, new_rules, new_rights = await _shape(url)
    assert columns <= new_columns
    assert rights <= new_rights
    tables = {column[0] for column in columns}
    for table, name, _, nullable, default, _ in new_columns - columns:
        # An old program names the columns that it writes, and not this one.
        assert table not in tables or nullable == "YES" or default is not None, f"{table}.{name}"
    assert {rule for rule in new_rules - rules if rule[0] in tables} == set()


async def test_a_program_runs_on_a_newer_database_as_far_as_its_migrations_say(
    database: Settings, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = required(database.migration_database_url, "database")
    worker = await connect(required(database.database_url, "database"), "test")
    known = migrations()
    try:
        pretend(monkeypatch, *known, LATER)
        with pytest.raises(SchemaMismatch, match="run `inbox migrate`"):
            await verify(worker)
        assert await migrate(url) == [LATER.name]
        assert await load_schema(worker) == (LATER.number, NEWEST)
        await verify(worker)
        pretend(monkeypatch, *known)
        await verify(worker)
        assert await migrate(url) == []
        pretend(monkeypatch, *known[:-1])
        for refused in (verify(worker), migrate(url)):
            with pytest.raises(SchemaMismatch, match=f"at least to migration {NEWEST}"):
                await refused
        # What one migration demands, no later one takes back.
        contracting = "UPDATE inbox.migrations SET readable_from = $1 WHERE number = $2"
        await owner.execute(contracting, LATER.number, NEWEST)
        pretend(monkeypatch, *known)
        with pytest.raises(SchemaMismatch, match="update this program"):
            await verify(worker)
    finally:
        await worker.close()


async def test_a_migration_that_meets_workers_in_a_deadlock_begins_again(
    database: Settings, postgres: EmbeddedPostgres, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, *migrations(), LATER)
    monkeypatch.setattr(db.migrate, "TABLE_LOCK_SECONDS", 60)
    async with own_login(postgres.superuser_url, database) as login:
        # So the migration finds the deadlock, and gives way.
        await login.set_for_sessions({"deadlock_timeout": "60s"})
        of_owner = "ALTER ROLE inbox_owner IN DATABASE {database} SET deadlock_timeout = '5s'"
        await login.execute(of_owner)
        worker = await connect(login.url, "test")
        await worker.execute("BEGIN; SELECT FROM inbox.conversations")
        migrating = asyncio.create_task(
            migrate(required(database.migration_database_url, "database"))
        )
        await until(lambda: owner.fetchval(WAITS), "the migration to wait")
        await worker.execute("SELECT FROM inbox.messages; COMMIT")
        assert await migrating == [LATER.name]
        await worker.close()


@pytest.fixture
async def backup(owner: Owner) -> AsyncIterator[Owner]:
    """A session that has read tables and keeps its locks, as pg_dump does."""
    tables = "inbox.migrations, inbox.conversations, inbox.messages"
    await owner.execute(f"BEGIN; LOCK TABLE {tables} IN ACCESS SHARE MODE")
    yield owner
    await owner.execute("ROLLBACK")


async def test_a_migration_that_waits_for_a_backup_lets_readers_pass(
    database: Settings, backup: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, *migrations(), LATER)
    monkeypatch.setattr(db.migrate, "TRIES_MAX", 10_000)
    url = required(database.migration_database_url, "database")
    migrating = asyncio.create_task(migrate(url))
    worker = await connect(required(database.database_url, "database"), "test")
    for _ in range(2):
        await until(lambda: worker.fetchval(WAITS), "the migration to wait")
        await worker.fetch("SELECT FROM inbox.migrations")
        assert not migrating.done()
    await backup.execute("COMMIT")
    assert await migrating == [LATER.name]
    await worker.close()


async def test_a_migration_gives_up_when_a_table_stays_in_use_and_changes_nothing(
    database: Settings, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, *migrations(), LATER)
    monkeypatch.setattr(db.migrate, "TRIES_MAX", 2)
    url = required(database.migration_database_url, "database")
    await owner.execute("BEGIN; LOCK TABLE inbox.conversations IN ACCESS SHARE MODE")
    with pytest.raises(asyncpg.LockNotAvailableError):
        await migrate(url)
    await owner.execute("ROLLBACK")
    assert (await load_schema(owner)).version == NEWEST
    assert await migrate(url) == [LATER.name]


@pytest.mark.usefixtures("backup")
async def test_where_nothing_is_missing_no_table_is_waited_for(
    database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db.migrate, "TRIES_MAX", 1)
    assert await migrate(required(database.migration_database_url, "database")) == []


def test_an_index_on_a_table_with_rows_is_built_while_nothing_else_is_locked() -> None:
    for each in migrations()[FIRST_THAT_SAYS - 1 :]:
        indexed = set(re.findall(r"^CREATE .*INDEX .* ON (inbox\.\w+)", each.sql, re.MULTILINE))
        if indexed - set(re.findall(r"^CREATE TABLE (inbox\.\w+)", each.sql, re.MULTILINE)):
            assert "ALTER TABLE" not in each.sql, each.name


async def test_a_database_that_only_old_programs_have_migrated(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = migrations()
    async with empty_database(postgres, "of_old_programs") as url:
        pretend(monkeypatch, *known[:3])
        await migrate(url)
        owner = await asyncpg.connect(url)
        await owner.execute("ALTER TABLE inbox.migrations DROP COLUMN readable_from")
        assert await load_schema(owner) == (3, 3)
        pretend(monkeypatch, *known)
        with pytest.raises(SchemaMismatch, match="run `inbox migrate`"):
            await verify(owner)
        assert await migrate(url) == [each.name for each in known[3:]]
        # As version 0.2.0 writes it: it knows nothing of the column.
        await owner.execute("INSERT INTO inbox.migrations (number, name) VALUES (99, 'of_old')")
        assert await load_schema(owner) == (99, 99)
        await owner.close()


async def test_migrate_of_an_old_program_says_that_the_database_is_newer(
    database: Settings, owner: Owner
) -> None:
    add = "INSERT INTO inbox.migrations (number, name, readable_from) VALUES ($1, 'later', $2)"
    await owner.execute(add, NEWEST + 1, NEWEST)
    ended = await inbox(database, "migrate")
    assert (ended.status, ended.out) == (0, "up to date\n")
    assert ended.err == (
        f"the database is at migration {NEWEST + 1}; this program, at {NEWEST}, runs on it\n"
    )
    await owner.execute(add, NEWEST + 2, NEWEST + 2)
    ended = await inbox(database, "migrate")
    assert (ended.status, ended.out) == (1, "")
    [line] = ended.err.splitlines()
    assert line.startswith(f"inbox: the database is at migration {NEWEST + 2} and this program at")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_migrate_refuses_a_database_that_cannot_hold_every_text(
    postgres: EmbeddedPostgres, database: Settings, encoding: str
) -> None:
    name = f"migrated_{encoding.lower()}"
    superuser = await asyncpg.connect(postgres.superuser_url)
    of_it = f"ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0 OWNER inbox_owner"
    await superuser.execute(f"CREATE DATABASE {name} {of_it}")
    url = postgres.url(name, "inbox_owner", OWNER_PASSWORD)
    environment = database.environment() | {"INBOX_MIGRATION_DATABASE_URL": url}
    ended = await inbox(Settings.from_environment(environment), "migrate")
    assert (ended.status, ended.out) == (1, "")
    [line] = ended.err.splitlines()
    assert line.startswith(f"inbox: the encoding of the database is {encoding}")
    owner = await asyncpg.connect(url)
    assert not await owner.fetchval(
        "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'inbox')"
    )
    await owner.close()
    await superuser.execute(f"DROP DATABASE {name}")
    await superuser.close()
