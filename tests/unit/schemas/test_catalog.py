"""The catalog holds exactly the types of the contract, each on its topic."""

import msgspec
import pytest

from schemas.catalog import COMMANDS, INBOUND, OUTBOUND, STRUCT_OF, TOPIC_OF
from schemas.fields import Command, Emitted, EventData

TYPES = {
    "messages.received": "message.received",
    "messages.send": "message.send",
    "messages.status": "message.status",
    "assignments": "conversation.assign",
    "lifecycle": "conversation.close conversation.reopen conversation.delete",
    "links": "conversation.link conversation.unlink entity.request",
    "notes.changed": "note.edited note.deleted",
    "directory": "user.upserted user.removed user.availability_changed "
    "user.notification_settings_changed channel.installed channel.removed",
    "conversations": "conversation.created conversation.message_recorded conversation.assigned "
    "conversation.unassigned conversation.closed conversation.reopened conversation.deleted "
    "conversation.linked conversation.unlinked entity.requested",
    "notifications": "notification.requested",
    "notes": "note.created note.appended",
    "messages.sent": "message.accepted message.status_changed message.failed message.uncertain",
    "results": "command.accepted command.rejected",
}
ANSWERED = "assign close reopen delete link unlink"

every_struct = pytest.mark.parametrize("struct", STRUCT_OF.values(), ids=list(STRUCT_OF))


def test_every_type_is_on_the_topic_that_the_contract_says() -> None:
    expected = {
        f"inbox.{name}.v1": topic for topic, names in TYPES.items() for name in names.split()
    }
    assert expected == TOPIC_OF


def test_no_type_is_there_twice() -> None:
    carried = [struct for table in (INBOUND, OUTBOUND) for row in table.values() for struct in row]
    assert len(carried) == len(STRUCT_OF) == len({struct.TYPE for struct in carried})


def test_these_commands_are_answered() -> None:
    names = {f"inbox.conversation.{name}.v1" for name in ANSWERED.split()}
    assert names | {"inbox.entity.request.v1", "inbox.message.send.v1"} == COMMANDS


@every_struct
def test_data_is_frozen_ignores_unknown_fields_and_names_its_account(
    struct: type[EventData],
) -> None:
    assert struct.__struct_config__.frozen
    assert not struct.__struct_config__.forbid_unknown_fields
    assert msgspec.structs.fields(struct)[0].required
    assert struct.__struct_fields__[0] == "account_id"


@every_struct
def test_what_is_written_names_conversation_and_version_and_what_is_asked_its_actor(
    struct: type[EventData],
) -> None:
    required = {field.name for field in msgspec.structs.fields(struct) if field.required}
    if issubclass(struct, Emitted):
        assert required >= {"account_id", "conversation_id", "version"}
    if issubclass(struct, Command):
        assert required >= {"account_id", "conversation_id", "actor_id"}
