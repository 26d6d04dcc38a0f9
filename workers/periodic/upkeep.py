"""What a worker does every few seconds: measure what only a query tells, forget what is old."""

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError

from db.commands import PRUNED_MAX, prune_commands
from db.connect import FROZEN_SECONDS, end_frozen_transactions
from db.errors import is_transient
from db.messages import prune_deleted_messages
from db.outbox import outbox_age
from db.queries import QUERIES
from db.sends import prune_receipts
from workers.process import metrics
from workers.settings import Settings, required

if TYPE_CHECKING:
    from workers.worker.app import InboxApp

log = logging.getLogger(__name__)

HOUSEKEEPING_SECONDS = 5.0
PRUNE_SECONDS = 600.0
CONNECT_SECONDS = 5.0


async def keep_house(app: "InboxApp") -> None:
    """Keep house until the app stops."""
    prune_at = 0.0
    while not app.should_stop:
        try:
            await _measure_lag(app)
            await _measure_outbox(app)
            await _end_frozen_transactions(app)
            if time.monotonic() >= prune_at:
                all_pruned = await _prune(app)
                prune_at = time.monotonic() + PRUNE_SECONDS if all_pruned else 0.0
        except Exception as error:
            if not (isinstance(error, KafkaError) or is_transient(error)):
                raise
            # A server that is away is waited for, which is no stall.
            app.watchdog.progress()
            log.info("housekeeping: %s", type(error).__name__)
        await app.sleep(HOUSEKEEPING_SECONDS)


async def _measure_lag(app: "InboxApp") -> None:
    if "ingest" in app.roles and (app.assigned is None or app.rebalancing):
        if not await _kafka_listens(app.settings):
            app.watchdog.progress()
        return
    if "ingest" not in app.roles or not app.assigned:
        app.watchdog.progress()
        return
    lags = await app.ingest_consumer.lags(app.applied)
    metrics.LAG_RECORDS.clear()
    for tp, lag in lags.items():
        metrics.LAG_RECORDS.labels(tp.topic, tp.partition).set(lag)
    if not any(lags.values()):
        app.watchdog.progress()


async def _kafka_listens(settings: Settings) -> bool:
    """Whether any broker takes a connection: while none does, waiting for the group is no stall."""
    for broker in required(settings.kafka, "INBOX_KAFKA"):
        host, _, port = broker.rpartition(":")
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        except (OSError, TimeoutError):
            continue
        writer.close()
        return True
    return False


async def _measure_outbox(app: "InboxApp") -> None:
    async with app.pool.acquire() as connection:
        rows, age_seconds = await outbox_age(connection)
    metrics.OUTBOX_ROWS.set(rows)
    metrics.OUTBOX_AGE_SECONDS.set(age_seconds)


async def _end_frozen_transactions(app: "InboxApp") -> None:
    async with app.pool.acquire() as connection:
        if ended := await end_frozen_transactions(connection, FROZEN_SECONDS):
            log.warning("ended %d transactions of workers that are frozen", ended)


async def _prune(app: "InboxApp") -> bool:
    """Whether nothing is left that is old enough."""
    async with app.pool.acquire() as connection:
        now = await connection.fetchval(QUERIES["clock"])
        pruned = [
            await prune_commands(connection, now),
            await prune_deleted_messages(connection, now),
            await prune_receipts(connection, now),
        ]
    return max(pruned) < PRUNED_MAX
