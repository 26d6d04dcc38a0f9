"""What the URL of a database asks for is done: hosts, sockets, time limits, TLS, options."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias
from urllib.parse import urlsplit

import asyncpg
import pytest

import db.connect
from db.connect import Connection, connect, connect_as_owner, pool
from db.errors import LoginRefused, TakesNoWrites, UnfitDatabase, UnfitUrl
from db.session import SESSION, check_session
from db.url import HOSTS_MAX, LARGEST, system_context
from tests.conftest import OWNER_PASSWORD
from tests.harness.certificates import Certificates
from tests.harness.logins import PASSWORD, own_login
from tests.harness.tls_proxy import TlsProxy
from tests.harness.waiting import until
from workers.dev.embedded.ports import HOST, free_port
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.settings import Settings, required

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Place:
    """The test's database, and how to write its URL anew."""

    def __init__(self, settings: Settings) -> None:
        parts = urlsplit(required(settings.database_url, "database"))
        self.login = parts.netloc.rpartition("@")[0]
        self.host = f"{HOST}:{parts.port}"
        self.port = parts.port
        self.database = parts.path

    def url(self, hosts: str, **options: object) -> str:
        """Returns the URL with other hosts, and with options."""
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return f"postgresql://{self.login}@{hosts}{self.database}?{query}"

    async def open(self, hosts: str, **options: object) -> Connection:
        """Open a session as the workers do."""
        return await connect(self.url(hosts, **options), "test")


@pytest.fixture
def place(database: Settings) -> Place:
    """The test's database."""
    return Place(database)


async def _closed(connection: Connection) -> str:
    """Close a session, and return its user: it worked."""
    user: str = await connection.fetchval("SELECT current_user")
    await connection.close()
    return user


@asynccontextmanager
async def _silent() -> AsyncIterator[int]:
    """A server that takes connections and never answers, as one that hangs. Yields its port."""
    writers = []

    async def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    server = await asyncio.start_server(take, HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()
            await writer.wait_closed()


async def test_of_several_hosts_the_first_that_answers_is_taken(place: Place) -> None:
    nobody = f"{HOST}:{free_port()}"
    assert await _closed(await place.open(f"{nobody},{place.host}")) == "inbox_worker"
    with pytest.raises(OSError, match="Connect call failed"):
        await place.open(f"{nobody},{nobody}")


async def test_a_host_that_hangs_has_its_own_time_and_the_next_one_is_tried(place: Place) -> None:
    async with _silent() as port:
        opened = await place.open(f"{HOST}:{port},{place.host}", connect_timeout=1)
        assert await _closed(opened) == "inbox_worker"
        with pytest.raises(TimeoutError):
            await place.open(f"{HOST}:{port}", connect_timeout=1)


async def test_all_hosts_share_one_limit_and_the_last_one_has_its_part(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db.connect, "HOSTS_SECONDS", 4)
    async with _silent() as port:
        silent = f"{HOST}:{port}"
        # Each of them alone may take longer than all of them together.
        async with asyncio.timeout(30):
            opened = await place.open(f"{silent},{silent},{place.host}", connect_timeout=3600)
            assert await _closed(opened) == "inbox_worker"
            with pytest.raises(TimeoutError):
                await place.open(",".join([silent] * HOSTS_MAX), connect_timeout=3600)


async def test_a_socket_that_does_not_take_an_option_leaves_no_session_open(
    place: Place, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LARGEST, "keepalives_idle", 999_999)
    options = {"keepalives_idle": 86_400, "application_name": "left_open"}
    for _ in range(3):
        with pytest.raises(OSError, match="Invalid argument"):
            await place.open(place.host, **options)
    found = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'left_open'"
    await until(lambda: owner.fetchval(found), "the end of the sessions")


async def test_hosts_are_tried_in_a_random_order_if_the_url_says_so(place: Place) -> None:
    hosts = f"{place.host},localhost:{place.port}"
    found: set[tuple[str, int]] = set()
    while len(found) < 2:
        connection = await place.open(hosts, load_balance_hosts="random")
        found.add(connection._addr)  # type: ignore[attr-defined]
        await connection.close()
    assert {host for host, _ in found} == {HOST, "localhost"}


async def test_a_unix_socket(place: Place) -> None:
    # The server of the tests listens on TCP alone, so a proxy has the socket.
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(HOST, place.port)
        await asyncio.gather(_pass_on(reader, back), _pass_on(there, writer))

    with TemporaryDirectory() as directory:
        path = Path(directory, f".s.PGSQL.{place.port}")
        server = await asyncio.start_unix_server(serve, path)
        opened = await connect(
            f"postgresql://{place.login}@{place.database}?host={directory}&port={place.port}"
            "&keepalives_idle=5",
            "test",
        )
        assert await _closed(opened) == "inbox_worker"
        server.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def test_a_socket_has_the_probes_of_the_url_and_a_session_its_name(place: Place) -> None:
    url = place.url(place.host, keepalives_idle=7, application_name="mine")
    async with pool(url, "test", 1) as made, made.acquire() as connection:
        name = await connection.fetchval("SELECT current_setting('application_name')")
        opened = connection._con._transport.get_extra_info("socket")  # type: ignore[attr-defined]
        assert name == "mine"
        assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 7


async def test_the_authorities_of_the_system(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = Certificates.make(tmp_path / "certificates", ["localhost"])
    assert place.port is not None
    # OpenSSL finds the system's authorities by this variable.
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    system_context.cache_clear()
    async with TlsProxy(place.port, certificates) as proxy:
        url = place.url(f"localhost:{proxy.port}", sslrootcert="system")
        assert await _closed(await connect(url, "test")) == "inbox_worker"
        assert proxy.encrypted
    system_context.cache_clear()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"connection_limit": 5}, 'unrecognized configuration parameter "connection_limit"'),
        ({"max_connections": 5}, '"max_connections" cannot be changed'),
        ({"search_path": "x", "work_mem": "lots"}, 'invalid value for parameter "work_mem"'),
    ],
    ids=str,
)
async def test_an_option_that_the_server_refuses_is_named(
    place: Place, options: dict[str, object], said: str
) -> None:
    with pytest.raises(UnfitUrl, match=f"{said}.*: take it out"):
        await place.open(place.host, **options)


async def test_a_login_that_is_refused_is_an_error_of_its_own(
    place: Place, postgres: EmbeddedPostgres, database: Settings
) -> None:
    async with own_login(postgres.superuser_url, database) as login:
        await (await connect(login.url, "test")).close()
        with pytest.raises(LoginRefused, match="password authentication failed"):
            await connect(login.url.replace(PASSWORD, "wrong"), "test")
        with pytest.raises(LoginRefused, match="does not exist"):
            await connect(f"{login.url}_else", "test")
        await login.execute("REVOKE CONNECT ON DATABASE {database} FROM public, inbox_worker")
        with pytest.raises(LoginRefused, match="permission denied for database"):
            await connect(login.url, "test")
        await login.execute("ALTER ROLE {role} NOLOGIN")
        with pytest.raises(LoginRefused, match="is not permitted to log in"):
            await connect(login.url, "test")


@asynccontextmanager
async def _read_only(port: int) -> AsyncIterator[int]:
    """A way to the server by which every session is read only, as on a standby. Yields its port."""
    tasks = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        there, back = await asyncio.open_connection(HOST, port)
        # The first message has its length, a version, and the settings; a NUL ends it.
        length = int.from_bytes(await reader.readexactly(4))
        start = (await reader.readexactly(length - 4))[:-1]
        start += b"default_transaction_read_only\0on\0\0"
        back.write((len(start) + 4).to_bytes(4) + start)
        await asyncio.gather(_pass_on(reader, back), _pass_on(there, writer))

    server = await asyncio.start_server(serve, HOST, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*filter(None, tasks))


async def test_a_server_that_takes_no_writes_is_refused_and_the_next_host_is_tried(
    place: Place,
) -> None:
    assert place.port is not None
    async with _read_only(place.port) as port:
        standby = f"{HOST}:{port}"
        opened = await place.open(f"{standby},{place.host}", sslmode="disable")
        assert opened._addr == (HOST, place.port)  # type: ignore[attr-defined]
        assert await _closed(opened) == "inbox_worker"
        for hosts in (standby, f"{standby},{standby}", f"{HOST}:{free_port()},{standby}"):
            with pytest.raises(TakesNoWrites, match="takes no writes"):
                await place.open(hosts, sslmode="disable")
        with pytest.raises(TakesNoWrites, match="takes no writes"):
            await connect_as_owner(place.url(standby, sslmode="disable"))


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_a_database_that_cannot_hold_every_text_is_refused(
    postgres: EmbeddedPostgres, encoding: str
) -> None:
    name = f"encoded_{encoding.lower()}"
    superuser = await asyncpg.connect(postgres.superuser_url)
    of_it = f"ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0 OWNER inbox_owner"
    await superuser.execute(f"CREATE DATABASE {name} {of_it}")
    try:
        with pytest.raises(UnfitDatabase, match=f"is {encoding}, which cannot hold every text"):
            await connect_as_owner(postgres.url(name, "inbox_owner", OWNER_PASSWORD))
    finally:
        await superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await superuser.close()


async def test_a_session_without_what_a_worker_asks_for_is_refused(database: Settings) -> None:
    connection = await asyncpg.connect(database.database_url, server_settings={"jit": "off"})
    missing = ", ".join(name for name in SESSION if name != "jit")
    with pytest.raises(UnfitUrl, match=f"does not pass on {missing}: name Postgres itself"):
        await check_session(connection)
    await connection.close()


async def test_a_pool_says_once_why_there_is_no_session_and_once_that_there_is(
    postgres: EmbeddedPostgres, database: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        own_login(postgres.superuser_url, database) as login,
        pool(login.url, "test", 1) as made,
    ):
        await login.change_password("rotated")
        for _ in range(3):
            with pytest.raises(LoginRefused):
                await made.fetchval("SELECT 1")
        await login.change_password(PASSWORD)
        for _ in range(3):
            assert await made.fetchval("SELECT 1") == 1
    refused, again = [record.getMessage() for record in caplog.records]
    assert refused.startswith("no session of Postgres: password authentication failed")
    assert again == "sessions of Postgres again"
