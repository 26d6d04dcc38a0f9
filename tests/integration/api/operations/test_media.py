"""`/media/{message_id}/{n}` over HTTP: a stand-in for Twilio has the files."""

from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.harness.api import ApiClient
from tests.harness.inbox import Inbox
from tests.harness.input_events import conversation, message, user
from workers.settings import Settings

LOGIN = b64encode(f"AC{'0' * 32}:12345".encode()).decode()
CONTACT = "whatsapp:+4915112345678"
ACCOUNT = "/2010-04-01/Accounts/AC00000000000000000000000000000000"
FILE = f"{ACCOUNT}/Messages/MM{'a' * 32}/Media/ME{'b' * 32}"


async def twilio(request: web.Request) -> web.StreamResponse:
    """Answer as Twilio does: a file only to whoever has the token of its account."""
    if request.headers.get("Authorization") != f"Basic {LOGIN}":
        return web.Response(status=401)
    return web.Response(body=b"\x89PNG", content_type="image/png")


@pytest.fixture
async def settings(settings: Settings) -> AsyncIterator[Settings]:
    """Settings of an API whose Twilio is this stand-in."""
    app = web.Application()
    app.router.add_get("/{path:.*}", twilio)
    async with TestServer(app) as server:
        yield replace(settings, twilio_api_url=str(server.make_url("")).rstrip("/"))


async def test_the_files_of_a_message_are_shown_to_users_of_its_account(
    inbox: Inbox, ana: ApiClient, settings: Settings
) -> None:
    urls = [f"https://api.twilio.com{FILE}", f"https://evil.example.com{FILE}"]
    media = [{"url": url, "content_type": "image/png"} for url in urls]
    await inbox.apply(message(CONTACT, media=media), user("eve", account="rival"))
    (found,) = (await ana.get(f"/conversations/{conversation(CONTACT)}/messages")).json["items"]
    first, second = (each["url"].removeprefix("/api/v1") for each in found["media"])
    shown = await ana.get(first)
    assert (shown.status, shown.body) == (200, b"\x89PNG")
    assert shown.headers["Content-Type"] == "image/png"
    assert shown.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert (await ana.get(second)).code == "not_found"
    beyond = first.removesuffix("0") + "2"
    for path in (beyond, beyond + "000000", first + "x", "/media/x/0"):
        assert (await ana.get(path)).code == "not_found", path
    async with ApiClient(settings, "eve", "rival") as eve:
        foreign, unknown = await eve.get(first), await eve.get(f"/media/{'0' * 32}/0")
    assert (foreign.status, foreign.body) == (404, unknown.body)
