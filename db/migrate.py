"""Migrations, forward only: one transaction each, under one advisory lock."""

from dataclasses import dataclass
from importlib.resources import files

import asyncpg

from db.connect import AnyConnection
from db.errors import SchemaMismatch
from db.queries import QUERIES

# Any number, but the same one in every program that migrates this schema.
LOCK_KEY = 0x1B0C5
LOCK_SECONDS = 300

_BOOTSTRAP = "bootstrap.sql"


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration: its number, its name, and its SQL."""

    number: int
    name: str
    sql: str


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

    Several programs may do this at once: the others wait for the first, and find nothing to do.
    Raises SchemaMismatch if the database is newer than this program.
    """
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute(QUERIES["migration_lock_limit"], f"{LOCK_SECONDS}s")
        await connection.execute(QUERIES["migration_lock"], LOCK_KEY)
        return await _apply_missing(connection)
    finally:
        await connection.close()


async def _apply_missing(connection: AnyConnection) -> list[str]:
    bootstrap = files("db.migrations").joinpath(_BOOTSTRAP).read_text("utf-8")
    async with connection.transaction():
        await connection.execute(bootstrap)
    known = migrations()
    version = await connection.fetchval(QUERIES["schema_version"])
    if version > len(known):
        raise SchemaMismatch(_mismatch(version, len(known)))
    applied = []
    for migration in known[version:]:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(QUERIES["record_migration"], migration.number, migration.name)
        applied.append(migration.name)
    return applied


async def verify(connection: AnyConnection) -> None:
    """Raise SchemaMismatch unless the newest migration of the database is the newest here."""
    known = len(migrations())
    try:
        version = await connection.fetchval(QUERIES["schema_version"])
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        version = 0
    if version != known:
        raise SchemaMismatch(_mismatch(version, known))


def _mismatch(version: int, known: int) -> str:
    return f"the database is at migration {version} and this program at {known}: " + (
        "run `inbox migrate`" if version < known else "update this program"
    )
