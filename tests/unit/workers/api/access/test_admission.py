"""What admission decides without Postgres: which proof counts, and how much is taken at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from domain.directory import User
from tests.harness.tokens import AUDIENCE, ISSUER, SigningKey, write_jwks
from tests.unit.workers.api.access.given import request
from tests.unit.workers.api.given import operation
from workers.api.access import admission as module
from workers.api.access.admission import Admission
from workers.api.access.limits import (
    ACCOUNT_REQUESTS_MAX,
    CONNECTS_BURST_SECONDS,
    CONNECTS_PER_SECOND,
    REQUESTS_MAX,
    USER_REQUESTS_MAX,
)
from workers.api.caller import Caller, Identity
from workers.api.problem import Problem
from workers.settings import Settings

KEY = SigningKey.make("one")
NO_POOL: Any = None
STREAM, OTHER = operation(content_type="text/event-stream"), operation()
TRUSTING = {"INBOX_API_TRUSTED_NETWORKS": "192.0.2.0/24"}
BEARER, WRONG = ("Authorization", f"Bearer {KEY.token()}"), ("Authorization", "Bearer wrong")
COOKIE = ("Cookie", f"inbox_session={KEY.token(sub='bo')}")
PROXY = (("X-Inbox-Account", "acme"), ("X-Inbox-User", "cy"))
JSON = ("Content-Type", "application/json")
OURS, FOREIGN = ("Origin", "http://127.0.0.1:6066"), ("Origin", "https://evil.example")


def admission(directory: Path, **given: str) -> Admission:
    """Returns the admission of an API that trusts tokens and a proxy."""
    tokens = {
        "INBOX_API_ISSUER": ISSUER,
        "INBOX_API_AUDIENCE": AUDIENCE,
        "INBOX_API_JWKS_FILE": str(write_jwks(directory / "jwks", KEY)),
        "INBOX_API_TRUSTED_NETWORKS": "192.0.2.0/24",
    }
    return Admission(Settings.from_environment(tokens | given), NO_POOL)


@pytest.mark.parametrize(
    ("headers", "user_id", "proven_by"),
    [
        ((BEARER,), "ana", "token"),
        ((COOKIE,), "bo", "cookie"),
        ((BEARER, COOKIE), "ana", "token"),
        (PROXY, "cy", "proxy"),
        ((*PROXY, BEARER, COOKIE), "cy", "proxy"),
        ((*PROXY, WRONG), "cy", "proxy"),
    ],
)
def test_one_proof_counts(
    tmp_path: Path, headers: tuple[tuple[str, str], ...], user_id: str, proven_by: str
) -> None:
    identity = admission(tmp_path).identify(request(*headers))
    assert (identity.user_id, identity.proven_by) == (user_id, proven_by)
    assert (identity.expires_at is None) == (proven_by == "proxy")


def test_a_wrong_proof_is_not_made_good_by_another(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="unauthorized"):
        admission(tmp_path).identify(request(WRONG, COOKIE))
    with pytest.raises(Problem, match="unauthorized"):
        admission(tmp_path).identify(request(*PROXY, BEARER, remote="198.51.100.1"))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_writes_of_a_browser_say_where_they_come_from(tmp_path: Path, method: str) -> None:
    made = admission(tmp_path)
    made.identify(request(COOKIE, OURS, JSON, method=method))
    # A program with a token is no browser.
    made.identify(request(BEARER, FOREIGN, method=method))
    made.identify(request(*PROXY, method=method))
    for headers in ((COOKIE, JSON), (COOKIE, FOREIGN, JSON), (*PROXY, FOREIGN, JSON)):
        with pytest.raises(Problem, match="foreign_origin"):
            made.identify(request(*headers, method=method))


def test_where_no_tokens_are_taken_none_is(tmp_path: Path) -> None:
    names = ("INBOX_API_ISSUER", "INBOX_API_AUDIENCE", "INBOX_API_JWKS_FILE")
    made = admission(tmp_path, **dict.fromkeys(names, ""))
    made.identify(request(*PROXY))
    for headers in ((), (BEARER,), (COOKIE,)):
        with pytest.raises(Problem, match="unauthorized"):
            made.identify(request(*headers))


def test_streams_and_other_requests_have_places_of_their_own(tmp_path: Path) -> None:
    made = admission(tmp_path, INBOX_API_STREAMS_MAX="2")
    for kind, free, most in ((STREAM, OTHER, 2), (OTHER, STREAM, REQUESTS_MAX)):
        with ExitStack() as open_ones:
            for _ in range(most):
                open_ones.enter_context(made.place(kind))
            with pytest.raises(Problem, match="unavailable"):
                open_ones.enter_context(made.place(kind))
            with made.place(free):
                pass
        with made.place(kind):
            pass


class Knowing(Admission):
    """Knows every user."""

    async def user_of(self, identity: Identity) -> Caller:
        """Returns a user with inbox access."""
        account_id, user_id = identity.account_id, identity.user_id
        user = User(account_id=account_id, user_id=user_id, inbox_access=True)
        return Caller(identity=identity, user=user)


def asks(name: str, account: str = "acme") -> web.Request:
    """Returns a request of a user behind the proxy."""
    return request(("X-Inbox-Account", account), ("X-Inbox-User", name))


async def test_neither_a_user_nor_an_account_takes_the_places_of_others() -> None:
    made = Knowing(Settings.from_environment(TRUSTING), NO_POOL)

    async def ask(open_ones: AsyncExitStack, name: str, account: str = "acme") -> None:
        await open_ones.enter_async_context(made.admitted(asks(name, account), operation()))

    async with AsyncExitStack() as open_ones:
        for name in ("ana", "bo"):
            for _ in range(USER_REQUESTS_MAX):
                await ask(open_ones, name)
            with pytest.raises(Problem, match="too_many_requests") as caught:
                await ask(open_ones, name)
            assert caught.value.headers == {"Retry-After": "1"}
        assert 2 * USER_REQUESTS_MAX == ACCOUNT_REQUESTS_MAX < REQUESTS_MAX
        with pytest.raises(Problem, match="too_many_requests"):
            await ask(open_ones, "cy")
        await ask(open_ones, "ana", "rival")
        async with made.admitted(asks("ana"), STREAM) as caller:
            assert caller.user_id == "ana"
    async with AsyncExitStack() as open_ones:
        await ask(open_ones, "ana")


async def test_a_user_begins_thousands_of_streams_at_once_and_not_without_end() -> None:
    made = Knowing(Settings.from_environment(TRUSTING), NO_POOL)
    most = int(CONNECTS_PER_SECOND * CONNECTS_BURST_SECONDS)
    assert most >= 2 * 5000
    begun = 0
    with pytest.raises(Problem, match="too_many_requests") as caught:
        for _ in range(10 * most):
            async with made.admitted(asks("ana"), STREAM):
                begun += 1
    assert begun >= most
    assert int(caught.value.headers["Retry-After"]) >= 1
    for asked, kind in ((asks("ana"), OTHER), (asks("bo"), STREAM), (asks("ana", "b"), STREAM)):
        async with made.admitted(asked, kind):
            pass


class FrozenPool:
    """Lends no connection, and does not say so."""

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[None]:
        """Wait for ever."""
        yield await asyncio.get_running_loop().create_future()


async def test_nobody_waits_without_end_for_a_postgres_that_is_frozen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool: Any = FrozenPool()
    made = Admission(Settings.from_environment(TRUSTING), pool)
    monkeypatch.setattr(module, "KNOWN_SECONDS", 0.01)
    for name in ("ana", "ana", "bo"):
        with pytest.raises(TimeoutError):
            async with made.admitted(asks(name), OTHER):
                pass
