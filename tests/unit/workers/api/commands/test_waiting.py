"""Requests that wait for results."""

import pytest

from db.commands import Outcome
from schemas.fields import AccountId
from workers.api.commands import waiting
from workers.api.commands.waiting import WaitingRequests
from workers.api.problem import Problem

KEY, OTHER = (AccountId("acme"), "c1"), (AccountId("other"), "c1")
DONE = Outcome("accepted", 3)


async def test_a_result_reaches_all_who_wait_for_it_and_nobody_else() -> None:
    requests = WaitingRequests()
    with (
        requests.result_of(KEY) as first,
        requests.result_of(KEY) as second,
        requests.result_of(OTHER) as foreign,
    ):
        requests.resolve(KEY, DONE)
        requests.resolve(KEY, Outcome("stale_version", 9))  # the first one counts
        assert (first.result(), second.result(), foreign.done()) == (DONE, DONE, False)
        assert requests.longer_than(-1) == [OTHER]
        assert requests.longer_than(60) == []
    assert requests.longer_than(-1) == []
    requests.resolve(KEY, DONE)


async def test_so_many_may_wait_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "WAITING_MAX", 1)
    requests = WaitingRequests()
    with (
        requests.result_of(KEY),
        pytest.raises(Problem) as caught,
        requests.result_of(OTHER),
    ):
        pass
    assert (caught.value.code, caught.value.status) == ("unavailable", 503)
    with requests.result_of(OTHER):
        pass
