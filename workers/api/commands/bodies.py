"""The bodies of commands: the data of the contract without the fields that the API fills in.

They are derived from the structs of the contract, so none of its fields can be forgotten. Unknown
fields are refused at every depth, since a typo must not unassign.
"""

import types
from collections.abc import Collection, Iterable
from functools import cache
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Struct

from schemas.fields import Command
from workers.api.problem import Problem

FILLED_IN = frozenset({"account_id", "conversation_id", "actor_id"})
"""The fields of a command that the API fills in: from the caller, and from the path."""

DEPTH_MAX = 32
"""How deep the values of a body may be nested. Workers read records to a depth that depends on
their own stack, so a limit that is far below keeps each accepted body readable."""

StructT = TypeVar("StructT", bound=Struct)


def body_of(command: type[Command]) -> type[Struct]:
    """Returns the struct of the body of a command."""
    return closed(command, f"{command.__name__}Body", FILLED_IN)


def closed(struct: type[Struct], name: str, without: Collection[str] = ()) -> type[Struct]:
    """Returns a struct like another one, less some fields, that refuses unknown fields."""
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for each in msgspec.structs.fields(struct):
        if each.name in without:
            continue
        type_ = _closed_type(each.type)
        default = () if each.default is NODEFAULT else (each.default,)
        fields.append((each.name, type_, *default))
    return msgspec.defstruct(
        name,
        fields,
        namespace={"__doc__": struct.__doc__},
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
    )


@cache
def _closed_within(struct: type[Struct]) -> type[Struct]:
    """Returns the one struct that stands for another one in all bodies: the document of the API
    names it once."""
    return closed(struct, f"{struct.__name__}Body")


def _closed_type(type_: Any) -> Any:
    """Returns a type whose structs, at any depth, refuse unknown fields."""
    if isinstance(type_, type) and issubclass(type_, Struct):
        return _closed_within(type_)
    origin, arguments = get_origin(type_), get_args(type_)
    if origin is Annotated:
        return Annotated[(_closed_type(arguments[0]), *arguments[1:])]
    if origin in (Union, types.UnionType):
        return Union[tuple(_closed_type(each) for each in arguments)]  # noqa: UP007  # computed
    return type_


def filled_in(struct: type[StructT], body: Struct, **fields: Any) -> StructT:
    """Returns the struct that a body was derived from, with the fields that the API fills in.

    Raises Problem for what only the struct refuses.
    """
    if _is_too_deep(body):
        raise Problem("invalid_request", f"values are nested deeper than {DEPTH_MAX}")
    try:
        return msgspec.convert(msgspec.to_builtins(body) | fields, struct)
    except msgspec.ValidationError as error:
        raise Problem("invalid_request", str(error)) from None


def _is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEPTH_MAX):
        level = [child for each in level for child in _children(each)]
        if not level:
            return False
    return True


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, Struct):
        return msgspec.structs.astuple(value)
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else ()
