"""The window of a contact: when it is open, when it is watched, and the one warning."""

from datetime import datetime, timedelta, timezone
from typing import Any

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
from domain.windows import (
    MARGIN,
    NOTICE,
    WINDOW,
    Look,
    is_to_be_watched,
    look_at,
    may_write,
    warn,
    window_after,
)
from schemas.directory import BOTH, OFF, NotificationSettings
from schemas.fields import MessageId
from schemas.notifications import MessagePreview, Recipient
from tests.unit.domain.given import (
    ADDRESS,
    APP_URL,
    CONVERSATION,
    HOUR,
    NOON,
    SECOND,
    channel,
    close,
    conversation,
    delete,
    directory,
    message,
    notified,
    other_account,
    reopen,
    reply,
    user,
)

KNOWN = directory("ana")
UNTIL = NOON + 24 * HOUR
NEWEST = (MessageId("m1"), "Hello")
MESSENGER, SMS = "messenger:1234", "+4911"


def watched(**fields: Any) -> Conversation:
    """An open conversation, to which the contact wrote at noon."""
    usual = {"window_until": UNTIL, "window_watched": True, "last_direction": "inbound"}
    return conversation(**usual | fields)


def test_a_window_is_open_for_24_hours_and_told_of_one_hour_before_it_closes() -> None:
    assert (WINDOW, NOTICE, MARGIN) == (24 * HOUR, HOUR, 60 * SECOND)


@pytest.mark.parametrize(
    ("until", "address", "sent_at", "after"),
    [
        (None, ADDRESS, NOON, UNTIL),
        (None, MESSENGER, NOON, UNTIL),
        (None, SMS, NOON, None),
        (UNTIL, SMS, NOON, UNTIL),
        (NOON + HOUR, ADDRESS, NOON, UNTIL),
        (UNTIL, ADDRESS, NOON - HOUR, UNTIL),
        (None, ADDRESS, NOON + 48 * HOUR, UNTIL + SECOND),
    ],
    ids=["WhatsApp", "Messenger", "SMS", "SMS besides", "longer", "late", "a fast clock"],
)
def test_a_window_is_open_until_24_hours_after_the_contacts_newest_message(
    until: datetime | None, address: str, sent_at: datetime, after: datetime | None
) -> None:
    assert window_after(until, address, sent_at, NOON + SECOND) == after


@pytest.mark.parametrize(
    ("until", "address", "may"),
    [
        (NOON + MARGIN + SECOND, ADDRESS, True),
        (NOON + MARGIN, ADDRESS, False),
        (NOON - HOUR, MESSENGER, False),
        (None, ADDRESS, False),
        (None, SMS, True),
    ],
)
def test_a_free_text_may_be_sent_until_the_last_minute(
    until: datetime | None, address: str, may: bool
) -> None:
    assert may_write(until, address, NOON) is may


@pytest.mark.parametrize(
    ("before", "until", "now", "watch"),
    [
        (None, UNTIL, NOON, True),
        (None, UNTIL, UNTIL - SECOND, True),
        (None, UNTIL, UNTIL, False),
        (None, None, NOON, False),
        (UNTIL - SECOND, UNTIL, UNTIL - SECOND, True),
        (UNTIL, UNTIL, UNTIL - NOTICE - SECOND, True),
        (UNTIL, UNTIL, UNTIL - NOTICE, False),
    ],
    ids=["new", "about to close", "closed", "none", "moved", "early", "told of already"],
)
def test_a_window_is_watched_while_it_is_open_unless_it_may_have_been_told_of(
    before: datetime | None, until: datetime | None, now: datetime, watch: bool
) -> None:
    assert is_to_be_watched(before, until, now) is watch


@pytest.mark.parametrize(
    ("before", "fields", "watch"),
    [
        (None, {}, True),
        (None, {"historical": True}, False),
        (None, {"address": SMS}, False),
        (None, {"sent_at": NOON - WINDOW}, False),
        (watched(), {"historical": True}, True),
        (watched(), {"sent_at": NOON - WINDOW}, True),
        (watched(window_watched=False), {}, True),
        (watched(window_watched=False), {"historical": True}, False),
    ],
)
def test_a_message_that_wants_to_be_seen_has_its_window_watched(
    before: Conversation | None, fields: dict[str, Any], watch: bool
) -> None:
    decision = decide_message(Thread(before), message(**fields), NOON, KNOWN, APP_URL)
    assert decision.thread.conversation is not None
    assert decision.thread.conversation.window_watched is watch


@pytest.mark.parametrize(
    ("fields", "now", "look"),
    [
        ({}, UNTIL - NOTICE, Look(None, True)),
        ({}, UNTIL - SECOND, Look(None, True)),
        ({}, UNTIL, Look(None)),
        ({}, UNTIL - NOTICE - SECOND, Look(UNTIL - NOTICE)),
        ({"status": "closed"}, UNTIL - NOTICE - SECOND, Look(UNTIL - NOTICE)),
        ({"last_direction": "outbound"}, UNTIL - NOTICE, Look(None)),
        ({"last_direction": None}, UNTIL - NOTICE, Look(None)),
        ({"status": "closed"}, UNTIL - NOTICE, Look(None)),
        ({"merged_into": "other"}, UNTIL - NOTICE, Look(None)),
        ({"window_watched": False}, UNTIL - NOTICE, Look(None)),
        ({"window_watched": False}, NOON, Look(None)),
        ({"window_until": None}, UNTIL - NOTICE, Look(None)),
    ],
    ids=str,
)
def test_a_look_at_a_window_warns_once_or_waits_or_ends(
    fields: dict[str, Any], now: datetime, look: Look
) -> None:
    assert look_at(watched(**fields), now) == look


CURIOUS = NotificationSettings(assigned_to_others=BOTH)
ANA = Recipient("ana", "unassigned", ("desktop",))


@pytest.mark.parametrize(
    ("assignee_id", "told"),
    [
        (None, [ANA, Recipient("bo", "unassigned", ("desktop",))]),
        ("bo", [Recipient("bo", "assigned_to_me", ("desktop", "email"))]),
        ("cy", []),
        ("dee", []),
        ("gone", []),
    ],
)
def test_the_assignee_is_told_or_those_who_are_told_of_what_is_unassigned(
    assignee_id: str | None, told: list[Recipient]
) -> None:
    silent = NotificationSettings(assigned_to_me=OFF, unassigned=OFF, assigned_to_others=BOTH)
    known = directory(
        user("ana", settings=CURIOUS),
        user("bo", settings=CURIOUS),
        user("cy", settings=silent),
        user("dee", inbox_access=False),
    )
    outgoing = warn(watched(assignee_id=assignee_id), known, APP_URL, NEWEST)
    assert [one for event in notified(outgoing) for one in event.recipients] == told
    assert len(outgoing) == bool(told)


def test_a_warning_says_what_the_contact_wrote_last_and_raises_no_version() -> None:
    state = watched(version=7, contact_name="Maria")
    (told,) = notified(warn(state, directory("ana"), APP_URL, NEWEST))
    assert (told.kind, told.version, told.contact_name) == ("window_closing", 7, "Maria")
    assert told.message == MessagePreview("m1", "Hello")
    assert told.recipients == (ANA,)
    assert told.inbox_url == f"{APP_URL}/conversations/{CONVERSATION}"
    assert (told.part, told.parts) == (1, 1)


def ids_of(state: Conversation) -> tuple[str, str]:
    """The id of a window's warning, and of its cause."""
    (outgoing,) = warn(state, directory("ana"), APP_URL, NEWEST)
    return outgoing.event_id, outgoing.cause_id


def test_one_window_has_one_id_and_another_has_another() -> None:
    elsewhere = UNTIL.astimezone(timezone(2 * HOUR))
    assert ids_of(watched()) == ids_of(watched()) == ids_of(watched(window_until=elsewhere))
    others = [
        watched(window_until=UNTIL + timedelta(microseconds=1)),
        watched(conversation_id="another"),
        other_account(watched()),
    ]
    every = [ids_of(watched()), *map(ids_of, others)]
    assert len({event_id for event_id, _ in every}) == len(every)
    assert len({cause_id for _, cause_id in every}) == len(every)


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
