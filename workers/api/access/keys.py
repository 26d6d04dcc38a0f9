"""The public keys that sign tokens, from a file with a JWKS (RFC 7517)."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from jwt import InvalidKeyError
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

log = logging.getLogger(__name__)

READ_AGAIN_SECONDS = 60.0
"""The file is read again at most once in so many seconds."""

FILE_BYTES_MAX = 1024 * 1024
RSA_BITS_MIN = 2048
"""By RFC 7518, section 3.3."""

_SECRET_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
"""The members of private and symmetric keys, by RFC 7518, section 6, and RFC 8037."""

_Read = Callable[[dict[str, Any]], Any]
_KINDS: dict[tuple[str, str | None], tuple[str, _Read]] = {
    ("OKP", "Ed25519"): ("EdDSA", OKPAlgorithm.from_jwk),
    ("EC", "P-256"): ("ES256", ECAlgorithm.from_jwk),
    ("RSA", None): ("RS256", RSAAlgorithm.from_jwk),
}
"""The one algorithm of each kind of key (`kty`, `crv`), so that no token chooses it."""


class WrongKeys(ValueError):
    """The file does not hold what it must. The message quotes nothing of it."""


class PublicKey(NamedTuple):
    """A key, and the only algorithm with which it is used."""

    algorithm: str
    key: Any
    """The public key, of the library `cryptography`."""


class _File(msgspec.Struct):
    keys: list[dict[str, Any]]


def read_keys(path: Path) -> dict[str, PublicKey]:
    """Returns the keys of a file by their `kid`. Keys that sign no tokens of ours are left out:
    those without a `kid`, for encryption, or of another algorithm. Raises WrongKeys."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise WrongKeys(f"cannot be read: {error.strerror}") from None
    if len(content) > FILE_BYTES_MAX:
        raise WrongKeys(f"has more than {FILE_BYTES_MAX} bytes")
    try:
        given = msgspec.json.decode(content, type=_File).keys
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise WrongKeys('must be a JWKS: {"keys": [...]}') from None
    found: dict[str, PublicKey] = {}
    for number, jwk in enumerate(given, 1):
        named = f"key {number} of {len(given)}"
        if not _SECRET_MEMBERS.isdisjoint(jwk) or jwk.get("kty") == "oct":
            raise WrongKeys(f"{named} is private or symmetric: only public keys belong there")
        kid, key = jwk.get("kid"), _public_key(jwk, named)
        if key is None or not isinstance(kid, str):
            continue
        if kid in found:
            raise WrongKeys(f"{named} has the `kid` of another one")
        found[kid] = key
    if not found:
        raise WrongKeys("has no key with a `kid` for EdDSA (Ed25519), ES256 or RS256")
    return found


def _public_key(jwk: dict[str, Any], named: str) -> PublicKey | None:
    kind = jwk.get("kty"), None if jwk.get("kty") == "RSA" else jwk.get("crv")
    if not all(part is None or isinstance(part, str) for part in kind) or kind not in _KINDS:
        return None
    algorithm, read = _KINDS[kind]
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", algorithm) != algorithm:
        return None
    try:
        key = read(jwk)
    except (InvalidKeyError, ValueError, TypeError):
        raise WrongKeys(f"{named} is no valid key of its kind") from None
    if algorithm == "RS256" and key.key_size < RSA_BITS_MIN:
        raise WrongKeys(f"{named} is an RSA key of less than {RSA_BITS_MIN} bits")
    return PublicKey(algorithm, key)


_Stamp = tuple[int, int, int]


class KeyFile:
    """The keys of a file, which is read again when it changes."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Read it. `clock` counts seconds. Raises WrongKeys."""
        self._path = path
        self._clock = clock
        self._stamp = self._look()
        self._keys = read_keys(path)
        self._read_from = clock()
        """From when on it may be read again."""
        self._look_from = self._read_from + READ_AGAIN_SECONDS

    def key(self, kid: str) -> PublicKey | None:
        """Returns the key with this id; None if there is none.

        For an id that is not known, the file is looked at every time: keys are changed by adding
        one first. Otherwise it is looked at once a minute, so that a removed key ends. While it is
        broken or missing, the keys stay as they were.
        """
        now = self._clock()
        if kid not in self._keys or now >= self._look_from:
            self._look_from = now + READ_AGAIN_SECONDS
            if now >= self._read_from and (stamp := self._look()) != self._stamp:
                self._stamp = stamp
                self._read_from = now + READ_AGAIN_SECONDS
                self._read()
        return self._keys.get(kid)

    def _look(self) -> _Stamp | None:
        """Returns what differs when the file is another one; None if it is missing."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> None:
        try:
            self._keys = read_keys(self._path)
        except WrongKeys as error:
            log.error("INBOX_API_JWKS_FILE: %s; the keys stay as they were", error)
        else:
            log.info("INBOX_API_JWKS_FILE: read again, keys: %d", len(self._keys))
