"""Postgres over TLS; and the role of the workers, which may do only what their queries need."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit, urlunsplit

import asyncpg
import pytest

from db.connect import Connection, connect
from db.databases import WORKER
from db.errors import LoginRefused
from db.queries import QUERIES
from tests.conftest import WORKER_PASSWORD
from tests.harness.certificates import Certificates
from tests.harness.command import inbox
from tests.harness.input_events import message
from tests.harness.tls_proxy import TlsProxy
from tests.harness.topics import Topics
from tests.harness.webhook_forms import messages
from tests.harness.worker import Worker
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.settings import Settings, required


class Encrypted(NamedTuple):
    """A test's database behind TLS, with a certificate for `localhost` only."""

    proxy: TlsProxy
    certificates: Certificates
    settings: Settings

    def reached(self, host: str, **query: object) -> Settings:
        """Returns the settings of a worker that connects to a host, with these URL parameters."""
        parts = urlsplit(required(self.settings.database_url, "database"))
        netloc = f"{parts.username}:{parts.password}@{host}:{self.proxy.port}"
        url = urlunsplit(parts._replace(netloc=netloc, query=urlencode(query)))
        return Settings.from_environment(self.settings.environment() | {"INBOX_DATABASE_URL": url})

    async def connect(self, host: str, **query: object) -> Connection:
        """Returns a connection as the workers use it."""
        return await connect(str(self.reached(host, **query).database_url), "test")

    @property
    def verified(self) -> dict[str, object]:
        """The URL parameters that a deployment should use."""
        return {"sslmode": "verify-full", "sslrootcert": self.certificates.authority}


@pytest.fixture
async def encrypted(
    postgres: EmbeddedPostgres, settings: Settings, tmp_path: Path
) -> AsyncIterator[Encrypted]:
    """A database that accepts encrypted connections only."""
    certificates = Certificates.make(tmp_path / "certificates", ["localhost"])
    async with TlsProxy(postgres.port, certificates) as proxy:
        yield Encrypted(proxy, certificates, settings)


@pytest.mark.parametrize(
    ("host", "mode"),
    [
        ("127.0.0.1", "require"),
        ("127.0.0.1", "verify-ca"),
        ("localhost", "verify-ca"),
        ("localhost", "verify-full"),
    ],
)
async def test_a_connection_of_the_workers_is_encrypted(
    encrypted: Encrypted, host: str, mode: str
) -> None:
    root = {} if mode == "require" else {"sslrootcert": encrypted.certificates.authority}
    connection = await encrypted.connect(host, sslmode=mode, **root)
    assert await connection.fetchval("SELECT current_user") == WORKER
    await connection.close()
    assert set(encrypted.proxy.encrypted) <= {"TLSv1.2", "TLSv1.3"}
    assert len(encrypted.proxy.encrypted) == 1


async def test_without_tls_the_server_refuses(encrypted: Encrypted) -> None:
    with pytest.raises(LoginRefused, match="no encryption"):
        await encrypted.connect("localhost", sslmode="disable")
    assert encrypted.proxy.refused == 1


@pytest.mark.parametrize(
    ("host", "mode", "authority", "wrong"),
    [
        ("localhost", "verify-ca", "stranger", "certificate verify failed"),
        ("localhost", "verify-full", "stranger", "certificate verify failed"),
        ("127.0.0.1", "verify-full", "authority", "IP address mismatch"),
    ],
)
async def test_a_server_that_is_not_who_it_should_be_is_not_talked_to(
    encrypted: Encrypted, host: str, mode: str, authority: str, wrong: str
) -> None:
    root = getattr(encrypted.certificates, authority)
    with pytest.raises(OSError, match=wrong):
        await encrypted.connect(host, sslmode=mode, sslrootcert=root)
    assert encrypted.proxy.encrypted == []


async def test_a_worker_goes_by_what_its_url_says_of_tls(
    encrypted: Encrypted,
    topics: Topics,
    owner: "asyncpg.Connection[asyncpg.Record]",
    tmp_path: Path,
) -> None:
    reached = encrypted.reached("localhost", **encrypted.verified)
    worker = Worker(reached, tmp_path / "worker.log")
    await worker.start()
    try:
        await topics.publish(message("+49"))
        await messages(owner, 1)
    finally:
        await worker.stop()
    assert encrypted.proxy.encrypted
    assert encrypted.proxy.refused == 0


async def test_how_the_server_is_checked_is_shown_and_no_secret(encrypted: Encrypted) -> None:
    shown = await inbox(encrypted.reached("localhost", **encrypted.verified), "config")
    assert "sslmode=verify-full" in shown.out
    assert WORKER_PASSWORD not in shown.out + shown.err


OF_THE_OWNER = {
    "database_exists",
    "database_statements",
    "forget_positions",
    "forget_redrives",
    "lock_installation",
    "record_migration",
    "replace_installation",
    "set_for_session",
}
"""Queries that the worker's role never runs."""

BY_COPY = {("messages", "INSERT")}
"""Privileges that COPY uses, which is in no query."""

_USES = (
    ("INSERT", r"INSERT INTO inbox\.(\w+)"),
    ("UPDATE", r"UPDATE inbox\.(\w+)"),
    ("DELETE", r"DELETE FROM inbox\.(\w+)"),
    ("SELECT", r"(?<!DELETE )(?:FROM|JOIN|USING)\s+(?:ONLY\s+)?inbox\.(\w+)"),
)


def _used(query: str) -> set[tuple[str, str]]:
    """Returns the tables that a query uses, each with the privilege that the query needs."""
    found = {(table, kind) for kind, pattern in _USES for table in re.findall(pattern, query)}
    written = {table for table, kind in found if kind != "SELECT"}
    if re.search(r"ON CONFLICT.*DO UPDATE", query, re.DOTALL):
        found |= {(table, "UPDATE") for table, kind in set(found) if kind == "INSERT"}
    if re.search(r"FOR (NO KEY )?UPDATE|FOR (KEY )?SHARE", query):
        found |= {(table, "UPDATE") for table, kind in set(found) if kind == "SELECT"}
    if re.search(r"\b(WHERE|RETURNING|ON CONFLICT|SET)\b", query):
        found |= {(table, "SELECT") for table in written}
    return found


async def test_the_worker_holds_the_privileges_that_its_queries_use_and_no_others(
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    used = set(BY_COPY).union(
        *(_used(query) for name, query in QUERIES.items() if name not in OF_THE_OWNER)
    )
    rows = await owner.fetch(
        """
        SELECT c.relname, p.privilege
        FROM pg_class AS c,
             unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES',
                          'TRIGGER', 'MAINTAIN']) AS p (privilege)
        WHERE c.relnamespace = 'inbox'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'p', 'f')
          AND has_table_privilege($1, c.oid, p.privilege)
        """,
        WORKER,
    )
    held = {(row["relname"], row["privilege"]) for row in rows}
    assert held == used


async def test_the_workers_role_is_nobody_special(
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    row = await owner.fetchrow(
        """
        SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls,
               (SELECT count(*) FROM pg_auth_members WHERE member = r.oid) AS memberships,
               (SELECT count(*) FROM pg_class WHERE relowner = r.oid) AS tables,
               (SELECT count(*) FROM pg_namespace WHERE nspowner = r.oid) AS schemas,
               (SELECT count(*) FROM pg_database WHERE datdba = r.oid) AS databases,
               (SELECT count(*) FROM pg_proc AS p
                WHERE p.prosecdef AND has_function_privilege(r.oid, p.oid, 'EXECUTE')) AS definers
        FROM pg_roles AS r WHERE rolname = $1
        """,
        WORKER,
    )
    assert row is not None
    assert not any(row), dict(row)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM other.secrets",
        "SELECT * FROM pg_authid",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY inbox.messages TO '/tmp/messages'",
        "COPY inbox.messages TO PROGRAM 'cat'",
        "ALTER ROLE inbox_owner PASSWORD 'mine'",
        "CREATE ROLE mine",
        "CREATE DATABASE mine",
        "CREATE EXTENSION dblink",
        "CREATE FUNCTION inbox.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE INDEX mine ON inbox.messages (body)",
        "CREATE TRIGGER mine BEFORE INSERT ON inbox.messages EXECUTE FUNCTION now()",
        "ALTER TABLE inbox.messages OWNER TO inbox_worker",
        "ALTER SYSTEM SET fsync = 'off'",
        "SET ROLE inbox_owner",
        "UPDATE inbox.migrations SET name = ''",
        "DELETE FROM inbox.redrives",
        "DELETE FROM inbox.installation",
        "UPDATE inbox.installation SET partitions = 1",
        "UPDATE inbox.redrives SET partition = 0",
        "DELETE FROM inbox.channels",
        "DELETE FROM inbox.outbox_shards",
        "TRUNCATE inbox.outbox",
        "DROP SCHEMA inbox",
        "DROP DATABASE template1",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'inbox_owner'",
    ],
)
async def test_the_workers_role_is_refused(
    database: Settings, owner: "asyncpg.Connection[asyncpg.Record]", statement: str
) -> None:
    await owner.execute("CREATE SCHEMA other")
    await owner.execute("CREATE TABLE other.secrets (id int)")
    worker = await connect(required(database.database_url, "database"), "test")
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await worker.execute(statement)
    finally:
        await worker.close()
