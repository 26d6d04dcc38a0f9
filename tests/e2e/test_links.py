"""Conversations are linked to the persons, leads and deals of the CRM, and unlinked."""

from tests.harness.inbox import Inbox, answers, entity_of
from tests.harness.input_events import Event, command, link, message, unlink
from tests.harness.topics import ReadRecord

MARIA, JONAS = "+4911", "+4922"

# The same ids among persons, leads and deals: they are entities of their own. More than one
# transaction links.
ENTITIES = [f"{kind}:{number}" for kind in ("person", "lead", "deal") for number in range(20)]


def request(name: str, **fields: object) -> Event:
    """Returns Ana's request for a deal in the CRM. `request_id` is optional."""
    entity = {"type": "deal", "name": name, "fields": {"amount": 4900, "currency": "EUR"}}
    return command("entity.request", MARIA, "ana", entity=entity, **fields)


def log_of(reads: list[ReadRecord]) -> list[tuple[int, str, str | None]]:
    """Returns the version, type and entity of each event of a log."""
    return [(read.data["version"], read.kind, entity_of(read)) for read in reads]


BEGINNING = [(1, "conversation.created", None), (2, "conversation.message_recorded", None)]


async def test_a_conversation_is_linked_to_any_number_of_entities_and_unlinked(
    inbox: Inbox,
) -> None:
    await inbox.apply(message(MARIA), *[link(MARIA, entity) for entity in ENTITIES])
    linked = [
        (version, "conversation.linked", entity) for version, entity in enumerate(ENTITIES, start=3)
    ]
    assert log_of(await inbox.read("conversations")) == BEGINNING + linked
    created = await inbox.read("notes")
    assert [entity_of(read) for read in created] == ENTITIES
    assert len({read.data["note_id"] for read in created}) == len(ENTITIES)

    await inbox.apply(message(MARIA), *[unlink(MARIA, entity) for entity in reversed(ENTITIES)])
    await inbox.apply(message(MARIA, "for nobody's notes"))
    *_, last_unlinked, recorded = await inbox.read("conversations")
    assert log_of([last_unlinked]) == [(123, "conversation.unlinked", ENTITIES[0])]
    assert log_of([recorded]) == [(124, "conversation.message_recorded", None)]
    # Each note was created, and one message joined it.
    assert len(await inbox.read("notes")) == 2 * len(ENTITIES)
    assert {code for _, code, _ in answers(await inbox.read("results"))} == {None}
    await inbox.assert_exact()


async def test_two_conversations_are_linked_to_one_entity_each_with_notes_of_its_own(
    inbox: Inbox,
) -> None:
    await inbox.apply(message(MARIA, "Maria's"), message(JONAS, "Jonas's"))
    await inbox.apply(link(MARIA, "deal:1"), link(JONAS, "deal:1"), unlink(MARIA, "deal:1"))
    await inbox.apply(message(MARIA, "not linked any more"), message(JONAS, "and more"))
    bodies = [[each.body for each in note.messages] for note in await inbox.notes("deal:1")]
    assert sorted(bodies) == [["Jonas's", "and more"], ["Maria's"]]
    await inbox.assert_exact()


async def test_the_crm_is_asked_for_an_entity_and_answers_once(inbox: Inbox) -> None:
    await inbox.apply(
        message(MARIA),
        request("100 units", request_id="r1"),
        link(MARIA, "deal:d1", actor="bo", request_id="r1"),
        link(MARIA, "deal:d2", request_id="r1"),
        link(MARIA, "deal:d1", request_id="r1"),
        request("100 units", request_id="r1"),
    )
    log = await inbox.read("conversations")
    assert log_of(log[2:]) == [
        (3, "entity.requested", None),
        (4, "conversation.linked", "deal:d1"),
    ]
    requested, linked = (read.data for read in log[2:])
    assert requested["request_id"] == "r1"
    assert requested["entity"] == {
        "type": "deal",
        "name": "100 units",
        "fields": {"amount": 4900, "currency": "EUR"},
    }
    assert (requested["actor_id"], linked["actor_id"]) == ("ana", "bo")
    assert answers(await inbox.read("results")) == [
        ("entity.request", None, 3),
        ("conversation.link", None, 4),
        ("conversation.link", "already_answered", 4),
        ("conversation.link", "already_answered", 4),
        ("entity.request", "already_answered", 4),
    ]
    assert [entity_of(read) for read in await inbox.read("notes")] == ["deal:d1"]
    await inbox.assert_exact()


async def test_a_request_that_names_no_id_gets_one_to_answer_with(inbox: Inbox) -> None:
    await inbox.apply(message(MARIA), request("first"), request("second"))
    first, second = (read.data["request_id"] for read in (await inbox.read("conversations"))[2:])
    assert first != second
    await inbox.apply(
        link(MARIA, "deal:d2", request_id=second),
        link(MARIA, "deal:d1", request_id=first),
        link(MARIA, "deal:d3", request_id=first),
    )
    assert answers(await inbox.read("results"))[2:] == [
        ("conversation.link", None, 5),
        ("conversation.link", None, 6),
        ("conversation.link", "already_answered", 6),
    ]
    await inbox.assert_exact()


async def test_what_is_linked_already_answers_a_request_and_changes_nothing_else(
    inbox: Inbox,
) -> None:
    await inbox.apply(
        message(MARIA),
        link(MARIA, "deal:d1"),
        request("a deal", request_id="r1"),
        # The same request twice causes one event.
        request("a deal", request_id="r1"),
        link(MARIA, "deal:d1", request_id="r1"),
        link(MARIA, "deal:d2", request_id="r1"),
    )
    assert log_of(await inbox.read("conversations")) == [
        *BEGINNING,
        (3, "conversation.linked", "deal:d1"),
        (4, "entity.requested", None),
    ]
    assert answers(await inbox.read("results")) == [
        ("conversation.link", None, 3),
        ("entity.request", None, 4),
        ("entity.request", None, 4),
        ("conversation.link", None, 4),
        ("conversation.link", "already_answered", 4),
    ]
    await inbox.assert_exact()


async def test_linking_twice_changes_nothing_and_what_is_not_linked_cannot_be_unlinked(
    inbox: Inbox,
) -> None:
    await inbox.apply(
        message(MARIA),
        unlink(MARIA, "lead:l1"),
        link(MARIA, "lead:l1"),
        link(MARIA, "lead:l1", actor="bo"),
        unlink(MARIA, "person:l1"),
        unlink(MARIA, "lead:l1"),
        unlink(MARIA, "lead:l1"),
    )
    assert answers(await inbox.read("results")) == [
        ("conversation.unlink", "not_linked", 2),
        ("conversation.link", None, 3),
        ("conversation.link", None, 3),
        ("conversation.unlink", "not_linked", 3),
        ("conversation.unlink", None, 4),
        ("conversation.unlink", "not_linked", 4),
    ]
    assert log_of(await inbox.read("conversations")) == [
        *BEGINNING,
        (3, "conversation.linked", "lead:l1"),
        (4, "conversation.unlinked", "lead:l1"),
    ]
    assert await inbox.note_history("lead:l1") == [(1, 1, ["Hello"])]
    await inbox.assert_exact()
