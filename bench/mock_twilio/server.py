"""The mock: the friendly provider, with a ledger, and with faults that can be switched on."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import aiohttp
import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bench.mock_twilio import control
from bench.mock_twilio.faults import Fault, fail
from bench.mock_twilio.ledger import Book, Callback, Ledger, Planted
from bench.mock_twilio.rules import Rules
from bench.mock_twilio.tellings import Telling
from tests.harness.twilio import SID, TOKEN
from workers.dev.embedded.ports import HOST
from workers.dev.twilio_stand_in.messages import (
    API_VERSION,
    Message,
    Resource,
    new_media,
    new_sid,
    now,
)
from workers.dev.twilio_stand_in.server import Account, Provider

ACCOUNTS = {SID: Account(auth_token=TOKEN, api_keys={"SK" + "0" * 32: "key-secret"})}
"""The account of the tests."""

_NUMBER = web.RequestKey("number", int)
_FAULT = web.RequestKey("fault", Fault)
_FAILED = web.RequestKey("failed", bool)


class MockTwilio(Provider):
    """Twilio's Messages API on this machine, running while it is a context.

    `ledger_file` gets each entry as a line of JSON. `control_port` answers what `control` says,
    as the main port does, but also while that one refuses connections.
    """

    def __init__(
        self,
        accounts: Mapping[str, Account] = ACCOUNTS,
        *,
        port: int | None = None,
        control_port: int | None = None,
        ledger_file: Path | None = None,
        reached_at: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(accounts, port=port, reached_at=reached_at)
        self.faults: Rules[Fault] = Rules()
        self.tellings: Rules[Telling] = Rules()
        self._book = Book(ledger_file)
        self._control_port = control_port
        self._untold: dict[str, tuple[Telling, list[str]]] = {}

    async def __aenter__(self) -> Self:
        try:
            await super().__aenter__()
            if self._control_port is not None:
                await web.TCPSite(self.runner, HOST, self._control_port).start()
        except BaseException:
            self._book.close()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        try:
            await super().__aexit__(*error)
        finally:
            self._book.close()

    @property
    def ledger(self) -> Ledger:
        """What happened so far."""
        self._book.ledger.pending = self.pending
        return self._book.ledger

    def plant(self, planted: Planted) -> Message:
        """Let the list have a contact's message."""
        sent_at = planted.date_sent or now()
        message = Message(
            sid=new_sid("MM" if planted.media else "SM"),
            account_sid=planted.account_sid or next(iter(self._accounts)),
            to=planted.to,
            from_=planted.from_,
            body=planted.body,
            direction="inbound",
            status="received",
            created_at=sent_at,
            updated_at=sent_at,
            sent_at=sent_at,
            media=new_media(planted.media, planted.content_type),
        )
        self.messages.add(message)
        return message

    @asynccontextmanager
    async def refusing(self) -> AsyncIterator[None]:
        """Refuse connections within."""
        await self.stop_listening()
        try:
            yield
        finally:
            await self.listen()

    async def refuse(self, seconds: float | None = None) -> None:
        """Refuse connections from now on, for a while or until `listen`; returns at once."""
        await self.stop_listening()
        if seconds is not None:
            self.start(self._listen_after(seconds))

    async def _listen_after(self, seconds: float) -> None:
        await self.pause(seconds)
        if not self.stopping.is_set():
            await self.listen()

    def application(self, middlewares: Iterable[Middleware] = ()) -> web.Application:
        """The provider's routes, watched and disturbed, and those of the control."""
        application = super().application([*middlewares, self._disturb()])
        application.add_routes(control.routes(self))
        return application

    def _disturb(self) -> Middleware:
        @web.middleware
        async def disturb(request: web.Request, handler: Handler) -> web.StreamResponse:
            if not request.path.startswith(f"/{API_VERSION}/"):
                return await handler(request)
            return await self._disturbed(request, handler)

        return disturb

    async def _disturbed(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        route = request.match_info.route.name or "other"
        number = self._book.received(
            route=route,
            method=request.method,
            path=request.path,
            query=request.rel_url.raw_query_string,
            headers=request.headers,
            body=await request.read(),
        )
        request[_NUMBER] = number
        fault = self._drawn(request, await _fields(request), *_before(route))
        if fault and fault.act != "slow":
            return await self._fail(fault, request, b'{"messages": []}')
        if fault:
            await self.pause(fault.seconds)
        try:
            response = await handler(request)
        except web.HTTPException as error:
            self._book.answered(number, error.status, _named(request))
            raise
        except Exception as error:
            # A mistake of the mock's own must not pass for one of the faults that it plays.
            self.mistakes.append(error)
            raise
        if _FAILED not in request:
            self._book.answered(number, response.status, _named(request))
        return response

    def _drawn(self, request: web.Request, fields: Mapping[str, Any], *when: str) -> Fault | None:
        route = request.match_info.route.name or "other"
        fault = self.faults.draw(fields, when=when, on=(route, "any"))
        if fault is not None:
            request[_FAULT] = fault
        return fault

    async def _fail(self, fault: Fault, request: web.Request, body: bytes) -> web.StreamResponse:
        # Entered first: a request that hangs would else look as if nothing had happened to it.
        request[_FAILED] = True
        status = fault.status if fault.act in ("answer", "cut") else None
        self._book.answered(request[_NUMBER], status, _named(request))
        return await fail(fault, request, body, self.stopping)

    async def accept(self, request: web.Request) -> Message:
        """As the provider does; entered in the ledger before anybody hears of it."""
        message = await super().accept(request)
        self._book.sent(message, request[_NUMBER])
        return message

    async def answer(
        self, request: web.Request, message: Message, created: Resource
    ) -> web.StreamResponse:
        """As the provider does, unless something goes wrong."""
        fields = await _fields(request)
        telling = self.tellings.draw(fields) or Telling()
        told = telling.told(message)
        self._untold[message.sid] = telling, told[telling.early :]
        for status in told[: telling.early]:
            message.move(status, telling.code_of(status))
            await self._tell(message, telling, status, early=True)
        fault = self._drawn(request, fields, "after")
        if fault is None or fault.act == "slow":
            if fault is not None:
                await self.pause(fault.seconds)
            return await super().answer(request, message, created)
        self.start(self.deliver(message))
        return await self._fail(fault, request, msgspec.json.encode(created))

    async def deliver(self, message: Message) -> None:
        """Let happen what the message's telling says, then tell it."""
        telling, told = self._untold.pop(message.sid)
        for status in telling.happens(message):
            message.move(status, telling.code_of(status))
        for status in told:
            await self.pause(telling.pause_seconds)
            await self._tell(message, telling, status)

    async def _tell(
        self, message: Message, telling: Telling, status: str, *, early: bool = False
    ) -> None:
        for attempt in range(1, telling.retries + 2):
            if message.status_callback is None:
                return
            answer, error = None, None
            try:
                answer = await self.status_callbacks.post(message, status, telling.code_of(status))
            except (aiohttp.ClientError, TimeoutError, ValueError) as problem:
                error = repr(problem)
            self._book.told(
                Callback(
                    at=datetime.now(UTC),
                    sid=message.sid,
                    url=message.status_callback,
                    status=status,
                    error_code=telling.code_of(status),
                    attempt=attempt,
                    early=early,
                    answer=answer,
                    error=error,
                )
            )
            if answer is not None and answer < 500:
                return
            await self.pause(telling.pause_seconds)


def _before(route: str) -> tuple[str, ...]:
    """The moments of faults that come before a route's work: other routes than sends have one."""
    return ("before",) if route == "send" else ("before", "after")


def _named(request: web.Request) -> str | None:
    fault = request.get(_FAULT)
    return f"{fault.act} {fault.when}" if fault else None


async def _fields(request: web.Request) -> Mapping[str, Any]:
    return request.query if request.method == "GET" else await request.post()
