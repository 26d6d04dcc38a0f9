"""The security of connections to Kafka: TLS, a user's name and password, both, or neither."""

import logging
import ssl
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

# At DEBUG this logger writes each request in full, with passwords and contacts' messages.
logging.getLogger("aiokafka.conn").setLevel(logging.INFO)

PREFIX = "INBOX_KAFKA_SECURITY_"

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class SettingsConflict(ValueError):
    """Two settings contradict each other, or a file does not hold what its setting needs."""

    def __init__(self, name: str, problem: str) -> None:
        """`name` is the name of the variable without the prefix."""
        super().__init__(f"{PREFIX}{name}: {problem}")


class KafkaSecurity(NamedTuple):
    """The settings of `INBOX_KAFKA_SECURITY_`."""

    protocol: Protocol
    mechanism: Mechanism
    username: str | None
    password: str | None
    cafile: Path | None
    certfile: Path | None
    keyfile: Path | None

    def __repr__(self) -> str:
        """Returns a text without the password, which may be shown."""
        return f"KafkaSecurity(protocol={self.protocol!r}, ...)"

    @property
    def tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.protocol in {"SSL", "SASL_SSL"}

    @property
    def sasl(self) -> bool:
        """Whether clients authenticate with a name and a password."""
        return self.protocol in {"SASL_PLAINTEXT", "SASL_SSL"}

    def check(self) -> None:
        """Raise SettingsConflict for a setting that is missing, or set but ignored.

        A password without SASL most likely means that somebody forgot to set the protocol.
        """
        for name, value in (("USERNAME", self.username), ("PASSWORD", self.password)):
            if self.sasl and value is None:
                raise SettingsConflict(
                    name, f"is not set, and the protocol {self.protocol} needs it"
                )
            if not self.sasl and value is not None:
                raise SettingsConflict(name, f"is set, and the protocol {self.protocol} ignores it")
        files = {"CAFILE": self.cafile, "CERTFILE": self.certfile, "KEYFILE": self.keyfile}
        for name, file in files.items():
            if not self.tls and file is not None:
                raise SettingsConflict(name, f"is set, and the protocol {self.protocol} ignores it")
        if self.keyfile is not None and self.certfile is None:
            raise SettingsConflict(
                "CERTFILE", f"is not set, and {PREFIX}KEYFILE is of no use without it"
            )
        if self.tls:
            self.context()

    def context(self) -> ssl.SSLContext:
        """Returns the TLS settings. They always verify a broker's certificate and host name.

        Raises SettingsConflict.
        """
        return _context(self.cafile, self.certfile, self.keyfile)

    def arguments(self) -> dict[str, Any]:
        """Returns the keyword arguments that an aiokafka client takes for these settings."""
        arguments: dict[str, Any] = {"security_protocol": self.protocol}
        if self.tls:
            arguments["ssl_context"] = self.context()
        if self.sasl:
            arguments |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return arguments


@lru_cache(maxsize=8)
def _context(cafile: Path | None, certfile: Path | None, keyfile: Path | None) -> ssl.SSLContext:
    """Returns one context per process: it takes long to read the system's certificates."""
    try:
        context = ssl.create_default_context(cafile=cafile)
    except OSError as error:
        raise SettingsConflict("CAFILE", f"cannot be used: {_reason(error)}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certfile is None:
        return context
    try:
        # Without a password here, OpenSSL would prompt for one on the terminal, and wait.
        context.load_cert_chain(certfile, keyfile, password="")
    except OSError as error:
        problem = f"cannot be used with its key, which must have no passphrase: {_reason(error)}"
        raise SettingsConflict("CERTFILE", problem) from None
    return context


def _reason(error: OSError) -> str:
    return f"{type(error).__name__}: {error.strerror or error}"
