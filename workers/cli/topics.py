"""`inbox topics`: create and verify the topics."""

import asyncio

import click
from aiokafka.errors import KafkaError

from workers.errors import CommandFailed
from workers.settings import Settings
from workers.topics import TopicMismatch, ensure_topics


@click.command()
def topics() -> None:
    """Create the topics that are missing, and verify those that are there."""
    try:
        created = asyncio.run(ensure_topics(Settings.from_environment()))
    except TopicMismatch as error:
        raise CommandFailed(f"topics are not as they must be:\n{error}") from error
    except KafkaError as error:
        raise CommandFailed(f"Kafka does not answer: {error}") from error
    for name in created:
        click.echo(f"created {name}")
    click.echo("all topics are as they must be")
