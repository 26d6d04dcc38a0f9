"""Whatever happens: one warning for each window, in its last hour, while the contact waits."""

from datetime import datetime, timedelta

import pytest
from hypothesis import event as note
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.commands import decide_command
from domain.conversation import Conversation
from domain.conversation_state import NO_CONVERSATION, ConversationState
from domain.messages import decide_message, is_erased
from domain.outgoing import Outgoing
from domain.windows import WARN_BEFORE, check_window, warn
from tests.unit.domain.given.samples import (
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
from tests.unit.domain.given.watched_windows import KNOWN, NEWEST

KINDS = ["message"] * 6 + ["import", "reply", "close", "reopen", "delete"] + ["check"] * 9
GAPS = [hours * HOUR for hours in (0, 0, 0, 0.25, 0.25, 0.25, 1, 11, 22.5, 23, 23)] + [SECOND]
# Among the messages that come late: one leaves the window as it was, and one opens it for its last
# hour only.
AGES = [hours * HOUR for hours in (0, 0, 0, -1, 0.5, 22.5, 23.25, 23.5, 23.5)]
STEPS = st.tuples(st.sampled_from(KINDS), st.sampled_from(GAPS), st.sampled_from(AGES))
# By default lists have about five items.
STORIES = st.one_of(st.lists(STEPS, max_size=20), st.lists(STEPS, min_size=15, max_size=50))


class Story:
    """One conversation, its row in `windows`, and the warnings of its windows."""

    def __init__(self) -> None:
        self.now = NOON
        self.state: ConversationState = NO_CONVERSATION
        self.check_at: datetime | None = None
        self.waits = False
        """Whether the last message is the contact's."""
        self.opened: set[datetime] = set()
        """The ends of windows to which a message of the contact moved them; without imports."""
        self.checked: set[datetime] = set()
        """The ends of windows that were checked in their last hour."""
        self.warned: set[datetime] = set()
        """The ends of windows for which a warning was emitted."""
        self.ids: set[str] = set()

    @property
    def conversation(self) -> Conversation | None:
        return self.state.conversation

    def step(self, number: int, kind: str, age: timedelta) -> None:
        if kind == "check":
            self.check()
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
        if is_erased(self.state, written.data):
            return
        before = self.conversation.window_until if self.conversation else None
        self.save(decide_message(self.state, written, self.now, KNOWN, APP_URL).state)
        assert self.conversation is not None
        assert self.conversation.window_until is not None
        if not historical:
            self.waits = True
            if self.conversation.window_until != before:
                self.opened.add(self.conversation.window_until)

    def command(self, number: int, kind: str) -> None:
        make = {"reply": reply, "close": close, "reopen": reopen, "delete": delete}[kind]
        made = make(event_id=f"e{number}", time=self.now)  # type: ignore[operator]
        decision = decide_command(self.state, made, self.now, KNOWN, APP_URL, channel=channel())
        self.waits = self.waits and decision.message is None
        self.save(decision.state)

    def save(self, after: ConversationState) -> None:
        """Write the row of a window as a batch does."""
        conversation = after.conversation
        if conversation is None:
            self.check_at = None
        elif conversation.window_watched and not (
            self.conversation and self.conversation.window_watched
        ):
            assert conversation.window_until is not None
            self.check_at = conversation.window_until - WARN_BEFORE
        self.state = after
        assert (self.check_at is not None) == (
            conversation is not None and conversation.window_watched
        )

    def check(self) -> None:
        """Check the window as the watcher does, and assert what comes of it."""
        outgoing: tuple[Outgoing, ...] = ()
        conversation = self.conversation
        if self.check_at is not None and self.check_at <= self.now:
            assert conversation is not None
            check = check_window(conversation, self.now)
            assert check.next_check_at is None or check.next_check_at > self.now
            self.check_at = check.next_check_at
            if check.next_check_at is None:
                left = replace(conversation, window_watched=False)
                self.state = replace(self.state, conversation=left)
            if check.must_warn:
                outgoing = warn(conversation, KNOWN, APP_URL, NEWEST)
                assert len(outgoing) == 1
        self.judge(conversation, outgoing)

    def judge(self, conversation: Conversation | None, outgoing: tuple[Outgoing, ...]) -> None:
        until = conversation.window_until if conversation else None
        is_last_hour = until is not None and until - WARN_BEFORE <= self.now < until
        if outgoing:
            assert is_last_hour
            assert until is not None
            assert conversation is not None
            assert self.waits
            assert conversation.status == "open"
            assert until not in self.warned
            assert not self.ids & {item.event_id for item in outgoing}
            self.warned.add(until)
            self.ids |= {item.event_id for item in outgoing}
            note("warned")
        elif until in self.opened - self.checked and is_last_hour:
            assert conversation is not None
            assert not self.waits or conversation.status == "closed"
            note("no warning needed")
        if is_last_hour:
            assert until is not None
            self.checked.add(until)


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
