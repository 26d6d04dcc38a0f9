"""Contacts with several addresses: properties after any messages and any history."""

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import event as note
from hypothesis import given
from hypothesis import strategies as st

from domain.conversation import NOTHING, Folded, fold
from domain.identities import addresses
from schemas.conversations import ConversationEvent, MessageRecorded
from schemas.fields import ConversationId
from schemas.messages import MessageReceived
from tests.unit.domain.given.contact_inbox import (
    IDS,
    NAMES,
    SOME_NAMES,
    ContactInbox,
    Persons,
    followed,
    named,
    writes,
    written,
)
from tests.unit.domain.given.histories import HISTORIES, History
from tests.unit.domain.given.samples import ACCOUNT, ADDRESS, NOON, closed_events, conversation_of

ONE = st.tuples(st.sampled_from(NAMES), SOME_NAMES).map(lambda one: (one[0], *one[1]))
WRITTEN = st.one_of(st.lists(ONE, max_size=6), st.lists(ONE, min_size=6, max_size=25))
"""Messages: for each its sending address, then the others that it lists."""


@given(WRITTEN)
def test_each_person_has_the_oldest_of_their_conversations_and_the_others_ended(
    messages: list[tuple[str, ...]],
) -> None:
    inbox, persons = ContactInbox(), Persons()
    for address, *others in messages:
        # All at one moment: only the order of the messages decides which conversation is older.
        found = writes(inbox, written(address, *others), NOON)
        assert found is not None
        assert IDS[ConversationId(found)] == persons.writes(address, *others)
        for name in NAMES:
            led = inbox.lead(ACCOUNT, conversation_of(name))
            assert (led and led.contact_address) == persons.of(name)
    states = inbox.conversations.values()
    ended = {state.contact_address for state in states if state.merged_into is not None}
    assert ended == persons.ended
    assert {state.contact_address for state in states if state.status == "closed"} == ended
    assert not inbox.aliases.get(ACCOUNT, {}).keys() & {key[1] for key in inbox.conversations}
    note(f"ended: {len(ended)}")


OTHERS = st.lists(st.sampled_from([ADDRESS, "whatsapp:+4912", "user:1"]), max_size=2).map(tuple)
NAMED_HISTORIES = st.builds(named, HISTORIES, st.lists(OTHERS, max_size=7))
"""Histories of any events, with deletions, in which messages list other addresses."""


@pytest.mark.no_cover
@given(NAMED_HISTORIES)
def test_whatever_else_happens_the_addresses_of_a_message_lead_to_its_conversation(
    history: History,
) -> None:
    inbox, now = ContactInbox(), NOON
    for gap, event in history:
        now += gap
        outgoing = inbox.apply(event, now)
        recorded = [i.data for i in outgoing if isinstance(i.data, MessageRecorded)]
        if not recorded or not isinstance(event.data, MessageReceived):
            continue
        account_id = event.data.account_id
        reached = {inbox.lead(account_id, address) for address in addresses(event.data)}
        assert {one and one.conversation_id for one in reached} == {recorded[0].conversation_id}
        for closed in closed_events(outgoing):
            assert closed.merged_into == recorded[0].conversation_id
    for account_id, aliases in inbox.aliases.items():
        assert not {(account_id, alias) for alias in aliases} & inbox.conversations.keys()
        assert {(account_id, led) for led in aliases.values()} <= inbox.conversations.keys()


@pytest.mark.no_cover
@given(NAMED_HISTORIES)
def test_with_several_addresses_too_the_log_folds_to_the_state_and_a_replay_says_nothing(
    history: History,
) -> None:
    inbox = followed(history, NOON)
    outgoing = [item for applied in inbox.applied for item in applied.outgoing]
    assert len({item.event_id for item in outgoing}) == len(outgoing)
    folded: dict[Any, Folded] = defaultdict(lambda: NOTHING)
    for item in outgoing:
        if isinstance(item.data, ConversationEvent):
            key = (item.data.account_id, item.data.conversation_id)
            folded[key] = fold(folded[key], item.data)
    assert {key: one for key, one in folded.items() if one.snapshot} == {
        key: Folded(state.version, state.message_count, state.snapshot)
        for key, state in inbox.conversations.items()
    }
    before, aliases = inbox.state, dict(inbox.aliases)
    for _, event in history:
        if isinstance(event.data, MessageReceived):
            assert inbox.apply(event, inbox.applied[-1].now) == ()
    assert (inbox.state, inbox.aliases) == (before, aliases)
