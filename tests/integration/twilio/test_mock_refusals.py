"""Requests that the mock of Twilio refuses, with Twilio's error codes."""

import json

import aiohttp
import pytest

from bench.mock_twilio import MockTwilio
from tests.harness.twilio_clients import GOOD, MESSAGES, SMS_SENDER, TEMPLATE, PlainClient


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
    mock: MockTwilio, plain: PlainClient, fields: dict[str, str], code: int
) -> None:
    answer = await plain.send(mock, **fields)
    assert (answer.status, json.loads(answer.body)["code"]) == (400, code)
    assert mock.ledger.sends == []
    [request] = mock.ledger.requests
    assert (request.status, request.fault) == (400, None)


async def test_what_is_no_form_or_not_there_is_refused(
    mock: MockTwilio, plain: PlainClient
) -> None:
    as_json = await plain.request("POST", mock.url + MESSAGES, json=GOOD)
    assert json.loads(as_json.body)["code"] == 21604
    many = aiohttp.FormData([*GOOD.items(), *[("MediaUrl", "https://x.example.com/a")] * 11])
    refused = await plain.request("POST", mock.url + MESSAGES, data=many)
    assert json.loads(refused.body)["code"] == 21623
    gone = MESSAGES.replace(".json", f"/SM{'0' * 32}.json")
    assert (await plain.request("GET", mock.url + gone)).status == 404
    assert (await plain.request("GET", f"{mock.url}/2010-04-01/Nothing.json")).status == 404
    for query, code in (
        ("PageSize=0", 20001),
        ("PageSize=1001", 20007),
        ("PageSize=x", 20001),
        ("PageToken=x", 20001),
        ("DateSent=yesterday", 20001),
    ):
        answer = await plain.request("GET", f"{mock.url}{MESSAGES}?{query}")
        assert (answer.status, json.loads(answer.body)["code"]) == (400, code), query
