"""The cookie of a browser, and writes that another site makes a browser send."""

from typing import Literal

import pytest

from tests.unit.workers.api.access.given import request
from workers.api.access.cookies import VALUE_CHARACTERS_MAX, SessionCookie
from workers.api.problem import Problem
from workers.settings import Settings

JSON = ("Content-Type", "application/json")
LOOPBACK = ("http://127.0.0.1:6066", "http://localhost:6066", "http://[::1]:6066")


def cookie(app_url: str = "https://inbox.example.com/app", public_url: str = "") -> SessionCookie:
    """Returns the cookie of an inbox at these URLs."""
    given = {"INBOX_APP_URL": app_url, "INBOX_PUBLIC_URL": public_url}
    return SessionCookie(Settings.from_environment(given))


def test_the_cookie_is_for_this_host_alone_and_no_script_reads_it() -> None:
    made = cookie()
    assert made.holding("a.b-c.d_e", 60) == (
        "__Host-inbox_session=a.b-c.d_e; HttpOnly; Max-Age=60; Path=/; SameSite=Lax; Secure"
    )
    assert made.ended() == (
        '__Host-inbox_session=""; HttpOnly; Max-Age=0; Path=/; SameSite=Lax; Secure'
    )
    assert made.token(request(("Cookie", "a=b; __Host-inbox_session=t"))) == "t"
    assert made.token(request(("Cookie", "inbox_session=t"))) is None
    assert made.token(request()) is None


@pytest.mark.parametrize("url", LOOPBACK)
def test_on_loopback_the_cookie_needs_no_tls(url: str) -> None:
    made = cookie(url)
    assert made.holding("t", 60) == "inbox_session=t; HttpOnly; Max-Age=60; Path=/; SameSite=Lax"
    assert made.token(request(("Cookie", "inbox_session=t"))) == "t"


@pytest.mark.parametrize("url", ["http://inbox.internal", "http://localhost.example.com"])
def test_elsewhere_it_is_secure_even_without_tls(url: str) -> None:
    assert "; Secure" in cookie(url).holding("t", 60)


def test_a_token_that_fits_no_cookie_is_refused() -> None:
    cookie().holding("t" * VALUE_CHARACTERS_MAX, 60)
    with pytest.raises(Problem, match="invalid_request"):
        cookie().holding("t" * (VALUE_CHARACTERS_MAX + 1), 60)


def refused(
    made: SessionCookie,
    *headers: tuple[str, str],
    proven_by: Literal["cookie", "proxy"] = "cookie",
) -> str | None:
    """Returns the code with which a write is refused; None if it is not."""
    try:
        made.check_write(request(*headers, method="POST"), proven_by)
    except Problem as problem:
        return problem.code
    return None


@pytest.mark.parametrize(
    "origin",
    [
        "https://inbox.example.com",
        "https://INBOX.example.com",
        "https://inbox.example.com:443",
        "https://hooks.example.com:8443",
    ],
)
def test_a_write_from_a_page_of_ours_is_taken(origin: str) -> None:
    made = cookie(public_url="https://twilio:secret@hooks.example.com:8443/in")
    assert refused(made, ("Origin", origin), JSON) is None
    assert refused(made, ("Origin", origin), JSON, proven_by="proxy") is None


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "https://evil.example.com",
        "http://inbox.example.com",
        "https://inbox.example.com:8443",
        "https://inbox.example.com.evil.example",
        "https://evil.example/inbox.example.com",
        "https://inbox.example.com@evil.example",
        "inbox.example.com",
        "//inbox.example.com",
        "https://[",
        "https://inbox.example.com:99999",
        "http://10.0.0.7",
        "http://127.0.0.1:6066",
    ],
)
def test_a_write_from_another_page_is_refused(origin: str) -> None:
    for host in ("inbox.example.com", "10.0.0.7", "127.0.0.1:6066", "evil.example.com"):
        given = [("Origin", origin), ("Host", host), JSON]
        assert refused(cookie(), *given) == "foreign_origin"
        assert refused(cookie(), *given, proven_by="proxy") == "foreign_origin"


def test_a_write_says_its_origin_once() -> None:
    ours, foreign = ("Origin", "https://inbox.example.com"), ("Origin", "https://evil.example")
    assert refused(cookie(), JSON) == "foreign_origin"
    assert refused(cookie(), ours, foreign, JSON) == "foreign_origin"
    # Programs behind a proxy send none.
    assert refused(cookie(), proven_by="proxy") is None


@pytest.mark.parametrize("given", ["text/plain", "application/x-www-form-urlencoded", None])
def test_no_form_can_write_with_the_cookie(given: str | None) -> None:
    headers = [("Content-Type", given)] if given else []
    assert refused(cookie(), ("Origin", "https://inbox.example.com"), *headers) == "not_json"


@pytest.mark.parametrize("origin", LOOPBACK)
def test_on_ones_own_machine_the_inbox_has_several_names(origin: str) -> None:
    host = ("Host", origin.removeprefix("http://"))
    assert refused(cookie(LOOPBACK[0]), ("Origin", origin), host, JSON) is None
    other = ("Origin", "http://localhost:3000")
    assert refused(cookie(LOOPBACK[0]), other, host, JSON) == "foreign_origin"
    rebound = ("Host", "evil.example:6066")
    foreign = ("Origin", "http://evil.example:6066")
    assert refused(cookie(LOOPBACK[0]), foreign, rebound, JSON) == "foreign_origin"
