"""Who is let in over HTTP: users with a token or behind a proxy, not too often, and no one else."""

import asyncio
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.harness.api import Answered, ApiClient
from tests.harness.inbox import Inbox
from tests.harness.input_events import user
from tests.harness.tokens import AUDIENCE, ISSUER, SigningKey, write_jwks
from tests.harness.worker import Worker
from workers.settings import Settings

KEY = SigningKey.make("one")
BURST = 10
"""Of a user, with a rate of one request per second; an account has twice as many."""


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Settings of an API that takes tokens, and few requests."""
    given = {
        "INBOX_API_ISSUER": ISSUER,
        "INBOX_API_AUDIENCE": AUDIENCE,
        "INBOX_API_JWKS_FILE": str(write_jwks(tmp_path / "jwks", KEY)),
        "INBOX_API_USER_RATE": "1",
        "INBOX_API_ACCOUNT_RATE": "2",
    }
    return Settings.from_environment(settings.environment() | given)


async def test_a_token_opens_its_own_account_alone(
    inbox: Inbox, settings: Settings, worker: Worker, tmp_path: Path
) -> None:
    await inbox.apply(user("ana", account="rival"), user("zoe", inbox_access=False))
    async with ApiClient(settings, headers={}) as client:

        async def me(token: str, **headers: str) -> Answered:
            given = {"Authorization": f"Bearer {token}"} | headers
            return await client.request("GET", "/me", headers=given)

        for account in ("acme", "rival"):
            answered = await me(KEY.token(account_id=account))
            assert (answered.status, answered.json["account_id"]) == (200, account)
        for token in (
            KEY.token(sub="zoe"),
            KEY.token(sub="nobody"),
            KEY.token(account_id="nowhere"),
        ):
            refused = await me(token)
            assert (refused.status, refused.code) == (403, "no_inbox_access")

        # The scheme may be written in any case. A wrong header is not made good by a right one.
        token = KEY.token()
        for headers in (
            {"Authorization": f"bearer {token}x"},
            {"Authorization": f"Basic {token}"},
            {"Authorization": token},
            {"Authorization": "Bearer"},
            {"Authorization": "Bearer " + "x" * 7000},
            {"Authorization": "Bearer none", "Cookie": f"inbox_session={token}"},
            {"X-Inbox-Account": "acme", "Authorization": f"Bearer {token}"},
            {"X-Inbox-User": "ana", "Cookie": f"inbox_session={token}"},
            {},
        ):
            refused = await client.request("GET", "/me", headers=headers)
            assert (refused.status, refused.code) == (401, "unauthorized"), headers
            assert refused.headers["WWW-Authenticate"].startswith("Bearer")
        lower = await client.request("GET", "/me", headers={"Authorization": f"bearer  {token}"})
        assert lower.status == 200

        # A key that is new is known as soon as it is in the file.
        new = SigningKey.make("two", "ES256")
        assert (await me(new.token())).code == "unauthorized"
        write_jwks(tmp_path / "jwks", KEY, new)
        assert (await me(new.token())).status == 200
    log = worker.log.read_text()
    assert not {part for part in token.split(".") if part in log}


async def test_who_asks_too_often_waits_and_keeps_no_other_account_from_asking(
    inbox: Inbox, settings: Settings
) -> None:
    await inbox.apply(user("cy"), user("eve", account="rival"))
    began, taken = time.monotonic(), Counter[str]()
    for name in ("ana", "bo", "cy"):
        async with ApiClient(settings, name) as client:
            answered = await asyncio.gather(*(client.get("/me") for _ in range(10 * BURST)))
        assert {each.status for each in answered} <= {200, 429}
        refused = next(each for each in answered if each.status == 429)
        assert refused.code == "too_many_requests"
        assert int(refused.headers["Retry-After"]) >= 1
        taken[name] = sum(each.status == 200 for each in answered)
    seconds = time.monotonic() - began + 1
    assert BURST <= taken["ana"] <= BURST + seconds
    assert taken["bo"] > 0
    assert taken.total() <= 2 * (BURST + seconds)
    async with ApiClient(settings, "eve", "rival") as eve:
        assert (await eve.get("/me")).status == 200
