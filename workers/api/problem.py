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
    "file_too_large": 422,
    "too_many_requests": 429,
    "internal_error": 500,
    "unavailable": 503,
}
"""The status of each code of the API's own."""

_STATUS_OF_REJECTION = {
    RejectionCode.NOT_INSTALLER: 403,
    RejectionCode.WINDOW_CLOSED: 422,
    RejectionCode.TOO_LONG: 422,
}


def status_of(code: str) -> int:
    """Returns the status of a problem. A RejectionCode stands for a command that was rejected: 409,
    but for some. It may be spelled as a code of the API's own."""
    if isinstance(code, RejectionCode):
        return _STATUS_OF_REJECTION.get(code, 409)
    return STATUS_OF[code]


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
        self.status = status_of(code)
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
