"""`inbox migrate`: applies the database migrations that are missing."""

import asyncio

import click

from db import migrate as migrations
from workers.cli.failures import expected_failures
from workers.settings import Settings, required


@click.command()
def migrate() -> None:
    """Apply the migrations that are missing, as INBOX_MIGRATION_DATABASE_URL's user."""
    url = required(Settings.from_environment().migration_database_url, "INBOX_DATABASE_URL")
    with expected_failures():
        applied = asyncio.run(migrations.migrate(url))
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("up to date")
