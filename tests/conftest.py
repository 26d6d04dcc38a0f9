"""The servers and programs that tests run against: all real, all on loopback.

One Postgres and one Kafka serve the whole run; each test has a database (cloned from a migrated
template), a topic prefix and a consumer group of its own, so that no test sees another's.
"""

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import pytest

from db.databases import API, OWNER, WORKER, ensure_database, ensure_roles
from db.migrate import migrate
from tests.harness.plan import make_plan
from tests.harness.processes import Controller, Process, QuickKafka
from tests.harness.progress import Progress
from tests.harness.topics import Topics, create_topics, delete_topics
from tests.harness.worker import Worker
from workers.dev.embedded.kafka import EmbeddedKafka
from workers.dev.embedded.ports import free_port
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.settings import Settings

PARTITIONS = 4
TEMPLATE = "inbox_template"
OWNER_PASSWORD, WORKER_PASSWORD, API_PASSWORD = "owner-secret", "worker-secret", "api-secret"

UNIT = Path(__file__).parent / "unit"

PROCESS = "tests-process"
"""The name of the plugin of a process that a controller gives tests to."""

_numbers = itertools.count(1)


@pytest.hookimpl(trylast=True)  # after pytest has made its reporter
def pytest_configure(config: pytest.Config) -> None:
    """Report progress, and share among several processes (`-n`) what can be shared."""
    # A shell lets its background jobs, and all that they start, ignore SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    plugins = config.pluginmanager
    if hasattr(config, "workerinput"):
        plugins.register(Process(config.workerinput), PROCESS)
        return
    processes = len(config.getoption("tx", None) or ())
    progress = None
    if config.get_verbosity() == 0 and not config.option.collectonly:
        progress = Progress(plugins.getplugin("terminalreporter"), processes or 1)
        plugins.register(progress, "progress")
    if processes:
        plugins.register(Controller(progress), "controller")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count unit tests alone for the coverage: it makes all others much slower."""
    for item in items:
        if not item.path.is_relative_to(UNIT):
            item.add_marker("no_cover")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Report the plan, where one process collects and passes the tests."""
    plugins = session.config.pluginmanager
    progress = plugins.getplugin("progress")
    if progress is not None and not plugins.hasplugin("controller"):
        progress.begin(make_plan(session.items))


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A Postgres with the roles and a migrated template."""
    # Not in pytest's directory: any run of pytest that starts meanwhile closes that to others,
    # and to Postgres, which never runs as root.
    with TemporaryDirectory(prefix="postgres-") as name, EmbeddedPostgres(Path(name)) as server:
        asyncio.run(_make_template(server))
        yield server
        server.kill()  # its data are not kept, and to stop takes it seconds


async def _make_template(server: EmbeddedPostgres) -> None:
    await ensure_roles(server.superuser_url, OWNER_PASSWORD, WORKER_PASSWORD, API_PASSWORD)
    await ensure_database(server.superuser_url, TEMPLATE)
    await migrate(server.url(TEMPLATE, OWNER, OWNER_PASSWORD))


@pytest.fixture(scope="session")
def kafka(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedKafka]:
    """An Apache Kafka. All processes of a run share it."""
    process = pytestconfig.pluginmanager.getplugin(PROCESS)
    if process is not None:
        yield process.kafka()
        return
    with QuickKafka(tmp_path_factory.mktemp("kafka")) as server:
        yield server
        server.kill()  # its data are not kept, and to stop takes it seconds


@pytest.fixture
async def database(postgres: EmbeddedPostgres, tmp_path: Path) -> Settings:
    """Settings that name a migrated database of the test's own, and no Kafka."""
    name = f"inbox_{next(_numbers)}"
    await ensure_database(postgres.superuser_url, name, TEMPLATE)
    return Settings.from_environment(
        {
            "INBOX_DATABASE_URL": postgres.url(name, WORKER, WORKER_PASSWORD),
            "INBOX_MIGRATION_DATABASE_URL": postgres.url(name, OWNER, OWNER_PASSWORD),
            "INBOX_API_DATABASE_URL": postgres.url(name, API, API_PASSWORD),
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
async def settings(database: Settings, kafka: EmbeddedKafka) -> AsyncIterator[Settings]:
    """Settings that name a database and topics of the test's own."""
    name = f"test{os.getpid()}n{next(_numbers)}"  # other processes use the same Kafka
    port = free_port()
    environment = database.environment() | {
        "INBOX_KAFKA": kafka.bootstrap,
        "INBOX_TOPIC_PREFIX": f"{name}.",
        "INBOX_GROUP": name,
        "INBOX_PARTITIONS": str(PARTITIONS),
        "INBOX_WEB_PORT": str(port),
        "INBOX_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "INBOX_TWILIO_ACCOUNTS": '{"AC00000000000000000000000000000000": '
        '{"account_id": "acme", "auth_token": "12345"}}',
    }
    made = Settings.from_environment(environment)
    await create_topics(made)
    yield made
    await delete_topics(made)


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
