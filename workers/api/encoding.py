"""JSON as the API writes it: answers, and the data of its events."""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""Of every answer in JSON: it is a person's own, and it is nothing but JSON."""


encode = msgspec.json.Encoder().encode
"""Returns the JSON of structs, dicts and lists of them, without what is UNSET. Times have to be in
UTC, as Postgres gives them; they are written with a `Z`."""


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
