"""Problems are answers as RFC 9457 has them."""

import msgspec
import pytest

from schemas.codes import RejectionCode
from workers.api.problem import (
    PROBLEM_TYPE,
    STATUS_OF,
    Problem,
    not_found,
    status_of,
    unauthorized,
)


def test_a_problem_says_what_is_wrong() -> None:
    answer = Problem("too_many_requests", "wait", {"Retry-After": "3"}).answer()
    assert (answer.status, answer.content_type) == (429, PROBLEM_TYPE)
    assert answer.headers["Retry-After"] == "3"
    assert isinstance(answer.body, bytes)
    assert msgspec.json.decode(answer.body) == {
        "type": "about:blank",
        "title": "Too Many Requests",
        "status": 429,
        "code": "too_many_requests",
        "detail": "wait",
    }


def test_what_is_not_found_never_says_why() -> None:
    assert (not_found().status, not_found().detail) == (404, not_found().detail)


def test_who_proves_nothing_is_told_how() -> None:
    assert unauthorized("no token").headers == {"WWW-Authenticate": "Bearer"}
    wrong = unauthorized("expired", "invalid_token")
    assert wrong.headers == {"WWW-Authenticate": 'Bearer error="invalid_token"'}


@pytest.mark.parametrize("code", RejectionCode)
def test_every_rejection_of_a_command_has_a_status(code: RejectionCode) -> None:
    expected = {"window_closed": 422, "too_long": 422, "not_installer": 403}
    assert status_of(code) == expected.get(code, 409)


def test_a_caller_without_inbox_access_is_refused_before_there_is_a_command() -> None:
    assert status_of("no_inbox_access") == 403


def test_only_two_problems_are_the_servers() -> None:
    codes = {code for code, status in STATUS_OF.items() if status >= 500}
    assert codes == {"internal_error", "unavailable"}
