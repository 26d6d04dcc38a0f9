"""A password that is wrong at the start, or changed while workers run: each role, each command."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import aiohttp
import asyncpg
import pytest

from tests.harness.command import inbox
from tests.harness.input_events import message
from tests.harness.logins import PASSWORD, Login, own_login
from tests.harness.spool import metric, started, until_drained
from tests.harness.topics import Topics
from tests.harness.twilio import CHANNELS, Twilio, form
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.settings import Settings

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

ENDED_SECONDS = 60


@pytest.fixture
async def login(postgres: EmbeddedPostgres, settings: Settings) -> AsyncIterator[Login]:
    """A login of the test's own."""
    async with own_login(postgres.superuser_url, settings) as login:
        yield login


def wrong(login: Login) -> Settings:
    """Settings with a wrong password."""
    return replace(login.settings, database_url=login.url.replace(PASSWORD, "wr0ng"))


@pytest.mark.parametrize("roles", ["ingest", "relay", "send", "ingest,relay,send,web"])
async def test_a_worker_that_starts_with_a_wrong_password_ends_with_one_line(
    login: Login, tmp_path: Path, roles: str
) -> None:
    worker = Worker(wrong(login), tmp_path / "worker.log", roles)
    await worker.start(ready=False)
    assert await asyncio.to_thread(worker.process.wait, ENDED_SECONDS) == 1
    log = worker.log.read_text()
    assert f'cannot go on: password authentication failed for user "{login.name}"' in log
    assert "Traceback" not in log
    assert "wr0ng" not in log


async def test_a_worker_that_starts_while_no_server_takes_writes_waits_for_one(
    login: Login, tmp_path: Path
) -> None:
    await login.set_for_sessions({"default_transaction_read_only": "on"})
    worker = Worker(login.settings, tmp_path / "worker.log")
    await worker.start(ready=False)
    await until(says(worker, "no session of Postgres: the server takes no writes"), "the reason")
    await until(says(worker, "TakesNoWrites, again in"), "the next try")
    await login.set_for_sessions({"default_transaction_read_only": "off"})
    await until(worker.is_ready, "a ready worker")
    await worker.stop()


async def test_what_a_login_lacks_is_said_at_the_start(login: Login, tmp_path: Path) -> None:
    nowhere = replace(login.settings, database_url=f"{login.url}_else")
    worker = Worker(nowhere, tmp_path / "worker.log")
    await worker.start(ready=False)
    assert await asyncio.to_thread(worker.process.wait, ENDED_SECONDS) == 1
    assert 'cannot go on: database "' in worker.log.read_text()


@pytest.mark.parametrize("roles", ["web", "send,web"])
async def test_a_copy_that_takes_webhooks_starts_and_spools_until_the_password_is_right(
    login: Login, owner: Owner, topics: Topics, tmp_path: Path, roles: str
) -> None:
    await owner.execute(
        "INSERT INTO inbox.channels (account_id, channel_id, provider, address, name, installed_by,"
        " removed, installed_at) VALUES ('acme', 'wa1', 'twilio', $1, 'wa1', 'ana', false, now())",
        CHANNELS["wa1"],
    )
    await login.change_password("not yet right")
    async with started(login.settings, tmp_path / "worker.log", roles) as worker:
        await until(says(worker, "no session of Postgres: password"), "the reason")
        async with aiohttp.ClientSession() as session:
            assert await Twilio(login.settings.public_url, session).post(form()) == 204
        assert metric(await worker.metrics(), "inbox_spool_records") == 1
        await login.change_password(PASSWORD)
        await until_drained(worker)
    [received] = await topics.read_until("messages.received", 1)
    assert received.data["channel_id"] == "wa1"


def says(worker: Worker, text: str) -> Callable[[], Awaitable[bool]]:
    """Returns a condition: whether the worker's log has a text."""

    async def says() -> bool:
        return text in worker.log.read_text()

    return says


async def test_a_running_worker_waits_for_a_password_that_was_changed(
    login: Login, topics: Topics, tmp_path: Path
) -> None:
    worker = Worker(login.settings, tmp_path / "worker.log", "ingest,relay,send,web")
    await worker.start()
    await topics.publish(message("+4911"))
    await topics.read_until("conversations", 2)
    await login.change_password("rotated")
    await topics.publish(message("+4912"))
    said = "no session of Postgres: password authentication failed"
    await until(says(worker, said), "the reason")
    assert worker.process.poll() is None
    await login.change_password(PASSWORD)
    await topics.read_until("conversations", 4)
    await until(worker.is_ready, "a ready worker")
    await worker.stop()
    log = worker.log.read_text()
    assert log.count(said) == log.count("sessions of Postgres again") == 1
    assert "Traceback" not in log


@pytest.mark.parametrize(
    "arguments",
    [
        ["migrate"],
        ["erase", "--account", "acme", "--contact", "whatsapp:+4911"],
        ["reconcile", "--since", "1h"],
        ["dead-letters", "redrive", "--all"],
    ],
    ids=lambda arguments: arguments[0],
)
async def test_a_command_with_a_wrong_password_is_one_line(
    login: Login, arguments: list[str]
) -> None:
    given = wrong(login)
    ended = await inbox(replace(given, given_migration_database_url=given.database_url), *arguments)
    assert ended.status == 1
    *_, line = ended.err.splitlines()
    assert "Traceback" not in ended.err
    assert line.startswith("inbox: Postgres refuses: password authentication failed")
    assert "wr0ng" not in ended.out + ended.err
