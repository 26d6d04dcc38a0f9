"""Which errors of Postgres are transient, which are a record's fault, and our own errors.

Exception
├── PositionTaken     another worker owns the partition, or the records are applied already
├── SchemaMismatch    the database does not have the migrations of this program
└── (asyncpg's own)   classified by `is_transient` and `is_data_error`
"""

import asyncpg
from asyncpg.exceptions._base import DataError as ClientDataError

# SQLSTATE classes (Postgres manual, appendix A) whose cause passes by itself: connection,
# invalid transaction state, transaction rollback, insufficient resources, object not in a usable
# state (lock time-outs), operator intervention (shutdown, cancelled statement), system error.
_TRANSIENT_CLASSES = frozenset({"08", "25", "40", "53", "55", "57", "58"})

# Data exception and integrity constraint violation: Postgres refuses the values themselves.
_DATA_CLASSES = frozenset({"22", "23"})

_UNIQUE_VIOLATION = "23505"


class PositionTaken(Exception):
    """The position of a partition is not where this worker left it."""


class SchemaMismatch(Exception):
    """The schema of the database is older or newer than this program needs."""


def is_unique_violation(error: BaseException) -> bool:
    """Whether another transaction wrote the same key first. A retry finds its row, as a repeat."""
    return isinstance(error, asyncpg.PostgresError) and error.sqlstate == _UNIQUE_VIOLATION


def is_data_error(error: BaseException) -> bool:
    """Whether Postgres refuses the values: a retry would not help."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate)[:2] in _DATA_CLASSES
    return isinstance(error, ClientDataError | UnicodeEncodeError)


def is_transient(error: BaseException) -> bool:
    """Whether a retry may succeed: after a lost connection, a deadlock, a full disk."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate)[:2] in _TRANSIENT_CLASSES
    if isinstance(error, ClientDataError):
        return False
    # asyncpg raises its internal error if a connection dies in the middle of a message.
    return isinstance(
        error, OSError | TimeoutError | asyncpg.InterfaceError | asyncpg.InternalClientError
    )


def refusal(error: BaseException) -> str:
    """Returns why values were refused, without the values; Postgres quotes them in its detail."""
    name = type(error).__name__
    if isinstance(error, asyncpg.PostgresError):
        return f"{name}: {error.args[0]}"
    # The errors of asyncpg itself have one text, and it quotes the value.
    return f"{name}: a value that Postgres cannot hold"
