"""What the mock does when asked over HTTP, by tests that run it as a process of its own.

GET /_ledger; GET, POST and DELETE /_faults and /_tellings, one rule or a list; POST /_inbound; POST
/_listener with `{"open": false, "seconds": 2}` to refuse connections for so long, or, without
`seconds`, until `{"open": true}`.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from bench.mock_twilio import faults, tellings
from bench.mock_twilio.ledger import Planted
from bench.mock_twilio.rules import Rules, RuleT

if TYPE_CHECKING:
    from bench.mock_twilio.server import MockTwilio

Handle = Callable[[web.Request], Awaitable[web.Response]]


class Listener(msgspec.Struct, forbid_unknown_fields=True):
    """Whether connections are taken, and, if not, for how long."""

    open: bool
    seconds: float | None = None


def routes(mock: "MockTwilio") -> list[web.RouteDef]:
    """The routes of the control."""

    async def ledger(_request: web.Request) -> web.Response:
        return _json(mock.ledger)

    async def plant(request: web.Request) -> web.Response:
        planted = msgspec.json.decode(await request.read(), type=Planted)
        return _json(mock.plant(planted).resource())

    async def listener(request: web.Request) -> web.Response:
        wanted = msgspec.json.decode(await request.read(), type=Listener)
        await (mock.listen() if wanted.open else mock.refuse(wanted.seconds))
        return _json({})

    return [
        web.get("/_ledger", ledger),
        web.post("/_inbound", _checked(plant)),
        web.post("/_listener", _checked(listener)),
        *_rules("/_faults", mock.faults, faults.decode),
        *_rules("/_tellings", mock.tellings, tellings.decode),
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
