"""The headers of a trusted proxy, and of everybody else."""

from ipaddress import ip_network

import pytest

from tests.unit.workers.api.access.given import request
from workers.api.access.proxies import TrustedProxies
from workers.api.problem import Problem

ACCOUNT, USER = ("X-Inbox-Account", "acme"), ("X-Inbox-User", "ana")
PROXIES = TrustedProxies([ip_network("10.1.0.0/16"), ip_network("fd00::/8")])


@pytest.mark.parametrize("remote", ["10.1.2.3", "::ffff:10.1.2.3", "fd00::7", "fd00::7%eth0"])
def test_a_trusted_proxy_says_who_is_asking(remote: str) -> None:
    identity = PROXIES.identity(request(ACCOUNT, ("x-inbox-USER", "ana"), remote=remote))
    assert identity is not None
    assert (identity.account_id, identity.user_id, identity.proven_by) == ("acme", "ana", "proxy")
    assert (identity.expires_at, identity.scopes) == (None, frozenset())


@pytest.mark.parametrize(
    "remote",
    ["10.2.0.1", "127.0.0.1", "::ffff:10.2.0.1", "::10.1.2.3", "::1", "", "unknown", "10.1.2.3:80"],
)
def test_from_elsewhere_the_headers_are_refused_even_with_a_token(remote: str) -> None:
    forwarded = [("X-Forwarded-For", "10.1.2.3"), ("Forwarded", "for=10.1.2.3")]
    bearer = ("Authorization", "Bearer x.y.z")
    with pytest.raises(Problem, match="unauthorized") as caught:
        PROXIES.identity(request(ACCOUNT, USER, bearer, *forwarded, remote=remote))
    assert caught.value.status == 401


def test_without_the_headers_the_proxy_says_nothing() -> None:
    assert PROXIES.identity(request(remote="10.1.2.3")) is None
    assert TrustedProxies([]).identity(request()) is None


@pytest.mark.parametrize(
    "headers",
    [
        [ACCOUNT],
        [USER],
        [ACCOUNT, USER, USER],
        [ACCOUNT, USER, ("X-Inbox-User", "bo")],
        [ACCOUNT, ("X-Inbox-Account", "other"), USER],
        [ACCOUNT, ("X-Inbox-User", "")],
        [ACCOUNT, ("X-Inbox-User", "ana, bo")],
        [ACCOUNT, ("X-Inbox-User", "a" * 65)],
        [ACCOUNT, ("X-Inbox-User", "ана")],
        [("X-Inbox-Account", "../acme"), USER],
    ],
    ids=str,
)
def test_headers_that_are_missing_doubled_or_no_ids_are_refused(
    headers: list[tuple[str, str]],
) -> None:
    with pytest.raises(Problem, match="unauthorized"):
        PROXIES.identity(request(*headers, remote="10.1.2.3"))
