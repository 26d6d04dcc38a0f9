"""Clients of the mock of Twilio, and a receiver of its callbacks."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web
from multidict import MultiDictProxy
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator

from bench.mock_twilio.account import SID, TOKEN
from bench.mock_twilio.remote import RemoteTwilio
from bench.mock_twilio.server import MockTwilio
from tests.harness.waiting import until
from workers.dev.embedded.ports import HOST, free_port
from workers.dev.twilio_stand_in.server import TwilioStandIn

TWILIO = "https://api.twilio.com"
MESSAGES = f"/2010-04-01/Accounts/{SID}/Messages.json"
SENDER, CONTACT = "whatsapp:+14155238886", "whatsapp:+4915112345678"
SMS_SENDER, SMS_CONTACT = "+16505552222", "+16505551111"
TEMPLATE = "HX" + "a" * 32
GOOD = {"To": CONTACT, "From": SENDER, "Body": "Olá 👋"}

Form = MultiDictProxy[Any]


class PlainAnswer(NamedTuple):
    """The answer that a plain client got, or the error that it got instead."""

    status: int | None
    """None: there was no answer."""
    body: str
    headers: dict[str, str]
    error: type[Exception] | None


class PlainClient:
    """A client without Twilio's library, with one connection per request."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def send(self, mock: TwilioStandIn | RemoteTwilio, **fields: str) -> PlainAnswer:
        """Send a message: a good form, with `fields` added or replaced."""
        return await self.request("POST", mock.url + MESSAGES, data=GOOD | fields)

    async def request(
        self, method: str, url: str, *, seconds: float = 60, password: str = TOKEN, **given: Any
    ) -> PlainAnswer:
        """Make any request."""
        timeout = aiohttp.ClientTimeout(total=seconds)
        headers = {"Authorization": aiohttp.encode_basic_auth(SID, password)}
        try:
            async with self._session.request(
                method, url, headers=headers, timeout=timeout, **given
            ) as response:
                body = await response.text()
                return PlainAnswer(response.status, body, dict(response.headers), None)
        except (aiohttp.ClientError, TimeoutError) as error:
            return PlainAnswer(None, "", {}, type(error))

    async def listed(self, mock: TwilioStandIn | RemoteTwilio) -> list[dict[str, Any]]:
        """The first page of the list of messages."""
        answer = await self.request("GET", mock.url + MESSAGES)
        return list(json.loads(answer.body)["messages"])


async def until_hanging(mock: MockTwilio | RemoteTwilio, count: int) -> None:
    """Wait until so many requests hang."""

    async def hang() -> bool:
        ledger = mock.ledger if isinstance(mock, MockTwilio) else await mock.ledger()
        return len([request for request in ledger.requests if request.fault]) == count

    await until(hang, f"{count} hanging requests")


class CallbackReceiver:
    """Takes status callbacks, and answers them while `answering` is set."""

    def __init__(self, path: str = "/twilio/status") -> None:
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}{path}?mid=m1&a=1"
        self.answers: list[int] = []
        """The HTTP statuses of its first answers; the others are 204."""
        self.forms: list[Form] = []
        self.unsigned: list[Form] = []
        """Forms that were not signed for `signed_url`."""
        self.signed_url = self.url
        self.answering = asyncio.Event()
        self.answering.set()
        self.on_callback: Callable[[Form], None] = lambda form: None

    @property
    def statuses(self) -> list[str]:
        """The message statuses of all callbacks, in order."""
        return [str(form["MessageStatus"]) for form in self.forms]

    async def receive(self, request: web.Request) -> web.Response:
        """Take a callback."""
        form = await request.post()
        signature = request.headers.get("X-Twilio-Signature", "")
        if not RequestValidator(TOKEN).validate(self.signed_url, form, signature):
            self.unsigned.append(form)
        self.forms.append(form)
        self.on_callback(form)
        await self.answering.wait()
        return web.Response(status=self.answers.pop(0) if self.answers else 204)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["CallbackReceiver"]:
        """Listen for callbacks while the context lasts."""
        application = web.Application()
        application.router.add_post("/{path:.*}", self.receive)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, HOST, self.port).start()
        try:
            yield self
        finally:
            await runner.cleanup()


class ThreadHttpClient(TwilioHttpClient):  # type: ignore[misc]  # the library ships no types
    """The library's client for threads, at the mock's URL."""

    def __init__(self, url: str) -> None:
        super().__init__(timeout=30)
        self._url = url

    def request(self, method: str, url: str, *given: Any, **named: Any) -> Any:
        """Request from the mock instead of Twilio."""
        return super().request(method, url.replace(TWILIO, self._url), *given, **named)


class LoopHttpClient(AsyncTwilioHttpClient):  # type: ignore[misc]  # the library ships no types
    """The library's client for asyncio, at the mock's URL."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    async def request(self, method: str, url: str, *given: Any, **named: Any) -> Any:
        """Request from the mock instead of Twilio."""
        return await super().request(method, url.replace(TWILIO, self._url), *given, **named)
