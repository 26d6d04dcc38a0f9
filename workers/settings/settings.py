"""Every setting, declared once: its variable, meaning, default and check.

Settings come from environment variables only. A wrong value raises SettingsError, whose message
has the name of the variable and the reason.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from workers.settings.api_settings import ApiSettings
from workers.settings.database_url import postgres_url
from workers.settings.declared import setting
from workers.settings.kafka_security import (
    KafkaSecurity,
    Mechanism,
    Protocol,
    SettingsConflict,
)
from workers.settings.values import (
    SendRates,
    TwilioAccounts,
    brokers,
    directory,
    file,
    http_url,
    integer,
    listening_host,
    local_url,
    log_level,
    one_of,
    public_url,
    ratio,
    send_rates,
    topic_name_part,
    twilio_accounts,
    without_login,
)
from workers.settings.variables import SettingsError, Variable, as_text, masked

DEFAULT_GROUP = "inbox"
"""The consumer group where neither it nor a prefix of the topics is set."""

Role = Literal["ingest", "relay", "send", "web", "api"]
"""A part of a worker's work. Workers may have different roles: the command line sets them."""

DEFAULT_ROLES: tuple[Role, ...] = ("ingest", "relay", "send", "web")
"""Without `api`, which has to be told whom to trust."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Settings(ApiSettings):
    """All settings, checked. A setting is None only if it is not set and has no default."""

    kafka: tuple[str, ...] | None = setting(
        "INBOX_KAFKA",
        "Kafka's bootstrap servers, `host:port,...`; without it `inbox dev` starts a Kafka",
        brokers,
    )
    security_protocol: Protocol = setting(
        "INBOX_KAFKA_SECURITY_PROTOCOL",
        "`PLAINTEXT`, `SSL` (TLS), `SASL_PLAINTEXT` (name and password) or `SASL_SSL` (both)",
        one_of(*get_args(Protocol)),
        "PLAINTEXT",
    )
    sasl_mechanism: Mechanism = setting(
        "INBOX_KAFKA_SECURITY_SASL_MECHANISM",
        "SASL mechanism: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`",
        one_of(*get_args(Mechanism)),
        "SCRAM-SHA-512",
    )
    kafka_username: str | None = setting(
        "INBOX_KAFKA_SECURITY_USERNAME", "Name of the Kafka user, for SASL", exact=True
    )
    kafka_password: str | None = setting(
        "INBOX_KAFKA_SECURITY_PASSWORD", "Password of that user", secret=True, exact=True
    )
    kafka_cafile: Path | None = setting(
        "INBOX_KAFKA_SECURITY_CAFILE",
        "PEM file of the authority that signs the brokers' certificates; "
        "without it, the authorities of the system",
        file,
    )
    kafka_certfile: Path | None = setting(
        "INBOX_KAFKA_SECURITY_CERTFILE",
        "PEM file of this client's certificate, if it has one",
        file,
    )
    kafka_keyfile: Path | None = setting(
        "INBOX_KAFKA_SECURITY_KEYFILE",
        "PEM file of that certificate's key, if it is not in the same file; without a passphrase",
        file,
    )
    database_url: str | None = setting(
        "INBOX_DATABASE_URL",
        "URL of the workers' database; without it `inbox dev` starts a Postgres",
        postgres_url,
    )
    given_migration_database_url: str | None = setting(
        "INBOX_MIGRATION_DATABASE_URL",
        "URL of that database for the schema's owner, for `inbox migrate`; "
        "without it `INBOX_DATABASE_URL` is used",
        postgres_url,
    )
    topic_prefix: str = setting(
        "INBOX_TOPIC_PREFIX", "Prefix of the names of all topics", topic_name_part, "inbox."
    )
    partitions: int = setting(
        "INBOX_PARTITIONS", "Partitions of each topic", integer(1, 10_000), "32"
    )
    replication: int = setting(
        "INBOX_REPLICATION",
        "Replicas of each partition; from 3 on, a record is acknowledged when two of them have it",
        integer(1, 100),
        "1",
    )
    web_host: str = setting(
        "INBOX_WEB_HOST",
        "Address on which the worker's web server listens: `0.0.0.0` is every IPv4 address, `::` "
        "every address, IPv4 and IPv6",
        listening_host,
        "127.0.0.1",
    )
    web_port: int = setting(
        "INBOX_WEB_PORT", "Port of the worker's web server", integer(1, 65535), "6066"
    )
    public_url: str = setting(
        "INBOX_PUBLIC_URL",
        "Public URL of the worker's web server, which Twilio calls and signs",
        public_url,
        "http://127.0.0.1:6066",
    )
    given_app_url: str | None = setting(
        "INBOX_APP_URL",
        "Prefix of `inbox_url` in notifications and notes; without it `INBOX_PUBLIC_URL` is used",
        http_url(),
    )
    twilio_accounts: TwilioAccounts = setting(
        "INBOX_TWILIO_ACCOUNTS",
        'JSON: `{"AC...": {"account_id": "...", "auth_token": "...", '
        '"previous_auth_tokens": [], "signing_keys": {"<id>": "<secret>"}}}`',
        twilio_accounts,
        "{}",
        secret=True,
    )
    twilio_api_url: str = setting(
        "INBOX_TWILIO_API_URL",
        "Base URL of Twilio's API",
        http_url(),
        "https://api.twilio.com",
    )
    data_dir: Path = setting(
        "INBOX_DATA_DIR",
        "Directory of all files that a worker keeps on its disk",
        directory,
        "./.inbox",
        exact=True,
    )
    spool_bytes: int = setting(
        "INBOX_SPOOL_BYTES",
        "Largest size of the webhooks that a worker keeps on its disk while Kafka or Postgres is "
        "away; more webhooks are answered 503",
        integer(64 * 1024, 2**50),
        str(2**30),
    )
    send_rates: SendRates = setting(
        "INBOX_SEND_RATES",
        "JSON: messages per second of each sender, by the beginning of its address; the longest "
        "beginning that matches applies",
        send_rates,
        '{"": 1, "messenger:": 40, "whatsapp:": 80}',
    )
    sends_in_flight: int = setting(
        "INBOX_SENDS_IN_FLIGHT",
        "Largest number of replies that a worker posts to the provider at the same time",
        integer(1, 10_000),
        "64",
    )
    given_group: str | None = setting(
        "INBOX_GROUP",
        "Kafka consumer group of the workers; without it `INBOX_TOPIC_PREFIX` without its last "
        "dot, so that workers of two prefixes are no members of one group",
        topic_name_part,
    )
    instance_id: str | None = setting(
        "INBOX_INSTANCE_ID",
        "Name of this worker within the group; if it is the same after a restart, "
        "the other workers need no rebalance",
        topic_name_part,
    )
    batch_records: int = setting(
        "INBOX_BATCH_RECORDS",
        "Largest number of records in one transaction",
        integer(1, 10_000),
        "2000",
    )
    dead_letter_run: int = setting(
        "INBOX_DEAD_LETTER_RUN",
        "A worker stops before it dead-letters this many records of a topic in a row",
        integer(1, 1_000_000_000),
        "1000",
    )
    dead_letter_ratio: float = setting(
        "INBOX_DEAD_LETTER_RATIO",
        "A worker stops when it dead-letters more than this fraction of the last 10,000 records "
        "of a topic",
        ratio,
        "0.5",
    )
    stall_seconds: int = setting(
        "INBOX_STALL_SECONDS",
        "A worker exits when it makes no progress for this many seconds while it has work",
        integer(10, 86_400),
        "120",
    )
    log_level: str = setting(
        "INBOX_LOG_LEVEL", "`DEBUG`, `INFO`, `WARNING` or `ERROR`", log_level, "INFO"
    )

    @property
    def migration_database_url(self) -> str | None:
        """The URL with which migrations are applied."""
        return self.given_migration_database_url or self.database_url

    @property
    def api_database_url(self) -> str | None:
        """The URL with which the role `api` logs in."""
        return self.given_api_database_url or self.database_url

    @property
    def group(self) -> str:
        """The consumer group of the workers."""
        return self.given_group or self.topic_prefix.removesuffix(".") or DEFAULT_GROUP

    @property
    def local_url(self) -> str:
        """The URL of a worker's web server, for this machine."""
        return local_url(self.web_host, self.web_port)

    @property
    def app_url(self) -> str:
        """The prefix of links to the inbox. Many people see them, so it holds no password."""
        return self.given_app_url or without_login(self.public_url)

    @property
    def kafka_security(self) -> KafkaSecurity:
        """The settings of `INBOX_KAFKA_SECURITY_`."""
        protocol, files = self.security_protocol, (self.kafka_certfile, self.kafka_keyfile)
        user = (self.sasl_mechanism, self.kafka_username, self.kafka_password)
        return KafkaSecurity(protocol, *user, self.kafka_cafile, *files)

    def __repr__(self) -> str:
        shown = (f"{item.name}={masked(item, value)}" for item, value in self._texts())
        return f"Settings({', '.join(shown)})"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Returns the settings of an environment. Raises SettingsError."""
        values = {item.name: _variable(item).read(environment) for item in _fields(cls)}
        settings = cls(**values)
        try:
            settings.kafka_security.check()
        except SettingsConflict as error:
            raise SettingsError(str(error)) from None
        return settings

    @classmethod
    def variables(cls) -> list[Variable]:
        """Returns the declarations of all settings, in order. The documentation is made of them."""
        return [_variable(item) for item in _fields(cls)]

    def environment(self) -> dict[str, str]:
        """Returns the environment from which another process reads the same settings."""
        return {variable.name: text for variable, text in self._texts()}

    def _texts(self) -> Iterator[tuple[Variable, str]]:
        for item in _fields(type(self)):
            if (value := getattr(self, item.name)) is not None:
                yield _variable(item), as_text(value)

    def topic(self, name: str) -> str:
        """Returns the full name of a topic."""
        return self.topic_prefix + name


def _fields(settings: type[Settings]) -> list["Field[Any]"]:
    """Returns the declarations in the order of the documentation: those of one role come last."""
    of_api = {item.name for item in fields(ApiSettings)}
    return sorted(fields(settings), key=lambda item: item.name in of_api)


def _variable(item: Any) -> Variable:
    variable: Variable = item.metadata["variable"]
    return variable
