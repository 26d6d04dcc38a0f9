"""Every setting, declared once: its variable, meaning, default and check.

Settings come from environment variables alone. A bad value raises SettingsError, which names the
variable and says what is wrong with it.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args
from urllib.parse import urlsplit, urlunsplit

import msgspec

from workers.settings.kafka_security import KafkaSecurity, Mechanism, Misfit, Protocol
from workers.settings.values import (
    SendRates,
    TwilioAccounts,
    brokers,
    file,
    integer,
    log_level,
    one_of,
    ratio,
    send_rates,
    text,
    topic_name_part,
    twilio_accounts,
    url,
)

T = TypeVar("T")

Role = Literal["ingest", "relay", "send", "web"]
"""What a worker may do; chosen on the command line, since copies differ in it."""


class SettingsError(Exception):
    """A setting is missing or wrong; the message names its variable."""


@dataclass(frozen=True, slots=True)
class Variable:
    """How one setting is read."""

    name: str
    meaning: str
    default: str | None
    """As it would stand in the environment; None for a setting without a default."""
    parse: Callable[[str], Any]
    secret: bool = False
    """Whether `inbox config` must mask it: passwords of URLs are always masked."""


def _setting(
    name: str,
    meaning: str,
    parse: Callable[[str], Any] = text,
    default: str | None = None,
    *,
    secret: bool = False,
) -> Any:
    return field(metadata={"variable": Variable(name, meaning, default, parse, secret)})


@dataclass(frozen=True, kw_only=True, repr=False)
class Settings:
    """All settings, checked. `None` only where a setting has no default and was not given."""

    kafka: tuple[str, ...] | None = _setting(
        "INBOX_KAFKA",
        "Kafka's bootstrap servers, `host:port,...`; `inbox dev` starts its own without it",
        brokers,
    )
    security_protocol: Protocol = _setting(
        "INBOX_KAFKA_SECURITY_PROTOCOL",
        "`PLAINTEXT`, `SSL` (TLS), `SASL_PLAINTEXT` (name and password) or `SASL_SSL` (both)",
        one_of(*get_args(Protocol)),
        "PLAINTEXT",
    )
    sasl_mechanism: Mechanism = _setting(
        "INBOX_KAFKA_SECURITY_SASL_MECHANISM",
        "How the name and password are given: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`",
        one_of(*get_args(Mechanism)),
        "SCRAM-SHA-512",
    )
    kafka_username: str | None = _setting(
        "INBOX_KAFKA_SECURITY_USERNAME", "Name of the user at Kafka, for SASL"
    )
    kafka_password: str | None = _setting(
        "INBOX_KAFKA_SECURITY_PASSWORD", "That user's password", secret=True
    )
    kafka_cafile: Path | None = _setting(
        "INBOX_KAFKA_SECURITY_CAFILE", "PEM file of the brokers' authority; else the system's", file
    )
    kafka_certfile: Path | None = _setting(
        "INBOX_KAFKA_SECURITY_CERTFILE", "PEM file of this client's certificate, if any", file
    )
    kafka_keyfile: Path | None = _setting(
        "INBOX_KAFKA_SECURITY_KEYFILE", "PEM file of its key, if apart; no passphrase", file
    )
    database_url: str | None = _setting(
        "INBOX_DATABASE_URL",
        "Postgres of the workers; likewise",
        url("postgresql", "postgres"),
    )
    given_migration_database_url: str | None = _setting(
        "INBOX_MIGRATION_DATABASE_URL",
        "Postgres as the schema's owner, for `inbox migrate`; `INBOX_DATABASE_URL` without it",
        url("postgresql", "postgres"),
    )
    topic_prefix: str = _setting(
        "INBOX_TOPIC_PREFIX", "Prefix of all topics", topic_name_part, "inbox."
    )
    partitions: int = _setting(
        "INBOX_PARTITIONS", "Partitions of each topic", integer(1, 10_000), "32"
    )
    replication: int = _setting(
        "INBOX_REPLICATION", "Replicas of each partition", integer(1, 100), "1"
    )
    web_host: str = _setting(
        "INBOX_WEB_HOST", "Address the worker's web server listens on", default="127.0.0.1"
    )
    web_port: int = _setting(
        "INBOX_WEB_PORT", "Port of the worker's web server", integer(1, 65535), "6066"
    )
    public_url: str = _setting(
        "INBOX_PUBLIC_URL",
        "What Twilio calls, and therefore signs",
        url("http", "https"),
        "http://127.0.0.1:6066",
    )
    given_app_url: str | None = _setting(
        "INBOX_APP_URL",
        "Prefix of `inbox_url` in notifications and notes; `INBOX_PUBLIC_URL` without it",
        url("http", "https"),
    )
    twilio_accounts: TwilioAccounts = _setting(
        "INBOX_TWILIO_ACCOUNTS",
        'JSON: `{"AC...": {"account_id": "...", "auth_token": "...", '
        '"previous_auth_tokens": [], "signing_keys": {"<id>": "<secret>"}}}`',
        twilio_accounts,
        "{}",
        secret=True,
    )
    twilio_api_url: str = _setting(
        "INBOX_TWILIO_API_URL",
        "Base URL of Twilio's API",
        url("http", "https"),
        "https://api.twilio.com",
    )
    data_dir: Path = _setting(
        "INBOX_DATA_DIR", "Whatever must be on a worker's disk", Path, "./.inbox"
    )
    spool_bytes: int = _setting(
        "INBOX_SPOOL_BYTES",
        "Webhooks that a worker keeps on its disk while Kafka or Postgres is away; "
        "above it they are answered 503",
        integer(64 * 1024, 2**50),
        str(2**30),
    )
    send_rates: SendRates = _setting(
        "INBOX_SEND_RATES",
        "JSON: messages per second of each sender, by the beginning of its address; the longest "
        "that fits counts",
        send_rates,
        '{"": 1, "messenger:": 40, "whatsapp:": 80}',
    )
    sends_in_flight: int = _setting(
        "INBOX_SENDS_IN_FLIGHT",
        "Replies that a worker posts to the provider at once",
        integer(1, 10_000),
        "64",
    )
    group: str = _setting(
        "INBOX_GROUP", "Kafka consumer group of the workers", topic_name_part, "inbox"
    )
    instance_id: str | None = _setting(
        "INBOX_INSTANCE_ID",
        "Name of this worker within the group, the same after a restart: "
        "spares the others a rebalance",
        topic_name_part,
    )
    batch_records: int = _setting(
        "INBOX_BATCH_RECORDS", "Most records in one transaction", integer(1, 10_000), "2000"
    )
    dead_letter_run: int = _setting(
        "INBOX_DEAD_LETTER_RUN",
        "A worker stops before it dead-letters this many records of a topic in a row",
        integer(1, 1_000_000_000),
        "1000",
    )
    dead_letter_ratio: float = _setting(
        "INBOX_DEAD_LETTER_RATIO",
        "A worker stops when more than this part of a topic's last 10,000 records are "
        "dead-lettered",
        ratio,
        "0.5",
    )
    stall_seconds: int = _setting(
        "INBOX_STALL_SECONDS",
        "A worker that makes no progress for so long while there is work exits",
        integer(10, 86_400),
        "120",
    )
    log_level: str = _setting("INBOX_LOG_LEVEL", "DEBUG to ERROR", log_level, "INFO")

    @property
    def migration_database_url(self) -> str | None:
        """Where migrations are applied."""
        return self.given_migration_database_url or self.database_url

    @property
    def app_url(self) -> str:
        """Prefix of links to the inbox."""
        return self.given_app_url or self.public_url

    @property
    def kafka_security(self) -> KafkaSecurity:
        """How Kafka is reached."""
        protocol, files = self.security_protocol, (self.kafka_certfile, self.kafka_keyfile)
        user = (self.sasl_mechanism, self.kafka_username, self.kafka_password)
        return KafkaSecurity(protocol, *user, self.kafka_cafile, *files)

    def __repr__(self) -> str:
        shown = (f"{item.name}={masked(item, value)}" for item, value in self._written())
        return f"Settings({', '.join(shown)})"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read all settings. Raises SettingsError."""
        values = {item.name: _read(_variable(item), environment) for item in fields(cls)}
        settings = cls(**values)
        try:
            settings.kafka_security.check()
        except Misfit as error:
            raise SettingsError(str(error)) from None
        return settings

    @classmethod
    def variables(cls) -> list[Variable]:
        """Every setting's declaration, in order: the documentation is made from it."""
        return [_variable(item) for item in fields(cls)]

    def environment(self) -> dict[str, str]:
        """The variables that give these settings, for a process of one's own."""
        return {variable.name: value for variable, value in self._written()}

    def _written(self) -> Iterator[tuple[Variable, str]]:
        for item in fields(self):
            if (value := getattr(self, item.name)) is not None:
                yield _variable(item), _written(value)

    def topic(self, name: str) -> str:
        """A topic's full name."""
        return self.topic_prefix + name


def _variable(item: Any) -> Variable:
    variable: Variable = item.metadata["variable"]
    return variable


def _read(variable: Variable, environment: Mapping[str, str]) -> Any:
    value = environment.get(variable.name) or variable.default
    if value is None:
        return None
    try:
        return variable.parse(value)
    except ValueError as error:
        raise SettingsError(f"{variable.name}: {error}") from None


def _written(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else str(value)


def required(value: T | None, variable: str) -> T:
    """A setting that this command cannot do without. Raises SettingsError."""
    if value is None:
        raise SettingsError(f"{variable}: is not set, and this command needs it")
    return value


def masked(variable: Variable, value: str) -> str:
    """A setting's value as it may be shown: without its secrets."""
    if variable.secret:
        return "(set)" if value != variable.default else value
    parts = urlsplit(value)
    if parts.password is not None:
        at = parts.netloc.rpartition("@")[2]
        parts = parts._replace(netloc=f"{parts.username}:***@{at}")
    if parts.scheme and "password" in parts.query:
        parts = parts._replace(query="***")
    return urlunsplit(parts) if parts.scheme else value
