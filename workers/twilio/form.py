"""Twilio's webhooks: their paths, and what their two forms have in common.

Twilio adds and drops fields without notice, so only the fields that the inbox needs are read.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from multidict import MultiDict

from schemas.fields import EventData

INBOUND_PATH = "/twilio/inbound"
"""Twilio posts the messages of contacts here, below the public URL."""

STATUS_PATH = "/twilio/status"
"""Twilio posts the delivery statuses of our messages here, below the public URL."""

SOURCE = "/inbox/twilio"
"""The CloudEvents source of the webhooks' events."""

FIELDS_MAX = 500

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
    """A field's text; "" when it is missing.

    Postgres cannot hold NUL, which becomes U+FFFD, the character for what is unreadable.
    """
    return form.get(name, "").replace("\0", "\ufffd")


def to_data(fields: Mapping[str, Any], struct: type[DataT]) -> DataT:
    """An event's data, checked. Raises BadForm."""
    try:
        return msgspec.convert(fields, struct)
    except msgspec.ValidationError as error:
        raise BadForm(str(error)) from error
