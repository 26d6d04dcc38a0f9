"""Twilio's API: posts the parts of replies, and lists messages and their files.

Whether Twilio took a part decides whether it may be posted again, so nothing here retries, and
every end of a POST has an outcome of its own. It is certain that Twilio did not take the part if no
connection was made, and after a 4xx, which may pass (`workers/twilio/passing.py`) or be for good.
After any other error, bytes were sent, and the outcome is unknown.
"""

import logging
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import aiohttp
import msgspec
from twilio.base.exceptions import TwilioRestException, TwilioServiceException
from twilio.base.values import unset
from twilio.rest import Client

from domain.delivery import ACCEPTED
from domain.sending import NotTaken, PostOutcome, Refused, Send, Taken, Unknown
from schemas.fields import AccountId
from workers.process.retries import doubled_seconds
from workers.settings import Settings
from workers.twilio.form import STATUS_PATH
from workers.twilio.http import HttpClient, StatusError, bad_answers
from workers.twilio.inbound_form import MEDIA_MAX
from workers.twilio.passing import ACCOUNT_CODES, is_passing
from workers.twilio.status_form import callback_query

log = logging.getLogger(__name__)

RETRY_SECONDS_FIRST = 0.1
RETRY_SECONDS_MAX = 30.0
"""How long to wait before a part that was not taken is posted again, if Twilio names no time."""

JITTER = 0.1
"""The share by which such a wait is made shorter or longer, at random."""

RETRY_AFTER_SECONDS_MAX = 3600.0
"""A part waits no longer than this, even if an answer asks for more."""

PAGE_MESSAGES = 1_000
"""Messages of one page of a list."""


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
    """A file of a message, as a webhook has it."""

    url: str
    content_type: str


class Twilio:
    """Our accounts at Twilio. Make it inside a running event loop, and close it."""

    def __init__(self, settings: Settings) -> None:
        self._api_url = settings.twilio_api_url
        self._http = HttpClient(self._api_url)
        self._status_url = settings.public_url + STATUS_PATH
        self._clients = {
            (account.account_id, sid): Client(sid, account.auth_token, http_client=self._http)
            for sid, account in settings.twilio_accounts.items()
            if account.auth_token
        }
        """By our account, and the account at Twilio."""
        self._first = {account_id: sid for account_id, sid in reversed(self._clients)}
        """By our account: the account at Twilio that is set first."""
        self._reported: set[tuple[str, str | None]] = set()
        """The accounts of which it was reported that their token is missing or refused."""

    async def close(self) -> None:
        """Close all connections."""
        await self._http.close()

    def account_of(self, send: Send) -> str | None:
        """The account at Twilio through which a part goes out; None: no token is set for it.

        An account that the channel's installation named must be set. One that its webhooks came
        from may have been replaced since: then the first one of the tenant counts.
        """
        learned = send.webhook_account_id
        if learned is None or (send.account_id, learned) not in self._clients:
            learned = self._first.get(send.account_id)
        sid = send.provider_account_id or learned
        return sid if sid is not None and (send.account_id, sid) in self._clients else None

    def _client(self, account_id: AccountId, sid: str | None = None) -> Client:
        """The client of an account at Twilio; without a SID, of the first one of our account.

        Raises LookupError for one that is not set for our account.
        """
        return self._clients[account_id, sid or self._first[account_id]]

    async def post(self, send: Send) -> PostOutcome:
        """Post a part of a reply, once."""
        sid = self.account_of(send)
        if sid is None:
            self._report(send, "wait: INBOX_TWILIO_ACCOUNTS has no auth_token for")
            return NotTaken(RETRY_SECONDS_MAX)
        try:
            message = await self._client(send.account_id, sid).messages.create_async(
                to=send.to_address,
                from_=send.from_address,
                body=send.body or unset,
                media_url=list(send.media_urls) or unset,
                content_sid=send.content_sid or unset,
                content_variables=_variables(send),
                status_callback=f"{self._status_url}?{callback_query(send.message_id, send.part)}",
            )
        except Exception as error:
            outcome = _outcome(error, send)
            if isinstance(outcome, Refused) and outcome.error_code in ACCOUNT_CODES:
                self._report(send, f"fail: Twilio answers {outcome.error_code} for")
            return outcome
        self._reported.discard((send.account_id, send.provider_account_id))
        if not message.sid:
            return Unknown()
        return Taken(str(message.sid), str(message.status or ACCEPTED))

    def _report(self, send: Send, reason: str) -> None:
        """Log why no reply of an account goes out: once, until one is taken."""
        key = (send.account_id, send.provider_account_id)
        if key not in self._reported:
            self._reported.add(key)
            log.warning(
                "replies of %s %s %s",
                send.account_id,
                reason,
                send.provider_account_id or "it",
            )

    async def messages(
        self,
        account_id: AccountId,
        *,
        sid: str | None = None,
        from_address: str | None = None,
        to_address: str | None = None,
        since: datetime,
    ) -> AsyncIterator[TwilioMessage]:
        """Yield the messages of an account that were sent on the day of `since` or later.

        They are those of one account at Twilio: of `sid`, or else of the first one. The newest
        come first. Raises BadAnswer, aiohttp's ClientError, TimeoutError, ValueError for an answer
        that is no JSON, and LookupError for an account that is not set.
        """
        client = self._client(account_id, sid)
        with bad_answers():
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
        message = self._client(account_id).messages(message_sid)
        with bad_answers():
            files = await message.media.list_async(limit=MEDIA_MAX)
        return [
            TwilioMedia(self._api_url + file.uri.removesuffix(".json"), file.content_type or "")
            for file in files
        ]


def _variables(send: Send) -> Any:
    if send.content_variables is None:
        return unset
    return msgspec.json.encode(send.content_variables).decode()


def _outcome(error: Exception, send: Send) -> PostOutcome:
    """Whether Twilio took a part whose POST ended in an error."""
    match error:
        case StatusError(status=status, code=code) if is_passing(status, code):
            return NotTaken(_again_seconds(send, error.retry_after), _code(code))
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return NotTaken(_again_seconds(send, None))
        case TwilioRestException() | TwilioServiceException():
            # Their status is a 4xx, for good: the others are raised as StatusError.
            return Refused(_code(error.code))
        case _:
            # A 5xx may come from a server in front of the one that took the part.
            log.info("a POST ended with %s", type(error).__name__)
            return Unknown()


def _code(code: object) -> int | None:
    """A code of Twilio's, or the HTTP status of an answer that has none; None for anything else."""
    return code if isinstance(code, int) and 0 < code < 2**31 else None


def _again_seconds(send: Send, retry_after: str | None) -> float:
    """How long a part waits before it is posted again.

    As long as the answer asks for. If it asks for nothing, or for a time that is over, the wait
    doubles with each attempt, with some jitter.
    """
    if seconds := _retry_after_seconds(retry_after or ""):
        return min(seconds, RETRY_AFTER_SECONDS_MAX)
    seconds = doubled_seconds(send.attempts, RETRY_SECONDS_FIRST, RETRY_SECONDS_MAX)
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # spreads load


def _retry_after_seconds(retry_after: str) -> float | None:
    """The seconds of a header `Retry-After`, which may also hold a date; 0 for a date in the past.

    None when it holds neither (RFC 9110, section 10.2.3).
    """
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after[:9])
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    # An offset of -0000 is UTC too, but is parsed into a time without an offset.
    ahead = until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)
    return max(0.0, ahead.total_seconds())
