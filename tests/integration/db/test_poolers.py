"""PgBouncer before Postgres: which pooling works, and that any other is said at once.

The tests are made where PgBouncer is installed (Debian's package `pgbouncer`).
"""

import asyncio
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from db.connect import Connection, connect, connect_as_owner
from db.errors import LoginRefused, UnfitUrl, of_a_pooler
from db.migrate import migrate
from db.session import SESSION
from tests.harness.command import inbox
from tests.harness.input_events import message
from tests.harness.logins import PASSWORD, own_login
from tests.harness.pgbouncer import IGNORED, find_pgbouncer, pooling
from tests.harness.topics import Topics
from tests.harness.worker import Worker
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.settings import Settings, required

PGBOUNCER = find_pgbouncer()
MODES = ["session", "transaction"]

if PGBOUNCER is not None:
    PROGRAM = PGBOUNCER

    @pytest.mark.parametrize("mode", MODES)
    async def test_a_pooler_that_refuses_what_a_session_asks_for(
        database: Settings, mode: str
    ) -> None:
        url = required(database.database_url, "database")
        async with pooling(PROGRAM, url, pool_mode=mode) as pooled:
            with pytest.raises(UnfitUrl, match=r"refuses what the inbox needs.*enable_seqscan"):
                await connect(pooled, "test")

    @pytest.mark.parametrize("mode", MODES)
    async def test_a_pooler_that_drops_what_a_session_asks_for(
        database: Settings, mode: str
    ) -> None:
        url = required(database.database_url, "database")
        options = {"pool_mode": mode, "ignore_startup_parameters": IGNORED}
        async with pooling(PROGRAM, url, **options) as pooled:
            with pytest.raises(UnfitUrl, match=r"does not pass on .*transaction_timeout"):
                await connect(pooled, "test")
            with pytest.raises(LoginRefused, match="authentication failed"):
                await connect(pooled.replace("worker-secret", "wrong"), "test")
            with pytest.raises(LoginRefused, match="does not exist"):
                await connect(f"{pooled}_else", "test")

    async def test_what_pools_transactions_is_recognised_when_a_statement_is_lost(
        database: Settings, postgres: EmbeddedPostgres
    ) -> None:
        options = {"pool_mode": "transaction", "ignore_startup_parameters": IGNORED}
        async with own_login(postgres.superuser_url, database) as login:
            await login.set_for_sessions(SESSION)
            async with pooling(PROGRAM, login.url, **options) as pooled:
                both = [await connect(pooled, "test") for _ in range(2)]
                with pytest.raises(asyncpg.PostgresError) as raised:
                    while True:
                        await asyncio.gather(*map(_ask, both))
                assert of_a_pooler(raised.value)
                for connection in both:
                    connection.terminate()

    async def _ask(connection: Connection) -> None:
        # Both at once, so that they have two sessions of the server, in either order.
        await connection.fetchval("SELECT 1 FROM pg_sleep(0.01)")

    @pytest.mark.parametrize("mode", MODES)
    async def test_migrations_need_postgres_itself(database: Settings, mode: str) -> None:
        url = required(database.migration_database_url, "database")
        async with pooling(PROGRAM, url, pool_mode=mode) as pooled:
            await (await connect_as_owner(pooled)).close()
            with pytest.raises(UnfitUrl, match="migrations need Postgres itself"):
                await migrate(pooled)
            ended = await inbox(replace(database, given_migration_database_url=pooled), "migrate")
            assert (ended.status, ended.out) == (2, "")
            [line] = ended.err.splitlines()
            assert line.startswith("inbox: INBOX_MIGRATION_DATABASE_URL: migrations need Postgres")

    async def test_a_worker_and_a_command_end_with_one_line_and_status_2(
        settings: Settings, tmp_path: Path
    ) -> None:
        url = required(settings.database_url, "database")
        async with pooling(PROGRAM, url, pool_mode="transaction") as pooled:
            given = replace(settings, database_url=pooled)
            erased = await inbox(given, "erase", "--account", "a", "--contact", "whatsapp:+1")
            assert erased.status == 2
            [line] = erased.err.splitlines()
            assert line.startswith("inbox: INBOX_DATABASE_URL: a pooler refuses")
            worker = Worker(given, tmp_path / "worker.log")
            await worker.start(ready=False)
            assert await asyncio.to_thread(worker.process.wait, 60) == 2
            log = worker.log.read_text()
            assert "this worker cannot go on: INBOX_DATABASE_URL: a pooler refuses" in log
            assert "Traceback" not in log

    async def test_a_worker_works_where_sessions_are_pooled_and_the_role_has_the_settings(
        settings: Settings, postgres: EmbeddedPostgres, tmp_path: Path
    ) -> None:
        options = {"pool_mode": "session", "ignore_startup_parameters": IGNORED}
        async with own_login(postgres.superuser_url, settings) as login:
            await login.set_for_sessions(SESSION)
            async with pooling(PROGRAM, login.url, default_pool_size="50", **options) as pooled:
                assert PASSWORD in pooled
                worker = Worker(replace(settings, database_url=pooled), tmp_path / "worker.log")
                async with Topics(settings) as topics:
                    await worker.start()
                    await topics.publish(message("+4911"))
                    await topics.read_until("conversations", 2)
                await worker.stop()
