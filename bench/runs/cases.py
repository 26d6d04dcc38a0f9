"""Databases with stored messages, side by side on one server, and workers measured on them."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path

import asyncpg

from bench.checkers.promises import expect, expect_once
from bench.checkers.tables import owner_connection
from bench.checkers.topics import read
from bench.load.input_events import ACCOUNT, InputEvent, message, message_id
from bench.load.message_load import MessageLoad, zipf_weights
from bench.load.publishing import publish
from bench.load.stored import MESSAGES_EACH, replace_users, store, stored_contact
from bench.runs.measurement import Measurement, measure
from db.connect import Connection
from db.databases import ensure_database
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.dev.stack import prepare
from workers.settings import Settings, required

NOTIFIED_USERS = 3
"""How many users are notified of messages, unless a part of the benchmark says otherwise."""


@dataclass(kw_only=True)
class Case:
    """A database and topics, and what is in them."""

    settings: Settings
    superuser_url: str
    """The same database, for a checkpoint."""
    conversations: int = 5_000
    """How many conversations get messages."""
    stored: int = 0
    """How many messages were stored without a worker."""
    recorded: list[str] = field(default_factory=list)
    """The ids of the messages that a worker recorded, as far as they are still stored."""
    published: list[str] = field(default_factory=list)
    """The ids of all messages that a worker recorded."""


async def new_case(settings: Settings, postgres: EmbeddedPostgres, name: str) -> Case:
    """Create a case on the server of the settings, with a few users who are all notified."""

    def beside(url: str) -> str:
        return f"{url.rpartition('/')[0]}/{name}"

    await ensure_database(postgres.superuser_url, name)
    settings = replace(
        settings,
        topic_prefix=f"{name}.",
        database_url=beside(required(settings.database_url, "database")),
        given_migration_database_url=beside(required(settings.migration_database_url, "database")),
    )
    await prepare(settings)
    case = Case(settings=settings, superuser_url=beside(postgres.superuser_url))
    await set_users(case, NOTIFIED_USERS, NOTIFIED_USERS)
    return case


async def set_users(case: Case, users: int, notified: int) -> None:
    """Give the account so many users. So many of them, evenly spread, are notified of messages."""
    step = users // notified
    async with owner_connection(case.settings) as connection:
        await replace_users(connection, users, range(1, 1 + step * notified, step))


async def fill(case: Case, messages: int) -> None:
    """Replace all stored messages by so many new ones."""
    async with owner_connection(case.settings) as connection:
        await store(connection, messages)
    case.stored, case.recorded = messages, []


async def checkpoint(case: Case) -> None:
    """Make Postgres write everything to disk, so that it does not do so during a measurement."""
    connection = await asyncpg.connect(case.superuser_url)
    await connection.execute("CHECKPOINT")
    await connection.close()


async def apply(case: Case, path: Path, messages: int, series: int) -> Measurement:
    """Measure one worker that applies so many messages, of a series that was not used before."""
    ids: list[str] = []
    count = await publish(case.settings, mixed_messages(case, messages, series, ids))
    await checkpoint(case)
    measurement = await measure(case.settings, path, count)
    case.published += ids
    case.recorded += ids
    return measurement


def mixed_messages(case: Case, messages: int, series: int, ids: list[str]) -> Iterator[InputEvent]:
    """Messages, half for stored conversations, half for new ones. Their ids are added to `ids`.

    The stored conversations are evenly spread over all that are stored. Their number is the same
    for each size, unless fewer are stored: so batches of all sizes are alike.
    """
    chance = random.Random(series)  # noqa: S311  # repeatable on purpose
    stored, each = case.stored // MESSAGES_EACH, case.conversations // 2
    step = max(1, stored // each)
    old = [stored_contact(number * step) for number in range(min(each, stored))]
    load = MessageLoad(messages=messages, conversations=each, series=series)
    new = load.contacts
    weights = list(accumulate(zipf_weights(each)))
    now = datetime.now(UTC)
    for number in range(messages):
        among = old if old and number % 2 else new
        (contact,) = chance.choices(among, cum_weights=weights[: len(among)])
        provider_message_id = load.provider_message_id(number)
        ids.append(message_id(provider_message_id))
        yield message(provider_message_id, contact, now)


async def check_notified(case: Case) -> None:
    """Check that each message has one notification and one row, and that there is nothing else.

    Raises bench.checkers.promises.Broken.
    """
    notified: Counter[str] = Counter()
    async for event in read(case.settings, "notifications"):
        notified[event["data"]["message"]["message_id"]] += event["data"]["part"] == 1
    expect_once(notified, case.published, "notification of a message")
    async with owner_connection(case.settings) as connection:
        rows = await connection.fetchval("SELECT count(*) FROM inbox.messages")
        found = await _count_found(connection, case.recorded)
    wanted = len(case.recorded)
    expect(found == wanted, f"each message is recorded, not {found} of {wanted}")
    expect(rows == case.stored + found, f"nothing else is, not {rows - case.stored - found}")


async def _count_found(connection: Connection, messages: Sequence[str]) -> int:
    query = "SELECT count(*) FROM inbox.messages WHERE account_id = $1 AND message_id = ANY ($2)"
    found: int = await connection.fetchval(query, ACCOUNT, messages)
    return found
