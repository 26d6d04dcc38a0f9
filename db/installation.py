"""The topics that a database belongs to: one row, which the first worker writes."""

from typing import NamedTuple

from db.connect import AnyConnection
from db.databases import WORKER
from db.queries import QUERIES

WORKER_APPLICATION = "inbox worker"
"""What the sessions of workers call themselves."""


class Installation(NamedTuple):
    """The Kafka topics that a database belongs to, or those of a program's settings."""

    topic_prefix: str
    partitions: int
    kafka_cluster_id: str
    """Empty if the cluster reports no id."""


class AdoptionRefused(Exception):
    """The database cannot be given to other topics now. The message says what to do first."""


async def load_installation(connection: AnyConnection) -> Installation | None:
    """Returns the topics that a database belongs to; None before the first worker started."""
    row = await connection.fetchrow(QUERIES["load_installation"])
    return None if row is None else Installation(*row)


async def ensure_installation(connection: AnyConnection, mine: Installation) -> Installation:
    """Write the topics of this worker, unless others are there. Returns those that are there.

    Of several workers that do this at once, one writes, and all return what it wrote.
    """
    await connection.execute(QUERIES["ensure_installation"], *mine)
    # A statement of its own: it sees the row of a worker for which the first statement waited.
    stored = await load_installation(connection)
    assert stored is not None
    return stored


async def load_used_topics(connection: AnyConnection) -> dict[str, int]:
    """Returns how many partitions at least each topic has of which positions are stored.

    The topics have their full names. They tell whose a database is before it says so itself: a
    version before 0.3.0 wrote no row.
    """
    rows = await connection.fetch(QUERIES["load_used_topics"])
    return {row["topic"]: row["partitions"] for row in rows}


class Unsent(NamedTuple):
    """How much a database holds that would still go out."""

    events: int
    """In the outbox."""
    parts: int
    """Parts of replies, queued or without a known outcome."""


async def count_unsent(connection: AnyConnection) -> Unsent:
    """Returns how much a database holds that would still go out."""
    row = await connection.fetchrow(QUERIES["count_unsent"])
    assert row is not None
    return Unsent(*row)


async def adopt(
    connection: AnyConnection, mine: Installation, *, forget_positions: bool, discard_unsent: bool
) -> None:
    """Make a database belong to other topics, as the schema's owner.

    Raises AdoptionRefused while workers run. It also does so while the outbox has rows and the
    prefix or the number of partitions changes: such rows name topics with their prefix, and the
    number decides which shard publishes an event.
    """
    async with connection.transaction():
        await connection.execute(QUERIES["lock_installation"])
        sessions = await connection.fetchval(
            QUERIES["count_worker_sessions"], WORKER, WORKER_APPLICATION
        )
        if sessions:
            raise AdoptionRefused(f"workers run ({sessions} sessions): stop all of them first")
        if discard_unsent:
            await connection.execute(QUERIES["discard_outbox"])
            await connection.execute(QUERIES["discard_sends"])
        stored = await load_installation(connection)
        same_shards = stored is not None and stored[:2] == mine[:2]
        if not same_shards and await connection.fetchval(QUERIES["outbox_has_rows"]):
            raise AdoptionRefused(
                "the outbox has rows. If this is a copy of a database that is still in use, never "
                "start a worker with the old settings: discard them by --discard-outbox. Else "
                "start a worker with the old settings, wait until inbox_outbox_rows is 0, and "
                "stop it again"
            )
        await connection.execute(QUERIES["replace_installation"], *mine)
        if forget_positions:
            await connection.execute(QUERIES["forget_positions"])
            await connection.execute(QUERIES["forget_redrives"])
