"""`inbox adopt`: makes a database belong to other topics, on purpose."""

import asyncio

import click

from db.connect import Connection, connect_as_owner
from db.installation import AdoptionRefused, Installation, load_installation
from db.installation import adopt as adopt_topics
from workers.cli.failures import expected_failures
from workers.cli.target import name_target
from workers.kafka.installation import differences, installation_of
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
@click.option("--yes", is_flag=True, help="Do it; without it, only show what would change.")
def adopt(positions: str, *, yes: bool) -> None:
    """Make the database belong to the topics of the settings, once all workers have stopped.

    For a new Kafka cluster, more partitions or another prefix, on purpose. What the positions mean
    then is in docs/operating.md. Works as INBOX_MIGRATION_DATABASE_URL's user.
    """
    settings = Settings.from_environment()
    url = required(settings.migration_database_url, "INBOX_DATABASE_URL")
    required(settings.kafka, "INBOX_KAFKA")
    name_target(settings, url)
    migrations_own = settings.given_migration_database_url is not None
    with expected_failures(
        "INBOX_MIGRATION_DATABASE_URL" if migrations_own else "INBOX_DATABASE_URL"
    ):
        asyncio.run(_adopt(settings, url, forget=positions == "forget", yes=yes))


async def _adopt(settings: Settings, url: str, *, forget: bool, yes: bool) -> None:
    mine = await installation_of(settings)
    connection = await connect_as_owner(url)
    try:
        found = await _differences(connection, mine)
        for difference in found:
            click.echo(difference)
        if not found:
            click.echo("nothing to change: the database belongs to these topics")
        elif yes:
            await adopt_topics(connection, mine, forget_positions=forget)
            kept = "forgotten: every topic is read from its start" if forget else "kept"
            click.echo(f"the database belongs to the topics given here; positions are {kept}")
        else:
            click.echo("nothing is changed: add --yes to change it")
    except AdoptionRefused as error:
        raise CommandFailed(str(error)) from error
    finally:
        await connection.close()


async def _differences(connection: Connection, mine: Installation) -> list[str]:
    """Returns what differs. Raises CommandFailed if the database belongs to no topics."""
    stored = await load_installation(connection)
    if stored is None:
        raise CommandFailed("this database belongs to no topics yet: the first worker writes its")
    return differences(stored, mine)
