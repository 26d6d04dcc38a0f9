"""Faults of Kafka: killed, frozen, cut off, slow, and deaf to whether it did as it was asked."""

import asyncio

from tests.faults.scene import Scene, Strike
from tests.faults.worker_faults import DRAIN_POINT
from tests.harness.waiting import until

LATENCY_SECONDS = 0.1


async def kill(scene: Scene) -> int:
    """SIGKILL, and a start; webhooks go to the workers' disks meanwhile."""
    hit = await scene.until_work()
    kafka, spooled = scene.servers.kafka, scene.seen("inbox_spooled")
    await asyncio.to_thread(kafka.kill)
    await scene.pulse.forget()
    try:
        await asyncio.sleep(scene.pace.outage_seconds)
        await scene.until_seen("inbox_spooled", spooled)
    finally:
        await asyncio.to_thread(kafka.start)
    return hit


async def freeze(scene: Scene) -> int:
    """SIGSTOP; whoever drains the spool afterwards is killed before the spool knows of it."""
    hit = await scene.until_work()
    kafka, spooled = scene.servers.kafka, scene.seen("inbox_spooled")
    await asyncio.to_thread(kafka.pause)
    try:
        await asyncio.sleep(scene.pace.freeze_seconds)
        await scene.until_seen("inbox_spooled", spooled)
        killing = asyncio.ensure_future(scene.spring(DRAIN_POINT, "kill"))
    finally:
        await asyncio.to_thread(kafka.resume)
    await killing
    return hit


async def cut_connections(scene: Scene) -> int:
    """All connections of workers are reset."""
    await scene.until_work()
    return scene.servers.kafka_proxy.cut()


async def partition(scene: Scene) -> int:
    """Workers and Kafka keep their connections, and nothing passes."""
    hit = await scene.until_work()
    proxy = scene.servers.kafka_proxy
    proxy.hold()
    try:
        await asyncio.sleep(scene.pace.freeze_seconds)
    finally:
        proxy.release()
    return hit


def _lose(what: str) -> Strike:
    async def strike(scene: Scene) -> int:
        proxy = scene.servers.kafka_proxy
        lost = proxy.lost
        proxy.lose(what, 3)

        async def enough() -> bool:
            return proxy.lost >= lost + 3

        try:
            await until(enough, "lost answers")
        finally:
            proxy.heal()
        return proxy.lost - lost

    return strike


async def slow(scene: Scene) -> int:
    """All that passes between workers and Kafka takes a tenth of a second."""
    hit = await scene.until_work()
    proxy = scene.servers.kafka_proxy
    proxy.latency_seconds = LATENCY_SECONDS
    try:
        await asyncio.sleep(scene.pace.freeze_seconds)
    finally:
        proxy.heal()
    return hit


KAFKA_FAULTS: dict[str, Strike] = {
    "kafka: kill -9": kill,
    "kafka: frozen, and a kill -9 of who drains the spool": freeze,
    "kafka: connections cut": cut_connections,
    "kafka: partitioned off": partition,
    "kafka: answers to Produce lost": _lose("produce"),
    "kafka: answers to EndTxn lost": _lose("end-transaction"),
    "kafka: slow": slow,
}
"""Each kind of fault, by its name in reports."""
