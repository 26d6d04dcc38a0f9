"""Reads the URL of a database: every form that asyncpg takes, and what libpq and hosters add to it.

asyncpg knows fewer options than libpq, and asks the server for all others as settings of the
session; the server refuses them. So what this program can do of them is done in `db.connect`, and
the rest is refused here. No message quotes any part of a URL but the names of its options.
"""

import re
import socket
import ssl
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

import asyncpg
from asyncpg import connect_utils

from db.session import SESSION

POSTGRES_CONNECT_SECONDS = 10
"""How long to wait for one host, unless the URL has a `connect_timeout`."""

HOSTS_SECONDS = 30
"""How long to wait for all hosts together, whatever the URL says. A worker that waits gives no sign
of life meanwhile: this must stay well below `INBOX_STALL_SECONDS`, 120 by default."""

HOSTS_MAX = 16

Address = tuple[str, int] | str
"""A host and its port, or the path of a Unix socket."""

_SOCKET_OPTIONS = {
    "keepalives_idle": "TCP_KEEPIDLE",
    "keepalives_interval": "TCP_KEEPINTVL",
    "keepalives_count": "TCP_KEEPCNT",
    "tcp_user_timeout": "TCP_USER_TIMEOUT",
}
"""Options of libpq, and their names on a socket. Not every system has all of them."""

LARGEST = {"keepalives_idle": 32_767, "keepalives_interval": 32_767, "keepalives_count": 127}
"""The largest values that Linux takes, as MAX_TCP_KEEP* in its include/net/tcp.h."""

_OF_LIBPQ = {"keepalives", "connect_timeout", "application_name", "fallback_application_name"}
"""Other options of libpq that are honoured here."""

_HARMLESS = {
    "gssencmode": {"disable", "prefer"},
    "channel_binding": {"disable", "prefer"},
    "pgbouncer": {"false"},
    "client_encoding": {"utf8", "utf-8", "auto"},
    "sslcompression": {"0"},
    "sslsni": {"1"},
    "gssdelegation": {"0"},
    "sslcertmode": {"allow"},
    "load_balance_hosts": {"disable", "random"},
    "target_session_attrs": {"any", "primary", "read-write"},
}
"""Values that ask for what is done in any case, or for nothing."""

_REFUSED = {
    "channel_binding": "is not supported: take it out, and write sslmode=verify-full, "
    "which keeps an impostor out too",
    "gssencmode": "is not supported: take it out, and write sslmode=verify-full",
    "pgbouncer": "says that PgBouncer pools transactions, which the inbox cannot use: name "
    "Postgres itself, or see docs/operating.md",
    "client_encoding": "must be UTF8: take it out",
    "sslcompression": "is not supported: take it out",
    "sslsni": "is not supported: take it out",
    "gssdelegation": "is not supported: take it out",
    "sslcertmode": "is not supported: take it out",
    "load_balance_hosts": "must be disable or random",
    "target_session_attrs": "must be any, primary or read-write: the inbox writes",
    "ssl": "is not an option of Postgres: write sslmode=require, or verify-full",
    "hostaddr": "is not supported: write the address as the host",
    "replication": "is not for this program: take it out",
    "require_auth": "is not supported: take it out, and write sslmode=verify-full",
    "requirepeer": "is not supported: take it out",
}
"""Why other values of these options are refused, and what to do."""


_OF_ASYNCPG = {
    *("host", "port", "user", "password", "passfile", "dbname", "database", "service"),
    *("servicefile", "sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version", "sslnegotiation", "krbsrvname"),
    *("gsslib", "options"),
}
"""Options that asyncpg or Postgres has, whatever the server's settings are called."""

_SETTING = re.compile(r"(?:^|(?<!\\)\s)(?:-c\s*|--)([^\s=]+)")
"""The name of a setting in `options`, which Postgres reads as its own command line. A blank after a
backslash belongs to a value. https://www.postgresql.org/docs/current/app-postgres.html"""

_FORM = (
    "must be postgresql://user:password@host:port,.../database?option=value&..., where the user, "
    "password and database have @ as %40, / as %2F, # as %23, ? as %3F, : as %3A, % as %25"
)


class DatabaseUrl(NamedTuple):
    """What a URL says. Never print it: it may hold a password."""

    dsn: str
    """The URL for asyncpg, without the options that asyncpg does not know."""
    addresses: tuple[Address, ...]
    """Where Postgres may be, at least one."""
    is_shuffled: bool
    """Whether the addresses are tried in a random order."""
    connect_seconds: float
    """How long to wait for one address, at most."""
    socket_options: tuple[tuple[int, int, int], ...]
    """Level, name and value of what is set on each TCP socket."""
    application_name: str | None
    system_authorities: bool
    """Whether the server must prove its host name with a certificate that this system trusts."""
    certificate: tuple[str, str | None] | None
    """This client's certificate and key, with `system_authorities`; else asyncpg loads them."""

    def tls(self) -> ssl.SSLContext | None:
        """Returns the TLS settings that override `sslmode`, if any do."""
        return system_context(self.certificate) if self.system_authorities else None


def parse_url(value: str) -> DatabaseUrl:
    """Returns what a URL says. Raises ValueError with what to do, without a piece of a secret."""
    parts = _split(value)
    options = _options(parts.query)
    _check_options(options)
    system = options.get("sslrootcert") == "system"
    if system and options.get("sslmode", "verify-full") != "verify-full":
        raise ValueError("sslrootcert=system: needs sslmode=verify-full")
    certificate = (options["sslcert"], options.get("sslkey")) if "sslcert" in options else None
    ours = {*_HARMLESS, *_SOCKET_OPTIONS, *_OF_LIBPQ}
    ours |= {"sslrootcert", "sslmode"} if system else set()
    left = {name: text for name, text in options.items() if name not in ours}
    dsn = parts._replace(query=urlencode(left, quote_via=quote)).geturl()
    url = DatabaseUrl(
        dsn,
        (),
        options.get("load_balance_hosts") == "random",
        _number(options, "connect_timeout", 0) or POSTGRES_CONNECT_SECONDS,
        _socket_options(options),
        options.get("application_name") or options.get("fallback_application_name"),
        system,
        certificate if system else None,
    )
    return url._replace(addresses=_addresses(url))


def _split(value: str) -> SplitResult:
    try:
        parts = urlsplit(value)
    except ValueError:
        # Its message may quote the password.
        raise ValueError(_FORM) from None
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ValueError("must be a URL with postgresql or postgres")
    user, _, hosts = parts.netloc.rpartition("@")
    if " " in value or not value.isprintable():
        # The standard library would drop some of these characters, and asyncpg would keep others.
        raise ValueError(_FORM)
    if "@" in user or parts.fragment or "@" in parts.path or "@" in hosts:
        raise ValueError(_FORM)
    for host in hosts.split(",") if hosts else ():
        _check_host(host)
    return parts


def _check_host(text: str) -> None:
    host, closed, port = text.rpartition("]") if text.startswith("[") else text.partition(":")
    if closed == "]":
        port = port.removeprefix(":")
    if not host or (port and not (port.isascii() and port.isdigit() and int(port) < 65536)):
        raise ValueError(_FORM)


def _options(query: str) -> dict[str, str]:
    """Returns the options; of one that is given twice, the last counts."""
    try:
        options = dict(parse_qsl(query, strict_parsing=True)) if query else {}
    except ValueError:
        raise ValueError(_FORM) from None
    if not all(name.replace("_", "").replace(".", "").isalnum() for name in options):
        # Most likely a password with a question mark.
        raise ValueError(_FORM)
    known = {*_OF_ASYNCPG, *_HARMLESS, *_REFUSED, *_SOCKET_OPTIONS, *_OF_LIBPQ}
    if not options.keys().isdisjoint({"password", "sslpassword"}) and options.keys() - known:
        # The rest of a password after its `&`: Postgres would refuse it, and quote it.
        raise ValueError(f"has a password among its options, in which & must be %26; {_FORM}")
    return options


def _check_options(options: dict[str, str]) -> None:
    for name, value in options.items():
        if name in _REFUSED and value.lower() not in _HARMLESS.get(name, ()):
            raise ValueError(f"{name}: {_REFUSED[name]}")
        if name.lower() in SESSION:
            raise ValueError(f"{name}: is set by the inbox itself: take it out")
    for name in _SETTING.findall(options.get("options", "")):
        if (known := name.replace("-", "_").lower()) in SESSION:
            raise ValueError(f"options: {known} is set by the inbox itself: take it out")


def _socket_options(options: dict[str, str]) -> tuple[tuple[int, int, int], ...]:
    """Returns what to set on a socket. `keepalives=0` switches the probes off, as in libpq."""
    found = []
    for name, option in _SOCKET_OPTIONS.items():
        if (number := _number(options, name, 0)) and hasattr(socket, option):
            found.append((socket.IPPROTO_TCP, int(getattr(socket, option)), number))
    on = _number(options, "keepalives", 0) if "keepalives" in options else bool(found)
    return ((socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(bool(on))), *found) if on else ()


def _number(options: dict[str, str], name: str, otherwise: int) -> int:
    text = options.get(name)
    if text is None:
        return otherwise
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(f"{name}: must be a whole number")
    if int(text) > (largest := LARGEST.get(name, int(text))):
        raise ValueError(f"{name}: must be at most {largest}")
    return int(text)


def _addresses(url: DatabaseUrl) -> tuple[Address, ...]:
    """Returns the addresses that asyncpg would try. Raises ValueError for what it does not take.

    It loads the files that the URL names, so a file that is missing is found here.
    """
    names = ("host", "port", "user", "password", "passfile", "database", "service", "servicefile")
    unset = dict.fromkeys((*names, "direct_tls", "server_settings", "krbsrvname", "gsslib"))
    try:
        addresses, _ = connect_utils._parse_connect_dsn_and_args(  # type: ignore[attr-defined]
            dsn=url.dsn, ssl=url.tls(), target_session_attrs="read-write", **unset
        )
    except asyncpg.ClientConfigurationError as error:
        # asyncpg quotes options and files here, never the user or the password.
        text = str(error).partition("\n")[0]
        known = ": name it as sslrootcert, or write sslrootcert=system"
        raise ValueError(text + known * ("root certificate" in text)) from None
    except OSError as error:
        problem = error.strerror or type(error).__name__
        raise ValueError(f"names a file that cannot be used: {problem}") from None
    except (KeyError, LookupError):
        raise ValueError("names no user, and this process has none") from None
    except (ValueError, TypeError):
        raise ValueError("must have one port, or as many ports as hosts") from None
    if len(addresses) > HOSTS_MAX:
        raise ValueError(f"must have at most {HOSTS_MAX} hosts")
    return tuple(addresses)


@lru_cache(maxsize=4)
def system_context(certificate: tuple[str, str | None] | None) -> ssl.SSLContext:
    """Returns TLS settings with the authorities of this system, and a client's certificate.

    There is one for each process: it takes long to read the system's certificates.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["postgresql"])
    if certificate is not None:
        # Without a password here, OpenSSL would prompt for one on the terminal, and wait.
        context.load_cert_chain(*certificate, password="")
    return context
