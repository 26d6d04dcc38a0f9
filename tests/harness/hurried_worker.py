"""`inbox worker` in a hurry: what libraries do after minutes of work or idleness comes in seconds.

An hour becomes HOUR_SECONDS: the limits after which Faust complains, after which idle connections
are closed, metadata is asked for again and an idle member leaves its group. All else is as ever.
"""

from typing import Any

import asyncpg
import pytest
from aiokafka.client import AIOKafkaClient

from workers.cli import main
from workers.settings import Settings
from workers.worker import app
from workers.worker.faust_settings import faust_settings

HURRY = 120
"""By how much a limit is shorter."""

HOUR_SECONDS = 3600 / HURRY

FAUST_LIMITS = {
    "stream_processing_timeout": 300,
    "broker_commit_livelock_soft_timeout": 300,
    "broker_max_poll_interval": 1000,
}
CLIENT_LIMITS = {"connections_max_idle_ms": 540_000, "metadata_max_age_ms": 300_000}
POOL_LIMITS = {"max_inactive_connection_lifetime": 300.0}
"""The defaults of Faust, aiokafka and asyncpg, in seconds; those with `_ms` in milliseconds."""


def hurry() -> None:
    """Run `inbox` with the arguments of this process, and shorter limits."""
    make_client, make_pool = AIOKafkaClient.__init__, asyncpg.create_pool

    def hurried_settings(settings: Settings, brokers: tuple[str, ...]) -> dict[str, Any]:
        limits = {name: value / HURRY for name, value in FAUST_LIMITS.items()}
        return faust_settings(settings, brokers) | limits

    def hurried_client(self: AIOKafkaClient, **given: Any) -> None:
        make_client(self, **given | {name: value // HURRY for name, value in CLIENT_LIMITS.items()})

    def hurried_pool(*arguments: Any, **given: Any) -> Any:
        limits = {name: value / HURRY for name, value in POOL_LIMITS.items()}
        return make_pool(*arguments, **given | limits)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "faust_settings", hurried_settings)
        patch.setattr(AIOKafkaClient, "__init__", hurried_client)
        patch.setattr(asyncpg, "create_pool", hurried_pool)
        main()


if __name__ == "__main__":
    hurry()
