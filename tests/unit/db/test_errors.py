"""Which errors of Postgres are transient, and which are a record's fault."""

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest
from asyncpg.exceptions._base import DataError as ClientDataError

from db.errors import (
    PositionTaken,
    SchemaMismatch,
    is_data_error,
    is_transient,
    is_unique_violation,
    refusal,
)

TRANSIENT = [
    asyncpg.SerializationError("40001"),
    asyncpg.DeadlockDetectedError("40P01"),
    asyncpg.ConnectionDoesNotExistError("08003"),
    asyncpg.ConnectionFailureError("08006"),
    asyncpg.CannotConnectNowError("57P03: starting up"),
    asyncpg.AdminShutdownError("57P01"),
    asyncpg.CrashShutdownError("57P02"),
    asyncpg.QueryCanceledError("57014: statement timeout"),
    asyncpg.LockNotAvailableError("55P03"),
    asyncpg.DiskFullError("53100"),
    asyncpg.TooManyConnectionsError("53300"),
    asyncpg.PostgresIOError("58030"),
    asyncpg.InFailedSQLTransactionError("25P02"),
    asyncpg.IdleInTransactionSessionTimeoutError("25P03"),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.InternalClientError("got result for unknown protocol state"),
    ConnectionResetError(),
    ConnectionRefusedError(),
    OSError("no route to host"),
    TimeoutError(),
]
DATA = [
    asyncpg.CharacterNotInRepertoireError("22021: NUL"),
    asyncpg.UntranslatableCharacterError("22P05"),
    asyncpg.StringDataRightTruncationError("22001"),
    asyncpg.NumericValueOutOfRangeError("22003"),
    asyncpg.CheckViolationError("23514"),
    asyncpg.NotNullViolationError("23502"),
    asyncpg.ForeignKeyViolationError("23503"),
    asyncpg.UniqueViolationError("23505"),
    ClientDataError("invalid input for query argument"),
    UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
]
BUGS = [
    asyncpg.UndefinedTableError("42P01"),
    asyncpg.PostgresSyntaxError("42601"),
    asyncpg.InsufficientPrivilegeError("42501"),
    asyncpg.InvalidPasswordError("28P01"),
    asyncpg.InvalidCatalogNameError("3D000"),
    asyncpg.FeatureNotSupportedError("0A000"),
    asyncpg.InternalServerError("XX000"),
    PositionTaken("somewhere else"),
    SchemaMismatch("older"),
    ValueError(),
    TypeError(),
    KeyError(),
    asyncio.CancelledError(),
]


def every_error_of_postgres(
    base: type[asyncpg.PostgresError] = asyncpg.PostgresError,
) -> Iterator[type[asyncpg.PostgresError]]:
    """All classes of asyncpg's that stand for a SQLSTATE."""
    for subclass in base.__subclasses__():
        yield subclass
        yield from every_error_of_postgres(subclass)


@pytest.mark.parametrize("error", TRANSIENT, ids=repr)
def test_what_passes_by_itself_is_tried_again(error: BaseException) -> None:
    assert is_transient(error)
    assert not is_data_error(error)


@pytest.mark.parametrize("error", DATA, ids=repr)
def test_values_that_are_refused_are_the_records_fault(error: BaseException) -> None:
    assert is_data_error(error)
    assert not is_transient(error)


@pytest.mark.parametrize("error", BUGS, ids=repr)
def test_everything_else_is_a_bug_or_a_decision(error: BaseException) -> None:
    assert not is_transient(error)
    assert not is_data_error(error)


@pytest.mark.parametrize("error", [*TRANSIENT, *DATA, *BUGS], ids=repr)
def test_only_a_key_that_is_there_already_is_a_unique_violation(error: BaseException) -> None:
    assert is_unique_violation(error) == isinstance(error, asyncpg.UniqueViolationError)


def test_no_error_of_postgres_is_both_transient_and_the_records_fault() -> None:
    for error in every_error_of_postgres():
        made = error("made by a test")
        assert not (is_transient(made) and is_data_error(made)), error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            asyncpg.UniqueViolationError("duplicate key value violates unique constraint"),
            "UniqueViolationError: duplicate key value violates unique constraint",
        ),
        (ClientDataError("'secret' is invalid"), "DataError: a value that Postgres cannot hold"),
        (
            UnicodeEncodeError("utf-8", "secret\ud800", 6, 7, "surrogates not allowed"),
            "UnicodeEncodeError: a value that Postgres cannot hold",
        ),
    ],
    ids=repr,
)
def test_a_refusal_does_not_quote_the_values(error: BaseException, said: str) -> None:
    assert refusal(error) == said


def test_a_refusal_leaves_out_what_postgres_says_in_the_errors_detail() -> None:
    fields = {"S": "ERROR", "C": "23505", "M": "duplicate key", "D": "Key (body)=(secret) exists."}
    error = asyncpg.PostgresError.new(fields)
    assert "secret" in str(error)
    assert refusal(error) == "UniqueViolationError: duplicate key"
