"""The bodies of commands: the contract's own fields, and nothing else at any depth."""

from typing import Any

import msgspec
import pytest
from msgspec import inspect

from schemas.catalog import COMMANDS, STRUCT_OF
from schemas.commands import ConversationAssign
from schemas.directory import PartialSettings
from schemas.fields import Command
from schemas.links import EntityRequest
from schemas.messages import MessageSend
from workers.api.commands.bodies import DEPTH_MAX, FILLED_IN, body_of, closed, filled_in
from workers.api.operations.commands import KINDS
from workers.api.problem import Problem

GIVEN: dict[str, Any] = {
    "account_id": "acme",
    "conversation_id": "6f1d2c1e-5b0a-5a7e-9c58-2f1b7b0f6a11",
    "actor_id": "ana",
}


def properties(schema: dict[str, Any], struct: type[Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema[struct.__name__]["properties"]
    return found


def structs(type_: Any) -> list[type[Any]]:
    """Returns all structs of a type, at any depth."""
    info = inspect.type_info(type_)
    found, waiting = [], [info]
    while waiting:
        each = waiting.pop()
        if isinstance(each, inspect.StructType):
            found.append(each.cls)
            waiting += [field.type for field in each.fields]
        for name in ("types", "item_types"):
            waiting += getattr(each, name, ())
        for name in ("type", "item_type", "key_type", "value_type"):
            if isinstance(inner := getattr(each, name, None), inspect.Type):
                waiting.append(inner)
    return found


def test_every_command_has_its_operation() -> None:
    assert {kind.command.TYPE for kind in KINDS} == COMMANDS


@pytest.mark.parametrize("type_", sorted(COMMANDS))
def test_a_body_has_the_fields_of_its_command_but_those_that_are_filled_in(type_: str) -> None:
    command: Any = STRUCT_OF[type_]
    body = body_of(command)
    assert {*body.__struct_fields__} == {*command.__struct_fields__} - FILLED_IN
    _, ours = msgspec.json.schema_components([body], ref_template="{name}")
    _, theirs = msgspec.json.schema_components([command], ref_template="{name}")
    for name, schema in properties(ours, body).items():
        contract = str(properties(theirs, command)[name])
        for nested in ("Entity", "RequestedEntity"):
            contract = contract.replace(f"'{nested}'", f"'{nested}Body'")
        assert str(schema) == contract


@pytest.mark.parametrize("type_", sorted(COMMANDS))
def test_a_body_refuses_unknown_fields_at_every_depth(type_: str) -> None:
    command: Any = STRUCT_OF[type_]
    found = structs(body_of(command))
    assert found
    assert all(struct.__struct_config__.forbid_unknown_fields for struct in found)


def test_the_structs_within_a_union_refuse_them_too() -> None:
    body = closed(PartialSettings, "SettingsBody")
    wrong = {"unassigned": {"desktop": True, "email": True, "pigeon": True}}
    with pytest.raises(msgspec.ValidationError, match="pigeon"):
        msgspec.convert(wrong, body)


def test_what_the_api_fills_in_makes_the_command() -> None:
    body = msgspec.convert(
        {"assignee_id": None, "expected_version": 3}, body_of(ConversationAssign)
    )
    made = filled_in(ConversationAssign, body, **GIVEN)
    assert made == msgspec.convert({"assignee_id": None, "expected_version": 3} | GIVEN, type(made))


def test_what_only_the_command_refuses_is_a_problem() -> None:
    body = msgspec.convert({}, body_of(MessageSend))
    with pytest.raises(Problem) as caught:
        filled_in(MessageSend, body, **GIVEN)
    assert caught.value.code == "invalid_request"
    assert "a reply needs one of them" in caught.value.detail


def nested(levels: int) -> dict[str, Any]:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return {"entity": {"type": "lead", "name": "x", "fields": {"a": value}}}


@pytest.mark.parametrize(("levels", "fits"), [(DEPTH_MAX - 4, True), (DEPTH_MAX - 3, False)])
def test_values_are_nested_to_a_limit(levels: int, fits: bool) -> None:
    struct: type[Command] = EntityRequest
    body = msgspec.convert(nested(levels), body_of(struct))
    if fits:
        assert filled_in(struct, body, **GIVEN)
        return
    with pytest.raises(Problem) as caught:
        filled_in(struct, body, **GIVEN)
    assert "nested" in caught.value.detail
