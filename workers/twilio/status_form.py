"""The form of a status callback: what became of a message of ours, and which part it was."""

from datetime import datetime
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

import msgspec
from multidict import MultiDict

from schemas.cloudevents import CloudEvent
from schemas.fields import AccountId, ChannelId
from schemas.ids import conversation_id, uuid5_text
from schemas.messages import MessageStatus
from workers.twilio.form import SOURCE, BadForm, check_fields, field_text, to_data

INBOUND_WORDS = ("receiving", "received")
"""The status words of a contact's message; all others are of a message of ours."""

STATUS_CHARACTERS_MAX = 64
"""Of a status word. A longer one is cut: no provider's word is so long."""

DIGITS_MAX = 9
"""Of an error code or the number of a part. Neither Twilio nor we ever count so far, and larger
numbers do not fit into a column."""


def callback_query(message_id: str, part: int) -> str:
    """The query of the callback URL of one part of a reply; `status_event` reads it."""
    return f"mid={message_id}&a={part}"


def status_word(form: MultiDict[str]) -> str:
    """The status that a form reports, as it came, trimmed; "" when it reports none.

    If its two fields differ, the one about a message of ours counts.
    """
    words = [field_text(form, name).strip() for name in ("MessageStatus", "SmsStatus")]
    given = [word for word in words if word]
    ours = [word for word in given if word.lower() not in INBOUND_WORDS]
    return next(iter(ours or given), "")


def is_receipt(form: MultiDict[str], *, by_its_path: bool) -> bool:
    """Whether a form is a status callback; else it is a message.

    Its fields decide: the status of a message of ours is a callback, and a contact's status with
    what every message has (`Body`, `NumMedia`) is a message. `by_its_path` counts for a form that
    says neither, such as one with a contact's status alone.
    """
    word = status_word(form)
    if word and word.lower() not in INBOUND_WORDS:
        return True
    if word and ("Body" in form or "NumMedia" in form):
        return False
    return by_its_path


def status_event(
    form: MultiDict[str],
    query: str,
    account_id: AccountId,
    channel_id: ChannelId,
    received_at: datetime,
) -> CloudEvent:
    """The `message.status` of a form. Raises BadForm.

    `query` is the query of the URL that Twilio called. It is the one that the message was sent
    with, usually that of `callback_query`. Any other text is allowed, and identifies no message.
    """
    sid = form.get("MessageSid") or form.get("SmsSid") or ""
    status = status_word(form)[:STATUS_CHARACTERS_MAX]
    for name, value in (("MessageSid", sid), ("MessageStatus", status)):
        if not value:
            raise BadForm(f"{name} is missing")
    check_fields(form, ("From", "To"))
    message_id, part = _message_and_part(query)
    conversation = conversation_id(account_id, channel_id, field_text(form, "To"))
    data = to_data(
        {
            "account_id": account_id,
            "channel_id": channel_id,
            "conversation_id": conversation,
            "message_id": message_id,
            # The contract's name of the field; its value is the part.
            "attempt": part,
            "provider_message_id": sid,
            "status": status,
            "error_code": _number(form.get("ErrorCode", "")),
        },
        MessageStatus,
    )
    return CloudEvent(
        id=_event_id(account_id, sid, status, form),
        type=MessageStatus.TYPE,
        time=received_at,
        data=data,
        subject=conversation,
        source=SOURCE,
    )


def _event_id(account_id: AccountId, sid: str, status: str, form: MultiDict[str]) -> str:
    """The same id for a callback and its repeats, which have the same fields in any order.

    Two callbacks with one status that differ elsewhere, say in the carrier's date, are two
    receipts.
    """
    return uuid5_text(f"{account_id}/{sid}/{status}/{urlencode(sorted(form.items()))}")


def _message_and_part(query: str) -> tuple[UUID | None, int | None]:
    """The message and the part of a query; None for each that is not there, or is none."""
    # Of several parameters with one name the first one counts.
    parameters = dict(reversed(parse_qsl(query)))
    part = _number(parameters.get("a", "")) or None
    try:
        return msgspec.convert(parameters.get("mid", ""), UUID), part
    except msgspec.ValidationError:
        return None, part


def _number(text: str) -> int | None:
    text = text.strip()
    good = text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX
    return int(text) if good else None
