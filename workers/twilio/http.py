"""The HTTP requests to Twilio: each is made once, within a time limit, and never logged."""

import logging
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import msgspec
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response

from workers.twilio.passing import is_passing

TWILIO_CONNECT_SECONDS = 5.0
"""How long it may take to open a connection to Twilio."""

TWILIO_REQUEST_SECONDS = 10.0
"""How long a request to Twilio may take in all."""


class StatusError(TwilioException):  # type: ignore[misc]  # the library has no types
    """An answer that refuses only for now, a 5xx or a redirect."""

    def __init__(self, status: int, code: int | None, retry_after: str | None) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.code = code
        """Twilio's code; None if the answer has none."""
        self.retry_after = retry_after
        """The header `Retry-After`."""


class BadAnswer(Exception):
    """Twilio answered a read request with an error, or with something that cannot be read."""

    def __init__(self, message: str, status: int | None) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status; None when the answer cannot be read."""


class HttpClient(AsyncHttpClient):  # type: ignore[misc]  # the library has no types
    """The HTTP client that we give to Twilio's library.

    The library's own client has no time limit unless each call sets one, and it logs queries,
    which hold addresses.
    """

    def __init__(self, api_url: str) -> None:
        super().__init__(logging.getLogger(__name__), is_async=True)
        self._api_url = api_url
        self._session = aiohttp.ClientSession(
            # A connection that the server closed while it was idle fails when it is used, and
            # nobody can tell whether the server took anything. So each request gets a new one.
            connector=aiohttp.TCPConnector(force_close=True, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=TWILIO_REQUEST_SECONDS, sock_connect=TWILIO_CONNECT_SECONDS
            ),
        )

    async def request(
        self,
        method: str,
        url: str,
        *,
        params: dict[str, Any] | None,
        data: dict[str, Any] | None,
        headers: dict[str, str],
        auth: tuple[str, str],
        **_: Any,
    ) -> Response:
        """Make one request. Raises StatusError, aiohttp's ClientError and TimeoutError."""
        credentials = b64encode(":".join(auth).encode()).decode()
        path = urlunsplit(("", "", *urlsplit(url)[2:]))
        async with self._session.request(
            method,
            self._api_url + path,
            params=params,
            data=data,
            headers=headers | {"Authorization": f"Basic {credentials}"},
            allow_redirects=False,
        ) as answer:
            text = await answer.text(errors="replace")
        if answer.status // 100 == 2:
            return Response(answer.status, text, answer.headers)
        code = _code_of(text)
        if answer.status // 100 != 4 or is_passing(answer.status, code):
            raise StatusError(answer.status, code, answer.headers.get("Retry-After"))
        return Response(answer.status, text, answer.headers)

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()


class _Error(msgspec.Struct):
    """What we read of an error in either of Twilio's formats."""

    code: int | None = None


def _code_of(text: str) -> int | None:
    try:
        return msgspec.json.decode(text, type=_Error).code
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None


@contextmanager
def bad_answers() -> Iterator[None]:
    """Turn every error of the library into BadAnswer."""
    try:
        yield
    except TwilioException as error:
        raise BadAnswer(str(error), _status_of(error)) from error


def _status_of(error: TwilioException) -> int | None:
    match error:
        case StatusError(status=status):
            return status
        case TwilioRestException() | TwilioServiceException():
            return int(error.status)
        case TwilioException(args=(_, Response() as response)):
            # The library handles an answer to a list in a way of its own.
            return int(response.status_code)
        case _:
            return None
