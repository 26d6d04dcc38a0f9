"""Every way in which a record can be wrong, and its dead-letter code."""

from typing import Any

import msgspec
import pytest

from schemas.catalog import INBOUND
from schemas.cloudevents import Decoders
from schemas.codes import DeadLetterCode
from schemas.errors import InvalidRecord
from schemas.topics import RECORD_BYTES_MAX
from tests.unit.schemas.given.envelopes import (
    CLOSE,
    ENVELOPE,
    FETCHED_AT,
    MESSAGE,
    SPLICE,
    binary_headers,
    refused,
    spliced,
    structured,
    without,
)

DEEP = b"[" * 100_000 + b"]" * 100_000
SURROGATE = rb'"\ud800"'
CESU = b'"\xed\xa0\xbd\xed\xb2\xa9"'
REQUEST: dict[str, Any] = CLOSE | {"entity": {"type": "lead", "name": "n", "fields": {"f": SPLICE}}}
REQUEST_TYPE = "inbox.entity.request.v1"


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="no value"),
        pytest.param(b"", id="an empty value"),
        pytest.param(b"  ", id="blanks"),
        pytest.param(b"\x00\x01\x02\xff\xfe", id="junk"),
        pytest.param(b"hello", id="a word"),
        pytest.param(structured()[:-1], id="cut short"),
        pytest.param(structured() + b"x", id="something after the end"),
        pytest.param(structured().decode().encode("utf-16"), id="UTF-16"),
        pytest.param(b"\xef\xbb\xbf" * 2 + structured(), id="two byte order marks"),
        pytest.param(spliced(b"NaN", MESSAGE | {"body": SPLICE}), id="NaN"),
        pytest.param(spliced(b'"\x00"', MESSAGE | {"body": SPLICE}), id="an unescaped NUL"),
        pytest.param(spliced(b'"\xff"', MESSAGE | {"body": SPLICE}), id="no UTF-8 in the data"),
        pytest.param(spliced(b'"\xff"', id=SPLICE), id="no UTF-8 in the id"),
        pytest.param(structured(specversion="9")[:-1], id="wrong and cut short"),
        pytest.param(DEEP, id="nested 100,000 deep"),
        pytest.param(spliced(DEEP, SPLICE), id="data nested 100,000 deep"),
        pytest.param(spliced(DEEP, MESSAGE | {"body": SPLICE}), id="a field nested as deep"),
        pytest.param(spliced(DEEP, MESSAGE | {"mood": SPLICE}), id="an ignored field as deep"),
        pytest.param(spliced(DEEP, tenant=SPLICE), id="an ignored attribute as deep"),
        pytest.param(b'{"a":' * 40_000 + b"1" + b"}" * 40_000, id="objects nested 40,000 deep"),
    ],
)
def test_what_is_not_json_is_dead_lettered_as_that(value: bytes | None) -> None:
    assert refused(value).code == DeadLetterCode.NOT_JSON


@pytest.mark.parametrize("value", [b"", b"{", b"junk", DEEP])
def test_a_binary_event_whose_value_is_not_json_is_dead_lettered_as_that(value: bytes) -> None:
    assert refused(value, binary_headers()).code == DeadLetterCode.NOT_JSON


@pytest.mark.parametrize(
    ("value", "path"),
    [
        pytest.param(b"[]", "$", id="an array"),
        *(pytest.param(text, "$", id=text.decode()) for text in (b"1", b'"text"', b"null")),
        pytest.param(b"[" + structured() + b"]", "$", id="a batch"),
        pytest.param(msgspec.json.encode(MESSAGE), "$", id="data without an envelope"),
        pytest.param(structured(specversion="0.3"), "$.specversion", id="an old version"),
        pytest.param(structured(specversion="1.0.2"), "$.specversion", id="a version of the text"),
        pytest.param(structured(specversion=1.0), "$.specversion", id="a version as a number"),
        pytest.param(structured(id=""), "$.id", id="an empty id"),
        pytest.param(structured(id="x" * 257), "$.id", id="an id of 257 characters"),
        pytest.param(structured(id=7), "$.id", id="an id as a number"),
        pytest.param(structured(source=""), "$.source", id="an empty source"),
        pytest.param(structured(type=""), "$.type", id="an empty type"),
        pytest.param(structured(time="yesterday"), "$.time", id="a time that is none"),
        pytest.param(structured(time="2026-01-01T12:00:00"), "$.time", id="no offset"),
        pytest.param(structured(time=1_767_268_800), "$.time", id="a time as a number"),
        pytest.param(structured(time="0001-01-01T00:00:00+14:00"), "$", id="the year 1"),
        pytest.param(structured(time="1969-12-31T23:59:59Z"), "$", id="the year 1969"),
        pytest.param(structured(time="9999-12-31T23:59:59-14:00"), "$", id="the year 9999"),
        pytest.param(
            spliced(b"1" * 5_000, tenant=SPLICE, specversion="9"),
            "$.specversion",
            id="an integer of 5,000 digits beside what is wrong",
        ),
        *(
            pytest.param(msgspec.json.encode(without(ENVELOPE, name)), "$", id=f"no {name}")
            for name in ("specversion", "id", "source", "type")
        ),
        *(
            pytest.param(structured(**{name: None}), f"$.{name}", id=f"a {name} of null")
            for name in ("specversion", "id", "source", "type")
        ),
    ],
)
def test_json_that_is_no_cloudevent_is_dead_lettered_with_the_path(value: bytes, path: str) -> None:
    error = refused(value)
    assert error.code == DeadLetterCode.NOT_CLOUDEVENT
    assert error.detail.endswith(f"at `{path}`")


@pytest.mark.parametrize(
    "headers",
    [
        *(binary_headers(**{name: None}) for name in ("specversion", "id", "source", "type")),
        binary_headers(specversion="0.3"),
        binary_headers(id=""),
        binary_headers(time="2026-01-01T12:00:00"),
        binary_headers(time="soon"),
        binary_headers(id=b"\xff"),
    ],
    ids=str,
)
def test_a_binary_event_with_wrong_headers_is_no_cloudevent(
    headers: list[tuple[str, bytes | None]],
) -> None:
    error = refused(msgspec.json.encode(MESSAGE), headers)
    assert error.code == DeadLetterCode.NOT_CLOUDEVENT


@pytest.mark.parametrize("value", [structured(), b"[" + structured() + b"]"])
def test_a_batch_is_refused_whatever_it_holds(value: bytes) -> None:
    error = refused(value, [("content-type", b"application/cloudevents-batch+json")])
    assert error.code == DeadLetterCode.NOT_CLOUDEVENT
    assert "publish each of its events" in error.detail


def test_structured_mode_without_an_envelope_is_no_cloudevent_whatever_the_headers_say() -> None:
    headers = [*binary_headers()[1:], ("content-type", b"application/cloudevents+json")]
    assert refused(msgspec.json.encode(MESSAGE), headers).code == DeadLetterCode.NOT_CLOUDEVENT


@pytest.mark.parametrize(
    "type_", ["inbox.message.received.v2", "com.example.created", "\0", "x" * 100_000]
)
def test_an_unknown_type_is_dead_lettered_as_that(type_: str) -> None:
    error = refused(structured(type=type_))
    assert error.code == DeadLetterCode.UNKNOWN_TYPE
    assert len(error.detail) < 300


def test_a_type_of_another_topic_is_unknown_here() -> None:
    decoders = Decoders(INBOUND["lifecycle"])
    with pytest.raises(InvalidRecord) as caught:
        decoders.decode(structured(), (), 0, FETCHED_AT)
    assert caught.value.code == DeadLetterCode.UNKNOWN_TYPE


def changed(**fields: Any) -> bytes:
    """A message with wrong fields."""
    return structured(MESSAGE | fields)


def close(**fields: Any) -> bytes:
    """A close with wrong fields."""
    return structured(CLOSE | fields, type="inbox.conversation.close.v1")


@pytest.mark.parametrize(
    ("value", "path"),
    [
        pytest.param(msgspec.json.encode(without(ENVELOPE, "data")), "$", id="no data"),
        pytest.param(structured(None), "$.data", id="data of null"),
        pytest.param(structured("{}"), "$.data", id="data as a text"),
        pytest.param(structured([MESSAGE]), "$.data", id="data as an array"),
        pytest.param(structured({}), "$.data", id="empty data"),
        pytest.param(changed(account_id="a b"), "$.data.account_id", id="a blank in an id"),
        pytest.param(changed(account_id=""), "$.data.account_id", id="an empty id"),
        pytest.param(changed(account_id="a\n"), "$.data.account_id", id="a newline after an id"),
        pytest.param(changed(account_id="a" * 65), "$.data.account_id", id="65 characters"),
        pytest.param(changed(account_id="ä"), "$.data.account_id", id="a letter of no id"),
        pytest.param(changed(account_id=7), "$.data.account_id", id="an id as a number"),
        pytest.param(changed(channel_id="a/b"), "$.data.channel_id", id="a slash in an id"),
        pytest.param(changed(body=None), "$.data.body", id="a body of null"),
        pytest.param(changed(contact={}), "$.data.contact", id="no address"),
        pytest.param(changed(contact={"address": ""}), "$.data.contact.address", id="an empty one"),
        pytest.param(
            changed(contact={"address": "x" * 257}), "$.data.contact.address", id="a long one"
        ),
        pytest.param(
            changed(contact={"address": "x", "identities": ["y", 1]}),
            "$.data.contact.identities[1]",
            id="an identity as a number",
        ),
        pytest.param(
            changed(media=[{"url": "u", "content_type": "t"}, {"url": "u"}]),
            "$.data.media[1]",
            id="media without a type",
        ),
        pytest.param(changed(historical="no"), "$.data.historical", id="a flag as a text"),
        pytest.param(changed(sent_at="2026-01-01T12:00:00"), "$.data.sent_at", id="no offset"),
        pytest.param(changed(sent_at="2026-13-01T12:00:00Z"), "$.data.sent_at", id="a 13th month"),
        pytest.param(changed(sent_at="0001-01-01T00:00:00+14:00"), "$.data", id="the year 1"),
        pytest.param(changed(sent_at="9999-12-31T23:59:59-14:00"), "$.data", id="the year 9999"),
        pytest.param(close(conversation_id="7"), "$.data.conversation_id", id="no UUID"),
        pytest.param(close(expected_version=0), "$.data.expected_version", id="version 0"),
        pytest.param(close(expected_version=2**31), "$.data.expected_version", id="version 2^31"),
        pytest.param(close(expected_version="1"), "$.data.expected_version", id="a text version"),
        pytest.param(
            spliced(
                b"1" * 5_000,
                CLOSE | {"expected_version": SPLICE},
                type="inbox.conversation.close.v1",
            ),
            "$.data.expected_version",
            id="a version of 5,000 digits",
        ),
        pytest.param(
            structured(CLOSE, type="inbox.conversation.assign.v1"), "$.data", id="no assignee_id"
        ),
    ],
)
def test_a_wrong_field_is_dead_lettered_with_its_path(value: bytes, path: str) -> None:
    error = refused(value)
    assert error.code == DeadLetterCode.INVALID_DATA
    assert error.detail.endswith(f"at `{path}`")


def test_a_wrong_field_of_a_binary_event_has_the_same_path() -> None:
    error = refused(msgspec.json.encode(MESSAGE | {"body": 7}), binary_headers())
    assert error.code == DeadLetterCode.INVALID_DATA
    assert error.detail.endswith("at `$.data.body`")


@pytest.mark.parametrize("value", [b" " * (RECORD_BYTES_MAX + 1), b"[" * 2 * 1024 * 1024])
def test_a_value_of_more_than_256_kib_is_too_large_whatever_it_holds(value: bytes) -> None:
    assert refused(value).code == DeadLetterCode.TOO_LARGE
    assert refused(value, binary_headers()).code == DeadLetterCode.TOO_LARGE


def test_a_good_event_of_one_byte_more_than_256_kib_is_too_large() -> None:
    value = structured()
    error = refused(value + b" " * (RECORD_BYTES_MAX + 1 - len(value)))
    assert error.code == DeadLetterCode.TOO_LARGE
    assert "262145" in error.detail


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(changed(body="a\0b"), id="NUL in the body"),
        pytest.param(changed(contact={"address": "a\0"}), id="NUL in the address"),
        pytest.param(changed(media=[{"url": "\0", "content_type": "x"}]), id="NUL in a list"),
        pytest.param(structured(id="a\0"), id="NUL in the id"),
        pytest.param(
            spliced(rb'{"\u0000":1}', REQUEST, type=REQUEST_TYPE), id="NUL in a key of a dict"
        ),
        pytest.param(spliced(SURROGATE, MESSAGE | {"body": SPLICE}), id="a lone surrogate"),
        pytest.param(spliced(SURROGATE, id=SPLICE), id="a lone surrogate in the id"),
        pytest.param(spliced(CESU, MESSAGE | {"body": SPLICE}), id="CESU-8 bytes"),
        pytest.param(spliced(CESU, id=SPLICE), id="CESU-8 bytes in the id"),
        pytest.param(spliced(SURROGATE, MESSAGE | {"mood": SPLICE}), id="even in a field not read"),
    ],
)
def test_a_text_that_postgres_cannot_hold_is_unstorable(value: bytes) -> None:
    assert refused(value).code == DeadLetterCode.UNSTORABLE


def test_nul_in_the_id_of_a_binary_event_is_unstorable() -> None:
    error = refused(msgspec.json.encode(MESSAGE), binary_headers(id="a\0"))
    assert error.code == DeadLetterCode.UNSTORABLE


@pytest.mark.parametrize("inside", [b"", rb'"\u0000"', SURROGATE, CESU, b"NaN"], ids=str)
@pytest.mark.parametrize("depth", [*range(940, 1_005), 1_500])
def test_a_value_nested_about_as_deep_as_can_be_read_never_escapes(
    inside: bytes, depth: int
) -> None:
    nested = b"[" * depth + inside + b"]" * depth
    for value in (
        spliced(nested, REQUEST, type=REQUEST_TYPE),
        spliced(nested, MESSAGE | {"body": SPLICE}),
        spliced(nested, MESSAGE | {"mood": SPLICE}),
        spliced(nested, tenant=SPLICE, specversion="9"),
    ):
        _decode_or_refuse(value)


def _decode_or_refuse(value: bytes) -> None:
    """Decode a value; any result but an event or InvalidRecord fails the test."""
    try:
        Decoders([*INBOUND["messages.received"], *INBOUND["links"]]).decode(
            value, (), 0, FETCHED_AT
        )
    except InvalidRecord as error:
        assert error.detail


@pytest.mark.parametrize("spliced_in", [SURROGATE, CESU, b'"\xff"', b"1e999", b"-0"])
@pytest.mark.parametrize("name", ["body", "sent_at", "account_id", "media", "historical"])
def test_no_value_of_a_field_escapes(spliced_in: bytes, name: str) -> None:
    assert refused(spliced(spliced_in, MESSAGE | {name: SPLICE})).code in set(DeadLetterCode)
