"""Answers of any server, and the waits that they ask for."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web
from msgspec.structs import replace as changed

from bench.mock_twilio.account import SID
from domain.sending import NotTaken, PostOutcome, Refused, Taken, Unknown
from tests.harness.twilio_account import SEND, settings
from workers.dev.embedded.ports import HOST, free_port
from workers.twilio.client import Twilio


class Server:
    """Gives any answer to the client under test."""

    def __init__(self) -> None:
        self.answer = web.Response()
        self.port = free_port()
        self.twilio = Twilio(settings(f"http://{HOST}:{self.port}/edge"))
        self.paths: list[str] = []

    async def handle(self, request: web.Request) -> web.Response:
        """Return the answer that the test set."""
        self.paths.append(request.path_qs)
        return self.answer


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server that does not answer as Twilio does."""
    server = Server()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, server.port).start()
    yield server
    await server.twilio.close()
    await runner.cleanup()


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [("7", 7.0), ("90", 90.0), ("86400", 3600.0), ("9" * 30, 3600.0)],
)
async def test_a_wait_that_an_answer_asks_for_is_kept(
    server: "Server", retry_after: str, seconds: float
) -> None:
    server.answer = web.Response(status=429, headers={"Retry-After": retry_after})
    assert await server.twilio.post(SEND) == NotTaken(seconds)


@pytest.mark.parametrize("zone", ["GMT", "-0000"])
async def test_an_answer_may_ask_for_a_time(server: "Server", zone: str) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(minutes=10)).replace("+0000", zone)
    server.answer = web.Response(status=429, headers={"Retry-After": until})
    outcome = await server.twilio.post(SEND)
    assert isinstance(outcome, NotTaken)
    assert 500 < outcome.again_seconds <= 600


@pytest.mark.parametrize(
    "retry_after", [None, "0", "", "soon", "-5", "Thu, 01 Jan 1970 00:00:00 GMT"]
)
@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 0.1), (2, 0.2), (5, 1.6), (9, 25.6), (10, 30.0), (2000, 30.0)]
)
async def test_without_one_the_wait_doubles_up_to_half_a_minute(
    server: "Server", retry_after: str | None, attempts: int, seconds: float
) -> None:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    server.answer = web.Response(status=429, headers=headers)
    outcome = await server.twilio.post(changed(SEND, attempts=attempts))
    assert isinstance(outcome, NotTaken)
    assert 0.9 * seconds <= outcome.again_seconds <= 1.1 * seconds


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (201, "", Unknown()),
        (201, "{}", Unknown()),
        (201, '{"sid": ""}', Unknown()),
        (201, "<html>", Unknown()),
        (201, '{"sid": "SM1", "status": null}', Taken("SM1", "accepted")),
        (200, '{"sid": "MM1", "status": "sending"}', Taken("MM1", "sending")),
        (204, "", Unknown()),
        (302, "", Unknown()),
        (400, "", Refused(400)),
        (400, "null", Refused(400)),
        (400, '{"code": "x", "message": "no"}', Refused(None)),
        (400, '{"code": 99999999999, "message": "no"}', Refused(None)),
        (400, '{"code": null, "message": "no"}', Refused(None)),
        # The status in a problem's body may differ from the HTTP status, which counts.
        (400, '{"type": "", "title": "", "status": 500, "code": 21610}', Refused(21610)),
        (400, '{"type": "", "title": "", "status": "?", "code": 21610}', Refused(21610)),
        (503, '{"type": "", "title": "", "status": 400, "code": 21610}', Unknown()),
        (503, '{"code": 21610, "status": 400}', Unknown()),
    ],
)
async def test_an_answer_that_is_not_twilios_is_understood_as_far_as_it_is_sure(
    server: Server, status: int, body: str, outcome: PostOutcome
) -> None:
    server.answer = web.Response(status=status, text=body)
    assert await server.twilio.post(SEND) == outcome
    assert server.paths == [f"/edge/2010-04-01/Accounts/{SID}/Messages.json"]
