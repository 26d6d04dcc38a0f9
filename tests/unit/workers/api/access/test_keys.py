"""The file of public keys: what it may hold, and when it is read again."""

import logging
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from tests.harness.tokens import SigningKey, write_jwks
from workers.api.access.keys import READ_AGAIN_SECONDS, KeyFile, WrongKeys, read_keys

ED, EC, RSA = (SigningKey.make(kind, kind) for kind in ("EdDSA", "ES256", "RS256"))


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_each_key_has_one_algorithm(tmp_path: Path) -> None:
    keys = read_keys(write_jwks(tmp_path / "jwks", ED, EC, RSA))
    assert {kid: key.algorithm for kid, key in keys.items()} == {
        "EdDSA": "EdDSA",
        "ES256": "ES256",
        "RS256": "RS256",
    }


OTHERS: dict[str, dict[str, Any]] = {
    "no kid": ED.jwk() | {"kid": None},
    "a number as kid": ED.jwk() | {"kid": 7},
    "for encryption": RSA.jwk() | {"kid": "x", "use": "enc"},
    "another algorithm": RSA.jwk() | {"kid": "x", "alg": "PS256"},
    "another curve": EC.jwk() | {"kid": "x", "crv": "P-384"},
    "a list as curve": EC.jwk() | {"kid": "x", "crv": ["P-256"]},
    "Ed448": ED.jwk() | {"kid": "x", "crv": "Ed448"},
    "a new kind": {"kty": "new", "kid": "x"},
    "an object as kind": {"kty": {}, "kid": "x"},
    "empty": {},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_keys_that_sign_no_tokens_of_ours_are_left_out(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    assert read_keys(write_jwks(tmp_path / "jwks", other, ED)).keys() == {"EdDSA"}


SHORT = SigningKey("short", "RS256", generate_private_key(65537, 1024))  # noqa: S505
SECRET, INVALID = "is private or symmetric", "is no valid key"
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a private Ed25519 key": (ED.jwk(private=True), SECRET),
    "a private P-256 key": (EC.jwk(private=True), SECRET),
    "a private RSA key": (RSA.jwk(private=True), SECRET),
    "a symmetric key": ({"kty": "oct", "kid": "x", "k": "c2VjcmV0"}, SECRET),
    "a symmetric key without its value": ({"kty": "oct", "kid": "x"}, SECRET),
    "a short Ed25519 key": (ED.jwk() | {"x": "AA"}, INVALID),
    "no point of the curve": (EC.jwk() | {"x": "AA"}, INVALID),
    "a number for a text": (ED.jwk() | {"x": 7}, INVALID),
    "an RSA key without numbers": ({"kty": "RSA", "kid": "x"}, INVALID),
    "a weak RSA key": (SHORT.jwk(), "is an RSA key of less than 2048 bits"),
    "a kid that is there already": (RSA.jwk(), "has the `kid` of another one"),
}


@pytest.mark.parametrize(("key", "wrong"), REFUSED.values(), ids=REFUSED)
def test_a_file_with_a_key_that_must_not_be_there_is_refused(
    tmp_path: Path, key: dict[str, Any], wrong: str
) -> None:
    with pytest.raises(WrongKeys, match=rf"key 2 of 2 {wrong}"):
        read_keys(write_jwks(tmp_path / "jwks", RSA, key))


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"keys": 1}', b'{"keys": [1]}', b"\xff", b"[" * 100_000, b"-----BEGIN"],
    ids=lambda content: repr(content[:20]),
)
def test_a_file_that_is_no_jwks_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "jwks"
    path.write_bytes(content)
    with pytest.raises(WrongKeys, match="must be a JWKS"):
        read_keys(path)


def test_a_file_that_is_huge_missing_or_without_keys_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "jwks"
    with pytest.raises(WrongKeys, match="cannot be read: No such file"):
        read_keys(path)
    path.write_bytes(b" " * (1024 * 1024 + 1))
    with pytest.raises(WrongKeys, match="has more than 1048576 bytes"):
        read_keys(path)
    with pytest.raises(WrongKeys, match="has no key with a `kid`"):
        read_keys(write_jwks(path))


def test_a_new_key_is_known_at_once_and_a_second_one_after_a_minute(tmp_path: Path) -> None:
    path, clock = write_jwks(tmp_path / "jwks", ED), Clock()
    keys = KeyFile(path, clock)
    for _ in range(3):
        # Whoever asks for keys that are nowhere does not keep a new one from being found.
        assert keys.key("nowhere") is None
    write_jwks(path, ED, EC)
    assert keys.key("ES256") is not None
    write_jwks(path, ED, EC, RSA)
    assert keys.key("RS256") is None
    clock.now += READ_AGAIN_SECONDS
    assert keys.key("RS256") is not None


def test_a_key_that_was_removed_is_forgotten_within_a_minute(tmp_path: Path) -> None:
    path, clock = write_jwks(tmp_path / "jwks", ED, EC), Clock()
    keys = KeyFile(path, clock)
    write_jwks(path, ED)
    assert keys.key("ES256") is not None
    clock.now += READ_AGAIN_SECONDS
    assert keys.key("ES256") is None


def test_while_the_file_is_broken_or_missing_the_keys_stay_and_the_log_says_it_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path, clock = write_jwks(tmp_path / "jwks", ED), Clock()
    keys = KeyFile(path, clock)
    path.unlink()
    for _ in range(3):
        clock.now += READ_AGAIN_SECONDS
        assert keys.key("EdDSA") is not None
        assert keys.key("nowhere") is None
    assert caplog.messages == [
        "INBOX_API_JWKS_FILE: cannot be read: No such file or directory; the keys stay as they were"
    ]
    caplog.clear()
    write_jwks(path, RSA.jwk(private=True))
    for _ in range(3):
        clock.now += READ_AGAIN_SECONDS
        assert keys.key("EdDSA") is not None
    (line,) = caplog.messages
    assert "key 1 of 1 is private" in line
    assert RSA.jwk(private=True)["d"] not in line
    write_jwks(path, EC)
    clock.now += READ_AGAIN_SECONDS
    assert keys.key("ES256") is not None
    assert keys.key("EdDSA") is None
