"""What a role of a worker is."""

from collections.abc import Coroutine, Sequence
from typing import Any

import faust
from aiohttp import web
from faust.types import TP

from db.connect import Pool
from db.outbox import OutboxRow

BackgroundWork = Coroutine[Any, Any, None]


class WorkerRole:
    """A part that a worker plays. A role overrides what concerns it."""

    def join(self, app: faust.App) -> None:
        """Add the role's Faust agents, before the app starts."""

    async def start(self, pool: Pool) -> None:
        """Make what needs the pool. The role is whole from here on."""

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the role's routes to the worker's web server."""

    def work(self) -> Sequence[BackgroundWork]:
        """What runs for as long as the worker does, and must never fail."""
        return ()

    async def assigned(self, partitions: set[TP]) -> None:
        """Take over these partitions of the consumer group, and no others."""

    def committed(self, rows: list[OutboxRow]) -> None:
        """Note the outbox rows of a transaction that this worker committed."""

    @property
    def ready(self) -> bool:
        """Whether the role does all that it was assigned."""
        return True

    async def stop(self) -> None:
        """Begin nothing more, and end what is under way, while the worker still reads."""

    async def unassign(self) -> None:
        """Give up what was assigned, now that the worker reads no more, and before it leaves the
        consumer group."""

    async def close(self) -> None:
        """Release what is left, when everything else has stopped."""
