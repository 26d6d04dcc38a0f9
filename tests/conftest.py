"""The servers and programs that tests run against: all real, all on loopback.

One Postgres and one Kafka serve the whole run; each test has a database (cloned from a migrated
template), a topic prefix and a consumer group of its own, so that no test sees another's.
"""

import asyncio
import itertools
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from db.databases import OWNER, WORKER, ensure_database, ensure_roles
from db.migrate import migrate
from tests.harness.topics import Topics
from tests.harness.worker import Worker
from workers.dev.embedded.kafka import EmbeddedKafka
from workers.dev.embedded.ports import free_port
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.kafka.topic_admin import ensure_topics
from workers.settings import Settings

PARTITIONS = 4
TEMPLATE = "inbox_template"
OWNER_PASSWORD, WORKER_PASSWORD = "owner-secret", "worker-secret"

UNIT = Path(__file__).parent / "unit"

BUSY = {
    f"tests/{name}.py"
    for name in (
        "faults/test_quick",
        "integration/test_bench_programs",
        "integration/test_compare",
        "integration/test_exactly_once",
        "integration/sending/test_sender_faults",
        "integration/webhooks/spool/test_spool_disk",
        "integration/webhooks/spool/test_spool_outages",
    )
}
"""Tests that keep more than a core busy, or wait for answers that have to come soon."""

_numbers = itertools.count(1)


class Scheduling(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """How tests are shared out among several processes (`-n`), each with servers of its own."""

    def _split_scope(self, nodeid: str) -> str:
        """What one process passes, one after the other: a file, or all that are BUSY."""
        file = super()._split_scope(nodeid)
        return "busy" if file in BUSY else file


def pytest_configure() -> None:
    """Let SIGINT end what tests start: a shell has what it runs in the background ignore it, and
    whatever that starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """By file, so that the tests of a file share its servers; never two BUSY files at once."""
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Unit tests alone count for the coverage: it makes whatever else runs here much slower."""
    for item in items:
        if not item.path.is_relative_to(UNIT):
            item.add_marker("no_cover")


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A Postgres with the roles and a migrated template."""
    # Not in pytest's directory: any run of pytest that starts meanwhile closes that to others,
    # and to Postgres, which never runs as root.
    with TemporaryDirectory(prefix="postgres-") as name, EmbeddedPostgres(Path(name)) as server:
        asyncio.run(_make_template(server))
        yield server


async def _make_template(server: EmbeddedPostgres) -> None:
    await ensure_roles(server.superuser_url, OWNER_PASSWORD, WORKER_PASSWORD)
    await ensure_database(server.superuser_url, TEMPLATE)
    await migrate(server.url(TEMPLATE, OWNER, OWNER_PASSWORD))


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """An Apache Kafka."""
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka")) as server:
        yield server


@pytest.fixture
async def database(postgres: EmbeddedPostgres, tmp_path: Path) -> Settings:
    """Settings that name a migrated database of the test's own, and no Kafka."""
    name = f"inbox_{next(_numbers)}"
    await ensure_database(postgres.superuser_url, name, TEMPLATE)
    return Settings.from_environment(
        {
            "INBOX_DATABASE_URL": postgres.url(name, WORKER, WORKER_PASSWORD),
            "INBOX_MIGRATION_DATABASE_URL": postgres.url(name, OWNER, OWNER_PASSWORD),
            "INBOX_DATA_DIR": str(tmp_path),
        }
    )


@pytest.fixture
async def owner(database: Settings) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection of the schema's owner, who may look at everything."""
    connection = await asyncpg.connect(database.migration_database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def settings(database: Settings, kafka: EmbeddedKafka) -> Settings:
    """Settings that name a database and topics of the test's own."""
    number = next(_numbers)
    port = free_port()
    environment = database.environment() | {
        "INBOX_KAFKA": kafka.bootstrap,
        "INBOX_TOPIC_PREFIX": f"test{number}.",
        "INBOX_GROUP": f"test{number}",
        "INBOX_PARTITIONS": str(PARTITIONS),
        "INBOX_WEB_PORT": str(port),
        "INBOX_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "INBOX_TWILIO_ACCOUNTS": '{"AC00000000000000000000000000000000": '
        '{"account_id": "acme", "auth_token": "12345"}}',
    }
    made = Settings.from_environment(environment)
    await ensure_topics(made)
    return made


@pytest.fixture
async def topics(settings: Settings) -> AsyncIterator[Topics]:
    """Publishes to the test's topics and reads them."""
    async with Topics(settings) as topics:
        yield topics


@pytest.fixture
async def worker(settings: Settings, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker with all roles, ready; stopped at the end, which it must survive with status 0."""
    worker = Worker(settings, tmp_path / "worker.log")
    await worker.start()
    yield worker
    await worker.stop()
