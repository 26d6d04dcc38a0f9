"""Where a file may be fetched from, and with whose credentials."""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from yarl import URL

from schemas.fields import AccountId
from workers.settings.values import TwilioAccount

TWILIO_API = URL("https://api.twilio.com")
"""Webhooks name files there, whatever URL of Twilio's API an installation uses."""

_FILE_PATH = re.compile(
    r"/2010-04-01/Accounts/(AC[0-9a-fA-F]{32})"
    r"/Messages/[SM]M[0-9a-fA-F]{32}/Media/ME[0-9a-fA-F]{32}"
)
"""So in Twilio's OpenAPI documents. Nothing else of the API is fetched: the credentials would open
all of it."""


class ForbiddenSource(Exception):
    """A URL that must not be fetched. The message holds nothing of it but the host."""


class Source(NamedTuple):
    """A URL that may be fetched."""

    url: URL
    headers: Mapping[str, str]
    """The credentials, for Twilio's API only."""


def parse_url(text: str) -> URL:
    """Returns a URL, exactly as it is written. Raises ForbiddenSource."""
    try:
        url = URL(text, encoded=True)
        is_whole = url.absolute and bool(url.raw_host) and url.port is not None
    except ValueError:
        is_whole = False
    # What is not of these characters might be read in several ways.
    if not is_whole or not text.isascii() or not text.isprintable() or set(text) & {" ", "\\"}:
        raise ForbiddenSource("no whole URL")
    return url


class Sources:
    """Decides what may be fetched for an account."""

    def __init__(
        self, api_url: str, hosts: Sequence[str], accounts: Mapping[str, TwilioAccount]
    ) -> None:
        """`hosts` are names, and `*.` with the end of names; `accounts` are ours at Twilio."""
        self._api = URL(api_url)
        self._hosts = frozenset(host for host in hosts if not host.startswith("*."))
        self._ends = tuple(host.removeprefix("*") for host in hosts if host.startswith("*."))
        self._accounts = accounts

    def source(self, url: URL, account_id: AccountId) -> Source:
        """Returns how a file is fetched for an account. Raises ForbiddenSource."""
        host = url.raw_host or ""
        if url.user is not None or url.password is not None:
            raise ForbiddenSource(f"{host}: a URL with a name or a password")
        for base in (self._api, TWILIO_API):
            if url.origin() == base.origin():
                return self._of_api(
                    url.raw_path.removeprefix(base.raw_path.rstrip("/")), account_id
                )
        if url.scheme != "https" or url.port != 443:
            raise ForbiddenSource(f"{host}: only https, on its own port")
        if host not in self._hosts and not any(host.endswith(end) for end in self._ends):
            raise ForbiddenSource(f"{host} is not among INBOX_MEDIA_HOSTS")
        return Source(url, {})

    def _of_api(self, path: str, account_id: AccountId) -> Source:
        """Returns how a file is fetched from Twilio's API, at the URL that is set for it."""
        found = _FILE_PATH.fullmatch(path)
        if found is None:
            raise ForbiddenSource("not the path of a file at Twilio's API")
        sid = found[1]
        account = self._accounts.get(sid)
        if account is None or account.account_id != account_id or not account.auth_token:
            raise ForbiddenSource("INBOX_TWILIO_ACCOUNTS has no auth_token for the file's account")
        credentials = b64encode(f"{sid}:{account.auth_token}".encode()).decode()
        url = self._api.with_path(self._api.raw_path.rstrip("/") + path, encoded=True)
        return Source(url, {"Authorization": f"Basic {credentials}"})
