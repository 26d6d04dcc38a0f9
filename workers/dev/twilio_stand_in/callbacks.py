"""Status callbacks: what Twilio posts about a message, signed as Twilio signs it."""

import ipaddress
from collections.abc import Mapping
from typing import Self
from urllib.parse import urlsplit

import aiohttp
from twilio.request_validator import RequestValidator
from yarl import URL

from workers.dev.twilio_stand_in.messages import API_VERSION, Message

POST_SECONDS = 15.0
"""As long as Twilio waits."""

Form = dict[str, str]


def journey(message: Message) -> tuple[str, ...]:
    """The states of a message that arrives; only channels tell that it was read."""
    return ("queued", "sent", "delivered") + (("read",) if message.channel else ())


def status_form(message: Message, status: str, error_code: int | None = None) -> Form:
    """What is posted when a message got a status."""
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
    """Posts them, to this machine or as `reached_at` says; open while it is a context.

    `auth_tokens` sign, by account. `reached_at` maps the beginning of a public URL, which is what
    gets signed, to where that is reached from here.
    """

    def __init__(self, auth_tokens: Mapping[str, str], reached_at: Mapping[str, str]) -> None:
        self._auth_tokens = auth_tokens
        self._reached_at = reached_at

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=POST_SECONDS)
        self._session = aiohttp.ClientSession(
            timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def post(self, message: Message, status: str, error_code: int | None = None) -> int:
        """Post one; the status of the answer. A message without a callback is not told of: 0.

        Raises aiohttp.ClientError or TimeoutError when nothing answered, and ValueError for a URL
        that is not on this machine.
        """
        if message.status_callback is None:
            return 0
        form = status_form(message, status, error_code)
        signed = message.status_callback.partition("#")[0]
        token = self._auth_tokens[message.account_sid]
        signature = RequestValidator(token).compute_signature(signed, form)
        async with self._session.post(
            # As it is: quoted otherwise it would not be what is signed.
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
