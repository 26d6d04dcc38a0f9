"""The cookie of a browser: it holds the token itself, so that every copy knows it."""

from http.cookies import SimpleCookie
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from aiohttp import web

from workers.api.problem import Problem
from workers.settings import Settings

NAME = "inbox_session"
SECURE_NAME = f"__Host-{NAME}"
"""A browser takes this name from this very host alone, over TLS: no neighbour can set it."""

VALUE_CHARACTERS_MAX = 3800
"""Browsers take a cookie of 4096 bytes, with its name and attributes (RFC 6265, section 6.1)."""


class SessionCookie:
    """Sets, reads and ends the cookie, and refuses what another site makes a browser send."""

    def __init__(self, settings: Settings) -> None:
        self._is_loopback = _is_loopback(urlsplit(settings.app_url).hostname)
        self._name = NAME if self._is_loopback else SECURE_NAME
        self._origins = {_origin(settings.app_url)}
        if not _is_loopback(urlsplit(settings.public_url).hostname):
            # By default it is this machine's, which for a browser is another one.
            self._origins.add(_origin(settings.public_url))

    def token(self, request: web.Request) -> str | None:
        """Returns the token in a request's cookie; None without one."""
        return request.cookies.get(self._name)

    def holding(self, token: str, seconds: int) -> str:
        """Returns the header that sets the cookie for so many seconds. Raises Problem."""
        if len(token) > VALUE_CHARACTERS_MAX:
            detail = f"a token of more than {VALUE_CHARACTERS_MAX} characters fits no cookie"
            raise Problem("invalid_request", detail)
        return self._header(token, seconds)

    def ended(self) -> str:
        """Returns the header that removes the cookie."""
        return self._header("", 0)

    def _header(self, value: str, seconds: int) -> str:
        cookie: SimpleCookie = SimpleCookie()
        cookie[self._name] = value
        morsel = cookie[self._name]
        morsel["path"], morsel["max-age"], morsel["samesite"] = "/", seconds, "Lax"
        morsel["httponly"], morsel["secure"] = True, not self._is_loopback
        return morsel.OutputString()

    def check_write(self, request: web.Request, proven_by: Literal["cookie", "proxy"]) -> None:
        """Raise Problem unless a write comes from a page of ours, or from no page at all.

        A browser adds its cookie to what other sites make it send, and says their origin. A proxy
        may go by a cookie of its own; so its writes may have no foreign origin either, but
        programs that send none are behind it too.
        """
        given = request.headers.getall("Origin", [])
        if not given and proven_by == "proxy":
            return
        if len(given) != 1 or not self._is_ours(given[0], request.headers.get("Host", "")):
            raise Problem("foreign_origin", "a write with a cookie needs an Origin of the inbox")
        if proven_by == "cookie" and request.content_type != "application/json":
            # No form can have it.
            raise Problem("not_json", "a write with a cookie has to be application/json")

    def _is_ours(self, origin: str, host: str) -> bool:
        if _origin(origin) in self._origins:
            return True
        # On one's own machine, the same server has several names.
        own = _origin(f"http://{host}")
        return self._is_loopback and _is_loopback(urlsplit(own).hostname) and _origin(origin) == own


def _origin(url: str) -> str:
    """Returns the origin of a URL as browsers write it; an empty text if it has none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    if not host:
        return ""
    host = f"[{host}]" if ":" in host else host
    standard = port in {None, {"http": 80, "https": 443}.get(parts.scheme)}
    return f"{parts.scheme}://{host}" if standard else f"{parts.scheme}://{host}:{port}"


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False
