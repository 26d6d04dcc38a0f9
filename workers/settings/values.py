"""Parses the texts of variables into values. The message of a ValueError is the reason."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from schemas.fields import Account


class TwilioAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of our accounts at Twilio, and the secrets with which Twilio may sign."""

    account_id: Account
    auth_token: str = msgspec.field(default="")
    previous_auth_tokens: tuple[str, ...] = ()
    signing_keys: dict[str, str] = {}

    def __post_init__(self) -> None:
        if not (self.auth_token or self.signing_keys):
            raise ValueError("an account needs an auth_token or signing_keys")


TwilioAccounts = dict[str, TwilioAccount]
SendRates = dict[str, float]


def text(value: str) -> str:
    """Returns the text itself: any text is valid."""
    return value


def url(*schemes: str) -> Callable[[str], str]:
    """Returns a parser of URLs with one of these schemes."""

    def parse(value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in schemes or not parts.hostname:
            raise ValueError(f"must be a URL with {' or '.join(schemes)}")
        if parts.scheme.startswith("http") and (parts.query or parts.fragment):
            raise ValueError("must be a URL without query and fragment")
        parts.port  # noqa: B018  # raises ValueError for an invalid port
        return value.rstrip("/")

    return parse


def integer(lowest: int, highest: int) -> Callable[[str], int]:
    """Returns a parser of whole numbers between two limits."""

    def parse(value: str) -> int:
        if not value.isascii() or not value.isdigit() or not lowest <= int(value) <= highest:
            raise ValueError(f"must be a whole number from {lowest} to {highest}")
        return int(value)

    return parse


def ratio(value: str) -> float:
    """Returns a number above 0 and at most 1."""
    try:
        ratio = float(value)
    except ValueError:
        ratio = -1.0
    if not 0 < ratio <= 1:
        raise ValueError("must be a number above 0 and at most 1")
    return ratio


def brokers(value: str) -> tuple[str, ...]:
    """Returns the addresses of a list `host:port,...`."""
    brokers = tuple(broker.strip() for broker in value.split(","))
    for broker in brokers:
        host, _, port = broker.rpartition(":")
        valid_host = (host and not set(host) & set(" ;:/@,")) or host.startswith("[")
        if not valid_host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError(f"must be host:port,... and {broker!r} is not")
    return brokers


def one_of(*known: str) -> Callable[[str], str]:
    """Returns a parser of one of these words, in upper or lower case."""

    def parse(value: str) -> str:
        if value.upper() not in known:
            raise ValueError(f"must be {', '.join(known[:-1])} or {known[-1]}")
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
        raise ValueError(f"cannot be read: {error.strerror}") from None
    return Path(value)


def topic_name_part(value: str) -> str:
    """Returns a text that may be part of the name of a topic or a consumer group."""
    if not set(value) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
    ) or (len(value) > 100):
        raise ValueError("must be at most 100 letters, digits, dots, dashes and underscores")
    return value


def twilio_accounts(value: str) -> TwilioAccounts:
    """Returns our accounts at Twilio, by AccountSid."""
    try:
        return msgspec.json.decode(value, type=TwilioAccounts)
    except msgspec.MsgspecError as error:
        raise ValueError(f"must be JSON as documented: {error}") from None


def send_rates(value: str) -> SendRates:
    """Returns messages per second, by the beginning of a sender's address."""
    try:
        rates = msgspec.json.decode(value, type=SendRates)
    except msgspec.MsgspecError as error:
        raise ValueError(f'must be JSON such as {{"whatsapp:": 80}}: {error}') from None
    if "" not in rates:
        raise ValueError('needs a rate for "", which is every other sender')
    if not all(0 < rate <= 10_000 for rate in rates.values()):
        raise ValueError("each rate must be above 0 and at most 10000")
    return rates
