"""The mock of Twilio, used through Twilio's own client library, and by a plain client."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException, TwilioServiceException
from twilio.rest import Client

from bench.mock_twilio import Fault, MissedMessage, MockTwilio, faults
from bench.mock_twilio.account import ACCOUNTS, SID, TOKEN
from tests.harness.twilio_clients import (
    CONTACT,
    GOOD,
    MESSAGES,
    SENDER,
    SMS_CONTACT,
    SMS_SENDER,
    TEMPLATE,
    LoopHttpClient,
    PlainClient,
    ThreadHttpClient,
)
from workers.dev.twilio_stand_in.server import TwilioStandIn

# The library's client for asyncio still passes its credentials to aiohttp in the old way.
pytestmark = [
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning"),
]


@asynccontextmanager
async def library(mock: TwilioStandIn) -> AsyncIterator[Any]:
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
        mock.add_missed(
            MissedMessage(
                from_=CONTACT,
                to=SENDER,
                body=f"{number}",
                date_sent=start + timedelta(seconds=number),
            )
        ).sid
        for number in range(20)
    ]
    other = mock.add_missed(
        MissedMessage(from_=SMS_CONTACT, to=SMS_SENDER, media=["https://x.example.com/1.jpg"])
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
    mock: MockTwilio, plain: PlainClient
) -> None:
    sids = [mock.add_missed(MissedMessage(from_=CONTACT, to=SENDER)).sid for _ in range(4)]
    first = json.loads((await plain.request("GET", f"{mock.url}{MESSAGES}?PageSize=2")).body)
    mock.add_missed(MissedMessage(from_=CONTACT, to=SENDER))
    second = json.loads((await plain.request("GET", mock.url + first["next_page_uri"])).body)
    shown = [message["sid"] for page in (first, second) for message in page["messages"]]
    assert shown == sids[::-1]
    assert second["next_page_uri"] is None


async def test_only_the_accounts_token_or_api_key_is_let_in(
    mock: MockTwilio, plain: PlainClient
) -> None:
    refused = await plain.request("POST", mock.url + MESSAGES, data=GOOD, password="wrong")
    assert refused.status == 401
    assert json.loads(refused.body) == {
        "code": 20003,
        "message": "Authenticate",
        "more_info": "https://www.twilio.com/docs/errors/20003",
        "status": 401,
    }
    strange = MESSAGES.replace(SID, "AC" + "9" * 32)
    assert (await plain.request("POST", mock.url + strange, data=GOOD)).status == 401
    assert (await plain.request("GET", mock.url + MESSAGES, password="")).status == 401

    [(key, secret)] = ACCOUNTS[SID].api_keys.items()
    async with LoopHttpClient(mock.url) as http:
        client = Client(key, secret, account_sid=SID, http_client=http)
        await client.messages.create_async(to=CONTACT, from_=SENDER, body="x")
    assert len(mock.ledger.sends) == 1
    assert len(mock.ledger.requests) == 4
    assert all("Authorization" not in request.headers for request in mock.ledger.requests)


async def test_errors_have_the_shape_that_they_are_told_to_have(
    mock: MockTwilio, plain: PlainClient
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
    assert [answer.status for answer in (with_time, without, after)] == [429, 429, 201]
