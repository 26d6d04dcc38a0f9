"""Posts status callbacks: reports of a message's status, signed as Twilio signs them."""

import ipaddress
from collections.abc import Mapping
from typing import Self
from urllib.parse import urlsplit

import aiohttp
from twilio.request_validator import RequestValidator
from yarl import URL

from workers.dev.twilio_stand_in.messages import API_VERSION, Message

TWILIO_WAIT_SECONDS = 15.0
"""How long Twilio waits for the answer to a webhook."""

Form = dict[str, str]


def journey(message: Message) -> tuple[str, ...]:
    """Returns the statuses of a message that arrives. Only channels report that it was read."""
    return ("queued", "sent", "delivered") + (("read",) if message.channel else ())


def status_form(message: Message, status: str, error_code: int | None = None) -> Form:
    """Returns the form that reports a status of a message."""
    form = {
        "SmsSid": message.sid,
        "SmsStatus": status,
        "MessageStatus": status,
        "To": message.to,
        "MessageSid": message.sid,
        "AccountSid": message.account_sid,
        "From": message.from_ or "",
        "ApiVersion": API_VERSION,
    }
    if message.channel:
        address = message.to.removeprefix(f"{message.channel}:")
        form |= {
            "EventType": status.upper(),
            "ChannelToAddress": f"{address[:-6]}XXXXX",
            "ChannelPrefix": message.channel,
        }
    if message.messaging_service_sid:
        form["MessagingServiceSid"] = message.messaging_service_sid
    if error_code is not None:
        form["ErrorCode"] = str(error_code)
    return form


class StatusCallbacks:
    """Posts status callbacks to this machine only. Use it as a context manager.

    `auth_tokens` holds the token that signs, by AccountSid. The public URL is signed. `reached_at`
    maps the beginning of a public URL to a local URL to which the callback is posted instead.
    """

    def __init__(self, auth_tokens: Mapping[str, str], reached_at: Mapping[str, str]) -> None:
        self._auth_tokens = auth_tokens
        self._reached_at = reached_at

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=TWILIO_WAIT_SECONDS)
        self._session = aiohttp.ClientSession(
            timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def post(self, message: Message, status: str, error_code: int | None = None) -> int:
        """Post one callback, and return the status of the answer; 0 for a message without a URL.

        Raises aiohttp.ClientError or TimeoutError when nothing answers, and ValueError for a URL
        that is not on this machine.
        """
        if message.status_callback is None:
            return 0
        form = status_form(message, status, error_code)
        signed = message.status_callback.partition("#")[0]
        token = self._auth_tokens[message.account_sid]
        signature = RequestValidator(token).compute_signature(signed, form)
        async with self._session.post(
            # Unchanged: with other quoting it would differ from the signed URL.
            URL(self._local(signed), encoded=True),
            data=form,
            headers={"X-Twilio-Signature": signature},
            allow_redirects=False,
        ) as response:
            await response.read()
            return response.status

    def _local(self, url: str) -> str:
        for public, local in self._reached_at.items():
            if url.startswith(public):
                return local + url.removeprefix(public)
        host = urlsplit(url).hostname or ""
        if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
            raise ValueError(f"status callbacks are posted to this machine only, not to {host}")
        return url
