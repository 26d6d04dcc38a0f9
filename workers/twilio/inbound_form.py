"""The form of an inbound webhook: the message that a contact wrote."""

import re
from datetime import datetime

from multidict import MultiDict

from schemas.cloudevents import CloudEvent
from schemas.fields import ADDRESS_CHARACTERS_MAX, AccountId, ChannelId
from schemas.ids import conversation_id, inbound_message_id
from schemas.message_context import context_bytes
from schemas.messages import MessageReceived
from workers.twilio.form import SOURCE, check_fields, field_text, start_of, to_data
from workers.twilio.message_context import FormContext

REQUIRED_FIELDS = ("MessageSid", "From", "To")
"""Every inbound form has these fields, and none of them is empty."""

MEDIA_MAX = 100
"""Files of one message. Twilio sends ten at most, but a form may claim any number."""

MEDIA_BYTES_MAX = 64 * 1024
"""Of the files of one message as JSON. What does not fit is left out: no provider's URL is so
long."""

NAME_BYTES_MAX = 1024
"""Of the contact's name as JSON. A longer one is cut."""

BODY_BYTES_MAX = 160 * 1024
"""Of the text as JSON. A longer one is cut, so that the record with all its other parts stays
within `schemas.topics.RECORD_BYTES_MAX`, whatever the form holds."""

WHATSAPP = "whatsapp"
"""The prefix of addresses on WhatsApp."""

_NUMBER = re.compile(r"[1-9][0-9]{4,14}")
"""A phone number without its plus sign: at most 15 digits (ITU-T E.164)."""

ANY_TYPE = "application/octet-stream"
"""The content type of a file whose form names none (RFC 2046, section 4.5.1)."""


def received_event(
    form: MultiDict[str], account_id: AccountId, channel_id: ChannelId, received_at: datetime
) -> CloudEvent:
    """The `message.received` of a form. Raises BadForm.

    Twilio does not send the time at which the contact wrote, so `sent_at` is the time of receipt.
    The event's id follows from the message, so that Twilio's repeats are one event.
    """
    check_fields(form, REQUIRED_FIELDS)
    about, media = FormContext(form), _media(form)
    message = to_data(
        {
            "account_id": account_id,
            "channel_id": channel_id,
            "provider_message_id": form["MessageSid"],
            "contact": {
                "address": field_text(form, "From"),
                "name": start_of(field_text(form, "ProfileName"), NAME_BYTES_MAX) or None,
                "identities": _identities(form),
            },
            "body": start_of(about.text(has_media=bool(media)), BODY_BYTES_MAX),
            "media": media,
            "sent_at": received_at,
            "context": about.kept(),
        },
        MessageReceived,
    )
    return CloudEvent(
        id=inbound_message_id(account_id, channel_id, message.provider_message_id),
        type=MessageReceived.TYPE,
        time=received_at,
        data=message,
        subject=conversation_id(account_id, channel_id, message.contact.address),
        source=SOURCE,
    )


def _identities(form: MultiDict[str]) -> list[str]:
    """The other addresses of the contact, each written with the channel's prefix.

    One contact writes from a phone number and has the provider's own id beside it. Another has no
    number and writes from the id itself. And one person may write from two numbers, which WhatsApp
    takes for one: with and without the ninth digit in Brazil, with and without 1 in Mexico. Then
    `WaId` is the same.
    """
    address = field_text(form, "From")
    prefix, colon, _ = address.partition(":")
    if not colon:
        return []
    user_id, number = field_text(form, "ExternalUserId"), _whatsapp_number(form)
    given = [
        user_id if ":" in user_id or not user_id else f"{prefix}:{user_id}",
        f"{prefix}:{number}" if number and prefix == WHATSAPP else "",
    ]
    return [
        identity
        for identity in dict.fromkeys(given)
        if identity not in ("", address) and len(identity) <= ADDRESS_CHARACTERS_MAX
    ]


def _whatsapp_number(form: MultiDict[str]) -> str:
    """The number by which WhatsApp knows the contact; "" if `WaId` is no phone number."""
    digits = field_text(form, "WaId").removeprefix(f"{WHATSAPP}:").removeprefix("+")
    return f"+{digits}" if _NUMBER.fullmatch(digits) else ""


def _media(form: MultiDict[str]) -> list[dict[str, str]]:
    count = form.get("NumMedia", "0")
    number = int(count) if count.isascii() and count.isdigit() and len(count) < 5 else 0
    media: list[dict[str, str]] = []
    room = MEDIA_BYTES_MAX
    for index in range(min(number, MEDIA_MAX)):
        file = {
            "url": field_text(form, f"MediaUrl{index}"),
            "content_type": field_text(form, f"MediaContentType{index}") or ANY_TYPE,
        }
        size = context_bytes(file) + len(",")
        if file["url"] and size <= room:
            media.append(file)
            room -= size
    return media
