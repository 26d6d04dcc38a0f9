"""Certificates for tests: an authority, and the certificates of servers and clients."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

HOSTS = ("127.0.0.1", "localhost")


class Certificates(NamedTuple):
    """The PEM files."""

    authority: Path
    """The authority that signed all certificates."""
    stranger: Path
    """Another authority, which signed none of them."""
    server: Path
    """The server's certificate."""
    server_key: Path
    """The server's key, in PKCS #8."""
    elsewhere: Path
    """Key and certificate of a server with another host name."""
    client: Path
    """Key and certificate of a client."""

    @classmethod
    def make(cls, directory: Path, hosts: Sequence[str] = HOSTS) -> Self:
        """Write all files into a directory. The server's certificate is for these hosts."""
        directory.mkdir(parents=True, exist_ok=True)
        made = cls(*(directory / f"{name}.pem" for name in cls._fields))
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(made.authority))
        trustme.CA().cert_pem.write_to_path(str(made.stranger))
        server = authority.issue_cert(*hosts)
        made.server.write_bytes(_chain(server))
        made.server_key.write_bytes(_key(server))
        for path, name in ((made.elsewhere, "elsewhere.example"), (made.client, "client.example")):
            leaf = authority.issue_cert(name)
            path.write_bytes(_key(leaf) + _chain(leaf))
        return made

    def keystore(self) -> bytes:
        """Returns the server's key and certificate in one file, as Kafka needs them."""
        return self.server_key.read_bytes() + self.server.read_bytes()

    def locked_key(self) -> bytes:
        """Returns the server's key, encrypted with a passphrase."""
        key = load_pem_private_key(self.server_key.read_bytes(), None)
        locked = BestAvailableEncryption(b"open sesame")
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)


def _chain(leaf: trustme.LeafCert) -> bytes:
    return b"".join(blob.bytes() for blob in leaf.cert_chain_pems)


def _key(leaf: trustme.LeafCert) -> bytes:
    key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
