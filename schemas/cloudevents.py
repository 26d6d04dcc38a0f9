"""CloudEvents 1.0 on Kafka: both modes are read, the structured mode is written.

Source of the rules: CloudEvents 1.0.2, the JSON event format and the Kafka protocol binding.
"""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from schemas.codes import DeadLetterCode
from schemas.errors import InvalidRecord
from schemas.fields import EventData, Instant, NonEmpty, check_year, texts
from schemas.messages import MessageReceived
from schemas.topics import RECORD_BYTES_MAX

CONTENT_TYPE_HEADER = ("content-type", b"application/cloudevents+json; charset=utf-8")
EVENT_HEADERS: list[tuple[str, bytes | None]] = [CONTENT_TYPE_HEADER]
"""All headers of a record that holds an event in structured mode; aiokafka wants a list."""

SOURCE = "/inbox"
"""The `source` of every event that this system emits."""

ID_CHARACTERS_MAX = 256

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""Ignored at the beginning of JSON, as RFC 8259, section 8.1, allows."""

DataT = TypeVar("DataT", bound=EventData)
Headers = Iterable[tuple[str, bytes | None]]


class Incoming(Struct, Generic[DataT], frozen=True):
    """A valid event that came in."""

    id: str
    type: str
    time: datetime
    """When it was issued. See `_time` for an event that does not say it."""
    data: DataT


class Decoders:
    """The typed decoders of the types that one topic carries.

    Bytes from outside become typed values in `decode`, and nowhere else.
    """

    def __init__(self, structs: Iterable[type[EventData]]) -> None:
        self._by_type = {struct.TYPE: msgspec.json.Decoder(struct) for struct in structs}

    def decode(
        self,
        value: bytes | None,
        headers: Headers,
        timestamp_milliseconds: int,
        fetched_at: datetime,
    ) -> Incoming[Any]:
        """Decode the value and the headers of a record. Raises InvalidRecord.

        `fetched_at` is the time of an event for which nobody gave one. Pass the same one when a
        record is decoded again.
        """
        if not value:
            raise InvalidRecord(DeadLetterCode.NOT_JSON, "the record has no value")
        if len(value) > RECORD_BYTES_MAX:
            detail = f"{len(value)} bytes, at most {RECORD_BYTES_MAX} are taken"
            raise InvalidRecord(DeadLetterCode.TOO_LARGE, detail)
        envelope = _envelope(value.removeprefix(BYTE_ORDER_MARK), headers)
        decoder = self._by_type.get(envelope.type)
        if decoder is None:
            raise InvalidRecord(
                DeadLetterCode.UNKNOWN_TYPE, f"{envelope.type[:200]!r} is not for here"
            )
        json_, path = _data(envelope)
        try:
            data = decoder.decode(json_)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _invalid(bytes(json_), error, DeadLetterCode.INVALID_DATA, path) from error
        time = _time(envelope, data, timestamp_milliseconds, fetched_at)
        event: Incoming[Any] = Incoming(envelope.id, envelope.type, time, data)
        # In base64 it cannot be seen.
        if b"\\u0000" in (envelope.data_base64 or value) or "\0" in envelope.id:
            _reject_nul(event)
        return event


class _Envelope(Struct, frozen=True, kw_only=True):
    specversion: Literal["1.0"]
    id: Annotated[str, Meta(min_length=1, max_length=ID_CHARACTERS_MAX)]
    source: NonEmpty
    type: NonEmpty
    # Null stands for an attribute that is not there (JSON event format, section 2.2).
    time: Instant | None = None
    data: Raw = Raw()
    # The data of a publisher to whose library they were bytes (section 3.1).
    data_base64: bytes | None = None

    def __post_init__(self) -> None:
        if self.time is not None:
            check_year("time", self.time)
        if self.data_base64 is not None and bytes(self.data) not in {b"", b"null"}:
            raise ValueError("`data` and `data_base64`: an event has one of them")


_ENVELOPE = msgspec.json.Decoder(_Envelope)

# The attributes in the headers of the binary mode; extensions are ignored. Kafka's binding of
# CloudEvents says `ce_`. Bridges from HTTP keep the names that they got: `ce-`, in any case.
_ATTRIBUTES = {
    prefix + name: name
    for prefix in ("ce_", "ce-")
    for name in ("specversion", "id", "source", "type", "time")
}


def _envelope(value: bytes, headers: Headers) -> _Envelope:
    attributes = _binary_attributes(headers)
    try:
        if attributes is None:
            return _ENVELOPE.decode(value)
        envelope = msgspec.convert(attributes, _Envelope, strict=True)
        return msgspec.structs.replace(envelope, data=Raw(value))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _invalid(value, error, DeadLetterCode.NOT_CLOUDEVENT, "$") from error


def _binary_attributes(headers: Headers) -> dict[str, str] | None:
    """Returns the `ce_` headers as attributes, or None if the record is in structured mode."""
    attributes: dict[str, bytes] = {}
    for given_name, raw in headers:
        if raw is None:
            continue
        name = given_name.lower()
        if name == "content-type":
            content_type = raw.strip().lower()
            if content_type.startswith(b"application/cloudevents-batch"):
                detail = "a batch: publish each of its events as a record of its own"
                raise InvalidRecord(DeadLetterCode.NOT_CLOUDEVENT, detail)
            if content_type.startswith(b"application/cloudevents"):
                return None
        elif name in _ATTRIBUTES:
            attributes[_ATTRIBUTES[name]] = raw
    try:
        return {name: raw.decode() for name, raw in attributes.items()} or None
    except UnicodeDecodeError as error:
        # Not replaced: two different ids could become equal, and a command be taken for a repeat.
        detail = f"a `ce_` header is not UTF-8: {error}"
        raise InvalidRecord(DeadLetterCode.NOT_CLOUDEVENT, detail) from error


def _data(envelope: _Envelope) -> tuple[bytes | Raw, str]:
    """Returns the JSON of the data, and its path. Raises InvalidRecord where there is none."""
    if envelope.data_base64 is not None:
        return envelope.data_base64.removeprefix(BYTE_ORDER_MARK), "$.data_base64"
    if not envelope.data:
        raise InvalidRecord(DeadLetterCode.INVALID_DATA, "missing required field `data` - at `$`")
    return envelope.data, "$.data"


def _time(
    envelope: _Envelope, data: EventData, timestamp_milliseconds: int, fetched_at: datetime
) -> datetime:
    """Returns when an event was issued.

    Without a `time` it is the record's timestamp. Publishers set that too, perhaps to nonsense;
    -1 and 0 stand for none. Then a message of a contact was issued when it was sent, and any other
    event when it was fetched.
    """
    if envelope.time is not None:
        return envelope.time
    try:
        if timestamp_milliseconds > 0:
            moment = datetime.fromtimestamp(timestamp_milliseconds / 1000, UTC)
            check_year("time", moment)
            return moment
    except (ValueError, OverflowError, OSError):
        pass
    return data.sent_at if isinstance(data, MessageReceived) else fetched_at


def _invalid(
    value: bytes, error: Exception, wrong_shape: DeadLetterCode, path: str
) -> InvalidRecord:
    """Returns why decoding failed: no JSON, a text that cannot be stored, or a wrong shape.

    `value` is at `path` of the record. msgspec stops at the first error. So the standard library
    checks whether all of it is JSON; it checks only bad records, and costs the good ones nothing.
    """
    try:
        # As text: Python refuses integers of thousands of digits, and they are valid JSON.
        parsed = json.loads(value, parse_int=str)
    except RecursionError:
        return InvalidRecord(
            DeadLetterCode.NOT_JSON, f"nested deeper than can be read - at `{path}`"
        )
    except ValueError as malformed:
        return InvalidRecord(DeadLetterCode.NOT_JSON, f"{malformed} - at `{path}`")
    if isinstance(error, msgspec.ValidationError):
        # The paths of msgspec start at the value it decoded: its `$` is `path` in this record.
        detail = re.sub(r"`\$", f"`{path}", str(error))
        return InvalidRecord(wrong_shape, detail if "`$" in detail else f"{detail} - at `{path}`")
    if any("\ud800" <= char <= "\udfff" for text in texts(parsed) for char in text):
        return InvalidRecord(DeadLetterCode.UNSTORABLE, "a text holds a lone surrogate")
    return InvalidRecord(DeadLetterCode.NOT_JSON, f"{error} - at `{path}`")


def _reject_nul(event: Incoming[Any]) -> None:
    """Raise InvalidRecord if a text that is stored holds NUL. Ignored fields may hold it."""
    for text in texts([event.id, msgspec.to_builtins(event.data)]):
        if "\0" in text:
            raise InvalidRecord(DeadLetterCode.UNSTORABLE, "a text holds NUL")


class CloudEvent(Struct, frozen=True):
    """An event in structured mode. Attributes that are UNSET are not written."""

    id: str
    type: str
    time: datetime
    data: Any
    subject: str | UnsetType = UNSET
    causationid: str | UnsetType = UNSET
    """The id of the event that caused this one (an extension attribute)."""
    source: str = SOURCE
    specversion: str = "1.0"
    datacontenttype: str = "application/json"


encode = msgspec.json.Encoder().encode
"""Encodes a CloudEvent to the bytes of a record."""
