"""Faults of Kafka: it is killed, frozen, cut off, or slow, or its answers are lost."""

import asyncio

from tests.faults.fault_context import FaultContext, InjectFault
from tests.faults.worker_faults import DRAIN_POINT
from tests.harness.waiting import until

LATENCY_SECONDS = 0.1


async def kill(context: FaultContext) -> int:
    """Kill Kafka (SIGKILL), and start it again. Meanwhile workers spool webhooks."""
    hit = await context.until_work()
    kafka, spooled = context.servers.kafka, context.observed("inbox_spooled")
    await asyncio.to_thread(kafka.kill)
    await context.monitor.disconnect()
    try:
        await asyncio.sleep(context.timing.outage_seconds)
        await context.until_observed("inbox_spooled", spooled)
    finally:
        await asyncio.to_thread(kafka.start)
    return hit


async def freeze(context: FaultContext) -> int:
    """Freeze Kafka (SIGSTOP). Then kill the first worker that has drained webhooks from its spool.

    It dies before the spool forgets them.
    """
    hit = await context.until_work()
    kafka, spooled = context.servers.kafka, context.observed("inbox_spooled")
    await asyncio.to_thread(kafka.pause)
    try:
        await asyncio.sleep(context.timing.freeze_seconds)
        await context.until_observed("inbox_spooled", spooled)
        killing = asyncio.ensure_future(context.catch_at(DRAIN_POINT, "kill"))
    finally:
        await asyncio.to_thread(kafka.resume)
    await killing
    return hit


async def cut_connections(context: FaultContext) -> int:
    """Reset all connections of workers."""
    await context.until_work()
    return context.servers.kafka_proxy.cut()


async def partition(context: FaultContext) -> int:
    """Hold up everything between workers and Kafka; the connections stay open."""
    hit = await context.until_work()
    proxy = context.servers.kafka_proxy
    proxy.hold()
    try:
        await asyncio.sleep(context.timing.freeze_seconds)
    finally:
        proxy.release()
    return hit


def _lose(what: str) -> InjectFault:
    async def inject(context: FaultContext) -> int:
        proxy = context.servers.kafka_proxy
        lost = proxy.lost
        proxy.lose(what, 3)

        async def enough() -> bool:
            return proxy.lost >= lost + 3

        try:
            await until(enough, "lost answers")
        finally:
            proxy.heal()
        return proxy.lost - lost

    return inject


async def slow(context: FaultContext) -> int:
    """Delay everything between workers and Kafka by a tenth of a second."""
    hit = await context.until_work()
    proxy = context.servers.kafka_proxy
    proxy.latency_seconds = LATENCY_SECONDS
    try:
        await asyncio.sleep(context.timing.freeze_seconds)
    finally:
        proxy.heal()
    return hit


KAFKA_FAULTS: dict[str, InjectFault] = {
    "kafka: kill -9": kill,
    "kafka: frozen, and a kill -9 of who drains the spool": freeze,
    "kafka: connections cut": cut_connections,
    "kafka: partitioned off": partition,
    "kafka: answers to Produce lost": _lose("produce"),
    "kafka: answers to EndTxn lost": _lose("end-transaction"),
    "kafka: slow": slow,
}
"""The faults by their names in reports."""
