"""Twilio's API as the sender uses it: one POST per call, and every way it can end told apart.

Whether a message was taken decides whether it may be posted again, so nothing here retries. Only
what surely happened before Twilio took it counts as not taken: a connection that was never
made, and 429. Whatever goes wrong once bytes were sent is unknown.
"""

import random
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, NamedTuple

import aiohttp
import msgspec
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.base.values import unset
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from domain.sending import NotTaken, Outcome, Refused, Send, Taken, Unknown
from schemas.fields import AccountId
from workers.settings import Settings

API_URL = "https://api.twilio.com"
"""Where the library sends requests, unless they are led elsewhere."""

CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 10.0

RETRY_SECONDS_FIRST = 0.1
RETRY_SECONDS_MAX = 30.0
JITTER = 0.1

PAGE_MESSAGES = 1_000
"""Messages of one page of a list."""

STATUS_PATH = "/twilio/status"


class _Busy(TwilioException):  # type: ignore[misc]  # the library has no types
    """429: surely not taken."""

    def __init__(self, retry_after: str | None) -> None:
        self.retry_after = retry_after


class _HttpClient(AsyncTwilioHttpClient):  # type: ignore[misc]  # the library has no types
    """The library's client with a time limit that holds, its own address, and no log of bodies."""

    def __init__(self, api_url: str) -> None:
        super().__init__(pool_connections=False)
        self._api_url = api_url
        self.session = aiohttp.ClientSession(
            # A connection that the server closed while it was idle fails when it is used, and
            # nobody can tell whether it took anything.
            connector=aiohttp.TCPConnector(force_close=True, limit=0),
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=CONNECT_SECONDS),
        )

    async def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        """Make one request."""
        url = self._api_url + url.removeprefix(API_URL)
        response = await super().request(method, url, *args, **kwargs)
        if response.status_code == 429:
            raise _Busy(response.headers.get("Retry-After"))
        return response

    def log_request(self, kwargs: Any) -> None:
        """Requests hold texts and secrets."""

    def log_response(self, status_code: int, response: Any) -> None:
        """Likewise."""


class TwilioMessage(NamedTuple):
    """A message as Twilio lists it."""

    sid: str
    direction: str
    from_address: str
    to_address: str
    body: str
    status: str
    media_count: int
    created_at: datetime
    sent_at: datetime | None


class Twilio:
    """Our accounts at Twilio. Made inside a running event loop; close it."""

    def __init__(self, settings: Settings) -> None:
        self._http = _HttpClient(settings.twilio_api_url)
        self._callback = settings.public_url + STATUS_PATH
        self._clients = {
            account.account_id: Client(sid, account.auth_token, http_client=self._http)
            for sid, account in reversed(settings.twilio_accounts.items())
            if account.auth_token
        }
        """Of several accounts at Twilio the first one named sends."""

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()

    def knows(self, account_id: str) -> bool:
        """Whether there is an account at Twilio to send from."""
        return account_id in self._clients

    async def post(self, send: Send) -> Outcome:
        """Post a part of a reply, once."""
        client = self._clients.get(send.account_id)
        if client is None:
            return NotTaken(RETRY_SECONDS_MAX)
        try:
            message = await client.messages.create_async(
                to=send.to_address,
                from_=send.from_address,
                body=send.body or unset,
                media_url=list(send.media_urls) or unset,
                content_sid=send.content_sid or unset,
                content_variables=_variables(send),
                status_callback=f"{self._callback}?mid={send.message_id}&a={send.part}",
            )
        except Exception as error:
            return _outcome(error, send)
        if not message.sid:
            return Unknown()
        return Taken(message.sid, str(message.status))

    async def messages(
        self,
        account_id: AccountId,
        *,
        from_address: str | None = None,
        to_address: str | None = None,
        since: datetime,
    ) -> AsyncIterator[TwilioMessage]:
        """The messages of an account that were sent on the day of `since` or later.

        Raises TwilioException, aiohttp's ClientError and TimeoutError.
        """
        client = self._clients[account_id]
        pages = await client.messages.stream_async(
            from_=from_address or unset,
            to=to_address or unset,
            date_sent_after=since.date(),
            page_size=PAGE_MESSAGES,
        )
        async for message in pages:
            yield TwilioMessage(
                message.sid,
                str(message.direction),
                message.from_ or "",
                message.to or "",
                message.body or "",
                str(message.status),
                int(message.num_media or 0),
                message.date_created,
                message.date_sent,
            )


def _variables(send: Send) -> Any:
    if send.content_variables is None:
        return unset
    return msgspec.json.encode(send.content_variables).decode()


def _outcome(error: Exception, send: Send) -> Outcome:
    """What an error says of whether the message was taken."""
    match error:
        case _Busy(retry_after=retry_after):
            return NotTaken(_again_seconds(send, retry_after))
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return NotTaken(_again_seconds(send, None))
        case TwilioRestException() | TwilioServiceException():
            # An answer of 5xx may come from something in front of what took the message.
            if 400 <= error.status < 500:
                return Refused(error.code)
            return Unknown()
        case _:
            return Unknown()


def _again_seconds(send: Send, retry_after: str | None) -> float:
    """What the answer asks for; else doubled with each attempt, a little apart from others."""
    if retry_after is not None and retry_after.isascii() and retry_after.isdigit():
        return float(min(int(retry_after), RETRY_SECONDS_MAX))
    seconds: float = min(RETRY_SECONDS_MAX, RETRY_SECONDS_FIRST * 2 ** min(send.attempts - 1, 20))
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # spreads load
