"""Posts to a webhook as Twilio does, signed."""

import io
from urllib.parse import parse_qsl, urlencode

import aiohttp
from multidict import MultiDict
from twilio.request_validator import RequestValidator

PATH = "/twilio/inbound"
STATUS_PATH = "/twilio/status"
TOKEN = "12345"
SID = "AC00000000000000000000000000000000"
FORM_TYPE = "application/x-www-form-urlencoded"
SECRET = "between-you-and-me"
"""Stands in bodies: no log may show it."""

CHANNELS = {
    "sms1": "+16505552222",
    "wa1": "whatsapp:+14155238886",
    "fb1": "messenger:103800709108123",
}


class Twilio:
    """Posts to a worker's webhook."""

    def __init__(
        self,
        public_url: str,
        session: aiohttp.ClientSession,
        at: str | None = None,
        path: str = PATH,
    ) -> None:
        """`at` is where the worker listens, if that is not the public URL."""
        self.url = public_url + path
        self._at = (at or public_url) + path
        self.session = session

    def signature(self, body: str, *, query: str = "", algorithm: str = "HMAC_SHA1") -> str:
        """What Twilio puts into the header for a form."""
        fields = MultiDict(parse_qsl(body, keep_blank_values=True))
        validator = RequestValidator(TOKEN)
        made: str = validator.compute_signature(self.url + query, fields, algorithm)
        return made

    async def post(self, body: str, *, query: str = "") -> int:
        """Post a form, signed; the status."""
        signature = self.signature(body, query=query)
        return await self.post_raw(body.encode(), {"X-Twilio-Signature": signature}, query=query)

    async def post_raw(self, body: bytes, headers: dict[str, str], *, query: str = "") -> int:
        """Post any bytes; the status."""
        given = {"Content-Type": FORM_TYPE} | headers
        # As a file: aiohttp warns of large bytes.
        sent = self.session.post(self._at + query, data=io.BytesIO(body), headers=given)
        async with sent as response:
            return response.status


def form(**fields: str) -> str:
    """A form with what every message has; fields are added or replaced, "" included."""
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
