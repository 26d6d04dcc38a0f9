"""Routes are made from operations: who asks, what is asked, what is answered."""

import logging
from typing import Any

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from aiokafka.errors import KafkaTimeoutError

from tests.unit.workers.api.given import Body, Path, Query, accept, operation, served
from workers.api.operation import PREFIX, Call
from workers.process import metrics

OPERATIONS = (
    operation(query=Query),
    operation(name="send", method="POST", body=Body),
    operation(name="find", address="/echo/{number}", path=Path),
    operation(accept, name="accept", method="PUT", address="/accept", answers={202: None}),
)


async def test_an_answer_has_its_status_its_headers_and_is_not_stored() -> None:
    async with served(OPERATIONS) as client:
        answered = await client.get(f"{PREFIX}/echo/7")
        assert (answered.status, answered.headers["Cache-Control"]) == (200, "no-store")
        assert (await answered.json())["path"] == {"number": 7}
        accepted = await client.put(f"{PREFIX}/accept")
        assert (accepted.status, accepted.headers["Location"]) == (202, "/somewhere")
        assert await accepted.read() == b""


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PATCH", "DELETE"])
async def test_other_methods_are_refused_with_those_that_there_are(method: str) -> None:
    async with served(OPERATIONS) as client:
        answered = await client.request(method, f"{PREFIX}/echo")
        assert (answered.status, answered.headers["Allow"]) == (405, "GET, POST")


@pytest.mark.parametrize("path", ["/nothing", "/echo/", "/echo/7/8", "/ECHO", "/", "//echo", ""])
async def test_other_paths_are_not_found(path: str) -> None:
    async with served(OPERATIONS) as client:
        answered = await client.get(PREFIX + path)
        assert answered.status == 404
        problem = await answered.json(content_type="application/problem+json")
        assert (problem["code"], "path" in problem["detail"]) == ("not_found", True)


def raising(error: Exception) -> Any:
    """Returns a handler that fails."""

    async def handle(_api: Any, _call: Call) -> Any:
        raise error

    return handle


@pytest.mark.parametrize(
    "error",
    [
        KafkaTimeoutError(),
        asyncpg.ConnectionDoesNotExistError("s3cret"),
        asyncpg.CannotConnectNowError("s3cret"),
        TimeoutError(),
        ConnectionRefusedError(),
    ],
    ids=repr,
)
async def test_when_kafka_or_postgres_is_away_the_client_may_ask_again(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async with served([operation(raising(error))]) as client:
        answered = await client.get(f"{PREFIX}/echo")
        assert (answered.status, answered.headers["Retry-After"]) == (503, "1")
        body = await answered.json(content_type="application/problem+json")
        assert body["code"] == "unavailable"
    assert type(error).__name__ in caplog.text
    assert "s3cret" not in caplog.text


async def test_nothing_but_what_is_public_is_answered_before_the_database_is_known_to_fit() -> None:
    operations = [operation(), operation(name="open", address="/open", is_public=True)]
    async with served(operations, is_open=False) as client:
        assert (await client.get(f"{PREFIX}/echo")).status == 503
        assert (await client.get(f"{PREFIX}/open")).status == 200


async def test_a_bug_is_logged_without_anything_of_the_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    bug = ValueError("what s3cret holds")
    operations = [operation(raising(bug), method="POST", body=Body, query=Query)]
    counted = metrics.API_REQUESTS.labels("echo", 500)
    before = counted._value.get()
    async with served(operations) as client:
        answered = await client.post(f"{PREFIX}/echo?name=s3cret", json={"text": "s3cret"})
        assert answered.status == 500
        body = await answered.json(content_type="application/problem+json")
    assert body["code"] == "internal_error"
    assert "echo: a bug: ValueError" in caplog.text
    assert "test_handling.py" in caplog.text
    assert "s3cret" not in caplog.text + str(body)
    assert counted._value.get() == before + 1


async def test_an_answer_that_fails_in_the_middle_breaks_off(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def begin(_api: Any, call: Call) -> Any:
        response = web.StreamResponse()
        await response.prepare(call.request)
        await response.write(b"begun")
        raise ValueError(call.request.query["name"])

    async with served([operation(begin, query=Query, content_type="text/event-stream")]) as client:
        answered = await client.get(f"{PREFIX}/echo?name=s3cret")
        assert answered.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await answered.read()
    assert "a bug: ValueError" in caplog.text
    assert "s3cret" not in caplog.text
