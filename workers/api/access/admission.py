"""Lets callers in: proven identities of known users with inbox access."""

from ipaddress import ip_address

from aiohttp import web

from db.connect import Pool
from db.directory import users_by_id
from schemas.fields import AccountId, UserId
from workers.api.caller import Caller, Identity
from workers.api.problem import Problem
from workers.settings import Settings


class Admission:
    """Decides who is asking, and whether they may."""

    def __init__(self, settings: Settings, pool: Pool) -> None:
        self._settings = settings
        self._pool = pool

    async def admit(self, request: web.Request) -> Caller:
        """Returns who is asking. Raises Problem for whoever may not, or asks too often."""
        return await self.user_of(self.identify(request))

    def identify(self, request: web.Request) -> Identity:
        """Returns who a request is proven to be from. Raises Problem."""
        headers = request.headers
        account, user = headers.get("X-Inbox-Account"), headers.get("X-Inbox-User")
        if account is None or user is None or not self._is_trusted(request.remote):
            raise Problem("unauthorized", "there is no token", {"WWW-Authenticate": "Bearer"})
        return Identity(
            account_id=AccountId(account), user_id=UserId(user), proven_by="proxy", expires_at=None
        )

    def _is_trusted(self, remote: str | None) -> bool:
        networks = self._settings.api_trusted_networks
        return remote is not None and any(ip_address(remote) in network for network in networks)

    async def user_of(self, identity: Identity) -> Caller:
        """Returns the caller. Raises Problem unless the user is known and has inbox access."""
        async with self._pool.acquire() as connection:
            found = await users_by_id(connection, [(identity.account_id, identity.user_id)])
        if not found or not found[0].is_present:
            raise Problem("no_inbox_access", "this user has no access to the inbox")
        return Caller(identity=identity, user=found[0])
