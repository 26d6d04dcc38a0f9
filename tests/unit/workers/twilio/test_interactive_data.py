"""Forms that contacts filled in come in many shapes: all are kept, and said in words."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cloudevents import Decoders, encode
from schemas.messages import MessageReceived
from tests.unit.workers.twilio.test_inbound_form import NOW, event, message
from workers.twilio.form import parse_form
from workers.twilio.interactive_data import Interaction, fitting_form, interaction

PAGES = {
    "flow_token": "x1",
    "pages": [{"title": "1", "items": [{"label": "E-mail", "value": "dana@example.com"}]}],
}
FLOW = {
    "flow_token": "abcd1234",
    "screen_0_Choose_all_that_apply_0": ["0_Buy_it_right_away", "2_Wait"],
    "screen_1_Choose_one_0": "1_Wear_the_same_as_usual",
}
FLOW_TEXT = (
    "[form] Choose all that apply: Buy it right away, Wait; Choose one: Wear the same as usual"
)


@pytest.mark.parametrize(
    ("data", "form", "body"),
    [
        (PAGES, PAGES, "[form] E-mail: dana@example.com"),
        ({"flowResponse": FLOW}, FLOW, FLOW_TEXT),
        (FLOW, FLOW, FLOW_TEXT),
        ({"nfm_reply": {"body": "Sent", "response_json": json.dumps(FLOW)}}, FLOW, FLOW_TEXT),
        ({"nfm_reply": {"response_json": FLOW}}, FLOW, FLOW_TEXT),
        ({"nfm_reply": {"response_json": "{x"}}, "{x", "[form] {x"),
        ({"nfm_reply": 1}, {"nfm_reply": 1}, "[form] nfm_reply: 1"),
        ({}, {}, "[form]"),
        ({"flow_token": "x1"}, {"flow_token": "x1"}, "[form]"),
        ({"a": None, "b": " "}, {"a": None, "b": " "}, "[form]"),
        ([1, True], [1, True], "[form] 1, yes"),
        ("text", "text", "[form] text"),
        (None, None, "[unsupported message: interactive]"),
        ({"a": 2**70}, {"a": 2**70}, f"[form] a: {2**70}"),
        ({"a": 1e-300}, {"a": "1e-300"}, "[form] a: 1e-300"),
        ({"a\0": "b\ud800"}, {"a\ufffd": "b\ufffd"}, "[form] a\ufffd: b\ufffd"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_form_is_kept_and_its_answers_are_the_text(data: Any, form: Any, body: str) -> None:
    made = message(MessageType="interactive", Body="", InteractiveData=json.dumps(data))
    assert made.body == body
    assert (made.context.form if made.context else None) == form


@pytest.mark.parametrize("text", ['{"a":', "{", "NaN", "[" * 5_000, "9" * 5_000, "<xml/>"])
def test_what_is_no_json_is_kept_as_it_is(text: str) -> None:
    made = message(InteractiveData=text)
    assert made.body == f"[form] {text}"
    assert made.context is not None
    assert made.context.form == text


def test_the_same_answers_in_flow_data_count_where_there_is_nothing_else() -> None:
    assert message(FlowData=json.dumps(FLOW)).body == FLOW_TEXT
    both = message(InteractiveData=json.dumps(PAGES), FlowData=json.dumps(FLOW))
    assert both.body == "[form] E-mail: dana@example.com"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("Sent", "Sent\n[form] E-mail: dana@example.com"),
        (
            "I am dana@example.com",
            "I am dana@example.com\n[form] E-mail: dana@example.com",
        ),
        ("Hi\n E-mail: dana@example.com", "Hi\n E-mail: dana@example.com"),
        ("[form] E-mail: dana@example.com", "[form] E-mail: dana@example.com"),
    ],
)
def test_answers_stand_beside_a_text_that_does_not_say_them(body: str, text: str) -> None:
    assert message(Body=body, InteractiveData=json.dumps(PAGES)).body == text


@pytest.mark.parametrize(
    ("body", "form", "text"),
    [
        ("1", {"x": 1}, "1\n[form] x: 1"),
        ("yesterday", {"smoker": True}, "yesterday\n[form] smoker: yes"),
        ("Dana", "Dana", "Dana"),
        ("Hi", {"flow_token": "x1"}, "Hi"),
    ],
)
def test_the_question_of_a_short_answer_is_said(body: str, form: Any, text: str) -> None:
    assert message(Body=body, InteractiveData=json.dumps(form)).body == text


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            {"type": "button_reply", "button_reply": {"id": "b1", "title": "Yes"}},
            Interaction(button_payload="b1", button_text="Yes"),
        ),
        (
            {"type": "list_reply", "list_reply": {"id": "l1", "title": "Monday"}},
            Interaction(list_id="l1", list_title="Monday"),
        ),
        ({"list_reply": {"id": 1}}, Interaction()),
        ({"list_reply": "x"}, Interaction(form={"list_reply": "x"})),
    ],
    ids=str,
)
def test_a_button_or_an_item_in_the_data_counts_as_in_fields_of_its_own(
    data: Any, expected: Interaction
) -> None:
    form = parse_form(b"a=b")
    form["InteractiveData"] = json.dumps(data)
    assert interaction(form) == expected


def test_a_form_that_is_nested_too_deep_is_kept_as_far_as_it_may_be() -> None:
    data: Any = "deep"
    for _ in range(40):
        data = [data]
    made = message(InteractiveData=json.dumps(data))
    assert made.context is not None
    assert json.dumps(made.context.form).count("[") == 15
    assert made.body == "[form] …"


def test_of_a_form_that_is_too_large_the_first_answers_are_kept() -> None:
    form = {"a": "x" * 2_000, "b": "y", "c": "z" * 2_000}
    kept = fitting_form(form, 700)
    assert [answer["label"] for answer in kept] == ["a", "b"]
    assert kept[0]["value"].endswith("…")
    assert fitting_form(form, 10_000) is form
    assert fitting_form(form, 10) is None
    assert fitting_form({"flow_token": "x" * 100}, 10) is None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=[]), max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["label", "value", "flowResponse", "a\0"]), inner)
    ),
)


@given(JSON)
def test_any_json_becomes_a_message_that_the_workers_read(data: Any) -> None:
    made = event(InteractiveData=json.dumps(data))
    assert Decoders([MessageReceived]).decode(encode(made), (), 0, NOW).data == made.data
