"""Sample records of publishers, in both modes of CloudEvents on Kafka."""

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import msgspec

from schemas.catalog import STRUCT_OF
from schemas.cloudevents import Decoders, Headers, Incoming
from schemas.errors import InvalidRecord

DECODERS = Decoders(STRUCT_OF.values())

MESSAGE: dict[str, Any] = {
    "account_id": "acme",
    "channel_id": "wa1",
    "provider_message_id": "SM1",
    "contact": {"address": "whatsapp:+4911"},
    "body": "Hello",
    "sent_at": "2026-01-01T12:00:00Z",
}

CLOSE: dict[str, Any] = {
    "account_id": "acme",
    "conversation_id": "6f1d2c1e-5b0a-5a7e-9c58-2f1b7b0f6a11",
    "actor_id": "ana",
}

ENVELOPE: dict[str, Any] = {
    "specversion": "1.0",
    "id": "event-1",
    "source": "/tests",
    "type": "inbox.message.received.v1",
    "time": "2026-01-01T12:00:01Z",
    "data": MESSAGE,
}

FETCHED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
"""When the records were fetched."""

SPLICE = "<here>"
"""A placeholder in an envelope; `spliced` replaces it by bytes."""


def without(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    """Returns the fields without some of them."""
    return {name: value for name, value in fields.items() if name not in names}


def structured(data: Any = MESSAGE, **attributes: Any) -> bytes:
    """Returns the value of a record in structured mode."""
    return msgspec.json.encode(ENVELOPE | {"data": data} | attributes)


def in_base64(given: Any, /, **attributes: Any) -> bytes:
    """Returns the value of a record whose data are in `data_base64`: bytes, or what is wrong."""
    encoded = b64encode(given).decode() if isinstance(given, bytes) else given
    return msgspec.json.encode(without(ENVELOPE, "data") | {"data_base64": encoded} | attributes)


def spliced(inserted: bytes, data: Any = MESSAGE, **attributes: Any) -> bytes:
    """Returns a value with bytes in the place of `SPLICE` that no encoder would write."""
    value = structured(data, **attributes)
    assert value.count(b'"<here>"') == 1
    return value.replace(b'"<here>"', inserted)


def binary_headers(**attributes: str | bytes | None) -> list[tuple[str, bytes | None]]:
    """Returns the headers of a record in binary mode; None leaves an attribute out."""
    given = without(ENVELOPE, "data") | attributes
    return [("content-type", b"application/json")] + [
        (f"ce_{name}", text.encode() if isinstance(text, str) else text)
        for name, text in given.items()
        if text is not None
    ]


def decode(value: bytes | None, headers: Headers = (), timestamp: int = 0) -> Incoming[Any]:
    """Decode a record on a topic that carries every type."""
    return DECODERS.decode(value, headers, timestamp, FETCHED_AT)


def refused(value: bytes | None, headers: Headers = (), timestamp: int = 0) -> InvalidRecord:
    """Returns the error with which the codec refuses a record."""
    try:
        event = decode(value, headers, timestamp)
    except InvalidRecord as error:
        return error
    raise AssertionError(f"it was accepted: {event}")
