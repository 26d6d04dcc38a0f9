"""What is wrong with a request, as RFC 9457 has it: `application/problem+json`."""

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web
from msgspec import Struct

from schemas.codes import RejectionCode
from workers.api.encoding import json_answer

PROBLEM_TYPE = "application/problem+json"

STATUS_OF: dict[str, int] = {
    "invalid_request": 400,
    "unauthorized": 401,
    "no_inbox_access": 403,
    "foreign_origin": 403,
    "not_installer": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "body_too_slow": 408,
    "address_in_use": 409,
    "body_too_large": 413,
    "not_json": 415,
    "window_closed": 422,
    "too_long": 422,
    "too_many_requests": 429,
    "internal_error": 500,
    "unavailable": 503,
}
"""The status of each code of the API. Every other rejection of a command is 409."""

STATUS_OF |= {code: 409 for code in RejectionCode if code not in STATUS_OF}


class ProblemDetails(Struct, frozen=True, kw_only=True):
    """What is wrong with a request."""

    type: str = "about:blank"
    title: str
    """The name of the status."""
    status: int
    code: str
    """What programs go by."""
    detail: str
    """What people read. Its wording may change."""


class Problem(Exception):
    """A request that is refused. Its code decides the status."""

    def __init__(self, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        """`detail` says in plain words what is wrong, and holds no secret and no other account's
        data."""
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.status = STATUS_OF[code]
        self.headers = dict(headers or {})

    def answer(self) -> web.Response:
        """Returns the answer to the request."""
        title = HTTPStatus(self.status).phrase
        body = ProblemDetails(title=title, status=self.status, code=self.code, detail=self.detail)
        return json_answer(body, self.status, self.headers, PROBLEM_TYPE)


def unauthorized(detail: str, error: str | None = None) -> Problem:
    """Returns what is said to whoever does not prove who they are. `error` is one of RFC 6750."""
    challenge = f'Bearer error="{error}"' if error else "Bearer"
    return Problem("unauthorized", detail, {"WWW-Authenticate": challenge})


def not_found() -> Problem:
    """Returns what is said of everything that is not of the caller's account, or not at all."""
    return Problem("not_found", "there is no such thing in this account")
