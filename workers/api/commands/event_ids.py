"""The id of what a request publishes: the header `Idempotency-Key`, or a new one."""

import uuid
from typing import Annotated

from msgspec import Meta
from multidict import MultiMapping

from schemas.cloudevents import ID_CHARACTERS_MAX
from workers.api.problem import Problem

KEY_HEADER = "Idempotency-Key"

_Key = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=ID_CHARACTERS_MAX,
        description="Names the request: a repeat changes nothing, and is answered as the first.",
    ),
]
HEADERS = {KEY_HEADER: _Key}
"""The headers of an operation that publishes."""


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
