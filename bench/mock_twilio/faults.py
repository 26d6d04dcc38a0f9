"""The faults of the mock: what goes wrong with a request, and how its client sees it."""

import asyncio
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from typing import Literal, TypeAlias, Unpack

import msgspec
from aiohttp import web

from bench.mock_twilio.rules import Rule, Scope
from workers.dev.twilio_stand_in.errors import ERROR_DOCS, error_body, text_of

When: TypeAlias = Literal["before", "after"]
"""Before the message is accepted, so that nothing is sent, or after."""

Shape: TypeAlias = Literal["json", "html", "problem"]

CODES = {429: 20429, 503: 20503}
"""Twilio's error codes by status; other statuses have 20500."""

HTML = "<html><head><title>{0}</title></head><body><h1>{0}</h1><hr>nginx</body></html>\r\n"


class Fault(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fault, and the requests to which it is applied."""

    act: Literal["drop", "reset", "cut", "answer", "hang", "slow"]
    """Close the connection; reset it; answer half and close; answer an error; never answer;
    answer late, but correctly."""
    when: When = "before"
    """Matters for a send only: other requests accept no message."""
    on: Literal["send", "list", "fetch", "media", "any"] = "send"
    """The route of the requests."""
    status: int = 503
    code: int | None = None
    """Twilio's error code; without one that of the status."""
    shape: Shape = "json"
    retry_after: int | None = None
    """Seconds, in the header `Retry-After`."""
    seconds: float = 0.0
    """How late a slow answer is."""


def answer_lost(**scope: Unpack[Scope]) -> Fault:
    """The message is accepted, and the connection is closed without an answer."""
    return Fault(act="drop", when="after", **scope)


def answer_cut(**scope: Unpack[Scope]) -> Fault:
    """The message is accepted, and the connection is closed in the middle of the answer."""
    return Fault(act="cut", when="after", status=201, **scope)


def connection_reset(when: When, **scope: Unpack[Scope]) -> Fault:
    """The connection is reset."""
    return Fault(act="reset", when=when, **scope)


def connection_closed(**scope: Unpack[Scope]) -> Fault:
    """The request is read, and the connection is closed; the message is not accepted."""
    return Fault(act="drop", **scope)


def server_error(when: When, status: int = 503, **scope: Unpack[Scope]) -> Fault:
    """An answer 5xx."""
    return Fault(act="answer", when=when, status=status, **scope)


def html_502(when: When, **scope: Unpack[Scope]) -> Fault:
    """A 502 in HTML, as a proxy between us and Twilio sends it."""
    return Fault(act="answer", when=when, status=502, shape="html", **scope)


def problem(when: When, status: int, code: int, **scope: Unpack[Scope]) -> Fault:
    """An error in the format of RFC 9457 (problem details)."""
    return Fault(act="answer", when=when, status=status, code=code, shape="problem", **scope)


def throttled(retry_after: int | None = None, **scope: Unpack[Scope]) -> Fault:
    """429: too many requests."""
    return Fault(act="answer", status=429, retry_after=retry_after, **scope)


def refused(code: int, status: int = 400, **scope: Unpack[Scope]) -> Fault:
    """A 4xx with one of Twilio's codes, such as 21610."""
    return Fault(act="answer", status=status, code=code, **scope)


def window_closed(to: str) -> Fault:
    """Free text to this address is refused, until the fault is switched off."""
    return refused(63016, where={"To": to, "ContentSid": ""})


def hanging(when: When, **scope: Unpack[Scope]) -> Fault:
    """There is never an answer; the connection stays open."""
    return Fault(act="hang", when=when, **scope)


def slow(seconds: float, when: When = "before", **scope: Unpack[Scope]) -> Fault:
    """The answer is correct, but late."""
    return Fault(act="slow", when=when, seconds=seconds, **scope)


async def apply_fault(
    fault: Fault, request: web.Request, body: bytes, stopping: asyncio.Event
) -> web.StreamResponse:
    """Apply a fault, which is not `slow`, to a request. `body` is the answer without the fault."""
    match fault.act:
        case "answer":
            return _error(fault)
        case "cut":
            response = web.StreamResponse(
                status=fault.status,
                headers={"Content-Type": "application/json", "Content-Length": str(len(body))},
            )
            with suppress(ConnectionError):
                await response.prepare(request)
                await response.write(body[: len(body) // 2])
            _close(request)
            return response
        case "hang":
            await stopping.wait()
        case "reset":
            _reset_on_close(request)
    _close(request)
    # Nobody receives it: the connection is closed.
    return web.Response()


def _error(fault: Fault) -> web.Response:
    code = fault.code or CODES.get(fault.status, 20500)
    content_type, body = _SHAPES[fault.shape](fault.status, code)
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    return web.Response(status=fault.status, body=body, content_type=content_type, headers=headers)


def _json(status: int, code: int) -> tuple[str, bytes]:
    return "application/json", msgspec.json.encode(error_body(status, code))


def _problem(status: int, code: int) -> tuple[str, bytes]:
    return "application/problem+json", msgspec.json.encode(
        {
            "type": f"{ERROR_DOCS}{code}",
            "title": text_of(code),
            "status": status,
            "code": code,
            "detail": f"{text_of(code)}, it seems",
        }
    )


def _html(status: int, _code: int) -> tuple[str, bytes]:
    return "text/html", HTML.format(f"{status} Bad Gateway").encode()


_SHAPES = {"json": _json, "problem": _problem, "html": _html}


def _close(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()


def reset_on_close(connection: socket.socket) -> None:
    """Make the close of a connection reset it, by a linger time of zero."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _reset_on_close(request: web.Request) -> None:
    if request.transport is not None:
        reset_on_close(request.transport.get_extra_info("socket"))


def decode(body: bytes) -> Iterable[Fault]:
    """Decode faults from JSON, one or a list. Raises msgspec.MsgspecError."""
    faults = msgspec.json.decode(body, type=Fault | list[Fault])
    return [faults] if isinstance(faults, Fault) else faults
