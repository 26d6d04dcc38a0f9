"""The conversation to which an address leads, and which of several takes a message."""

import pytest

from domain.conversation import Conversation
from domain.identities import MessageRoute, addresses, find_route, lead
from schemas.fields import ConversationId
from schemas.ids import conversation_id
from tests.unit.domain.given.contact_inbox import contact
from tests.unit.domain.given.samples import (
    ACCOUNT,
    ADDRESS,
    CHANNEL,
    NOON,
    SECOND,
    conversation,
    message,
)

A, B, C, D = (ConversationId(name) for name in "abcd")
"""Addresses, and also the ids of their own conversations."""

AGES = {A: 1, B: 2, C: 3, D: 4}


def there(**merged: str | None) -> dict[ConversationId, Conversation]:
    """Returns conversations by id, each merged into the given one; `a` is the oldest."""
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
    ("named", "conversations", "aliases", "route"),
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
    route: tuple[ConversationId, str, str, tuple[ConversationId, ...]],
) -> None:
    taker, younger, new_aliases, candidates = route
    assert find_route(named, conversations.get, aliases) == MessageRoute(
        taker,
        tuple(conversations[ConversationId(id_)] for id_ in younger),
        tuple(ConversationId(id_) for id_ in new_aliases),
        candidates,
    )


def test_of_two_of_one_moment_it_is_the_same_one_that_goes_on_whoever_asks() -> None:
    both = {id_: conversation(conversation_id=id_, created_at=NOON) for id_ in (B, A)}
    assert find_route((A, B), both.get, {}).taker == find_route((B, A), both.get, {}).taker == A
