"""The embedded Postgres is real and durable, and needs its password."""

import asyncio
import subprocess
from pathlib import Path

import asyncpg
import pytest

from tests.harness.waiting import LIMIT_SECONDS
from workers.dev.embedded.postgres import EmbeddedPostgres


async def query(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url, timeout=LIMIT_SECONDS)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


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
