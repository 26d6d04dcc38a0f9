"""Cursors: where the next page of a list begins. They mean nothing to clients."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, TypeVar

import msgspec

from workers.api.problem import Problem

CURSOR_CHARACTERS_MAX = 256
"""No cursor of ours is so long."""

PlaceT = TypeVar("PlaceT")


def write_cursor(place: Any) -> str:
    """Returns the cursor of a place in a list: a struct, or another value that has JSON."""
    return urlsafe_b64encode(msgspec.json.encode(place)).rstrip(b"=").decode()


def read_cursor(cursor: str | None, place: type[PlaceT]) -> PlaceT | None:
    """Returns the place of a cursor; None for no cursor. Raises Problem for a wrong one."""
    if cursor is None:
        return None
    try:
        if len(cursor) > CURSOR_CHARACTERS_MAX:
            raise ValueError("too long")
        padded = cursor + "=" * (-len(cursor) % 4)
        return msgspec.json.decode(urlsafe_b64decode(padded.encode("ascii")), type=place)
    except (ValueError, binascii.Error, msgspec.MsgspecError, RecursionError):
        detail = "the cursor is none of this list: begin without one"
        raise Problem("invalid_request", detail) from None
