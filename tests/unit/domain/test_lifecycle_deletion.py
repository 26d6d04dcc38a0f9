"""Deletion: who may delete, what stays, what never comes back, and the start afresh."""

from typing import Any

import msgspec
import pytest

from domain.commands import decide_command
from domain.conversation import Conversation, Tombstone
from domain.conversation_state import NO_CONVERSATION, ConversationState, Decision
from domain.directory import Channel
from domain.messages import decide_message, is_erased
from domain.windows import WINDOW
from schemas.cloudevents import Incoming
from schemas.codes import RejectionCode
from schemas.commands import CommandAccepted, CommandRejected
from schemas.conversations import ConversationCreated, ConversationDeleted, Snapshot
from schemas.directory import ChannelInstalled
from schemas.fields import UserId
from tests.unit.domain.given.memory_inbox import Inbox
from tests.unit.domain.given.samples import (
    ACCOUNT,
    ADDRESS,
    APP_URL,
    CONVERSATION,
    NOON,
    SECOND,
    assign,
    changes,
    channel,
    close,
    conversation,
    conversation_of,
    delete,
    directory,
    kinds,
    link,
    linked,
    message,
    reopen,
    reply,
    request,
    result,
    unlink,
    user,
)

TEAM = directory("ana", "bo", user("outsider", inbox_access=False))
NOW = NOON + 60 * SECOND
TOMBSTONE = Tombstone(
    account_id=ACCOUNT,
    conversation_id=CONVERSATION,
    deleted_at=NOW,
    deleted_by="ana",
    version=8,
)


def decide(
    command: Incoming[Any],
    before: Conversation,
    known: Channel | None,
) -> Decision:
    state = ConversationState(before, links=(linked(),), requests={"r1": False})
    return decide_command(state, command, NOW, TEAM, APP_URL, channel=known)


@pytest.mark.parametrize("known", [channel(), channel(removed=True)], ids=["there", "removed"])
@pytest.mark.parametrize(
    "before",
    [
        conversation(version=7),
        conversation(version=7, status="closed", closed_at=NOON, assignee_id="bo"),
    ],
    ids=["open", "closed"],
)
def test_who_installed_the_channel_may_delete_for_good(
    before: Conversation, known: Channel
) -> None:
    decision = decide(delete(), before, known)
    assert decision.state == ConversationState(tombstone=TOMBSTONE), "no links, no requests"
    assert decision.state.version == 8
    assert kinds(decision.outgoing) == ["conversation.deleted", "command.accepted"]
    (event,) = changes(decision.outgoing)
    assert isinstance(event, ConversationDeleted)
    assert (event.version, event.before, event.after) == (8, before.snapshot, None)
    assert (event.actor_id, event.reason) == ("ana", "command")
    answer = result(decision)
    assert isinstance(answer, CommandAccepted)
    assert answer.version == 8
    assert decision.message is None


@pytest.mark.parametrize(
    ("command", "known", "code"),
    [
        (delete(), None, RejectionCode.UNKNOWN_CHANNEL),
        (delete(actor_id="bo"), None, RejectionCode.UNKNOWN_CHANNEL),
        (delete(actor_id="bo"), channel(), RejectionCode.NOT_INSTALLER),
        (delete(), channel(installed_by=UserId("bo")), RejectionCode.NOT_INSTALLER),
        (delete(actor_id="bo"), channel(removed=True), RejectionCode.NOT_INSTALLER),
        (
            delete(actor_id="outsider"),
            channel(installed_by=UserId("outsider")),
            RejectionCode.NO_INBOX_ACCESS,
        ),
        (delete(actor_id="gone"), channel(installed_by=UserId("gone")), RejectionCode.UNKNOWN_USER),
        (delete(expected_version=1), channel(), RejectionCode.STALE_VERSION),
        (delete(actor_id="bo", expected_version=1), channel(), RejectionCode.STALE_VERSION),
    ],
)
def test_who_may_not_delete(
    command: Incoming[Any], known: Channel | None, code: RejectionCode
) -> None:
    before = conversation(assignee_id="bo")
    decision = decide(command, before, known)
    assert decision.state == ConversationState(before, links=(linked(),), requests={"r1": False})
    assert kinds(decision.outgoing) == ["command.rejected"]
    answer = result(decision)
    assert isinstance(answer, CommandRejected)
    assert (answer.code, answer.version) == (code, 2)


def test_a_rejection_says_which_channel_it_is_about() -> None:
    details = [
        msgspec.structs.asdict(result(decide(command, conversation(), known)))["detail"]
        for command, known in ((delete(), None), (delete(actor_id="bo"), channel()))
    ]
    assert details == ["no channel wa1", "user bo did not install channel wa1"]


def test_a_tombstone_says_nothing_personal() -> None:
    before = conversation(contact_name="Ana Unforgotten", assignee_id="bo")
    decision = decide(delete(), before, channel())
    kept = msgspec.json.encode([decision.state, [item.data for item in decision.outgoing]])
    assert b"Unforgotten" not in kept
    assert ADDRESS.encode() not in kept


@pytest.mark.parametrize(
    "command",
    [
        assign("bo"),
        close(),
        reopen(),
        delete(),
        link(),
        link(request_id="r1"),
        unlink(),
        request(),
        reply(),
        assign("bo", expected_version=8),
    ],
    ids=lambda command: command.type,
)
def test_what_is_deleted_is_unknown_to_every_command(command: Incoming[Any]) -> None:
    state = ConversationState(tombstone=TOMBSTONE)
    decision = decide_command(state, command, NOW, TEAM, APP_URL, channel=channel())
    assert decision.state is state
    assert kinds(decision.outgoing) == ["command.rejected"]
    answer = result(decision)
    assert isinstance(answer, CommandRejected)
    assert (answer.code, answer.version) == (RejectionCode.UNKNOWN_CONVERSATION, 0)


@pytest.mark.parametrize(
    ("state", "sent_at", "erased"),
    [
        (NO_CONVERSATION, NOON, False),
        (ConversationState(conversation()), NOON - SECOND, False),
        (ConversationState(tombstone=TOMBSTONE), NOW - SECOND, True),
        (ConversationState(tombstone=TOMBSTONE), NOW, True),
        (ConversationState(tombstone=TOMBSTONE), NOW + SECOND / 1_000_000, False),
        (ConversationState(conversation(erased_until=NOW)), NOW, True),
        (ConversationState(conversation(erased_until=NOW)), NOW + SECOND / 1_000_000, False),
    ],
)
def test_a_message_not_later_than_the_deletion_is_erased(
    state: ConversationState, sent_at: Any, erased: bool
) -> None:
    for historical in (False, True):
        assert is_erased(state, message(sent_at=sent_at, historical=historical).data) is erased


def test_a_later_message_starts_afresh_and_goes_on_with_the_versions() -> None:
    later = message(sent_at=NOW + SECOND)
    state = ConversationState(tombstone=TOMBSTONE)
    decision = decide_message(state, later, NOW + 2 * SECOND, directory(), APP_URL)
    assert kinds(decision.outgoing) == ["conversation.created", "conversation.message_recorded"]
    created, recorded = changes(decision.outgoing)
    assert isinstance(created, ConversationCreated)
    assert (created.version, created.before, created.after) == (9, None, Snapshot("open", None))
    assert recorded.version == 10
    assert decision.state == ConversationState(
        conversation(
            version=10,
            message_count=1,
            last_message_at=NOW + SECOND,
            last_inbound_at=NOW + 2 * SECOND,
            erased_until=NOW,
            window_until=NOW + SECOND + WINDOW,
            created_at=NOW + 2 * SECOND,
        )
    ), "without links, and with one message"


def test_what_started_afresh_can_be_deleted_again() -> None:
    before = conversation(version=10, erased_until=NOON)
    decision = decide(delete(), before, channel())
    assert decision.state.tombstone == msgspec.structs.replace(TOMBSTONE, version=11)


def inbox_with_a_message(provider_message_id: str, contact: str) -> Inbox:
    """Returns an inbox with one conversation, which Ana may delete."""
    inbox = Inbox()
    installed = ChannelInstalled(
        **{
            name: value
            for name, value in msgspec.structs.asdict(channel()).items()
            if name not in {"removed", "webhook_account_id"}
        }
    )
    inbox.apply(Incoming("d", installed.TYPE, NOON, installed), NOON)
    inbox.users[ACCOUNT, UserId("ana")] = user("ana")
    first = message(provider_message_id=provider_message_id, address=contact)
    assert inbox.apply(first, NOON) != ()
    return inbox


@pytest.mark.parametrize("contact", [ADDRESS, "whatsapp:+4912"], ids=["the contact", "another"])
def test_a_message_that_was_deleted_is_no_new_message_whoever_sends_it(contact: str) -> None:
    inbox = inbox_with_a_message("SM1", ADDRESS)
    repeated = message(event_id="m2", provider_message_id="SM1", address=contact, sent_at=NOW)
    assert inbox.apply(repeated, NOON) == (), "a repeat while it is there"
    inbox.apply(delete(conversation_id=conversation_of(ADDRESS)), NOON + SECOND)
    assert inbox.deleted
    assert inbox.apply(repeated, NOW) == ()
