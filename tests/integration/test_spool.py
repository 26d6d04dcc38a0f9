"""Webhooks while Kafka, Postgres or the worker is away: what was answered is there, in order."""

import asyncio
import resource
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import NamedTuple

import aiohttp
import asyncpg
import pytest

from db.migrate import migrate
from tests.bus import Bus
from tests.events import ACCOUNT
from tests.inbound import Owner
from tests.steady import Steady, first_of_each, holds
from tests.twilio import CHANNELS, SID, STATUS_PATH, TOKEN, Twilio, form
from tests.waiting import until
from tests.worker import Worker
from workers.embedded.kafka import EmbeddedKafka
from workers.embedded.ports import free_port
from workers.embedded.postgres import EmbeddedPostgres
from workers.embedded.server import EmbeddedServer
from workers.settings import Settings, required
from workers.stack import with_database
from workers.topics import ensure_topics

OUTAGE_SECONDS = 60.0
KILLS_SECONDS = 15.0
PER_SECOND = 200.0
ANSWER_SECONDS = 15.0
"""After which Twilio gives up. The webhook aims at 3; both ends may wait for a core here."""

_numbers = count(1)


class Servers(NamedTuple):
    """Servers of this module's own, since it stops them."""

    postgres: EmbeddedPostgres
    kafka: EmbeddedKafka


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """A Postgres and a Kafka; whoever stops one starts it again."""
    directory = tmp_path_factory.mktemp("servers")
    postgres, kafka = EmbeddedPostgres(directory / "postgres"), EmbeddedKafka(directory / "kafka")
    with postgres, kafka:
        yield Servers(postgres, kafka)


@pytest.fixture
async def settings(servers: Servers, tmp_path: Path) -> Settings:
    """Settings that name a database and topics of the test's own on these servers."""
    number = next(_numbers)
    port = free_port()
    environment = {
        "INBOX_KAFKA": servers.kafka.bootstrap,
        "INBOX_TOPIC_PREFIX": f"test{number}.",
        "INBOX_GROUP": f"test{number}",
        "INBOX_PARTITIONS": "4",
        "INBOX_WEB_PORT": str(port),
        "INBOX_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "INBOX_DATA_DIR": str(tmp_path / "data"),
        "INBOX_TWILIO_ACCOUNTS": f'{{"{SID}": {{"account_id": "acme", "auth_token": "{TOKEN}"}}}}',
    }
    made = Settings.from_environment(environment)
    made = await with_database(made, servers.postgres, f"inbox_{number}")
    await migrate(required(made.migration_database_url, "database"))
    await ensure_topics(made)
    return made


@dataclass
class Scene:
    """What a test plays with."""

    postgres: EmbeddedPostgres
    kafka: EmbeddedKafka
    settings: Settings
    owner: Owner
    bus: Bus
    twilio: Twilio
    """Posts whether or not a worker runs."""
    log: Path

    async def check(self, steady: Steady) -> None:
        """Everything answered is recorded once, and everything was in order."""
        answered = steady.answered
        records = await self.bus.read_until("messages.received", lambda all_: holds(all_, answered))
        found = first_of_each(records)
        for contact, ids in answered.items():
            assert [sid for sid in found[contact] if sid in ids] == ids
        by_contact = await until(partial(self._recorded, steady.count), f"{steady.count} messages")
        # A message has one row, by its id: what is there at all is there once.
        assert by_contact == {contact: (ids, ids) for contact, ids in answered.items()}

    async def _recorded(self, enough: int) -> dict[str, tuple[list[str], list[str]]]:
        """Each contact's messages, as they were recorded and as they were sent; {} if too few."""
        rows = await self.owner.fetch(
            "SELECT sender_address, array_agg(provider_message_id ORDER BY version) AS recorded,"
            " array_agg(provider_message_id ORDER BY sent_at) AS sent"
            " FROM inbox.messages GROUP BY 1"
        )
        count = sum(len(row["recorded"]) for row in rows)
        found = {row["sender_address"]: (row["recorded"], row["sent"]) for row in rows}
        return found if count >= enough else {}


@pytest.fixture
async def scene(
    servers: Servers, settings: Settings, bus: Bus, session: aiohttp.ClientSession, tmp_path: Path
) -> AsyncIterator[Scene]:
    """Servers that run, channels that are installed, and no worker yet."""
    owner = await asyncpg.connect(settings.migration_database_url)
    for channel_id, address in CHANNELS.items():
        await owner.execute(
            "INSERT INTO inbox.channels VALUES ($1, $2, 'twilio', $3, $2, 'ana', false, now())",
            ACCOUNT,
            channel_id,
            address,
        )
    twilio = Twilio(settings.public_url, session)
    yield Scene(*servers, settings, owner, bus, twilio, tmp_path / "worker.log")
    await owner.close()


@asynccontextmanager
async def started(settings: Settings, log: Path, roles: str = "web") -> AsyncIterator[Worker]:
    """A worker, stopped at the end, which it must survive with status 0."""
    worker = Worker(settings, log, roles)
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop()


@asynccontextmanager
async def hanging(server: EmbeddedServer) -> AsyncIterator[None]:
    """A server hangs meanwhile: it keeps its connections and answers nothing."""
    await asyncio.to_thread(server.pause)
    try:
        yield
    finally:
        await asyncio.to_thread(server.resume)


async def until_drained(worker: Worker) -> None:
    """Wait until nothing waits on the worker's disk."""

    async def drained() -> bool:
        return metric(await worker.metrics(), "inbox_spool_bytes") == 0

    await until(drained, "an empty spool")


async def until_taken(steady: Steady, number: int) -> None:
    """Wait until so many webhooks are answered 204."""

    async def taken() -> bool:
        return steady.count >= number

    await until(taken, f"{number} webhooks taken")


async def test_kafka_is_away_for_a_while(scene: Scene) -> None:
    async with started(scene.settings, scene.log, "ingest,relay,web") as worker:
        steady = Steady(scene.twilio, PER_SECOND)
        posting = asyncio.create_task(steady.run(OUTAGE_SECONDS + 15))
        await until_taken(steady, 100)
        await asyncio.to_thread(scene.kafka.stop)
        await asyncio.sleep(OUTAGE_SECONDS)
        assert metric(await worker.metrics(), "inbox_spool_records") > 0
        await asyncio.to_thread(scene.kafka.start)
        await posting
        assert set(steady.statuses) == {204}
        assert steady.slowest_seconds < ANSWER_SECONDS
        await until_drained(worker)
        await scene.check(steady)
        # Directly again, and not through the disk.
        spooled = metric(await worker.metrics(), "inbox_spooled_total")
        assert spooled == metric(await worker.metrics(), "inbox_drained_total") > 500
        assert await scene.twilio.post(form()) == 204
        assert metric(await worker.metrics(), "inbox_spooled_total") == spooled
        written = worker.log.read_text()
        assert "whatsapp:" not in written
        assert "message 1" not in written


def metric(page: str, name: str) -> float:
    """A metric without labels."""
    [line] = [line for line in page.splitlines() if line.startswith(f"{name} ")]
    return float(line.removeprefix(name))


async def test_the_receiver_is_killed_while_kafka_is_away(scene: Scene) -> None:
    async with started(scene.settings, scene.log) as worker:
        steady = Steady(scene.twilio, PER_SECOND)
        posting = asyncio.create_task(steady.run(KILLS_SECONDS))
        await until_taken(steady, 100)
        await asyncio.to_thread(scene.kafka.kill)
        try:
            for number in (400, 800):
                await until_taken(steady, number)
                worker.kill()
                # It takes webhooks again though there is no Kafka to start with.
                await worker.start()
            await until_taken(steady, 1200)
            await worker.stop()
            await worker.start()
            await posting
        finally:
            await asyncio.to_thread(scene.kafka.start)
        assert set(steady.statuses) == {204}
        others = replace(scene.settings, web_port=free_port())
        async with started(others, scene.log.with_name("ingest.log"), "ingest,relay"):
            await until_drained(worker)
            await scene.check(steady)


async def test_postgres_is_away_for_a_while(scene: Scene) -> None:
    await scene.owner.close()
    steady = Steady(scene.twilio, PER_SECOND)
    await asyncio.to_thread(scene.postgres.stop)
    try:
        # Not even a start needs it.
        async with started(scene.settings, scene.log) as worker:
            await steady.run(5)
            await asyncio.to_thread(scene.postgres.start)
            await until_drained(worker)
            # Once more, now that the channel is known, and Postgres hangs.
            async with hanging(scene.postgres):
                await steady.run(8)
            await until_drained(worker)
    finally:
        if not scene.postgres.running:
            await asyncio.to_thread(scene.postgres.start)
    assert set(steady.statuses) == {204}
    assert steady.slowest_seconds < ANSWER_SECONDS
    assert first_of_each(await scene.bus.read("messages.received")) == steady.answered


async def test_a_full_spool_is_503_until_it_is_drained(scene: Scene) -> None:
    taken: list[str] = []
    numbers = count(1)

    async def post() -> int:
        sid = f"SM{next(numbers):032d}"
        status = await scene.twilio.post(form(MessageSid=sid, Body="x" * 5000))
        if status == 204:
            taken.append(sid)
        return status

    async def refused() -> bool:
        status = await post()
        assert status in {204, 503}
        return status == 503

    async with started(replace(scene.settings, spool_bytes=64 * 1024), scene.log) as worker:
        assert await post() == 204
        async with hanging(scene.kafka):
            await until(refused, "a full spool")
            assert 10 < len(taken) < 20
            assert await post() == 503
            # A worker that holds webhooks takes webhooks, and is ready.
            assert await worker.is_ready()
        await until_drained(worker)
        assert await post() == 204
    found = first_of_each(await scene.bus.read("messages.received"))["whatsapp:+4911"]
    assert [sid for sid in found if sid in taken] == taken


async def test_a_living_worker_takes_over_what_a_dead_one_left(scene: Scene) -> None:
    # They share a disk, and what is signed for one is taken by the other.
    settings, twilio = scene.settings, scene.twilio
    callbacks = Twilio(settings.public_url, twilio.session, path=STATUS_PATH)
    other = replace(settings, web_port=free_port())
    async with (
        started(other, scene.log) as living,
        started(settings, scene.log.with_name("dead.log")) as dead,
    ):
        async with hanging(scene.kafka):
            sids = [f"SM{number:032d}" for number in range(20)]
            for sid in sids:
                assert await twilio.post(form(MessageSid=sid)) == 204
            status = form(MessageStatus="delivered", From=CHANNELS["wa1"], To="whatsapp:+4911")
            assert await callbacks.post(status, query="?a=4") == 200
            # Frozen, it still has its slot: nobody takes that over while its file is torn.
            dead.signal(signal.SIGSTOP)
            tear(settings.data_dir)
            dead.kill()
        records = await scene.bus.read_until("messages.received", lambda all_: len(all_) >= 20)
        assert first_of_each(records) == {"whatsapp:+4911": sids}
        [receipt] = await scene.bus.read_until("messages.status", 1)
        assert (receipt.data["status"], receipt.data["attempt"]) == ("delivered", 4)
        await until_drained(living)
    assert "is taken over" in scene.log.read_text()


def tear(data_dir: Path) -> None:
    """Leave the beginning of a record at the end of what a worker wrote, as a power cut may."""
    [segment] = data_dir.glob("spool/slot-*/*.segment")
    written = segment.read_bytes()
    with segment.open("ab") as file:
        file.write(written[: len(written) // 3])


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are Linux's")
async def test_a_disk_that_takes_no_more_is_503_and_the_worker_goes_on(scene: Scene) -> None:
    async with started(scene.settings, scene.log) as worker:
        async with hanging(scene.kafka), full_disk(worker):
            posting = (scene.twilio.post(form(MessageSid=f"SMa{number}")) for number in range(5))
            assert set(await asyncio.gather(*posting)) == {503}
        async with hanging(scene.kafka):
            assert await scene.twilio.post(form(MessageSid="SMb")) == 204
        await until_drained(worker)
        # Kafka is there, so that no disk is needed.
        async with full_disk(worker):
            assert await scene.twilio.post(form(MessageSid="SMc")) == 204
    found = first_of_each(await scene.bus.read("messages.received"))["whatsapp:+4911"]
    assert [sid for sid in found if sid in {"SMb", "SMc"}] == ["SMb", "SMc"]


@asynccontextmanager
async def full_disk(worker: Worker) -> AsyncIterator[None]:
    """The kernel refuses to make any file of a worker longer."""
    process, limit = worker.process.pid, resource.RLIMIT_FSIZE
    soft, hard = resource.prlimit(process, limit)
    resource.prlimit(process, limit, (0, hard))
    try:
        yield
    finally:
        resource.prlimit(process, limit, (soft, hard))
