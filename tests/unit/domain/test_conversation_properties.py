"""After any history, conversations are as in their log, and no message ends unseen."""

from collections import Counter, defaultdict
from datetime import datetime
from typing import Any

import pytest
from hypothesis import event as note
from hypothesis import given

from domain.conversation import NOTHING, Conversation, Folded, Tombstone, fold
from schemas.codes import RejectionCode
from schemas.commands import CommandRejected
from schemas.conversations import (
    ConversationClosed,
    ConversationCreated,
    ConversationDeleted,
    ConversationEvent,
    MessageRecorded,
)
from schemas.directory import UserRemoved, UserUpserted
from schemas.messages import MessageReceived
from tests.unit.domain.given.histories import ANY_HISTORIES, GONE_HISTORIES, HISTORIES, History
from tests.unit.domain.given.memory_inbox import GoneLookedFor, emitted, played, wants_to_be_seen

# Many examples: coverage would take most of their time. The example tests reach all lines.
pytestmark = [pytest.mark.no_cover, pytest.mark.seconds(40)]


@given(ANY_HISTORIES)
def test_versions_are_gapless_with_exactly_one_event_each(history: History) -> None:
    inbox = played(history)
    versions = defaultdict(list)
    for data in emitted(inbox):
        if isinstance(data, ConversationEvent):
            versions[data.account_id, data.conversation_id].append(data.version)
    # A conversation that started afresh has a tombstone too.
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
    for applied in inbox.applied:
        for data in (item.data for item in applied.outgoing):
            key = (data.account_id, getattr(data, "conversation_id", None))
            if isinstance(data, MessageRecorded) and wants_to_be_seen(data):
                seen[key] = applied.now
            if isinstance(data, ConversationDeleted):
                seen.pop(key, None)
            if isinstance(data, ConversationClosed):
                closed[key] = applied.event.time
                assert seen.get(key, closed[key]) <= closed[key]
            if isinstance(data, CommandRejected) and data.code == RejectionCode.SUPERSEDED:
                assert applied.event.time < seen[key]
    for key, state in inbox.conversations.items():
        assert (state.closed_at is not None) == (state.status == "closed")
        if state.status == "closed":
            assert seen.get(key, closed[key]) <= closed[key]
    note(f"closed at the end: {any(c.status == 'closed' for c in inbox.conversations.values())}")


@given(HISTORIES)
def test_a_conversation_is_open_after_every_message_that_wants_to_be_seen(history: History) -> None:
    for applied in played(history).applied:
        if isinstance(applied.event.data, MessageReceived) and not applied.event.data.historical:
            after = [
                i.data.after for i in applied.outgoing if isinstance(i.data, ConversationEvent)
            ]
            assert [snapshot.status for snapshot in after[-1:] if snapshot] in ([], ["open"])


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


@given(GONE_HISTORIES)
def test_nobody_who_is_gone_keeps_a_conversation_that_is_looked_at(history: History) -> None:
    there: dict[tuple[str, str | None], bool] = {}
    held: dict[tuple[str, str], str | None] = {}
    for applied in played(history).applied:
        data: Any = applied.event.data
        changes = [
            item.data for item in applied.outgoing if isinstance(item.data, ConversationEvent)
        ]
        for change in changes:
            held[change.account_id, change.conversation_id] = (
                change.after.assignee_id if change.after else None
            )
            if change.reason == "assignee_gone":
                assert change.before is not None
                assert not there.get((change.account_id, change.before.assignee_id), False)
        looked_at: set[Any] = set()
        if isinstance(data, MessageReceived) and not data.historical:
            looked_at = {(each.account_id, each.conversation_id) for each in changes}
        elif isinstance(data, GoneLookedFor):
            looked_at = {key for key in held if key[0] == data.account_id}
        assert all(held[key] is None or there.get((key[0], held[key])) for key in looked_at)
        if isinstance(data, UserUpserted):
            there[data.account_id, data.user_id] = data.inbox_access
        elif isinstance(data, UserRemoved):
            there[data.account_id, data.user_id] = False
