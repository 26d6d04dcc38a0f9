"""Databases with something stored in each, side by side on one server, and messages for them."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path

import asyncpg

from bench.checkers.promises import expect, expect_once
from bench.load.load import ACCOUNT, CHANNEL, Load, Made, message, publish
from bench.load.stored import MESSAGES_EACH, employ, store, stored_contact
from bench.load.topics import read
from bench.runs.measured import Measured, measure
from db.databases import ensure_database
from schemas.ids import inbound_message_id
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.dev.stack import prepare
from workers.settings import Settings, required

TOLD = 3
"""Users that are told of messages, where nothing else is said."""


@dataclass(kw_only=True)
class Case:
    """A database and topics of its own, and what is in them."""

    settings: Settings
    superuser_url: str
    """The same database, for a checkpoint."""
    conversations: int = 5_000
    """Those that get messages."""
    stored: int = 0
    """Messages that no worker recorded."""
    recorded: list[str] = field(default_factory=list)
    """The ids of messages that a worker recorded and that are there."""
    published: list[str] = field(default_factory=list)
    """The ids of all messages, those that are not there any more too."""

    async def connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        """As the owner of the tables."""
        return await asyncpg.connect(required(self.settings.migration_database_url, "database"))


async def new_case(settings: Settings, postgres: EmbeddedPostgres, name: str) -> Case:
    """A case beside the database of the settings, with users who are all told of messages."""

    def beside(url: str) -> str:
        return f"{url.rpartition('/')[0]}/{name}"

    await ensure_database(postgres.superuser_url, name)
    settings = replace(
        settings,
        topic_prefix=f"{name}.",
        group=name,
        database_url=beside(required(settings.database_url, "database")),
        given_migration_database_url=beside(required(settings.migration_database_url, "database")),
    )
    await prepare(settings)
    case = Case(settings=settings, superuser_url=beside(postgres.superuser_url))
    await people(case, TOLD, TOLD)
    return case


async def people(case: Case, users: int, told: int) -> None:
    """Give the account so many users, of whom so many are told of messages, spread over all."""
    connection = await case.connect()
    step = users // told
    await employ(connection, users, range(1, 1 + step * told, step))
    await connection.close()


async def fill(case: Case, messages: int) -> None:
    """Have so many messages stored, and nothing else."""
    connection = await case.connect()
    await store(connection, messages)
    await connection.close()
    case.stored, case.recorded = messages, []


async def checkpoint(case: Case) -> None:
    """Have Postgres write everything out, so that no earlier writing is part of what follows."""
    connection = await asyncpg.connect(case.superuser_url)
    await connection.execute("CHECKPOINT")
    await connection.close()


async def apply(case: Case, path: Path, messages: int, series: int) -> Measured:
    """Measure one worker with so many messages, of a series that was not there before."""
    sent: list[str] = []
    count = await publish(case.settings, mixed(case, messages, series, sent))
    await checkpoint(case)
    measured = await measure(case.settings, path, count)
    case.published += sent
    case.recorded += sent
    return measured


def mixed(case: Case, messages: int, series: int, sent: list[str]) -> Iterator[Made]:
    """Messages, half of them for stored conversations, half for new ones; `sent` gets their ids.

    The stored ones are evenly spread over all, and as many whatever is stored, or all: what a batch
    is about differs in nothing else.
    """
    chance = random.Random(series)  # noqa: S311  # repeatable on purpose
    stored, each = case.stored // MESSAGES_EACH, case.conversations // 2
    step = max(1, stored // each)
    old = [stored_contact(number * step) for number in range(min(each, stored))]
    new = Load(messages=0, conversations=each, series=series).contacts
    # A few conversations get most of the messages, as Zipf says.
    weights = list(accumulate(1 / (rank + 10) for rank in range(each)))
    now = datetime.now(UTC)
    for number in range(messages):
        among = old if old and number % 2 else new
        (contact,) = chance.choices(among, cum_weights=weights[: len(among)])
        provider_id = f"SM{series}{number:031d}"
        sent.append(inbound_message_id(ACCOUNT, CHANNEL, provider_id))
        yield message(provider_id, contact, now)


async def check_told(case: Case) -> None:
    """Each message was told of once, and is recorded beside those stored; nothing else is there.

    Raises bench.checkers.promises.Broken.
    """
    told: Counter[str] = Counter()
    async for event in read(case.settings, "notifications"):
        told[event["data"]["message"]["message_id"]] += event["data"]["part"] == 1
    expect_once(told, case.published, "notification of a message")
    connection = await case.connect()
    rows = await connection.fetchval("SELECT count(*) FROM inbox.messages")
    found = await _found(connection, case.recorded)
    await connection.close()
    wanted = len(case.recorded)
    expect(found == wanted, f"each message is recorded, not {found} of {wanted}")
    expect(rows == case.stored + found, f"nothing else is, not {rows - case.stored - found}")


async def _found(connection: "asyncpg.Connection[asyncpg.Record]", messages: Sequence[str]) -> int:
    query = "SELECT count(*) FROM inbox.messages WHERE account_id = $1 AND message_id = ANY ($2)"
    found: int = await connection.fetchval(query, ACCOUNT, messages)
    return found
