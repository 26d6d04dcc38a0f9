"""The session of a browser: from a token, to a cookie, to its end."""

import time
from http.cookies import SimpleCookie
from pathlib import Path

import pytest

from tests.harness.api import Answered, ApiClient
from tests.harness.inbox import Inbox
from tests.harness.input_events import user
from tests.harness.tokens import AUDIENCE, ISSUER, SigningKey, write_jwks
from workers.settings import Settings

KEY = SigningKey.make("one")


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Settings of an API that takes tokens, and few requests."""
    given = {
        "INBOX_API_ISSUER": ISSUER,
        "INBOX_API_AUDIENCE": AUDIENCE,
        "INBOX_API_JWKS_FILE": str(write_jwks(tmp_path / "jwks", KEY)),
        "INBOX_API_USER_RATE": "2",
    }
    return Settings.from_environment(settings.environment() | given)


def cookie(answered: Answered) -> "SimpleCookie":
    """Returns the cookie that an answer sets."""
    return SimpleCookie(answered.headers["Set-Cookie"])


async def test_a_browser_has_a_session_until_it_ends_it(
    inbox: Inbox, settings: Settings, ana: ApiClient
) -> None:
    async with ApiClient(settings, headers={}) as browser:
        token = KEY.token(exp=int(time.time()) + 600)
        bearer = {"Authorization": f"Bearer {token}"}
        begun = await browser.request("POST", "/session", headers=bearer)
        assert (begun.status, begun.body) == (204, b"")
        ((name, morsel),) = cookie(begun).items()
        assert (name, morsel["httponly"], morsel["samesite"]) == ("inbox_session", True, "Lax")
        assert (morsel["secure"], morsel["path"], morsel["domain"]) == ("", "/", "")
        assert 590 <= int(morsel["max-age"]) <= 600

        held = {"Cookie": f"{name}={morsel.value}"}
        read = await browser.request(
            "GET", "/me", headers=held | {"Origin": "https://evil.example"}
        )
        assert (read.status, read.json["user_id"]) == (200, "ana")
        assert not [header for header in read.headers if header.startswith("Access-Control-")]

        ours = held | {"Origin": settings.local_url, "Content-Type": "application/json"}
        for missing in ("Origin", "Content-Type"):
            headers = {key: value for key, value in ours.items() if key != missing}
            refused = await browser.request("DELETE", "/session", headers=headers)
            assert refused.code == {"Origin": "foreign_origin", "Content-Type": "not_json"}[missing]
            assert "Set-Cookie" not in refused.headers
        foreign = ours | {"Origin": "https://evil.example"}
        refused = await browser.request("DELETE", "/session", headers=foreign)
        assert (refused.status, refused.code) == (403, "foreign_origin")

        # A session does not make another one, nor does a proxy.
        assert (await browser.request("POST", "/session", headers=ours)).code == "unauthorized"
        assert (await ana.request("POST", "/session")).code == "unauthorized"

        ended = await browser.request("DELETE", "/session", headers=ours)
        assert ended.status == 204
        assert cookie(ended)[name].value == ""
        assert cookie(ended)[name]["max-age"] == "0"


async def test_a_session_ends_whatever_its_cookie_holds(inbox: Inbox, settings: Settings) -> None:
    await inbox.apply(user("zoe", inbox_access=False))
    ours = {"Origin": settings.local_url, "Content-Type": "application/json"}
    async with ApiClient(settings, headers={}) as browser:
        for held, code in (
            (KEY.token(sub="zoe"), "no_inbox_access"),
            (SigningKey.make("removed").token(), "unauthorized"),
            (KEY.token(exp=int(time.time()) - 1), "unauthorized"),
            ("nonsense", "unauthorized"),
            (KEY.token(sub="bo"), "too_many_requests"),
        ):
            sent = ours | {"Cookie": f"inbox_session={held}"}
            read = await browser.request("GET", "/me", headers=sent)
            while code == "too_many_requests" and read.status == 200:
                read = await browser.request("GET", "/me", headers=sent)
            assert read.code == code
            ended = await browser.request("DELETE", "/session", headers=sent)
            assert (ended.status, cookie(ended)["inbox_session"]["max-age"]) == (204, "0")
        without = await browser.request("DELETE", "/session")
        assert (without.status, cookie(without)["inbox_session"]["max-age"]) == (204, "0")


async def test_no_session_begins_without_a_good_token(inbox: Inbox, settings: Settings) -> None:
    async with ApiClient(settings, headers={}) as browser:
        for token, code in (
            (KEY.token(exp=int(time.time()) - 1), "unauthorized"),
            (KEY.token(sub="nobody"), "no_inbox_access"),
            (KEY.token(more="x" * 3000), "invalid_request"),
        ):
            bearer = {"Authorization": f"Bearer {token}"}
            refused = await browser.request("POST", "/session", headers=bearer)
            assert refused.code == code
            assert "Set-Cookie" not in refused.headers
