"""The mock of Twilio, seen by Twilio's own client library and by a plain one."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
from twilio.base.exceptions import TwilioRestException, TwilioServiceException
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from tests.mock_twilio import Fault, Ledger, MockTwilio, Planted, RemoteTwilio, Telling, faults
from tests.mock_twilio.clients import (
    CONTACT,
    GOOD,
    MESSAGES,
    SENDER,
    LoopHttpClient,
    Plain,
    Receiver,
    ThreadHttpClient,
)
from tests.mock_twilio.server import ACCOUNTS
from tests.mock_twilio.tellings import failing, missing
from tests.twilio import SID, TOKEN
from tests.waiting import until
from workers.dev.provider.callbacks import status_form
from workers.dev.provider.messages import Message, now
from workers.dev.provider.server import Provider
from workers.embedded.ports import HOST, free_port

SMS_SENDER, SMS_CONTACT = "+16505552222", "+16505551111"
TEMPLATE = "HX" + "a" * 32

# The library's client for asyncio still hands its credentials to aiohttp the old way.
pytestmark = [
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning"),
]


@pytest.fixture
async def mock() -> AsyncIterator[MockTwilio]:
    """A mock."""
    async with MockTwilio() as mock:
        yield mock


@pytest.fixture
async def plain() -> AsyncIterator[Plain]:
    """A plain client."""
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield Plain(session)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver of status callbacks, where every one must be signed."""
    async with Receiver().running() as receiver:
        yield receiver
    assert receiver.unsigned == []


@asynccontextmanager
async def library(mock: Provider) -> AsyncIterator[Any]:
    """Twilio's client library, for asyncio."""
    async with LoopHttpClient(mock.url) as http:
        yield Client(SID, TOKEN, http_client=http)


async def test_the_library_sends_in_a_thread_and_reads_back_what_it_sent(mock: MockTwilio) -> None:
    http = ThreadHttpClient(mock.url)
    client = Client(SID, TOKEN, http_client=http)
    try:
        made = await asyncio.to_thread(
            client.messages.create, to=CONTACT, from_=SENDER, body="Olá & ção 👋"
        )
        await mock.drain()
        fetched = await asyncio.to_thread(client.messages(made.sid).fetch)
        listed = await asyncio.to_thread(client.messages.list, to=CONTACT, from_=SENDER)
    finally:
        http.session.close()

    assert (made.sid[:2], len(made.sid), made.status) == ("SM", 34, "queued")
    assert (made.direction, made.error_code, made.num_media) == ("outbound-api", None, "0")
    assert (made.to, made.from_, made.body) == (CONTACT, SENDER, "Olá & ção 👋")
    assert made.date_sent is None
    assert made.date_created is not None
    assert fetched.status == "read"
    assert fetched.date_sent is not None
    assert [message.sid for message in listed] == [made.sid]

    [sent] = mock.ledger.sends
    assert (sent.sid, sent.to, sent.from_, sent.body) == (made.sid, CONTACT, SENDER, "Olá & ção 👋")
    assert sent.raw.startswith("To=whatsapp%3A%2B4915112345678&")
    assert [request.route for request in mock.ledger.requests] == ["send", "fetch", "list"]
    assert [request.status for request in mock.ledger.requests] == [201, 200, 200]


async def test_the_library_sends_files_and_templates(mock: MockTwilio) -> None:
    files = ["https://files.example.com/a.png?x=1&y=2", "https://files.example.com/b.pdf"]
    variables = '{"1": "Ana"}'
    async with library(mock) as client:
        photo = await client.messages.create_async(
            to=SMS_CONTACT, from_=SMS_SENDER, media_url=files
        )
        template = await client.messages.create_async(
            to=CONTACT, from_=SENDER, content_sid=TEMPLATE, content_variables=variables
        )
        serviced = await client.messages.create_async(
            to=SMS_CONTACT, messaging_service_sid="MG" + "0" * 32, body="hello"
        )
        media = await client.messages(photo.sid).media.list_async()

    assert (photo.sid[:2], photo.num_media) == ("MM", "2")
    assert [each.content_type for each in media] == ["image/png", "application/pdf"]
    assert (serviced.status, serviced.from_, serviced.num_segments) == ("accepted", None, "0")
    [first, second, _] = mock.ledger.sends
    assert first.media == files
    assert (second.sid, second.body) == (template.sid, "")
    assert (second.content_sid, second.content_variables) == (TEMPLATE, variables)


async def test_a_long_text_message_has_segments_and_a_channels_has_not(mock: MockTwilio) -> None:
    async with library(mock) as client:

        async def segments(body: str, to: str = SMS_CONTACT, sender: str = SMS_SENDER) -> str:
            made = await client.messages.create_async(to=to, from_=sender, body=body)
            return str(made.num_segments)

        assert [await segments("x" * length) for length in (160, 161, 307)] == ["1", "2", "3"]
        assert [await segments("ü" * length) for length in (70, 71)] == ["1", "2"]
        assert await segments("👋" * 36) == "2"
        assert await segments("x" * 1600, CONTACT, SENDER) == "1"


async def test_lists_are_of_both_directions_filtered_newest_first_and_in_pages(
    mock: MockTwilio,
) -> None:
    start = datetime(2026, 3, 1, 23, 59, 50, tzinfo=UTC)
    sids = [
        mock.plant(
            Planted(
                from_=CONTACT,
                to=SENDER,
                body=f"{number}",
                date_sent=start + timedelta(seconds=number),
            )
        ).sid
        for number in range(20)
    ]
    other = mock.plant(
        Planted(from_=SMS_CONTACT, to=SMS_SENDER, media=["https://x.example.com/1.jpg"])
    )
    async with library(mock) as client:

        async def listed(**query: Any) -> list[str]:
            return [message.sid for message in await client.messages.list_async(**query)]

        assert await listed(from_=CONTACT, page_size=7) == sids[::-1]
        assert await listed(from_=CONTACT, to=SENDER, limit=3) == sids[:-4:-1]
        assert await listed(to=CONTACT) == []
        assert (await listed())[0] == other.sid
        middle = start + timedelta(seconds=10)
        assert await listed(to=SENDER, date_sent_after=middle) == sids[:9:-1]
        assert await listed(to=SENDER, date_sent_before=middle) == sids[10::-1]
        assert await listed(to=SENDER, date_sent=middle) == [sids[10]]
        assert await listed(to=SENDER, date_sent="2026-03-02") == sids[:9:-1]
        assert await listed(to=SENDER, date_sent_before="2026-03-01") == sids[9::-1]

        [inbound] = await client.messages.list_async(from_=SMS_CONTACT)
        assert (inbound.direction, inbound.status, inbound.num_media) == (
            "inbound",
            "received",
            "1",
        )
        [media] = await client.messages(inbound.sid).media.list_async()
        assert (media.parent_sid, media.content_type) == (inbound.sid, "image/jpeg")


async def test_a_page_goes_on_where_the_one_before_ended_whatever_came_in_between(
    mock: MockTwilio, plain: Plain
) -> None:
    sids = [mock.plant(Planted(from_=CONTACT, to=SENDER)).sid for _ in range(4)]
    first = json.loads((await plain.ask("GET", f"{mock.url}{MESSAGES}?PageSize=2")).body)
    mock.plant(Planted(from_=CONTACT, to=SENDER))
    second = json.loads((await plain.ask("GET", mock.url + first["next_page_uri"])).body)
    shown = [message["sid"] for page in (first, second) for message in page["messages"]]
    assert shown == sids[::-1]
    assert second["next_page_uri"] is None


async def test_only_the_accounts_token_or_api_key_is_let_in(mock: MockTwilio, plain: Plain) -> None:
    refused = await plain.ask("POST", mock.url + MESSAGES, data=GOOD, password="wrong")
    assert refused.status == 401
    assert json.loads(refused.body) == {
        "code": 20003,
        "message": "Authenticate",
        "more_info": "https://www.twilio.com/docs/errors/20003",
        "status": 401,
    }
    strange = MESSAGES.replace(SID, "AC" + "9" * 32)
    assert (await plain.ask("POST", mock.url + strange, data=GOOD)).status == 401
    assert (await plain.ask("GET", mock.url + MESSAGES, password="")).status == 401

    [(key, secret)] = ACCOUNTS[SID].api_keys.items()
    async with LoopHttpClient(mock.url) as http:
        client = Client(key, secret, account_sid=SID, http_client=http)
        await client.messages.create_async(to=CONTACT, from_=SENDER, body="x")
    assert len(mock.ledger.sends) == 1
    assert len(mock.ledger.requests) == 4
    assert all("Authorization" not in request.headers for request in mock.ledger.requests)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"To": ""}, 21604),
        ({"To": "12"}, 21211),
        ({"To": "whatsapp:4915112345678"}, 21211),
        ({"From": ""}, 21603),
        ({"From": "whatsapp:nobody"}, 21212),
        ({"From": SMS_SENDER}, 21910),
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1601}, 21617),
        ({"MediaUrl": "ftp://x.example.com/a.jpg"}, 21620),
        ({"ContentSid": "HX1"}, 21655),
        ({"ContentVariables": '{"1": "x"}'}, 21656),
        ({"ContentSid": TEMPLATE, "ContentVariables": "{1: x}"}, 21656),
        ({"ContentSid": TEMPLATE, "ContentVariables": '{"1": ""}'}, 21656),
        ({"MessagingServiceSid": "MG1"}, 21701),
        ({"StatusCallback": "not a url"}, 21609),
        ({"StatusCallback": "http://under_score.example.com/"}, 21609),
    ],
    ids=str,
)
async def test_a_bad_form_is_refused_with_twilios_code(
    mock: MockTwilio, plain: Plain, fields: dict[str, str], code: int
) -> None:
    seen = await plain.send(mock, **fields)
    assert (seen.status, json.loads(seen.body)["code"]) == (400, code)
    assert mock.ledger.sends == []
    [request] = mock.ledger.requests
    assert (request.status, request.fault) == (400, None)


async def test_what_is_no_form_or_not_there_is_refused(mock: MockTwilio, plain: Plain) -> None:
    as_json = await plain.ask("POST", mock.url + MESSAGES, json=GOOD)
    assert json.loads(as_json.body)["code"] == 21604
    many = aiohttp.FormData([*GOOD.items(), *[("MediaUrl", "https://x.example.com/a")] * 11])
    assert json.loads((await plain.ask("POST", mock.url + MESSAGES, data=many)).body)["code"] == (
        21623
    )
    gone = MESSAGES.replace(".json", f"/SM{'0' * 32}.json")
    assert (await plain.ask("GET", mock.url + gone)).status == 404
    assert (await plain.ask("GET", f"{mock.url}/2010-04-01/Nothing.json")).status == 404
    for query, code in (
        ("PageSize=0", 20001),
        ("PageSize=1001", 20007),
        ("PageSize=x", 20001),
        ("PageToken=x", 20001),
        ("DateSent=yesterday", 20001),
    ):
        seen = await plain.ask("GET", f"{mock.url}{MESSAGES}?{query}")
        assert (seen.status, json.loads(seen.body)["code"]) == (400, code), query


DISCONNECTED = aiohttp.ServerDisconnectedError


class Case(NamedTuple):
    """A fault, what a client sees of it, and how many messages are sent."""

    fault: Fault
    status: int | None
    error: type[Exception] | None
    sends: int


CASES = [
    Case(faults.answer_lost(), None, DISCONNECTED, 1),
    Case(faults.connection_closed(), None, DISCONNECTED, 0),
    Case(faults.connection_reset("after"), None, aiohttp.ClientOSError, 1),
    Case(faults.connection_reset("before"), None, aiohttp.ClientOSError, 0),
    Case(faults.answer_cut(), None, aiohttp.ClientPayloadError, 1),
    Case(faults.server_error("before"), 503, None, 0),
    Case(faults.server_error("after", 500), 500, None, 1),
    Case(faults.html_502("before"), 502, None, 0),
    Case(faults.html_502("after"), 502, None, 1),
    Case(faults.problem("before", 422, 21211), 422, None, 0),
    Case(faults.problem("after", 500, 20500), 500, None, 1),
    Case(faults.throttled(), 429, None, 0),
    Case(faults.throttled(7), 429, None, 0),
    Case(faults.refused(21610), 400, None, 0),
    Case(faults.window_closed(CONTACT), 400, None, 0),
    Case(faults.slow(0.01), 201, None, 1),
    Case(faults.slow(0.01, "after"), 201, None, 1),
]


def named(fault: Fault) -> str:
    return f"{fault.act} {fault.when}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: named(case.fault))
async def test_each_fault_looks_as_it_should_and_leaves_what_it_should(
    mock: MockTwilio, plain: Plain, case: Case
) -> None:
    [armed] = mock.faults.add(case.fault)
    seen = await plain.send(mock)
    assert (seen.status, seen.error) == (case.status, case.error)
    assert len(mock.ledger.sends) == case.sends
    assert len(await listed(mock, plain)) == case.sends
    assert armed.hits == 1
    first = mock.ledger.requests[0]
    begun = 201 if case.fault.act == "cut" else None
    assert (first.status, first.fault) == (case.status or begun, named(case.fault))

    mock.faults.clear()
    assert (await plain.send(mock)).status == 201


async def listed(mock: MockTwilio, plain: Plain) -> list[dict[str, Any]]:
    """What the list has."""
    seen = await plain.ask("GET", mock.url + MESSAGES)
    return list(json.loads(seen.body)["messages"])


async def test_errors_have_the_shape_that_they_are_told_to_have(
    mock: MockTwilio, plain: Plain
) -> None:
    async with library(mock) as client:

        async def error(fault: Fault) -> Any:
            mock.faults.clear()
            mock.faults.add(fault)
            with pytest.raises((TwilioRestException, TwilioServiceException)) as caught:
                await client.messages.create_async(to=CONTACT, from_=SENDER, body="x")
            return caught.value

        html = await error(faults.html_502("before"))
        assert (type(html), html.status, html.code) == (TwilioRestException, 502, 502)
        problem = await error(faults.problem("before", 400, 63016))
        assert (type(problem), problem.status, problem.code) == (TwilioServiceException, 400, 63016)
        refused = await error(faults.refused(21610))
        assert (type(refused), refused.status, refused.code) == (TwilioRestException, 400, 21610)
        throttled = await error(faults.throttled())
        assert (throttled.status, throttled.code) == (429, 20429)

    mock.faults.clear()
    mock.faults.add(faults.throttled(7, times=1), faults.throttled(times=1))
    with_time, without, after = [await plain.send(mock) for _ in range(3)]
    assert with_time.headers["Retry-After"] == "7"
    assert "Retry-After" not in without.headers
    assert [seen.status for seen in (with_time, without, after)] == [429, 429, 201]


@pytest.mark.parametrize(("when", "sends"), [("before", 0), ("after", 1)])
async def test_a_hanging_request_is_answered_by_nothing_but_the_mocks_end(
    plain: Plain, when: faults.When, sends: int
) -> None:
    async with MockTwilio() as mock:
        mock.faults.add(faults.hanging(when))
        impatient = asyncio.create_task(plain.send(mock))
        await until_hanging(mock, 1)
        impatient.cancel()
        patient = asyncio.create_task(plain.send(mock))
        await until_hanging(mock, 2)
        assert not patient.done()
    assert (await patient).error is DISCONNECTED
    assert impatient.cancelled()
    assert len(mock.ledger.sends) == 2 * sends
    assert [request.fault for request in mock.ledger.requests] == [f"hang {when}"] * 2


async def until_hanging(mock: MockTwilio | RemoteTwilio, count: int) -> None:
    """Wait until so many requests hang."""

    async def hang() -> bool:
        ledger = mock.ledger if isinstance(mock, MockTwilio) else await mock.ledger()
        return len([request for request in ledger.requests if request.fault]) == count

    await until(hang, f"{count} hanging requests")


async def test_connections_are_refused_for_a_while(mock: MockTwilio, plain: Plain) -> None:
    async with mock.refusing():
        assert (await plain.send(mock)).error is aiohttp.ClientConnectorError
    assert (await plain.send(mock)).status == 201

    # A connection that is kept for the next request does not get round it: that request is lost
    # on it, unless the client has noticed.
    async with aiohttp.ClientSession() as session:
        keeper = Plain(session)
        assert (await keeper.send(mock)).status == 201
        async with mock.refusing():
            first, second = [(await keeper.send(mock)).error for _ in range(2)]
        assert first in {DISCONNECTED, aiohttp.ClientConnectorError}
        assert second is aiohttp.ClientConnectorError
    assert len(mock.ledger.sends) == 2


async def test_faults_are_for_some_only_and_for_some_times(mock: MockTwilio, plain: Plain) -> None:
    other = "whatsapp:+4915100000000"
    [armed] = mock.faults.add(faults.server_error("before", where={"To": other}, skip=1, times=2))
    statuses = [(await plain.send(mock, To=other)).status for _ in range(4)]
    assert statuses == [201, 503, 503, 201]
    assert (await plain.send(mock)).status == 201
    assert (armed.seen, armed.hits) == (4, 2)

    mock.faults.clear()
    # aiohttp itself asks once more, since it may: a list changes nothing.
    mock.faults.add(faults.window_closed(CONTACT), Fault(act="drop", on="list", times=2))
    assert json.loads((await plain.send(mock)).body)["code"] == 63016
    assert (await plain.send(mock, Body="", ContentSid=TEMPLATE)).status == 201
    assert (await plain.ask("GET", mock.url + MESSAGES)).error is DISCONNECTED
    assert len(await listed(mock, plain)) == 4


async def test_a_seed_gives_the_same_faults_again(mock: MockTwilio, plain: Plain) -> None:
    async def statuses(seed: int) -> list[int | None]:
        mock.faults.clear()
        mock.faults.add(faults.server_error("before", probability=0.5, seed=seed))
        return [(await plain.send(mock)).status for _ in range(20)]

    first = await statuses(1)
    assert set(first) == {201, 503}
    assert await statuses(1) == first
    assert await statuses(2) != first


async def test_a_status_callback_is_signed_as_twilio_signs_it() -> None:
    message = Message(
        sid="SM00000000000000000000000000000003",
        account_sid=SID,
        to=CONTACT,
        from_=SENDER,
        body="",
        direction="outbound-api",
        status="read",
        created_at=now(),
        updated_at=now(),
    )
    form = status_form(message, "read")
    assert form["ChannelToAddress"] == "+4915112XXXXX"
    # A signature that Twilio published with such a form.
    url = "https://inbox.example.com/twilio/status?mid=0190a719-ac96-7eb9-a837-cac215164834&t=7"
    assert RequestValidator(TOKEN).compute_signature(url, form) == "sbnUWsWvSbCk9UpJjRaRsnLkI+s="


async def test_all_is_told_in_order_after_the_answer(
    mock: MockTwilio, plain: Plain, receiver: Receiver
) -> None:
    sid = json.loads((await plain.send(mock, StatusCallback=receiver.url)).body)["sid"]
    await mock.drain()
    assert receiver.told == ["queued", "sent", "delivered", "read"]
    assert {form["MessageSid"] for form in receiver.forms} == {sid}
    assert {form["SmsSid"] for form in receiver.forms} == {sid}
    assert receiver.forms[-1]["EventType"] == "READ"
    assert mock.ledger.told(sid) == receiver.told
    assert [callback.answer for callback in mock.ledger.callbacks] == [204] * 4

    sms = {"To": SMS_CONTACT, "From": SMS_SENDER, "StatusCallback": receiver.url}
    await plain.send(mock, **sms)
    await mock.drain()
    assert receiver.told[4:] == ["queued", "sent", "delivered"]
    assert "EventType" not in receiver.forms[-1]


async def test_a_message_whose_answer_is_lost_is_told_of_all_the_same(
    mock: MockTwilio, plain: Plain, receiver: Receiver
) -> None:
    mock.faults.add(faults.answer_lost(times=1), faults.html_502("after"))
    for _ in range(2):
        await plain.send(mock, StatusCallback=receiver.url)
    await mock.drain()
    assert sorted(receiver.told) == sorted(["queued", "sent", "delivered", "read"] * 2)


class Told(NamedTuple):
    """A telling, what comes of it, and the status that the list shows."""

    telling: Telling
    comes: list[str]
    shown: str


TOLD = {
    "missing": Told(missing(), [], "read"),
    "reversed": Told(Telling(order="reversed"), ["read", "delivered", "sent", "queued"], "read"),
    "doubled": Told(
        Telling(statuses=("queued", "sent"), copies=2), ["queued", "queued", "sent", "sent"], "sent"
    ),
    "unknown": Told(
        Telling(statuses=("queued", "teleported")), ["queued", "teleported"], "teleported"
    ),
    "failed": Told(failing(63016), ["queued", "failed"], "failed"),
    "undelivered": Told(failing(30003, "undelivered"), ["queued", "undelivered"], "undelivered"),
}


@pytest.mark.parametrize("name", TOLD)
async def test_callbacks_come_as_they_are_told_to(
    mock: MockTwilio, plain: Plain, receiver: Receiver, name: str
) -> None:
    telling, comes, shown = TOLD[name]
    mock.tellings.add(telling)
    await plain.send(mock, StatusCallback=receiver.url)
    await mock.drain()
    assert receiver.told == comes
    code = telling.error_code
    codes = [form.get("ErrorCode") for form in receiver.forms]
    assert [each for each in codes if each is not None] == ([str(code)] if code else [])
    [message] = await listed(mock, plain)
    assert (message["status"], message["error_code"]) == (shown, code)
    assert message["date_sent"] is not None


async def test_shuffled_callbacks_are_shuffled_alike_with_one_seed(
    mock: MockTwilio, plain: Plain, receiver: Receiver
) -> None:
    mock.tellings.add(Telling(order="shuffled", copies=3, seed=5))
    for _ in range(2):
        await plain.send(mock, StatusCallback=receiver.url)
        await mock.drain()
    first, second = receiver.told[:12], receiver.told[12:]
    assert first == second
    assert first != sorted(first)


async def test_early_callbacks_come_before_the_answer(
    mock: MockTwilio, plain: Plain, receiver: Receiver
) -> None:
    mock.tellings.add(Telling(early=3, times=1))
    # Nobody knows the answer as long as the request has no status.
    answered: list[int | None] = []
    receiver.on_callback = lambda form: answered.append(mock.ledger.requests[0].status)
    seen = await plain.send(mock, StatusCallback=receiver.url)
    assert receiver.told[:3] == ["queued", "sent", "delivered"]
    assert answered[:3] == [None] * 3
    assert json.loads(seen.body)["status"] == "queued"
    await mock.drain()
    assert receiver.told[3:] == ["read"]
    assert [callback.early for callback in mock.ledger.callbacks] == [True] * 3 + [False]


async def test_a_callback_that_fails_is_told_again_only_with_retries(
    mock: MockTwilio, plain: Plain, receiver: Receiver
) -> None:
    receiver.answers = [503, 500, 204, 403, 503]
    mock.tellings.add(Telling(statuses=("queued", "sent"), retries=3, times=1))
    mock.tellings.add(Telling(statuses=("queued", "sent")))
    for _ in range(2):
        await plain.send(mock, StatusCallback=receiver.url)
        await mock.drain()
    assert receiver.told == ["queued"] * 3 + ["sent"] + ["queued", "sent"]
    assert [callback.attempt for callback in mock.ledger.callbacks] == [1, 2, 3, 1, 1, 1]
    assert [each.answer for each in mock.ledger.callbacks] == [503, 500, 204, 403, 503, 204]


async def test_a_receiver_that_is_away_is_noted(mock: MockTwilio, plain: Plain) -> None:
    nobody = f"http://{HOST}:{free_port()}/twilio/status"
    mock.tellings.add(Telling(statuses=("queued",), retries=1))
    await plain.send(mock, StatusCallback=nobody)
    await mock.drain()
    assert [callback.answer for callback in mock.ledger.callbacks] == [None, None]
    assert all("ClientConnectorError" in str(each.error) for each in mock.ledger.callbacks)


async def test_a_public_url_is_signed_and_reached_on_this_machine_or_not_at_all(
    plain: Plain, receiver: Receiver
) -> None:
    public = "https://inbox.example.com/in"
    receiver.signed_url = f"{public}/twilio/status?mid=m1%2F&a=1"
    reached_at = {public: f"http://{HOST}:{receiver.port}"}
    async with MockTwilio(reached_at=reached_at) as mock:
        await plain.send(mock, StatusCallback=receiver.signed_url)
        await plain.send(mock, StatusCallback="https://elsewhere.example.com/twilio/status")
        await plain.send(mock, StatusCallback="http://192.0.2.1/twilio/status")
    assert receiver.told == ["queued", "sent", "delivered", "read"]
    refused = [callback for callback in mock.ledger.callbacks if callback.answer is None]
    assert len(refused) == 8
    assert all("ValueError" in str(callback.error) for callback in refused)


async def test_stopping_waits_for_callbacks_but_not_for_ever(plain: Plain) -> None:
    async with Receiver().running() as receiver, MockTwilio() as mock:
        # A pause ends with the mock.
        mock.tellings.add(Telling(pause_seconds=3600))
        await plain.send(mock, StatusCallback=receiver.url)
    assert receiver.told == ["queued", "sent", "delivered", "read"]

    async with Receiver().running() as receiver:
        async with MockTwilio() as mock:
            mock.drain_seconds = 0.1
            receiver.answering.clear()
            await plain.send(mock, StatusCallback=receiver.url)
            assert mock.ledger.pending == 1
        assert mock.ledger.pending == 0
        assert mock.ledger.callbacks == []
        receiver.answering.set()


async def test_the_provider_without_faults_tells_all_too(plain: Plain, receiver: Receiver) -> None:
    async with Provider(ACCOUNTS) as provider:
        assert (await plain.send(provider, StatusCallback=receiver.url)).status == 201
        assert (await plain.send(provider)).status == 201
        nowhere = f"http://{HOST}:{free_port()}/"
        assert (await plain.send(provider, StatusCallback=nowhere)).status == 201
    assert receiver.told == ["queued", "sent", "delivered", "read"]
    assert [message.status for message in provider.messages] == ["read"] * 3


@pytest.fixture
async def remote(tmp_path: Path) -> AsyncIterator[RemoteTwilio]:
    """A mock as a process of its own."""
    async with RemoteTwilio(tmp_path / "ledger.jsonl") as remote:
        yield remote


async def test_a_process_of_its_own_does_as_it_is_told_over_http(
    remote: RemoteTwilio, plain: Plain, receiver: Receiver
) -> None:
    await remote.add(faults.answer_lost(times=1), Telling(order="reversed"))
    assert (await plain.send(remote, StatusCallback=receiver.url)).error is DISCONNECTED
    assert [(each["seen"], each["hits"]) for each in await remote.counts()] == [(1, 1)]

    async def told() -> bool:
        return len(receiver.forms) == 4 and not (await remote.ledger()).pending

    await until(told, "four callbacks")
    assert receiver.told == ["read", "delivered", "sent", "queued"]
    await remote.clear()
    assert await remote.counts() == []
    planted = await remote.plant(Planted(from_=CONTACT, to=SENDER, body="hi"))

    ledger = await remote.ledger()
    assert ledger.sends[0].status_callback == receiver.url
    assert ledger.told(ledger.sends[0].sid) == receiver.told
    page = json.loads((await plain.ask("GET", remote.url + MESSAGES)).body)
    assert {message["sid"] for message in page["messages"]} == {planted, ledger.sends[0].sid}
    seen = await plain.ask("POST", remote.url + "/_faults", data='{"act": "explode"}')
    assert (seen.status, "explode" in seen.body) == (400, True)


async def test_a_process_can_be_asked_while_it_refuses_connections(
    remote: RemoteTwilio, plain: Plain
) -> None:
    assert (await plain.send(remote)).status == 201
    await remote.refuse()
    assert (await plain.send(remote)).error is aiohttp.ClientConnectorError
    assert len((await remote.ledger()).sends) == 1
    await remote.listen()
    assert (await plain.send(remote)).status == 201

    await remote.refuse(0.01)

    async def answers() -> bool:
        return (await plain.send(remote)).status == 201

    await until(answers, "a listener that opens by itself")


async def test_the_ledgers_file_can_be_read_when_its_process_was_killed(
    remote: RemoteTwilio, plain: Plain, receiver: Receiver
) -> None:
    await remote.add(faults.hanging("after", skip=1))
    await plain.send(remote, StatusCallback=receiver.url)

    async def told() -> bool:
        return not (await remote.ledger()).pending

    await until(told, "all callbacks")
    lost = asyncio.create_task(plain.send(remote))
    await until_hanging(remote, 1)
    before = await remote.ledger()
    await remote.kill()
    assert (await lost).status is None
    with remote.ledger_file.open("ab") as file:
        file.write(b'{"event": "se')
    assert Ledger.read(remote.ledger_file) == before
    assert [request.fault for request in before.requests] == [None, "hang after"]
    assert len(before.sends) == 2
