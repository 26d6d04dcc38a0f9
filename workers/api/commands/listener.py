"""Hears of the results of commands, and of the commands that are not applied yet."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from db.commands import ACCEPTED, Outcome
from schemas.catalog import INBOUND, OUTBOUND
from schemas.cloudevents import Decoders
from schemas.commands import CommandRejected
from schemas.errors import InvalidRecord
from schemas.fields import Command
from workers.api.commands.unapplied import UnappliedCommands
from workers.api.commands.waiting import WaitingRequests
from workers.kafka.records import KafkaRecord

RESULTS = "results"
COMMAND_TOPICS = tuple(
    topic
    for topic, structs in INBOUND.items()
    if any(issubclass(struct, Command) for struct in structs)
)

_NO_TIME = datetime.min.replace(tzinfo=UTC)
"""Nobody asks for the time of these events."""


class CommandsListener:
    """Tells the requests that wait of results, and keeps the commands that are not applied."""

    topics = (RESULTS, *COMMAND_TOPICS)
    """What it has to be told. Results are of use from the present ends on, commands from where
    workers have applied them."""

    def __init__(self, waiting: WaitingRequests, unapplied: UnappliedCommands) -> None:
        self._waiting = waiting
        self._unapplied = unapplied
        self._decoders = {name: Decoders(INBOUND[name]) for name in COMMAND_TOPICS}
        self._decoders[RESULTS] = Decoders(OUTBOUND[RESULTS])
        self.ready = asyncio.Event()
        """Set once no result can come in unnoticed."""

    def placed(self) -> None:
        """Forget the commands: their topics are read again from where they are applied."""
        self._unapplied.clear()
        self.ready.set()

    def take(self, topic: str, records: Sequence[KafkaRecord]) -> None:
        """Note commands, or give results to those who wait for them."""
        decoders = self._decoders[topic]
        for record in records:
            try:
                event = decoders.decode(record.value, record.headers, record.timestamp, _NO_TIME)
            except InvalidRecord:
                continue  # a worker dead-letters it, so that it has no result
            data: Any = event.data
            if topic != RESULTS:
                place = (record.topic, record.partition)
                self._unapplied.add((data.account_id, event.id), place, record.offset)
                continue
            code = data.code if isinstance(data, CommandRejected) else ACCEPTED
            self._waiting.resolve((data.account_id, data.command_id), Outcome(code, data.version))
