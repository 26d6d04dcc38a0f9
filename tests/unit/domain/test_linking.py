"""Links to the CRM: link, unlink, the request of an entity, and its answer."""

from collections.abc import Mapping
from datetime import timedelta, timezone
from typing import Any
from uuid import uuid5

import pytest

from domain.commands import decide_command
from domain.conversation import Conversation
from domain.conversation_state import ConversationState, Decision
from domain.linking import request_id
from domain.notes import Link
from schemas.cloudevents import Incoming
from schemas.codes import RejectionCode
from schemas.commands import CommandAccepted, CommandRejected
from schemas.conversations import (
    ConversationLinked,
    ConversationUnlinked,
    EntityRequested,
    Snapshot,
)
from schemas.ids import NAMESPACE
from schemas.links import RequestedEntity
from schemas.notes import Assignee, NoteCreated, NoteMessage
from tests.unit.domain.given.samples import (
    ACCOUNT,
    APP_URL,
    CONVERSATION,
    HOUR,
    NOON,
    SECOND,
    changes,
    close,
    conversation,
    directory,
    entity,
    kinds,
    link,
    linked,
    notes,
    reply,
    request,
    result,
    shown,
    unlink,
)

TEAM = directory("ana", "bo")
LATEST = (shown("m1", sent_at=NOON - HOUR), shown("m2"))


def decide(
    command: Incoming[Any],
    *links: Link,
    before: Conversation | None = None,
    requests: Mapping[str, bool] | None = None,
    latest: tuple[NoteMessage, ...] = LATEST,
) -> Decision:
    state = ConversationState(
        before or conversation(link_count=len(links)), links=links, requests=requests or {}
    )
    decision = decide_command(state, command, NOON + SECOND, TEAM, APP_URL, latest=latest)
    after = decision.state.conversation
    assert after is not None
    assert after.link_count == len(decision.state.links)
    return decision


def rejected(decision: Decision) -> RejectionCode:
    """Returns why a command was rejected, which changed nothing and emitted nothing else."""
    assert kinds(decision.outgoing) == ["command.rejected"]
    answer = result(decision)
    assert isinstance(answer, CommandRejected)
    assert answer.version == decision.state.version == 2
    return answer.code


def test_a_link_is_one_event_and_begins_a_note_at_once() -> None:
    before = conversation(version=4, assignee_id="bo", status="closed", closed_at=NOON)
    decision = decide(link("deal:1", time=NOON + HOUR), before=before)
    assert kinds(decision.outgoing) == ["conversation.linked", "note.created", "command.accepted"]
    (event,) = changes(decision.outgoing)
    assert isinstance(event, ConversationLinked)
    assert (event.version, event.actor_id, event.reason) == (5, "ana", "command")
    assert event.before == event.after == Snapshot("closed", "bo"), "it is not reopened"
    assert event.entity == entity("deal:1")
    assert decision.state.conversation == conversation(
        version=5, assignee_id="bo", status="closed", closed_at=NOON, link_count=1
    )
    assert result(decision).version == 5
    assert decision.message is None


def test_the_first_note_has_the_latest_messages_and_starts_at_the_links_own_time() -> None:
    before = conversation(version=4, assignee_id="bo")
    time = (NOON + HOUR).astimezone(timezone(timedelta(hours=-7)))
    decision = decide(link("deal:1", time=time), before=before)
    (note,) = notes(decision.outgoing)
    assert isinstance(note, NoteCreated)
    assert note.messages == LATEST
    assert (note.starts_at, note.ends_at) == (NOON + HOUR, NOON + 25 * HOUR)
    assert (note.version, note.revision, note.entity) == (5, 1, entity("deal:1"))
    assert (note.account_id, note.conversation_id) == (ACCOUNT, CONVERSATION)
    assert note.assignee == Assignee("bo", "Bo")
    assert note.inbox_url == f"{APP_URL}/conversations/{CONVERSATION}"
    (kept,) = decision.state.links
    assert kept.linked_at == NOON + HOUR
    assert (kept.note.note_id, kept.note.message_count) == (note.note_id, 2)


def test_a_link_of_long_messages_begins_notes_that_continue_each_other() -> None:
    latest = tuple(shown(f"m{number}", body="x" * 40_000) for number in range(3))
    decision = decide(link(), latest=latest)
    assert kinds(decision.outgoing) == [
        "conversation.linked",
        *["note.created"] * 3,
        "command.accepted",
    ]
    assert [note.messages for note in notes(decision.outgoing)] == [(one,) for one in latest]
    assert len({item.event_id for item in decision.outgoing}) == 5


@pytest.mark.parametrize("name", ["deal:2", "lead:1", "person:0", "person:1", "deal:0"])
def test_links_stand_in_the_order_of_their_entities(name: str) -> None:
    links = (linked("deal:1"), linked("person:0x"))
    after = decide(link(name), *links).state.links
    assert len(after) == 3
    entities = [(one.entity.type, one.entity.id) for one in after]
    assert entities == sorted(entities)
    assert set(links) <= {*after}, "the others stay as they are"


def test_an_entity_of_another_type_with_the_same_id_is_another_entity() -> None:
    decision = decide(link("lead:1"), linked("deal:1"))
    assert kinds(decision.outgoing)[0] == "conversation.linked"
    assert rejected(decide(unlink("lead:1"), linked("deal:1"))) == RejectionCode.NOT_LINKED


def test_linking_what_is_linked_is_accepted_and_changes_nothing() -> None:
    before = conversation(link_count=1)
    state = ConversationState(before, links=(linked(),))
    decision = decide_command(state, link(), NOON, TEAM, APP_URL, latest=LATEST)
    assert decision.state is state
    assert kinds(decision.outgoing) == ["command.accepted"]
    assert result(decision).version == 2


def test_a_link_may_expect_a_version() -> None:
    assert rejected(decide(link(expected_version=1))) == RejectionCode.STALE_VERSION
    assert isinstance(result(decide(link(expected_version=2))), CommandAccepted)


def test_an_unlink_is_one_event_and_leaves_the_note_and_other_links_as_they_are() -> None:
    decision = decide(unlink("deal:1"), linked("deal:1"), linked("deal:2"))
    assert kinds(decision.outgoing) == ["conversation.unlinked", "command.accepted"]
    (event,) = changes(decision.outgoing)
    assert isinstance(event, ConversationUnlinked)
    assert (event.version, event.actor_id, event.reason) == (3, "ana", "command")
    assert event.before == event.after == Snapshot("open", None)
    assert event.entity == entity("deal:1")
    assert decision.state.links == (linked("deal:2"),)
    assert decision.state.conversation == conversation(version=3, link_count=1)


@pytest.mark.parametrize("links", [(), (linked("deal:2"),)], ids=["nothing", "another"])
def test_what_is_not_linked_cannot_be_unlinked(links: tuple[Link, ...]) -> None:
    decision = decide(unlink("deal:1"), *links)
    assert rejected(decision) == RejectionCode.NOT_LINKED
    assert decision.state.links == links
    answer: Any = result(decision)
    assert answer.detail == "deal 1 is not linked"


def test_a_link_made_again_has_a_new_note_whatever_became_of_the_old_one() -> None:
    first = decide(link())
    assert first.state.conversation is not None
    second = decide_command(first.state, unlink(event_id="c2"), NOON, TEAM, APP_URL)
    third = decide_command(second.state, link(event_id="c3"), NOON, TEAM, APP_URL, latest=LATEST)
    (old,), (new,) = notes(first.outgoing), notes(third.outgoing)
    assert isinstance(new, NoteCreated)
    assert new.note_id != old.note_id
    assert (new.revision, new.messages) == (1, LATEST)


def test_a_request_is_one_event_and_links_nothing() -> None:
    decision = decide(request("A deal", request_id="r1"), linked("deal:2"))
    assert kinds(decision.outgoing) == ["entity.requested", "command.accepted"]
    (event,) = changes(decision.outgoing)
    assert isinstance(event, EntityRequested)
    assert (event.version, event.actor_id, event.reason) == (3, "ana", "command")
    assert (event.entity, event.request_id) == (RequestedEntity("deal", "A deal"), "r1")
    assert event.before == event.after == Snapshot("open", None)
    assert decision.state.requests == {"r1": False}
    assert decision.state.links == (linked("deal:2"),)
    assert decision.state.conversation == conversation(version=3, link_count=1)


def test_a_request_without_an_id_has_one_derived_from_its_command() -> None:
    command = request(event_id="any text of a command's id: /é " + "x" * 200)
    (event,) = changes(decide(command).outgoing)
    assert isinstance(event, EntityRequested)
    assert event.request_id == str(uuid5(NAMESPACE, f"acme/request/{command.id}"))


def test_derived_ids_of_requests_differ_by_command_and_account() -> None:
    commands = request(), request(event_id="c2"), request(account_id="globex")
    assert len({request_id(command) for command in commands}) == 3


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (request(request_id="r1"), "r1"),
        (link(request_id="r1"), "r1"),
        (link(), None),
        (unlink(), None),
        (close(), None),
        (reply(), None),
    ],
    ids=str,
)
def test_a_command_names_a_request_or_none(command: Incoming[Any], named: str | None) -> None:
    assert request_id(command) == named


def test_a_request_that_is_repeated_is_accepted_and_changes_nothing() -> None:
    state = ConversationState(conversation(), requests={"r1": False})
    decision = decide_command(state, request("Another", request_id="r1"), NOON, TEAM, APP_URL)
    assert decision.state is state
    assert kinds(decision.outgoing) == ["command.accepted"]


def test_a_request_that_is_answered_is_rejected() -> None:
    decision = decide(request(request_id="r1"), requests={"r1": True})
    assert rejected(decision) == RejectionCode.ALREADY_ANSWERED
    answer: Any = result(decision)
    assert answer.detail == "request r1 is answered"


@pytest.mark.parametrize("requests", [{"r1": False}, {}], ids=["asked for", "nobody asked"])
def test_an_answer_links_and_answers_its_request(requests: dict[str, bool]) -> None:
    decision = decide(link(request_id="r1"), requests={"r0": False} | requests)
    assert kinds(decision.outgoing) == ["conversation.linked", "note.created", "command.accepted"]
    assert decision.state.requests == {"r0": False, "r1": True}
    assert [one.entity for one in decision.state.links] == [entity("deal:1")]


@pytest.mark.parametrize("name", ["deal:1", "deal:2"], ids=["what is linked", "another"])
def test_a_request_is_answered_once(name: str) -> None:
    decision = decide(link(name, request_id="r1"), linked("deal:1"), requests={"r1": True})
    assert rejected(decision) == RejectionCode.ALREADY_ANSWERED
    assert decision.state.links == (linked("deal:1"),)


@pytest.mark.parametrize("requests", [{"r1": False}, {}], ids=["asked for", "nobody asked"])
def test_an_answer_that_names_what_is_linked_answers_and_changes_nothing_else(
    requests: dict[str, bool],
) -> None:
    before = conversation(link_count=1)
    decision = decide(link(request_id="r1"), linked(), before=before, requests=requests)
    assert kinds(decision.outgoing) == ["command.accepted"]
    assert result(decision).version == 2
    assert decision.state.conversation is before
    assert decision.state.links == (linked(),)
    assert decision.state.requests == {"r1": True}


def test_a_link_that_answers_nothing_answers_no_request() -> None:
    assert decide(link(), requests={"r1": False}).state.requests == {"r1": False}


def test_every_event_names_its_cause_and_has_an_id_that_a_replay_gives_again() -> None:
    first, again = (decide(link(), latest=LATEST).outgoing for _ in range(2))
    assert first == again
    assert len({item.event_id for item in first}) == 3
    assert {item.cause_id for item in first} == {"c1"}
