"""A contact's message: recorded once, opens or reopens the conversation, notifies."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import uuid5

import msgspec
import pytest

from domain.conversation import Conversation
from domain.conversation_state import ConversationState
from domain.directory import Directory
from domain.messages import decide_message, derive_ids
from domain.outgoing import Message, Outgoing
from schemas.cloudevents import Incoming
from schemas.conversations import (
    ConversationCreated,
    ConversationReopened,
    MessageRecorded,
    Snapshot,
)
from schemas.directory import OFF, NotificationSettings
from schemas.fields import AccountId
from schemas.ids import NAMESPACE, inbound_message_id
from schemas.messages import Contact, Media, MessageReceived
from tests.unit.domain.given.samples import (
    ACCOUNT,
    APP_URL,
    CHANNEL,
    CONVERSATION,
    NOON,
    SECOND,
    changes,
    conversation,
    directory,
    kinds,
    message,
    notified,
    user,
)

OPEN, CLOSED = Snapshot("open", None), Snapshot("closed", None)
LATER = NOON + SECOND
NOBODY = directory()
SILENT = directory(user("bo", settings=NotificationSettings(assigned_to_me=OFF)))
"""A user whom no message notifies."""


class Recorded(NamedTuple):
    """The result of a message in a conversation without links."""

    state: Conversation
    outgoing: tuple[Outgoing, ...]
    message: Message


def decide(
    before: Conversation | None,
    event: Incoming[MessageReceived],
    now: datetime,
    known: Directory,
) -> Recorded:
    decision = decide_message(ConversationState(before), event, now, known, APP_URL)
    assert decision.state.conversation and decision.message
    return Recorded(decision.state.conversation, decision.outgoing, decision.message)


def test_a_message_belongs_to_the_conversation_and_has_the_id_derived_from_its_data() -> None:
    conversation_id, message_id = derive_ids(message().data)
    assert conversation_id == str(uuid5(NAMESPACE, "acme/wa1/whatsapp:+4911"))
    assert message_id == str(uuid5(NAMESPACE, "acme/wa1/SM1"))


@pytest.mark.parametrize(
    "fields", [{"account_id": "globex"}, {"channel_id": "wa2"}, {"address": "whatsapp:+4912"}]
)
def test_account_channel_and_address_each_make_another_conversation(fields: Any) -> None:
    assert derive_ids(message(**fields).data)[0] != CONVERSATION


@pytest.mark.parametrize(
    "fields",
    [{"account_id": "globex"}, {"channel_id": "wa2"}, {"provider_message_id": "SM2"}],
)
def test_account_channel_and_the_providers_id_each_make_another_message(fields: Any) -> None:
    assert derive_ids(message(**fields).data)[1] != derive_ids(message().data)[1]


def test_a_first_message_opens_an_unassigned_conversation_in_two_versions() -> None:
    state, outgoing, _ = decide(None, message(), LATER, NOBODY)
    assert state == conversation(last_inbound_at=LATER, created_at=LATER)
    created, recorded = changes(outgoing)
    assert isinstance(created, ConversationCreated)
    assert (created.version, created.before, created.after) == (1, None, OPEN)
    assert isinstance(recorded, MessageRecorded)
    assert (recorded.version, recorded.before, recorded.after) == (2, OPEN, OPEN)
    for event in (created, recorded):
        assert (event.actor_id, event.reason) == (None, "inbound_message")
        assert (event.account_id, event.conversation_id) == (ACCOUNT, CONVERSATION)


def test_the_recorded_event_says_all_of_the_message_but_its_text() -> None:
    _, outgoing, _ = decide(None, message(body="secret words"), LATER, NOBODY)
    recorded = changes(outgoing)[1]
    assert isinstance(recorded, MessageRecorded)
    assert recorded.message_id == inbound_message_id(ACCOUNT, CHANNEL, "SM1")
    assert recorded.provider_message_id == "SM1"
    assert (recorded.direction, recorded.sent_at) == ("inbound", NOON)
    assert recorded.historical is False
    assert b"secret" not in msgspec.json.encode([item.data for item in outgoing])


def test_the_message_to_be_recorded_is_what_the_contact_wrote() -> None:
    media = (Media("https://example.com/1", "image/png"),)
    event = message(body="Look", media=media)
    recorded = decide(None, event, LATER, NOBODY).message
    assert msgspec.structs.asdict(recorded) == {
        "account_id": ACCOUNT,
        "conversation_id": CONVERSATION,
        "message_id": inbound_message_id(ACCOUNT, CHANNEL, "SM1"),
        "channel_id": CHANNEL,
        "provider_message_id": "SM1",
        "direction": "inbound",
        "sender_name": "Ana",
        "sender_address": "whatsapp:+4911",
        "body": "Look",
        "media": media,
        "sent_at": NOON,
        "historical": False,
        "version": 2,
        "context": None,
    }


def test_a_further_message_is_one_version_and_no_change_of_section() -> None:
    before = conversation(assignee_id="bo", version=7, message_count=3)
    state, outgoing, _ = decide(before, message(), LATER, SILENT)
    assert kinds(outgoing) == ["conversation.message_recorded"]
    assert (state.version, state.message_count, state.assignee_id) == (8, 4, "bo")
    (recorded,) = changes(outgoing)
    assert recorded.before == recorded.after == Snapshot("open", "bo")


def test_a_message_reopens_a_closed_conversation_which_keeps_its_assignment() -> None:
    before = conversation(status="closed", assignee_id="bo", version=4, closed_at=NOON)
    state, outgoing, _ = decide(before, message(), LATER, SILENT)
    recorded, reopened = changes(outgoing)
    assert isinstance(recorded, MessageRecorded)
    assert (recorded.version, recorded.before, recorded.after) == (
        5,
        Snapshot("closed", "bo"),
        Snapshot("closed", "bo"),
    )
    assert isinstance(reopened, ConversationReopened)
    assert (reopened.version, reopened.before, reopened.after) == (
        6,
        Snapshot("closed", "bo"),
        Snapshot("open", "bo"),
    )
    assert (reopened.actor_id, reopened.reason) == (None, "inbound_message")
    assert (state.status, state.assignee_id, state.closed_at) == ("open", "bo", None)
    assert state.section("bo") == "assigned_to_me"


def test_a_historical_message_is_recorded_but_neither_reopens_nor_notifies() -> None:
    before = conversation(status="closed", version=4, closed_at=NOON)
    event = message(historical=True, sent_at=NOON + 10 * SECOND)
    state, outgoing, recorded = decide(before, event, LATER, directory("ana"))
    assert kinds(outgoing) == ["conversation.message_recorded"]
    (change,) = changes(outgoing)
    assert isinstance(change, MessageRecorded)
    assert change.historical
    assert recorded.historical
    assert (state.status, state.closed_at, state.version) == ("closed", NOON, 5)
    assert (state.message_count, state.last_message_at) == (2, NOON + 10 * SECOND)
    assert state.last_inbound_at == before.last_inbound_at


def test_a_historical_first_message_opens_a_conversation_and_notifies_nobody() -> None:
    event = message(historical=True)
    state, outgoing, _ = decide(None, event, LATER, directory("ana"))
    assert kinds(outgoing) == ["conversation.created", "conversation.message_recorded"]
    assert (state.status, state.version, state.last_inbound_at) == ("open", 2, None)


def test_a_message_counts_as_recorded_by_our_clock_not_the_contacts() -> None:
    event = message(sent_at=NOON - 3600 * SECOND)
    state, _, _ = decide(conversation(), event, LATER, NOBODY)
    assert state.last_inbound_at == LATER
    assert state.last_message_at == NOON, "the newest sent_at stays, since this one came late"


@pytest.mark.parametrize(
    ("known", "told", "kept"),
    [("Ana", None, "Ana"), ("Ana", "", "Ana"), ("Ana", "Ana M.", "Ana M."), (None, "Bo", "Bo")],
)
def test_the_contacts_newest_name_is_kept(
    known: str | None, told: str | None, kept: str | None
) -> None:
    before = conversation(contact_name=known)
    assert decide(before, message(name=told), LATER, NOBODY).state == (
        conversation(
            contact_name=kept,
            version=3,
            message_count=2,
            last_message_at=NOON,
            last_inbound_at=LATER,
        )
    )


def test_a_message_notifies_with_the_version_that_it_led_to() -> None:
    before = conversation(status="closed", version=4)
    question = message(body="Is it still for sale?")
    _, outgoing, _ = decide(before, question, LATER, directory("ana"))
    assert kinds(outgoing)[-1] == "notification.requested"
    (event,) = notified(outgoing)
    assert (event.kind, event.version, event.contact_name) == ("message", 6, "Ana")
    assert (event.part, event.parts) == (1, 1)
    assert event.inbox_url == f"{APP_URL}/conversations/{CONVERSATION}"
    assert event.message is not None
    assert event.message.preview == "Is it still for sale?"
    assert event.message.message_id == inbound_message_id(ACCOUNT, CHANNEL, "SM1")


def test_without_recipients_there_is_no_notification() -> None:
    _, outgoing, _ = decide(None, message(), LATER, NOBODY)
    assert notified(outgoing) == []


def test_every_event_names_its_cause_and_has_an_id_that_a_replay_gives_again() -> None:
    before = conversation(status="closed")
    first, again = (
        decide(before, message(), now, directory("ana")).outgoing for now in (LATER, LATER + SECOND)
    )
    assert [item.event_id for item in first] == [item.event_id for item in again]
    assert len({item.event_id for item in first}) == 3
    assert {item.cause_id for item in first} == {"m1"}


def test_careless_event_ids_do_not_mix_up_what_is_emitted() -> None:
    state, first, _ = decide(None, message(event_id="1"), LATER, NOBODY)
    event = message(event_id="1", provider_message_id="SM2")
    _, second, _ = decide(state, event, LATER, NOBODY)
    assert not {item.event_id for item in first} & {item.event_id for item in second}


def test_a_contact_without_a_name_is_told_of_without_one() -> None:
    event = message(contact=Contact("whatsapp:+4911"))
    state, outgoing, recorded = decide(None, event, LATER, directory("ana"))
    assert (state.contact_name, recorded.sender_name) == (None, None)
    assert notified(outgoing)[0].contact_name is None


def test_the_same_contact_of_another_account_has_a_conversation_there() -> None:
    event = message(account_id="globex")
    state, outgoing, recorded = decide(None, event, LATER, NOBODY)
    assert state.account_id == recorded.account_id == AccountId("globex")
    assert {item.data.account_id for item in outgoing} == {"globex"}
    assert state.conversation_id != CONVERSATION
