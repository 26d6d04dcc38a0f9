"""JSON as the API writes it: answers, and the data of its events."""

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson
from aiohttp import web

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Of every answer in JSON: it is a person's own, and it is nothing but JSON."""


_encode_typed = msgspec.json.Encoder().encode


def encode(value: Any) -> bytes:
    """Returns the JSON of structs, dicts and lists of them, without what is UNSET.

    msgspec writes structs, and orjson writes dicts, each what it is faster at (decision 12). Times
    have to be in UTC, as Postgres gives them; they are written with a `Z`.
    """
    if isinstance(value, dict):
        return orjson.dumps(value, default=_within_dict, option=orjson.OPT_UTC_Z)
    return _encode_typed(value)


def _within_dict(value: Any) -> orjson.Fragment:
    return orjson.Fragment(_encode_typed(value))


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
