"""Which addresses of the network a file may come from: public ones only.

A name is resolved once, its addresses are checked, and the connection is made to one of these: so a
name that means something else a moment later (DNS rebinding) gains nothing.
"""

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

_NAT64 = IPv6Network("64:ff9b::/96")
"""IPv4 addresses behind a translator (RFC 6052)."""

_GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All that is given out of IPv6 (IANA's IPv6 Global Unicast Address Assignments)."""

_TUNNELS = (IPv6Network("2001::/32"), IPv6Network("2002::/16"))
"""Teredo and 6to4: each address leads to one of IPv4, and none of them has a server of files."""

_PROTOCOLS = IPv4Network("192.0.0.0/24")
"""Addresses of protocols (RFC 6890). Python takes some of them for public ones."""


_NO_SUCH_NAME = {socket.EAI_NONAME, socket.EAI_NODATA}
"""So it is answered that a name does not exist, or has no address. Else nothing is known of it."""


class NoPublicAddress(OSError):
    """A name leads nowhere, or to an address that is not public."""


def is_public(address: str) -> bool:
    """Whether an address is one of the whole internet: not of this machine, and of no network of
    its own, however it is written."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address):
        found = _within(found)
    if isinstance(found, IPv6Address):
        is_given = found in _GLOBAL_UNICAST and not any(found in each for each in _TUNNELS)
    else:
        is_given = found not in _PROTOCOLS
    return is_given and found.is_global and not found.is_multicast


def _within(address: IPv6Address) -> IPv4Address | IPv6Address:
    """Returns the IPv4 address to which an IPv6 one leads; or else itself."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address


class PublicResolver(AbstractResolver):
    """Resolves names into public addresses, but for one host, which may be anywhere."""

    def __init__(self, exempt_host: str) -> None:
        """`exempt_host` is that of Twilio's API, which the operator chose."""
        self._exempt_host = exempt_host
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Returns the addresses of a host. Raises NoPublicAddress unless all of them may be used,
        and OSError."""
        try:
            found = await self._resolver.resolve(host, port, family)
        except socket.gaierror as error:
            if host == self._exempt_host or error.errno not in _NO_SUCH_NAME:
                raise
            raise NoPublicAddress(f"{host} does not exist") from None
        if host != self._exempt_host and not all(is_public(each["host"]) for each in found):
            raise NoPublicAddress(f"{host} is not public")
        return found

    async def close(self) -> None:
        """Release everything."""
        await self._resolver.close()
