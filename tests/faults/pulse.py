"""How much work is under way right now, asked of the servers themselves."""

from typing import Any, NamedTuple

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.catalog import INBOUND
from workers.kafka.clients import client_arguments
from workers.settings import Settings

ANSWER_SECONDS = 10

AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, KafkaError)
"""What is raised while a server is away."""


class Work(NamedTuple):
    """What is not done yet."""

    lag: int
    """Records that are not applied."""
    outbox: int
    """Rows that are not published."""
    posting: int
    """Parts of replies that are being posted."""
    unsettled: int
    """Parts that are queued, being posted, or of unknown outcome and still looked for."""
    transactions: int
    """Connections of workers that are in the middle of something."""

    @property
    def in_flight(self) -> int:
        """How much a fault hits that happens now."""
        return self.lag + self.outbox + self.posting + self.transactions

    @property
    def left(self) -> int:
        """How much has to be done until all is quiet."""
        return self.lag + self.outbox + self.unsettled


NO_WORK = Work(lag=0, outbox=0, posting=0, unsettled=0, transactions=0)

_WORK = """
SELECT (SELECT count(*) FROM inbox.outbox) AS outbox,
       (SELECT count(*) FROM inbox.sends WHERE state = 'posting') AS posting,
       (SELECT count(*) FROM inbox.sends WHERE state IN ('queued', 'posting')
        OR state = 'uncertain' AND NOT told_uncertain) AS unsettled,
       (SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'inbox worker' AND state <> 'idle') AS transactions
"""


class Pulse:
    """Asks Kafka and Postgres, past all proxies. Raises what they raise when they are away."""

    def __init__(self, settings: Settings, superuser_url: str) -> None:
        self._settings = settings
        self._superuser_url = superuser_url
        self._consumer: Any = None
        self._database: asyncpg.Connection[asyncpg.Record] | None = None

    async def database(self) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection of the superuser's, who sees all sessions."""
        if self._database is None or self._database.is_closed():
            self._database = await asyncpg.connect(
                self._superuser_url, timeout=ANSWER_SECONDS, command_timeout=ANSWER_SECONDS
            )
        return self._database

    async def forget(self) -> None:
        """Let go of both, and connect anew the next time, since a server was away."""
        consumer, database = self._consumer, self._database
        self._consumer = self._database = None
        if database is not None:
            database.terminate()
        if consumer is not None:
            await consumer.stop()

    async def work(self) -> Work:
        """What is under way."""
        database = await self.database()
        row = await database.fetchrow(_WORK)
        assert row is not None
        return Work(lag=await self.lag(), **dict(row))

    async def lag(self) -> int:
        """Records in Kafka that are not applied."""
        return sum((await self.lags()).values())

    async def lags(self) -> dict[tuple[str, int], int]:
        """By topic, with its prefix, and partition."""
        positions = await self.positions()
        return {key: end - positions.get(key, 0) for key, end in (await self.ends()).items()}

    async def positions(self) -> dict[tuple[str, int], int]:
        """How far each partition is applied."""
        rows = await (await self.database()).fetch("SELECT * FROM inbox.positions")
        return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}

    async def outbox_numbers(self) -> dict[int, int]:
        """The number of the newest row of each shard."""
        rows = await (await self.database()).fetch("SELECT * FROM inbox.outbox_shards")
        return {row["shard"]: row["last_number"] for row in rows}

    async def outbox_up_to(self, numbers: dict[int, int]) -> int:
        """How many rows are left that are not newer."""
        rows = await (await self.database()).fetch("SELECT shard, number FROM inbox.outbox")
        return sum(row["number"] <= numbers[row["shard"]] for row in rows)

    async def ends(self) -> dict[tuple[str, int], int]:
        """Where the log of each partition ends."""
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                **client_arguments(self._settings), request_timeout_ms=ANSWER_SECONDS * 1000
            )
            try:
                await consumer.start()
            except BaseException:
                await consumer.stop()
                raise
            self._consumer = consumer
        partitions = [
            TopicPartition(self._settings.topic(topic), number)
            for topic in INBOUND
            for number in range(self._settings.partitions)
        ]
        ends = await self._consumer.end_offsets(partitions)
        return {(tp.topic, tp.partition): end for tp, end in ends.items()}
