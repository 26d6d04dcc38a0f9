"""How fast a sender may send: a token bucket per sender (the generic cell rate algorithm)."""

from datetime import datetime, timedelta
from typing import NamedTuple

BURST = timedelta(seconds=1)
"""How far a burst may run ahead of the rate."""


class Bucket(NamedTuple):
    """A sender's bucket. One moment is its whole state."""

    per_second: float
    next_at: datetime
    """When the next message would be due, were they evenly spread."""

    @property
    def _interval(self) -> timedelta:
        return timedelta(seconds=1 / self.per_second)

    def free_at(self, waiting: int = 0) -> datetime:
        """When a message may go out that so many others wait before."""
        ahead = max(timedelta(), BURST - self._interval)
        return self.next_at - ahead + waiting * self._interval

    def take(self, now: datetime) -> "Bucket":
        """The bucket after a message went out."""
        return self._replace(next_at=max(self.next_at, now) + self._interval)
