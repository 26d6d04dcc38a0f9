"""Whatever happens, each window is told of once, in its last hour, while the contact waits."""

from datetime import datetime, timedelta

import pytest
from hypothesis import event as note
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.commands import decide_command
from domain.conversation import Conversation
from domain.decision import Outgoing
from domain.messages import decide_message, is_erased
from domain.thread import NO_THREAD, Thread
from domain.windows import NOTICE, look_at, warn
from tests.unit.domain.given.events import (
    APP_URL,
    HOUR,
    NOON,
    SECOND,
    channel,
    close,
    delete,
    message,
    reopen,
    reply,
)
from tests.unit.domain.given.windows import KNOWN, NEWEST

KINDS = ["message"] * 6 + ["import", "reply", "close", "reopen", "delete"] + ["look"] * 9
GAPS = [hours * HOUR for hours in (0, 0, 0, 0.25, 0.25, 0.25, 1, 11, 22.5, 23, 23)] + [SECOND]
# Of those that were long on their way, a message that leaves the window as it was, and one that
# opens it for its last hour.
AGES = [hours * HOUR for hours in (0, 0, 0, -1, 0.5, 22.5, 23.25, 23.5, 23.5)]
STEPS = st.tuples(st.sampled_from(KINDS), st.sampled_from(GAPS), st.sampled_from(AGES))
# Left to themselves, lists are about five long.
STORIES = st.one_of(st.lists(STEPS, max_size=20), st.lists(STEPS, min_size=15, max_size=50))


class Story:
    """One conversation, its row in `windows`, and what the watcher made of it."""

    def __init__(self) -> None:
        self.now = NOON
        self.thread: Thread = NO_THREAD
        self.check_at: datetime | None = None
        self.waits = False
        """Whether the last word is the contact's."""
        self.asked_for: set[datetime] = set()
        """The ends of windows that a message of the contact moved there, imports aside."""
        self.looked_at: set[datetime] = set()
        """Those of windows that were looked at in their last hour."""
        self.told: set[datetime] = set()
        self.ids: set[str] = set()

    @property
    def state(self) -> Conversation | None:
        return self.thread.conversation

    def step(self, number: int, kind: str, age: timedelta) -> None:
        if kind == "look":
            self.look()
        elif kind in {"message", "import"}:
            self.write(number, age, historical=kind == "import")
        else:
            self.command(number, kind)

    def write(self, number: int, age: timedelta, *, historical: bool) -> None:
        written = message(
            event_id=f"e{number}",
            provider_message_id=f"SM{number}",
            sent_at=self.now - age,
            historical=historical,
        )
        if is_erased(self.thread, written.data):
            return
        before = self.state.window_until if self.state else None
        self.save(decide_message(self.thread, written, self.now, KNOWN, APP_URL).thread)
        assert self.state is not None
        assert self.state.window_until is not None
        if not historical:
            self.waits = True
            if self.state.window_until != before:
                self.asked_for.add(self.state.window_until)

    def command(self, number: int, kind: str) -> None:
        make = {"reply": reply, "close": close, "reopen": reopen, "delete": delete}[kind]
        asked = make(event_id=f"e{number}", time=self.now)  # type: ignore[operator]
        decision = decide_command(self.thread, asked, self.now, KNOWN, APP_URL, channel=channel())
        self.waits = self.waits and decision.message is None
        self.save(decision.thread)

    def save(self, after: Thread) -> None:
        """Write the row of a window as a batch does."""
        state = after.conversation
        if state is None:
            self.check_at = None
        elif state.window_watched and not (self.state and self.state.window_watched):
            assert state.window_until is not None
            self.check_at = state.window_until - NOTICE
        self.thread = after
        assert (self.check_at is not None) == (state is not None and state.window_watched)

    def look(self) -> None:
        """Do what the watcher does, and check it."""
        outgoing: tuple[Outgoing, ...] = ()
        state = self.state
        if self.check_at is not None and self.check_at <= self.now:
            assert state is not None
            look = look_at(state, self.now)
            assert look.again_at is None or look.again_at > self.now
            self.check_at = look.again_at
            if look.again_at is None:
                left = replace(state, window_watched=False)
                self.thread = replace(self.thread, conversation=left)
            if look.is_closing:
                outgoing = warn(state, KNOWN, APP_URL, NEWEST)
                assert len(outgoing) == 1
        self.check(state, outgoing)

    def check(self, state: Conversation | None, outgoing: tuple[Outgoing, ...]) -> None:
        until = state.window_until if state else None
        is_last_hour = until is not None and until - NOTICE <= self.now < until
        if outgoing:
            assert is_last_hour
            assert until is not None
            assert state is not None
            assert self.waits
            assert state.status == "open"
            assert until not in self.told
            assert not self.ids & {item.event_id for item in outgoing}
            self.told.add(until)
            self.ids |= {item.event_id for item in outgoing}
            note("told")
        elif until in self.asked_for - self.looked_at and is_last_hour:
            assert state is not None
            assert not self.waits or state.status == "closed"
            note("nothing to tell")
        if is_last_hour:
            assert until is not None
            self.looked_at.add(until)


@pytest.mark.no_cover
@settings(max_examples=1_000)
@given(STORIES)
def test_each_window_is_told_of_once_in_its_last_hour_while_the_contact_waits(
    steps: list[tuple[str, timedelta, timedelta]],
) -> None:
    story = Story()
    for number, (kind, gap, age) in enumerate(steps):
        story.now += gap
        story.step(number, kind, age)
