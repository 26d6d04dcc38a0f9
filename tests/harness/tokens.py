"""Tokens as an issuer makes them, and its JWKS, for tests of the API."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER, AUDIENCE = "https://login.example.com", "inbox"


class SigningKey(NamedTuple):
    """A private key, its id, and its algorithm."""

    kid: str
    algorithm: str
    private: Any

    @classmethod
    def make(cls, kid: str, algorithm: str = "EdDSA") -> "SigningKey":
        """Returns a new key for EdDSA, ES256 or RS256."""
        makes: dict[str, Callable[[], Any]] = {
            "EdDSA": Ed25519PrivateKey.generate,
            "ES256": lambda: generate_private_key(SECP256R1()),
            "RS256": lambda: generate_rsa_key(65537, 2048),
        }
        return cls(kid, algorithm, makes[algorithm]())

    def jwk(self, *, private: bool = False) -> dict[str, Any]:
        """Returns the key as it stands in a JWKS."""
        kinds: Any = {"EdDSA": OKPAlgorithm, "ES256": ECAlgorithm, "RS256": RSAAlgorithm}
        key = self.private if private else self.private.public_key()
        made: dict[str, Any] = kinds[self.algorithm].to_jwk(key, as_dict=True)
        return made | {"kid": self.kid}

    def token(self, *, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """Returns a token for the user ana of the account acme, for an hour, unless `claims` say
        otherwise. A claim that is None is left out."""
        given = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "exp": int(time.time()) + 3600,
            "sub": "ana",
            "account_id": "acme",
        } | claims
        payload = {name: value for name, value in given.items() if value is not None}
        named = {"kid": self.kid} | (headers or {})
        return jwt.encode(payload, self.private, self.algorithm, headers=named)


def write_jwks(path: Path, *keys: SigningKey | dict[str, Any]) -> Path:
    """Write a JWKS in the way of a deployment: another file takes the place of the old one."""
    jwks = [key.jwk() if isinstance(key, SigningKey) else key for key in keys]
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"keys": jwks}))
    return new.replace(path)
