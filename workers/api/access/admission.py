"""Lets callers in: proven identities of known users with inbox access, not too often."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractContextManager, asynccontextmanager

from aiohttp import web

from db.directory import UserKey, users_by_id
from domain.directory import User
from workers.api.access.cookies import SessionCookie
from workers.api.access.limits import (
    ACCOUNT_REQUESTS_MAX,
    CONNECTS_BURST_SECONDS,
    CONNECTS_PER_SECOND,
    REQUESTS_MAX,
    USER_REQUESTS_MAX,
    Places,
    RateLimit,
)
from workers.api.access.proxies import TrustedProxies
from workers.api.access.trust import token_verifier
from workers.api.api_pool import ApiPool
from workers.api.caller import Caller, Identity
from workers.api.operation import Operation
from workers.api.problem import Problem, unauthorized
from workers.api.shared import SharedByKey
from workers.settings import Settings

READ = "GET"

KNOWN_SECONDS = 5.0
"""How long to wait for the user of a request. While Postgres is frozen, a question waits behind
another one that takes as long as a query may."""


class Admission:
    """Decides who is asking, and whether they may."""

    def __init__(self, settings: Settings, pool: ApiPool) -> None:
        """Read the keys of tokens. Raises SettingsError."""
        self.cookie = SessionCookie(settings)
        self._pool = pool
        self._tokens = token_verifier(settings)
        self._proxies = TrustedProxies(settings.api_trusted_networks)
        self._known = SharedByKey(self._load_users)
        """Asks for users. When all clients come back at once, few questions serve them all."""
        self._users = RateLimit(settings.api_user_rate)
        self._accounts = RateLimit(settings.api_account_rate)
        self._connects = RateLimit(CONNECTS_PER_SECOND, burst_seconds=CONNECTS_BURST_SECONDS)
        """Of streams, by user."""
        self._requests = Places(REQUESTS_MAX, "unavailable")
        self._streams = Places(settings.api_streams_max, "unavailable")
        self._of_account = Places(ACCOUNT_REQUESTS_MAX, "too_many_requests")
        self._of_user = Places(USER_REQUESTS_MAX, "too_many_requests")

    def place(self, operation: Operation) -> AbstractContextManager[None]:
        """Returns the place of a request while it is under way; streams have places of their own.

        To enter it raises Problem when all are taken.
        """
        return (self._streams if operation.is_stream else self._requests).taken()

    @asynccontextmanager
    async def admitted(self, request: web.Request, operation: Operation) -> AsyncIterator[Caller]:
        """Yield who is asking, and hold a place of the user and the account meanwhile.

        Raises Problem for whoever may not ask, or asks too often or too much at once. Streams are
        counted apart: after a restart all clients of an account connect at once.
        """
        identity = self.identify(request)
        account_id, user = identity.account_id, (identity.account_id, identity.user_id)
        if operation.is_stream:
            self._connects.take(user)
            yield await self.user_of(identity)
            return
        with self._of_user.taken(user), self._of_account.taken(account_id):
            self._users.take(user)
            self._accounts.take(account_id)
            yield await self.user_of(identity)

    def identify(self, request: web.Request) -> Identity:
        """Returns who a request is proven to be from. Raises Problem.

        The first of these counts, and no other: a proxy's headers, a token, a cookie. So a wrong
        token is refused although there is a cookie too.
        """
        identity = self._proxies.identity(request)
        if identity is None:
            identity = self._identity_of_token(request)
        if request.method != READ and identity.proven_by != "token":
            self.cookie.check_write(request, identity.proven_by)
        return identity

    def _identity_of_token(self, request: web.Request) -> Identity:
        token, cookie = bearer_token(request), self.cookie.token(request)
        if token is None and cookie is None:
            raise unauthorized("there is no token")
        if self._tokens is None:
            raise unauthorized("tokens are not taken here")
        if token is not None:
            return self._tokens.verify(token, "token")
        assert cookie is not None
        return self._tokens.verify(cookie, "cookie")

    async def user_of(self, identity: Identity) -> Caller:
        """Returns the caller. Raises Problem unless the user is known and has inbox access, and
        TimeoutError if Postgres does not answer in time."""
        async with asyncio.timeout(KNOWN_SECONDS):
            user = await self._known.get((identity.account_id, identity.user_id))
        if user is None or not user.is_present:
            raise Problem("no_inbox_access", "this user has no access to the inbox")
        return Caller(identity=identity, user=user)

    async def _load_users(self, keys: Collection[UserKey]) -> dict[UserKey, User]:
        async with self._pool.acquire() as connection:
            users = await users_by_id(connection, keys)
        return {(user.account_id, user.user_id): user for user in users}


def bearer_token(request: web.Request) -> str | None:
    """Returns the token in the header of a request; None without the header. Raises Problem."""
    given = request.headers.getall("Authorization", [])
    if not given:
        return None
    scheme, _, token = given[0].partition(" ")
    if len(given) > 1 or scheme.lower() != "bearer":
        raise unauthorized("Authorization has to be there once, with a Bearer token")
    return token.strip()
