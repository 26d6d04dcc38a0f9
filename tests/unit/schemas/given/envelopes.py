"""Records as publishers write them, in both modes of CloudEvents on Kafka."""

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

SPLICE = "<here>"
"""Stands in an envelope for the bytes that `spliced` puts there."""


def without(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    """The fields but for some."""
    return {name: value for name, value in fields.items() if name not in names}


def structured(data: Any = MESSAGE, **attributes: Any) -> bytes:
    """A record's value in structured mode."""
    return msgspec.json.encode(ENVELOPE | {"data": data} | attributes)


def spliced(inserted: bytes, data: Any = MESSAGE, **attributes: Any) -> bytes:
    """A value with bytes that no encoder would write where `SPLICE` stands."""
    value = structured(data, **attributes)
    assert value.count(b'"<here>"') == 1
    return value.replace(b'"<here>"', inserted)


def binary_headers(**attributes: str | bytes | None) -> list[tuple[str, bytes | None]]:
    """The headers of a record in binary mode; None leaves an attribute out."""
    given = without(ENVELOPE, "data") | attributes
    return [("content-type", b"application/json")] + [
        (f"ce_{name}", text.encode() if isinstance(text, str) else text)
        for name, text in given.items()
        if text is not None
    ]


def decode(value: bytes | None, headers: Headers = (), timestamp: int = 0) -> Incoming[Any]:
    """What the codec makes of a record on a topic that carries every type."""
    return DECODERS.decode(value, headers, timestamp)


def refused(value: bytes | None, headers: Headers = (), timestamp: int = 0) -> InvalidRecord:
    """Why the codec refuses a record."""
    try:
        event = decode(value, headers, timestamp)
    except InvalidRecord as error:
        return error
    raise AssertionError(f"it was taken: {event}")
