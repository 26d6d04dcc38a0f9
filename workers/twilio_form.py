"""A Twilio webhook's form: is it signed by whom it says, and what did the contact write?

Twilio's fields come and go without notice, so that only what the inbox needs is asked for.
"""

from datetime import datetime
from urllib.parse import parse_qsl

import msgspec
from multidict import MultiDict
from twilio.request_validator import RequestValidator, get_signature_algorithm

from schemas.cloudevents import CloudEvent
from schemas.fields import AccountId, ChannelId
from schemas.ids import conversation_id, inbound_message_id
from schemas.messages import MessageReceived
from workers.setting_values import TwilioAccount, TwilioAccounts

FIELDS_MAX = 500
MEDIA_MAX = 100
"""Twilio sends ten at the most; a form may say any number."""

REQUIRED = ("MessageSid", "From", "To")

_ALGORITHMS = ("HMAC_SHA1", "HMAC_SHA256")


class BadForm(ValueError):
    """A signed form that is no message."""


def parse_form(body: bytes) -> MultiDict[str]:
    """The fields of a body, blank ones too: they are signed. Raises ValueError for too many."""
    text = body.decode(errors="replace")
    return MultiDict(parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX))


def signer(
    accounts: TwilioAccounts, form: MultiDict[str], url: str, signature: str, settings: str
) -> TwilioAccount | None:
    """The account whose secret signed the form; None when none did.

    `url` is what Twilio calls, with its query; `signature` and `settings` are the headers
    `X-Twilio-Signature` and `X-Twilio-Webhooks-Signature-Settings`.
    """
    account = accounts.get(form.get("AccountSid", ""))
    algorithm = get_signature_algorithm(settings)
    if account is None or not signature or algorithm not in _ALGORITHMS:
        return None
    signed = any(
        RequestValidator(secret).validate(url, form, signature, algorithm)
        for secret in _secrets(account, settings)
    )
    return account if signed else None


def _secrets(account: TwilioAccount, settings: str) -> tuple[str, ...]:
    """The secrets that may have signed: the shared key that is named, or the tokens in use."""
    for part in settings.split(","):
        name, _, value = part.partition("=")
        if name.strip() == "key":
            secret = account.signing_keys.get(value.strip())
            return (secret,) if secret else ()
    return tuple(token for token in (account.auth_token, *account.previous_auth_tokens) if token)


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
        "contact": {"address": form["From"], "name": _text(form, "ProfileName") or None},
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


def _text(form: MultiDict[str], name: str) -> str:
    """A field's text. NUL, which Postgres cannot hold, is shown as what it is: unreadable."""
    return form.get(name, "").replace("\0", "\ufffd")


def _body(form: MultiDict[str]) -> str:
    """The text; of a shared location, which comes without one, where it is."""
    body = _text(form, "Body")
    if body or not (form.get("Latitude") and form.get("Longitude")):
        return body
    place = ", ".join(filter(None, (_text(form, "Label"), _text(form, "Address"))))
    where = f"{_text(form, 'Latitude')}, {_text(form, 'Longitude')}"
    return f"{place} ({where})" if place else where


def _media(form: MultiDict[str]) -> list[dict[str, str]]:
    count = form.get("NumMedia", "0")
    number = int(count) if count.isascii() and count.isdigit() and len(count) < 5 else 0
    return [
        {
            "url": _text(form, f"MediaUrl{index}"),
            "content_type": _text(form, f"MediaContentType{index}") or "application/octet-stream",
        }
        for index in range(min(number, MEDIA_MAX))
        if form.get(f"MediaUrl{index}")
    ]
