"""What a message is about, in words: for the text of a message, and for notes.

All texts here come from contacts. Whoever shows them has to clean or escape them.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from msgspec import UNSET, UnsetType

from schemas.message_context import Location, MessageContext, Referral

# WhatsApp's own builder of forms names a question `screen_0_Choose_one_0`, and its answer
# `1_Wear_the_same`.
_QUESTION = re.compile(r"screen_\d+_(.+)_\d+")
_CHOICE = re.compile(r"\d+_(.+)")

_NO_ANSWER = "flow_token"
"""The field in which the company names the form. It is no answer."""


class Answer(NamedTuple):
    """One answer of a form."""

    label: str
    """The question; "" if the form has none."""
    value: str

    def __str__(self) -> str:
        return f"{self.label}: {self.value}" if self.label else self.value


class ContextLine(NamedTuple):
    """A line about a message, for notes."""

    text: str
    url: str | None = None
    """A link that follows the text."""


def form_answers(form: Any) -> list[Answer]:
    """Returns the answers of a form in words.

    Known shapes are objects with `label` and `value` at any depth (`pages`, `items`), and an object
    with a field for each question. Of other JSON, each value is an answer.
    """
    found = list(_labelled(form)) or list(_named("", form))
    stripped = (Answer(label.strip(), value.strip()) for label, value in found)
    return [answer for answer in stripped if answer.value]


def _labelled(value: Any) -> Iterator[Answer]:
    """Yield the answers that have a label; whatever is beside them is no answer."""
    if isinstance(value, list):
        for each in value:
            yield from _labelled(each)
    elif isinstance(value, dict) and "label" in value and "value" in value:
        yield Answer(_words(value["label"]), _words(value["value"]))
    elif isinstance(value, dict):
        for each in value.values():
            yield from _labelled(each)


def _named(name: str, value: Any) -> Iterator[Answer]:
    """Yield each value with the name of its field, sorted: Postgres does not keep their order."""
    if isinstance(value, dict):
        for field in sorted(value):
            if field != _NO_ANSWER:
                yield from _named(field, value[field])
    elif isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        for each in value:
            yield from _named(name, each)
    elif question := _QUESTION.fullmatch(name):
        yield Answer(_spaced(question[1]), _words(value, choices=True))
    else:
        yield Answer(name, _words(value))


def _words(value: Any, *, choices: bool = False) -> str:
    """Returns a value in words; `choices` says that texts are named as WhatsApp names choices."""
    if isinstance(value, str):
        choice = _CHOICE.fullmatch(value) if choices else None
        return _spaced(choice[1]) if choice else value
    if isinstance(value, list):
        return ", ".join(filter(None, (_words(each, choices=choices) for each in value)))
    if value is None or isinstance(value, bool):
        return {None: "", True: "yes", False: "no"}[value]
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def form_text(form: Any) -> str:
    """Returns the answers of a form on one line; "" if there are none."""
    return "; ".join(map(str, form_answers(form)))


def form_line(form: Any) -> str:
    """Returns the line of a message's text that says the answers of a form."""
    return f"[form] {form_text(form)}".rstrip()


def is_form_said(form: Any, body: str) -> bool:
    """Whether whole lines of a text say each answer of a form, with its question.

    A part of a line would not do: `1` is in most texts, and says nothing about a form.
    """
    answers = form_answers(form)
    return any(_has_lines(body, text) for text in (form_line(form), form_text(form))) or all(
        _has_lines(body, str(answer)) for answer in answers
    )


def has_words(body: str, text: str) -> bool:
    """Whether a text has another one, and not only within longer words.

    "" is in every text. Of matches that overlap only the first is looked at: so long texts take no
    long time, and at worst something is said twice.
    """
    begins, ends = text[:1].isalnum(), text[-1:].isalnum()
    at = body.find(text)
    while at >= 0:
        end = at + len(text)
        within = (begins and body[at - 1 : at].isalnum()) or (
            ends and body[end : end + 1].isalnum()
        )
        if not within:
            return True
        at = body.find(text, end)
    return False


def _has_lines(body: str, text: str) -> bool:
    return _lines(text) in _lines(body)


def _lines(text: str) -> str:
    return "\n".join(["", *(line.strip() for line in text.splitlines()), ""])


def place_text(words: str, coordinates: str) -> str:
    """Returns a place on one line: what it is called, and where it is. Either may be ""."""
    return f"{words} ({coordinates})" if words and coordinates else words or coordinates


def referral_name(referral: Referral) -> str:
    """Returns what a referral is called: `the ad`, or `the post`."""
    return "the post" if referral.source_type == "post" else "the ad"


def context_lines(
    context: MessageContext | UnsetType, body: str, answered: str | UnsetType = UNSET
) -> list[ContextLine]:
    """Returns the lines of a note about a message: what its body does not say.

    `answered` are the first words of the message that it answers, if they are known.
    """
    if context is UNSET:
        return []
    lines = [
        *_answer_line(context, answered),
        *_button_lines(context, body),
        *_form_line(context.form, body),
        *_place_line(context.location, body),
        *_referral_line(context.referral, body),
    ]
    return [*lines, ContextLine("Forwarded")] if context.forwarded else lines


def _answer_line(context: MessageContext, answered: str | UnsetType) -> Iterator[ContextLine]:
    if context.in_reply_to:
        what = answered or f"message {context.in_reply_to}"
        yield ContextLine(f"In reply to: {what}")


def _button_lines(context: MessageContext, body: str) -> Iterator[ContextLine]:
    for what, name in (("Button", context.button_payload), ("Choice", context.list_id)):
        if name and not has_words(body, name):
            yield ContextLine(f"{what}: {name}")


def _form_line(form: Any, body: str) -> Iterator[ContextLine]:
    if not is_form_said(form, body):
        yield ContextLine(f"Form: {form_text(form)}")


def _place_line(location: Location | None, body: str) -> Iterator[ContextLine]:
    if location is None:
        return
    words = [text for text in (location.label, location.address) if text]
    numbers = [
        repr(number) for number in (location.latitude, location.longitude) if number is not None
    ]
    # A coordinate may have more digits in the body: 13.40 is 13.4.
    if not all(has_words(body, text) for text in words) or any(n not in body for n in numbers):
        yield ContextLine(f"Place: {place_text(', '.join(words), ', '.join(numbers))}")


def _referral_line(referral: Referral | None, body: str) -> Iterator[ContextLine]:
    if referral is None:
        return
    said = None if has_words(body, referral.headline or "") else referral.headline
    name = referral_name(referral)
    yield ContextLine(f"From {name}: {said}" if said else f"From {name}", referral.source_url)
