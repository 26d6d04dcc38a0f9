"""A valid request for each operation of the API, whatever its path names."""

import re
from collections.abc import Mapping
from typing import Any

from workers.api.operation import Operation

_CONVERSATION = "/conversations/{}"
_PARAMETER = re.compile(r"([a-z-]+)/\{\w+\}(?:/\{\w+\})?")

BODIES: dict[str, Any] = {
    "PUT /me/availability": {"available": True},
    "PUT /me/notification-settings": {},
    "POST /channels": {"provider": "sms", "address": "+14155550100", "name": "Sales"},
    f"POST {_CONVERSATION}/assign": {"assignee_id": None},
    f"POST {_CONVERSATION}/close": {},
    f"POST {_CONVERSATION}/reopen": {},
    f"POST {_CONVERSATION}/delete": {},
    f"POST {_CONVERSATION}/reply": {"body": "Hello"},
    f"POST {_CONVERSATION}/link": {"entity": {"type": "deal", "id": "d1"}},
    f"POST {_CONVERSATION}/unlink": {"entity": {"type": "deal", "id": "d1"}},
    f"POST {_CONVERSATION}/entity-requests": {"entity": {"type": "deal", "name": "A deal"}},
    f"POST {_CONVERSATION}/seen": {"version": 1},
}
"""A body for each operation that has one, by its method and address."""

QUERIES: dict[str, dict[str, str]] = {
    "GET /conversations": {"section": "unassigned"},
    "GET /entities": {"type": "deal", "q": "a"},
}
"""The query of each operation that needs one, by its method and address."""


def key(operation: Operation) -> str:
    """Returns the method and the address, with `{}` for each parameter."""
    return f"{operation.method} {re.sub(r'{[^}]*}', '{}', operation.address)}"


def path(operation: Operation, ids: Mapping[str, str]) -> str:
    """Returns the path of an operation. `ids` has the id for what stands before the parameter.

    Raises KeyError for an address of something of which there is none.
    """

    def filled(found: re.Match[str]) -> str:
        kind = found[1]
        # The second parameter counts the files of a message.
        return f"{kind}/{ids[kind]}" + ("/0" if found[0].count("{") > 1 else "")

    return _PARAMETER.sub(filled, operation.address)


def given(operation: Operation) -> dict[str, Any]:
    """Returns the body and the query of a valid request, as arguments of aiohttp's client.

    Raises KeyError for an operation with a body of which there is none here.
    """
    arguments: dict[str, Any] = {"params": QUERIES.get(key(operation), {})}
    if operation.body is not None:
        arguments["json"] = BODIES[key(operation)]
    return arguments
