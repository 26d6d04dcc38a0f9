"""Twilio's API as the sender uses it: one POST per call, and every way it can end told apart.

Whether a message was taken decides whether it may be posted again, so nothing here retries. Only
what surely happened before Twilio took it counts as not taken: a connection that was never
made, and 429. Whatever goes wrong once bytes were sent is unknown.
"""

import logging
import random
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import msgspec
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.base.values import unset
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from domain.delivery import ACCEPTED
from domain.sending import NotTaken, Outcome, Refused, Send, Taken, Unknown
from schemas.fields import AccountId
from workers.process.retries import doubled_seconds
from workers.settings import Settings
from workers.twilio.form import MEDIA_MAX

log = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 10.0

RETRY_SECONDS_FIRST = 0.1
RETRY_SECONDS_MAX = 30.0
JITTER = 0.1

RETRY_AFTER_SECONDS_MAX = 3600.0
"""A reply waits no longer for what an answer asks for."""

PAGE_MESSAGES = 1_000
"""Messages of one page of a list."""

STATUS_PATH = "/twilio/status"


class _Answered(TwilioException):  # type: ignore[misc]  # the library has no types
    """An answer that says nothing of the request: 429, 5xx, or a redirect."""

    def __init__(self, status: int, retry_after: str | None) -> None:
        self.status = status
        self.retry_after = retry_after


class _HttpClient(AsyncHttpClient):  # type: ignore[misc]  # the library has no types
    """What the library makes its requests with.

    Its own client asks without any time limit, since it sets none where it is given none, and
    logs queries, which hold addresses.
    """

    def __init__(self, api_url: str) -> None:
        super().__init__(logging.getLogger(__name__), is_async=True)
        self._api_url = api_url
        self._session = aiohttp.ClientSession(
            # A connection that the server closed while it was idle fails when it is used, and
            # nobody can tell whether it took anything.
            connector=aiohttp.TCPConnector(force_close=True, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=CONNECT_SECONDS),
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
        """Make one request. Raises _Answered, aiohttp's ClientError and TimeoutError."""
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
        if answer.status == 429 or answer.status // 100 not in {2, 4}:
            raise _Answered(answer.status, answer.headers.get("Retry-After"))
        return Response(answer.status, text, answer.headers)

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()


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
    error_code: int | None = None


class TwilioMedia(NamedTuple):
    """A file of a message, as a webhook names it."""

    url: str
    content_type: str


class Twilio:
    """Our accounts at Twilio. Made inside a running event loop; close it."""

    def __init__(self, settings: Settings) -> None:
        self._api_url = settings.twilio_api_url
        self._http = _HttpClient(self._api_url)
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
        return Taken(str(message.sid), str(message.status or ACCEPTED))

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
                _code(message.error_code),
            )

    async def media(self, account_id: AccountId, message_sid: str) -> list[TwilioMedia]:
        """The files of a message. Raises as `messages` does."""
        message = self._clients[account_id].messages(message_sid)
        return [
            TwilioMedia(self._api_url + file.uri.removesuffix(".json"), file.content_type or "")
            for file in await message.media.list_async(limit=MEDIA_MAX)
        ]


def status_of(error: TwilioException) -> int | None:
    """The HTTP status of an answer that is an error; None when the answer cannot be read."""
    match error:
        case _Answered(status=status):
            return status
        case TwilioRestException() | TwilioServiceException():
            return int(error.status)
        case TwilioException(args=(_, Response() as response)):
            # Of a list, which the library does not read as it reads all others.
            return int(response.status_code)
        case _:
            return None


def _variables(send: Send) -> Any:
    if send.content_variables is None:
        return unset
    return msgspec.json.encode(send.content_variables).decode()


def _outcome(error: Exception, send: Send) -> Outcome:
    """What an error says of whether the message was taken."""
    match error:
        case _Answered(status=429, retry_after=retry_after):
            return NotTaken(_again_seconds(send, retry_after))
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return NotTaken(_again_seconds(send, None))
        case TwilioRestException() | TwilioServiceException():
            # Of a 4xx: any other is raised as _Answered.
            return Refused(_code(error.code))
        case _:
            # A 5xx may come from something in front of what took the message.
            log.info("a POST ended with %s", type(error).__name__)
            return Unknown()


def _code(code: object) -> int | None:
    """One of Twilio's error codes, or the status of an answer that has none."""
    return code if isinstance(code, int) and 0 < code < 2**31 else None


def _again_seconds(send: Send, retry_after: str | None) -> float:
    """What the answer asks for; else doubled with each attempt, a little apart from others."""
    if asked := _asked_seconds(retry_after or ""):
        return min(asked, RETRY_AFTER_SECONDS_MAX)
    seconds = doubled_seconds(send.attempts, RETRY_SECONDS_FIRST, RETRY_SECONDS_MAX)
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # spreads load


def _asked_seconds(retry_after: str) -> float | None:
    """The seconds of a header Retry-After, which may also name a time; none if it is not ahead."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    # An offset of -0000 stands for UTC too, without saying so.
    ahead = until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)
    return max(0.0, ahead.total_seconds())
