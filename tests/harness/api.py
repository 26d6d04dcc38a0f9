"""An HTTP client of the API, as a user, and the worker that serves it."""

from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from typing import Any, Self

import aiohttp
import msgspec

from tests.harness.input_events import ACCOUNT
from workers.api.operation import PREFIX
from workers.settings import Settings

ROLES = "ingest,relay,web,api"


def trusting(settings: Settings) -> Settings:
    """Returns settings of an API that trusts the headers of programs of this machine."""
    return replace(settings, api_trusted_networks=(ip_network("127.0.0.0/8"),))


@dataclass(frozen=True)
class Answered:
    """An answer of the API."""

    status: int
    headers: dict[str, str] = field(repr=False)
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which is JSON."""
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> str | None:
        """The code of a problem; None for any other answer."""
        if self.headers.get("Content-Type", "").startswith("application/problem+json"):
            code: str = self.json["code"]
            return code
        return None


class ApiClient:
    """Sends requests as one user. Use it as a context manager."""

    def __init__(
        self,
        settings: Settings,
        user: str = "ana",
        account: str = ACCOUNT,
        *,
        headers: dict[str, str] | None = None,
    ) -> None:
        """`headers` say who is asking, if not those of a trusted proxy do."""
        self._url = settings.local_url + PREFIX
        proxy = {"X-Inbox-Account": account, "X-Inbox-User": user}
        self._headers = proxy if headers is None else headers

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=60)
        self._session = aiohttp.ClientSession(timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def request(self, method: str, path: str, **given: Any) -> Answered:
        """Send a request to a path below /api/v1. `given` are arguments of aiohttp's client."""
        headers = self._headers | given.pop("headers", {})
        async with self._session.request(
            method, self._url + path, headers=headers, **given
        ) as response:
            return Answered(response.status, dict(response.headers), await response.read())

    async def get(self, path: str, **query: Any) -> Answered:
        """GET a path with this query."""
        return await self.request("GET", path, params=query)

    async def post(self, path: str, body: Any = None, **given: Any) -> Answered:
        """POST a body as JSON."""
        return await self.request("POST", path, json={} if body is None else body, **given)

    async def put(self, path: str, body: Any) -> Answered:
        """PUT a body as JSON."""
        return await self.request("PUT", path, json=body)

    async def delete(self, path: str) -> Answered:
        """DELETE a path."""
        return await self.request("DELETE", path)
