"""A provider of files, and the fetcher between it and a client."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from bench.mock_twilio.account import SID
from domain.directory import User
from schemas.fields import AccountId, MessageId, UserId
from schemas.messages import Media
from tests.harness.twilio_account import settings
from workers.api.caller import Caller, Identity
from workers.api.media.fetcher import MediaFetcher
from workers.api.problem import Problem

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Client = TestClient[web.Request, web.Application]

ID = MessageId("0190a719-ac96-7eb9-a837-cac215164834")
FILE = f"/2010-04-01/Accounts/{SID}/Messages/MM{'a' * 32}/Media/ME{'b' * 32}"
OTHER_FILE = FILE.replace("b" * 32, "c" * 32)
CALLER = Caller(
    identity=Identity(
        account_id=AccountId("acme"), user_id=UserId("ana"), proven_by="proxy", expires_at=None
    ),
    user=User(account_id=AccountId("acme"), user_id=UserId("ana")),
)


class Provider:
    """A provider that answers as a test says, and what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: dict[str, Handler] = {}
        self.asked: list[web.Request] = []
        self.passed_on: asyncio.Queue[int] = asyncio.Queue()
        """The statuses with which its files were passed on."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        return await self.answers[request.path](request)

    def answers_with(self, path: str = FILE, **given: Any) -> None:
        """Answer a path with these arguments of a response."""

        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(**given)

        self.answers[path] = answer


@asynccontextmanager
async def serving(provider: Provider, url: str | None = None) -> AsyncIterator[Client]:
    """Serve a file, that of the provider if no other URL is given."""
    media = MediaFetcher(replace(settings(provider.url), media_hosts=("localhost", "*.invalid")))
    await media.start()

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            file = Media(url or provider.url + FILE, "text/html")
            response = await media.pass_on(request, CALLER, file, ID, 0)
            provider.passed_on.put_nowait(response.status)
            return response
        except Problem as problem:
            if request.writer.output_size and request.transport is not None:
                request.transport.abort()
            provider.passed_on.put_nowait(problem.status)
            return problem.answer()

    app = web.Application()
    app.router.add_get("/", answer)
    try:
        async with TestClient(TestServer(app)) as client:
            yield client
    finally:
        await media.close()


async def asked(provider: Provider, url: str | None = None) -> tuple[int, str | None]:
    """Returns the status and the code of what is answered."""
    async with serving(provider, url) as client, client.get("/") as answer:
        body = await answer.read()
        return answer.status, (await answer.json(content_type=None))["code"] if body else None
