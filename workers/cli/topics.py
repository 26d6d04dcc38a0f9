"""`inbox topics`: creates the topics that are missing, and verifies all."""

import asyncio

import click

from workers.cli.failures import expected_failures
from workers.cli.target import check_target
from workers.kafka.topic_admin import ensure_topics
from workers.settings import Settings


@click.command()
def topics() -> None:
    """Create the topics that are missing, and verify those that are there."""
    settings = Settings.from_environment()
    with expected_failures():
        created = asyncio.run(_ensure(settings))
    for name in created:
        click.echo(f"created {name}")
    click.echo("all topics are as they must be")


async def _ensure(settings: Settings) -> list[str]:
    await check_target(settings, changes=True, needs_database=False)
    return await ensure_topics(settings)
