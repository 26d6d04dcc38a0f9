"""What the parts of a worker report to it."""

from collections.abc import Callable
from dataclasses import dataclass

from db.outbox import OutboxRow


@dataclass(frozen=True, slots=True)
class Hooks:
    """The two things that a worker needs to know of its parts."""

    committed: Callable[[list[OutboxRow]], None]
    """Called after each commit with the outbox rows of the transaction, for the relay."""
    alive: Callable[[], None]
    """Called at each sign of life: a batch was applied, or a server is down and waited for."""
