"""Contacts with several addresses: where a message goes, which conversation ends, what is said."""

import itertools
from collections import defaultdict
from datetime import datetime
from typing import Any

import pytest
from hypothesis import event as note
from hypothesis import given
from hypothesis import strategies as st

from domain.conversation import NOTHING, Conversation, Folded, fold
from domain.decision import Outgoing
from domain.identities import Meeting, addresses, end, lead, meet
from domain.messages import decide_message
from domain.thread import Thread
from schemas.cloudevents import Incoming
from schemas.conversations import (
    ConversationClosed,
    ConversationEvent,
    ConversationReopened,
    MessageRecorded,
    Snapshot,
)
from schemas.fields import ConversationId
from schemas.ids import conversation_id
from schemas.messages import Contact, MessageReceived
from tests.unit.domain.contacts import (
    IDS,
    NAMES,
    SOME_NAMES,
    ContactInbox,
    Persons,
    followed,
    named,
    writes,
)
from tests.unit.domain.given import (
    ACCOUNT,
    ADDRESS,
    APP_URL,
    CHANNEL,
    CONVERSATION,
    NOON,
    SECOND,
    changes,
    conversation,
    conversation_of,
    directory,
    kinds,
    message,
    notified,
)
from tests.unit.domain.histories import HISTORIES, History

A, B, C, D = (ConversationId(name) for name in "abcd")
"""Addresses, and the conversations that they have of their own, if they have any."""

AGES = {A: 1, B: 2, C: 3, D: 4}
NOBODY = directory()


def contact(*others: str, address: str = ADDRESS) -> Contact:
    return Contact(address, "Ana", others)


def there(**merged: str | None) -> dict[ConversationId, Conversation]:
    """Conversations by id, each merged into the one named; `a` is the oldest."""
    return {
        ConversationId(id_): conversation(
            conversation_id=ConversationId(id_),
            created_at=NOON + AGES[ConversationId(id_)] * SECOND,
            merged_into=into and ConversationId(into),
        )
        for id_, into in merged.items()
    }


def test_the_addresses_of_a_message_begin_with_the_one_it_was_sent_from_and_are_there_once() -> (
    None
):
    event = message(contact=contact("user:1", ADDRESS, "user:1", "user:2"))
    assert list(addresses(event.data).values()) == [ADDRESS, "user:1", "user:2"]
    assert list(addresses(event.data)) == [
        conversation_id(ACCOUNT, CHANNEL, address) for address in (ADDRESS, "user:1", "user:2")
    ]


@pytest.mark.parametrize(
    ("conversations", "aliases", "leads_to"),
    [
        ({}, {}, None),
        (there(b=None), {}, B),
        (there(a=None), {B: A}, A),
        (there(a=None, b=None), {B: A}, B),
        ({}, {B: A}, None),
        (there(a=None, b="a"), {}, A),
        (there(a=None, b="a", c="b"), {D: C, B: C}, A),
        (there(a=None, b="a"), {B: B}, A),
        (there(b="a"), {}, B),
        (there(b="a", c="b"), {B: C}, B),
        (there(b="c", c=None), {}, B),
        (there(b="c", c="b"), {}, B),
        (there(b="b"), {}, B),
    ],
    ids=[
        "nowhere",
        "to its own",
        "to another's",
        "to its own, whatever else is said",
        "to one that is gone",
        "to the older",
        "to the oldest",
        "to the older of its own",
        "to its own when the older is gone",
        "to its own when the oldest is gone",
        "never to a younger one",
        "never in circles",
        "never to itself",
    ],
)
def test_where_an_address_leads(
    conversations: dict[ConversationId, Conversation],
    aliases: dict[ConversationId, ConversationId],
    leads_to: ConversationId | None,
) -> None:
    found = lead(B, conversations.get, aliases)
    assert (found and found.conversation_id) == leads_to


def test_an_alias_leads_on_from_where_it_leads() -> None:
    found = lead(D, there(a=None, b="a", c="b").get, {D: C})
    assert found is not None
    assert found.conversation_id == A


@pytest.mark.parametrize(
    ("named", "conversations", "aliases", "meeting"),
    [
        ((B,), {}, {}, (B, "", "", (B,))),
        ((B, C), {}, {}, (B, "", "c", (B, C))),
        ((B, C, A), {}, {}, (B, "", "ca", (B, C, A))),
        ((B,), there(b=None), {}, (B, "", "", (B, B))),
        ((B,), there(a=None, b="a"), {}, (A, "", "", (B, A))),
        ((B, C), there(b=None), {}, (B, "", "c", (B, B))),
        ((C, B), there(b=None), {}, (B, "", "c", (C, B))),
        ((C, B), there(b=None), {C: B}, (B, "", "", (C, B))),
        ((C, B), there(), {C: A}, (C, "", "b", (C, B))),
        ((C, B), there(b=None, c=None), {}, (B, "c", "", (C, B))),
        ((B, C), there(b=None, c=None), {}, (B, "c", "", (B, B))),
        ((B, C), there(b=None, c="b"), {}, (B, "", "", (B, B))),
        ((D, C, B), there(a=None, b=None, c=None), {D: A}, (A, "bc", "", (D, A))),
        ((C, D), there(a=None, b="a", c=None), {D: B}, (A, "c", "", (C, A))),
        ((D, B, C), there(b=None, c="b"), {}, (B, "", "d", (D, B))),
    ],
)
def test_what_the_addresses_of_a_message_lead_to(
    named: tuple[ConversationId, ...],
    conversations: dict[ConversationId, Conversation],
    aliases: dict[ConversationId, ConversationId],
    meeting: tuple[ConversationId, str, str, tuple[ConversationId, ...]],
) -> None:
    taker, younger, strays, past = meeting
    assert meet(named, conversations.get, aliases) == Meeting(
        taker,
        tuple(conversations[ConversationId(id_)] for id_ in younger),
        tuple(ConversationId(id_) for id_ in strays),
        past,
    )


def test_of_two_of_one_moment_it_is_the_same_one_that_goes_on_whoever_asks() -> None:
    both = {id_: conversation(conversation_id=id_, created_at=NOON) for id_ in (B, A)}
    assert meet((A, B), both.get, {}).taker == meet((B, A), both.get, {}).taker == A


def closed_events(outgoing: tuple[Outgoing, ...]) -> list[ConversationClosed]:
    return [item.data for item in outgoing if isinstance(item.data, ConversationClosed)]


def test_the_younger_is_closed_by_the_system_with_the_older_as_the_reason() -> None:
    younger = conversation(version=7, assignee_id="bo", link_count=2)
    ended, outgoing = end(younger, A, "m1", NOON + SECOND)
    assert ended == conversation(
        version=8,
        assignee_id="bo",
        link_count=2,
        status="closed",
        closed_at=NOON + SECOND,
        merged_into=A,
    )
    (closed,) = closed_events(outgoing)
    assert (closed.account_id, closed.conversation_id, closed.version) == (ACCOUNT, CONVERSATION, 8)
    assert (closed.before, closed.after) == (Snapshot("open", "bo"), Snapshot("closed", "bo"))
    assert (closed.actor_id, closed.reason, closed.merged_into) == (None, "inbound_message", A)
    assert outgoing[0].cause_id == "m1"
    assert outgoing == end(younger, A, "m1", NOON)[1], "a replay has the same ids"


def test_a_younger_one_that_is_closed_already_only_points_to_the_older() -> None:
    younger = conversation(status="closed", closed_at=NOON, version=3)
    ended, outgoing = end(younger, A, "m1", NOON + SECOND)
    assert outgoing == ()
    assert ended == conversation(status="closed", closed_at=NOON, version=3, merged_into=A)


@pytest.mark.parametrize(
    ("historical", "takes_over", "status"),
    [(False, False, "open"), (False, True, "open"), (True, False, "closed"), (True, True, "open")],
)
def test_what_was_open_in_the_younger_is_open_in_the_older_though_the_message_is_historical(
    historical: bool, takes_over: bool, status: str
) -> None:
    before = conversation(status="closed", closed_at=NOON)
    decision = decide_message(
        Thread(before),
        message(historical=historical),
        NOON + SECOND,
        directory("ana"),
        APP_URL,
        takes_over=takes_over,
    )
    assert decision.thread.conversation
    assert decision.thread.conversation.status == status
    reopened = [one for one in changes(decision.outgoing) if isinstance(one, ConversationReopened)]
    assert len(reopened) == (status == "open")
    assert len(notified(decision.outgoing)) == (not historical)


def test_taking_over_reopens_nothing_that_is_open() -> None:
    decision = decide_message(
        Thread(conversation()), message(historical=True), NOON, NOBODY, APP_URL, takes_over=True
    )
    assert kinds(decision.outgoing) == ["conversation.message_recorded"]


@pytest.mark.parametrize(("opened_at", "made_at"), [(None, NOON), (NOON + SECOND, NOON + SECOND)])
def test_a_new_conversation_is_as_old_as_it_is_told(opened_at: Any, made_at: Any) -> None:
    decision = decide_message(Thread(), message(), NOON, NOBODY, APP_URL, opened_at=opened_at)
    assert decision.thread.conversation
    assert decision.thread.conversation.created_at == made_at


_numbers = itertools.count()


def written(
    address: str, *others: str, sent_at: datetime = NOON, **fields: Any
) -> Incoming[MessageReceived]:
    """A new message from an address that names others."""
    number = next(_numbers)
    return message(
        event_id=f"m{number}",
        provider_message_id=f"SM{number}",
        contact=contact(*others, address=address),
        sent_at=sent_at,
        **fields,
    )


def inbox_of(*messages: tuple[str, ...]) -> ContactInbox:
    """An inbox after messages, each of an address that names others, a second apart."""
    inbox = ContactInbox()
    for number, named_ones in enumerate(messages):
        now = NOON + number * SECOND
        assert writes(inbox, written(*named_ones, sent_at=now), now) is not None
    return inbox


def forget(inbox: ContactInbox, address: str, now: datetime) -> None:
    inbox.erase(ACCOUNT, conversation_of(address), now)


PHONE, USER, THIRD = NAMES[:3]
LATE = NOON + 100 * SECOND
AFTER = LATE + SECOND


def test_a_message_of_before_a_deletion_does_not_come_back_from_any_address_that_led_there() -> (
    None
):
    inbox = inbox_of((PHONE,), (PHONE, USER))
    forget(inbox, PHONE, LATE)
    assert inbox.aliases[ACCOUNT] == {}
    assert inbox.tombstones[ACCOUNT, conversation_of(USER)].version == 0
    for old in ((PHONE,), (USER,), (USER, THIRD), (THIRD, USER)):
        assert writes(inbox, written(*old, sent_at=LATE), AFTER) is None
    assert inbox.conversations == {}
    assert inbox.aliases[ACCOUNT] == {}


def test_what_an_address_led_to_is_forgotten_with_it_and_a_later_message_starts_afresh() -> None:
    inbox = inbox_of((PHONE,), (PHONE, USER))
    forget(inbox, PHONE, LATE)
    assert writes(inbox, written(USER, sent_at=AFTER), AFTER) == conversation_of(USER)
    made = inbox.conversations[ACCOUNT, conversation_of(USER)]
    assert (made.version, made.erased_until) == (2, LATE)
    # The other way about this time; and the versions of the phone's are not forgotten.
    assert writes(inbox, written(USER, PHONE, sent_at=AFTER), AFTER) == conversation_of(USER)
    forget(inbox, USER, AFTER)
    kept = inbox.tombstones[ACCOUNT, conversation_of(PHONE)]
    assert (kept.version, kept.deleted_at) == (4, AFTER)


def test_the_younger_goes_on_alone_once_the_older_is_deleted_even_when_that_starts_afresh() -> None:
    inbox = inbox_of((PHONE,), (USER,), (PHONE, USER))
    phones, users = conversation_of(PHONE), conversation_of(USER)
    forget(inbox, PHONE, LATE)
    assert writes(inbox, written(USER, sent_at=AFTER), AFTER) == users
    assert inbox.conversations[ACCOUNT, users].status == "open"
    assert writes(inbox, written(PHONE, sent_at=AFTER), AFTER) == phones
    assert writes(inbox, written(USER, sent_at=AFTER), AFTER) == users
    # Named together, the older of the two is the one that was the younger once.
    assert writes(inbox, written(PHONE, USER, sent_at=AFTER), AFTER) == users
    assert inbox.conversations[ACCOUNT, phones].merged_into == users


def test_what_was_deleted_of_one_address_does_not_come_back_through_another() -> None:
    inbox = inbox_of((USER,))
    forget(inbox, USER, LATE)
    # The phone's conversation is new, and the user id leads to it from then on.
    phones = conversation_of(PHONE)
    assert writes(inbox, written(PHONE, sent_at=AFTER), AFTER) == phones
    assert writes(inbox, written(PHONE, USER, sent_at=AFTER), AFTER) == phones
    assert writes(inbox, written(USER, sent_at=LATE), AFTER) is None
    assert writes(inbox, written(USER, sent_at=AFTER), AFTER) == phones
    # Nothing of the phone's was ever deleted: what it wrote long ago is welcome.
    assert writes(inbox, written(PHONE, USER, historical=True), AFTER) == phones


ONE = st.tuples(st.sampled_from(NAMES), SOME_NAMES).map(lambda one: (one[0], *one[1]))
WRITTEN = st.one_of(st.lists(ONE, max_size=6), st.lists(ONE, min_size=6, max_size=25))
"""Messages, each by the address it is sent from and those that it names."""


@given(WRITTEN)
def test_each_person_has_the_oldest_of_their_conversations_and_the_others_ended(
    messages: list[tuple[str, ...]],
) -> None:
    inbox, persons = ContactInbox(), Persons()
    for address, *others in messages:
        # All of one moment: the order of the messages alone tells which is older.
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
"""Histories of any events, with deletions, in which contacts name other addresses of theirs."""


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
    outgoing = [item for said in inbox.said for item in said.outgoing]
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
            assert inbox.apply(event, inbox.said[-1].now) == ()
    assert (inbox.state, inbox.aliases) == (before, aliases)
