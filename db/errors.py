"""Which failures of Postgres pass, which are a record's fault, and what a worker makes of them.

Exception
├── PositionTaken     another worker owns the partition, or the work is done already
├── SchemaMismatch    the database is not migrated to what this program needs
└── (asyncpg's own)   sorted by `is_transient` and `is_data_error`
"""

import asyncpg
from asyncpg.exceptions._base import DataError as ClientDataError

# SQLSTATE classes (Postgres manual, appendix A) whose cause goes away by itself: connection,
# invalid transaction state, transaction rollback, insufficient resources, object not in a usable
# state (lock time-outs), operator intervention (shutdown, cancelled statement), system error.
_TRANSIENT_CLASSES = frozenset({"08", "25", "40", "53", "55", "57", "58"})

# Data exception and integrity constraint violation: the values themselves are refused.
_DATA_CLASSES = frozenset({"22", "23"})

_UNIQUE_VIOLATION = "23505"


class PositionTaken(Exception):
    """The partition's position is not where this worker left it."""


class SchemaMismatch(Exception):
    """The database's schema is older or newer than this program's."""


def is_unique_violation(error: BaseException) -> bool:
    """Whether another transaction wrote the same key first: seen after a retry, it is a repeat."""
    return isinstance(error, asyncpg.PostgresError) and error.sqlstate == _UNIQUE_VIOLATION


def is_data_error(error: BaseException) -> bool:
    """Whether the values are refused: trying again changes nothing."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate)[:2] in _DATA_CLASSES
    return isinstance(error, ClientDataError | UnicodeEncodeError)


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed later: a lost connection, a deadlock, a full disk."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate)[:2] in _TRANSIENT_CLASSES
    if isinstance(error, ClientDataError):
        return False
    # asyncpg raises its internal error when a connection dies in the middle of its protocol.
    return isinstance(
        error, OSError | TimeoutError | asyncpg.InterfaceError | asyncpg.InternalClientError
    )


def refusal(error: BaseException) -> str:
    """Why values were refused, without the values: Postgres quotes them in its error's detail."""
    name = type(error).__name__
    if isinstance(error, asyncpg.PostgresError):
        return f"{name}: {error.args[0]}"
    # The client's own errors quote the value in their only text.
    return f"{name}: a value that Postgres cannot hold"
