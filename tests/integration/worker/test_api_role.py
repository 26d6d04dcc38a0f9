"""A worker with the role `api` alone needs no more than the rights of the API's Postgres role."""

import asyncio
from dataclasses import replace
from functools import partial
from pathlib import Path

import aiohttp

from db.databases import API, ensure_database
from tests.conftest import API_PASSWORD
from tests.harness.api import ApiClient, trusting
from tests.harness.inbox import Owner, open_inbox
from tests.harness.topics import Topics
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.dev.embedded.ports import free_port
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.settings import Settings

EXIT_FAILURE = 1


def of_api(settings: Settings) -> Settings:
    """Returns settings of a worker that knows the API's database URL alone."""
    return replace(
        trusting(settings),
        database_url=None,
        given_migration_database_url=None,
        web_port=free_port(),
    )


async def answers(client: ApiClient, code: str) -> bool:
    """Whether the API answers a request with the code of a problem."""
    try:
        return (await client.get("/me")).code == code
    except aiohttp.ClientConnectionError:
        return False


async def test_it_serves_what_other_workers_write_and_writes_nothing_itself(
    settings: Settings, topics: Topics, owner: Owner, tmp_path: Path
) -> None:
    api = Worker(of_api(settings), tmp_path / "api.log", "api")
    await api.start(ready=False)
    async with ApiClient(api.settings) as ana:
        await until(partial(answers, ana, "no_inbox_access"), "an API that asks Postgres")
        # It leaves the database to whichever topics the first other worker has.
        assert await api.get_status("/readyz") == 503
        assert await owner.fetchval("SELECT count(*) FROM inbox.installation") == 0
        ingest = Worker(settings, tmp_path / "ingest.log", "ingest,relay")
        await ingest.start()
        await open_inbox(settings, topics, owner)
        await until(api.is_ready, "an API that follows Kafka")
        assert (await ana.get("/me")).status == 200
        await ingest.stop()
    assert await api.stop() == 0
    assert "ERROR" not in api.log.read_text()
    assert "permission denied" not in api.log.read_text()


async def test_it_starts_without_postgres_and_without_kafka(
    settings: Settings, topics: Topics, tmp_path: Path
) -> None:
    without_kafka = replace(of_api(settings), kafka=("127.0.0.1:1",))
    nowhere = "postgresql://inbox_api@127.0.0.1:1/inbox"
    without_both = replace(without_kafka, given_api_database_url=nowhere)
    for away, code in ((without_both, "unavailable"), (without_kafka, "no_inbox_access")):
        api = Worker(away, tmp_path / f"{code}.log", "api")
        await api.start(ready=False)
        async with ApiClient(api.settings) as ana:
            await until(partial(answers, ana, code), code)
            assert await api.get_status("/readyz") == 503
            assert (await ana.get("/openapi.json")).status == 200
        assert await api.stop() == 0


async def ended(settings: Settings, log: Path) -> tuple[int, str]:
    """Returns the status of a worker that ends by itself, and the last line of its log."""
    api = Worker(settings, log, "api")
    await api.start(ready=False)
    status = await asyncio.to_thread(api.process.wait, 60)
    text = await asyncio.to_thread(log.read_text)
    assert "Traceback" not in text
    return status, text.splitlines()[-1]


async def test_it_ends_where_the_database_is_not_migrated_or_its_role_has_no_rights(
    settings: Settings, topics: Topics, postgres: EmbeddedPostgres, owner: Owner, tmp_path: Path
) -> None:
    await ensure_database(postgres.superuser_url, "not_migrated")
    url = postgres.url("not_migrated", API, API_PASSWORD)
    elsewhere = replace(of_api(settings), given_api_database_url=url)
    status, line = await ended(elsewhere, tmp_path / "not_migrated.log")
    assert (status, "run `inbox migrate`" in line) == (EXIT_FAILURE, True)
    await owner.execute("REVOKE USAGE ON SCHEMA inbox FROM inbox_api")
    status, line = await ended(of_api(settings), tmp_path / "no_rights.log")
    assert (status, "run `inbox migrate`" in line) == (EXIT_FAILURE, True)
