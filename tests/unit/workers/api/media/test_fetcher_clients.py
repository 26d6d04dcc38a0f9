"""Files go to clients that leave, or that take nothing."""

import logging
from contextlib import suppress

import aiohttp
import pytest
from aiohttp import web

from tests.unit.workers.api.media.given import FILE, Provider, serving
from workers.api.media import fetcher


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
