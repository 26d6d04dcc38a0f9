"""How fast a sender may send: a token bucket per sender (the generic cell rate algorithm)."""

from datetime import datetime, timedelta
from typing import NamedTuple

BURST = timedelta(seconds=1)
"""A burst may be ahead of the even rate by so much time."""


class Bucket(NamedTuple):
    """The token bucket of a sender. Its whole state is one moment, `next_at`."""

    per_second: float
    next_at: datetime
    """When the next message would be due if all messages were spread evenly."""

    @property
    def _interval(self) -> timedelta:
        return timedelta(seconds=1 / self.per_second)

    def free_at(self, waiting: int = 0) -> datetime:
        """Returns when a message may go out, if `waiting` others go out before it."""
        ahead = max(timedelta(), BURST - self._interval)
        return self.next_at - ahead + waiting * self._interval

    def take(self, now: datetime) -> "Bucket":
        """Returns the bucket after a message went out."""
        return self._replace(next_at=max(self.next_at, now) + self._interval)
