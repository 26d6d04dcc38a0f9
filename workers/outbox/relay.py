"""The relay: publishes the shards of the outbox that the consumer group gives this worker."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

from db.connect import Pool
from db.errors import is_transient
from db.outbox import OutboxRow, outbox_numbers
from workers.outbox.shard import Shard
from workers.process import metrics
from workers.process.retries import doubled_seconds
from workers.settings import Settings

CHECK_SECONDS = 0.05
"""How often to check for rows that other workers committed. This worker hands over its own."""

CHECK_SECONDS_LONGEST = 3.2
"""The longest pause between checks while the database does not answer."""


class Relay:
    """Publishes the shards that the consumer group gives this worker."""

    def __init__(self, settings: Settings, pool: Pool) -> None:
        self._settings = settings
        self._pool = pool
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._shards: dict[int, Shard] = {}
        self._ended: asyncio.Queue[asyncio.Task[None]] = asyncio.Queue()

    @property
    def running(self) -> bool:
        """Whether every assigned shard is being published."""
        return all(shard.published is not None for shard in self._shards.values())

    async def assign(self, shards: Iterable[int]) -> None:
        """Publish exactly these shards from now on."""
        wanted = set(shards)
        await asyncio.gather(*(self._stop(lost) for lost in self._tasks.keys() - wanted))
        for number in wanted - self._tasks.keys():
            shard = Shard(number, self._settings, self._pool)
            self._shards[number] = shard
            self._tasks[number] = asyncio.create_task(shard.run(), name=f"relay-{number}")
            self._tasks[number].add_done_callback(self._ended.put_nowait)
        metrics.SHARDS.set(len(self._tasks))

    async def wait_failed(self) -> None:
        """Wait for ever, or until a shard cannot go on; then raise its error."""
        while True:
            task = await self._ended.get()
            if not task.cancelled():
                task.result()
            elif task in self._tasks.values():
                raise RuntimeError(f"{task.get_name()} was cancelled, and not by us")

    async def stop(self) -> None:
        """Stop publishing. The next owners repeat the transactions that were open."""
        await asyncio.gather(*(self._stop(shard) for shard in list(self._tasks)))

    async def _stop(self, number: int) -> None:
        task = self._tasks.pop(number)
        self._shards.pop(number)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    def offer(self, rows: Iterable[OutboxRow]) -> None:
        """Give rows that this worker committed to its shards, which need not load them then."""
        for row in rows:
            if shard := self._shards.get(row.shard):
                shard.offer(row)

    async def watch(self) -> None:
        """Check for ever for rows that other workers committed."""
        failures = 0
        while True:
            await asyncio.sleep(doubled_seconds(failures + 1, CHECK_SECONDS, CHECK_SECONDS_LONGEST))
            try:
                await self._note_newest_rows()
                failures = 0
            except Exception as error:
                if not is_transient(error):
                    raise
                failures += 1

    async def _note_newest_rows(self) -> None:
        if not self._shards:
            return
        async with self._pool.acquire() as connection:
            numbers = await outbox_numbers(connection, self._shards)
        for number, newest in numbers.items():
            if shard := self._shards.get(number):
                shard.note_newest(newest)
