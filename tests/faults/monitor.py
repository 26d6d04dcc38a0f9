"""Asks Kafka and Postgres directly how much work is open right now."""

from typing import Any, NamedTuple

import asyncpg
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from bench.checkers.topics import topic_partitions
from schemas.catalog import INBOUND
from workers.kafka.clients import client_arguments
from workers.settings import Settings

ANSWER_SECONDS = 10

AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, KafkaError)
"""The errors that are raised while a server is down."""


class OpenWork(NamedTuple):
    """The work that is not done yet."""

    lag: int
    """How many records are not applied yet."""
    outbox: int
    """How many outbox rows are not published yet."""
    posting: int
    """How many parts of replies are being posted."""
    unsettled: int
    """How many parts are queued, being posted, or uncertain and still searched for."""
    held: int
    """How many conversations are assigned to users who are gone."""
    transactions: int
    """How many connections of workers are not idle."""

    @property
    def in_flight(self) -> int:
        """How much work a fault hits that happens now."""
        return self.lag + self.outbox + self.posting + self.transactions

    @property
    def left(self) -> int:
        """How much work is left until everything is done."""
        return self.lag + self.outbox + self.unsettled


NO_OPEN_WORK = OpenWork(lag=0, outbox=0, posting=0, unsettled=0, held=0, transactions=0)

_OPEN_WORK = """
SELECT (SELECT count(*) FROM inbox.outbox) AS outbox,
       (SELECT count(*) FROM inbox.sends WHERE state = 'posting') AS posting,
       (SELECT count(*) FROM inbox.sends WHERE state IN ('queued', 'posting')
        OR state = 'uncertain' AND NOT told_uncertain) AS unsettled,
       (SELECT count(*) FROM inbox.conversations AS c LEFT JOIN inbox.users AS u
        ON u.account_id = c.account_id AND u.user_id = c.assignee_id
        WHERE c.assignee_id IS NOT NULL AND u.inbox_access IS NOT TRUE) AS held,
       (SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'inbox worker' AND state <> 'idle') AS transactions
"""


class Monitor:
    """Asks Kafka and Postgres, not through the proxies. Raises AWAY while one of them is down."""

    def __init__(self, settings: Settings, superuser_url: str) -> None:
        self._settings = settings
        self._superuser_url = superuser_url
        self._consumer: Any = None
        self._database: asyncpg.Connection[asyncpg.Record] | None = None

    async def database(self) -> "asyncpg.Connection[asyncpg.Record]":
        """Returns a connection of the superuser, who sees all sessions."""
        if self._database is None or self._database.is_closed():
            self._database = await asyncpg.connect(
                self._superuser_url, timeout=ANSWER_SECONDS, command_timeout=ANSWER_SECONDS
            )
        return self._database

    async def disconnect(self) -> None:
        """Disconnect from both, as after a server was down; the next request connects again."""
        consumer, database = self._consumer, self._database
        self._consumer = self._database = None
        if database is not None:
            database.terminate()
        if consumer is not None:
            await consumer.stop()

    async def open_work(self) -> OpenWork:
        """Returns the work that is not done yet."""
        # In this order: what was just applied is no lag any more, but makes work in Postgres.
        lag = await self.lag()
        row = await (await self.database()).fetchrow(_OPEN_WORK)
        assert row is not None
        return OpenWork(lag=lag, **dict(row))

    async def lag(self) -> int:
        """Returns how many records of Kafka are not applied yet."""
        return sum((await self.lags()).values())

    async def lags(self) -> dict[tuple[str, int], int]:
        """Returns the lag by topic (with its prefix) and partition."""
        positions = await self.positions()
        return {key: end - positions.get(key, 0) for key, end in (await self.ends()).items()}

    async def partitions_left(self) -> dict[tuple[str, int], int]:
        """Returns the lag of each partition that has one."""
        return {key: lag for key, lag in (await self.lags()).items() if lag}

    async def rows_left(self) -> dict[int, int]:
        """Returns the number of outbox rows of each shard that has some."""
        rows = await (await self.database()).fetch(
            "SELECT shard, count(*) FROM inbox.outbox GROUP BY shard"
        )
        return {row["shard"]: row["count"] for row in rows}

    async def positions(self) -> dict[tuple[str, int], int]:
        """Returns the position of each partition: the next offset to apply."""
        rows = await (await self.database()).fetch("SELECT * FROM inbox.positions")
        return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}

    async def outbox_numbers(self) -> dict[int, int]:
        """Returns the number of the newest row of each shard."""
        rows = await (await self.database()).fetch("SELECT * FROM inbox.outbox_shards")
        return {row["shard"]: row["last_number"] for row in rows}

    async def outbox_up_to(self, numbers: dict[int, int]) -> int:
        """Returns how many rows are left that are not newer than these numbers."""
        rows = await (await self.database()).fetch("SELECT shard, number FROM inbox.outbox")
        return sum(row["number"] <= numbers[row["shard"]] for row in rows)

    async def ends(self) -> dict[tuple[str, int], int]:
        """Returns the end offset of each partition."""
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
        partitions = [tp for topic in INBOUND for tp in topic_partitions(self._settings, topic)]
        ends = await self._consumer.end_offsets(partitions)
        return {(tp.topic, tp.partition): end for tp, end in ends.items()}
