"""The search of the CRM, whatever the CRM answers."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from schemas.fields import AccountId
from workers.api import entity_search
from workers.api.entity_search import ENTITIES_MAX, EntitySearch, FoundEntity
from workers.api.problem import Problem

LOGIN = "inbox:se%2Fcret@"


class Crm:
    """A CRM that gives one answer, and what it was asked."""

    def __init__(self) -> None:
        self.answer: web.StreamResponse = web.Response()
        self.asked: list[web.Request] = []
        self.hangs = False
        self.ended = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        if self.hangs:
            await self.ended.wait()
        return self.answer

    def answers(self, value: Any) -> None:
        """Answer with a value in JSON."""
        body = value if isinstance(value, bytes) else msgspec.json.encode(value)
        self.answer = web.Response(body=body)


@asynccontextmanager
async def search(crm: Crm) -> AsyncIterator[EntitySearch]:
    """A search of the CRM."""
    app = web.Application()
    app.router.add_get("/search", crm.handle)
    async with TestServer(app) as server:
        made = EntitySearch(str(server.make_url("/search")).replace("//", f"//{LOGIN}"))
        await made.start()
        try:
            yield made
        finally:
            await made.close()
            crm.ended.set()


async def found(crm: Crm) -> list[FoundEntity]:
    async with search(crm) as made:
        return await made.find(AccountId("acme"), "deal", "Ana & Co")


def entity(**fields: Any) -> dict[str, Any]:
    return {
        "type": "deal",
        "id": "d1",
        "name": "Ana & Co",
        "url": "https://crm.example.com/d1",
    } | fields


async def test_the_crm_is_told_the_account_and_what_is_searched() -> None:
    crm = Crm()
    crm.answers([entity(more="ignored")])
    assert await found(crm) == [FoundEntity(**entity())]
    (request,) = crm.asked
    assert dict(request.query) == {"account_id": "acme", "type": "deal", "q": "Ana & Co"}
    assert request.headers["Authorization"] == "Basic aW5ib3g6c2UvY3JldA=="


@pytest.mark.parametrize(
    "wrong",
    [
        entity(url="javascript:alert(1)"),
        entity(url="https://crm.example.com/\n"),
        entity(url='https://crm.example.com/"onclick'),
        entity(url="//crm.example.com"),
        entity(url=None),
        entity(type="company"),
        entity(type="person"),
        entity(id="d 1"),
        entity(id=7),
        entity(name="x" * 501),
        {},
        "d1",
        None,
    ],
    ids=range(13),
)
async def test_an_entity_that_is_not_as_it_must_be_is_left_out(wrong: Any) -> None:
    crm = Crm()
    crm.answers([wrong, entity(id="d2")])
    assert [each.id for each in await found(crm)] == ["d2"]


async def test_no_more_is_shown_than_a_person_reads() -> None:
    crm = Crm()
    crm.answers([entity(id=f"d{number}") for number in range(2 * ENTITIES_MAX)])
    assert [each.id for each in await found(crm)] == [f"d{number}" for number in range(50)]


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500},
        {"status": 204},
        {"status": 302, "headers": {"Location": "http://127.0.0.1:1/"}},
        {"body": b"<html>"},
        {"body": b'{"items": []}'},
        {"body": b'["\\ud800"]'},
        {"body": b'["\xff"]'},
        {"body": b"[" * 100_000},
        {"body": b"[" + b" " * entity_search.ANSWER_BYTES_MAX + b"]"},
        {"body": b"\x1f\x8b", "headers": {"Content-Encoding": "gzip"}},
    ],
    ids=range(10),
)
async def test_a_crm_that_is_wrong_is_unavailable_and_its_login_is_not_logged(
    answer: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    crm = Crm()
    crm.answer = web.Response(**answer)
    with pytest.raises(Problem) as refused:
        await found(crm)
    assert refused.value.code == "unavailable"
    assert len(crm.asked) == 1
    logged = "\n".join(record.getMessage() for record in caplog.records)
    assert "the CRM was not searched" in logged
    assert "cret" not in logged


async def test_a_crm_that_hangs_or_is_not_there_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(entity_search, "SEARCH_SECONDS", 0.05)
    crm = Crm()
    crm.hangs = True
    with pytest.raises(Problem):
        await found(crm)
    gone = EntitySearch("http://inbox:secret@127.0.0.1:1/search")
    await gone.start()
    with pytest.raises(Problem):
        await gone.find(AccountId("acme"), "deal", "x")
    await gone.close()
    assert "secret" not in caplog.text


async def test_without_a_crm_there_is_nothing_to_search() -> None:
    with pytest.raises(Problem) as refused:
        await EntitySearch(None).find(AccountId("acme"), "deal", "x")
    assert refused.value.code == "not_found"
