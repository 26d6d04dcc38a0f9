"""The context of a message: what is taken, and what is refused with the path of the field."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from schemas.cloudevents import Decoders
from schemas.codes import DeadLetterCode
from schemas.errors import InvalidRecord
from schemas.message_context import (
    CONTEXT_BYTES_MAX,
    Location,
    MessageContext,
    Referral,
    context_bytes,
)
from schemas.messages import MessageReceived
from tests.harness.input_events import message

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
DECODE = Decoders([MessageReceived]).decode


def received(context: Any) -> MessageContext | None:
    """The context of a publisher's message, as it is read."""
    data: MessageReceived = DECODE(message("+49", context=context).value, (), 0, NOW).data
    return data.context


def refused(context: Any) -> InvalidRecord:
    with pytest.raises(InvalidRecord) as caught:
        received(context)
    return caught.value


WHOLE = {
    "in_reply_to": "SM1",
    "button_payload": "book-42",
    "list_id": "l1",
    "form": {"E-mail": "dana@example.com", "n": [1, 2.5, 0, None, True]},
    "referral": {
        "source_id": "120210",
        "source_type": "ad",
        "source_url": "https://fb.example/ad1",
        "headline": "20 % off",
        "click_id": "c1",
    },
    "location": {"latitude": 52.52, "longitude": 13.4, "label": "Cafe", "address": "Square 1"},
    "forwarded": True,
}


def test_every_part_is_read_and_written_as_it_came() -> None:
    context = received(WHOLE)
    assert msgspec.json.decode(msgspec.json.encode(context)) == WHOLE


@pytest.mark.parametrize("context", [None, {}, {"added_later": 1}, dict.fromkeys(WHOLE)])
def test_parts_that_are_not_there_are_nothing(context: Any) -> None:
    assert received(context) in (None, MessageContext())
    assert msgspec.json.encode(MessageContext()) == b"{}"


def test_a_message_of_before_has_none() -> None:
    assert DECODE(message("+49").value, (), 0, NOW).data.context is None


def test_a_referral_and_a_place_may_be_known_in_part() -> None:
    context = received({"referral": {"headline": "x"}, "location": {"label": "y"}})
    assert context == MessageContext(referral=Referral(headline="x"), location=Location(label="y"))


@pytest.mark.parametrize(
    ("context", "path"),
    [
        ([], "$.data.context"),
        ({"in_reply_to": "a b"}, "$.data.context.in_reply_to"),
        ({"button_payload": ""}, "$.data.context.button_payload"),
        ({"referral": "ad"}, "$.data.context.referral"),
        ({"location": {"latitude": 91}}, "$.data.context.location.latitude"),
        ({"location": {"longitude": "13"}}, "$.data.context.location.longitude"),
        ({"forwarded": "true"}, "$.data.context.forwarded"),
        ({"form": "x" * CONTEXT_BYTES_MAX}, "$.data.context"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_is_wrong_is_invalid_data_with_its_path(context: Any, path: str) -> None:
    error = refused(context)
    assert error.code == DeadLetterCode.INVALID_DATA
    assert f"`{path}`" in error.detail


@pytest.mark.parametrize(
    "number",
    [10158292394857612, 12345678901234567890, 2**64, -(2**63) - 1, 10**4_000, 2.5, 1e-6, 0.0],
    ids=lambda value: str(value)[:30],
)
def test_a_number_that_comes_back_as_it_was_is_kept(number: float) -> None:
    assert received({"form": {"a": [number]}}) == MessageContext(form={"a": [number]})


@pytest.mark.parametrize(
    ("number", "text"),
    [(1e-7, "1e-07"), (-1e-300, "-1e-300"), (1e17, "1e+17"), (-1.5e300, "-1.5e+300")],
)
def test_a_number_that_would_come_back_different_becomes_a_text(number: float, text: str) -> None:
    context = received({"form": [{"a": number}, number]})
    assert context == MessageContext(form=[{"a": text}, text])


def nested(levels: int) -> Any:
    form: Any = "x"
    for _ in range(levels - 1):
        form = [form]
    return form


def test_a_form_may_be_nested_sixteen_levels_deep() -> None:
    assert received({"form": nested(16)}) == MessageContext(form=nested(16))
    assert "nested deeper than 16" in refused({"form": nested(17)}).detail


def test_sixteen_kibibytes_are_taken_and_not_one_byte_more() -> None:
    room = CONTEXT_BYTES_MAX - context_bytes({"form": ""})
    assert received({"form": "x" * room}) is not None
    assert "16385 bytes" in refused({"form": "x" * (room + 1)}).detail


@pytest.mark.parametrize("text", ["\0", "\ud800"], ids=ascii)
@pytest.mark.parametrize(
    "context",
    [
        lambda text: {"button_payload": text},
        lambda text: {"form": {text: 1}},
        lambda text: {"form": [{"a": [text]}]},
        lambda text: {"referral": {"headline": text}},
        lambda text: {"location": {"label": text}},
    ],
)
def test_a_text_that_postgres_cannot_hold_is_unstorable(context: Any, text: str) -> None:
    # msgspec writes no lone surrogate, so it is put into the bytes.
    value = message("+49", context=context("MARK")).value
    escaped = b"\\u0000" if text == "\0" else b"\\ud800"
    with pytest.raises(InvalidRecord) as caught:
        DECODE(value.replace(b"MARK", escaped), (), 0, NOW)
    assert caught.value.code == DeadLetterCode.UNSTORABLE
