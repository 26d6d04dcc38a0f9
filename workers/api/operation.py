"""What an operation of the API is. `table` lists all of them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web
from msgspec import Struct
from msgspec.structs import fields

from workers.api.caller import Caller

PREFIX = "/api/v1"

Method = Literal["GET", "POST", "PUT", "DELETE"]


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """No fields: the query or the path of an operation that has none."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request, decoded and checked, from a caller who may make it."""

    caller: Caller
    path: Any
    """The operation's struct `path`, decoded."""
    query: Any
    """The operation's struct `query`, decoded."""
    body: Any
    """The operation's struct `body`, decoded; None for an operation without one."""
    request: web.Request


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer with another status than 200, or with headers."""

    body: Any = None
    """What is encoded as JSON; None for an empty answer."""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Handle = Callable[[Any, Call], Awaitable[Any]]
"""Answers a call, with the parts of the API. Returns what is encoded as JSON, an Answer, or a
prepared aiohttp response (a stream or a file). Raises Problem."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation: its address, what comes in, what goes out, and what can be wrong."""

    name: str
    """In the OpenAPI document, and in metrics."""
    method: Method
    address: str
    """Below `PREFIX`, with the fields of `path` in braces."""
    summary: str
    handle: Handle
    answers: Mapping[int, Any]
    """The type of each answer, by its status; None for an empty one."""
    path: type[Struct] = Nothing
    query: type[Struct] = Nothing
    body: type[Any] | None = None
    codes: tuple[str, ...] = ()
    """The codes of this operation's own problems. Those that every operation of its form may have
    are in `handling`."""
    codes_of_repeats: tuple[str, ...] = ()
    """The codes that a repeated key may be answered beside: those of what had the key first."""
    content_type: str = "application/json"
    """Of the answer."""
    is_public: bool = False
    """Whether it needs no caller."""
    headers: Mapping[str, Any] = field(default_factory=dict)
    """The type of each header of the request that it reads beside those of every request, by its
    name, with a description. It decodes them by itself."""

    @property
    def body_is_optional(self) -> bool:
        """Whether a POST may come without a body, which then means `{}`: no field is required."""
        return (
            self.method == "POST"
            and self.body is not None
            and not any(each.required for each in fields(self.body))
        )

    @property
    def answers_json(self) -> bool:
        """Whether its answers are JSON; otherwise they are a stream or a file."""
        return self.content_type == "application/json"

    @property
    def is_stream(self) -> bool:
        """Whether its answer goes on for as long as the client listens."""
        return self.content_type == "text/event-stream"
