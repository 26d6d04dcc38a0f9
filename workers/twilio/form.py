"""A Twilio webhook's form, and what a contact wrote in it.

Twilio's fields come and go without notice, so that only what the inbox needs is asked for.
"""

from datetime import datetime
from urllib.parse import parse_qsl

import msgspec
from multidict import MultiDict

from schemas.cloudevents import CloudEvent
from schemas.fields import ADDRESS_CHARACTERS_MAX, AccountId, ChannelId
from schemas.ids import conversation_id, inbound_message_id
from schemas.messages import MessageReceived

FIELDS_MAX = 500
MEDIA_MAX = 100
"""Twilio sends ten at the most; a form may say any number."""

ANY_TYPE = "application/octet-stream"

REQUIRED = ("MessageSid", "From", "To")


class BadForm(ValueError):
    """A signed form that does not say what its webhook is for; the message quotes no value."""


def parse_form(body: bytes) -> MultiDict[str]:
    """The fields of a body, blank ones too: they are signed. Raises ValueError for too many."""
    text = body.decode(errors="replace")
    return MultiDict(parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX))


def check_form(form: MultiDict[str]) -> None:
    """Raise BadForm when a field is missing that no message is without."""
    for name in REQUIRED:
        if not form.get(name):
            raise BadForm(f"{name} is missing")


def received_event(
    form: MultiDict[str], account_id: AccountId, channel_id: ChannelId, received_at: datetime
) -> CloudEvent:
    """The `message.received` of a form. Raises BadForm.

    Twilio does not say when the contact wrote: `sent_at` is when we were told. The event's id
    follows from the message, so that Twilio's repeats are one event.
    """
    check_form(form)
    data = {
        "account_id": account_id,
        "channel_id": channel_id,
        "provider_message_id": form["MessageSid"],
        "contact": {
            "address": field_text(form, "From"),
            "name": field_text(form, "ProfileName") or None,
            "identities": _identities(form),
        },
        "body": _body(form),
        "media": _media(form),
        "sent_at": received_at,
    }
    try:
        message = msgspec.convert(data, MessageReceived)
    except msgspec.ValidationError as error:
        raise BadForm(str(error)) from error
    return CloudEvent(
        id=inbound_message_id(account_id, channel_id, message.provider_message_id),
        type=MessageReceived.TYPE,
        time=received_at,
        data=message,
        subject=conversation_id(account_id, channel_id, message.contact.address),
        source="/inbox/twilio",
    )


def field_text(form: MultiDict[str], name: str) -> str:
    """A field's text. NUL, which Postgres cannot hold, is shown as what it is: unreadable."""
    return form.get(name, "").replace("\0", "\ufffd")


def _identities(form: MultiDict[str]) -> list[str]:
    """The provider's own id of the contact, written as an address: with the channel's prefix.

    A contact may write as a phone number and be named by it, or have no number at all and write
    under it: both are to be one address.
    """
    user_id, address = field_text(form, "ExternalUserId"), field_text(form, "From")
    prefix, colon, _ = address.partition(":")
    named = user_id if ":" in user_id else f"{prefix}{colon}{user_id}"
    if not colon or not user_id or named == address or len(named) > ADDRESS_CHARACTERS_MAX:
        return []
    return [named]


def _body(form: MultiDict[str]) -> str:
    """The text; of a shared location, which comes without one, where it is."""
    body = field_text(form, "Body")
    if body or not (form.get("Latitude") and form.get("Longitude")):
        return body
    place = ", ".join(filter(None, (field_text(form, "Label"), field_text(form, "Address"))))
    where = f"{field_text(form, 'Latitude')}, {field_text(form, 'Longitude')}"
    return f"{place} ({where})" if place else where


def _media(form: MultiDict[str]) -> list[dict[str, str]]:
    count = form.get("NumMedia", "0")
    number = int(count) if count.isascii() and count.isdigit() and len(count) < 5 else 0
    return [
        {
            "url": field_text(form, f"MediaUrl{index}"),
            "content_type": field_text(form, f"MediaContentType{index}")
            or "application/octet-stream",
        }
        for index in range(min(number, MEDIA_MAX))
        if form.get(f"MediaUrl{index}")
    ]
