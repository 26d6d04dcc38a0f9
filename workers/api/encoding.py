"""JSON as the API writes it: answers, and the data of its events."""

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson
from aiohttp import web

_OPTIONS = orjson.OPT_UTC_Z

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Of every answer in JSON: it is a person's own, and it is nothing but JSON."""


def encode(value: Any) -> bytes:
    """Returns the JSON of structs, dicts and lists of them. Times have to be in UTC, as Postgres
    gives them; they are written with a `Z`."""
    return orjson.dumps(value, default=_plain, option=_OPTIONS)


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


def json_answer(
    value: Any,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> web.Response:
    """Returns an answer in JSON; an empty one for None."""
    return web.Response(
        body=None if value is None else encode(value),
        status=status,
        headers={**_HEADERS, **(headers or {})},
        content_type=None if value is None else content_type,
    )
