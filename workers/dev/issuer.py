"""Issues the tokens of `inbox dev`, with a key that this process alone has."""

import json
import secrets
import time
from dataclasses import replace
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from schemas.fields import AccountId, UserId
from workers.settings import Settings

ISSUER, AUDIENCE = "inbox dev", "inbox"
TOKEN_SECONDS = 12 * 3600
"""The longest that the API takes (workers/api/access/tokens.py)."""


class Issuer:
    """Issues tokens for users. Each run has a new key, so the tokens of earlier runs are void."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self._kid = secrets.token_hex(8)

    def trusted_by(self, settings: Settings, directory: Path) -> Settings:
        """Write the public key into the directory. Returns settings of an API that trusts it, and
        no other issuer."""
        public = OKPAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        file = directory / "jwks.json"
        file.write_text(json.dumps({"keys": [public | {"kid": self._kid}]}))
        return replace(
            settings,
            api_issuer=ISSUER,
            api_audience=AUDIENCE,
            api_jwks_file=file,
            api_user_claim="sub",
            api_account_claim="account_id",
        )

    def token(self, account_id: AccountId, user_id: UserId) -> str:
        """Returns a token for a user, good for `TOKEN_SECONDS`."""
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "exp": int(time.time()) + TOKEN_SECONDS,
            "sub": user_id,
            "account_id": account_id,
        }
        return jwt.encode(claims, self._key, "EdDSA", headers={"kid": self._kid})
