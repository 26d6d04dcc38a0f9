"""Faults of workers: they are killed, frozen, restarted, or there are fewer of them."""

from tests.faults.fault_context import FAULT_WAIT_SECONDS, FaultContext, InjectFault
from tests.faults.points import POINTS
from tests.harness.waiting import Left, until

FENCED = ("ProducerFenced", "KafkaError")
"""The errors after which a shard starts again that another worker took over: see
workers/outbox/kafka_transaction.py."""

DRAIN_POINT = "after the drain, before it is forgotten"
"""Workers come to this point only after Kafka was down: see kafka_faults."""


async def kill(context: FaultContext) -> int:
    """Kill a worker at any moment (SIGKILL)."""
    worker = await context.a_ready_worker()
    hit = await context.until_work()
    context.fleet.kill(worker)
    return hit


def _kill_at(point: str) -> InjectFault:
    async def inject(context: FaultContext) -> int:
        await context.catch_at(point, "kill")
        return 1

    return inject


async def freeze_before_claim(context: FaultContext) -> int:
    """Freeze a worker that has a batch, until others have applied it. Then its claim is refused."""
    refused = context.observed("inbox_refused_positions")
    worker = await context.catch_at("before the claim", "stop")
    try:
        await _until_applied(context, await context.monitor.ends())
    finally:
        context.fleet.thaw(worker)
    await context.until_observed("inbox_refused_positions", refused)
    return 1


async def freeze_in_transaction(context: FaultContext) -> int:
    """Freeze a worker within a transaction: Postgres ends it, and others apply the batch."""
    worker = await context.catch_at("before the commit", "stop")
    try:
        await _until_applied(context, await context.monitor.ends())
    finally:
        context.fleet.thaw(worker)
    return 1


async def freeze_relay(context: FaultContext) -> int:
    """Freeze a worker in a Kafka transaction, until another one has published its shards."""
    worker = await context.catch_at("after the relay's sends, before its commit", "stop")
    try:
        fenced = _fenced(context)
        numbers = await context.monitor.outbox_numbers()

        async def published() -> bool:
            return not await context.monitor.outbox_up_to(numbers)

        await until(published, "another relay", FAULT_WAIT_SECONDS)
    finally:
        context.fleet.thaw(worker)

    async def found_out() -> bool:
        return _fenced(context) > fenced

    await until(found_out, "a fenced relay", FAULT_WAIT_SECONDS)
    return 1


def _fenced(context: FaultContext) -> int:
    return sum(context.observed("inbox_relay_restarts", label) for label in FENCED)


async def _until_applied(context: FaultContext, ends: dict[tuple[str, int], int]) -> None:
    """Wait until other workers have applied everything up to these offsets."""

    async def left() -> Left:
        positions = await context.monitor.positions()
        return Left({str(key): max(0, end - positions.get(key, 0)) for key, end in ends.items()})

    await until(left, "others do a frozen worker's work", 2 * FAULT_WAIT_SECONDS)


async def rolling_restart(context: FaultContext) -> int:
    """Restart one worker after the other (SIGTERM)."""
    hit = 0
    for worker in context.fleet.workers:
        await context.fleet.until_ready()
        hit += await context.until_work()
        ends = len(context.fleet.ends)
        context.fleet.terminate(worker, for_good=False)

        async def ended(count: int = ends) -> bool:
            return len(context.fleet.ends) > count

        await until(ended, "a worker stops")
    return hit


async def scale(context: FaultContext) -> int:
    """Stop all workers but one, and start them again."""
    hit = await context.until_work()
    others = context.fleet.workers[1:]
    for worker in others:
        if worker.process is not None:
            context.fleet.terminate(worker, for_good=True)

    async def gone() -> bool:
        return all(worker.process is None for worker in others)

    await until(gone, "workers stop")
    await _until_applied(context, await context.monitor.ends())
    hit += await context.until_work()
    for worker in others:
        context.fleet.start(worker)
    await context.fleet.until_ready()
    return hit


WORKER_FAULTS: dict[str, InjectFault] = {
    "worker: kill -9": kill,
    **{f"worker: kill -9 {point}": _kill_at(point) for point in POINTS if point != DRAIN_POINT},
    "worker: frozen with a batch": freeze_before_claim,
    "worker: frozen in a transaction": freeze_in_transaction,
    "worker: frozen in the relay": freeze_relay,
    "worker: rolling restart": rolling_restart,
    "worker: scaled to one and back": scale,
}
"""The faults by their names in reports."""
