"""How one POST can end, each way told apart: only what surely was not taken is posted again."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from msgspec.structs import replace as changed
from twilio.base.exceptions import TwilioException

from domain.sending import NotTaken, Outcome, Refused, Send, Taken, Unknown
from schemas.fields import AccountId
from tests.mock_twilio import Fault, MockTwilio, Planted, faults
from tests.mock_twilio.clients import CONTACT, SENDER
from tests.unit.domain.sends import posting
from workers import twilio_client
from workers.embedded.ports import HOST, free_port
from workers.settings import Settings
from workers.twilio_client import Twilio, status_of

ACCOUNT = AccountId("acme")
SID = "AC00000000000000000000000000000000"
ACCOUNTS = f'{{"{SID}": {{"account_id": "acme", "auth_token": "12345"}}}}'
TEMPLATE = "HX" + "0" * 32

SEND = posting(
    from_address=SENDER, to_address=CONTACT, message_id="0190a719-ac96-7eb9-a837-cac215164834"
)


def settings(url: str, **environment: str) -> Settings:
    """Settings of an account at Twilio, which is at this URL."""
    usual = {
        "INBOX_TWILIO_API_URL": url,
        "INBOX_TWILIO_ACCOUNTS": ACCOUNTS,
        "INBOX_PUBLIC_URL": "https://inbox.example.com/in",
    }
    return Settings.from_environment(usual | environment)


@pytest.fixture
async def mock() -> AsyncIterator[MockTwilio]:
    """Twilio, which cannot call back."""
    async with MockTwilio() as mock:
        yield mock


@pytest.fixture
async def twilio(mock: MockTwilio) -> AsyncIterator[Twilio]:
    """The client under test."""
    twilio = Twilio(settings(mock.url))
    yield twilio
    await twilio.close()


def asked(mock: MockTwilio) -> dict[str, list[str]]:
    """The fields of the only send."""
    [send] = mock.ledger.sends
    return parse_qs(send.raw, keep_blank_values=True)


async def test_a_text_is_posted_with_its_files_and_where_to_call_back(
    mock: MockTwilio, twilio: Twilio
) -> None:
    files = ("https://a.b/1.png", "https://a.b/2.png?x=1&y=2")
    outcome = await twilio.post(changed(SEND, body="Olá, 1 + 1 = 2 👋", media_urls=files, part=2))
    assert outcome == Taken(mock.ledger.sends[0].sid, "queued")
    assert mock.ledger.sends[0].sid.startswith("MM")
    assert asked(mock) == {
        "From": [SENDER],
        "To": [CONTACT],
        "Body": ["Olá, 1 + 1 = 2 👋"],
        "MediaUrl": list(files),
        "StatusCallback": [f"https://inbox.example.com/in/twilio/status?mid={SEND.message_id}&a=2"],
    }


async def test_a_template_is_posted_with_its_variables_and_without_a_text(
    mock: MockTwilio, twilio: Twilio
) -> None:
    template = changed(SEND, body="", content_sid=TEMPLATE, content_variables={"1": "Ana"})
    assert isinstance(await twilio.post(template), Taken)
    fields = asked(mock)
    assert fields["ContentSid"] == [TEMPLATE]
    assert fields["ContentVariables"] == ['{"1":"Ana"}']
    assert "Body" not in fields


FAULTS: list[tuple[Fault, type[Outcome], int]] = [
    (faults.throttled(), NotTaken, 0),
    (faults.throttled(7), NotTaken, 0),
    *((faults.server_error("before", status), Unknown, 0) for status in (500, 502, 503, 504)),
    (faults.server_error("after"), Unknown, 1),
    (faults.html_502("before"), Unknown, 0),
    (faults.html_502("after"), Unknown, 1),
    (faults.problem("after", 500, 20500), Unknown, 1),
    (faults.answer_lost(), Unknown, 1),
    (faults.answer_cut(), Unknown, 1),
    (faults.connection_closed(), Unknown, 0),
    (faults.connection_reset("before"), Unknown, 0),
    (faults.connection_reset("after"), Unknown, 1),
]


@pytest.mark.parametrize(("fault", "kind", "sends"), FAULTS, ids=lambda value: str(value)[:60])
async def test_only_what_twilio_surely_did_not_take_is_not_taken(
    mock: MockTwilio, twilio: Twilio, fault: Fault, kind: type[Outcome], sends: int
) -> None:
    mock.faults.add(fault)
    assert type(await twilio.post(SEND)) is kind
    # Asked once: nothing tries again by itself.
    assert (len(mock.ledger.requests), len(mock.ledger.sends)) == (1, sends)


@pytest.mark.parametrize(
    ("fault", "error_code"),
    [
        (faults.refused(21610), 21610),
        (faults.refused(63016), 63016),
        (faults.refused(20003, 401), 20003),
        (faults.problem("before", 400, 63016), 63016),
        (Fault(act="answer", status=404, shape="html"), 404),
    ],
)
async def test_any_other_4xx_is_a_refusal_with_twilios_code(
    mock: MockTwilio, twilio: Twilio, fault: Fault, error_code: int
) -> None:
    mock.faults.add(fault)
    assert await twilio.post(SEND) == Refused(error_code)


@pytest.mark.parametrize(
    "send", [changed(SEND, to_address="whatsapp:nobody"), changed(SEND, body="x" * 1601)]
)
async def test_what_twilio_cannot_send_is_refused(twilio: Twilio, send: Send) -> None:
    outcome = await twilio.post(send)
    assert isinstance(outcome, Refused)
    assert outcome.error_code in {21211, 21617}


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_request_that_hangs_ends_and_nobody_knows_how(
    mock: MockTwilio, monkeypatch: pytest.MonkeyPatch, when: faults.When
) -> None:
    monkeypatch.setattr(twilio_client, "REQUEST_SECONDS", 0.2)
    mock.faults.add(faults.hanging(when))
    twilio = Twilio(settings(mock.url))
    assert await twilio.post(SEND) == Unknown()
    await twilio.close()
    assert len(mock.ledger.sends) == (when == "after")


async def test_a_connection_that_is_refused_took_nothing(mock: MockTwilio, twilio: Twilio) -> None:
    async with mock.refusing():
        assert isinstance(await twilio.post(SEND), NotTaken)
    assert isinstance(await twilio.post(SEND), Taken)
    assert len(mock.ledger.requests) == 1


async def test_a_name_that_nobody_knows_took_nothing() -> None:
    twilio = Twilio(settings("http://no-such-host.invalid:1"))
    assert isinstance(await twilio.post(SEND), NotTaken)
    await twilio.close()


async def test_a_connection_that_is_never_made_took_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(twilio_client, "CONNECT_SECONDS", 0.2)
    with socket.socket() as deaf, socket.socket() as first:
        # Its queue is full, and nobody takes from it.
        deaf.bind((HOST, 0))
        deaf.listen(0)
        first.setblocking(False)
        first.connect_ex(deaf.getsockname())
        twilio = Twilio(settings(f"http://{HOST}:{deaf.getsockname()[1]}"))
        assert isinstance(await twilio.post(SEND), NotTaken)
        await twilio.close()


async def test_an_account_without_a_token_at_twilio_waits() -> None:
    accounts = f'{{"{SID}": {{"account_id": "acme", "signing_keys": {{"k": "s"}}}}}}'
    twilio = Twilio(settings("http://127.0.0.1:1", INBOX_TWILIO_ACCOUNTS=accounts))
    assert not twilio.knows(ACCOUNT)
    assert await twilio.post(SEND) == NotTaken(30.0)
    await twilio.close()


async def test_of_several_accounts_at_twilio_the_first_one_sends(mock: MockTwilio) -> None:
    other = "AC" + "1" * 32
    accounts = f'{ACCOUNTS[:-1]}, "{other}": {{"account_id": "acme", "auth_token": "9"}}}}'
    twilio = Twilio(settings(mock.url, INBOX_TWILIO_ACCOUNTS=accounts))
    assert isinstance(await twilio.post(SEND), Taken)
    await twilio.close()


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


class Server:
    """Answers anything; the client under test asks it."""

    def __init__(self) -> None:
        self.answer = web.Response()
        self.port = free_port()
        self.twilio = Twilio(settings(f"http://{HOST}:{self.port}/edge"))
        self.paths: list[str] = []

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a request."""
        self.paths.append(request.path_qs)
        return self.answer


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server that is not Twilio at all."""
    server = Server()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, server.port).start()
    yield server
    await server.twilio.close()
    await runner.cleanup()


PROBLEM = {"type": "about:blank", "title": "No", "detail": "no"}


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
        # What a problem says of its own status is not what it came with.
        (400, '{"type": "", "title": "", "status": 500, "code": 21610}', Refused(21610)),
        (400, '{"type": "", "title": "", "status": "?", "code": 21610}', Refused(21610)),
        (503, '{"type": "", "title": "", "status": 400, "code": 21610}', Unknown()),
        (503, '{"code": 21610, "status": 400}', Unknown()),
    ],
)
async def test_an_answer_that_is_not_twilios_is_understood_as_far_as_it_is_sure(
    server: Server, status: int, body: str, outcome: Outcome
) -> None:
    server.answer = web.Response(status=status, text=body)
    assert await server.twilio.post(SEND) == outcome
    assert server.paths == [f"/edge/2010-04-01/Accounts/{SID}/Messages.json"]


async def listed(twilio: Twilio, **wanted: Any) -> list[twilio_client.TwilioMessage]:
    since = datetime.now(UTC) - timedelta(minutes=1)
    return [message async for message in twilio.messages(ACCOUNT, since=since, **wanted)]


async def test_the_list_has_what_was_sent_to_a_contact(
    mock: MockTwilio, twilio: Twilio, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Several pages of it.
    monkeypatch.setattr(twilio_client, "PAGE_MESSAGES", 2)
    outcomes = [await twilio.post(changed(SEND, body=f"text {number}")) for number in range(5)]
    await twilio.post(changed(SEND, to_address="whatsapp:+4900"))
    mock.plant(Planted(from_=CONTACT, to=SENDER, body="hi"))
    await mock.drain()
    found = await listed(twilio, from_address=SENDER, to_address=CONTACT)
    assert {message.sid for message in found} == {
        outcome.provider_message_id for outcome in outcomes if isinstance(outcome, Taken)
    }
    assert {message.body for message in found} == {f"text {number}" for number in range(5)}
    assert {(message.direction, message.error_code) for message in found} == {
        ("outbound-api", None)
    }
    assert all(message.created_at.tzinfo for message in found)


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault(act="answer", status=429, on="list"), 429),
        (Fault(act="answer", status=503, on="list"), 503),
        (Fault(act="answer", status=401, code=20003, on="list"), 401),
    ],
)
async def test_an_error_of_the_list_has_its_status(
    mock: MockTwilio, twilio: Twilio, fault: Fault, status: int
) -> None:
    mock.faults.add(fault)
    with pytest.raises(TwilioException) as caught:
        await listed(twilio)
    assert status_of(caught.value) == status


async def test_texts_secrets_and_addresses_are_not_logged(
    mock: MockTwilio, twilio: Twilio, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    await twilio.post(changed(SEND, body="between-you-and-me"))
    mock.faults.add(faults.refused(21211), faults.answer_lost())
    await twilio.post(changed(SEND, body="between-you-and-me"))
    await listed(twilio, from_address=SENDER, to_address=CONTACT)
    logged = caplog.text
    for secret in ("between-you-and-me", "12345", CONTACT.partition("+")[2], "Authorization"):
        assert secret not in logged


async def test_posts_at_once_do_not_wait_for_each_other(mock: MockTwilio, twilio: Twilio) -> None:
    mock.faults.add(faults.hanging("before", times=1))
    slow = asyncio.create_task(twilio.post(SEND))
    quick = await asyncio.gather(*(twilio.post(SEND) for _ in range(20)))
    assert sum(isinstance(outcome, Taken) for outcome in quick) >= 19
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
