"""Counts what a run left: is each message in its table, and told of, once?"""

from collections import Counter
from collections.abc import Set
from typing import Any

import asyncpg
import msgspec
from msgspec import Struct

from bench.load.load import ACCOUNT, CHANNEL
from bench.load.topics import read
from schemas.ids import inbound_message_id
from workers.settings import Settings


class Once(Struct, frozen=True):
    """How often things are there that should be there once."""

    found: int
    lost: int
    doubled: int
    strange: int
    """Things that nobody asked for."""

    @property
    def holds(self) -> bool:
        """Whether each is there once, and nothing else."""
        return self.lost == self.doubled == self.strange == 0

    def __str__(self) -> str:
        if self.holds:
            return f"{self.found:,} once"
        return f"{self.lost:,} lost, {self.doubled:,} doubled, {self.strange:,} strange"


def count_once(found: Counter[str], wanted: Set[str], number: int) -> Once:
    """Compare what was found with what might be: so many of `wanted`, each once."""
    strange = found.keys() - wanted
    return Once(
        found=found.total(),
        lost=max(number - (len(found) - len(strange)), 0),
        doubled=sum(count > 1 for count in found.values()),
        strange=len(strange),
    )


async def loaded(settings: Settings) -> frozenset[str]:
    """The provider's ids of the messages that are in the topic."""
    return frozenset(
        [
            event["data"]["provider_message_id"]
            async for event in read(settings, "messages.received")
        ]
    )


async def count_rows(settings: Settings, table: str, wanted: Set[str], number: int) -> Once:
    """Count a table's messages."""
    connection = await asyncpg.connect(settings.migration_database_url)
    try:
        rows = await connection.fetch(f"SELECT provider_message_id FROM {table}")  # noqa: S608
    finally:
        await connection.close()
    return count_once(Counter(row[0] for row in rows), wanted, number)


async def count_told(settings: Settings, wanted: Set[str], number: int) -> Once:
    """Count the messages that notifications are about, as a `read_committed` consumer sees them."""
    ids = wanted | {inbound_message_id(ACCOUNT, CHANNEL, id_) for id_ in wanted}
    told = Counter([_told(event) async for event in read(settings, "notifications")])
    return count_once(told, ids, number)


def _told(event: dict[str, Any]) -> str:
    """The id of the message: ours is a CloudEvent, a peer's is not."""
    message_id = event["data"]["message"]["message_id"] if "data" in event else event["message_id"]
    return msgspec.convert(message_id, str)
