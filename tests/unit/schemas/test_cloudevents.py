"""CloudEvents on Kafka: both modes are read, the structured mode is written."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from msgspec import UNSET

from schemas.catalog import STRUCT_OF
from schemas.cloudevents import CONTENT_TYPE_HEADER, CloudEvent, encode
from schemas.codes import RejectionCode
from schemas.commands import CommandRejected, ConversationClose
from schemas.conversations import ConversationCreated, MessageRecorded, Snapshot
from schemas.fields import AccountId
from schemas.messages import MessageFailed, MessageReceived
from schemas.topics import RECORD_BYTES_MAX
from tests.unit.schemas.given.envelopes import (
    CLOSE,
    ENVELOPE,
    FETCHED_AT,
    MESSAGE,
    SPLICE,
    binary_headers,
    decode,
    spliced,
    structured,
    without,
)

NOON = datetime(2026, 1, 1, 12, 0, 1, tzinfo=UTC)
STRUCTURED = "application/cloudevents+json"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [CONTENT_TYPE_HEADER],
        [("content-type", STRUCTURED.encode())],
        [("content-type", b"Application/CloudEvents+JSON; charset=UTF-8")],
        [("content-type", None)],
        [("content-type", b"application/json")],
        [("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")],
        [("ce_id", None)],
        [("ce_tenant", b"an extension alone does not make it the binary mode")],
    ],
    ids=str,
)
def test_a_structured_event_is_read_whatever_its_other_headers(
    headers: list[tuple[str, bytes | None]],
) -> None:
    event = decode(structured(), headers)
    assert (event.id, event.type, event.time) == ("event-1", MessageReceived.TYPE, NOON)
    assert isinstance(event.data, MessageReceived)
    assert event.data.contact.address == "whatsapp:+4911"


def test_the_content_type_decides_where_headers_and_value_both_have_attributes() -> None:
    headers = [*binary_headers(id="of-the-headers")[1:], CONTENT_TYPE_HEADER]
    assert decode(structured(), headers).id == "event-1"


@pytest.mark.parametrize("content_type", [b"application/json", b"text/plain", None])
def test_a_binary_event_is_read(content_type: bytes | None) -> None:
    headers = [("content-type", content_type), *binary_headers(id="größe")[1:]]
    event = decode(msgspec.json.encode(MESSAGE), headers)
    assert (event.id, event.type, event.time) == ("größe", MessageReceived.TYPE, NOON)
    assert isinstance(event.data, MessageReceived)


def test_extensions_of_a_binary_event_are_ignored() -> None:
    headers = [*binary_headers(), ("ce_data", b"x"), ("ce_tenant", b"\xff")]
    assert decode(msgspec.json.encode(MESSAGE), headers).id == "event-1"


@pytest.mark.parametrize("prefix", ["ce_", "ce-", "CE_", "Ce-"])
@pytest.mark.parametrize("content_type", ["content-type", "Content-Type", "CONTENT-TYPE"])
def test_a_binary_event_is_read_however_its_headers_are_spelled(
    prefix: str, content_type: str
) -> None:
    attributes = [(name.replace("ce_", prefix), raw) for name, raw in binary_headers()[1:]]
    headers = [(content_type, b"application/json; charset=utf-8"), *attributes]
    assert decode(msgspec.json.encode(MESSAGE), headers).id == "event-1"


@pytest.mark.parametrize("name", ["Content-Type", "CONTENT-TYPE"])
def test_the_content_type_may_be_spelled_as_over_http(name: str) -> None:
    headers = [*binary_headers(id="of-the-headers")[1:], (name, b" Application/CloudEvents+JSON")]
    assert decode(structured(), headers).id == "event-1"


@pytest.mark.parametrize("timestamp", [0, -1, 2**62, -(2**62), 253_402_300_800_000])
def test_without_any_time_a_message_has_the_time_at_which_it_was_sent(timestamp: int) -> None:
    event = decode(structured(time=None), timestamp=timestamp)
    assert event.time == event.data.sent_at == NOON - timedelta(seconds=1)


@pytest.mark.parametrize("timestamp", [0, -1, 2**62, -(2**62), 253_402_300_800_000])
def test_without_any_time_another_event_has_the_time_at_which_it_was_fetched(
    timestamp: int,
) -> None:
    value = structured(CLOSE, type=ConversationClose.TYPE, time=None)
    assert decode(value, timestamp=timestamp).time == FETCHED_AT


@pytest.mark.parametrize(
    "value", [structured(time=None), msgspec.json.encode(without(ENVELOPE, "time"))]
)
def test_an_event_without_a_time_takes_the_records_timestamp(value: bytes) -> None:
    moment = datetime(2026, 3, 4, 5, 6, 7, 890_000, tzinfo=UTC)
    assert decode(value, timestamp=1_772_600_767_890).time == moment


def test_a_binary_event_without_a_time_takes_the_records_timestamp() -> None:
    value = msgspec.json.encode(MESSAGE)
    event = decode(value, binary_headers(time=None), timestamp=1_500)
    assert event.time == datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-01T14:00:01+02:00", NOON),
        ("2026-01-01T12:00:01.000001Z", NOON + timedelta(microseconds=1)),
        ("2026-01-01t12:00:01z", NOON),
        ("1970-01-01T00:00:00Z", datetime(1970, 1, 1, tzinfo=UTC)),
        ("9998-12-31T23:59:59-14:00", datetime(9999, 1, 1, 13, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_time_has_any_offset_and_any_year_that_can_be_kept(text: str, moment: datetime) -> None:
    event = decode(structured(MESSAGE | {"sent_at": text}, time=text))
    assert event.time == event.data.sent_at == moment
    assert event.time.astimezone(UTC) == moment


def test_unknown_fields_are_ignored_everywhere() -> None:
    data = MESSAGE | {"mood": {"a": [1, None]}, "contact": {"address": "x", "mood": 1}}
    event = decode(structured(data, dataschema="x", tenant={"a": 1}))
    assert event.data.contact.address == "x"


def test_fields_that_may_be_left_out_have_their_defaults() -> None:
    message = decode(structured()).data
    assert (message.media, message.historical) == ((), False)
    assert (message.contact.name, message.contact.identities) == (None, ())
    close = decode(structured(CLOSE, type=ConversationClose.TYPE)).data
    assert close.expected_version is None
    assert close.conversation_id == UUID(CLOSE["conversation_id"])


def test_a_value_of_exactly_the_largest_size_is_taken() -> None:
    value = structured()
    assert decode(value + b" " * (RECORD_BYTES_MAX - len(value))).id == "event-1"


@pytest.mark.parametrize(
    "ignored",
    [
        pytest.param(rb'"\u0000"', id="NUL"),
        pytest.param(rb'"\\u0000"', id="an escaped backslash before u0000"),
        pytest.param(b'"\xed\xa0\x80"', id="bytes that are no UTF-8"),
        pytest.param(b"[" * 900 + b"]" * 900, id="nested 900 deep"),
        pytest.param(b"1" * 5_000, id="an integer of 5,000 digits"),
        pytest.param(b"1e999", id="a number that no float holds"),
    ],
)
def test_what_an_ignored_field_holds_does_no_harm(ignored: bytes) -> None:
    assert decode(spliced(ignored, MESSAGE | {"mood": SPLICE})).id == "event-1"


def test_a_backslash_before_u0000_is_text_and_no_nul() -> None:
    assert decode(structured(MESSAGE | {"body": r"\u0000"})).data.body == r"\u0000"


def test_a_text_may_hold_any_other_character() -> None:
    text = "\x01\t\n\u2028\uffff\U0010ffff e\u0301 \u202e 👩‍👩‍👧"
    assert decode(structured(MESSAGE | {"body": text})).data.body == text


CREATED = ConversationCreated(
    account_id=AccountId("acme"),
    conversation_id="c",
    version=1,
    before=None,
    after=Snapshot("open", None),
    actor_id=None,
    reason="inbound_message",
)
EMITTED = CloudEvent("e", CREATED.TYPE, NOON, CREATED, "c", "cause")


def test_an_emitted_event_has_exactly_these_attributes() -> None:
    assert msgspec.json.decode(encode(EMITTED)) == {
        "specversion": "1.0",
        "id": "e",
        "source": "/inbox",
        "type": "inbox.conversation.created.v1",
        "subject": "c",
        "time": "2026-01-01T12:00:01Z",
        "causationid": "cause",
        "datacontenttype": "application/json",
        "data": {
            "account_id": "acme",
            "conversation_id": "c",
            "version": 1,
            "before": None,
            "after": {"status": "open", "assignee_id": None},
            "actor_id": None,
            "reason": "inbound_message",
        },
    }


def test_attributes_that_are_unset_are_left_out() -> None:
    event = CloudEvent("e", CREATED.TYPE, NOON, CREATED)
    assert msgspec.json.decode(encode(event)).keys() == {
        "specversion",
        "id",
        "source",
        "type",
        "time",
        "datacontenttype",
        "data",
    }


@pytest.mark.parametrize(
    ("data", "absent"),
    [
        (
            CommandRejected(
                account_id=AccountId("acme"),
                conversation_id="c",
                version=0,
                command_id="1",
                command_type=ConversationClose.TYPE,
                code=RejectionCode.SUPERSEDED,
            ),
            {"detail"},
        ),
        (
            MessageFailed(
                account_id=AccountId("acme"),
                conversation_id="c",
                version=3,
                message_id="m",
                status="failed",
            ),
            {"provider_message_id", "error_code"},
        ),
    ],
    ids=["command.rejected", "message.failed"],
)
def test_fields_that_are_unset_are_left_out(data: Any, absent: set[str]) -> None:
    written = msgspec.json.decode(encode(CloudEvent("e", data.TYPE, NOON, data)))["data"]
    assert written.keys() == {
        name for name in data.__struct_fields__ if getattr(data, name) is not UNSET
    }
    assert not absent & written.keys()


def test_fields_that_are_none_are_written_as_null() -> None:
    recorded = MessageRecorded(
        account_id=AccountId("acme"),
        conversation_id="c",
        version=2,
        before=Snapshot("open", None),
        after=Snapshot("open", None),
        actor_id=None,
        reason="reply",
        message_id="m",
        provider_message_id=None,
        direction="outbound",
        sent_at=NOON,
        historical=False,
    )
    written = msgspec.json.decode(msgspec.json.encode(recorded))
    assert written["provider_message_id"] is None
    assert written["before"] == {"status": "open", "assignee_id": None}


def test_what_is_emitted_can_be_read_back() -> None:
    assert STRUCT_OF[CREATED.TYPE] is ConversationCreated
    event = decode(encode(EMITTED), [CONTENT_TYPE_HEADER])
    assert (event.id, event.time, event.data) == ("e", NOON, CREATED)
