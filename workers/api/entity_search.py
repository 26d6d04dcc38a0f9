"""Searches the CRM for persons, leads and deals."""

import logging
from typing import Annotated, Any

import aiohttp
import msgspec
from msgspec import Meta, Struct

from schemas.fields import AccountId, ExternalId
from schemas.links import EntityType
from workers.api.problem import Problem

log = logging.getLogger(__name__)

SEARCH_SECONDS = 2.0
"""How long a user waits for the CRM. Waiting for one of the connections counts."""

SEARCHES_MAX = 32
"""Searches at once."""

ANSWER_BYTES_MAX = 1024 * 1024
ENTITIES_MAX = 50
"""What is shown of an answer. A user who does not find what they want writes more of its name."""


class FoundEntity(Struct, frozen=True, kw_only=True):
    """An entity of the CRM, to be linked to a conversation."""

    type: EntityType
    id: ExternalId
    name: Annotated[str, Meta(max_length=500)]
    url: Annotated[str, Meta(pattern=r"^https?://[^\s<>\"\\]{1,2000}\Z")]
    """Where the CRM shows it."""


class EntitySearch:
    """Asks the CRM. Start it inside a running event loop."""

    def __init__(self, url: str | None) -> None:
        """`url` is None where there is no search."""
        self._url = url
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Make the client."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=SEARCHES_MAX),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=SEARCH_SECONDS),
            # What is packed might be huge.
            auto_decompress=False,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        )

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def find(self, account_id: AccountId, type_: EntityType, q: str) -> list[FoundEntity]:
        """Returns what the CRM finds for an account. Raises Problem."""
        if self._url is None:
            raise Problem("not_found", "this installation has no CRM to search")
        assert self._session is not None, "it was started"
        query = {"account_id": account_id, "type": type_, "q": q}
        try:
            async with self._session.get(self._url, params=query, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise _unavailable(f"HTTP {answer.status}")
                found = msgspec.json.decode(await _body(answer), type=list[Any])
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _unavailable(type(error).__name__) from None
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            raise _unavailable("no list in JSON") from None
        entities = [entity for each in found if (entity := _entity(each)) and entity.type == type_]
        return entities[:ENTITIES_MAX]


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > ANSWER_BYTES_MAX:
            raise _unavailable(f"more than {ANSWER_BYTES_MAX} bytes")
    return bytes(body)


def _entity(found: Any) -> FoundEntity | None:
    """Returns an entity of the answer; None for one that is not as it must be."""
    try:
        return msgspec.convert(found, FoundEntity)
    except msgspec.ValidationError:
        return None


def _unavailable(reason: str) -> Problem:
    # The URL may hold a password, and an error may quote it.
    log.warning("the CRM was not searched: %s", reason)
    detail = "the CRM does not answer; the same request may be sent again"
    return Problem("unavailable", detail, {"Retry-After": "1"})
