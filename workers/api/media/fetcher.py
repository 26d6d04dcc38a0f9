"""Fetches the files of messages, and passes them on as they come."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf

import aiohttp
from aiohttp import web
from yarl import URL

from schemas.fields import AccountId, MessageId
from schemas.messages import Media
from workers.api.caller import Caller
from workers.api.media.addresses import NoPublicAddress, PublicResolver
from workers.api.media.headers import content_type_of, file_headers
from workers.api.media.sources import ForbiddenSource, Sources, parse_url
from workers.api.media.turns import TooManyWait, Turns
from workers.api.problem import Problem
from workers.settings import Settings

log = logging.getLogger(__name__)

FILE_BYTES_MAX = 16 * 1024 * 1024
"""WhatsApp takes files of up to 16 MB, and other channels smaller ones: see
twilio.com/docs/whatsapp/guidance-whatsapp-media-messages."""

CHUNK_BYTES = 64 * 1024
FETCHES_MAX = 64
FETCHES_OF_ACCOUNT_MAX = 16
FETCHES_OF_USER_MAX = 8
"""Files that are passed on at once. Each takes a few chunks of memory. An account has a
quarter: whatever its users do, there are turns for others."""

TURN_SECONDS = 10.0
CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
WRITE_SECONDS = 10.0
FILE_SECONDS = 60.0
"""How long to wait for a turn, for a connection, for the next piece, for a client that takes
nothing, and for the whole file."""

REDIRECTS_MAX = 3
"""Twilio's API redirects once, to the server that keeps the files."""

NOTED_SECONDS = 600.0
"""How often it is noted that the provider refuses credentials."""

_PASSING = frozenset({408, 425, 429})
"""Refusals of now. All others of 4xx stay, however often a file is asked for."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class _ClientGone(Exception):
    """A client closed its connection, as a browser does with a tab, or takes nothing any more."""


class MediaFetcher:
    """Fetches files from the provider. Start it inside a running event loop."""

    def __init__(self, settings: Settings) -> None:
        self._sources = Sources(
            settings.twilio_api_url, settings.media_hosts, settings.twilio_accounts
        )
        self._api_host = URL(settings.twilio_api_url).raw_host or ""
        self._turns = Turns(FETCHES_MAX, FETCHES_OF_ACCOUNT_MAX, FETCHES_OF_USER_MAX)
        self._noted_at: dict[AccountId, float] = {}
        """By account with credentials, when it was noted last that they are refused."""
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Make the client."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=PublicResolver(self._api_host), limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=FILE_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS
            ),
            # What is packed might be huge.
            auto_decompress=False,
            headers={"Accept-Encoding": "identity"},
        )

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def pass_on(
        self, request: web.Request, caller: Caller, file: Media, message_id: MessageId, number: int
    ) -> web.StreamResponse:
        """Answer a request with a file. Raises Problem, also when a part of it was sent already."""
        try:
            async with (
                asyncio.timeout(TURN_SECONDS + FILE_SECONDS),
                self._turns.turn(caller.account_id, caller.user_id, TURN_SECONDS),
                self._fetched(file.url, caller.account_id) as answer,
            ):
                answered_type = answer.headers.get("Content-Type")
                content_type = content_type_of(answered_type, file.content_type)
                headers = file_headers(content_type, message_id, number)
                return await _stream(request, answer, headers)
        except TooManyWait:
            detail = "too many files are asked for at once"
            raise Problem("too_many_requests", detail, {"Retry-After": "1"}) from None
        except ForbiddenSource as error:
            log.info("a file is not fetched: %s", error)
            raise Problem("not_found", "this file is not where the inbox may fetch it") from None
        except (aiohttp.ClientError, TimeoutError) as error:
            log.info("a file could not be fetched: %s", type(error).__name__)
            if isinstance(getattr(error, "os_error", None), NoPublicAddress):
                raise Problem("not_found", "this file is at no public address") from None
            raise _unavailable() from None

    @asynccontextmanager
    async def _fetched(
        self, text: str, account_id: AccountId
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Yield the answer that has a file. Raises ForbiddenSource, Problem and ClientError."""
        assert self._session is not None, "it was started"
        url = parse_url(text)
        for _ in range(1 + REDIRECTS_MAX):
            source = self._sources.source(url, account_id)
            async with self._session.get(
                source.url, headers=source.headers, allow_redirects=False
            ) as answer:
                if answer.status in {401, 403} and source.headers:
                    self._note_refusal(account_id, answer.status)
                if answer.status not in _REDIRECTS:
                    _check(answer)
                    yield answer
                    return
                url = _joined(source.url, answer.headers.get("Location", ""))
        log.info("a file could not be fetched: too many redirects")
        raise _unavailable()

    def _note_refusal(self, account_id: AccountId, status: int) -> None:
        """Tell the operator now and then that the provider refuses an account's credentials."""
        now = time.monotonic()
        if now - self._noted_at.get(account_id, -inf) >= NOTED_SECONDS:
            self._noted_at[account_id] = now
            log.warning(
                "the files of account %s are refused: Twilio answers %s to its auth_token in"
                " INBOX_TWILIO_ACCOUNTS",
                account_id,
                status,
            )


def _joined(url: URL, location: str) -> URL:
    try:
        return parse_url(str(url.join(URL(location, encoded=True))))
    except ValueError:
        raise ForbiddenSource("redirected to no URL") from None


def _check(answer: aiohttp.ClientResponse) -> None:
    """Raise Problem for an answer without a file, or with one that is too large."""
    if 400 <= answer.status < 500 and answer.status not in _PASSING:
        log.info("a file is not given: %s answers %s", answer.url.host, answer.status)
        raise Problem("not_found", "the provider does not have this file, or does not give it")
    if answer.status != 200 or answer.headers.get("Content-Encoding", "identity") != "identity":
        log.info("a file could not be fetched: %s answers %s", answer.url.host, answer.status)
        raise _unavailable()
    if (answer.content_length or 0) > FILE_BYTES_MAX:
        raise _too_large()


async def _stream(
    request: web.Request, answer: aiohttp.ClientResponse, headers: dict[str, str]
) -> web.StreamResponse:
    """Answer with a file, as far as the client takes it."""
    response = web.StreamResponse(headers=headers)
    response.content_length = answer.content_length
    size = 0
    try:
        async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
            size += len(chunk)
            if size > FILE_BYTES_MAX:
                raise _too_large()
            async with _until_taken():
                # As late as this: until then a failure has an answer of its own.
                await response.prepare(request)
                await response.write(chunk)
        async with _until_taken():
            await response.prepare(request)
            await response.write_eof()
    except _ClientGone:
        if request.transport is not None:
            request.transport.abort()
    return response


@asynccontextmanager
async def _until_taken() -> AsyncIterator[None]:
    """Wait so long for a client to take what is written. Raises _ClientGone."""
    try:
        async with asyncio.timeout(WRITE_SECONDS):
            yield
    except (ConnectionError, TimeoutError):
        raise _ClientGone from None


def _too_large() -> Problem:
    return Problem("file_too_large", f"a file of more than {FILE_BYTES_MAX} bytes is not fetched")


def _unavailable() -> Problem:
    detail = "the provider does not give the file now; the same request may be sent again"
    return Problem("unavailable", detail, {"Retry-After": "1"})
