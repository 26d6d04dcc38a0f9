"""Every event type has an example that follows the contract."""

from importlib.resources import files
from typing import Any
from uuid import UUID, uuid5

import msgspec
import pytest

from schemas.catalog import COMMANDS, INBOUND, OUTBOUND, STRUCT_OF, TOPIC_OF
from schemas.cloudevents import Decoders
from schemas.fields import AccountId, Command
from schemas.ids import NAMESPACE, emitted_event_id, reply_message_id
from schemas.topics import TOPICS, Key
from tests.unit.schemas.given.envelopes import FETCHED_AT

EXAMPLES: dict[str, dict[str, Any]] = {
    path.name.removesuffix(".json"): msgspec.json.decode(path.read_bytes())
    for path in files("schemas").joinpath("examples").iterdir()
}
INBOUND_TYPES = sorted(struct.TYPE for structs in INBOUND.values() for struct in structs)
OUTBOUND_TYPES = sorted(struct.TYPE for structs in OUTBOUND.values() for struct in structs)

every_example = pytest.mark.parametrize("type_", sorted(EXAMPLES))


def example(name: str) -> dict[str, Any]:
    return EXAMPLES[f"inbox.{name}.v1"]


def test_every_type_has_an_example_and_every_example_a_type() -> None:
    assert EXAMPLES.keys() == STRUCT_OF.keys() == TOPIC_OF.keys()


@every_example
def test_an_example_is_called_what_its_type_says(type_: str) -> None:
    assert EXAMPLES[type_]["type"] == type_


@pytest.mark.parametrize("type_", INBOUND_TYPES)
def test_an_inbound_example_decodes_on_its_topic(type_: str) -> None:
    decoders = Decoders(INBOUND[TOPIC_OF[type_]])
    event = decoders.decode(msgspec.json.encode(EXAMPLES[type_]), (), 0, FETCHED_AT)
    assert (event.id, event.type) == (EXAMPLES[type_]["id"], type_)
    assert type(event.data) is STRUCT_OF[type_]


@pytest.mark.parametrize("type_", OUTBOUND_TYPES)
def test_an_outbound_example_is_what_the_system_would_write(type_: str) -> None:
    given = EXAMPLES[type_]
    data = msgspec.convert(given["data"], STRUCT_OF[type_])
    assert msgspec.json.decode(msgspec.json.encode(data)) == given["data"]


@pytest.mark.parametrize("type_", OUTBOUND_TYPES)
def test_an_outbound_example_has_the_attributes_of_what_the_system_writes(type_: str) -> None:
    given = EXAMPLES[type_]
    data = given["data"]
    event_id = emitted_event_id(
        given["causationid"],
        AccountId(data["account_id"]),
        data["conversation_id"],
        type_,
        data["version"],
        part=data.get("part") or data.get("note_id") or 1,
    )
    assert given["id"] == event_id
    assert given["source"] == "/inbox"


@every_example
def test_an_example_is_keyed_by_its_conversation_unless_it_is_of_the_directory(type_: str) -> None:
    given = EXAMPLES[type_]
    if TOPICS[TOPIC_OF[type_]].key is Key.ACCOUNT:
        assert "subject" not in given
        return
    data = given["data"]
    expected = data.get("conversation_id") or example("message.received")["subject"]
    assert given["subject"] == expected


def test_the_ids_of_the_message_are_derived_from_its_data() -> None:
    given = example("message.received")
    data = given["data"]
    contact = f"{data['account_id']}/{data['channel_id']}/{data['contact']['address']}"
    message = f"{data['account_id']}/{data['channel_id']}/{data['provider_message_id']}"
    assert given["subject"] == str(uuid5(NAMESPACE, contact))
    recorded = example("conversation.message_recorded")
    assert recorded["data"]["message_id"] == str(uuid5(NAMESPACE, message))
    assert recorded["causationid"] == given["id"]


def test_the_id_of_the_reply_is_derived_from_its_command() -> None:
    command = example("message.send")
    reply = reply_message_id(AccountId(command["data"]["account_id"]), command["id"])
    for type_ in OUTBOUND_TYPES:
        if TOPIC_OF[type_] == "messages.sent":
            assert EXAMPLES[type_]["data"]["message_id"] == reply
    assert example("message.status")["data"]["message_id"] == reply


@every_example
def test_the_ids_of_an_example_are_uuids(type_: str) -> None:
    data = EXAMPLES[type_]["data"]
    for name in {"conversation_id", "message_id", "note_id"} & data.keys():
        assert str(UUID(data[name])) == data[name]


def test_the_result_examples_answer_commands() -> None:
    for name in ("command.accepted", "command.rejected"):
        given = example(name)
        assert given["data"]["command_type"] in COMMANDS
        assert given["data"]["command_id"] == given["causationid"]


def test_only_commands_are_answered() -> None:
    assert {STRUCT_OF[type_] for type_ in COMMANDS} == {
        struct for structs in INBOUND.values() for struct in structs if issubclass(struct, Command)
    }
