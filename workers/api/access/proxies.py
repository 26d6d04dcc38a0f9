"""Headers in which a trusted proxy says who is asking."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

import msgspec
from aiohttp import web

from schemas.fields import Account, User
from workers.api.caller import Identity
from workers.api.problem import unauthorized

ACCOUNT_HEADER = "X-Inbox-Account"
USER_HEADER = "X-Inbox-User"


class TrustedProxies:
    """Takes the headers from the networks of the proxies, and refuses them from elsewhere."""

    def __init__(self, networks: Sequence[IPv4Network | IPv6Network]) -> None:
        self._networks = tuple(networks)

    def identity(self, request: web.Request) -> Identity | None:
        """Returns who a proxy says is asking; None without its headers.

        Raises Problem for headers that come from elsewhere, even beside a valid token: somebody
        tries them. The address is the connection's, never that of a header.
        """
        accounts = request.headers.getall(ACCOUNT_HEADER, [])
        users = request.headers.getall(USER_HEADER, [])
        if not accounts and not users:
            return None
        if not self._is_trusted(request.remote):
            raise unauthorized("the headers of a trusted proxy came from elsewhere")
        try:
            (account,), (user,) = accounts, users
            return Identity(
                account_id=msgspec.convert(account, Account),
                user_id=msgspec.convert(user, User),
                proven_by="proxy",
                expires_at=None,
            )
        except ValueError:  # not one of each, or no valid id
            detail = f"{ACCOUNT_HEADER} and {USER_HEADER} have to be there once, with valid ids"
            raise unauthorized(detail) from None

    def _is_trusted(self, remote: str | None) -> bool:
        try:
            address = ip_address(remote or "")
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            # So an IPv4 client looks on a socket for both.
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)
