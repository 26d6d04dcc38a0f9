"""`inbox migrate`: applies the database migrations that are missing."""

import asyncio

import click

from db import migrate as migrations
from workers.cli.failures import expected_failures
from workers.cli.target import name_target
from workers.settings import Settings, required


@click.command()
def migrate() -> None:
    """Apply the migrations that are missing, as INBOX_MIGRATION_DATABASE_URL's user."""
    settings = Settings.from_environment()
    url = required(settings.migration_database_url, "INBOX_DATABASE_URL")
    name_target(settings, url)
    migrations_own = settings.given_migration_database_url is not None
    with expected_failures(
        "INBOX_MIGRATION_DATABASE_URL" if migrations_own else "INBOX_DATABASE_URL"
    ):
        applied = asyncio.run(migrations.migrate(url))
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("up to date")
