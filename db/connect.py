"""Connections and pools, with the session settings that the hot queries rely on."""

from typing import TypeAlias

import asyncpg

from db.queries import QUERIES

# Quoted: these classes are generic for the type checker alone.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
# What a pool lends is a proxy of a connection; both serve.
AnyConnection: TypeAlias = (
    "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
)

CONNECT_SECONDS = 10
STATEMENT_SECONDS = 30
"""A statement that takes longer is cancelled and its batch tried again."""

TRANSACTION_SECONDS = 60
"""A transaction that takes longer is ended, and its batch tried again."""

FROZEN_SECONDS = TRANSACTION_SECONDS + 5.0
"""A transaction that is there by then is of a worker that froze where Postgres heeds no limit."""

# The hot queries join a batch's keys to a large table by its index, always. The planner, asked
# while the table was small, would scan it whole and keep that plan while it grows.
_SESSION = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    # A worker that hangs in a transaction must not hold its locks against the others.
    "idle_in_transaction_session_timeout": f"{STATEMENT_SECONDS}s",
    # One that froze, or was cut off, while it sent a statement is neither idle nor in one: of all
    # limits only this ends it (PostgreSQL 17 and later).
    "transaction_timeout": f"{TRANSACTION_SECONDS}s",
    "jit": "off",
}


async def connect(url: str, application_name: str) -> Connection:
    """One connection as the workers use it. Raises OSError or asyncpg's errors."""
    connection: Connection = await asyncpg.connect(
        url,
        timeout=CONNECT_SECONDS,
        command_timeout=STATEMENT_SECONDS + 5,
        server_settings=_SESSION | {"application_name": application_name},
    )
    return connection


async def _leave_as_is(_connection: AnyConnection) -> None:
    """Our queries change nothing of a session, and resetting it would cost a round trip each."""


def pool(url: str, application_name: str, connections_max: int) -> Pool:
    """A pool that connects when first used, so that a worker starts without its database."""
    return asyncpg.create_pool(
        url,
        min_size=0,
        max_size=connections_max,
        timeout=CONNECT_SECONDS,
        command_timeout=STATEMENT_SECONDS + 5,
        reset=_leave_as_is,
        server_settings=_SESSION | {"application_name": application_name},
    )


async def end_frozen_transactions(connection: AnyConnection, older_than_seconds: float) -> int:
    """End the transactions of workers that froze in the middle of a COPY.

    While it waits for a client there Postgres looks at no limit, and the locks would stay for as
    long as the worker is frozen. How many it ended.
    """
    query = QUERIES["end_frozen_transactions"]
    ended: int = await connection.fetchval(query, older_than_seconds)
    return ended
