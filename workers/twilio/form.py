"""Twilio's webhooks: their paths, and what their two forms have in common.

Twilio adds and drops fields without notice, so only the fields that the inbox needs are read.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from multidict import MultiDict

from domain.graphemes import shorten
from schemas.fields import EventData
from schemas.message_context import context_bytes

INBOUND_PATH = "/twilio/inbound"
"""Twilio posts the messages of contacts here, below the public URL."""

STATUS_PATH = "/twilio/status"
"""Twilio posts the delivery statuses of our messages here, below the public URL."""

SOURCE = "/inbox/twilio"
"""The CloudEvents source of the webhooks' events."""

FIELDS_MAX = 500

_SEARCHED_CHARACTERS = 256

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")

_JSON_BYTES_MAX = 6
"""Bytes of one character in JSON: `\\u0001`."""

DataT = TypeVar("DataT", bound=EventData)


class BadForm(ValueError):
    """A signed form without the values that its webhook needs. The message quotes no value."""


def parse_form(body: bytes) -> MultiDict[str]:
    """The fields of a body, blank ones too: they are signed.

    Raises ValueError for more than FIELDS_MAX fields.
    """
    text = body.decode(errors="replace")
    return MultiDict(parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX))


def check_fields(form: MultiDict[str], names: Iterable[str]) -> None:
    """Raise BadForm when one of these fields is missing or empty."""
    for name in names:
        if not form.get(name):
            raise BadForm(f"{name} is missing")


def field_text(form: MultiDict[str], name: str) -> str:
    """A field's text; "" when it is missing."""
    return without_unstorable(form.get(name, ""))


def without_unstorable(text: str) -> str:
    """Returns a text that Postgres can hold.

    NUL and lone surrogates become U+FFFD, the character for what is unreadable.
    """
    return _UNSTORABLE.sub("\ufffd", text)


def start_of(text: str, bytes_max: int) -> str:
    """Returns a text that has at most so many bytes as JSON; a longer one is cut, and ends in `…`.

    JSON escapes some characters, so that it may have six bytes for one byte of a form.
    """
    if len(text) * _JSON_BYTES_MAX + 2 <= bytes_max or context_bytes(text) <= bytes_max:
        return text
    fits = bisect_right(
        range(len(text)), bytes_max, key=lambda end: context_bytes(text[:end] + "…")
    )
    # Of a long text, only the end is searched for a place between two characters as people see
    # them. The search begins before a row of flags: they are pairs, counted from its beginning.
    start = max(0, fits - _SEARCHED_CHARACTERS)
    while start and "\U0001f1e6" <= text[start] <= "\U0001f1ff":
        start -= 1
    return text[:start] + shorten(text[start:], fits - start)


def to_data(fields: Mapping[str, Any], struct: type[DataT]) -> DataT:
    """An event's data, checked. Raises BadForm."""
    try:
        return msgspec.convert(fields, struct)
    except msgspec.ValidationError as error:
        raise BadForm(str(error)) from error
