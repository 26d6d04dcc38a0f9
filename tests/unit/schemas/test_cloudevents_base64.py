"""Data in `data_base64`, as libraries write them when an application gives them bytes."""

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from schemas.codes import DeadLetterCode
from schemas.topics import RECORD_BYTES_MAX
from tests.unit.schemas.given.envelopes import (
    MESSAGE,
    SPLICE,
    binary_headers,
    decode,
    in_base64,
    refused,
    structured,
)

NOON = datetime(2026, 1, 1, 12, 0, 1, tzinfo=UTC)
DATA = msgspec.json.encode(MESSAGE)
BASE64 = b64encode(DATA).decode()


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(in_base64(DATA), id="as a library writes bytes"),
        pytest.param(in_base64(b"\xef\xbb\xbf" + DATA), id="after a mark"),
        pytest.param(in_base64(DATA, data=None), id="beside data of null"),
        pytest.param(
            in_base64(DATA, datacontenttype="application/octet-stream"),
            id="whatever its content type",
        ),
        pytest.param(structured(data_base64=None), id="null beside data"),
        pytest.param(b"\xef\xbb\xbf" + structured(), id="after a byte order mark"),
    ],
)
def test_data_are_read_however_a_library_writes_them(value: bytes) -> None:
    event = decode(value)
    assert (event.id, event.time, event.data) == ("event-1", NOON, decode(structured()).data)


def test_data_in_base64_may_hold_a_backslash_before_u0000() -> None:
    data = msgspec.json.encode(MESSAGE | {"body": r"\u0000"})
    assert decode(in_base64(data)).data.body == r"\u0000"


def test_base64_among_the_data_of_a_binary_event_is_a_field_like_any_other() -> None:
    value = msgspec.json.encode(MESSAGE | {"data_base64": "?"})
    assert decode(value, binary_headers()).id == "event-1"


@pytest.mark.parametrize(
    "text", [7, {}, "?", BASE64[:-1], BASE64 + "\n", f" {BASE64}", "_-8=", "YQ"], ids=str
)
def test_what_is_not_base64_is_no_cloudevent(text: Any) -> None:
    error = refused(in_base64(text))
    assert error.code == DeadLetterCode.NOT_CLOUDEVENT
    assert error.detail.endswith("at `$.data_base64`")


def test_an_event_with_data_twice_is_no_cloudevent() -> None:
    error = refused(structured(data_base64=BASE64))
    assert error.code == DeadLetterCode.NOT_CLOUDEVENT
    assert error.detail == "`data` and `data_base64`: an event has one of them - at `$`"


@pytest.mark.parametrize(
    ("data", "code", "path"),
    [
        (b"", DeadLetterCode.NOT_JSON, "$.data_base64"),
        (b"hello", DeadLetterCode.NOT_JSON, "$.data_base64"),
        (DATA[:-1], DeadLetterCode.NOT_JSON, "$.data_base64"),
        (b"[" * 50_000, DeadLetterCode.NOT_JSON, "$.data_base64"),
        (b"\xff", DeadLetterCode.NOT_JSON, "$.data_base64"),
        (b"[]", DeadLetterCode.INVALID_DATA, "$.data_base64"),
        (b"null", DeadLetterCode.INVALID_DATA, "$.data_base64"),
        (
            msgspec.json.encode(MESSAGE | {"body": 7}),
            DeadLetterCode.INVALID_DATA,
            "$.data_base64.body",
        ),
        (structured(), DeadLetterCode.INVALID_DATA, "$.data_base64"),
    ],
)
def test_wrong_data_in_base64_keep_their_code_and_path(
    data: bytes, code: DeadLetterCode, path: str
) -> None:
    error = refused(in_base64(data))
    assert (error.code, error.detail.endswith(f"at `{path}`")) == (code, True)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(msgspec.json.encode(MESSAGE | {"body": "a\0b"}), id="NUL"),
        pytest.param(
            msgspec.json.encode(MESSAGE | {"body": SPLICE}).replace(b'"<here>"', rb'"\ud800"'),
            id="a lone surrogate",
        ),
    ],
)
def test_a_text_in_base64_that_postgres_cannot_hold_is_unstorable(data: bytes) -> None:
    assert refused(in_base64(data)).code == DeadLetterCode.UNSTORABLE


def test_nul_in_the_id_beside_data_in_base64_is_unstorable() -> None:
    value = in_base64(DATA, id="a\0")
    assert refused(value).code == DeadLetterCode.UNSTORABLE


def test_the_limit_of_a_record_counts_its_base64() -> None:
    data = msgspec.json.encode(MESSAGE | {"body": "x" * (RECORD_BYTES_MAX * 3 // 4)})
    assert len(data) < RECORD_BYTES_MAX
    assert refused(in_base64(data)).code == DeadLetterCode.TOO_LARGE
