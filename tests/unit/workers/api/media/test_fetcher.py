"""Files come from a provider that is slow, wrong or hostile."""

import asyncio
import logging
import socket
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
from aiohttp import web

from tests.unit.workers.api.media.given import FILE, ID, OTHER_FILE, Provider, asked, serving
from workers.api.media import fetcher


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
