"""A simulated event loop: time moves on request, and one waiting step runs at a time."""

import asyncio
from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Fate(Enum):
    """What becomes of a step whose turn it is."""

    DONE = "done"
    FAILED = "failed"
    """The connection was lost before it reached the server."""
    UNANSWERED = "done, but its answer is lost"


@dataclass(eq=False)
class Process:
    """A worker's process: dies, freezes, wakes up."""

    number: int
    is_alive: bool = True
    is_frozen: bool = False


CURRENT: ContextVar[Process] = ContextVar("CURRENT")
"""The process that a task belongs to."""


@dataclass(eq=False)
class Turn:
    """A step that waits for its turn."""

    process: Process
    what: str
    future: asyncio.Future[Fate]


class _NoSockets:
    def select(self, _timeout: float | None) -> list[Any]:
        return []


class Turns(asyncio.BaseEventLoop):
    """Runs tasks as far as they go without a server, in a time of its own."""

    # What BaseEventLoop leaves to its subclasses, and does not declare.
    _ready: Any
    _scheduled: Any
    _run_once: Any

    def __init__(self) -> None:
        super().__init__()
        self._selector = _NoSockets()
        self._moment = 0.0
        self.waiting: list[Turn] = []
        self.met: Counter[str] = Counter()
        """What happened, so that a test can tell whether it tested anything."""

    def time(self) -> float:
        """Seconds since the simulation began."""
        return self._moment

    def _process_events(self, _events: list[Any]) -> None:
        """There are none."""

    async def turn(self, what: str) -> Fate:
        """Wait for the turn of a step; its fate."""
        process = CURRENT.get()
        if not process.is_alive:
            raise asyncio.CancelledError
        turn = Turn(process, what, self.create_future())
        self.waiting.append(turn)
        try:
            return await turn.future
        finally:
            if turn in self.waiting:
                self.waiting.remove(turn)

    def give(self, turn: Turn, fate: Fate) -> None:
        """Let one step go on."""
        self.waiting.remove(turn)
        turn.future.set_result(fate)
        self.run_ready()

    def run_ready(self) -> None:
        """Run until every task waits for a turn, or for time to pass."""
        asyncio._set_running_loop(self)
        try:
            while self._ready:
                self._run_once()
        finally:
            asyncio._set_running_loop(None)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and wake whoever waits for a moment of it, in order."""
        until = self._moment + seconds
        while self._scheduled and self._scheduled[0].when() <= until:
            self._moment = max(self._moment, self._scheduled[0].when())
            self.call_soon(lambda: None)
            self.run_ready()
        self._moment = until
