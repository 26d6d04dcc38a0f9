"""What a contact's message is about beside its text: answer, button, form, ad, place."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import force_setattr

from schemas.fields import ExternalId, NonEmpty

CONTEXT_BYTES_MAX = 16 * 1024
"""The limit of a context as compact JSON."""

FORM_DEPTH_MAX = 16
"""How deep the answers of a form may be nested."""

NUMBER_MAX, NUMBER_MIN = 2**53, 1e-6
"""The limits of a fraction in a form, without its sign. Postgres writes others in full, such as
1e300 with 301 digits, and so may return another number, or one that takes more room."""


class Referral(Struct, frozen=True, omit_defaults=True):
    """The ad or post from which the contact began to write."""

    source_id: str | None = None
    source_type: str | None = None
    """The provider's word, such as `ad` or `post`."""
    source_url: str | None = None
    headline: str | None = None
    click_id: str | None = None


class Location(Struct, frozen=True, omit_defaults=True):
    """A place that the contact shared."""

    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    """Degrees north."""
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None
    """Degrees east."""
    label: str | None = None
    address: str | None = None


class MessageContext(Struct, frozen=True, omit_defaults=True):
    """What a message is about beside its text. What does not apply is absent, or null."""

    in_reply_to: ExternalId | None = None
    """The provider's id of the message that this one answers."""
    button_payload: NonEmpty | None = None
    """What the company named the button that the contact pressed."""
    list_id: NonEmpty | None = None
    """What the company named the item of a list that the contact chose."""
    form: Any = None
    """The answers of a form: any JSON."""
    referral: Referral | None = None
    location: Location | None = None
    forwarded: bool | None = None

    def __post_init__(self) -> None:
        check_depth(self.form)
        force_setattr(self, "form", storable_numbers(self.form))
        size = context_bytes(self)
        if size > CONTEXT_BYTES_MAX:
            raise ValueError(f"{size} bytes, at most {CONTEXT_BYTES_MAX} are taken")


def context_bytes(value: Any) -> int:
    """Returns the size of a context, or of a part of one, as compact JSON in bytes."""
    return len(msgspec.json.encode(value))


def check_depth(form: Any) -> None:
    """Raise ValueError for answers that are nested too deep."""
    level = [form]
    for _ in range(FORM_DEPTH_MAX):
        level = [part for value in level for part in _parts(value)]
    if level:
        raise ValueError(f"form: nested deeper than {FORM_DEPTH_MAX} levels")


def storable_numbers(value: Any) -> Any:
    """Returns the answers of a form, with texts for numbers that would come back different.

    Whole numbers come back as they are, however large.
    """
    if isinstance(value, dict):
        return {name: storable_numbers(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [storable_numbers(each) for each in value]
    if isinstance(value, float) and value and not NUMBER_MIN <= abs(value) <= NUMBER_MAX:
        return repr(value)
    return value


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []
