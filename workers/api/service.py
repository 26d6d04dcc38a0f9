"""The parts of the API: what its operations work with."""

from collections.abc import Coroutine, Sequence
from typing import Any

from db.connect import Pool, pool
from workers.api.access.admission import Admission
from workers.settings import Settings, required

APPLICATION = "inbox api"
CONNECTIONS_MAX = 8


class Api:
    """All parts of the API of one process."""

    def __init__(self, settings: Settings) -> None:
        """The pool connects when first used, so the API starts without Postgres."""
        self.settings = settings
        url = required(settings.api_database_url, "INBOX_API_DATABASE_URL")
        self.pool: Pool = pool(url, APPLICATION, CONNECTIONS_MAX)
        self.admission = Admission(settings, self.pool)

    async def start(self) -> None:
        """Start what needs neither Kafka nor Postgres to answer."""
        await self.pool

    def work(self) -> Sequence[Coroutine[Any, Any, None]]:
        """What runs for as long as the worker does, and must never fail."""
        return ()

    async def stop(self) -> None:
        """Begin nothing more, and end the streams."""

    async def close(self) -> None:
        """Release everything."""
        self.pool.terminate()
