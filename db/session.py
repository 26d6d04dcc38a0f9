"""What every session of a worker and of the API must have, and the check that it has it.

A pooler such as PgBouncer may drop what a session asks for at its start. Without its limits, a
frozen worker would keep its locks for ever; without its planner settings, a query may read a whole
table for each batch.
"""

from collections.abc import Mapping
from typing import Any

import asyncpg

from db.errors import POOLED, UnfitDatabase, UnfitUrl
from db.queries import QUERIES

POSTGRES_OLDEST = 17
"""The first version that has `transaction_timeout`."""

STATEMENT_SECONDS = 30
"""A longer statement is cancelled, and its batch is tried again."""

TRANSACTION_SECONDS = 60
"""A longer transaction is ended, and its batch is tried again."""

# The hot queries must join the keys of a batch to a large table by its index. If the planner chose
# a plan while the table was small, it would scan the whole table and keep that plan as it grows.
# Limits are in milliseconds, as Postgres tells them.
SESSION = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
    "plan_cache_mode": "force_generic_plan",
    "statement_timeout": f"{STATEMENT_SECONDS * 1000}",
    # A worker that hangs in a transaction must not hold its locks for long.
    "idle_in_transaction_session_timeout": f"{STATEMENT_SECONDS * 1000}",
    # A worker that froze or was cut off while it sent a statement is not idle, but it runs none
    # either: only this limit ends its transaction.
    "transaction_timeout": f"{TRANSACTION_SECONDS * 1000}",
    "jit": "off",
}

API_STATEMENT_SECONDS = 5
"""A longer statement of the API is cancelled: whoever asked does not wait for it any more."""

# The API asks for pages of sections: how many rows there are decides how to find them, so each
# statement is planned with its own values. It writes single rows, and holds no lock for long.
API_SESSION = SESSION | {
    "plan_cache_mode": "force_custom_plan",
    "statement_timeout": f"{API_STATEMENT_SECONDS * 1000}",
    "idle_in_transaction_session_timeout": f"{API_STATEMENT_SECONDS * 1000}",
    "transaction_timeout": f"{2 * API_STATEMENT_SECONDS * 1000}",
}


def check_server(connection: "asyncpg.Connection[Any]") -> None:
    """Raise UnfitDatabase for a server or a database that can never hold the inbox.

    It costs no round trip: the server tells all of it at the start of a session.
    """
    version = connection.get_server_version()
    if version.major < POSTGRES_OLDEST:
        raise UnfitDatabase(
            f"Postgres {version.major} is too old: version {POSTGRES_OLDEST} or later is needed"
        )
    encoding = connection.get_settings().server_encoding
    if encoding != "UTF8":
        raise UnfitDatabase(
            f"the encoding of the database is {encoding}, which cannot hold every text: "
            "create one with ENCODING 'UTF8' TEMPLATE template0"
        )


async def check_session(
    connection: "asyncpg.Connection[Any]", session: Mapping[str, str] = SESSION
) -> None:
    """Raise UnfitUrl unless a session has the settings that were asked for at its start."""
    found = await connection.fetch(QUERIES["session_settings"], list(session))
    has = {row["name"]: row["setting"] for row in found}
    missing = [name for name, value in session.items() if has.get(name) != value]
    if missing:
        raise UnfitUrl(f"a pooler does not pass on {', '.join(missing)}: {POOLED}")
