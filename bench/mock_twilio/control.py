"""The mock's own HTTP interface, for programs that run the mock as another process.

GET /_ledger; GET, POST and DELETE /_faults and /_callback_rules (one rule or a list); POST
/_inbound; POST /_listener with `{"open": false, "seconds": 2}` to refuse connections for so long,
or, without `seconds`, until `{"open": true}`.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

import msgspec
from aiohttp import web

from bench.mock_twilio import callback_rules, faults
from bench.mock_twilio.ledger import Ledger, MissedMessage
from bench.mock_twilio.rules import Rules, RuleT
from workers.dev.twilio_stand_in.messages import Message

Handle = Callable[[web.Request], Awaitable[web.Response]]


class Listener(msgspec.Struct, forbid_unknown_fields=True):
    """Whether connections are accepted, and, if not, for how long."""

    open: bool
    seconds: float | None = None


class Controlled(Protocol):
    """What this interface controls: bench.mock_twilio.server.MockTwilio."""

    faults: Rules[faults.Fault]
    callback_rules: Rules[callback_rules.CallbackRule]

    @property
    def ledger(self) -> Ledger:
        """Everything that happened so far."""

    def add_missed(self, missed: MissedMessage) -> Message:
        """Put a contact's message into the list."""

    async def listen(self) -> None:
        """Accept connections."""

    async def refuse(self, seconds: float | None = None) -> None:
        """Refuse connections, for so long or until `listen`."""


def routes(mock: Controlled) -> list[web.RouteDef]:
    """Returns the routes of the interface."""

    async def ledger(_request: web.Request) -> web.Response:
        return _json(mock.ledger)

    async def add_missed(request: web.Request) -> web.Response:
        missed = msgspec.json.decode(await request.read(), type=MissedMessage)
        return _json(mock.add_missed(missed).resource())

    async def listener(request: web.Request) -> web.Response:
        wanted = msgspec.json.decode(await request.read(), type=Listener)
        await (mock.listen() if wanted.open else mock.refuse(wanted.seconds))
        return _json({})

    return [
        web.get("/_ledger", ledger),
        web.post("/_inbound", _checked(add_missed)),
        web.post("/_listener", _checked(listener)),
        *_rules("/_faults", mock.faults, faults.decode),
        *_rules("/_callback_rules", mock.callback_rules, callback_rules.decode),
    ]


def _rules(
    path: str, rules: Rules[RuleT], decode: Callable[[bytes], Iterable[RuleT]]
) -> list[web.RouteDef]:
    async def show(_request: web.Request) -> web.Response:
        return _json(rules.counts())

    async def add(request: web.Request) -> web.Response:
        rules.add(*decode(await request.read()))
        return _json(rules.counts())

    async def clear(_request: web.Request) -> web.Response:
        rules.clear()
        return _json([])

    return [web.get(path, show), web.post(path, _checked(add)), web.delete(path, clear)]


def _checked(handle: Handle) -> Handle:
    async def checked(request: web.Request) -> web.Response:
        try:
            return await handle(request)
        except msgspec.MsgspecError as error:
            return web.Response(status=400, text=str(error))

    return checked


def _json(value: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
