"""The embedded servers are real, keep their data, and never outlive who started them."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from jgo.maven import PythonResolver

from workers.dev.embedded import jars
from workers.dev.embedded.guard import has_ended
from workers.dev.embedded.kafka import EmbeddedKafka, brokers
from workers.dev.embedded.ports import free_port, port_is_free
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.dev.embedded.process import EmbeddedServerError, wait_until

ROOT = Path(__file__).parents[3]
TOPIC = "greetings"
LIMIT_SECONDS = 60.0

PARENT = """
import sys
from pathlib import Path
from workers.dev.embedded.guard import has_ended
from workers.dev.embedded.kafka import EmbeddedKafka
from workers.dev.embedded.postgres import EmbeddedPostgres

directory = Path(sys.argv[1])
servers = [EmbeddedPostgres(directory / "postgres"), EmbeddedKafka(directory / "kafka")]
for server in servers:
    server.start()
print(*(server.pid for server in servers), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(tmp_path / "kafka") as server:
        yield server


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path / "postgres") as server:
        yield server


async def write_record(bootstrap: str, value: bytes) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=True, max_request_size=6 * 2**20
    ) as producer:
        await producer.send_and_wait(TOPIC, value)


async def read_record(bootstrap: str) -> bytes:
    consumer = AIOKafkaConsumer(TOPIC, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    async with asyncio.timeout(LIMIT_SECONDS), consumer:
        record = await consumer.getone()
    return bytes(record.value)


async def query(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url, timeout=LIMIT_SECONDS)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def test_kafka_takes_a_record_of_five_mebibytes_and_keeps_it_when_killed(
    kafka: EmbeddedKafka,
) -> None:
    address, value = kafka.bootstrap, bytes(5 * 2**20)
    asyncio.run(write_record(address, value))

    kafka.kill()
    assert not kafka.running
    kafka.start()

    assert kafka.bootstrap == address
    assert asyncio.run(read_record(address)) == value


def test_postgres_keeps_what_was_committed_when_killed(postgres: EmbeddedPostgres) -> None:
    address = postgres.superuser_url
    asyncio.run(query(address, "CREATE TABLE greetings AS SELECT 'hello' AS value"))

    postgres.kill()
    assert not postgres.running
    postgres.start()

    assert postgres.superuser_url == address
    assert asyncio.run(query(address, "SELECT value FROM greetings")) == "hello"


def test_postgres_is_durable_and_of_the_promised_version(postgres: EmbeddedPostgres) -> None:
    settings = {
        name: asyncio.run(query(postgres.superuser_url, f"SHOW {name}"))
        for name in ("fsync", "synchronous_commit", "server_encoding", "listen_addresses")
    }
    version = subprocess.run(
        [postgres.binary("psql"), "--version"], capture_output=True, check=True, text=True
    )
    assert settings == {
        "fsync": "on",
        "synchronous_commit": "on",
        "server_encoding": "UTF8",
        "listen_addresses": "127.0.0.1",
    }
    assert " 18." in version.stdout


def test_postgres_refuses_a_wrong_password(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        asyncio.run(query(postgres.url("postgres", "postgres", "wrong"), "SELECT 1"))


def test_a_directory_opened_again_has_the_same_address_and_data(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path) as first:
        address = first.superuser_url
        asyncio.run(query(address, "CREATE TABLE greetings AS SELECT 'hello' AS value"))
    with EmbeddedPostgres(tmp_path) as second:
        assert second.superuser_url == address
        assert asyncio.run(query(address, "SELECT value FROM greetings")) == "hello"


def test_a_paused_server_answers_nothing_until_it_is_resumed(kafka: EmbeddedKafka) -> None:
    kafka.pause()
    assert brokers(kafka.port) == 0
    assert kafka.running
    kafka.resume()
    assert wait_until(lambda: brokers(kafka.port) == 1, LIMIT_SECONDS)


def test_a_paused_postgres_can_be_stopped(postgres: EmbeddedPostgres) -> None:
    postgres.pause()
    postgres.stop()
    assert port_is_free(postgres.port)


@pytest.mark.parametrize("paused", [False, True])
def test_the_servers_end_when_their_parent_is_killed(tmp_path: Path, paused: bool) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        leaders = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        assert len(leaders) == 2
        processes = [
            each for leader in leaders for each in (leader, *leader.children(recursive=True))
        ]
        processes += [guard for leader in leaders if (guard := leader.parent())]
        for each in processes[:-2] if paused else ():
            each.suspend()
        parent.kill()
    assert wait_until(lambda: all(map(has_ended, processes)), LIMIT_SECONDS)


def test_a_server_that_cannot_start_quotes_its_log(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    with server:
        pass
    (server.data / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(EmbeddedServerError, match="no_such_setting"):
        server.start()
    assert not server.running


def test_a_port_that_is_taken_is_named(tmp_path: Path, postgres: EmbeddedPostgres) -> None:
    with pytest.raises(EmbeddedServerError, match=f"port {postgres.port} .* is taken"):
        EmbeddedPostgres(tmp_path / "other", port=postgres.port).start()


def test_a_directory_in_use_is_not_started_twice(postgres: EmbeddedPostgres) -> None:
    other = EmbeddedPostgres(postgres.directory, port=free_port())
    other.lock_seconds = 0.1
    with pytest.raises(EmbeddedServerError, match="in use by another process"):
        other.start()


def test_kafka_that_cannot_be_fetched_says_so_and_names_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(PythonResolver, "resolve", fail)
    monkeypatch.setattr(jars, "cache_directory", lambda: tmp_path / "cache")
    with pytest.raises(EmbeddedServerError, match=r"no route to host.*INBOX_KAFKA"):
        EmbeddedKafka(tmp_path / "kafka").start()


def test_kafka_is_fetched_again_when_a_jar_was_cut_short(tmp_path: Path) -> None:
    (tmp_path / "some.jar").write_bytes(b"12")
    (tmp_path / jars.MANIFEST).write_text('{"some.jar": 2}')
    assert jars.kept_jars(tmp_path) == [tmp_path / "some.jar"]
    (tmp_path / "some.jar").write_bytes(b"1")
    assert jars.kept_jars(tmp_path) == []


def test_kafka_starts_from_the_cache_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jars.kafka_jars()

    def fail(*_: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(PythonResolver, "resolve", fail)
    with EmbeddedKafka(tmp_path) as server:
        assert brokers(server.port) == 1
