"""The mock, and whoever speaks to it, against a description of Twilio's API.

The judge is our own validator, always, and where it is installed Prism too, which nobody here
wrote. A run without Prism does not have the tests that are about it.
"""

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from bench.mock_twilio import MockTwilio, Planted
from tests.harness.twilio import SID, TOKEN
from tests.harness.twilio_clients import CONTACT, MESSAGES, SENDER
from tests.integration.twilio.document import document
from tests.integration.twilio.prism import find_prism, proxying
from tests.integration.twilio.validator import Asked, Judge, check

PRISM = find_prism()

TO_FROM = {"To": CONTACT, "From": SENDER}
TEMPLATE = "HX" + "a" * 32
CALLBACK = "https://inbox.example.com/twilio/status?mid=0190a719-ac96-7eb9-a837-cac215164834&a=1"


def send(*more: tuple[str, str], **fields: str) -> Asked:
    """A send to a contact; fields are added, replaced, or left out when they are empty."""
    kept = [(name, value) for name, value in (TO_FROM | fields).items() if value]
    return Asked("POST", MESSAGES, form=(*kept, *more))


def ask_list(**query: str) -> Asked:
    """A list."""
    return Asked("GET", MESSAGES, query=tuple(query.items()))


def files(count: int) -> list[tuple[str, str]]:
    """Fields of so many files."""
    return [("MediaUrl", f"https://files.example.com/{number}.jpg?x=1") for number in range(count)]


WELL_FORMED: dict[str, Asked] = {
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
    "list": ask_list(),
    "list of a contact": ask_list(To=CONTACT, From=SENDER, PageSize="20"),
    "list of a day": ask_list(DateSent="2026-03-01"),
    "list since": ask_list(**{"To": CONTACT, "DateSent>": "2026-03-01T12:30:00Z"}),
    "list until": ask_list(**{"From": SENDER, "DateSent<": "2026-03-01"}),
}
"""What a sender and a reconciler ask."""

MALFORMED: dict[str, Asked] = {
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
    "no page": ask_list(PageSize="0"),
    "a large page": ask_list(PageSize="1001"),
    "a page of letters": ask_list(PageSize="many"),
    "no day": ask_list(DateSent="yesterday"),
}
"""What Twilio refuses."""

UNSEEN_BY_PRISM = ("too many files",)
"""Of a field that is repeated it looks at the last, and at fields not described not at all."""

MISSPELT = send(Body="x", StatusCallBack=CALLBACK)
"""What Twilio takes, and does not do."""


class Verdict(NamedTuple):
    """What was answered to a request."""

    status: int
    body: Any


class Session:
    """Asks a mock, either itself or through Prism."""

    def __init__(self, session: aiohttp.ClientSession, mock: MockTwilio) -> None:
        self._session = session
        self.mock = mock

    async def ask(self, url: str, asked: Asked) -> Verdict:
        """Ask for something; the form goes as it is."""
        headers = {"Authorization": aiohttp.encode_basic_auth(SID, TOKEN)}
        data = aiohttp.FormData(asked.form) if asked.form else None
        async with self._session.request(
            asked.method, url + asked.target, data=data, headers=headers
        ) as response:
            return Verdict(response.status, await response.json())


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    """A mock, and somebody who asks."""
    async with MockTwilio() as mock, aiohttp.ClientSession() as session:
        mock.plant(Planted(from_=CONTACT, to=SENDER, body="hi"))
        mock.plant(Planted(from_=CONTACT, to=SENDER, media=["https://files.example.com/1.jpg"]))
        yield Session(session, mock)


def reads(session: Session) -> list[Asked]:
    """Requests for each message that there is, and its files."""
    return [
        Asked("GET", f"{message.uri}{ending}")
        for message in session.mock.messages
        for ending in (".json", "/Media.json")
    ]


async def assert_conforms(asked: Sequence[Asked], session: Session, directory: Path) -> None:
    """What is asked is well-formed, and what the mock answers is, too: for all judges there are.

    Any requests will do, such as `Asked.from_ledger(mock.ledger.requests)` of a real sender.
    """
    judge = Judge(document())
    for each in asked:
        assert judge.of_request(each) == [], each
        answer = await session.ask(session.mock.url, each)
        assert answer.status in (200, 201), (each, answer)
        assert judge.of_answer(each, *answer) == [], (each, answer)
    if PRISM is not None:
        async with proxying(PRISM, document(), session.mock.url, directory) as url:
            for each in asked:
                answer = await session.ask(url, each)
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
    for name, asked in MALFORMED.items():
        assert judge.of_request(asked) != [], name
        answer = await session.ask(session.mock.url, asked)
        assert answer.status == 400, (name, answer)
        assert judge.of_answer(asked, *answer) == [], (name, answer)
    assert session.mock.ledger.sends == []


async def test_a_misspelt_parameter_is_found_by_our_judge_alone(session: Session) -> None:
    assert Judge(document()).of_request(MISSPELT) == ["form: StatusCallBack: not documented"]
    assert (await session.ask(session.mock.url, MISSPELT)).status == 201
    assert session.mock.ledger.sends[0].status_callback is None


async def test_a_ledger_can_be_judged(session: Session, tmp_path: Path) -> None:
    for asked in (WELL_FORMED["files and text"], WELL_FORMED["list since"]):
        await session.ask(session.mock.url, asked)
    made = Asked.from_ledger(session.mock.ledger.requests)
    assert made == [WELL_FORMED["files and text"], WELL_FORMED["list since"]]
    await assert_conforms(made, session, tmp_path)


async def test_the_judge_finds_what_is_wrong_with_an_answer(session: Session) -> None:
    judge = Judge(document())
    asked = WELL_FORMED["text"]
    status, body = await session.ask(session.mock.url, asked)
    assert judge.of_answer(asked, 302, body) == ["302 is no documented status"]
    for change in ({"sid": "SM1"}, {"num_media": 0}, {"error_code": "x"}, {"date_sent": "today"}):
        assert len(judge.of_answer(asked, status, body | change)) == 1, change
    del body["uri"]
    assert judge.of_answer(asked, status, body) == ["answer: uri is missing"]
    assert [*check(True, {"type": "integer"}, "x")] == ["x: True is no integer"]
    with pytest.raises(KeyError):
        [*check(1, {"multipleOf": 2}, "x")]
    with pytest.raises(ValueError, match="not described"):
        judge.of_request(Asked("GET", "/2010-04-01/Calls.json"))
    assert judge.of_request(Asked("DELETE", MESSAGES)) == [f"there is no DELETE {MESSAGES}"]


if PRISM is not None:

    async def test_prism_refuses_what_the_mock_refuses(session: Session, tmp_path: Path) -> None:
        assert PRISM is not None
        async with proxying(PRISM, document(), session.mock.url, tmp_path) as url:
            for name, asked in MALFORMED.items():
                if name in UNSEEN_BY_PRISM:
                    continue
                answer = await session.ask(url, asked)
                assert answer.status == 422, (name, answer)
        # None of them went further.
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
            assert (await session.ask(url, WELL_FORMED["text"])).status == 500
