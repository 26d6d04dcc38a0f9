"""The form of an inbound webhook: the message that a contact wrote."""

from datetime import datetime

from multidict import MultiDict

from schemas.cloudevents import CloudEvent
from schemas.fields import ADDRESS_CHARACTERS_MAX, AccountId, ChannelId
from schemas.ids import conversation_id, inbound_message_id
from schemas.messages import MessageReceived
from workers.twilio.form import SOURCE, check_fields, field_text, to_data

REQUIRED_FIELDS = ("MessageSid", "From", "To")
"""Every inbound form has these fields, and none of them is empty."""

MEDIA_MAX = 100
"""Files of one message. Twilio sends ten at most, but a form may claim any number."""

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
    message = to_data(
        {
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
    """The provider's own id of the contact, written as an address with the channel's prefix.

    One contact writes from a phone number and has such an id beside it. Another has no number and
    writes from the id itself. Both ids must be the same address.
    """
    user_id, address = field_text(form, "ExternalUserId"), field_text(form, "From")
    prefix, colon, _ = address.partition(":")
    identity = user_id if ":" in user_id else f"{prefix}{colon}{user_id}"
    if not colon or not user_id or identity == address or len(identity) > ADDRESS_CHARACTERS_MAX:
        return []
    return [identity]


def _body(form: MultiDict[str]) -> str:
    """The text. A shared location comes without one: its place becomes the text."""
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
            "content_type": field_text(form, f"MediaContentType{index}") or ANY_TYPE,
        }
        for index in range(min(number, MEDIA_MAX))
        if form.get(f"MediaUrl{index}")
    ]
