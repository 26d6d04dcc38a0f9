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
from schemas.topics import RECORD_BYTES_MAX

STRUCTURED = "application/cloudevents+json"
CONTENT_TYPE_HEADER = ("content-type", b"application/cloudevents+json; charset=utf-8")
EVENT_HEADERS: list[tuple[str, bytes | None]] = [CONTENT_TYPE_HEADER]
"""All headers of a record that holds an event in structured mode; aiokafka wants a list."""

SOURCE = "/inbox"
"""The `source` of every event that this system emits."""

ID_CHARACTERS_MAX = 256

DataT = TypeVar("DataT", bound=EventData)
Headers = Iterable[tuple[str, bytes | None]]


class Incoming(Struct, Generic[DataT], frozen=True):
    """A valid event that came in."""

    id: str
    type: str
    time: datetime
    """When it was issued; if the event has no time, the timestamp of the record."""
    data: DataT


class Decoders:
    """The typed decoders of the types that one topic carries.

    Bytes from outside become typed values in `decode`, and nowhere else.
    """

    def __init__(self, structs: Iterable[type[EventData]]) -> None:
        self._by_type = {struct.TYPE: msgspec.json.Decoder(struct) for struct in structs}

    def decode(
        self, value: bytes | None, headers: Headers, timestamp_milliseconds: int
    ) -> Incoming[Any]:
        """Decode the value and the headers of a record. Raises InvalidRecord."""
        if not value:
            raise InvalidRecord(DeadLetterCode.NOT_JSON, "the record has no value")
        if len(value) > RECORD_BYTES_MAX:
            detail = f"{len(value)} bytes, at most {RECORD_BYTES_MAX} are taken"
            raise InvalidRecord(DeadLetterCode.TOO_LARGE, detail)
        envelope = _envelope(value, headers)
        decoder = self._by_type.get(envelope.type)
        if decoder is None:
            raise InvalidRecord(
                DeadLetterCode.UNKNOWN_TYPE, f"{envelope.type[:200]!r} is not for here"
            )
        if not envelope.data:
            raise InvalidRecord(
                DeadLetterCode.INVALID_DATA, "missing required field `data` - at `$`"
            )
        try:
            data = decoder.decode(envelope.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _invalid(value, error, DeadLetterCode.INVALID_DATA, "$.data") from error
        event: Incoming[Any] = Incoming(
            envelope.id, envelope.type, _time(envelope, timestamp_milliseconds), data
        )
        if b"\\u0000" in value or "\0" in envelope.id:
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

    def __post_init__(self) -> None:
        if self.time is not None:
            check_year("time", self.time)


_ENVELOPE = msgspec.json.Decoder(_Envelope)

# The attributes in the headers of the binary mode; extensions are ignored.
_ATTRIBUTES = {f"ce_{name}": name for name in ("specversion", "id", "source", "type", "time")}


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
    for name, raw in headers:
        if name == "content-type":
            if raw is not None and raw.lower().startswith(b"application/cloudevents"):
                return None
        elif raw is not None and name in _ATTRIBUTES:
            attributes[_ATTRIBUTES[name]] = raw
    try:
        return {name: raw.decode() for name, raw in attributes.items()} or None
    except UnicodeDecodeError as error:
        # Not replaced: two different ids could become equal, and a command be taken for a repeat.
        detail = f"a `ce_` header is not UTF-8: {error}"
        raise InvalidRecord(DeadLetterCode.NOT_CLOUDEVENT, detail) from error


def _time(envelope: _Envelope, timestamp_milliseconds: int) -> datetime:
    if envelope.time is not None:
        return envelope.time
    try:
        moment = datetime.fromtimestamp(timestamp_milliseconds / 1000, UTC)
        check_year("time", moment)
    except (ValueError, OverflowError, OSError) as error:
        # Producers set the timestamp of a record, perhaps to nonsense.
        detail = f"no `time`, and the record's timestamp is {timestamp_milliseconds} ms"
        raise InvalidRecord(DeadLetterCode.NOT_CLOUDEVENT, detail) from error
    return moment


def _invalid(
    value: bytes, error: Exception, wrong_shape: DeadLetterCode, path: str
) -> InvalidRecord:
    """Returns why decoding failed: no JSON, a text that cannot be stored, or a wrong shape.

    msgspec stops at the first error. So the standard library checks whether the whole value is
    JSON; it checks only bad records, and costs the good ones nothing.
    """
    try:
        # As text: Python refuses integers of thousands of digits, and they are valid JSON.
        parsed = json.loads(value, parse_int=str)
    except RecursionError:
        return InvalidRecord(DeadLetterCode.NOT_JSON, "nested deeper than can be read")
    except ValueError as malformed:
        return InvalidRecord(DeadLetterCode.NOT_JSON, str(malformed))
    if isinstance(error, msgspec.ValidationError):
        # The paths of msgspec start at the value it decoded: its `$` is `path` in this record.
        detail = re.sub(r"`\$", f"`{path}", str(error))
        return InvalidRecord(wrong_shape, detail if "`$" in detail else f"{detail} - at `{path}`")
    if any("\ud800" <= char <= "\udfff" for text in texts(parsed) for char in text):
        return InvalidRecord(DeadLetterCode.UNSTORABLE, "a text holds a lone surrogate")
    return InvalidRecord(DeadLetterCode.NOT_JSON, str(error))


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
