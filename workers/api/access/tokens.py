"""Tokens: JSON Web Tokens (RFC 7519) of the one issuer that is trusted."""

import time
from datetime import UTC, datetime
from typing import Any, Literal

import jwt
import msgspec

from schemas.fields import ExternalId
from workers.api.access.keys import KeyFile
from workers.api.caller import Identity
from workers.api.problem import Problem, unauthorized

HOURS_MAX = 12
"""How far away the end of a token may be, by this machine's clock."""

LEEWAY_SECONDS = 30
"""How far the issuer's clock may be ahead, for `nbf` and `iat`. A token's end has no leeway: it is
neither good for longer nor further away."""

_OPTIONS: Any = {"require": ["exp", "iss", "aud"]}


class TokenVerifier:
    """Verifies tokens, and reads who they are for."""

    def __init__(
        self, keys: KeyFile, *, issuer: str, audience: str, user_claim: str, account_claim: str
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._user_claim = user_claim
        self._account_claim = account_claim

    def verify(self, token: str, proven_by: Literal["token", "cookie"]) -> Identity:
        """Returns whom a token is for. Raises Problem, which quotes nothing of the token."""
        try:
            claims = self._claims(token)
        except jwt.ExpiredSignatureError:
            raise _refused("the token has expired") from None
        except jwt.ImmatureSignatureError:
            raise _refused("the token is not valid yet") from None
        except jwt.InvalidIssuerError:
            raise _refused("the token has another issuer") from None
        except jwt.InvalidAudienceError:
            raise _refused("the token is for another audience") from None
        except (jwt.PyJWTError, ValueError, RecursionError):
            # A header that is nested very deeply is a RecursionError.
            raise _refused("the token is not valid") from None
        return Identity(
            account_id=self._id(claims, self._account_claim),
            user_id=self._id(claims, self._user_claim),
            proven_by=proven_by,
            expires_at=_end(claims),
            scopes=_scopes(claims),
        )

    def _claims(self, token: str) -> dict[str, Any]:
        """Returns the claims of a token whose signature, issuer, audience and times are right."""
        kid = jwt.get_unverified_header(token).get("kid")
        key = self._keys.key(kid) if isinstance(kid, str) else None
        if key is None:
            raise _refused("the token is signed with a key that is not known, or names none")
        return jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm],
            issuer=self._issuer,
            audience=self._audience,
            leeway=LEEWAY_SECONDS,
            options=_OPTIONS,
        )

    def _id(self, claims: dict[str, Any], name: str) -> Any:
        try:
            return msgspec.convert(claims.get(name), ExternalId)
        except msgspec.ValidationError:
            raise _refused(f"the claim {name} of the token is no valid id") from None


def _end(claims: dict[str, Any]) -> datetime:
    end, now = int(claims["exp"]), time.time()
    if end <= now:
        raise _refused("the token has expired")
    if end > now + HOURS_MAX * 3600:
        raise _refused(f"the token ends in more than {HOURS_MAX} hours")
    return datetime.fromtimestamp(end, UTC)


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    """Returns the scopes of a token, whose claim has blanks between them (RFC 8693)."""
    given = claims.get("scope")
    return frozenset(given.split()) if isinstance(given, str) else frozenset()


def _refused(detail: str) -> Problem:
    return unauthorized(detail, "invalid_token")
