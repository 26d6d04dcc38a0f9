"""The mock: the stand-in for Twilio, with a ledger, and with faults that can be switched on."""

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
from bench.mock_twilio.account import ACCOUNTS
from bench.mock_twilio.callback_rules import CallbackRule
from bench.mock_twilio.faults import Fault, apply_fault
from bench.mock_twilio.ledger import Ledger, LedgerCallback, LedgerWriter, MissedMessage
from bench.mock_twilio.rules import Rules
from workers.dev.embedded.ports import HOST
from workers.dev.twilio_stand_in.messages import (
    API_VERSION,
    Message,
    Resource,
    new_media,
    new_sid,
    now,
)
from workers.dev.twilio_stand_in.server import Account, TwilioStandIn

_NUMBER = web.RequestKey("number", int)
_FAULT = web.RequestKey("fault", Fault)
_FAILED = web.RequestKey("failed", bool)


class MockTwilio(TwilioStandIn):
    """Twilio's Messages API on this machine, running while it is a context.

    `ledger_file` gets each entry as a line of JSON. On `control_port` the routes of `control` are
    answered even while the main port, which has them too, refuses connections.
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
        self.callback_rules: Rules[CallbackRule] = Rules()
        self._writer = LedgerWriter(ledger_file)
        self._control_port = control_port
        self._planned: dict[str, tuple[CallbackRule, list[str]]] = {}
        """The rule of each message, and the statuses whose callbacks follow the answer."""

    async def __aenter__(self) -> Self:
        try:
            await super().__aenter__()
            if self._control_port is not None:
                await web.TCPSite(self.runner, HOST, self._control_port).start()
        except BaseException:
            self._writer.close()
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        try:
            await super().__aexit__(*error)
        finally:
            self._writer.close()

    @property
    def ledger(self) -> Ledger:
        """Everything that happened so far."""
        self._writer.ledger.pending = self.pending
        return self._writer.ledger

    def add_missed(self, missed: MissedMessage) -> Message:
        """Put a contact's message into the list, and post no webhook."""
        sent_at = missed.date_sent or now()
        message = Message(
            sid=new_sid("MM" if missed.media else "SM"),
            account_sid=missed.account_sid or next(iter(self._accounts)),
            to=missed.to,
            from_=missed.from_,
            body=missed.body,
            direction="inbound",
            status="received",
            created_at=sent_at,
            updated_at=sent_at,
            sent_at=sent_at,
            media=new_media(missed.media, missed.content_type),
        )
        self.messages.add(message)
        return message

    @asynccontextmanager
    async def refusing(self) -> AsyncIterator[None]:
        """Refuse connections while this is open."""
        await self.stop_listening()
        try:
            yield
        finally:
            await self.listen()

    async def refuse(self, seconds: float | None = None) -> None:
        """Refuse connections from now on, for so long or until `listen`. Does not wait."""
        await self.stop_listening()
        if seconds is not None:
            self.start(self._listen_after(seconds))

    async def _listen_after(self, seconds: float) -> None:
        await self.pause(seconds)
        if not self.stopping.is_set():
            await self.listen()

    def application(self, middlewares: Iterable[Middleware] = ()) -> web.Application:
        """Returns the stand-in's routes, with ledger and faults, and the routes of `control`."""
        application = super().application([*middlewares, self._ledger_and_faults()])
        application.add_routes(control.routes(self))
        return application

    def _ledger_and_faults(self) -> Middleware:
        @web.middleware
        async def ledger_and_faults(request: web.Request, handler: Handler) -> web.StreamResponse:
            if not request.path.startswith(f"/{API_VERSION}/"):
                return await handler(request)
            return await self._handle(request, handler)

        return ledger_and_faults

    async def _handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        route = request.match_info.route.name or "other"
        number = self._writer.add_request(
            route=route,
            method=request.method,
            path=request.path,
            query=request.rel_url.raw_query_string,
            headers=request.headers,
            body=await request.read(),
        )
        request[_NUMBER] = number
        fault = self._draw_fault(request, await _fields(request), *_before(route))
        if fault and fault.act != "slow":
            return await self._fail(fault, request, b'{"messages": []}')
        if fault:
            await self.pause(fault.seconds)
        try:
            response = await handler(request)
        except web.HTTPException as error:
            self._writer.add_answer(number, error.status, _fault_of(request))
            raise
        except Exception as error:
            # A defect of the mock itself must not pass for one of its faults.
            self.mistakes.append(error)
            raise
        if _FAILED not in request:
            self._writer.add_answer(number, response.status, _fault_of(request))
        return response

    def _draw_fault(
        self, request: web.Request, fields: Mapping[str, Any], *when: str
    ) -> Fault | None:
        route = request.match_info.route.name or "other"
        fault = self.faults.draw(fields, when=when, on=(route, "any"))
        if fault is not None:
            request[_FAULT] = fault
        return fault

    async def _fail(self, fault: Fault, request: web.Request, body: bytes) -> web.StreamResponse:
        # Written first: a request that hangs would otherwise look untouched in the ledger.
        request[_FAILED] = True
        status = fault.status if fault.act in ("answer", "cut") else None
        self._writer.add_answer(request[_NUMBER], status, _fault_of(request))
        return await apply_fault(fault, request, body, self.stopping)

    async def accept(self, request: web.Request) -> Message:
        """Accept as the stand-in does, and write it into the ledger before anything else."""
        message = await super().accept(request)
        self._writer.add_send(message, request[_NUMBER])
        return message

    async def answer(
        self, request: web.Request, message: Message, created: Resource
    ) -> web.StreamResponse:
        """Answer as the stand-in does, unless a fault applies."""
        fields = await _fields(request)
        rule = self.callback_rules.draw(fields) or CallbackRule()
        callbacks = rule.callbacks_of(message)
        self._planned[message.sid] = rule, callbacks[rule.early :]
        for status in callbacks[: rule.early]:
            message.move(status, rule.code_of(status))
            await self._call_back(message, rule, status, early=True)
        fault = self._draw_fault(request, fields, "after")
        if fault is None or fault.act == "slow":
            if fault is not None:
                await self.pause(fault.seconds)
            return await super().answer(request, message, created)
        self.start(self.deliver(message))
        return await self._fail(fault, request, msgspec.json.encode(created))

    async def deliver(self, message: Message) -> None:
        """Give a message all the statuses of its rule, then post its callbacks."""
        rule, callbacks = self._planned.pop(message.sid)
        for status in rule.statuses_of(message):
            message.move(status, rule.code_of(status))
        for status in callbacks:
            await self.pause(rule.pause_seconds)
            await self._call_back(message, rule, status)

    async def _call_back(
        self, message: Message, rule: CallbackRule, status: str, *, early: bool = False
    ) -> None:
        for attempt in range(1, rule.retries + 2):
            if message.status_callback is None:
                return
            answer, error = None, None
            try:
                answer = await self.status_callbacks.post(message, status, rule.code_of(status))
            except (aiohttp.ClientError, TimeoutError, ValueError) as problem:
                error = repr(problem)
            self._writer.add(
                LedgerCallback(
                    at=datetime.now(UTC),
                    sid=message.sid,
                    url=message.status_callback,
                    status=status,
                    error_code=rule.code_of(status),
                    attempt=attempt,
                    early=early,
                    answer=answer,
                    error=error,
                )
            )
            if answer is not None and answer < 500:
                return
            await self.pause(rule.pause_seconds)


def _before(route: str) -> tuple[str, ...]:
    """Returns the values of `Fault.when` that are applied before a route's work.

    Only a send has a moment after it: to other routes both values mean the same.
    """
    return ("before",) if route == "send" else ("before", "after")


def _fault_of(request: web.Request) -> str | None:
    fault = request.get(_FAULT)
    return f"{fault.act} {fault.when}" if fault else None


async def _fields(request: web.Request) -> Mapping[str, Any]:
    return request.query if request.method == "GET" else await request.post()
