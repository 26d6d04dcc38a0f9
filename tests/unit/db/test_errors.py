"""Which errors of Postgres are transient, and which are a record's fault."""

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest
from asyncpg.exceptions._base import DataError as ClientDataError

from db.errors import (
    LoginRefused,
    PositionTaken,
    SchemaMismatch,
    TakesNoWrites,
    UnfitDatabase,
    UnfitUrl,
    is_data_error,
    is_transient,
    is_unique_violation,
    of_a_pooler,
    of_connecting,
    reason,
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
    LoginRefused("password authentication failed"),
    TakesNoWrites("a standby"),
    asyncpg.InvalidCachedStatementError("0A000: prepared before a migration"),
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
    UnfitDatabase("LATIN1"),
    UnfitUrl("a pooler"),
    asyncpg.ClientConfigurationError("no such file"),
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


def refused(code: str, text: str) -> Exception:
    """Returns the error of asyncpg for what a server answers."""
    error: Exception = asyncpg.PostgresError.new({"S": "FATAL", "C": code, "M": text})
    return error


@pytest.mark.parametrize(
    ("error", "means", "said"),
    [
        (refused("28P01", "password authentication failed"), LoginRefused, "password"),
        (refused("28000", "no pg_hba.conf entry"), LoginRefused, "pg_hba"),
        (refused("3D000", "no such database"), LoginRefused, "no such database"),
        (refused("42501", "permission denied for database"), LoginRefused, "permission"),
        (refused("08P01", "SASL authentication failed"), LoginRefused, "SASL"),
        (refused("08P01", 'database "x" does not exist'), LoginRefused, "does not exist"),
        (asyncpg.TargetServerAttributeNotMatched(), TakesNoWrites, "takes no writes"),
        (refused("42704", 'unrecognized parameter "transaction_timeout"'), UnfitDatabase, "17"),
        (refused("42704", 'unrecognized parameter "schema"'), UnfitUrl, '"schema"'),
        (refused("55P02", 'parameter "port" cannot be changed'), UnfitUrl, '"port"'),
        (refused("22023", 'invalid value for parameter "x"'), UnfitUrl, '"x"'),
        (refused("08P01", "unsupported startup parameter: jit"), UnfitUrl, "startup parameter"),
    ],
    ids=repr,
)
def test_what_an_error_at_the_start_of_a_session_means(
    error: Exception, means: type[Exception], said: str
) -> None:
    found = of_connecting(error)
    assert type(found) is means
    assert said in str(found)


@pytest.mark.parametrize(
    "error",
    [
        refused("53300", "too many clients"),
        refused("57P03", "starting up"),
        refused("08P01", "cannot connect to server"),
        ConnectionRefusedError(),
    ],
    ids=repr,
)
def test_an_outage_at_the_start_of_a_session_stays_what_it_is(error: Exception) -> None:
    assert of_connecting(error) is error
    assert is_transient(error)


@pytest.mark.parametrize("code", ["26000", "42P05"])
def test_a_prepared_statement_that_is_not_the_sessions_shows_a_pooler(code: str) -> None:
    assert "pooler" in str(of_a_pooler(refused(code, "prepared statement")))
    assert of_a_pooler(refused("42P01", "no such table")) is None
    assert of_a_pooler(ValueError()) is None


def test_a_reason_is_never_empty_and_leaves_out_the_detail() -> None:
    assert reason(TimeoutError()) == "TimeoutError"
    assert reason(OSError("no route")) == "no route"
    fields = {"S": "ERROR", "C": "23505", "M": "duplicate key", "D": "Key (body)=(secret) exists."}
    assert reason(asyncpg.PostgresError.new(fields)) == "duplicate key"
