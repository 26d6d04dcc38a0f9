"""Turns failures of servers into the one line that a command prints."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from db.errors import SchemaMismatch, is_transient
from workers.kafka.topic_admin import TopicMismatch
from workers.process.errors import CommandFailed


@contextmanager
def expected_failures() -> Iterator[None]:
    """Turn failures that a person can repair into CommandFailed, and let all others through."""
    try:
        yield
    except SchemaMismatch as error:
        raise CommandFailed(str(error)) from error
    except TopicMismatch as error:
        raise CommandFailed(f"topics are not as they must be:\n{error}") from error
    except UnknownTopicOrPartitionError as error:
        raise CommandFailed("Kafka lacks a topic: run `inbox topics`") from error
    except KafkaError as error:
        raise CommandFailed(f"Kafka does not answer: {error}") from error
    except asyncpg.PostgresError as error:
        # Without the detail, which may quote stored texts.
        raise CommandFailed(f"Postgres refuses: {error.args[0]}") from error
    except Exception as error:
        if not is_transient(error):
            raise
        raise CommandFailed(f"Postgres does not answer: {error}") from error
