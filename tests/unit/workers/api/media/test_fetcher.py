"""Files come from a provider that is slow, wrong or hostile, to clients that are no better."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from bench.mock_twilio.account import SID
from domain.directory import User
from schemas.fields import AccountId, MessageId, UserId
from schemas.messages import Media
from tests.harness.twilio_account import settings
from workers.api.caller import Caller, Identity
from workers.api.media import fetcher
from workers.api.media.fetcher import MediaFetcher
from workers.api.problem import Problem

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Client = TestClient[web.Request, web.Application]

ID = MessageId("0190a719-ac96-7eb9-a837-cac215164834")
FILE = f"/2010-04-01/Accounts/{SID}/Messages/MM{'a' * 32}/Media/ME{'b' * 32}"
OTHER_FILE = FILE.replace("b" * 32, "c" * 32)
CALLER = Caller(
    identity=Identity(
        account_id=AccountId("acme"), user_id=UserId("ana"), proven_by="proxy", expires_at=None
    ),
    user=User(account_id=AccountId("acme"), user_id=UserId("ana")),
)


class Provider:
    """A provider that answers as a test says, and what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: dict[str, Handler] = {}
        self.asked: list[web.Request] = []
        self.passed_on: asyncio.Queue[int] = asyncio.Queue()
        """The statuses with which its files were passed on."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        return await self.answers[request.path](request)

    def answers_with(self, path: str = FILE, **given: Any) -> None:
        """Answer a path with these arguments of a response."""

        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(**given)

        self.answers[path] = answer


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    provider = Provider()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", provider.answer)
    async with TestServer(app) as server:
        provider.url = str(server.make_url("")).rstrip("/")
        yield provider


@asynccontextmanager
async def serving(provider: Provider, url: str | None = None) -> AsyncIterator[Client]:
    """Serve a file, that of the provider if no other URL is given."""
    media = MediaFetcher(replace(settings(provider.url), media_hosts=("localhost", "*.invalid")))
    await media.start()

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            file = Media(url or provider.url + FILE, "text/html")
            response = await media.pass_on(request, CALLER, file, ID, 0)
            provider.passed_on.put_nowait(response.status)
            return response
        except Problem as problem:
            if request.writer.output_size and request.transport is not None:
                request.transport.abort()
            provider.passed_on.put_nowait(problem.status)
            return problem.answer()

    app = web.Application()
    app.router.add_get("/", answer)
    try:
        async with TestClient(TestServer(app)) as client:
            yield client
    finally:
        await media.close()


async def asked(provider: Provider, url: str | None = None) -> tuple[int, str | None]:
    """Returns the status and the code of what is answered."""
    async with serving(provider, url) as client, client.get("/") as answer:
        body = await answer.read()
        return answer.status, (await answer.json(content_type=None))["code"] if body else None


async def test_a_file_is_passed_on_as_data_with_our_headers_alone(provider: Provider) -> None:
    body = b"\x89PNG" * 100_000
    headers = {"Content-Type": "image/png", "Set-Cookie": "x=1", "Content-Disposition": "inline"}
    provider.answers_with(body=body, headers=headers)
    async with serving(provider) as client, client.get("/") as answer:
        assert await answer.read() == body
    assert answer.status == 200
    assert answer.headers["Content-Length"] == str(len(body))
    assert answer.headers["Content-Disposition"] == f'inline; filename="{ID}-0.png"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in answer.headers
    (request,) = provider.asked
    assert request.headers["Authorization"].startswith("Basic ")
    assert request.headers["Accept-Encoding"] == "identity"


async def test_a_redirect_is_followed_if_it_may_be(provider: Provider) -> None:
    provider.answers_with(status=307, headers={"Location": OTHER_FILE})
    provider.answers_with(OTHER_FILE, body=b"x" * 7, content_type="application/pdf")
    async with serving(provider) as client, client.get("/") as answer:
        assert (answer.status, await answer.read()) == (200, b"x" * 7)
        assert answer.headers["Content-Disposition"].startswith("attachment; ")


@pytest.mark.parametrize(
    "location",
    [
        "https://localhost/x",  # an allowed name, but not a public address
        "https://evil.example.com/x",
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1/x",
        "//evil.example.com/x",
        "/2010-04-01/Accounts.json",
        "file:///etc/passwd",
        "https://[",
        "",
    ],
)
async def test_a_redirect_to_anywhere_else_is_not_followed(
    provider: Provider, location: str
) -> None:
    provider.answers_with(status=302, headers={"Location": location})
    expected = (503, "unavailable") if not location else (404, "not_found")
    assert await asked(provider) == expected
    assert {request.path for request in provider.asked} == {FILE}


async def test_a_file_elsewhere_is_not_asked_for(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url in ("http://127.0.0.1:1/x", "https://localhost/x", "not a URL"):
        assert await asked(provider, url) == (404, "not_found")
    for answered, expected in (
        (socket.EAI_NONAME, (404, "not_found")),
        (socket.EAI_AGAIN, (503, "unavailable")),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(socket, "getaddrinfo", Mock(side_effect=socket.gaierror(answered, "")))
            assert await asked(provider, "https://nowhere.invalid/x") == expected
    assert provider.asked == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"status": 404}, (404, "not_found")),
        ({"status": 410}, (404, "not_found")),
        ({"status": 400}, (404, "not_found")),
        ({"status": 401}, (404, "not_found")),
        ({"status": 403}, (404, "not_found")),
        ({"status": 408}, (503, "unavailable")),
        ({"status": 429}, (503, "unavailable")),
        ({"status": 500}, (503, "unavailable")),
        ({"status": 206}, (503, "unavailable")),
        ({"status": 304}, (503, "unavailable")),
        ({"headers": {"Content-Encoding": "gzip"}}, (503, "unavailable")),
    ],
    ids=str,
)
async def test_what_is_no_file_is_a_problem(
    provider: Provider, given: dict[str, Any], expected: tuple[int, str]
) -> None:
    provider.answers_with(**given)
    assert await asked(provider) == expected


async def test_credentials_that_are_refused_are_noted_once_in_a_while(
    provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.answers_with(status=401)
    async with serving(provider) as client:
        for _ in range(2):
            async with client.get("/") as answer:
                assert answer.status == 404
    [warning] = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert "account acme" in warning.getMessage()
    assert FILE not in caplog.text


async def test_a_client_that_closes_its_connection_is_no_failure(
    provider: Provider, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, fetcher.__name__)
    monkeypatch.setattr(fetcher, "FILE_BYTES_MAX", 2**40)

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(b"x" * 1_000)
        return response

    provider.answers[FILE] = endless
    async with serving(provider) as client:
        left = await client.get("/")
        assert await left.content.readany()
        left.close()
        assert await provider.passed_on.get() == 200
    assert caplog.records == []


async def test_a_provider_that_is_not_there_is_unavailable(provider: Provider) -> None:
    async def drop(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    provider.answers[FILE] = drop
    assert await asked(provider) == (503, "unavailable")


async def test_a_file_that_says_that_it_is_too_large_is_refused(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetcher, "FILE_BYTES_MAX", 100)
    provider.answers_with(body=b"x" * 101)
    assert await asked(provider) == (422, "file_too_large")
    provider.answers_with(body=b"x" * 100)
    async with serving(provider) as client, client.get("/") as answer:
        assert len(await answer.read()) == 100


async def test_a_file_that_turns_out_too_large_or_breaks_off_is_cut_off(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetcher, "FILE_BYTES_MAX", 1_000_000)

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(2_000):
            await response.write(b"x" * 1_000)
        return response

    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "500000"})
        await response.prepare(request)
        await response.write(b"x" * 200_000)
        assert request.transport is not None
        request.transport.close()
        return response

    for handler in (endless, broken):
        provider.answers[FILE] = handler
        async with serving(provider) as client, client.get("/") as answer:
            assert answer.status == 200
            with pytest.raises(aiohttp.ClientError):
                await answer.read()


async def test_a_user_who_reads_none_of_their_files_gets_no_more(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetcher, "FETCHES_OF_USER_MAX", 1)
    monkeypatch.setattr(fetcher, "TURN_SECONDS", 0.05)
    provider.answers_with(body=b"x" * 16_000_000)
    async with serving(provider) as client, client.get("/") as unread:
        assert unread.status == 200
        async with client.get("/") as refused:
            assert refused.status == 503
        assert len(await unread.read()) == 16_000_000


async def test_a_client_that_takes_nothing_loses_its_turn(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetcher, "FETCHES_OF_USER_MAX", 1)
    monkeypatch.setattr(fetcher, "WRITE_SECONDS", 0.05)
    provider.answers_with(body=b"x" * 16_000_000)
    async with serving(provider) as client, client.get("/") as unread:
        provider.answers_with(body=b"x" * 7)
        async with client.get("/") as next_one:
            assert await next_one.read() == b"x" * 7
        with pytest.raises(aiohttp.ClientError):
            await unread.read()


async def test_a_file_that_takes_too_long_is_given_up(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetcher, "READ_SECONDS", 0.05)
    ended = asyncio.Event()

    async def hang(_: web.Request) -> web.StreamResponse:
        await ended.wait()
        return web.Response()

    provider.answers[FILE] = hang
    assert await asked(provider) == (503, "unavailable")
    ended.set()
