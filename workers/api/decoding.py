"""Decodes paths, queries and bodies into the structs of an operation."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from schemas.fields import texts
from workers.api.operation import Operation
from workers.api.problem import Problem, not_found

BODY_BYTES_MAX = 64 * 1024
BODY_SECONDS = 10.0
"""A client that has not sent its body by then is answered 408."""

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_UNREADABLE = "is not JSON in UTF-8"

StructT = TypeVar("StructT", bound=Struct)


def decode_path(struct: type[StructT], given: Mapping[str, str]) -> StructT:
    """Returns the fields of a path. Raises Problem: what cannot exist is not found."""
    try:
        check_texts(given.values())
        return msgspec.convert(dict(given), struct, strict=False)
    except (msgspec.ValidationError, Problem):
        raise not_found() from None


def decode_query(struct: type[StructT], request: web.Request) -> StructT:
    """Returns the fields of a query. An empty one counts as not given. Raises Problem."""
    given: dict[str, str] = {}
    for name, value in request.query.items():
        if name in given:
            raise Problem("invalid_request", f"{_quoted(name)} is given twice")
        given[name] = value
    check_texts([*given, *given.values()])
    names = {name for name in struct.__struct_encode_fields__}
    if unknown := given.keys() - names:
        known = ", ".join(sorted(names)) or "none"
        detail = f"{_quoted(min(unknown))} is unknown; known are: {known}"
        raise Problem("invalid_request", detail)
    try:
        return msgspec.convert(
            {name: value for name, value in given.items() if value}, struct, strict=False
        )
    except msgspec.ValidationError as error:
        raise Problem("invalid_request", _without_root(error)) from None


async def read_body(operation: Operation, request: web.Request) -> Any:
    """Returns the body of an operation that has one, decoded. Raises Problem."""
    if operation.body is None:
        return None
    if request.content_type != "application/json":
        raise Problem("not_json", "the body has to be application/json")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _read(request)
    except TimeoutError:
        raise Problem("body_too_slow", f"the body did not come within {BODY_SECONDS} s") from None
    try:
        decoded = msgspec.json.decode(body, type=operation.body)
        check_texts([msgspec.json.decode(body)])
    except msgspec.ValidationError as error:
        raise Problem("invalid_request", _without_root(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Problem("invalid_request", f"the body {_UNREADABLE}") from None
    return decoded


async def _read(request: web.Request) -> bytes:
    length = request.content_length
    if length is None or length <= BODY_BYTES_MAX:
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                break
        else:
            return bytes(body)
    raise Problem("body_too_large", f"a body has at most {BODY_BYTES_MAX} bytes")


def check_texts(values: Any) -> None:
    """Raise Problem for a text that Postgres cannot hold: NUL, or a lone surrogate."""
    for text in texts(list(values)):
        if "\0" in text or _SURROGATE.search(text):
            raise Problem("invalid_request", "a text has a NUL or half of a surrogate pair")


def _quoted(name: str) -> str:
    return repr(name[:64])


def _without_root(error: msgspec.ValidationError) -> str:
    """Returns what msgspec found, with the path of the field: `$.assignee_id` is `assignee_id`."""
    return str(error).replace("`$.", "`").replace(" - at `$`", "")
