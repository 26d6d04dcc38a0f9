"""Replaces the product's functions of Kafka and Postgres by simulated ones."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import db.commands
import db.conversations
import db.directory
import db.gone_assignees
import db.history
import db.identities
import db.links
import db.messages
import db.outbox
import db.positions
import db.sends
import db.windows
import workers.ingest.batch_loop
import workers.kafka.clients
import workers.outbox.collector
import workers.outbox.kafka_transaction
import workers.outbox.progress_marker
import workers.outbox.shard
import workers.periodic.gone_assignees
from tests.simulation import (
    statements,
    statements_of_agents,
    statements_of_gone_assignees,
    statements_of_outbox,
)
from tests.simulation.kafka import Kafka, Producer, read_marker
from workers.settings import Settings

KAFKA: ContextVar[Kafka] = ContextVar("KAFKA")
"""The Kafka that a process talks to."""

SHARDS = 2
"""Instead of four, so that each has enough to publish."""

BATCH_BYTES = 4_000
ROW_BYTES = 1_500
"""Small, so that batches are cut, and become several outbox rows."""

OFFERED_BYTES, DELETE_ROWS = 2_000, 3
"""Small, so that shards fall behind and read the table, and delete before they are idle."""

CONVERSATIONS, ASSIGNEES, SEARCH_SECONDS = 2, 1, 30.0
"""Small, so that the conversations of a user who is gone need several transactions, and searches
several statements; and searches come often."""

Replacements = Mapping[Any, Any]
"""What stands in for a function."""


def _new_producer(_settings: Settings, shard: int) -> Producer:
    return Producer(KAFKA.get(), shard)


async def _read_marker(settings: Settings, shard: int) -> int | None:
    return await read_marker(KAFKA.get(), shard, settings.topic("relay"))


async def _transact(producer: Producer, records: list[Any]) -> None:
    await producer.transact(records)


async def _stop(_producer: Producer) -> None:
    """Whoever owns the shard next ends what is open."""


def _statements() -> dict[Any, Any]:
    """Each function of `db` that has a namesake in the simulation."""
    tables = (
        db.commands,
        db.conversations,
        db.directory,
        db.gone_assignees,
        db.history,
        db.identities,
        db.links,
        db.messages,
        db.outbox,
        db.positions,
        db.sends,
        db.windows,
    )
    return {
        getattr(table, name): made
        for module in (
            statements,
            statements_of_agents,
            statements_of_gone_assignees,
            statements_of_outbox,
        )
        for name, made in vars(module).items()
        if callable(made) and getattr(made, "__module__", "") == module.__name__
        for table in tables
        if getattr(getattr(table, name, None), "__module__", None) == table.__name__
    }


REPLACED: Replacements = _statements() | {
    workers.outbox.kafka_transaction.transactional_producer: _new_producer,
    workers.outbox.kafka_transaction.transact: _transact,
    workers.kafka.clients.stop_producer: _stop,
    workers.outbox.progress_marker.read_marker: _read_marker,
}


@contextmanager
def simulated(more: Replacements | None = None) -> Iterator[None]:
    """Run the product on the simulation; `more` replaces further functions, or the replacements."""
    wanted: dict[Any, Any] = {**REPLACED, **(more or {})}
    # What replaces a replacement replaces the function.
    final = {function: wanted.get(made, made) for function, made in wanted.items()}
    undo: list[tuple[Any, str, Any]] = []
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in {"workers", "db", "domain"}:
            undo += _replace_in(module, final)
    sizes: list[tuple[Any, str, float]] = [
        (workers.outbox.collector, "RELAY_SHARDS", SHARDS),
        (workers.outbox.collector, "ROW_BYTES_MAX", ROW_BYTES),
        (workers.ingest.batch_loop, "OUTBOX_BATCH_BYTES_MAX", BATCH_BYTES),
        (workers.outbox.shard, "SHARD_BYTES_MAX", OFFERED_BYTES),
        (workers.outbox.shard, "OFFERED_BYTES_MAX", OFFERED_BYTES),
        (workers.outbox.shard, "DELETE_ROWS", DELETE_ROWS),
        (workers.periodic.gone_assignees, "CONVERSATIONS_MAX", CONVERSATIONS),
        (workers.periodic.gone_assignees, "ASSIGNEES_MAX", ASSIGNEES),
        (workers.periodic.gone_assignees, "SEARCH_SECONDS", SEARCH_SECONDS),
    ]
    for module, constant, size in sizes:
        undo.append((module, constant, getattr(module, constant)))
        setattr(module, constant, size)
    try:
        yield
    finally:
        for module, constant, value in undo:
            setattr(module, constant, value)


def _replace_in(module: Any, final: Mapping[Any, Any]) -> list[tuple[Any, str, Callable[..., Any]]]:
    found = []
    for name, value in list(vars(module).items()):
        if callable(value) and _is_key(value, final):
            found.append((module, name, value))
            setattr(module, name, final[value])
    return found


def _is_key(value: Any, final: Mapping[Any, Any]) -> bool:
    try:
        return value in final
    except TypeError:
        return False
