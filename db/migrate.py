"""Migrations, forward only: one transaction each, under one advisory lock.

A program also runs on a database that newer programs have migrated, as far as each of the newer
migrations says that it can: so workers of two versions may run beside each other, and a new version
can be rolled back.
"""

import asyncio
import logging
import random
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import NamedTuple

import asyncpg

from db.connect import AnyConnection, connect_as_owner
from db.errors import SchemaMismatch, UnfitUrl
from db.queries import QUERIES

log = logging.getLogger(__name__)

# Any number, but the same one in every program that migrates this schema.
LOCK_KEY = 0x1B0C5
LOCK_SECONDS = 300
"""How long to wait for the migrations of another program."""

TABLE_LOCK_SECONDS = 3
"""How long a migration waits for a table. Whoever wants to read the table waits behind it.
It is longer than Postgres takes to find a deadlock, or to send its own vacuum away: 1 s."""

TRIES_MAX = 60
"""How often a migration begins again after a deadlock with workers, or if a table is in use."""

_BOOTSTRAP = "bootstrap.sql"
_API_RIGHTS = "api_rights.sql"


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration: its number, its name, and its SQL."""

    number: int
    name: str
    sql: str

    @property
    def readable_from(self) -> int:
        """The oldest program, by its newest migration, that runs on the result of this one.

        The file says so in a line `-- readable_from: 3`. Without it, older programs do not.
        """
        found = re.search(r"^-- readable_from: (\d+)$", self.sql, re.MULTILINE)
        return int(found[1]) if found else self.number


class Schema(NamedTuple):
    """How far a database is migrated."""

    version: int
    """The number of its newest migration; 0 for none."""
    readable_from: int
    """The oldest program, by its newest migration, that runs on it."""


def migrations() -> list[Migration]:
    """Returns all migrations in order. Raises ValueError if their numbers are not 1, 2, 3 …"""
    found = [
        Migration(int(path.name[:4]), path.name.removesuffix(".sql"), path.read_text("utf-8"))
        for path in files("db.migrations").iterdir()
        if path.name.endswith(".sql") and path.name != _BOOTSTRAP
    ]
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError("migrations must be numbered 0001, 0002, … without gaps")
    return found


async def migrate(url: str) -> list[str]:
    """Apply the missing migrations to the database at `url`. Returns the names of those applied.

    The role of the API is granted its rights each time, if there is one: it may be added later.
    Several programs may do this at once: the others wait for the first, and find nothing to do. A
    program that is older than the database has nothing to do either, if it runs on it.
    Raises SchemaMismatch if it does not, and what `connect_as_owner` raises.
    """
    connection = await connect_as_owner(url)
    try:
        await _refuse_pooler(connection)
        await connection.execute(QUERIES["migration_lock_limit"], f"{LOCK_SECONDS}s")
        await connection.execute(QUERIES["migration_lock"], LOCK_KEY)
        await connection.execute(QUERIES["migration_lock_limit"], f"{TABLE_LOCK_SECONDS}s")
        return await _apply_missing(connection)
    finally:
        await connection.close()


async def _refuse_pooler(connection: AnyConnection) -> None:
    """Raise UnfitUrl if a pooler is in between: the lock belongs to a session, which it changes."""
    told: int = connection.get_server_pid()
    if told != await connection.fetchval(QUERIES["session_process"]):
        raise UnfitUrl("migrations need Postgres itself, and there is a pooler in between")


async def _apply_missing(connection: AnyConnection) -> list[str]:
    known = migrations()
    schema = await load_schema(connection)
    if schema.version > len(known):
        _check(schema, len(known))
        log.warning(
            "the database is at migration %d; this program, at %d, runs on it",
            *(schema.version, len(known)),
        )
        return []
    missing = known[schema.version :]
    if missing:
        bootstrap = files("db.migrations").joinpath(_BOOTSTRAP).read_text("utf-8")
        await _in_transaction(connection, _BOOTSTRAP, lambda: connection.execute(bootstrap))
    for migration in missing:
        await _in_transaction(connection, migration.name, partial(_apply, connection, migration))
    rights = files("db").joinpath(_API_RIGHTS).read_text("utf-8")
    await _in_transaction(connection, _API_RIGHTS, lambda: connection.execute(rights))
    return [migration.name for migration in missing]


async def _apply(connection: AnyConnection, migration: Migration) -> None:
    await connection.execute(migration.sql)
    step = migration.number, migration.name, migration.readable_from
    await connection.execute(QUERIES["record_migration"], *step)


async def _in_transaction(
    connection: AnyConnection, name: str, work: Callable[[], Awaitable[object]]
) -> None:
    """Do work that changes tables, in one transaction. `name` is for the log.

    It locks one table after the other, and so do the workers, which go on meanwhile, in another
    order. A backup keeps its locks for long. So the work may have to begin again; in the pauses,
    whoever waited behind it goes on.
    """
    for tries_left in reversed(range(TRIES_MAX)):
        try:
            async with connection.transaction():
                await work()
        except (asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError) as error:
            if not tries_left:
                raise
            if isinstance(error, asyncpg.LockNotAvailableError):
                log.warning("%s: a table is in use, by a backup perhaps: again", name)
            await asyncio.sleep(random.uniform(0.5, 2))  # noqa: S311  # spreads load, guards nothing
        else:
            return


async def load_schema(connection: AnyConnection) -> Schema:
    """Returns how far the database is migrated."""
    try:
        row = await connection.fetchrow(QUERIES["schema_version"])
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return Schema(0, 0)
    assert row is not None
    return Schema(row["version"], row["readable_from"])


async def verify(connection: AnyConnection) -> None:
    """Raise SchemaMismatch unless this program runs on what the database is migrated to."""
    try:
        schema = await load_schema(connection)
    except asyncpg.InsufficientPrivilegeError:
        # A role that was made after the last migration, such as that of the API.
        raise SchemaMismatch(
            "this user has no rights in the database yet: run `inbox migrate`, which grants them"
        ) from None
    _check(schema, len(migrations()))


def _check(schema: Schema, known: int) -> None:
    if schema.version < known:
        advice = "run `inbox migrate`"
    elif schema.readable_from > known:
        advice = f"update this program, at least to migration {schema.readable_from}"
    else:
        return
    raise SchemaMismatch(
        f"the database is at migration {schema.version} and this program at {known}: {advice}"
    )
