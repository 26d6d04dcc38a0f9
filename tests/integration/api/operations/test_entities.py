"""`/entities` over HTTP: a stand-in for the CRM answers."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.harness.api import ApiClient
from workers.settings import Settings


async def crm(request: web.Request) -> web.StreamResponse:
    """Answer with an entity whose name says what was asked."""
    name = " ".join(request.query[field] for field in ("account_id", "type", "q"))
    url = "https://crm.example.com/d1"
    return web.json_response([{"type": "deal", "id": "d1", "name": name, "url": url}])


@pytest.fixture
async def settings(settings: Settings) -> AsyncIterator[Settings]:
    """Settings of an API whose CRM is this stand-in."""
    app = web.Application()
    app.router.add_get("/search", crm)
    async with TestServer(app) as server:
        yield replace(settings, crm_search_url=str(server.make_url("/search")))


async def test_entities_are_those_that_the_crm_finds_for_the_account(ana: ApiClient) -> None:
    assert (await ana.get("/entities", type="deal", q="Ana & Co")).json == [
        {
            "type": "deal",
            "id": "d1",
            "name": "acme deal Ana & Co",
            "url": "https://crm.example.com/d1",
        }
    ]
    wrong: list[dict[str, str]] = [
        {"type": "deal"},
        {"q": "x"},
        {"type": "company", "q": "x"},
        {"type": "deal", "q": "x" * 201},
        {"type": "deal", "q": "x", "account_id": "rival"},
    ]
    for query in wrong:
        assert (await ana.get("/entities", **query)).code == "invalid_request", query
