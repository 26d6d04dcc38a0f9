"""What a command works on: it is named before anything changes, and must belong together."""

import re
from urllib.parse import parse_qs, urlsplit

import asyncpg
import click

from db.connect import connect
from db.errors import is_transient
from db.installation import Installation, load_installation, load_used_topics
from workers.kafka.installation import (
    installation_of,
    require_same,
    require_settings_fit,
    require_used_topics_fit,
)
from workers.settings import Settings, required

_PLACE = re.compile(r"[\w.:,/%\[\]-]+", re.ASCII)
"""Hosts and ports, or the name of a database. Other characters may belong to a password."""


async def check_target(settings: Settings, *, changes: bool, needs_database: bool = True) -> None:
    """Name the topics and the database if the command changes something, and compare them.

    Raises ForeignInstallation if the database belongs to other topics; KafkaError; the errors of
    Postgres. Before the first worker started, only the positions of a version before 0.3.0 can be
    compared. A command that does not need the database works without one, and while Postgres
    refuses or does not answer.
    """
    if changes:
        required(settings.kafka, "INBOX_KAFKA")
        name_target(settings, settings.database_url)
    if settings.database_url is None:
        return
    try:
        stored = await _stored(settings, settings.database_url)
    except Exception as error:
        if needs_database or not (isinstance(error, asyncpg.PostgresError) or is_transient(error)):
            raise
        reason = type(error).__name__
        click.echo(f"not checked whether they belong together: Postgres: {reason}", err=True)
        return
    if stored is not None:
        require_settings_fit(stored, settings)
        if settings.kafka is not None:
            require_same(stored, await installation_of(settings))


async def _stored(settings: Settings, url: str) -> Installation | None:
    connection = await connect(url, "inbox")
    try:
        stored = await load_installation(connection)
        if stored is None:
            mine = Installation(settings.topic_prefix, settings.partitions, "")
            require_used_topics_fit(await load_used_topics(connection), mine)
        return stored
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        return None  # The database is not migrated yet.
    finally:
        await connection.close()


def name_target(settings: Settings, database_url: str | None) -> None:
    """Print on stderr which topics and which database a command is about to change."""
    database = place_of(database_url) if database_url else "none"
    click.echo(f"topics: {settings.topic_prefix}*, database: {database}", err=True)


def place_of(url: str) -> str:
    """Returns the name of a database and its hosts, without user and password."""
    parts = urlsplit(url)
    given = parse_qs(parts.query)
    hosts = parts.netloc.rpartition("@")[2] or ",".join(given.get("host", ["localhost"]))
    name = parts.path.removeprefix("/") or ",".join(given.get("dbname", ["postgres"]))
    # A password with a character that must be escaped reaches beyond its place in the URL.
    reaches = "@" in parts.path + parts.query + parts.fragment
    shown = not reaches and _PLACE.fullmatch(hosts) and _PLACE.fullmatch(name)
    return f"{name} at {hosts}" if shown else "(its URL cannot be shown)"
