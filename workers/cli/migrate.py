"""`inbox migrate`: bring the database up to date."""

import asyncio

import asyncpg
import click

from db import migrate as migrations
from db.errors import SchemaMismatch, is_transient
from workers.errors import CommandFailed
from workers.settings import Settings, required


@click.command()
def migrate() -> None:
    """Apply the migrations that are missing, as INBOX_MIGRATION_DATABASE_URL's user."""
    url = required(Settings.from_environment().migration_database_url, "INBOX_DATABASE_URL")
    try:
        applied = asyncio.run(migrations.migrate(url))
    except (SchemaMismatch, asyncpg.PostgresError) as error:
        raise CommandFailed(str(error)) from error
    except Exception as error:
        if not is_transient(error):
            raise
        raise CommandFailed(f"Postgres does not answer: {error}") from error
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("up to date")
