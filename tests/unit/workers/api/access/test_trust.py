"""Whom the settings trust: settings that contradict each other are refused."""

from pathlib import Path

import pytest

from tests.harness.tokens import SigningKey, write_jwks
from workers.api.access.trust import check_trust, token_verifier
from workers.settings import Settings, SettingsError

TOKENS = {
    "INBOX_API_ISSUER": "https://login.example.com",
    "INBOX_API_AUDIENCE": "inbox",
    "INBOX_API_JWKS_FILE": "<jwks>",
}
NETWORKS = {"INBOX_API_TRUSTED_NETWORKS": "10.0.0.0/8"}


def settings(directory: Path, given: dict[str, str]) -> Settings:
    """Returns settings in which `<jwks>` is a file with a key."""
    path = write_jwks(directory / "jwks", SigningKey.make("one"))
    names = {name: value.replace("<jwks>", str(path)) for name, value in given.items()}
    return Settings.from_environment(names)


def test_tokens_or_proxies_or_both_are_trusted(tmp_path: Path) -> None:
    for given in (TOKENS, NETWORKS, TOKENS | NETWORKS):
        check_trust(settings(tmp_path, given))
    assert token_verifier(settings(tmp_path, TOKENS)) is not None
    assert token_verifier(settings(tmp_path, NETWORKS)) is None


def test_who_trusts_nobody_is_told_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        check_trust(settings(tmp_path, {}))
    for name in (*TOKENS, *NETWORKS):
        assert name in str(caught.value)


@pytest.mark.parametrize("missing", TOKENS)
def test_what_tokens_need_is_there_whole_even_beside_proxies(tmp_path: Path, missing: str) -> None:
    given = {name: value for name, value in TOKENS.items() if name != missing} | NETWORKS
    with pytest.raises(SettingsError, match=rf"^{missing}: is not set, and "):
        check_trust(settings(tmp_path, given))


def test_one_claim_is_not_both_ids(tmp_path: Path) -> None:
    given = TOKENS | {"INBOX_API_USER_CLAIM": "sub", "INBOX_API_ACCOUNT_CLAIM": "sub"}
    with pytest.raises(SettingsError, match=r"^INBOX_API_USER_CLAIM: is the same as"):
        check_trust(settings(tmp_path, given))


def test_a_file_with_a_private_key_is_refused_and_not_quoted(tmp_path: Path) -> None:
    jwk = SigningKey.make("one").jwk(private=True)
    path = write_jwks(tmp_path / "private", jwk)
    given = TOKENS | {"INBOX_API_JWKS_FILE": str(path)}
    with pytest.raises(SettingsError, match=r"^INBOX_API_JWKS_FILE: key 1 of 1 is priv") as caught:
        check_trust(settings(tmp_path, given))
    assert jwk["d"] not in str(caught.value)
