"""Decodes paths, queries and bodies into the structs of an operation."""

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from workers.api.operation import Operation
from workers.api.problem import Problem, not_found

BODY_BYTES_MAX = 64 * 1024
BODY_SECONDS = 10.0
"""A client that has not sent its body by then is answered 408."""

DETAIL_CHARACTERS_MAX = 300
PATH_CHARACTERS_MAX = 100
"""So much is said of a field that a client named, which may be as long as the body."""

_UNSTORABLE = re.compile(r"[\0\ud800-\udfff]")

StructT = TypeVar("StructT", bound=Struct)


class _Members(list[tuple[str, Any]]):
    """The members of a JSON object as they came: a name may be among them twice."""


def decode_path(struct: type[StructT], given: Mapping[str, str]) -> StructT:
    """Returns the fields of a path. Raises Problem: what cannot exist is not found."""
    try:
        for name, value in given.items():
            _check_text(value, name)
        return msgspec.convert(dict(given), struct, strict=False)
    except (msgspec.ValidationError, Problem):
        raise not_found() from None


def decode_query(struct: type[StructT], request: web.Request) -> StructT:
    """Returns the fields of a query. An empty one counts as not given. Raises Problem."""
    names = struct.__struct_encode_fields__
    given: dict[str, str] = {}
    for name, value in request.query.items():
        _check_text(name, "the query")
        _check_text(value, name)
        if name not in names:
            known = ", ".join(sorted(names)) or "none"
            raise _wrong(f"{name[:PATH_CHARACTERS_MAX]!r} is unknown; known are: {known}")
        if name in given:
            raise _wrong(f"`{name}` is given twice")
        given[name] = value
    try:
        return msgspec.convert(
            {name: value for name, value in given.items() if value}, struct, strict=False
        )
    except msgspec.ValidationError as error:
        raise _wrong(_without_root(error)) from None


async def read_body(operation: Operation, request: web.Request) -> Any:
    """Returns the body of an operation that has one, decoded; none stands for `{}` where that is
    a whole one. Raises Problem."""
    if operation.body is None:
        return None
    if operation.body_is_optional and not request.can_read_body:
        return msgspec.convert({}, operation.body)
    if request.content_type != "application/json":
        raise Problem("not_json", "the body has to be application/json; `{}` is an empty one")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _read(request)
    except TimeoutError:
        raise Problem("body_too_slow", f"the body did not come within {BODY_SECONDS} s") from None
    try:
        decoded = msgspec.json.decode(body, type=operation.body)
        _check_json(body)
    except msgspec.ValidationError as error:
        raise _wrong(_without_root(error)) from None
    except (ValueError, RecursionError):
        # Of msgspec: a DecodeError, or a text that is not UTF-8.
        detail = (
            "the body is not JSON in UTF-8, has half of a surrogate pair, or is nested too deep"
        )
        raise _wrong(detail) from None
    return decoded


async def _read(request: web.Request) -> bytes:
    body = bytearray()
    try:
        if (request.content_length or 0) <= BODY_BYTES_MAX:
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > BODY_BYTES_MAX:
                    break
            else:
                return bytes(body)
    except (web.RequestPayloadError, ConnectionError, asyncio.IncompleteReadError):
        raise _wrong("the body is not encoded as its headers say, or ended too soon") from None
    raise Problem("body_too_large", f"a body has at most {BODY_BYTES_MAX} bytes")


def _check_json(body: bytes) -> None:
    """Raise Problem for what msgspec takes and no client means: a name that is given twice, and
    texts that Postgres cannot hold."""
    waiting: list[tuple[str, Any]] = [("", json.loads(body, object_pairs_hook=_Members))]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, str):
            _check_text(value, path)
        elif isinstance(value, _Members):
            seen: set[str] = set()
            for name, member in value:
                inner = f"{path}.{name}".lstrip(".")[:PATH_CHARACTERS_MAX]
                _check_text(name, path)
                if name in seen:
                    raise _wrong(f"`{inner}` is given twice")
                seen.add(name)
                waiting.append((inner, member))
        elif isinstance(value, list):
            waiting += [(f"{path}[{index}]", item) for index, item in enumerate(value)]


def _check_text(text: str, path: str) -> None:
    """Raise Problem for a text that Postgres cannot hold: NUL, or a lone surrogate."""
    if _UNSTORABLE.search(text):
        raise _wrong(f"a text has a NUL or half of a surrogate pair - at `{path}`")


def _wrong(detail: str) -> Problem:
    return Problem("invalid_request", detail[:DETAIL_CHARACTERS_MAX])


def _without_root(error: msgspec.ValidationError) -> str:
    """Returns what msgspec found, with the path of the field: `$.assignee_id` is `assignee_id`."""
    return str(error).replace("`$.", "`").replace(" - at `$`", "")
