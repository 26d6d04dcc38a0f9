"""What a contact chose or filled in: the fields `InteractiveData` and `FlowData` of a form.

Both hold JSON of many shapes, which Twilio passes on as the channel made it.
"""

import json
from typing import Any, NamedTuple

from multidict import MultiDict

from schemas.context_text import form_answers
from schemas.message_context import FORM_DEPTH_MAX, context_bytes, storable_numbers
from workers.twilio.form import field_text, start_of, without_unstorable

ANSWER_BYTES_MAX = 512
"""Of an answer, and of its question, if the form is too large to be kept as it came."""


class Interaction(NamedTuple):
    """What a contact chose or filled in. "" and None stand for nothing."""

    button_payload: str = ""
    button_text: str = ""
    list_id: str = ""
    list_title: str = ""
    form: Any = None


def interaction(form: MultiDict[str]) -> Interaction:
    """Returns what the contact chose or filled in, from all fields that say it."""
    data = _parsed(field_text(form, "InteractiveData") or field_text(form, "FlowData"))
    button, item = _reply(data, "button_reply"), _reply(data, "list_reply")
    return Interaction(
        field_text(form, "ButtonPayload") or _text(button, "id"),
        field_text(form, "ButtonText") or _text(button, "title"),
        field_text(form, "ListId") or _text(item, "id"),
        field_text(form, "ListTitle") or _text(item, "title"),
        None if button or item else storable_numbers(_storable(_form(data))),
    )


def fitting_form(answers: Any, bytes_max: int) -> Any:
    """Returns the answers of a form, as they are if they have at most so many bytes as JSON.

    Else a list of them, each cut, and as many as fit; None if none does.
    """
    if context_bytes(answers) <= bytes_max:
        return answers
    kept: list[dict[str, str]] = []
    for answer in form_answers(answers):
        label, value = (start_of(text, ANSWER_BYTES_MAX) for text in answer)
        if context_bytes([*kept, {"label": label, "value": value}]) > bytes_max:
            break
        kept.append({"label": label, "value": value})
    return kept or None


def _parsed(text: str) -> Any:
    """Returns the value of a JSON text; a text that is no JSON as it is; None for a blank one."""
    try:
        return json.loads(text, parse_constant=str) if text.strip() else None
    except (ValueError, RecursionError):
        return text


def _reply(data: Any, name: str) -> dict[str, Any]:
    """Returns the button or the item of a list that was chosen, as WhatsApp writes it."""
    reply = data.get(name) if isinstance(data, dict) else None
    return reply if isinstance(reply, dict) else {}


def _text(reply: dict[str, Any], name: str) -> str:
    value = reply.get(name)
    return without_unstorable(value) if isinstance(value, str) else ""


def _form(data: Any) -> Any:
    """Returns the answers without what the channel wraps them in."""
    if isinstance(data, dict):
        reply = data.get("nfm_reply")
        if isinstance(reply, dict) and "response_json" in reply:
            answers = reply["response_json"]
            return _parsed(answers) if isinstance(answers, str) else answers
        return data.get("flowResponse", data)
    return data


def _storable(value: Any, depth: int = 1) -> Any:
    """Returns a value without texts that Postgres cannot hold, and not nested too deep."""
    if isinstance(value, dict | list) and depth > FORM_DEPTH_MAX - 1:
        value = "…"
    if isinstance(value, str):
        return without_unstorable(value)
    if isinstance(value, dict):
        return {
            without_unstorable(name): _storable(each, depth + 1) for name, each in value.items()
        }
    if isinstance(value, list):
        return [_storable(each, depth + 1) for each in value]
    return value
