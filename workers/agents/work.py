"""The interface of an agent, as the batch loop calls it: load, decide, save."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol

from db.connect import AnyConnection
from domain.outgoing import Outgoing
from schemas.cloudevents import Incoming


class Work(Protocol):
    """One batch of one topic: what an agent loads, decides and saves within a transaction."""

    async def load(self, connection: AnyConnection, events: Sequence[Incoming[Any]]) -> None:
        """Read and lock what the events are about."""

    def decide(self, event: Incoming[Any], now: datetime) -> Iterable[Outgoing]:
        """Apply one event to what was loaded, and return the events to emit."""

    async def save(self, connection: AnyConnection, now: datetime) -> None:
        """Write what was decided."""
