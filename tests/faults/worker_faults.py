"""Faults of workers: killed anywhere or at a point, frozen, restarted, more and fewer of them."""

from tests.faults.points import POINTS
from tests.faults.scene import STRIKE_SECONDS, Scene, Strike
from tests.harness.waiting import until

FENCED = ("ProducerFenced", "KafkaError")
"""The errors with which a shard that another worker took over starts again: see
workers/outbox/kafka_transaction.py."""

DRAIN_POINT = "after the drain, before it is forgotten"
"""Only there after Kafka was away: see kafka_faults."""


async def kill(scene: Scene) -> int:
    """SIGKILL at any moment."""
    slot = await scene.a_worker()
    hit = await scene.until_work()
    scene.fleet.kill(slot)
    return hit


def _kill_at(point: str) -> Strike:
    async def strike(scene: Scene) -> int:
        await scene.spring(point, "kill")
        return 1

    return strike


async def freeze_before_claim(scene: Scene) -> int:
    """SIGSTOP with a batch in hand, until others have applied it; then it finds that out."""
    refused = scene.seen("inbox_refused_positions")
    slot = await scene.spring("before the claim", "stop")
    try:
        await _until_applied(scene, await scene.pulse.ends())
    finally:
        scene.fleet.thaw(slot)
    await scene.until_seen("inbox_refused_positions", refused)
    return 1


async def freeze_in_transaction(scene: Scene) -> int:
    """SIGSTOP within a transaction: Postgres ends it, and others go on."""
    slot = await scene.spring("before the commit", "stop")
    try:
        await _until_applied(scene, await scene.pulse.ends())
    finally:
        scene.fleet.thaw(slot)
    return 1


async def freeze_relay(scene: Scene) -> int:
    """SIGSTOP in a Kafka transaction, until another worker publishes its shards; it is fenced."""
    slot = await scene.spring("after the relay's sends, before its commit", "stop")
    try:
        fenced = _fenced(scene)
        numbers = await scene.pulse.outbox_numbers()

        async def published() -> bool:
            return not await scene.pulse.outbox_up_to(numbers)

        await until(published, "another relay", STRIKE_SECONDS)
    finally:
        scene.fleet.thaw(slot)

    async def found_out() -> bool:
        return _fenced(scene) > fenced

    await until(found_out, "a fenced relay", STRIKE_SECONDS)
    return 1


def _fenced(scene: Scene) -> int:
    return sum(scene.seen("inbox_relay_restarts", label) for label in FENCED)


async def _until_applied(scene: Scene, ends: dict[tuple[str, int], int]) -> None:
    """Wait until others have applied all that there was."""

    async def applied() -> bool:
        positions = await scene.pulse.positions()
        return all(positions.get(key, 0) >= end for key, end in ends.items())

    await until(applied, "others do a frozen worker's work", 2 * STRIKE_SECONDS)


async def rolling_restart(scene: Scene) -> int:
    """SIGTERM to one after the other."""
    hit = 0
    for slot in scene.fleet.slots:
        await scene.fleet.until_ready()
        hit += await scene.until_work()
        ends = len(scene.fleet.ended)
        scene.fleet.terminate(slot, for_good=False)

        async def ended(count: int = ends) -> bool:
            return len(scene.fleet.ended) > count

        await until(ended, "a worker stops")
    return hit


async def scale(scene: Scene) -> int:
    """From all to one, and to all again."""
    hit = await scene.until_work()
    others = scene.fleet.slots[1:]
    for slot in others:
        if slot.process is not None:
            scene.fleet.terminate(slot, for_good=True)

    async def gone() -> bool:
        return all(slot.process is None for slot in others)

    await until(gone, "workers stop")
    await _until_applied(scene, await scene.pulse.ends())
    hit += await scene.until_work()
    for slot in others:
        scene.fleet.start(slot)
    await scene.fleet.until_ready()
    return hit


WORKER_FAULTS: dict[str, Strike] = {
    "worker: kill -9": kill,
    **{f"worker: kill -9 {point}": _kill_at(point) for point in POINTS if point != DRAIN_POINT},
    "worker: frozen with a batch": freeze_before_claim,
    "worker: frozen in a transaction": freeze_in_transaction,
    "worker: frozen in the relay": freeze_relay,
    "worker: rolling restart": rolling_restart,
    "worker: scaled to one and back": scale,
}
"""Each kind of fault, by its name in reports."""
