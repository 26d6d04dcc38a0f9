"""The durations and rates of a run: short for a run of minutes, or as in production."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The number of workers, durations and rates."""

    workers: int
    session_seconds: float
    """How long the consumer group waits for a silent member."""
    post_seconds: int
    """After this time a part that is still `posting` is uncertain; longer than any POST."""
    transaction_seconds: int
    """After this time Postgres ends the transaction of a frozen worker."""
    list_check_seconds: tuple[int, ...]
    """When Twilio's list is searched for an uncertain part, counted from its POST."""
    freeze_seconds: float
    """How long a server is frozen."""
    outage_seconds: float
    """How long a server is down."""
    pause_seconds: float
    """The longest pause after a fault."""
    messages_per_second: float
    """Messages of the contacts to whom everything happens."""
    crowd_per_second: float
    """Messages of the contacts who only write."""
    settle_seconds: float
    """How long after healing all work must be done (I10)."""


QUICK = Timing(
    workers=3,
    session_seconds=4,
    post_seconds=12,
    transaction_seconds=6,
    list_check_seconds=(3, 8, 16, 20),
    freeze_seconds=4,
    outage_seconds=1,
    pause_seconds=0,
    messages_per_second=40,
    crowd_per_second=0,
    settle_seconds=90,
)

FULL = Timing(
    workers=3,
    session_seconds=10,
    post_seconds=30,
    transaction_seconds=60,
    list_check_seconds=(12, 35, 45, 60),
    freeze_seconds=20,
    outage_seconds=8,
    pause_seconds=4,
    messages_per_second=200,
    crowd_per_second=1_000,
    settle_seconds=240,
)
