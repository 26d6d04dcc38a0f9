"""`inbox adopt`: makes a database belong to other topics, on purpose."""

import asyncio

import click

from db.connect import Connection, connect_as_owner
from db.installation import (
    AdoptionRefused,
    Installation,
    count_unsent,
    load_installation,
    load_used_topics,
)
from db.installation import adopt as adopt_topics
from workers.cli.failures import expected_failures
from workers.cli.target import name_target
from workers.kafka.installation import contradictions, differences, installation_of, topic_names
from workers.process.errors import CommandFailed
from workers.settings import Settings, required


@click.command()
@click.option(
    "--positions",
    type=click.Choice(["keep", "forget"]),
    required=True,
    help="keep: these topics hold the same records at the same offsets. "
    "forget: read every topic from its start.",
)
@click.option(
    "--discard-outbox",
    is_flag=True,
    help="For a copy of a database that is still in use: drop its unpublished events and unsent "
    "replies, which are those of the original.",
)
@click.option("--yes", is_flag=True, help="Do it; without it, only show what would change.")
def adopt(positions: str, *, discard_outbox: bool, yes: bool) -> None:
    """Make the database belong to the topics of the settings, once all workers have stopped.

    For a new Kafka cluster, more partitions or another prefix, on purpose. What the positions mean
    then is in docs/operating.md. Works as INBOX_MIGRATION_DATABASE_URL's user.
    """
    if discard_outbox and positions == "keep":
        raise click.UsageError(
            "--discard-outbox needs --positions forget: kept markers would miss what is discarded"
        )
    settings = Settings.from_environment()
    url = required(settings.migration_database_url, "INBOX_DATABASE_URL")
    required(settings.kafka, "INBOX_KAFKA")
    name_target(settings, url)
    migrations_own = settings.given_migration_database_url is not None
    with expected_failures(
        "INBOX_MIGRATION_DATABASE_URL" if migrations_own else "INBOX_DATABASE_URL"
    ):
        asyncio.run(
            _adopt(settings, url, forget=positions == "forget", discard=discard_outbox, yes=yes)
        )


async def _adopt(settings: Settings, url: str, *, forget: bool, discard: bool, yes: bool) -> None:
    mine = await installation_of(settings)
    connection = await connect_as_owner(url)
    try:
        found = await _differences(connection, mine)
        for difference in found:
            click.echo(difference)
        if not found:
            click.echo("nothing to change: the database belongs to these topics")
            return
        if not forget:
            await _require_positions(connection, mine)
        if discard:
            await _require_other_records(connection, mine)
            unsent = await count_unsent(connection)
            click.echo(
                f"to be discarded: {unsent.events} events in the outbox, "
                f"{unsent.parts} unsent parts of replies"
            )
        if yes:
            await adopt_topics(connection, mine, forget_positions=forget, discard_unsent=discard)
            kept = "forgotten: every topic is read from its start" if forget else "kept"
            click.echo(f"the database belongs to the topics given here; positions are {kept}")
        else:
            click.echo("nothing is changed: add --yes to change it")
    except AdoptionRefused as error:
        raise CommandFailed(str(error)) from error
    finally:
        await connection.close()


async def _differences(connection: Connection, mine: Installation) -> list[str]:
    """Returns what differs. Raises CommandFailed if the first worker may start as it is."""
    stored = await load_installation(connection)
    if stored is not None:
        return differences(stored, mine)
    if found := contradictions(await load_used_topics(connection), mine):
        return found
    raise CommandFailed("this database belongs to no topics yet: the first worker writes its")


async def _require_positions(connection: Connection, mine: Installation) -> None:
    """Raise CommandFailed if the positions are of other topics, so that none would be kept."""
    stored = await load_installation(connection)
    if stored is None:
        has_mine = not topic_names(mine).isdisjoint(await load_used_topics(connection))
    else:
        has_mine = stored.topic_prefix == mine.topic_prefix
    if not has_mine:
        raise CommandFailed(
            "--positions keep: all positions are those of the other prefix's topics, and none "
            "would count here. To read every topic from its start, give --positions forget"
        )


async def _require_other_records(connection: Connection, mine: Installation) -> None:
    """Raise CommandFailed if the topic `relay` stays: its markers would miss what is discarded."""
    stored = await load_installation(connection)
    if stored is not None and stored == mine._replace(partitions=stored.partitions):
        raise CommandFailed(
            "--discard-outbox is for a copy of a database, which gets another prefix or Kafka"
        )
