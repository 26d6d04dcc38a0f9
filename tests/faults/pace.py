"""How long things take in a run: short, where all is to happen within minutes, or as they are."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Seconds and rates of a run."""

    workers: int
    session_seconds: float
    """How long the consumer group waits for a member that is silent."""
    post_seconds: int
    """After which a part that is still `posting` is of unknown outcome; longer than any POST."""
    transaction_seconds: int
    """After which Postgres ends a transaction of a worker that froze in it."""
    looks_seconds: tuple[int, ...]
    """When Twilio's list is asked for a part of unknown outcome."""
    freeze_seconds: float
    """How long a server freezes."""
    outage_seconds: float
    """How long a server is away."""
    breath_seconds: float
    """The longest pause after a fault."""
    messages_per_second: float
    """Of contacts to whom everything happens."""
    crowd_per_second: float
    """Messages of contacts who only write."""
    settle_seconds: float
    """How long after healing all must be done (I10)."""


QUICK = Pace(
    workers=3,
    session_seconds=4,
    post_seconds=12,
    transaction_seconds=6,
    looks_seconds=(3, 8, 16, 20),
    freeze_seconds=4,
    outage_seconds=1,
    breath_seconds=0,
    messages_per_second=40,
    crowd_per_second=0,
    settle_seconds=90,
)

FULL = Pace(
    workers=3,
    session_seconds=10,
    post_seconds=30,
    transaction_seconds=60,
    looks_seconds=(12, 35, 45, 60),
    freeze_seconds=20,
    outage_seconds=8,
    breath_seconds=4,
    messages_per_second=200,
    crowd_per_second=1_000,
    settle_seconds=240,
)
