"""`inbox topics`: creates the topics that are missing, and verifies all."""

import asyncio

import click

from workers.cli.failures import expected_failures
from workers.kafka.topic_admin import ensure_topics
from workers.settings import Settings


@click.command()
def topics() -> None:
    """Create the topics that are missing, and verify those that are there."""
    with expected_failures():
        created = asyncio.run(ensure_topics(Settings.from_environment()))
    for name in created:
        click.echo(f"created {name}")
    click.echo("all topics are as they must be")
