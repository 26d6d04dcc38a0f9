"""Which errors of Postgres are transient, which are a record's fault, and our own errors.

Exception
├── PositionTaken     another worker owns the partition, or the records are applied already
├── SchemaMismatch    the database does not have the migrations of this program
├── UnfitDatabase     the server or the database can never hold the inbox
├── UnfitUrl          the URL leads to something that does not do what was asked of it
├── LoginRefused      Postgres answers, but lets this user do nothing until a person changes that
├── TakesNoWrites     Postgres answers, but is a standby, as it may be during a failover
└── (asyncpg's own)   classified by `is_transient` and `is_data_error`
"""

import asyncpg
from asyncpg.exceptions._base import DataError as ClientDataError

POOLED = (
    "name Postgres itself in the URL, or pool sessions and set these for the role: "
    "see docs/operating.md, Poolers"
)
"""What to do about a pooler that does not keep the settings of a session."""

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


class UnfitDatabase(Exception):
    """The server or the database can never hold the inbox: its version or encoding is wrong."""


class UnfitUrl(Exception):
    """The URL has an option that Postgres refuses, or leads to a pooler that drops settings."""


class LoginRefused(Exception):
    """Postgres answers, and refuses this user: a wrong password, no such database.

    Raised for new connections only. A person can make it right while a worker waits.
    """


class TakesNoWrites(Exception):
    """No server takes writes: each is a standby, or set to read only. It passes by itself.

    While one of two servers starts again, the other may still be a standby.
    """


_REFUSED_LOGINS = frozenset({"28", "3D", "42501"})
"""Invalid authorization, no such database, and the missing right to connect to one."""

_REFUSED_OPTIONS = frozenset({"42704", "55P02", "22023", "42602"})
"""What Postgres answers to a setting at the start of a session: it is unknown, cannot be changed
now, or has an impossible value or name."""

_POOLERS_LOGINS = ("authentication failed", "no such", "does not exist", "not allowed")
"""What PgBouncer says of a login, always with the code of a lost connection."""

_UNPOOLED_STATEMENTS = frozenset({"26000", "42P05"})
"""A prepared statement that does not exist, or exists already: the session changed in between."""


def of_connecting(error: Exception) -> Exception:
    """Returns the error of ours that an error at the start of a session stands for, or itself."""
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return TakesNoWrites("the server takes no writes: it is a standby, or set to read only")
    if isinstance(error, asyncpg.PostgresError):
        return _of_refusal(str(error.sqlstate), str(error.args[0])) or error
    return error


def _of_refusal(code: str, text: str) -> Exception | None:
    if code == "42704" and "transaction_timeout" in text:
        return UnfitDatabase("Postgres is too old: version 17 or later is needed")
    if "unsupported startup parameter" in text:
        return UnfitUrl(f"a pooler refuses what the inbox needs ({text}): {POOLED}")
    if code in _REFUSED_OPTIONS:
        return UnfitUrl(f"Postgres refuses an option of the URL ({text}): take it out")
    pooler_refuses = code == "08P01" and any(part in text for part in _POOLERS_LOGINS)
    if pooler_refuses or not _REFUSED_LOGINS.isdisjoint({code, code[:2]}):
        return LoginRefused(text)
    return None


def of_a_pooler(error: BaseException) -> UnfitUrl | None:
    """Returns an error of ours for one that only a pooler of transactions causes."""
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate in _UNPOOLED_STATEMENTS:
        return UnfitUrl(f"a pooler gives each transaction another session: {POOLED}")
    return None


def reason(error: BaseException) -> str:
    """Returns why Postgres cannot be used, without the detail, which may quote stored texts."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.args[0])
    return str(error) or type(error).__name__


def is_unique_violation(error: BaseException) -> bool:
    """Whether another transaction wrote the same key first. A retry finds its row, as a repeat."""
    return isinstance(error, asyncpg.PostgresError) and error.sqlstate == _UNIQUE_VIOLATION


def is_data_error(error: BaseException) -> bool:
    """Whether Postgres refuses the values: a retry would not help."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate)[:2] in _DATA_CLASSES
    return isinstance(error, ClientDataError | UnicodeEncodeError)


def is_transient(error: BaseException) -> bool:
    """Whether a retry may succeed: after a lost connection, a deadlock, a full disk.

    A refused login counts too: the password may be on its way. (A statement without the right to do
    what it does is a bug.) So does a statement that was prepared before a migration: asyncpg
    prepares it anew.
    """
    if isinstance(error, LoginRefused | TakesNoWrites | asyncpg.InvalidCachedStatementError):
        return True
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate)[:2] in _TRANSIENT_CLASSES
    if isinstance(error, ClientDataError | asyncpg.ClientConfigurationError):
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
