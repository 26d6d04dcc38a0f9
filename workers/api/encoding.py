"""JSON as the API writes it: answers, and the data of its events."""

from typing import Any

import msgspec
import orjson

_OPTIONS = orjson.OPT_UTC_Z


def encode(value: Any) -> bytes:
    """Returns the JSON of structs, dicts and lists of them. Times have to be in UTC, as Postgres
    gives them; they are written with a `Z`."""
    return orjson.dumps(value, default=_plain, option=_OPTIONS)


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    raise TypeError(f"no JSON for {type(value).__name__}")
