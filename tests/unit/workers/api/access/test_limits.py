"""How often and how much may be asked."""

import pytest

from workers.api.access.limits import BURST_SECONDS, KEYS_MAX, Places, RateLimit
from workers.api.problem import Problem


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def taken(limit: RateLimit, key: str, most: int = 10_000) -> int:
    """Returns how many requests are taken before one is refused."""
    for number in range(most):
        try:
            limit.take(key)
        except Problem:
            return number
    return most


def test_a_burst_is_taken_and_then_the_even_rate() -> None:
    clock = Clock()
    limit = RateLimit(5, clock)
    assert taken(limit, "ana") == 5 * BURST_SECONDS
    assert taken(limit, "bo") == 5 * BURST_SECONDS
    clock.now += 2.01
    assert taken(limit, "ana") == 10
    clock.now += 3600
    assert taken(limit, "ana") == 5 * BURST_SECONDS


def test_whoever_asks_too_often_is_told_when_to_come_back() -> None:
    clock = Clock()
    limit = RateLimit(0.4, clock)
    assert taken(limit, "ana") == 4
    with pytest.raises(Problem) as caught:
        limit.take("ana")
    assert (caught.value.status, caught.value.code) == (429, "too_many_requests")
    assert caught.value.headers == {"Retry-After": "3"}  # 2.5 s, in whole seconds
    clock.now += 2.5
    limit.take("ana")


def test_refused_requests_do_not_count() -> None:
    clock = Clock()
    limit = RateLimit(1, clock)
    assert taken(limit, "ana") == BURST_SECONDS
    for _ in range(100):
        assert taken(limit, "ana") == 0
    clock.now += 1.01
    limit.take("ana")


def test_so_many_keys_are_remembered_and_those_who_asked_last() -> None:
    clock = Clock()
    limit = RateLimit(1, clock)
    assert taken(limit, "ana") == BURST_SECONDS
    for number in range(KEYS_MAX - 1):
        limit.take(number)
    assert taken(limit, "ana") == 0
    limit.take("one more")
    assert taken(limit, "ana") == BURST_SECONDS
    assert len(limit._next_at) == KEYS_MAX


def test_places_are_given_back_however_a_request_ends() -> None:
    places = Places(2, "unavailable")
    with places.taken():
        with pytest.raises(ZeroDivisionError), places.taken():
            raise ZeroDivisionError
        with places.taken():
            with pytest.raises(Problem) as caught, places.taken():
                pass
            assert (caught.value.status, caught.value.code) == (503, "unavailable")
            assert caught.value.headers == {"Retry-After": "1"}
    with places.taken(), places.taken():
        pass


def test_each_key_has_places_of_its_own_and_none_is_remembered() -> None:
    places = Places(1, "too_many_requests")
    with places.taken("ana"), places.taken("bo"):
        with pytest.raises(Problem) as caught, places.taken("ana"):
            pass
        assert (caught.value.status, caught.value.code) == (429, "too_many_requests")
    assert not places._taken
