"""After any history, a replay changes nothing, and emits the same ids as before."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.fields import Command
from schemas.messages import MessageReceived
from tests.unit.domain.given.histories import (
    ANY_HISTORIES,
    CHANNEL_CHANGES,
    COMMANDS,
    HISTORIES,
    MESSAGES,
    NOTE_HISTORIES,
    USER_CHANGES,
    History,
)
from tests.unit.domain.given.memory_inbox import Event, Inbox, NoteTouched, played
from tests.unit.domain.given.samples import NOON

# Many examples: coverage would take most of their time. The example tests reach all lines.
pytestmark = [pytest.mark.no_cover, pytest.mark.seconds(25)]


@given(ANY_HISTORIES)
def test_a_replayed_event_changes_nothing_and_emits_nothing(history: History) -> None:
    inbox = played(history)
    before, late = inbox.state, inbox.applied[-1].now + timedelta(days=1)
    for _, event in history:
        if isinstance(event.data, MessageReceived | Command):
            assert inbox.apply(event, late) == ()
    assert inbox.state == before


@given(NOTE_HISTORIES)
def test_a_report_about_a_note_that_is_repeated_changes_nothing(history: History) -> None:
    inbox = Inbox()
    for gap, event in history:
        now = inbox.applied[-1].now + gap if inbox.applied else NOON
        inbox.apply(event, now)
        if isinstance(event.data, NoteTouched):
            before, report = inbox.state, inbox.applied[-1].event
            assert inbox.apply(report, now) == ()
            assert inbox.state == before


@given(HISTORIES, st.one_of(USER_CHANGES, CHANNEL_CHANGES))
def test_a_change_of_the_directory_made_twice_is_made_once(history: History, change: Event) -> None:
    inbox = played(history)
    inbox.apply(change, inbox.applied[-1].now)
    before = inbox.state
    inbox.apply(change, inbox.applied[-1].now)
    assert inbox.state == before


@given(ANY_HISTORIES, st.one_of(MESSAGES, COMMANDS))
def test_a_replay_from_the_same_state_emits_the_same_ids_whenever_it_happens(
    history: History, event: Event
) -> None:
    inbox = played(history)
    again, now = inbox.copy(), inbox.applied[-1].now
    first = inbox.apply(event, now)
    second = again.apply(event, now + timedelta(hours=1))
    assert first == second
