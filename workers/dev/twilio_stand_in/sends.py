"""Checks the form of a request to send a message, as Twilio's API does."""

import re
from typing import Any
from urllib.parse import urlsplit

import msgspec
from multidict import MultiMapping

from workers.dev.twilio_stand_in.errors import ApiRefusal
from workers.dev.twilio_stand_in.messages import Message, channel_of, new_media, new_sid, now

BODY_MAX = 1600
"""The largest number of characters of a body."""

MEDIA_MAX = 10

CHANNELS = ("messenger", "whatsapp")

TO = re.compile(
    r"\+[1-9][0-9]{1,14}"
    r"|whatsapp:(\+[1-9][0-9]{1,14}|[A-Z]{2}\.[0-9A-Za-z]+)"
    r"|messenger:[0-9A-Za-z_.-]+"
)
"""A phone number, or an address of a channel. Some WhatsApp users have an id, not a number."""

SENDER_NAME = re.compile(r"[0-9]{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")
"""A short code, or a name. It can send messages but not receive any."""

CONTENT_SID = re.compile(r"HX[0-9a-fA-F]{32}")
MESSAGING_SERVICE_SID = re.compile(r"MG[0-9a-fA-F]{32}")
URL_HOST = re.compile(r"[A-Za-z0-9.-]+|[0-9a-f:]+")


def new_message(account_sid: str, form: MultiMapping[Any]) -> Message:
    """Returns the message that a form requests. Raises ApiRefusal."""
    _check_addresses(form)
    _check_content(form)
    _check_callback(form)
    media = new_media(form.getall("MediaUrl", []))
    service = form.get("MessagingServiceSid") or None
    time = now()
    return Message(
        sid=new_sid("MM" if media else "SM"),
        account_sid=account_sid,
        to=form["To"],
        from_=form.get("From") or None,
        body=form.get("Body", ""),
        direction="outbound-api",
        status="accepted" if service else "queued",
        created_at=time,
        updated_at=time,
        media=media,
        content_sid=form.get("ContentSid") or None,
        content_variables=form.get("ContentVariables") or None,
        messaging_service_sid=service,
        status_callback=form.get("StatusCallback") or None,
    )


def _check_addresses(form: MultiMapping[Any]) -> None:
    to, sender = form.get("To"), form.get("From")
    service = form.get("MessagingServiceSid")
    if not to:
        raise ApiRefusal(21604)
    if not TO.fullmatch(to):
        raise ApiRefusal(21211)
    if service and not MESSAGING_SERVICE_SID.fullmatch(service):
        raise ApiRefusal(21701)
    if not sender:
        if not service:
            raise ApiRefusal(21603)
        return
    if not (TO.fullmatch(sender) or SENDER_NAME.fullmatch(sender)):
        raise ApiRefusal(21212)
    if channel_of(sender) != channel_of(to):
        raise ApiRefusal(21910)


def _check_content(form: MultiMapping[Any]) -> None:
    body, media, content_sid = (
        form.get("Body", ""),
        form.getall("MediaUrl", []),
        form.get("ContentSid"),
    )
    if content_sid and not CONTENT_SID.fullmatch(content_sid):
        raise ApiRefusal(21655)
    if "ContentVariables" in form and not (content_sid and _is_variables(form["ContentVariables"])):
        raise ApiRefusal(21656)
    if not (body or media or content_sid):
        raise ApiRefusal(21602)
    if len(body) > BODY_MAX:
        raise ApiRefusal(21617)
    if len(media) > MEDIA_MAX:
        raise ApiRefusal(21623)
    if not all(_is_url(url) for url in media):
        raise ApiRefusal(21620)


def _check_callback(form: MultiMapping[Any]) -> None:
    url = form.get("StatusCallback")
    if url and not _is_url(url):
        raise ApiRefusal(21609)


def _is_variables(text: str) -> bool:
    """Whether a text is a JSON object whose values are texts, none of them empty."""
    try:
        variables = msgspec.json.decode(text, type=dict[str, str])
    except msgspec.MsgspecError:
        return False
    return all(variables.values())


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(host and URL_HOST.fullmatch(host))
