"""The id of what a request publishes: the header `Idempotency-Key`, or a new one."""

import uuid
from typing import Annotated, Any

from msgspec import Meta
from multidict import MultiMapping

from schemas.cloudevents import ID_CHARACTERS_MAX
from workers.api.problem import Problem

KEY_HEADER = "Idempotency-Key"


def _key(description: str, pattern: str | None = None) -> Any:
    limits = Meta(min_length=1, max_length=ID_CHARACTERS_MAX, pattern=pattern)
    return Annotated[str, limits, Meta(description=description)]


_REPEATS = (
    "Names the request in its account: a repeat changes nothing, and is answered as the first."
)
HEADERS = {KEY_HEADER: _key(_REPEATS)}
"""The headers of an operation that publishes."""

REPLY_HEADERS = {KEY_HEADER: _key(f"{_REPEATS} Without `/`.", r"^[^/]*\Z")}
"""The headers of an operation that publishes a reply."""

SETTING_HEADERS = {
    KEY_HEADER: _key(
        "The id of the event. A repeat is published again, and undoes what was set in between."
    )
}
"""The headers of an operation that publishes a setting: the directory knows no ids of events."""


def event_id(headers: MultiMapping[str]) -> str:
    """Returns the id of the CloudEvent that a request publishes. Raises Problem."""
    given = headers.getall(KEY_HEADER, [])
    if not given:
        return str(uuid.uuid4())
    if len(given) > 1:
        raise Problem("invalid_request", f"{KEY_HEADER} is given twice")
    key = given[0]
    # Neither NUL nor half of a surrogate pair, which stands for a byte that is no UTF-8, is
    # printable.
    if not (1 <= len(key) <= ID_CHARACTERS_MAX and key.isprintable()):
        detail = f"{KEY_HEADER} has to be 1 to {ID_CHARACTERS_MAX} printable characters"
        raise Problem("invalid_request", detail)
    return key


def reply_id(headers: MultiMapping[str]) -> str:
    """Returns the id of the command of a reply. Raises Problem.

    The id of the reply's message follows from it, and that of a contact's message from
    `<channel_id>/<provider_message_id>`. With `/` both could be the same.
    """
    key = event_id(headers)
    if "/" in key:
        raise Problem("invalid_request", f"{KEY_HEADER} of a reply may not have a /")
    return key
