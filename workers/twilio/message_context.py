"""What a form says beside its text: kept as the message's context, and in words in its text."""

import re
from typing import NamedTuple

import msgspec
from msgspec.structs import replace
from multidict import MultiDict

from domain.graphemes import is_blank
from schemas.context_text import (
    form_line,
    has_words,
    is_form_said,
    place_text,
    referral_name,
)
from schemas.fields import ExternalId
from schemas.message_context import (
    CONTEXT_BYTES_MAX,
    Location,
    MessageContext,
    Referral,
    context_bytes,
)
from workers.twilio.form import field_text, start_of
from workers.twilio.interactive_data import Interaction, fitting_form, interaction

WORDS_BYTES_MAX = 512
"""Of words, such as a headline, as JSON. Longer ones are cut."""

NAME_BYTES_MAX = 1024
"""Of an id or another name, as JSON. A longer one is left out: a part of it would be no name."""

URL_BYTES_MAX = 2048
"""Of a URL, as JSON. A longer one is left out."""

UNSUPPORTED = "[unsupported message]"
"""The text of a message of which nothing else can be shown."""

OPT_OUTS = {"STOP": "[opted out]", "START": "[opted in]", "HELP": "[asked for help]"}
"""What the provider took a message for, and did by itself."""

_DEGREES = re.compile(r"[+-]?[0-9]{1,3}(\.[0-9]{1,30})?")
_KIND = re.compile(r"[a-z_]{1,20}")


class Place(NamedTuple):
    """A shared place as the form says it; each part may be ""."""

    label: str
    address: str
    latitude: str
    longitude: str

    @property
    def words(self) -> str:
        """What it is called."""
        return ", ".join(filter(None, (self.label, self.address)))

    @property
    def text(self) -> str:
        """What it is called, and where it is."""
        there = self.latitude and self.longitude
        return place_text(self.words, f"{self.latitude}, {self.longitude}" if there else "")


class FormContext:
    """What one form says beside its text."""

    def __init__(self, form: MultiDict[str]) -> None:
        self._form = form
        self._interaction = interaction(form)
        self._place = _place(form)
        self._referral = _referral(form)

    def kept(self) -> MessageContext | None:
        """The context of the message, within its limit; None if there is nothing to keep."""
        form = self._form
        forwarded = ("Forwarded", "FrequentlyForwarded")
        chosen = self._interaction
        context = MessageContext(
            in_reply_to=_external_id(field_text(form, "OriginalRepliedMessageSid")),
            button_payload=_name(chosen.button_payload),
            list_id=_name(chosen.list_id),
            referral=self._referral,
            location=_location(self._place),
            forwarded=any(field_text(form, name).lower() == "true" for name in forwarded) or None,
        )
        if chosen.form is not None:
            room = CONTEXT_BYTES_MAX - context_bytes(context) - len('"form":,')
            context = replace(context, form=fitting_form(chosen.form, room))
        return context if context != MessageContext() else None

    def text(self, *, has_media: bool) -> str:
        """The text of the message, with what the form says beside it in words."""
        body = field_text(self._form, "Body")
        place = "" if has_words(body, self._place.text) else self._place.text
        # The line of a place that the body only names says the body too.
        unsaid = is_blank(body) or (place and self._is_place(body))
        lines = [] if unsaid else [body]
        lines += _chosen(self._interaction, body)
        lines += _filled_in(self._interaction, body)
        lines += [place] if place else []
        if not lines and self._referral is not None:
            lines = [_from_referral(self._form, self._referral)]
        lines += filter(None, [OPT_OUTS.get(field_text(self._form, "OptOutType").upper())])
        if lines:
            return "\n".join(lines)
        return "" if has_media else self._unsupported()

    def _is_place(self, body: str) -> bool:
        """Whether the body says nothing but what the place is called."""
        place = self._place
        return body.strip() in (place.label, place.address, place.words)

    def _unsupported(self) -> str:
        kind = field_text(self._form, "MessageType").lower()
        if kind in ("text", "unsupported") or not _KIND.fullmatch(kind):
            return UNSUPPORTED
        return f"{UNSUPPORTED[:-1]}: {kind}]"


def _place(form: MultiDict[str]) -> Place:
    names = ("Label", "Address", "Latitude", "Longitude")
    texts = (field_text(form, name).strip() for name in names)
    return Place(*("" if is_blank(text) else text for text in texts))


def _location(place: Place) -> Location | None:
    location = Location(
        label=start_of(place.label, WORDS_BYTES_MAX) or None,
        address=start_of(place.address, WORDS_BYTES_MAX) or None,
    )
    numbers = (place.latitude, place.longitude)
    if all(_DEGREES.fullmatch(number) for number in numbers):
        latitude, longitude = map(float, numbers)
        if abs(latitude) <= 90 and abs(longitude) <= 180:
            location = replace(location, latitude=latitude, longitude=longitude)
    return location if location != Location() else None


def _referral(form: MultiDict[str]) -> Referral | None:
    """Returns the ad or post that a message came from. Ordinary messages have `ReferralNumMedia`
    too, which says nothing."""
    headline = field_text(form, "ReferralHeadline") or field_text(form, "ReferralBody")
    referral = Referral(
        source_id=_name(field_text(form, "ReferralSourceId")),
        source_type=_name(field_text(form, "ReferralSourceType")),
        source_url=_name(field_text(form, "ReferralSourceUrl"), URL_BYTES_MAX),
        headline=start_of(headline, WORDS_BYTES_MAX) or None,
        click_id=_name(field_text(form, "ReferralCtwaClid")),
    )
    return referral if referral != Referral() else None


def _from_referral(form: MultiDict[str], referral: Referral) -> str:
    name = referral_name(referral)
    return f"[from {name}: {referral.headline}]" if referral.headline else f"[from {name}]"


def _chosen(chosen: Interaction, body: str) -> list[str]:
    """Returns the button or the item that was chosen, where the body does not say it.

    The company's own name of it stands in only where there is no text at all.
    """
    texts = [chosen.button_text, chosen.list_title]
    if all(map(is_blank, (body, *texts))):
        texts = [chosen.button_payload, chosen.list_id]
    return [text for text in texts if not is_blank(text) and not has_words(body, text)]


def _filled_in(chosen: Interaction, body: str) -> list[str]:
    if chosen.form is None:
        return []
    if is_form_said(chosen.form, body) and not is_blank(body):
        return []
    return [form_line(chosen.form)]


def _external_id(text: str) -> str | None:
    try:
        return msgspec.convert(text, ExternalId)
    except msgspec.ValidationError:
        return None


def _name(text: str, bytes_max: int = NAME_BYTES_MAX) -> str | None:
    return text if text.strip() and context_bytes(text) <= bytes_max else None
