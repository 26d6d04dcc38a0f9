"""The mock and its clients conform to a description of Twilio's API.

Our own validator judges them, and also Prism, a program of others, where it is installed. Without
Prism a run lacks the tests about it.
"""

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from bench.mock_twilio import MissedMessage, MockTwilio
from bench.mock_twilio.account import SID, TOKEN
from tests.harness.twilio_clients import CONTACT, MESSAGES, SENDER
from tests.integration.twilio.document import document
from tests.integration.twilio.prism import find_prism, proxying
from tests.integration.twilio.validator import ApiRequest, Judge, check

PRISM = find_prism()

TO_FROM = {"To": CONTACT, "From": SENDER}
TEMPLATE = "HX" + "a" * 32
CALLBACK = "https://inbox.example.com/twilio/status?mid=0190a719-ac96-7eb9-a837-cac215164834&a=1"


def send(*more: tuple[str, str], **fields: str) -> ApiRequest:
    """A message to a contact; `fields` are added or replaced, and empty ones are removed."""
    kept = [(name, value) for name, value in (TO_FROM | fields).items() if value]
    return ApiRequest("POST", MESSAGES, form=(*kept, *more))


def list_of(**query: str) -> ApiRequest:
    """A request for a list."""
    return ApiRequest("GET", MESSAGES, query=tuple(query.items()))


def files(count: int) -> list[tuple[str, str]]:
    """The fields of so many files."""
    return [("MediaUrl", f"https://files.example.com/{number}.jpg?x=1") for number in range(count)]


WELL_FORMED: dict[str, ApiRequest] = {
    "text": send(Body="Olá, preço? 👍 & more=less"),
    "longest text": send(Body="x" * 1600),
    "text message": send(To="+16505551111", From="+16505552222", Body="x"),
    "messenger": send(To="messenger:27456897512", From="messenger:103800709108123", Body="x"),
    "no number shown": send(To="whatsapp:US.13491208655302741918", Body="x"),
    "sender name": send(To="+16505551111", From="ACME", Body="x"),
    "service": send(To="+16505551111", From="", MessagingServiceSid="MG" + "b" * 32, Body="x"),
    "file": send(*files(1)),
    "files and text": send(*files(10), Body="ten"),
    "template": send(ContentSid=TEMPLATE, ContentVariables='{"1": "Ana", "2": "{}"}'),
    "template alone": send(ContentSid=TEMPLATE),
    "status callback": send(Body="x", StatusCallback=CALLBACK),
    "list": list_of(),
    "list of a contact": list_of(To=CONTACT, From=SENDER, PageSize="20"),
    "list of a day": list_of(DateSent="2026-03-01"),
    "list since": list_of(**{"To": CONTACT, "DateSent>": "2026-03-01T12:30:00Z"}),
    "list until": list_of(**{"From": SENDER, "DateSent<": "2026-03-01"}),
}
"""Requests as a sender and a reconciler make them."""

MALFORMED: dict[str, ApiRequest] = {
    "nobody to send to": send(To="", Body="x"),
    "no such address": send(To="whatsapp:4915112345678", Body="x"),
    "letters to send to": send(To="nobody", Body="x"),
    "no sender": send(From="", Body="x"),
    "no such sender": send(From="carrier-pigeon:1", Body="x"),
    "nothing to send": send(),
    "too long": send(Body="x" * 1601),
    "too many files": send(*files(11)),
    "no URL": send(("MediaUrl", "a.jpg")),
    "no template": send(ContentSid="HX1"),
    "variables of nothing": send(Body="x", ContentVariables='{"1": "x"}'),
    "no variables": send(ContentSid=TEMPLATE, ContentVariables="Ana"),
    "no service": send(MessagingServiceSid="MG1", Body="x"),
    "no callback": send(Body="x", StatusCallback="/twilio/status"),
    "no page": list_of(PageSize="0"),
    "a large page": list_of(PageSize="1001"),
    "a page of letters": list_of(PageSize="many"),
    "no day": list_of(DateSent="yesterday"),
}
"""Requests that Twilio refuses."""

UNSEEN_BY_PRISM = ("too many files",)
"""Prism checks only the last one of a repeated field, and no field that is not described."""

MISSPELT = send(Body="x", StatusCallBack=CALLBACK)
"""A request with a field that Twilio takes but ignores."""


class ApiAnswer(NamedTuple):
    """The answer to a request."""

    status: int
    body: Any


class Session:
    """Makes requests to a mock, directly or through Prism."""

    def __init__(self, session: aiohttp.ClientSession, mock: MockTwilio) -> None:
        self._session = session
        self.mock = mock

    async def request(self, url: str, request: ApiRequest) -> ApiAnswer:
        """Make a request with its form as it is."""
        headers = {"Authorization": aiohttp.encode_basic_auth(SID, TOKEN)}
        data = aiohttp.FormData(request.form) if request.form else None
        async with self._session.request(
            request.method, url + request.target, data=data, headers=headers
        ) as response:
            return ApiAnswer(response.status, await response.json())


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    """A session with a mock that has two messages of a contact."""
    async with MockTwilio() as mock, aiohttp.ClientSession() as session:
        mock.add_missed(MissedMessage(from_=CONTACT, to=SENDER, body="hi"))
        mock.add_missed(
            MissedMessage(from_=CONTACT, to=SENDER, media=["https://files.example.com/1.jpg"])
        )
        yield Session(session, mock)


def reads(session: Session) -> list[ApiRequest]:
    """Requests for each message of the mock, and for its files."""
    return [
        ApiRequest("GET", f"{message.uri}{ending}")
        for message in session.mock.messages
        for ending in (".json", "/Media.json")
    ]


async def assert_conforms(
    requests: Sequence[ApiRequest], session: Session, directory: Path
) -> None:
    """Check, by all judges, that requests and the mock's answers to them are well-formed.

    The requests may be of a real sender, as `ApiRequest.from_ledger(mock.ledger.requests)`.
    """
    judge = Judge(document())
    for each in requests:
        assert judge.of_request(each) == [], each
        answer = await session.request(session.mock.url, each)
        assert answer.status in (200, 201), (each, answer)
        assert judge.of_answer(each, *answer) == [], (each, answer)
    if PRISM is not None:
        async with proxying(PRISM, document(), session.mock.url, directory) as url:
            for each in requests:
                answer = await session.request(url, each)
                assert answer.status in (200, 201), (each, answer)


async def test_what_is_well_formed_is_taken_and_answered_well(
    session: Session, tmp_path: Path
) -> None:
    await assert_conforms([*WELL_FORMED.values()], session, tmp_path)
    await session.mock.drain()
    await assert_conforms(reads(session), session, tmp_path)


async def test_what_is_malformed_is_refused_by_the_mock_for_the_judges_reason(
    session: Session,
) -> None:
    judge = Judge(document())
    for name, request in MALFORMED.items():
        assert judge.of_request(request) != [], name
        answer = await session.request(session.mock.url, request)
        assert answer.status == 400, (name, answer)
        assert judge.of_answer(request, *answer) == [], (name, answer)
    assert session.mock.ledger.sends == []


async def test_a_misspelt_parameter_is_found_by_our_judge_alone(session: Session) -> None:
    assert Judge(document()).of_request(MISSPELT) == ["form: StatusCallBack: not documented"]
    assert (await session.request(session.mock.url, MISSPELT)).status == 201
    assert session.mock.ledger.sends[0].status_callback is None


async def test_a_ledger_can_be_judged(session: Session, tmp_path: Path) -> None:
    for request in (WELL_FORMED["files and text"], WELL_FORMED["list since"]):
        await session.request(session.mock.url, request)
    made = ApiRequest.from_ledger(session.mock.ledger.requests)
    assert made == [WELL_FORMED["files and text"], WELL_FORMED["list since"]]
    await assert_conforms(made, session, tmp_path)


async def test_the_judge_finds_what_is_wrong_with_an_answer(session: Session) -> None:
    judge = Judge(document())
    request = WELL_FORMED["text"]
    status, body = await session.request(session.mock.url, request)
    assert judge.of_answer(request, 302, body) == ["302 is no documented status"]
    for change in ({"sid": "SM1"}, {"num_media": 0}, {"error_code": "x"}, {"date_sent": "today"}):
        assert len(judge.of_answer(request, status, body | change)) == 1, change
    del body["uri"]
    assert judge.of_answer(request, status, body) == ["answer: uri is missing"]
    assert [*check(True, {"type": "integer"}, "x")] == ["x: True is no integer"]
    with pytest.raises(KeyError):
        [*check(1, {"multipleOf": 2}, "x")]
    with pytest.raises(ValueError, match="not described"):
        judge.of_request(ApiRequest("GET", "/2010-04-01/Calls.json"))
    assert judge.of_request(ApiRequest("DELETE", MESSAGES)) == [f"there is no DELETE {MESSAGES}"]


if PRISM is not None:

    async def test_prism_refuses_what_the_mock_refuses(session: Session, tmp_path: Path) -> None:
        assert PRISM is not None
        async with proxying(PRISM, document(), session.mock.url, tmp_path) as url:
            for name, request in MALFORMED.items():
                if name in UNSEEN_BY_PRISM:
                    continue
                answer = await session.request(url, request)
                assert answer.status == 422, (name, answer)
        # Prism passed none of them on.
        assert session.mock.ledger.requests == []

    async def test_prism_finds_what_is_wrong_with_an_answer(
        session: Session, tmp_path: Path
    ) -> None:
        assert PRISM is not None
        wanting = json.loads(json.dumps(document()))
        [of_a_list] = [path for path in wanting["paths"] if path.endswith("/Messages.json")]
        answers = wanting["paths"][of_a_list]["post"]["responses"]
        answers["201"]["content"]["application/json"]["schema"]["required"].append("colour")
        async with proxying(PRISM, wanting, session.mock.url, tmp_path) as url:
            assert (await session.request(url, WELL_FORMED["text"])).status == 500
