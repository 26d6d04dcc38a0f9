"""A status callback becomes a receipt; its repeats become the same event."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cloudevents import CONTENT_TYPE_HEADER, CloudEvent, Decoders, encode
from schemas.fields import AccountId, ChannelId
from schemas.ids import conversation_id
from schemas.messages import MessageStatus
from tests.harness.signed_forms import STATUS
from workers.twilio.form import BadForm, parse_form
from workers.twilio.status_form import status_event

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ACME, CHANNEL = AccountId("acme"), ChannelId("wa1")
MID = "0190a719-ac96-7eb9-a837-cac215164834"


def event(query: str = "", **fields: str) -> CloudEvent:
    """The event of a callback with these fields and those of every callback."""
    usual = {
        "MessageSid": "SM3",
        "MessageStatus": "sent",
        "From": "whatsapp:+1",
        "To": "whatsapp:+49",
    }
    return status_event(parse_form(urlencode(usual | fields).encode()), query, ACME, CHANNEL, NOW)


def receipt(query: str = "", **fields: str) -> MessageStatus:
    data = event(query, **fields).data
    assert isinstance(data, MessageStatus)
    return data


def test_a_callback_becomes_an_event_under_the_conversations_key() -> None:
    made = status_event(parse_form(STATUS), f"mid={MID}&t=7", ACME, CHANNEL, NOW)
    conversation = conversation_id(ACME, CHANNEL, "whatsapp:+4915112345678")
    assert (made.type, made.time, made.subject) == (MessageStatus.TYPE, NOW, conversation)
    read = Decoders([MessageStatus]).decode(encode(made), [CONTENT_TYPE_HEADER], 0, NOW)
    assert read.data == MessageStatus(
        account_id=ACME,
        channel_id=CHANNEL,
        conversation_id=UUID(conversation),
        message_id=UUID(MID),
        provider_message_id="SM00000000000000000000000000000003",
        status="read",
    )


@pytest.mark.parametrize(
    ("query", "message_id", "part"),
    [
        ("", None, None),
        (f"mid={MID}&a=2", UUID(MID), 2),
        (f"a=1&x=y&mid={MID}&a=7", UUID(MID), 1),
        ("mid=&a=", None, None),
        ("mid=7&a=0", None, None),
        ("mid=%FF&a=-1", None, None),
        ("a=%D9%A3", None, None),  # a digit, but not ASCII
        ("a=1.5", None, None),
        ("a=" + "9" * 5000, None, None),
        ("&&=&%zz&;", None, None),
        ("a=1&" * 2000, None, 1),
    ],
    ids=lambda value: str(value)[:30],
)
def test_the_query_may_name_the_message_and_the_part(
    query: str, message_id: UUID | None, part: int | None
) -> None:
    made = receipt(query)
    assert (made.message_id, made.attempt) == (message_id, part)


@pytest.mark.parametrize(
    ("fields", "sid"),
    [
        ({"SmsSid": "SM4"}, "SM3"),
        ({"MessageSid": "", "SmsSid": "SM4"}, "SM4"),
        ({"MessageSid": "MM5"}, "MM5"),
    ],
    ids=str,
)
def test_the_message_is_named_by_either_field(fields: dict[str, str], sid: str) -> None:
    assert receipt(**fields).provider_message_id == sid


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"SmsStatus": "queued"}, "sent"),
        ({"MessageStatus": "", "SmsStatus": "queued"}, "queued"),
        ({"MessageStatus": " Delivered\n"}, "Delivered"),
        ({"MessageStatus": "teleported"}, "teleported"),
        ({"MessageStatus": "a\0b"}, "a\ufffdb"),
    ],
    ids=str,
)
def test_the_word_is_kept_as_it_is(fields: dict[str, str], status: str) -> None:
    assert receipt(**fields).status == status


@pytest.mark.parametrize(
    ("code", "number"),
    [
        ("63016", 63016),
        (" 63016 ", 63016),
        ("0", 0),
        ("", None),
        ("E1", None),
        ("-1", None),
        ("²", None),
        ("9" * 10, None),
    ],
)
def test_an_error_code_is_a_number_or_none(code: str, number: int | None) -> None:
    assert receipt(ErrorCode=code).error_code == number


@pytest.mark.parametrize(
    "fields",
    [
        {"MessageSid": ""},
        {"MessageSid": "SM 3"},
        {"MessageStatus": ""},
        {"MessageStatus": " \t"},
        {"From": ""},
        {"To": ""},
    ],
    ids=str,
)
def test_a_form_without_what_every_callback_has_is_bad(fields: dict[str, str]) -> None:
    with pytest.raises(BadForm):
        event(**fields)


def test_a_repeat_has_the_same_id_and_another_callback_has_not() -> None:
    first = event()
    later = status_event(
        parse_form(b"To=whatsapp%3A%2B49&From=whatsapp%3A%2B1&MessageStatus=sent&MessageSid=SM3"),
        "mid=other",
        ACME,
        CHANNEL,
        NOW + timedelta(seconds=5),
    )
    assert first.id == later.id
    others = [
        event(MessageStatus="delivered"),
        event(MessageSid="SM4"),
        event(ErrorCode="30003"),
        event(RawDlrDoneDate="2601011200"),
    ]
    assert len({first.id, *(other.id for other in others)}) == 5


NAMES = ("MessageSid", "SmsSid", "MessageStatus", "SmsStatus", "From", "To", "ErrorCode")


@given(st.dictionaries(st.sampled_from(NAMES), st.binary(max_size=20)), st.text())
def test_any_form_is_a_receipt_that_can_be_read_or_a_bad_form(
    fields: dict[str, bytes], query: str
) -> None:
    usual = {"MessageSid": b"SM1", "MessageStatus": b"sent", "From": b"+1", "To": b"+49"}
    form = parse_form(urlencode(usual | fields).encode())
    try:
        made = status_event(form, query, ACME, CHANNEL, NOW)
    except BadForm:
        return
    read = Decoders([MessageStatus]).decode(encode(made), [CONTENT_TYPE_HEADER], 0, NOW)
    assert read.data == made.data
