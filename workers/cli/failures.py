"""Turns failures of servers into the one line that a command prints."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from db.errors import (
    LoginRefused,
    SchemaMismatch,
    TakesNoWrites,
    UnfitDatabase,
    UnfitUrl,
    is_transient,
    of_a_pooler,
    reason,
)
from workers.kafka.topic_admin import TopicMismatch
from workers.process.errors import CommandFailed, ForeignInstallation
from workers.settings import SettingsError


@contextmanager
def expected_failures(database_variable: str = "INBOX_DATABASE_URL") -> Iterator[None]:
    """Turn failures that a person can repair into CommandFailed, and let all others through.

    Raises SettingsError where the URL of the database, `database_variable`, must be repaired, or
    one of the settings is not that of this database.
    """
    try:
        yield
    except ForeignInstallation as error:
        raise SettingsError(str(error)) from error
    except TopicMismatch as error:
        raise CommandFailed(f"topics are not as they must be:\n{error}") from error
    except UnknownTopicOrPartitionError as error:
        raise CommandFailed("Kafka lacks a topic: run `inbox topics`") from error
    except KafkaError as error:
        raise CommandFailed(f"Kafka does not answer: {error}") from error
    except Exception as error:
        failure = of_a_pooler(error) or error
        if isinstance(failure, UnfitUrl):
            raise SettingsError(f"{database_variable}: {failure}") from error
        if (line := _line(failure)) is None:
            raise
        raise CommandFailed(line) from error


def _line(error: Exception) -> str | None:
    """Returns what to print of an error of the database; None of any other error."""
    if isinstance(error, SchemaMismatch | UnfitDatabase):
        return str(error)
    if isinstance(error, LoginRefused | TakesNoWrites | asyncpg.PostgresError):
        return f"Postgres refuses: {reason(error)}"
    if is_transient(error):
        return f"Postgres does not answer: {reason(error)}"
    return None
