"""How much may be asked: so often by one user or account, and so much at once."""

import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from workers.api.problem import Problem

BURST_SECONDS = 10.0
"""So many seconds of its rate may somebody ask at once, after a pause."""

CONNECTS_PER_SECOND, CONNECTS_BURST_SECONDS = 50, 200.0
"""Streams that one user may begin, 10,000 at once: after a restart all clients of an account come
back within seconds, and one user may stand for all of them."""

KEYS_MAX = 8192
"""Whoever asked longest ago is forgotten, and begins anew."""

REQUESTS_MAX = 1000
"""Requests under way at once in one process, without streams. A body has 64 KiB at most, so this
bounds the memory of all bodies too."""

ACCOUNT_REQUESTS_MAX, USER_REQUESTS_MAX = 500, 250
"""Those of one account, and of one user: slow ones must not take the places of all others."""

RETRY_SECONDS = 1

ROUNDING_SECONDS = 1e-6
"""Sums of times are exact to within this."""


class RateLimit:
    """A token bucket for each key (the generic cell rate algorithm)."""

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float] = time.monotonic,
        burst_seconds: float = BURST_SECONDS,
    ) -> None:
        """`clock` counts seconds. After a pause, as many as in `burst_seconds` come at once."""
        self._interval = 1 / per_second
        self._burst_seconds = burst_seconds
        self._clock = clock
        self._next_at: OrderedDict[Hashable, float] = OrderedDict()
        """When the next request of each key would be due, if all were spread evenly."""

    def take(self, key: Hashable) -> None:
        """Count a request. Raises Problem for one too many, which is not counted."""
        now = self._clock()
        due = max(self._next_at.get(key, now), now)
        wait = due + self._interval - now - self._burst_seconds
        if wait > ROUNDING_SECONDS:
            seconds = str(math.ceil(wait))
            detail = f"this user or account asks too often; ask again in {seconds} s"
            raise Problem("too_many_requests", detail, {"Retry-After": seconds})
        self._next_at[key] = due + self._interval
        self._next_at.move_to_end(key)
        if len(self._next_at) > KEYS_MAX:
            self._next_at.popitem(last=False)


class Places:
    """So many things may be under way at once for each key."""

    def __init__(self, most: int, code: str) -> None:
        """`code` is that of the problem of one too many."""
        self._most = most
        self._code = code
        self._taken: Counter[Hashable] = Counter()

    @contextmanager
    def taken(self, key: Hashable = None) -> Iterator[None]:
        """Take a place, and leave it at the end. Raises Problem if none is free."""
        if self._taken[key] >= self._most:
            raise Problem(self._code, "too much at once", {"Retry-After": str(RETRY_SECONDS)})
        self._taken[key] += 1
        try:
            yield
        finally:
            self._taken[key] -= 1
            if not self._taken[key]:
                del self._taken[key]
