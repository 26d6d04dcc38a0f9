"""Posts to the webhooks as Twilio does, signed."""

import io
from urllib.parse import parse_qsl, urlencode

import aiohttp
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from bench.mock_twilio.account import SID, TOKEN

# Not those of workers/twilio/form.py: these are the contract, which the code must keep.
INBOUND_PATH = "/twilio/inbound"
STATUS_PATH = "/twilio/status"
FORM_TYPE = "application/x-www-form-urlencoded"
SECRET = "between-you-and-me"
"""A text of messages that no log may show."""

CHANNELS = {
    "sms1": "+16505552222",
    "wa1": "whatsapp:+14155238886",
    "fb1": "messenger:103800709108123",
}
"""Addresses of channels, by channel id."""


class Twilio:
    """Posts to one webhook of a worker."""

    def __init__(
        self,
        public_url: str,
        session: aiohttp.ClientSession,
        at: str | None = None,
        path: str = INBOUND_PATH,
        token: str = TOKEN,
    ) -> None:
        """`at` is the URL at which the worker listens, if it is not the public URL."""
        self._token = token
        self.url = public_url + path
        self._at = (at or public_url) + path
        self.session = session

    def signature(self, body: str, *, query: str = "", algorithm: str = "HMAC_SHA1") -> str:
        """The signature of a form, for the header `X-Twilio-Signature`."""
        fields = MultiDict(parse_qsl(body, keep_blank_values=True))
        validator = RequestValidator(self._token)
        made: str = validator.compute_signature(self.url + query, fields, algorithm)
        return made

    async def post(self, body: str, *, query: str = "") -> int:
        """Post a signed form; the status of the answer."""
        signature = self.signature(body, query=query)
        return await self.post_raw(body.encode(), {"X-Twilio-Signature": signature}, query=query)

    async def post_raw(self, body: bytes, headers: dict[str, str], *, query: str = "") -> int:
        """Post any bytes; the status of the answer."""
        given = {"Content-Type": FORM_TYPE} | headers
        # As a file, since aiohttp warns about large `bytes`.
        sent = self.session.post(self._at + query, data=io.BytesIO(body), headers=given)
        async with sent as response:
            return response.status


def form(**fields: str) -> str:
    """A form with the fields of every message; `fields` are added, or replace them, also by ""."""
    given = {
        "MessageSid": "SM00000000000000000000000000000009",
        "AccountSid": SID,
        "From": "whatsapp:+4911",
        "To": CHANNELS["wa1"],
        "NumMedia": "0",
        "Body": SECRET,
        "SmsStatus": "received",
    }
    return urlencode(given | fields)
