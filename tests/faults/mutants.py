"""Workers that break one promise each: the checker has to find out which.

A mutant is put into a child process from outside, as the points are.
"""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaProducer


class Mutant(NamedTuple):
    """A way to break a promise."""

    breaks: frozenset[str]
    """The invariants that it breaks, each of which has to be found broken."""
    install: Callable[[], None]
    """Break it in this process."""
    schema: tuple[str, ...] = ()
    """What the owner of the database does for it."""


def install(name: str) -> None:
    """Make this process break a promise."""
    MUTANTS[name].install()


def _no_unique_key() -> None:
    import workers.agents.commands  # noqa: PLC0415  # only who wants them to be broken imports them
    import workers.agents.received_messages  # noqa: PLC0415

    async def nothing(*_: object) -> set[object]:
        return set()

    _patch(workers.agents.received_messages, recorded_messages=nothing)
    _patch(workers.agents.commands, recorded_messages=nothing, applied_commands=nothing)


def _offset_outside() -> None:
    import workers.ingest.batch_loop  # noqa: PLC0415
    from db.positions import claim_positions  # noqa: PLC0415
    from workers.settings import Settings, required  # noqa: PLC0415

    url = required(Settings.from_environment().database_url, "database")

    async def outside(_connection: object, *arguments: Any) -> None:
        connection = await asyncpg.connect(url)
        try:
            await claim_positions(connection, *arguments)
        finally:
            await connection.close()

    _patch(workers.ingest.batch_loop, claim_positions=outside)


def _last_write_wins() -> None:
    import domain.sending  # noqa: PLC0415

    _patch(domain.sending, later=lambda status, word: status != word)


def _post_again() -> None:
    import workers.twilio.client  # noqa: PLC0415
    from domain.sending import NotTaken, Send, Unknown  # noqa: PLC0415

    outcome = workers.twilio.client._outcome

    def again(error: Exception, send: Send) -> object:
        found = outcome(error, send)
        return NotTaken(0.1) if isinstance(found, Unknown) else found

    _patch(workers.twilio.client, _outcome=again)


def _relay_without_fencing() -> None:
    import workers.outbox.kafka_transaction  # noqa: PLC0415
    import workers.outbox.shard  # noqa: PLC0415
    from workers.kafka.clients import new_producer  # noqa: PLC0415

    def plain(settings: Any, _shard: int) -> AIOKafkaProducer:
        return new_producer(settings)

    async def send(producer: AIOKafkaProducer, records: list[Any]) -> None:
        # Without the marker, which is the last.
        await asyncio.gather(*await workers.outbox.kafka_transaction._send(producer, records[:-1]))

    async def no_marker(*_: object) -> None:
        return None

    _patch(workers.outbox.shard, transactional_producer=plain, transact=send, read_marker=no_marker)


def _random_ids() -> None:
    import domain.audience  # noqa: PLC0415
    import domain.decision  # noqa: PLC0415
    import domain.notes  # noqa: PLC0415
    import domain.sending  # noqa: PLC0415

    for module in (domain.audience, domain.decision, domain.notes, domain.sending):
        _patch(module, emitted_event_id=lambda *_, **__: str(uuid4()))


def _patch(module: object, **functions: object) -> None:
    """Replace functions of a module. Raises AttributeError where it has none such."""
    for name, function in functions.items():
        getattr(module, name)
        setattr(module, name, function)


MUTANTS = {
    "no unique key": Mutant(
        frozenset({"I1", "I5"}),
        _no_unique_key,
        (
            "ALTER TABLE inbox.messages DROP CONSTRAINT messages_pkey",
            "ALTER TABLE inbox.commands DROP CONSTRAINT commands_pkey",
        ),
    ),
    "offset outside the transaction": Mutant(frozenset({"I1"}), _offset_outside),
    "last write wins on status": Mutant(frozenset({"I7"}), _last_write_wins),
    "POST again on time-out": Mutant(frozenset({"I8"}), _post_again),
    "relay without fencing": Mutant(frozenset({"I2", "I3"}), _relay_without_fencing),
    "random event ids": Mutant(frozenset({"I2"}), _random_ids),
}
"""All of them, by name."""
