"""Tokens: whose are taken, and that everything else is 401 and quotes nothing."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.harness.tokens import AUDIENCE, ISSUER, SigningKey, write_jwks
from workers.api.access.keys import KeyFile
from workers.api.access.tokens import TokenVerifier
from workers.api.problem import Problem

KEYS = {kind: SigningKey.make(kind, kind) for kind in ("EdDSA", "ES256", "RS256")}
ED, RSA = KEYS["EdDSA"], KEYS["RS256"]
STRANGER = SigningKey.make("EdDSA")
HOUR = 3600


@pytest.fixture
def verifier(tmp_path: Path) -> TokenVerifier:
    """Trusts the three keys."""
    return made(tmp_path)


def made(directory: Path, **claims: str) -> TokenVerifier:
    file = KeyFile(write_jwks(directory / "jwks", *KEYS.values()))
    named = {"user_claim": "sub", "account_claim": "account_id"} | claims
    return TokenVerifier(file, issuer=ISSUER, audience=AUDIENCE, **named)


def refusal(verifier: TokenVerifier, token: str) -> str:
    """Returns why a token is refused."""
    with pytest.raises(Problem) as caught:
        verifier.verify(token, "token")
    problem = caught.value
    assert (problem.status, problem.code) == (401, "unauthorized")
    assert problem.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    return problem.detail


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_token_says_who_is_asking_until_when_and_for_what(
    verifier: TokenVerifier, algorithm: str
) -> None:
    end = int(time.time()) + HOUR
    token = KEYS[algorithm].token(exp=end, scope="ops  other", sub="bo")
    identity = verifier.verify(token, "token")
    assert (identity.account_id, identity.user_id, identity.proven_by) == ("acme", "bo", "token")
    assert identity.expires_at is not None
    assert identity.expires_at.timestamp() == end
    assert identity.scopes == {"ops", "other"}


def test_the_claims_may_have_other_names_and_several_audiences(tmp_path: Path) -> None:
    verifier = made(tmp_path, user_claim="email", account_claim="https://example.com/tenant")
    named: Any = {"email": "ana@example.com", "https://example.com/tenant": "t-1"}
    token = ED.token(**named, aud=["other", AUDIENCE])
    identity = verifier.verify(token, "cookie")
    assert (identity.account_id, identity.user_id) == ("t-1", "ana@example.com")


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "https://evil.example.com"}, "another issuer"),
        ({"iss": None}, "not valid"),
        ({"aud": "crm"}, "another audience"),
        ({"aud": None}, "not valid"),
        ({"aud": []}, "not valid"),
        ({"exp": None}, "not valid"),
        ({"exp": "soon"}, "not valid"),
        ({"exp": float("inf")}, "not valid"),
        ({"exp": float("nan")}, "not valid"),
        ({"exp": True}, "expired"),
        ({"exp": 10**300}, "more than 12 hours"),
        ({"exp": -(10**300)}, "expired"),
        ({"sub": None}, "claim sub of the token is no valid id"),
        ({"sub": ""}, "claim sub of the token is no valid id"),
        ({"sub": "ana\n"}, "claim sub of the token is no valid id"),
        ({"sub": "a" * 65}, "claim sub of the token is no valid id"),
        ({"sub": 7}, "not valid"),
        ({"account_id": None}, "claim account_id of the token is no valid id"),
        ({"account_id": ["acme"]}, "claim account_id of the token is no valid id"),
        ({"account_id": "ac me"}, "claim account_id of the token is no valid id"),
        ({"nbf": 2**40}, "not valid yet"),
        ({"iat": 2**40}, "not valid yet"),
        ({"iat": {}}, "not valid"),
    ],
    ids=str,
)
def test_a_token_with_a_wrong_claim_is_refused(
    verifier: TokenVerifier, claims: dict[str, Any], why: str
) -> None:
    assert why in refusal(verifier, ED.token(**claims))


def test_a_token_ends_on_time_and_within_twelve_hours(
    verifier: TokenVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = int(time.time())
    assert "expired" in refusal(verifier, ED.token(exp=now - 1))
    verifier.verify(ED.token(exp=now + 12 * HOUR), "token")
    with monkeypatch.context() as stopped:
        stopped.setattr(time, "time", lambda: float(now))
        verifier.verify(ED.token(exp=now + 12 * HOUR), "token")
        assert "12 hours" in refusal(verifier, ED.token(exp=now + 12 * HOUR + 1))
    # The issuer's clock may be a little ahead.
    verifier.verify(ED.token(nbf=now + 10, iat=now + 10), "token")


def forged(header: Any, payload: Any = None, signature: bytes = b"") -> str:
    """Returns a token with this header, as whoever has no key can write one."""
    body = payload or {"iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + HOUR}
    parts = [header if isinstance(header, bytes) else json.dumps(header).encode()]
    parts += [json.dumps(body | {"sub": "ana", "account_id": "acme"}).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def signed_with_public_key(kid: str) -> str:
    """Returns a token signed by HMAC, with the public key as its secret."""
    key = KEYS[kid].private.public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    whole = forged({"alg": "HS256", "kid": kid})
    head = whole.rpartition(".")[0].encode()
    algorithm = jwt.get_algorithm_by_name("HS256")
    signature = base64.urlsafe_b64encode(algorithm.sign(head, pem)).rstrip(b"=").decode()
    return f"{head.decode()}.{signature}"


def changed(token: str) -> str:
    """Returns a token of whose payload one character is another."""
    head, payload, signature = token.split(".")
    return f"{head}.{payload[:-2]}{'A' if payload[-2] != 'A' else 'B'}{payload[-1]}.{signature}"


HOSTILE = {
    "empty": "",
    "no token": "hello",
    "two dots": "..",
    "many dots": "." * 5000,
    "huge": "a" * 1_000_000,
    "not ASCII": "tökén.ö.ö",
    "a lone surrogate": "\ud800.a.a",
    "alg none": forged({"alg": "none", "kid": "EdDSA"}),
    "alg None": forged({"alg": "None", "kid": "EdDSA"}),
    "alg null": forged({"alg": None, "kid": "EdDSA"}),
    "alg a list": forged({"alg": ["EdDSA"], "kid": "EdDSA"}),
    "no signature": ED.token().rpartition(".")[0] + ".",
    "a changed payload": changed(ED.token()),
    "HMAC with the public key": signed_with_public_key("RS256"),
    "HMAC with the other public key": signed_with_public_key("EdDSA"),
    "a stranger's key": STRANGER.token(),
    "another key's id": ED.token(headers={"kid": "RS256"}),
    "the algorithm of another key": RSA.token(headers={"kid": "EdDSA"}),
    "another algorithm of this key": jwt.encode(
        {"sub": "ana"}, RSA.private, "RS512", headers={"kid": "RS256"}
    ),
    "an unknown kid": ED.token(headers={"kid": "../../etc/passwd"}),
    "no kid": jwt.encode({"sub": "ana"}, ED.private, "EdDSA"),
    "a kid that is a number": forged({"alg": "EdDSA", "kid": 7}),
    "a kid that is a list": forged({"alg": "EdDSA", "kid": []}),
    "its own key": forged({"alg": "EdDSA", "kid": "own", "jwk": STRANGER.jwk()}),
    "a key elsewhere": forged({"alg": "EdDSA", "kid": "own", "jku": "http://127.0.0.1:1/"}),
    "an unencoded payload": forged({"alg": "EdDSA", "kid": "EdDSA", "b64": False}),
    "a critical header": forged({"alg": "EdDSA", "kid": "EdDSA", "crit": ["x"], "x": 1}),
    "a header that is a list": forged([]),
    "a header that is no JSON": forged(b"\xff{"),
    "a header that is nested deeply": forged(b"[" * 50_000),
    "a header with a huge number": forged(b'{"alg": ' + b"9" * 6000 + b"}"),
}


@pytest.mark.parametrize("token", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_token_is_refused_and_not_quoted(verifier: TokenVerifier, token: str) -> None:
    detail = refusal(verifier, token)
    assert len(detail) < 100
    assert len(token) < 8 or token[:8] not in detail


def test_a_payload_that_is_nested_deeply_or_no_object_is_refused(verifier: TokenVerifier) -> None:
    for payload in (b"[" * 50_000, b"[]", b"7", b"null", b"\xff"):
        head = base64.urlsafe_b64encode(b'{"alg": "EdDSA", "kid": "EdDSA"}').rstrip(b"=")
        signed = head + b"." + base64.urlsafe_b64encode(payload).rstrip(b"=")
        signature = base64.urlsafe_b64encode(ED.private.sign(signed)).rstrip(b"=")
        assert "not valid" in refusal(verifier, (signed + b"." + signature).decode())


@pytest.mark.parametrize("scope", [None, 7, ["ops"], {"ops": 1}, ""])
def test_a_scope_of_another_form_gives_nothing(verifier: TokenVerifier, scope: Any) -> None:
    assert verifier.verify(ED.token(scope=scope), "token").scopes == frozenset()
