"""Parses the texts of variables into values. The message of a WrongValue is the reason.

No message quotes a piece of the text: whatever the setting is, a secret may have got into it.
"""

import json
import re
from collections.abc import Callable, Iterator
from ipaddress import AddressValueError, IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from schemas.fields import Account
from workers.settings.variables import WrongValue, is_blank_at_an_end

DIGITS_MAX = 20

_HOST_NAME = re.compile(r"[\w.-]+")
_HOST_PATTERN = re.compile(r"(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")
"""At least two parts, of which the last begins with a letter: that of an address does not."""
_WEBHOOK_PATH = re.compile(r"/twilio/[a-z]+$")
_BEGINNING = re.compile(r"[a-z0-9]+:\S*|[^\s:]*")
_ACCOUNT_SID = re.compile(r"AC[0-9a-fA-F]{32}")  # so in Twilio's OpenAPI documents


class TwilioAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of our accounts at Twilio, and the secrets with which Twilio may sign."""

    account_id: Account
    auth_token: str = msgspec.field(default="")
    previous_auth_tokens: tuple[str, ...] = ()
    signing_keys: dict[str, str] = {}

    def __post_init__(self) -> None:
        if not (self.auth_token or self.signing_keys):
            raise ValueError("an account needs an auth_token or signing_keys")

    def __repr__(self) -> str:
        """Returns a text without the secrets, which may be shown."""
        return f"TwilioAccount(account_id={self.account_id!r}, ...)"

    def secrets(self) -> Iterator[str]:
        """Yield all secrets of the account."""
        yield self.auth_token
        yield from self.previous_auth_tokens
        yield from self.signing_keys.values()


TwilioAccounts = dict[str, TwilioAccount]
SendRates = dict[str, float]


def text(value: str) -> str:
    """Returns the text itself: any text is valid."""
    return value


def http_url(*, login: bool = False) -> Callable[[str], str]:
    """Returns a parser of URLs of web servers, with or without a name and a password in them."""

    def parse(value: str) -> str:
        try:
            parts = urlsplit(value)
            known, _ = parts.scheme in {"http", "https"} and parts.hostname, parts.port
        except ValueError:
            raise WrongValue(
                "must be a URL whose host and port can be read: in a password each of / ? # [ ] @ "
                ": is percent-encoded, and an IPv6 address stands in brackets"
            ) from None
        if not known:
            raise WrongValue("must be a URL with http or https")
        if not value.isprintable() or " " in value:
            raise WrongValue("must be a URL without blanks, line breaks and control characters")
        if "?" in value or "#" in value:
            raise WrongValue("must be a URL without query and fragment")
        if "@" in parts.netloc and not login:
            raise WrongValue("must be a URL without a name and a password")
        return value.rstrip("/")

    return parse


def public_url(value: str) -> str:
    """Returns the URL that Twilio calls, up to the paths of the webhooks."""
    parsed = http_url(login=True)(value)
    if _WEBHOOK_PATH.search(parsed):
        # Both the worker and Twilio would sign a path with another one behind it.
        raise WrongValue("must end before the path of a webhook: leave out /twilio/...")
    return parsed


def without_login(value: str) -> str:
    """Returns a URL without the name and the password in it."""
    parts = urlsplit(value)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def integer(lowest: int, highest: int) -> Callable[[str], int]:
    """Returns a parser of whole numbers between two limits."""

    def parse(value: str) -> int:
        if not _is_number(value) or not lowest <= int(value) <= highest:
            raise WrongValue(f"must be a whole number from {lowest} to {highest}")
        return int(value)

    return parse


def _is_number(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= DIGITS_MAX


def ratio(value: str) -> float:
    """Returns a number above 0 and at most 1."""
    try:
        ratio = float(value)
    except ValueError:
        ratio = -1.0
    if not 0 < ratio <= 1:
        raise WrongValue("must be a number above 0 and at most 1")
    return ratio


def brokers(value: str) -> tuple[str, ...]:
    """Returns the addresses of a list `host:port,...`."""
    brokers = tuple(broker.strip() for broker in value.split(","))
    for number, broker in enumerate(brokers, 1):
        host, _, port = broker.rpartition(":")
        if not _is_host(host) or not _is_number(port) or not 0 < int(port) < 65536:
            raise WrongValue(
                f"must be host:port,... and number {number} of {len(brokers)} is not; "
                "an IPv6 address stands in brackets"
            )
    return brokers


def _is_host(host: str) -> bool:
    """Whether it is a host as URLs have it: a name, an IPv4 address, or an IPv6 one in brackets."""
    if not (host.startswith("[") and host.endswith("]")):
        return _HOST_NAME.fullmatch(host) is not None
    try:
        IPv6Address(host[1:-1])
    except AddressValueError:
        return False
    return True


def networks(value: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Returns the networks of a list `10.0.0.0/8,...`."""
    found = [part.strip() for part in value.split(",")] if value else []
    try:
        return tuple(ip_network(part) for part in found)
    except ValueError:
        raise WrongValue(
            "must be networks such as 10.0.0.0/8,fd00::/8, with no bits set behind the prefix"
        ) from None


def host_patterns(value: str) -> tuple[str, ...]:
    """Returns the names, and the ends of names, of a list `files.example.com,*.example.com`."""
    found = [part.strip().lower() for part in value.split(",")] if value else []
    if not all(map(_HOST_PATTERN.fullmatch, found)):
        raise WrongValue(
            "must be names of hosts such as files.example.com,*.example.com: no addresses, ports "
            "or URLs"
        )
    return tuple(found)


def listening_host(value: str) -> str:
    """Returns an address or a name of this machine. An IPv6 address may stand in brackets."""
    if not _is_host(value) and not _is_host(f"[{value}]"):
        raise WrongValue("must be an IP address or the name of a host, without a port")
    return value.strip("[]")


def local_url(host: str, port: int) -> str:
    """Returns the URL at which this machine reaches a server that listens on a host and a port."""
    any_address = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # nothing is bound here
    reached = any_address.get(host, host)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def one_of(*known: str) -> Callable[[str], str]:
    """Returns a parser of one of these words, in upper or lower case."""

    def parse(value: str) -> str:
        if value.upper() not in known:
            raise WrongValue(f"must be {', '.join(known[:-1])} or {known[-1]}")
        return value.upper()

    return parse


log_level = one_of("DEBUG", "INFO", "WARNING", "ERROR")
"""Parses a level of the standard library's logging."""


def file(value: str) -> Path:
    """Returns the path of a file, which must be readable."""
    try:
        with open(value, "rb") as opened:
            opened.read(1)
    except OSError as error:
        raise WrongValue(f"cannot be read: {error.strerror}") from None
    return Path(value)


def directory(value: str) -> Path:
    """Returns the path of a directory, which need not exist."""
    if "://" in value:
        raise WrongValue("must be the path of a directory, and is a URL")
    return Path(value)


def topic_name_part(value: str) -> str:
    """Returns a text that may be part of the name of a topic or a consumer group."""
    if not set(value) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
    ) or (len(value) > 100):
        raise WrongValue("must be at most 100 letters, digits, dots, dashes and underscores")
    return value


def twilio_accounts(value: str) -> TwilioAccounts:
    """Returns our accounts at Twilio, by AccountSid."""
    try:
        accounts = msgspec.json.decode(value, type=TwilioAccounts)
    except msgspec.MsgspecError as error:
        raise WrongValue(f"must be JSON as documented: {_without_names(error)}") from None
    if len(json.loads(value, object_pairs_hook=list)) > len(accounts):
        raise WrongValue("must name each AccountSid once")
    for number, (sid, account) in enumerate(accounts.items(), 1):
        if wrong := _wrong_in(sid, account):
            # By its number: a secret may stand in the place of the AccountSid.
            raise WrongValue(f"account {number} of {len(accounts)}: {wrong}")
    return accounts


def _without_names(error: msgspec.MsgspecError) -> str:
    """Returns what msgspec found wrong. It quotes a field that it does not know, as a secret may be
    in the place of one.
    """
    if "unknown field" not in str(error):
        return str(error)
    known = ", ".join(TwilioAccount.__struct_fields__)
    return f"an account has a field other than {known}"


def _wrong_in(sid: str, account: TwilioAccount) -> str:
    """Returns what is wrong with an account; an empty text if nothing is."""
    if not _ACCOUNT_SID.fullmatch(sid):
        wrong = "its AccountSid must be AC and 32 hexadecimal digits, as Twilio's console shows it"
        lower = _ACCOUNT_SID.fullmatch(sid[:2].upper() + sid[2:])
        return f"{wrong}: write AC in capital letters" if lower else wrong
    if any(map(is_blank_at_an_end, account.secrets())):
        return "a token or signing key begins or ends with a blank or a line break: remove it"
    return ""


def send_rates(value: str) -> SendRates:
    """Returns messages per second, by the beginning of a sender's address."""
    try:
        rates = msgspec.json.decode(value, type=SendRates)
    except msgspec.MsgspecError as error:
        raise WrongValue(f'must be JSON such as {{"whatsapp:": 80}}: {error}') from None
    if "" not in rates:
        raise WrongValue('needs a rate for "", which is every other sender')
    if not all(map(_BEGINNING.fullmatch, rates)):
        # It would match no address, and its senders would have the usual rate.
        raise WrongValue(
            "must have beginnings of addresses such as whatsapp:+1415: the channel in small "
            "letters, and no blanks"
        )
    if not all(0 < rate <= 10_000 for rate in rates.values()):
        raise WrongValue("each rate must be above 0 and at most 10000")
    return rates
