"""What holds after any history of messages, commands, notes and changes of the directory."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import event as note
from hypothesis import given
from hypothesis import strategies as st

from domain.conversation import NOTHING, Conversation, Folded, Tombstone, fold
from schemas.codes import Rejection
from schemas.commands import CommandAccepted, CommandRejected
from schemas.conversations import (
    ConversationAssigned,
    ConversationClosed,
    ConversationCreated,
    ConversationDeleted,
    ConversationEvent,
    MessageRecorded,
)
from schemas.directory import (
    UserNotificationSettingsChanged,
    UserRemoved,
    UserUpserted,
)
from schemas.fields import Command, Emitted
from schemas.messages import MessageReceived
from schemas.notifications import NotificationRequested
from tests.unit.domain.given import NOON
from tests.unit.domain.histories import (
    ANY_HISTORIES,
    CHANNEL_CHANGES,
    COMMANDS,
    HISTORIES,
    KINDS,
    MESSAGES,
    NOTE_HISTORIES,
    USER_CHANGES,
    History,
)
from tests.unit.domain.simulation import Event, Inbox, NoteTouched, Said, played

# These examples are many, and coverage would take most of their time; chosen ones reach all lines.
pytestmark = pytest.mark.no_cover

Audience = dict[str, tuple[str, frozenset[str]]]
"""Of a user's id: why they are told, and by which media."""


def wants_to_be_seen(data: MessageRecorded) -> bool:
    """A contact's message that is no import."""
    return data.direction == "inbound" and not data.historical


def emitted(inbox: Inbox) -> list[Emitted]:
    return [item.data for said in inbox.said for item in said.outgoing]


@given(ANY_HISTORIES)
def test_a_replayed_event_changes_nothing_and_emits_nothing(history: History) -> None:
    inbox = played(history)
    before, late = inbox.state, inbox.said[-1].now + timedelta(days=1)
    for _, event in history:
        if isinstance(event.data, MessageReceived | Command):
            assert inbox.apply(event, late) == ()
    assert inbox.state == before


@given(NOTE_HISTORIES)
def test_a_report_about_a_note_that_is_repeated_changes_nothing(history: History) -> None:
    inbox = Inbox()
    for gap, event in history:
        now = inbox.said[-1].now + gap if inbox.said else NOON
        inbox.apply(event, now)
        if isinstance(event.data, NoteTouched):
            before, told = inbox.state, inbox.said[-1].event
            assert inbox.apply(told, now) == ()
            assert inbox.state == before


@given(HISTORIES, st.one_of(USER_CHANGES, CHANNEL_CHANGES))
def test_a_change_of_the_directory_made_twice_is_made_once(history: History, change: Event) -> None:
    inbox = played(history)
    inbox.apply(change, inbox.said[-1].now)
    before = inbox.state
    inbox.apply(change, inbox.said[-1].now)
    assert inbox.state == before


@given(ANY_HISTORIES)
def test_versions_are_gapless_with_exactly_one_event_each(history: History) -> None:
    inbox = played(history)
    versions = defaultdict(list)
    for data in emitted(inbox):
        if isinstance(data, ConversationEvent):
            versions[data.account_id, data.conversation_id].append(data.version)
    # Of one that started afresh, the tombstone stays.
    last: dict[Any, Conversation | Tombstone] = {**inbox.tombstones, **inbox.conversations}
    assert versions.keys() == last.keys()
    for key, state in last.items():
        assert versions[key] == list(range(1, state.version + 1))


@given(ANY_HISTORIES)
def test_folding_the_log_gives_the_state(history: History) -> None:
    inbox = played(history)
    folded: dict[Any, Folded] = defaultdict(lambda: NOTHING)
    for data in emitted(inbox):
        if isinstance(data, ConversationEvent):
            key = (data.account_id, data.conversation_id)
            folded[key] = fold(folded[key], data)
    deleted = {
        key: Folded(tombstone.version, 0, None) for key, tombstone in inbox.tombstones.items()
    }
    assert folded == deleted | {
        key: Folded(state.version, state.message_count, state.snapshot)
        for key, state in inbox.conversations.items()
    }


@given(ANY_HISTORIES)
def test_a_conversation_counts_the_messages_and_links_that_it_has(history: History) -> None:
    inbox = played(history)
    messages = Counter[tuple[str, str]](
        (one.account_id, one.conversation_id) for one in inbox.messages.values()
    )
    for key, state in inbox.conversations.items():
        assert state.message_count == messages.pop(key)
        assert state.link_count == len(inbox.links[key])
    assert messages == {}, "no messages are left of a conversation that is deleted"


@given(HISTORIES)
def test_no_message_of_a_contact_ends_unseen_in_a_closed_conversation(history: History) -> None:
    inbox = played(history)
    seen: dict[Any, datetime] = {}
    closed: dict[Any, datetime] = {}
    for said in inbox.said:
        for data in (item.data for item in said.outgoing):
            key = (data.account_id, getattr(data, "conversation_id", None))
            if isinstance(data, MessageRecorded) and wants_to_be_seen(data):
                seen[key] = said.now
            if isinstance(data, ConversationDeleted):
                seen.pop(key, None)
            if isinstance(data, ConversationClosed):
                closed[key] = said.event.time
                assert seen.get(key, closed[key]) <= closed[key]
            if isinstance(data, CommandRejected) and data.code == Rejection.SUPERSEDED:
                assert said.event.time < seen[key]
    for key, state in inbox.conversations.items():
        assert (state.closed_at is not None) == (state.status == "closed")
        if state.status == "closed":
            assert seen.get(key, closed[key]) <= closed[key]
    note(f"closed at the end: {any(c.status == 'closed' for c in inbox.conversations.values())}")


@given(HISTORIES)
def test_a_conversation_is_open_after_every_message_that_wants_to_be_seen(history: History) -> None:
    for said in played(history).said:
        if isinstance(said.event.data, MessageReceived) and not said.event.data.historical:
            after = [i.data.after for i in said.outgoing if isinstance(i.data, ConversationEvent)]
            assert [snapshot.status for snapshot in after[-1:] if snapshot] in ([], ["open"])


@given(HISTORIES)
def test_exactly_the_users_that_the_settings_say_are_told(history: History) -> None:
    settings = Settings()
    for said in played(history).said:
        told = [i.data for i in said.outgoing if isinstance(i.data, NotificationRequested)]
        expected = settings.audience(said)
        assert len(told) == (1 if expected else 0)
        for data in told:
            assert {
                one.user_id: (one.reason, frozenset(one.media)) for one in data.recipients
            } == expected
            assert [one.user_id for one in data.recipients] == sorted(expected)
        settings.apply(said.event.data)


class Settings:
    """Whom to tell, worked out the slow way from the directory's events and the contract."""

    DEFAULTS: ClassVar[dict[str, set[str]]] = {
        "assigned_to_me": {"desktop", "email"},
        "assignment": {"desktop", "email"},
        "unassigned": {"desktop"},
        "assigned_to_others": set(),
    }

    def __init__(self) -> None:
        self.access: dict[tuple[str, str], bool] = {}
        self.chosen: dict[tuple[str, str], dict[str, set[str]]] = {}

    def apply(self, data: Any) -> None:
        """Follow the directory."""
        if isinstance(data, UserUpserted):
            self.access[data.account_id, data.user_id] = data.inbox_access
        elif isinstance(data, UserRemoved):
            self.access.pop((data.account_id, data.user_id), None)
            self.chosen.pop((data.account_id, data.user_id), None)
        elif isinstance(data, UserNotificationSettingsChanged):
            chosen = self.chosen.setdefault((data.account_id, data.user_id), {})
            for kind in KINDS:
                medium = getattr(data.settings, kind)
                if medium is not None:
                    chosen[kind] = {name for name in ("desktop", "email") if getattr(medium, name)}

    def audience(self, said: Said) -> Audience:
        """Whom an event is to be told to."""
        for data in (item.data for item in said.outgoing):
            if isinstance(data, MessageRecorded) and wants_to_be_seen(data):
                assert data.after is not None
                return self._of_message(data.account_id, data.after.assignee_id)
            if isinstance(data, ConversationAssigned):
                assert data.after is not None
                return self._of_assignment(data, str(data.after.assignee_id))
        return {}

    def _of_message(self, account_id: str, assignee_id: str | None) -> Audience:
        audience = {}
        for (account, user_id), has_access in self.access.items():
            reason = (
                "unassigned"
                if assignee_id is None
                else "assigned_to_me"
                if assignee_id == user_id
                else "assigned_to_others"
            )
            media = self._media(account, user_id, reason)
            if account == account_id and has_access and media:
                audience[user_id] = (reason, frozenset(media))
        return audience

    def _of_assignment(self, data: ConversationAssigned, assignee_id: str) -> Audience:
        has_access = self.access.get((data.account_id, assignee_id), False)
        media = self._media(data.account_id, assignee_id, "assignment")
        if assignee_id == data.actor_id or not has_access or not media:
            return {}
        return {assignee_id: ("assignment", frozenset(media))}

    def _media(self, account_id: str, user_id: str, kind: str) -> set[str]:
        return self.chosen.get((account_id, user_id), {}).get(kind, self.DEFAULTS[kind])


@given(ANY_HISTORIES)
def test_every_command_has_exactly_one_result(history: History) -> None:
    inbox = played(history)
    results = Counter(
        (data.account_id, data.command_id)
        for data in emitted(inbox)
        if isinstance(data, CommandAccepted | CommandRejected)
    )
    commands = {
        (event.data.account_id, event.id) for _, event in history if isinstance(event.data, Command)
    }
    assert results == dict.fromkeys(commands, 1)


@given(HISTORIES)
def test_a_rejected_command_says_nothing_but_its_result(history: History) -> None:
    for said in played(history).said:
        if any(isinstance(item.data, CommandRejected) for item in said.outgoing):
            assert len(said.outgoing) == 1


@given(ANY_HISTORIES)
def test_no_two_emitted_events_have_one_id_however_careless_the_publishers(
    history: History,
) -> None:
    outgoing = [item for said in played(history).said for item in said.outgoing]
    assert len({item.event_id for item in outgoing}) == len(outgoing)


@given(ANY_HISTORIES, st.one_of(MESSAGES, COMMANDS))
def test_a_replay_from_the_same_state_emits_the_same_ids_whenever_it_happens(
    history: History, event: Event
) -> None:
    inbox = played(history)
    again, now = inbox.copy(), inbox.said[-1].now
    first = inbox.apply(event, now)
    second = again.apply(event, now + timedelta(hours=1))
    assert first == second


@given(HISTORIES)
def test_nothing_crosses_accounts(history: History) -> None:
    together = played(history)
    accounts = {said.event.data.account_id for said in together.said}
    for account_id in accounts:
        apart, now = Inbox(), together.said[0].now
        for gap, event in history:
            now += gap
            if event.data.account_id == account_id:
                apart.apply(event, now)
        ours = [said for said in together.said if said.event.data.account_id == account_id]
        assert [said.outgoing for said in apart.said] == [said.outgoing for said in ours]
        for said in ours:
            assert {item.data.account_id for item in said.outgoing} <= {account_id}


@given(ANY_HISTORIES)
def test_a_conversation_is_created_once_until_it_is_deleted(history: History) -> None:
    there = set()
    for data in emitted(played(history)):
        if isinstance(data, ConversationCreated):
            assert data.conversation_id not in there
            there.add(data.conversation_id)
        elif isinstance(data, ConversationDeleted):
            there.remove(data.conversation_id)


@given(ANY_HISTORIES)
def test_every_message_is_recorded_once_even_if_it_was_deleted(history: History) -> None:
    inbox = played(history)
    recorded = Counter(d.message_id for d in emitted(inbox) if isinstance(d, MessageRecorded))
    assert set(recorded.values()) <= {1}
    kept = {message_id for _, message_id in inbox.messages.keys() | inbox.deleted}
    assert recorded.keys() == kept
