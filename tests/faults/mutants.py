"""Mutants: workers that break one promise each. The checker has to find out which promise.

A mutant is put into a worker's process from outside, as the points are.
"""

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, NamedTuple
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaProducer

import domain.audience
import domain.notes
import domain.outgoing
import domain.sending
from db.commands import AppliedCommand, record_commands
from db.connect import AnyConnection
from db.positions import claim_positions
from domain.directory import Directory
from domain.sending import NotTaken, Send, Unknown
from tests.faults.product_functions import ProductFunction
from workers.agents import commands, received_messages
from workers.ingest import batch_loop
from workers.kafka.clients import new_producer
from workers.outbox import collector, kafka_transaction, shard
from workers.periodic import gone_assignees
from workers.settings import Settings, required
from workers.twilio import client


class Mutant(NamedTuple):
    """A way to break a promise."""

    breaks: frozenset[str]
    """The invariants that it breaks, each of which has to be found broken."""
    functions: tuple[tuple[ProductFunction, Callable[..., Any]], ...]
    """The functions of the product that it replaces, each with its replacement."""
    schema: tuple[str, ...] = ()
    """The statements that the owner of the tables executes for it."""


def install(name: str) -> None:
    """Make this process break a promise."""
    for function, replacement in MUTANTS[name].functions:
        function.replace(replacement)


async def _find_nothing(*_: object) -> set[object]:
    return set()


async def _claim_outside(_connection: object, *arguments: Any) -> None:
    url = required(Settings.from_environment().database_url, "database")
    connection = await asyncpg.connect(url)
    try:
        await claim_positions(connection, *arguments)
    finally:
        await connection.close()


_outcome = client._outcome


def _post_again(error: Exception, send: Send) -> object:
    outcome = _outcome(error, send)
    return NotTaken(0.1) if isinstance(outcome, Unknown) else outcome


def _plain_producer(settings: Any, _shard: int) -> AIOKafkaProducer:
    return new_producer(settings)


async def _send_without_marker(producer: AIOKafkaProducer, records: list[Any]) -> None:
    # The marker is the last record.
    await asyncio.gather(*await kafka_transaction._send(producer, records[:-1]))


async def _no_marker(*_: object) -> None:
    return None


def _random_id(*_: object, **__: object) -> str:
    return str(uuid4())


async def _record_without_outcomes(
    connection: AnyConnection, applied: Collection[AppliedCommand], applied_at: datetime
) -> None:
    bare = [command._replace(code="", version=0) for command in applied]
    await record_commands(connection, bare, applied_at)


async def _nobody(*_: object) -> None:
    return None


MUTANTS = {
    "no unique key": Mutant(
        frozenset({"I1", "I5"}),
        (
            (ProductFunction(received_messages, "recorded_messages"), _find_nothing),
            (ProductFunction(commands, "recorded_messages"), _find_nothing),
            (ProductFunction(commands, "applied_commands"), _find_nothing),
        ),
        (
            "ALTER TABLE inbox.messages DROP CONSTRAINT messages_pkey",
            "ALTER TABLE inbox.commands DROP CONSTRAINT commands_pkey",
        ),
    ),
    "offset outside the transaction": Mutant(
        frozenset({"I1"}),
        ((ProductFunction(batch_loop, "claim_positions"), _claim_outside),),
    ),
    "last write wins on status": Mutant(
        frozenset({"I7"}),
        ((ProductFunction(domain.sending, "is_later"), lambda word, status: status != word),),
    ),
    "POST again on time-out": Mutant(
        frozenset({"I8"}),
        ((ProductFunction(client, "_outcome"), _post_again),),
    ),
    "relay without fencing": Mutant(
        frozenset({"I2", "I3"}),
        (
            (ProductFunction(shard, "transactional_producer"), _plain_producer),
            (ProductFunction(shard, "transact"), _send_without_marker),
            (ProductFunction(shard, "read_marker"), _no_marker),
        ),
    ),
    "conversations stay with who is gone": Mutant(
        frozenset({"I4"}),
        (
            (ProductFunction(Directory, "is_gone"), lambda *_: False),
            (ProductFunction(gone_assignees, "next_gone_assignee"), _nobody),
        ),
    ),
    "no history and no outcomes": Mutant(
        frozenset({"I2", "I5"}),
        (
            (ProductFunction(collector, "insert_history"), _nobody),
            (ProductFunction(commands, "record_commands"), _record_without_outcomes),
        ),
    ),
    "random event ids": Mutant(
        frozenset({"I2"}),
        tuple(
            (ProductFunction(module, "emitted_event_id"), _random_id)
            for module in (domain.audience, domain.outgoing, domain.notes, domain.sending)
        ),
    ),
}
"""All mutants, by name."""
