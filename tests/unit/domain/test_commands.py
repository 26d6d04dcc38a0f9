"""Commands on a conversation: who may do what, in which order it is checked, what it changes."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from domain.commands import decide_command
from domain.conversation import Conversation
from domain.directory import Directory
from domain.thread import NO_THREAD, Decision, Thread
from schemas.cloudevents import Incoming
from schemas.codes import Rejection
from schemas.commands import CommandAccepted, CommandRejected
from schemas.conversations import Snapshot
from schemas.directory import NotificationSettings
from schemas.notifications import Recipient
from tests.unit.domain.given import (
    ACCOUNT,
    APP_URL,
    CONVERSATION,
    NOON,
    SECOND,
    assign,
    changes,
    channel,
    close,
    conversation,
    delete,
    directory,
    kinds,
    link,
    linked,
    notified,
    reopen,
    reply,
    request,
    result,
    unlink,
    user,
)

TEAM = directory(
    "ana",
    "bo",
    user("away", available=False),
    user("outsider", inbox_access=False),
    user("untold", name=None, email=None),
)
NOW = NOON + 60 * SECOND

CLOSED = conversation(status="closed", version=5, closed_at=NOON)
ASSIGNED = conversation(assignee_id="bo", version=3)

COMMANDS: dict[str, Callable[..., Incoming[Any]]] = {
    "assign": lambda **fields: assign("bo", **fields),
    "unassign": lambda **fields: assign(None, **fields),
    "close": close,
    "reopen": reopen,
    "delete": delete,
    "link": link,
    "unlink": lambda **fields: unlink("person:1", **fields),
    "request": request,
    "reply": reply,
}
every_command = pytest.mark.parametrize("command", COMMANDS.values(), ids=list(COMMANDS))


def decide(
    before: Conversation | None, command: Incoming[Any], known: Directory = TEAM
) -> Decision:
    thread = Thread(before, links=(linked("person:1"),)) if before else NO_THREAD
    installed = channel(installed_by=command.data.actor_id)
    return decide_command(thread, command, NOW, known, APP_URL, channel=installed)


def rejected(
    before: Conversation | None, command: Incoming[Any], known: Directory = TEAM
) -> CommandRejected:
    """The rejection, which changes nothing and says nothing else."""
    decision = decide(before, command, known)
    assert decision.thread.conversation is before
    assert len(decision.outgoing) == 1
    answer = result(decision)
    assert isinstance(answer, CommandRejected)
    return answer


@every_command
def test_a_command_on_an_unknown_conversation_is_rejected_with_version_0(
    command: Callable[..., Incoming[Any]],
) -> None:
    answer = rejected(None, command())
    assert (answer.code, answer.version) == (Rejection.UNKNOWN_CONVERSATION, 0)
    assert answer.conversation_id == CONVERSATION
    assert CONVERSATION in str(answer.detail)


@every_command
@pytest.mark.parametrize(
    ("actor_id", "code"),
    [
        ("stranger", Rejection.UNKNOWN_USER),
        ("untold", Rejection.UNKNOWN_USER),
        ("outsider", Rejection.NO_INBOX_ACCESS),
    ],
)
def test_only_users_with_inbox_access_may_command(
    command: Callable[..., Incoming[Any]], actor_id: str, code: Rejection
) -> None:
    answer = rejected(conversation(), command(actor_id=actor_id))
    assert (answer.code, answer.version) == (code, 2)
    assert actor_id in str(answer.detail)


@every_command
def test_an_unavailable_user_may_command(command: Callable[..., Incoming[Any]]) -> None:
    assert isinstance(result(decide(conversation(), command(actor_id="away"))), CommandAccepted)


@every_command
@pytest.mark.parametrize("expected_version", [1, 3])
def test_another_version_than_expected_is_rejected(
    command: Callable[..., Incoming[Any]], expected_version: int
) -> None:
    answer = rejected(conversation(), command(expected_version=expected_version))
    assert answer.code == Rejection.STALE_VERSION
    assert answer.detail == f"expected version {expected_version}, it is 2"


@every_command
def test_the_expected_version_is_accepted(command: Callable[..., Incoming[Any]]) -> None:
    decision = decide(conversation(), command(expected_version=2))
    assert isinstance(result(decision), CommandAccepted)


@pytest.mark.parametrize(
    ("before", "command", "code"),
    [
        pytest.param(
            None,
            assign("away", actor_id="stranger", expected_version=9),
            Rejection.UNKNOWN_CONVERSATION,
            id="first the conversation",
        ),
        pytest.param(
            ASSIGNED,
            assign("away", actor_id="stranger", expected_version=9),
            Rejection.UNKNOWN_USER,
            id="then the actor",
        ),
        pytest.param(
            ASSIGNED,
            assign("away", actor_id="outsider", expected_version=9),
            Rejection.NO_INBOX_ACCESS,
            id="and the actor's access",
        ),
        pytest.param(
            ASSIGNED, assign("away", expected_version=9), Rejection.STALE_VERSION, id="the version"
        ),
        pytest.param(
            ASSIGNED,
            close(time=NOON - SECOND, expected_version=9),
            Rejection.STALE_VERSION,
            id="the version before what the contact wrote",
        ),
        pytest.param(
            CLOSED,
            close(expected_version=9),
            Rejection.STALE_VERSION,
            id="the version even of what is already so",
        ),
        pytest.param(
            ASSIGNED, assign("away"), Rejection.ASSIGNEE_UNAVAILABLE, id="last the command's own"
        ),
    ],
)
def test_checks_come_in_this_order(
    before: Conversation | None, command: Incoming[Any], code: Rejection
) -> None:
    assert rejected(before, command).code == code


@pytest.mark.parametrize(
    ("before", "command"),
    [
        pytest.param(ASSIGNED, assign("bo"), id="assigned to the same"),
        pytest.param(conversation(), assign(None), id="unassigned already"),
        pytest.param(CLOSED, close(), id="closed already"),
        pytest.param(CLOSED, close(time=NOON - SECOND), id="closed already, however old"),
        pytest.param(conversation(), reopen(), id="open already"),
        pytest.param(
            conversation(assignee_id="away"), assign("away"), id="assigned to the same, now away"
        ),
        pytest.param(
            conversation(assignee_id="gone"), assign("gone"), id="assigned to the same, now gone"
        ),
    ],
)
def test_what_is_already_so_is_accepted_and_changes_nothing(
    before: Conversation, command: Incoming[Any]
) -> None:
    decision = decide(before, command)
    assert decision.thread.conversation is before
    assert kinds(decision.outgoing) == ["command.accepted"]
    assert result(decision).version == before.version


@pytest.mark.parametrize("before", [conversation(), CLOSED, ASSIGNED], ids=str)
@pytest.mark.parametrize("assignee_id", ["ana", "bo", None])
@pytest.mark.parametrize("actor_id", ["ana", "bo"])
def test_any_user_with_access_assigns_any_available_user_at_any_time(
    before: Conversation, assignee_id: str | None, actor_id: str
) -> None:
    state = decide(before, assign(assignee_id, actor_id=actor_id)).thread.conversation
    changed = before.assignee_id != assignee_id
    assert state == msgspec.structs.replace(
        before, assignee_id=assignee_id, version=before.version + changed
    )


@pytest.mark.parametrize(
    ("assignee_id", "actor_id", "code"),
    [
        ("stranger", "ana", Rejection.UNKNOWN_USER),
        ("untold", "ana", Rejection.UNKNOWN_USER),
        ("outsider", "ana", Rejection.NO_INBOX_ACCESS),
        ("away", "ana", Rejection.ASSIGNEE_UNAVAILABLE),
        ("away", "away", Rejection.ASSIGNEE_UNAVAILABLE),
    ],
)
def test_who_cannot_be_assigned(assignee_id: str, actor_id: str, code: Rejection) -> None:
    answer = rejected(conversation(), assign(assignee_id, actor_id=actor_id))
    assert answer.code == code
    assert assignee_id in str(answer.detail)


def test_an_unavailable_users_conversation_can_be_taken_from_them() -> None:
    before = conversation(assignee_id="away")
    assert decide(before, assign(None)).thread.conversation == conversation(
        assignee_id=None, version=3
    )
    assert decide(before, assign("bo")).thread.conversation == conversation(
        assignee_id="bo", version=3
    )


def test_an_assignment_is_one_event_with_before_and_after() -> None:
    decision = decide(ASSIGNED, assign("ana", actor_id="bo"))
    (event,) = changes(decision.outgoing)
    assert kinds(decision.outgoing) == [
        "conversation.assigned",
        "notification.requested",
        "command.accepted",
    ]
    assert (event.version, event.actor_id, event.reason) == (4, "bo", "command")
    assert event.before == Snapshot("open", "bo")
    assert event.after == Snapshot("open", "ana")


def test_an_unassignment_is_one_event_and_notifies_nobody() -> None:
    decision = decide(ASSIGNED, assign(None))
    assert kinds(decision.outgoing) == ["conversation.unassigned", "command.accepted"]
    (event,) = changes(decision.outgoing)
    assert (event.before, event.after) == (Snapshot("open", "bo"), Snapshot("open", None))


def test_an_assignment_notifies_the_assignee() -> None:
    (told,) = notified(decide(conversation(), assign("bo")).outgoing)
    assert (told.kind, told.version, told.message) == ("assignment", 3, None)
    assert told.recipients == (Recipient("bo", "assignment", ("desktop", "email")),)
    assert told.inbox_url == f"{APP_URL}/conversations/{CONVERSATION}"
    assert told.contact_name == "Ana"


def test_nobody_is_notified_of_assigning_themselves() -> None:
    assert notified(decide(conversation(), assign("ana", actor_id="ana")).outgoing) == []


def test_an_assignee_who_wants_no_notification_gets_none() -> None:
    off = msgspec.convert({"assignment": {"desktop": False, "email": False}}, NotificationSettings)
    known = directory("ana", user("bo", settings=off))
    assert notified(decide(conversation(), assign("bo"), known).outgoing) == []


def test_closing_keeps_the_assignment_and_says_when() -> None:
    decision = decide(ASSIGNED, close())
    assert decision.thread.conversation == conversation(
        assignee_id="bo", version=4, status="closed", closed_at=NOW
    )
    assert kinds(decision.outgoing) == ["conversation.closed", "command.accepted"]
    (event,) = changes(decision.outgoing)
    assert (event.before, event.after) == (Snapshot("open", "bo"), Snapshot("closed", "bo"))
    assert (event.version, event.actor_id, event.reason) == (4, "ana", "command")


def test_reopening_returns_it_to_the_section_of_its_assignment() -> None:
    before = conversation(assignee_id="bo", status="closed", version=5, closed_at=NOON)
    decision = decide(before, reopen())
    assert decision.thread.conversation == conversation(assignee_id="bo", version=6)
    assert kinds(decision.outgoing) == ["conversation.reopened", "command.accepted"]
    (event,) = changes(decision.outgoing)
    assert (event.before, event.after) == (Snapshot("closed", "bo"), Snapshot("open", "bo"))
    assert (event.actor_id, event.reason) == ("ana", "command")


@pytest.mark.parametrize(
    ("issued_after_seconds", "is_closed"),
    [(-3600, False), (-0.000001, False), (0, True), (1, True)],
)
def test_a_close_issued_before_the_newest_inbound_message_was_recorded_is_superseded(
    issued_after_seconds: float, is_closed: bool
) -> None:
    before = conversation(last_inbound_at=NOON)
    decision = decide(before, close(time=NOON + issued_after_seconds * SECOND))
    answer = result(decision)
    if is_closed:
        assert isinstance(answer, CommandAccepted)
        assert decision.thread.conversation is not None
        assert decision.thread.conversation.status == "closed"
    else:
        assert isinstance(answer, CommandRejected)
        assert answer.code == Rejection.SUPERSEDED
        assert decision.thread.conversation is before


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "close"])
def test_only_a_close_is_superseded(command: str) -> None:
    long_ago = COMMANDS[command](time=NOON - 3600 * SECOND)
    for before in (conversation(), CLOSED):
        assert isinstance(result(decide(before, long_ago)), CommandAccepted)


def test_historical_messages_alone_supersede_no_close() -> None:
    before = conversation(last_inbound_at=None)
    decision = decide(before, close(time=NOON - 3600 * SECOND))
    assert kinds(decision.outgoing) == ["conversation.closed", "command.accepted"]


@pytest.mark.parametrize(
    ("before", "command", "version"),
    [(conversation(), close(), 3), (conversation(), reopen(), 2), (None, close(), 0)],
)
def test_the_result_names_its_command_and_the_version_afterwards(
    before: Conversation | None, command: Incoming[Any], version: int
) -> None:
    answer = result(decide(before, command))
    assert (answer.command_id, answer.command_type) == ("c1", command.type)
    assert (answer.account_id, answer.conversation_id) == (ACCOUNT, CONVERSATION)
    assert answer.version == version


def test_every_event_names_its_cause_and_has_an_id_that_a_replay_gives_again() -> None:
    first, again = (decide(conversation(), assign("bo")).outgoing for _ in range(2))
    assert first == again
    assert len({item.event_id for item in first}) == 3
    assert {item.cause_id for item in first} == {"c1"}


def test_a_user_of_another_account_is_unknown() -> None:
    # The caller hands in the directory of the command's account, and that account's conversation.
    empty = directory()
    assert rejected(conversation(), close(), empty).code == Rejection.UNKNOWN_USER
    assert rejected(None, close(), empty).code == Rejection.UNKNOWN_CONVERSATION


def test_results_of_two_accounts_for_one_command_id_differ() -> None:
    ours, theirs = decide(None, close()), decide(None, close(account_id="globex"))
    assert ours.outgoing[0].event_id != theirs.outgoing[0].event_id
    assert theirs.outgoing[0].data.account_id == "globex"
