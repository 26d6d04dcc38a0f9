"""Servers go away and come back: the worker goes on by itself, nothing is lost or doubled."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import aiohttp
import pytest

from bench.checkers.messages import check
from bench.checkers.tables import owner_connection
from bench.load.input_events import InputEvent, directory
from bench.load.message_load import MessageLoad
from bench.load.publishing import publish
from bench.mock_twilio.account import SID, TOKEN
from bench.runs.workers import WorkerProcess, running_workers, until_applied
from bench.streams.order import Follower, changes, load_shown
from db.migrate import migrate
from tests.harness.api import trusting
from tests.harness.twilio import Twilio, form
from tests.harness.waiting import until
from workers.dev.embedded.kafka import EmbeddedKafka
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.dev.embedded.server import EmbeddedServer
from workers.dev.stack import with_database
from workers.kafka.topic_admin import ensure_topics
from workers.settings import Settings, required

OUTAGE_SECONDS = 20
"""Longer than a consumer's session and a transaction, so that both are lost."""

LOAD = MessageLoad(messages=900, conversations=40, doubled=0.1, commands=0.2)


@dataclass
class Own:
    """Servers of the test's own, since it stops them, and a worker on them."""

    postgres: EmbeddedPostgres
    kafka: EmbeddedKafka
    settings: Settings
    worker: WorkerProcess
    published: int
    rest: Iterator[InputEvent]

    async def publish(self, count: int) -> None:
        """Publish the next events."""
        self.published += await publish(self.settings, islice(self.rest, count))

    async def settle(self) -> None:
        """Publish what is left, wait until all is applied and published, and check all of it."""
        self.published += await publish(self.settings, self.rest)
        await until_applied(self.settings, [self.worker], self.published)
        counted = await check(self.settings)
        assert counted["messages"] + counted["erased messages"] == LOAD.messages


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[Own]:
    """A worker at work, a part of the load applied."""
    postgres, kafka = EmbeddedPostgres(tmp_path / "postgres"), EmbeddedKafka(tmp_path / "kafka")
    with postgres, kafka:
        environment = {
            "INBOX_KAFKA": kafka.bootstrap,
            "INBOX_PARTITIONS": "4",
            "INBOX_TWILIO_ACCOUNTS": json.dumps({SID: {"account_id": "acme", "auth_token": TOKEN}}),
        }
        settings = await with_database(Settings.from_environment(environment), postgres, "inbox")
        await migrate(required(settings.migration_database_url, "database"))
        await ensure_topics(settings)
        with running_workers(settings, tmp_path) as workers:
            known = await publish(settings, directory())
            await until_applied(settings, workers, known)
            made = Own(postgres, kafka, settings, workers[0], known, LOAD.events())
            await made.publish(300)
            yield made


async def _away(server: EmbeddedServer) -> None:
    await asyncio.to_thread(server.stop)
    # The outage itself, which is what the test is about.
    await asyncio.sleep(OUTAGE_SECONDS)
    await asyncio.to_thread(server.start)


@pytest.mark.long
async def test_postgres_goes_away_and_comes_back(own: Own) -> None:
    outage = asyncio.create_task(_away(own.postgres))
    await own.publish(300)
    await outage
    await own.settle()


@pytest.mark.long
async def test_kafka_goes_away_and_comes_back(own: Own) -> None:
    async with aiohttp.ClientSession() as session:
        twilio = Twilio(own.settings.public_url, session, at=own.worker.url)
        await asyncio.to_thread(own.kafka.stop)
        # The contact's message waits on the worker's disk: see test_spool_outages.py.
        assert await twilio.post(form()) == 204
        await asyncio.sleep(OUTAGE_SECONDS)
        await asyncio.to_thread(own.kafka.start)
        own.worker.check()
        assert await twilio.post(form()) == 204
    await own.publish(300)
    await own.settle()


async def test_both_are_killed_at_once(own: Own) -> None:
    own.kafka.kill()
    own.postgres.kill()
    await asyncio.gather(asyncio.to_thread(own.postgres.start), asyncio.to_thread(own.kafka.start))
    await own.settle()


@pytest.mark.long
async def test_postgres_hangs_in_the_middle_of_work(own: Own) -> None:
    own.postgres.pause()
    await own.publish(300)
    await asyncio.sleep(OUTAGE_SECONDS)
    own.postgres.resume()
    await own.settle()


@pytest.mark.long
async def test_streams_of_events_miss_nothing_of_an_outage_of_kafka(
    own: Own, tmp_path: Path
) -> None:
    settings = trusting(own.settings)
    (tmp_path / "api").mkdir()
    with running_workers(settings, tmp_path / "api", roles="api") as [api]:
        follower = Follower(settings, api.url, "ana")
        following = asyncio.create_task(follower.run())

        async def was_told_to_fetch() -> bool:
            return follower.resets > 0

        await until(was_told_to_fetch, "a stream")
        events = changes(400)
        own.published += await publish(settings, islice(events, 200))
        await _away(own.kafka)
        own.published += await publish(settings, events)
        await until_applied(settings, [own.worker, api], own.published)
        async with owner_connection(settings) as connection:
            now = await load_shown(connection)

        async def knows_all() -> bool:
            return await follower.missing(now) == 0

        await until(knows_all, "a client that knows everything")
        assert follower.streams == 1
        assert follower.wrong == 0
        following.cancel()
