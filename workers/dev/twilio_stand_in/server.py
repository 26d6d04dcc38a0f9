"""The stand-in's web server: takes and lists messages, and posts their status callbacks."""

import asyncio
import base64
import binascii
import hmac
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack, suppress
from typing import Self

import aiohttp
import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from aiohttp.web_protocol import RequestHandler

from workers.dev.embedded.ports import HOST, free_port
from workers.dev.twilio_stand_in.callbacks import StatusCallbacks, journey
from workers.dev.twilio_stand_in.errors import ApiRefusal, error_body
from workers.dev.twilio_stand_in.listing import Messages
from workers.dev.twilio_stand_in.messages import API_VERSION, Message, Resource
from workers.dev.twilio_stand_in.sends import new_message

LIST = f"/{API_VERSION}/Accounts/{{account_sid}}/Messages.json"
FETCH = f"/{API_VERSION}/Accounts/{{account_sid}}/Messages/{{sid}}.json"
MEDIA = f"/{API_VERSION}/Accounts/{{account_sid}}/Messages/{{sid}}/Media.json"

OPEN_REQUESTS_SECONDS = 2.0
"""How long a stop waits for requests that are not answered yet."""


class Account(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The credentials of an account: its token, and API keys with their secrets."""

    auth_token: str
    api_keys: dict[str, str] = {}

    def admits(self, account_sid: str, name: str, password: str) -> bool:
        """Whether a name (AccountSid or API key) and a password belong to this account."""
        known = {account_sid: self.auth_token, **self.api_keys}.get(name)
        return known is not None and hmac.compare_digest(known.encode(), password.encode())


class TwilioStandIn:
    """Twilio's Messages API on a port of this machine. Use it as a context manager.

    `accounts` are by AccountSid; `reached_at` is as in StatusCallbacks. Between two statuses of a
    message it pauses for `pause_seconds`.
    """

    drain_seconds = 10.0
    """How long a stop waits for callbacks that are due."""

    def __init__(
        self,
        accounts: Mapping[str, Account],
        *,
        port: int | None = None,
        reached_at: Mapping[str, str] | None = None,
        pause_seconds: float = 0.0,
    ) -> None:
        self.port = port or free_port()
        self.messages = Messages()
        self.status_callbacks = StatusCallbacks(
            {sid: account.auth_token for sid, account in accounts.items()}, reached_at or {}
        )
        self._accounts = accounts
        self._pause_seconds = pause_seconds
        self._tasks: set[asyncio.Task[None]] = set()
        self.mistakes: list[BaseException] = []
        """Errors that must never happen; raised when the context ends."""
        self._site: web.TCPSite | None = None
        self._busy: set[RequestHandler] = set()
        """Connections with a request that is not answered yet."""

    @property
    def url(self) -> str:
        """The base URL, which stands for `https://api.twilio.com`."""
        return f"http://{HOST}:{self.port}"

    @property
    def pending(self) -> int:
        """The number of background tasks, most of them deliveries of messages."""
        return len(self._tasks)

    async def __aenter__(self) -> Self:
        self.stopping = asyncio.Event()
        self.runner = web.AppRunner(
            self.application(), access_log=None, shutdown_timeout=OPEN_REQUESTS_SECONDS
        )
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.status_callbacks)
            # After the last request, no more callbacks become due.
            stack.push_async_callback(self._finish)
            stack.push_async_callback(self.runner.cleanup)
            await self.runner.setup()
            await self.listen()
            self._open = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stopping.set()
        await self._open.aclose()
        for error in self.mistakes:
            raise error

    async def _finish(self) -> None:
        try:
            await self.drain()
        except TimeoutError:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def application(self, middlewares: Iterable[Middleware] = ()) -> web.Application:
        """Returns the routes. A request first passes the middlewares, in their order."""
        application = web.Application(
            middlewares=[self._busy_middleware(), *middlewares, _refusals]
        )
        application.add_routes(
            [
                web.post(LIST, self._send, name="send"),
                web.get(LIST, self._list, name="list", allow_head=False),
                web.get(FETCH, self._fetch, name="fetch", allow_head=False),
                web.get(MEDIA, self._media, name="media", allow_head=False),
            ]
        )
        return application

    def _busy_middleware(self) -> Middleware:
        @web.middleware
        async def mark_busy(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._busy.add(request.protocol)
            try:
                return await handler(request)
            finally:
                self._busy.discard(request.protocol)

        return mark_busy

    async def listen(self) -> None:
        """Accept connections, if it does not do so already."""
        if self._site is None:
            site = web.TCPSite(self.runner, HOST, self.port)
            await site.start()
            self._site = site

    async def stop_listening(self) -> None:
        """Refuse new connections. Close each open one when its request is answered."""
        if self._site is not None:
            await self._site.stop()
            self._site = None
            for connection in self.runner.server.connections if self.runner.server else ():
                if connection in self._busy:
                    connection.close()
                else:
                    # `close` alone would leave it open, and it would answer no more requests.
                    connection.force_close()

    async def drain(self) -> None:
        """Wait until all callbacks that are due are posted. Raises TimeoutError."""
        async with asyncio.timeout(self.drain_seconds):
            while self._tasks:
                await asyncio.wait(self._tasks)

    async def pause(self, seconds: float) -> None:
        """Wait for a time, or until the context ends."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stopping.wait()

    def start(self, work: Coroutine[None, None, None]) -> None:
        """Run work in the background. Its error is raised when the context ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.mistakes.append(error)

    async def accept(self, request: web.Request) -> Message:
        """Keep the message that a request sends, and return it. Raises ApiRefusal."""
        account_sid = self._authenticate(request)
        message = new_message(account_sid, await request.post())
        self.messages.add(message)
        return message

    async def answer(
        self, request: web.Request, message: Message, created: Resource
    ) -> web.StreamResponse:
        """Answer with the message as it was created, then start its delivery."""
        response = web.json_response(created, status=201)
        # The client may have disconnected meanwhile: the message is delivered all the same.
        with suppress(ConnectionError):
            await response.prepare(request)
            await response.write_eof()
        self.start(self.deliver(message))
        return response

    async def deliver(self, message: Message) -> None:
        """Move a message through its statuses. A callback that fails is not posted again."""
        for status in journey(message):
            await self.pause(self._pause_seconds)
            message.move(status)
            try:
                await self.status_callbacks.post(message, status)
            except (aiohttp.ClientError, TimeoutError, ValueError):
                continue

    async def _send(self, request: web.Request) -> web.StreamResponse:
        message = await self.accept(request)
        return await self.answer(request, message, message.resource())

    async def _list(self, request: web.Request) -> web.StreamResponse:
        account_sid = self._authenticate(request)
        return web.json_response(self.messages.page(account_sid, request.path, request.query))

    async def _fetch(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self._message(request).resource())

    async def _media(self, request: web.Request) -> web.StreamResponse:
        media = self._message(request).media_resources()
        uri = f"{request.path}?PageSize=50&Page=0"
        return web.json_response(
            {
                "first_page_uri": uri,
                "end": max(len(media) - 1, 0),
                "previous_page_uri": None,
                "media_list": media,
                "uri": uri,
                "page_size": 50,
                "start": 0,
                "next_page_uri": None,
                "page": 0,
            }
        )

    def _message(self, request: web.Request) -> Message:
        return self.messages.get(self._authenticate(request), request.match_info["sid"])

    def _authenticate(self, request: web.Request) -> str:
        """Returns the account of a request. Raises ApiRefusal without its credentials."""
        account_sid = request.match_info["account_sid"]
        account = self._accounts.get(account_sid)
        name, password = _credentials(request.headers.get("Authorization", ""))
        if account is None or not account.admits(account_sid, name, password):
            raise ApiRefusal(20003, 401)
        return account_sid


def _credentials(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    try:
        decoded = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        return "", ""
    name, _, password = decoded.partition(":")
    return (name, password) if scheme.lower() == "basic" else ("", "")


@web.middleware
async def _refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApiRefusal as refused:
        headers = {"WWW-Authenticate": 'Basic realm="Twilio API"'} if refused.status == 401 else {}
        body = error_body(refused.status, refused.code)
        return web.json_response(body, status=refused.status, headers=headers)
