"""The events of an account of the last minute, from which a client goes on that was away."""

from collections import deque
from time import monotonic

from workers.api.events.published import OfConversation, Published

RECENT_SECONDS = 60.0


class Recent:
    """Keeps events for some time, and no more than some bytes of them."""

    def __init__(self, number: int, seconds: float) -> None:
        """`number` is the last one before the events that it will keep."""
        self._seconds = seconds
        self._floor = number
        """The newest number that is not kept any more. Whoever had less than that missed it."""
        self._events: deque[tuple[float, Published]] = deque()
        self._bytes = 0

    def keep(self, event: Published) -> None:
        """Keep an event, which is newer than all others."""
        self._events.append((monotonic(), event))
        self._bytes += event.size

    def prune(self, bytes_max: int) -> None:
        """Forget what is too old, and the oldest while there is too much."""
        too_old = monotonic() - self._seconds
        while self._events and (self._bytes > bytes_max or self._events[0][0] < too_old):
            _, event = self._events.popleft()
            self._bytes -= event.size
            self._floor = event.number

    def remove(self, conversation_id: str) -> None:
        """Remove all that tells of a conversation, which was deleted for good."""
        kept = [each for each in self._events if each[1].conversation_id != conversation_id]
        self._events = deque(kept)
        self._bytes = sum(event.size for _, event in kept)

    def after(self, number: int) -> list[Published] | None:
        """Returns the events after a number; None if some of them are not kept any more.

        Of several events of a conversation only the newest is there.
        """
        if number < self._floor:
            return None
        found: list[Published] = []
        conversations: set[str] = set()
        for _, event in reversed(self._events):
            if event.number <= number:
                break
            if isinstance(event, OfConversation):
                if event.conversation_id in conversations:
                    continue
                conversations.add(event.conversation_id)
            found.append(event)
        return found[::-1]
