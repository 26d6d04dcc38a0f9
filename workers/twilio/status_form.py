"""A status callback's form: what became of a message that we had sent."""

from datetime import datetime
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

import msgspec
from multidict import MultiDict

from schemas.cloudevents import CloudEvent
from schemas.fields import AccountId, ChannelId
from schemas.ids import conversation_id, uuid5_text
from schemas.messages import MessageStatus
from workers.twilio.form import BadForm, field_text

DIGITS_MAX = 9
"""Of an error code or an attempt: more than Twilio and we ever count, and no more than fits."""


def status_event(
    form: MultiDict[str],
    query: str,
    account_id: AccountId,
    channel_id: ChannelId,
    received_at: datetime,
) -> CloudEvent:
    """The `message.status` of a form. Raises BadForm.

    `query` is that of the URL called: of the `StatusCallback` that the message was sent with,
    which may name our message (`mid`) and the attempt to send it (`a`), or say anything else.
    """
    sid = form.get("MessageSid") or form.get("SmsSid") or ""
    status = (field_text(form, "MessageStatus") or field_text(form, "SmsStatus")).strip()
    for name, value in (("MessageSid", sid), ("MessageStatus", status)):
        if not value:
            raise BadForm(f"{name} is missing")
    for name in ("From", "To"):
        if not form.get(name):
            raise BadForm(f"{name} is missing")
    asked = _asked(query)
    conversation = conversation_id(account_id, channel_id, field_text(form, "To"))
    data = {
        "account_id": account_id,
        "channel_id": channel_id,
        "conversation_id": conversation,
        "message_id": _message_id(asked.get("mid", "")),
        "attempt": _number(asked.get("a", "")) or None,
        "provider_message_id": sid,
        "status": status,
        "error_code": _number(form.get("ErrorCode", "")),
    }
    try:
        message = msgspec.convert(data, MessageStatus)
    except msgspec.ValidationError as error:
        raise BadForm(str(error)) from error
    return CloudEvent(
        id=_event_id(account_id, sid, status, form),
        type=MessageStatus.TYPE,
        time=received_at,
        data=message,
        subject=conversation,
        source="/inbox/twilio",
    )


def _event_id(account_id: AccountId, sid: str, status: str, form: MultiDict[str]) -> str:
    """One id for a callback and Twilio's repeats of it, which have the same fields, in any order.

    Two callbacks of one word that differ, say in the carrier's date, are two receipts.
    """
    return uuid5_text(f"{account_id}/{sid}/{status}/{urlencode(sorted(form.items()))}")


def _asked(query: str) -> dict[str, str]:
    """The query's parameters, the first of each name."""
    return dict(reversed(parse_qsl(query)))


def _message_id(text: str) -> UUID | None:
    try:
        return msgspec.convert(text, UUID)
    except msgspec.ValidationError:
        return None


def _number(text: str) -> int | None:
    text = text.strip()
    good = text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX
    return int(text) if good else None
