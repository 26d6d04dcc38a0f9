"""Connections and pools, with the session settings that the hot queries need."""

import asyncio
import logging
import random
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeAlias

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from db.errors import of_connecting, reason
from db.queries import QUERIES
from db.session import (
    SESSION,
    TRANSACTION_SECONDS,
    check_server,
    check_session,
)
from db.url import HOSTS_SECONDS, Address, parse_url

log = logging.getLogger(__name__)

# Quoted: these classes are generic only for the type checker.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
# A pool lends proxies of connections; our functions take both.
AnyConnection: TypeAlias = (
    "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
)

FROZEN_SECONDS = TRANSACTION_SECONDS + 5.0
"""An older transaction is of a worker that froze in a COPY, where Postgres applies no limit."""

_NEXT_HOST = (OSError, asyncpg.CannotConnectNowError, asyncpg.TargetServerAttributeNotMatched)
"""After these errors another host is tried, as libpq does. (A time-out is an OSError.)"""


class _Sessions:
    """Opens sessions of one database, as workers, commands, the API or migrations use them."""

    def __init__(self, url: str, application_name: str, session: Mapping[str, str]) -> None:
        """`session` has the settings to ask for. Raises ValueError for a wrong URL."""
        self._url = parse_url(url)
        self._session = session
        name = self._url.application_name or application_name
        self._server_settings = {**session, "application_name": name}
        self._said: str | None = None
        """Why there was no session the last time; None if there was one."""

    async def open(self) -> Connection:
        """Open a session. It must take writes: the inbox is of no use on a standby.

        Raises LoginRefused, TakesNoWrites, UnfitUrl, UnfitDatabase, OSError and asyncpg's errors.
        """
        try:
            return await self._open_somewhere()
        except Exception as error:
            raise of_connecting(error) from None

    async def open_for_pool(self, *_: object, **__: object) -> Connection:
        """Open a session, and log once why it cannot, and once that it can again.

        A pool passes arguments for `asyncpg.connect`, and none of them is set.
        """
        try:
            connection = await self.open()
        except Exception as error:
            said = reason(error)
            if self._said != said:
                log.warning("no session of Postgres: %s", said)
            self._said = said
            raise
        if self._said is not None:
            log.warning("sessions of Postgres again")
        self._said = None
        return connection

    async def _open_somewhere(self) -> Connection:
        addresses = list(self._url.addresses)
        if self._url.is_shuffled:
            random.shuffle(addresses)
        until = asyncio.get_running_loop().time() + HOSTS_SECONDS
        *others, last = addresses
        for before, address in enumerate(others):
            with suppress(*_NEXT_HOST):
                return await self._open_in_time(address, until, len(addresses) - before)
        return await self._open_in_time(last, until, 1)

    async def _open_in_time(self, address: Address, until: float, hosts_left: int) -> Connection:
        """Open a session at one host, in its share of the time until `until`.

        So each host is tried, even when all others hang. Raises TimeoutError.
        """
        share = (until - asyncio.get_running_loop().time()) / hosts_left
        async with asyncio.timeout(min(self._url.connect_seconds, share)):
            return await self._open_at(address)

    async def _open_at(self, address: Address) -> Connection:
        host, port = (address, 5432) if isinstance(address, str) else address
        options = () if isinstance(address, str) else self._url.socket_options
        connection: Connection = await asyncpg.connect(
            self._url.dsn,
            host=host,
            port=port,
            command_timeout=_command_seconds(self._session),
            connection_class=_connection_class(options),
            server_settings=self._server_settings,
            target_session_attrs=SessionAttribute.read_write,
            ssl=self._url.tls(),
        )
        try:
            check_server(connection)
            if self._session:
                await check_session(connection, self._session)
        except BaseException:
            connection.terminate()
            raise
        return connection


def _command_seconds(session: Mapping[str, str]) -> float | None:
    """Returns how long to wait for an answer: a little longer than the server's own limit."""
    limit = session.get("statement_timeout")
    return int(limit) / 1000 + 5 if limit else None


@lru_cache(maxsize=4)
def _connection_class(options: tuple[tuple[int, int, int], ...]) -> type[Connection]:
    """Returns asyncpg's class of connections, or one that sets these options on its socket.

    There is one class for the same options: a class is never freed at once.
    """
    if not options:
        return asyncpg.Connection

    class WithSocketOptions(asyncpg.Connection):
        def __init__(self, protocol: Any, transport: Any, *rest: Any, **more: Any) -> None:
            super().__init__(protocol, transport, *rest, **more)
            socket = transport.get_extra_info("socket")
            try:
                for option in options:
                    socket.setsockopt(*option)
            except BaseException:
                # The login is done, and asyncpg would leave the session open.
                transport.abort()
                raise

    return WithSocketOptions


async def connect(url: str, application_name: str) -> Connection:
    """Opens a connection as the workers use it. Raises as `connect_as_owner`, and UnfitUrl."""
    return await _Sessions(url, application_name, SESSION).open()


async def connect_as_owner(url: str) -> Connection:
    """Opens a connection without the limits of the workers, for migrations.

    Raises LoginRefused, TakesNoWrites, UnfitUrl, UnfitDatabase, OSError and asyncpg's errors.
    """
    return await _Sessions(url, "inbox migrate", {}).open()


async def _leave_as_is(_connection: AnyConnection) -> None:
    """Do nothing: our queries change no session, and each reset would cost a round trip."""


def pool(
    url: str,
    application_name: str,
    connections_max: int,
    session: Mapping[str, str] = SESSION,
) -> Pool:
    """Returns a pool that connects on first use, so that a worker starts without its database.

    `session` has the settings of each session, which is checked for them. To acquire a connection
    raises what `connect` does.
    """
    return asyncpg.create_pool(
        min_size=0,
        max_size=connections_max,
        connect=_Sessions(url, application_name, session).open_for_pool,
        reset=_leave_as_is,
    )


async def end_frozen_transactions(connection: AnyConnection, older_than_seconds: float) -> int:
    """End the transactions of workers that froze in the middle of a COPY. Returns how many.

    While Postgres waits for the client of a COPY, it applies no limit: the locks would stay as long
    as the worker is frozen.
    """
    query = QUERIES["end_frozen_transactions"]
    ended: int = await connection.fetchval(query, older_than_seconds)
    return ended
