"""Whatever is wrong with a setting, no piece of a secret is in any output."""

import json
import logging
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.workers.settings.given import SID
from workers.cli import inbox
from workers.settings import Settings, SettingsError
from workers.settings.kafka_security import PREFIX

PIECE = 4
"""From so many characters on, a piece of a secret tells something."""

FIRST, LAST = "Zq9Xv7Kw", "Jh5Gy3Tb"
SPECIAL = [
    "",
    *"/?#[]@:%;,&=+ \t\n\r\"'\\{}`$|~^",
    "\ufeff",
    "\udcff",
    "@@",
    "://",
    "%2F",
    "%zz",
    ": ",
]
SECRETS = [FIRST + special + LAST for special in SPECIAL]

NAMES = [variable.name for variable in Settings.variables()]
SECRET_NAMES = [variable.name for variable in Settings.variables() if variable.secret]

ANY_TEXT = {
    "INBOX_DATA_DIR",
    "INBOX_API_ISSUER",
    "INBOX_API_AUDIENCE",
    "INBOX_API_USER_CLAIM",
    "INBOX_API_ACCOUNT_CLAIM",
}
"""Settings that take nearly any text, and are no place for a secret. They refuse URLs, or show them
without passwords."""

SASL = {f"{PREFIX}PROTOCOL": "SASL_SSL", f"{PREFIX}USERNAME": "inbox"}


def urls(secret: str) -> Iterator[str]:
    """Yield URLs that hold a secret where URLs may hold one, right and wrong ones."""
    for scheme in ("postgresql", "https"):
        yield f"{scheme}://u:{secret}@db:5432/inbox"
        yield f"{scheme}://u:{secret}@db:port/inbox"
        yield f"{scheme}://u:{secret}@/inbox"
        yield f"{scheme}://u:{secret}@[::1/inbox"
        yield f"{scheme}://u:{secret}@h1:1,h2:2/inbox"
        yield f"{scheme}://:{secret}@db"
        yield f"{scheme}://db/inbox?user=u&password={secret}"
        yield f"{scheme}://db/inbox?password={secret}&sslmode=none"
        yield f"{scheme}:///inbox?host=/run&sslpassword={secret}&passfile={secret}"


def accounts(secret: str) -> Iterator[str]:
    """Yield values of INBOX_TWILIO_ACCOUNTS that hold a secret, right and wrong ones."""
    usual = {"account_id": "acme", "auth_token": "1"}
    changes: list[dict[str, Any]] = [
        {"auth_token": secret},
        {"auth_token": [secret]},
        {"auth_token": {secret: secret}},
        {"account_id": secret + " "},
        {"signing_keys": {secret: secret}},
        {"signing_keys": {"k": [secret]}},
        {"signing_keys": secret},
        {"previous_auth_tokens": [secret, 1]},
        {"previous_auth_tokens": secret},
        {secret: "auth_token"},
        {f"{secret}` - at `": 1},
    ]
    for change in changes:
        whole = json.dumps({SID: usual | change})
        yield whole
        yield whole[:-1]
        yield whole[: whole.rindex(FIRST) + len(FIRST)]
        yield whole.replace('"', "'")
    yield json.dumps({secret: usual})
    yield json.dumps({SID: secret})
    yield json.dumps([secret])
    yield json.dumps({SID.lower(): usual | {"auth_token": secret}})
    yield f'{{"{SID}": {{"account_id": "acme", "auth_token": "{secret}"}}}}'
    yield f'{{"{SID}": {{"account_id": "acme", "auth_token": {secret}}}}}'


def wrong_values(name: str, secret: str) -> Iterator[str]:
    """Yield values of a setting that hold a secret. Most settings refuse them."""
    yield from urls(secret)
    if name in ANY_TEXT:
        return
    yield f"u:{secret}@db:9092"
    yield f"a:1,u:{secret}@db:9092,b:2"
    yield f"postgresql:u:{secret}@db/inbox"
    if name == "INBOX_TWILIO_ACCOUNTS":
        yield from accounts(secret)
    yield f"{{{secret}}}"
    yield f'{{"": "{secret}"}}'
    yield f'{{"": 1, "{secret}": "fast"}}'
    yield f'{{"{SID}": {{"account_id": "acme", "auth_token": "{secret}"}}'


def outputs(environment: dict[str, str]) -> str:
    """Returns all that is shown of an environment, whether it is right or wrong."""
    try:
        settings = Settings.from_environment(environment)
    except SettingsError:
        return traceback.format_exc()
    shown = CliRunner().invoke(inbox, ["config"], env=environment)
    assert shown.exit_code == 0, shown.output
    kept = (settings, settings.twilio_accounts, settings.kafka_security)
    return shown.output + repr(kept)


def pieces_shown(secret: str, output: str) -> list[str]:
    """Returns the pieces of a secret that an output shows."""
    starts = range(len(secret) - PIECE + 1)
    return [piece for at in starts if (piece := secret[at : at + PIECE]) in output]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of whoever passes the tests do not count."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", NAMES)
def test_no_wrong_value_of_any_setting_shows_a_piece_of_a_secret(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sasl = SASL if name == f"{PREFIX}PASSWORD" else {}
    for secret in SECRETS:
        for value in wrong_values(name, secret):
            output = outputs(sasl | {name: value})
            assert pieces_shown(secret, output + caplog.text) == [], (value, output)


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_the_value_of_a_secret_setting_is_never_shown(name: str) -> None:
    for secret in SECRETS:
        for around in ("", " ", "\n"):
            for environment in ({}, SASL):
                value = around + secret + around
                assert pieces_shown(secret, outputs(environment | {name: value})) == [], value


LOGIN_URL = st.builds(
    "{}://{}:{}@{}/{}{}".format,
    st.sampled_from(["postgresql", "postgres", "http", "https"]),
    st.sampled_from(["u", "", "u%40x", "1"]),
    st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=9).map(
        lambda text: FIRST + text + LAST
    ),
    st.sampled_from(["db", "db:5432", "[::1]:1", "h1:1,h2:2", "", "db:x", "1:2:3"]),
    st.sampled_from(["", "inbox", "a/b"]),
    st.sampled_from(["", "?sslmode=require", "?a@b=c", "#top"]),
)


@given(LOGIN_URL)
@example(f"postgresql://u:12345?{FIRST}{LAST}@db/x")
def test_no_url_shows_a_piece_of_its_password(url: str) -> None:
    names = [variable.name for variable in Settings.variables() if variable.name.endswith("_URL")]
    assert "INBOX_PUBLIC_URL" in names
    for name in names:
        output = outputs({name: url})
        for half in (FIRST, LAST):
            assert pieces_shown(half, output) == [], output
