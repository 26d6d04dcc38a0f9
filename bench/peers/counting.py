"""Counts how many messages a system recorded once and notified of once, lost, or doubled."""

from collections import Counter
from collections.abc import Set
from typing import Any

import msgspec
from msgspec import Struct

from bench.checkers.tables import owner_connection
from bench.checkers.topics import read
from bench.load.input_events import message_id
from workers.settings import Settings


class Once(Struct, frozen=True):
    """Counts of things each of which should be there once."""

    found: int
    lost: int
    doubled: int
    strange: int
    """Things that should not be there."""

    @property
    def holds(self) -> bool:
        """Whether each is there once, and nothing else."""
        return self.lost == self.doubled == self.strange == 0

    def __str__(self) -> str:
        if self.holds:
            return f"{self.found:,} once"
        return f"{self.lost:,} lost, {self.doubled:,} doubled, {self.strange:,} strange"


def count_once(found: Counter[str], wanted: Set[str], number: int) -> Once:
    """Compare what was found with `wanted`, of which any `number` should be there, each once."""
    strange = found.keys() - wanted
    return Once(
        found=found.total(),
        lost=max(number - (len(found) - len(strange)), 0),
        doubled=sum(count > 1 for count in found.values()),
        strange=len(strange),
    )


async def loaded_ids(settings: Settings) -> frozenset[str]:
    """Returns the provider's ids of all messages in the input topic."""
    return frozenset(
        [
            event["data"]["provider_message_id"]
            async for event in read(settings, "messages.received")
        ]
    )


async def count_rows(settings: Settings, table: str, wanted: Set[str], number: int) -> Once:
    """Count the messages of a table."""
    async with owner_connection(settings) as connection:
        rows = await connection.fetch(f"SELECT provider_message_id FROM {table}")  # noqa: S608
    return count_once(Counter(row[0] for row in rows), wanted, number)


async def count_notified(settings: Settings, wanted: Set[str], number: int) -> Once:
    """Count the messages of notifications, as a `read_committed` consumer sees them."""
    ids = wanted | set(map(message_id, wanted))
    notified = Counter([_message_of(event) async for event in read(settings, "notifications")])
    return count_once(notified, ids, number)


def _message_of(event: dict[str, Any]) -> str:
    """Returns the id of a notification's message: ours is a CloudEvent, a peer's is not."""
    id_ = event["data"]["message"]["message_id"] if "data" in event else event["message_id"]
    return msgspec.convert(id_, str)
