"""Connections and pools, with the session settings that the hot queries need."""

from typing import TypeAlias

import asyncpg

from db.queries import QUERIES

# Quoted: these classes are generic only for the type checker.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
# A pool lends proxies of connections; our functions take both.
AnyConnection: TypeAlias = (
    "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
)

POSTGRES_CONNECT_SECONDS = 10
STATEMENT_SECONDS = 30
"""A longer statement is cancelled, and its batch is tried again."""

TRANSACTION_SECONDS = 60
"""A longer transaction is ended, and its batch is tried again."""

FROZEN_SECONDS = TRANSACTION_SECONDS + 5.0
"""An older transaction is of a worker that froze in a COPY, where Postgres applies no limit."""

# The hot queries must join the keys of a batch to a large table by its index. If the planner chose
# a plan while the table was small, it would scan the whole table and keep that plan as it grows.
_SESSION = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
    "plan_cache_mode": "force_generic_plan",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    # A worker that hangs in a transaction must not hold its locks for long.
    "idle_in_transaction_session_timeout": f"{STATEMENT_SECONDS}s",
    # A worker that froze or was cut off while it sent a statement is not idle, but it runs none
    # either: only this limit ends its transaction (PostgreSQL 17 and later).
    "transaction_timeout": f"{TRANSACTION_SECONDS}s",
    "jit": "off",
}


async def connect(url: str, application_name: str) -> Connection:
    """Opens a connection as the workers use it. Raises OSError or asyncpg's errors."""
    connection: Connection = await asyncpg.connect(
        url,
        timeout=POSTGRES_CONNECT_SECONDS,
        command_timeout=STATEMENT_SECONDS + 5,
        server_settings=_SESSION | {"application_name": application_name},
    )
    return connection


async def _leave_as_is(_connection: AnyConnection) -> None:
    """Do nothing: our queries change no session, and each reset would cost a round trip."""


def pool(url: str, application_name: str, connections_max: int) -> Pool:
    """Returns a pool that connects on first use, so that a worker starts without its database."""
    return asyncpg.create_pool(
        url,
        min_size=0,
        max_size=connections_max,
        timeout=POSTGRES_CONNECT_SECONDS,
        command_timeout=STATEMENT_SECONDS + 5,
        reset=_leave_as_is,
        server_settings=_SESSION | {"application_name": application_name},
    )


async def end_frozen_transactions(connection: AnyConnection, older_than_seconds: float) -> int:
    """End the transactions of workers that froze in the middle of a COPY. Returns how many.

    While Postgres waits for the client of a COPY, it applies no limit: the locks would stay as long
    as the worker is frozen.
    """
    query = QUERIES["end_frozen_transactions"]
    ended: int = await connection.fetchval(query, older_than_seconds)
    return ended
