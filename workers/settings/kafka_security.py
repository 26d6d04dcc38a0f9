"""How Kafka is reached: with TLS, with a user's name and password, both, or neither."""

import logging
import ssl
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

# At DEBUG it logs each request as it is sent: passwords, and whatever contacts wrote.
logging.getLogger("aiokafka.conn").setLevel(logging.INFO)

PREFIX = "INBOX_KAFKA_SECURITY_"

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class Misfit(ValueError):
    """Settings that do not go together, or a file that is not what it must be."""

    def __init__(self, name: str, wrong: str) -> None:
        """`name` is the variable's, without the prefix."""
        super().__init__(f"{PREFIX}{name}: {wrong}")


class KafkaSecurity(NamedTuple):
    """The settings of `INBOX_KAFKA_SECURITY_`; never to be shown, since one is a password."""

    protocol: Protocol
    mechanism: Mechanism
    username: str | None
    password: str | None
    cafile: Path | None
    certfile: Path | None
    keyfile: Path | None

    @property
    def tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.protocol in {"SSL", "SASL_SSL"}

    @property
    def sasl(self) -> bool:
        """Whether clients give a name and a password."""
        return self.protocol in {"SASL_PLAINTEXT", "SASL_SSL"}

    def check(self) -> None:
        """Raise Misfit where something is missing, or is set and would be ignored.

        A password that is set beside PLAINTEXT is more likely a protocol that was forgotten.
        """
        for name, value in (("USERNAME", self.username), ("PASSWORD", self.password)):
            if self.sasl and value is None:
                raise Misfit(name, f"is not set, and the protocol {self.protocol} needs it")
            if not self.sasl and value is not None:
                raise Misfit(name, f"is set, and the protocol {self.protocol} ignores it")
        files = {"CAFILE": self.cafile, "CERTFILE": self.certfile, "KEYFILE": self.keyfile}
        for name, file in files.items():
            if not self.tls and file is not None:
                raise Misfit(name, f"is set, and the protocol {self.protocol} ignores it")
        if self.keyfile is not None and self.certfile is None:
            raise Misfit("CERTFILE", f"is not set, and {PREFIX}KEYFILE is of no use without it")
        if self.tls:
            self.context()

    def context(self) -> ssl.SSLContext:
        """The TLS settings: certificates and names of brokers are always checked. Raises Misfit."""
        return _context(self.cafile, self.certfile, self.keyfile)

    def arguments(self) -> dict[str, Any]:
        """What a client of aiokafka takes for all this."""
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
    """One for a process: reading the system's certificates for each client would take long."""
    try:
        context = ssl.create_default_context(cafile=cafile)
    except OSError as error:
        raise Misfit("CAFILE", f"cannot be used: {_reason(error)}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certfile is None:
        return context
    try:
        # Without a password of its own, OpenSSL would ask the terminal for it, and wait.
        context.load_cert_chain(certfile, keyfile, password="")
    except OSError as error:
        wrong = f"cannot be used with its key, which must have no passphrase: {_reason(error)}"
        raise Misfit("CERTFILE", wrong) from None
    return context


def _reason(error: OSError) -> str:
    return f"{type(error).__name__}: {error.strerror or error}"
