"""What a message is about is said in words; a note says what the message's body does not say."""

from typing import Any

import pytest
from msgspec import UNSET

from schemas.context_text import (
    ContextLine,
    context_lines,
    form_answers,
    form_text,
    has_words,
    place_text,
)
from schemas.message_context import Location, MessageContext, Referral


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({"pages": [{"items": [{"label": "Name", "value": "Dana"}]}]}, "Name: Dana"),
        (
            [{"label": "Days", "value": ["Mon", "Tue"]}, {"label": "Call", "value": True}],
            "Days: Mon, Tue; Call: yes",
        ),
        ({"title": "no answer", "items": [{"label": "Name", "value": "Dana"}]}, "Name: Dana"),
        ({"label": "Name", "value": {"b": 1, "a": "é"}}, 'Name: {"a": "é", "b": 1}'),
        ({"label": " ", "value": " Dana "}, "Dana"),
        ({"label": "Name", "value": ""}, ""),
        ({"phone": "1", "E-mail": "a@b"}, "E-mail: a@b; phone: 1"),
        ({"flow_token": "x", "person": {"name": "Dana", "old": False}}, "name: Dana; old: no"),
        ({"days": [{"day": "Mon"}, ["Tue", None], 3]}, "day: Mon; days: Tue; days: 3"),
        ({"screen_0_Choose_one_0": "1_Red_one"}, "Choose one: Red one"),
        ({"screen_0_Your_name_0": "Dana"}, "Your name: Dana"),
        ({"screen_0_Choose_0": ["0_A", "B", 1]}, "Choose: A, B, 1"),
        ({"choice": "1_Red_one"}, "choice: 1_Red_one"),
        ("text", "text"),
        (1.5, "1.5"),
        (None, ""),
        ([], ""),
        ({}, ""),
    ],
    ids=lambda value: str(value)[:50],
)
def test_the_answers_of_a_form_are_one_line(form: Any, text: str) -> None:
    assert form_text(form) == text


def test_answers_without_a_value_are_none() -> None:
    assert form_answers({"a": None, "b": ""}) == []


@pytest.mark.parametrize(
    ("words", "coordinates", "text"),
    [("Cafe", "1, 2", "Cafe (1, 2)"), ("Cafe", "", "Cafe"), ("", "1, 2", "1, 2"), ("", "", "")],
)
def test_a_place_is_one_line(words: str, coordinates: str, text: str) -> None:
    assert place_text(words, coordinates) == text


AD = Referral("1", "ad", "https://fb.example/ad1", "20 % off", "c1")
CAFE = Location(52.52, 13.4, "Cafe", "Square 1")


@pytest.mark.parametrize(
    ("context", "body", "lines"),
    [
        (UNSET, "Hi", []),
        (MessageContext(), "Hi", []),
        (MessageContext(in_reply_to="MM1"), "Hi", ["In reply to: message MM1"]),
        (MessageContext(button_payload="b1", list_id="l1"), "Hi", ["Button: b1", "Choice: l1"]),
        (MessageContext(button_payload="b1", list_id="l1"), "b1, l1", []),
        (MessageContext(button_payload="1", list_id="2"), "10 or 12", ["Button: 1", "Choice: 2"]),
        (MessageContext(location=Location(label="Bar")), "Barcelona", ["Place: Bar"]),
        (MessageContext(referral=Referral(headline="Bar")), "Barcelona", ["From the ad: Bar"]),
        (MessageContext(form={"a": "b"}), "", ["Form: a: b"]),
        (MessageContext(form={"a": "b"}), "[form] a: b", []),
        (MessageContext(form={"a": "b", "c": "d"}), "Hi\r\n[form] a: b; c: d", []),
        (MessageContext(form={"a": "b", "c": "d"}), "c: d\na: b", []),
        (MessageContext(form={"x": 1}), "1", ["Form: x: 1"]),
        (MessageContext(form={"smoker": True}), "yesterday", ["Form: smoker: yes"]),
        (MessageContext(form={}), "", []),
        (MessageContext(location=CAFE), "", ["Place: Cafe, Square 1 (52.52, 13.4)"]),
        (MessageContext(location=CAFE), "Cafe", ["Place: Cafe, Square 1 (52.52, 13.4)"]),
        (MessageContext(location=CAFE), "Cafe, Square 1 (52.52, 13.40)", []),
        (MessageContext(location=Location(label="Cafe")), "", ["Place: Cafe"]),
        (MessageContext(location=Location()), "", []),
        (MessageContext(referral=AD), "Hi", ["From the ad: 20 % off"]),
        (MessageContext(referral=AD), "[from the ad: 20 % off]", ["From the ad"]),
        (MessageContext(referral=Referral(source_type="post")), "Hi", ["From the post"]),
        (MessageContext(forwarded=True), "Hi", ["Forwarded"]),
        (MessageContext(forwarded=False), "Hi", []),
    ],
    ids=str,
)
def test_a_note_says_what_the_body_does_not_say(
    context: MessageContext, body: str, lines: list[str]
) -> None:
    assert [line.text for line in context_lines(context, body)] == lines


@pytest.mark.parametrize(
    ("body", "text", "has"),
    [
        ("Yesterday", "Yes", False),
        ("eyes", "yes", False),
        ("eyes, yes", "yes", True),
        ("Yes!", "Yes", True),
        ("Yes!x", "Yes!", True),
        ("Yes", "Yes", True),
        ("No", "Yes", False),
        ("Hi", "", True),
        ("", "", True),
        ("", "Yes", False),
    ],
)
def test_a_text_has_another_as_words_of_its_own(body: str, text: str, has: bool) -> None:
    assert has_words(body, text) == has


def test_a_note_quotes_the_message_that_was_answered_and_links_the_ad() -> None:
    context = MessageContext(in_reply_to="MM1", referral=AD)
    assert context_lines(context, "Yes", "Shall we meet?") == [
        ContextLine("In reply to: Shall we meet?"),
        ContextLine("From the ad: 20 % off", "https://fb.example/ad1"),
    ]
