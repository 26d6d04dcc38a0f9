"""Posts contacts' messages to the inbound webhook, signed as Twilio signs them."""

import secrets

import aiohttp
from twilio.request_validator import RequestValidator

from workers.dev.sales_day.story import ACCOUNT_SID, SENDER
from workers.dev.twilio_stand_in.callbacks import TWILIO_WAIT_SECONDS, Form
from workers.process.errors import CommandFailed
from workers.settings import Settings

PATH = "/twilio/inbound"
PICTURE_URL = "https://api.twilio.com/2010-04-01/Accounts/{account}/Messages/{message}/Media/ME1"


def whatsapp_form(address: str, name: str, body: str, *, picture: bool) -> Form:
    """Returns the form of a new WhatsApp message, with the fields that Twilio sends."""
    message_sid = "SM" + secrets.token_hex(16)
    media = {
        "MessageType": "image",
        "NumMedia": "1",
        "MediaContentType0": "image/jpeg",
        "MediaUrl0": PICTURE_URL.format(account=ACCOUNT_SID, message=message_sid),
    }
    return {
        "SmsMessageSid": message_sid,
        "NumMedia": "0",
        "ProfileName": name,
        "MessageType": "text",
        "SmsSid": message_sid,
        "WaId": address.removeprefix("whatsapp:+"),
        "SmsStatus": "received",
        "Body": body,
        "To": SENDER,
        "NumSegments": "1",
        "ReferralNumMedia": "0",
        "MessageSid": message_sid,
        "AccountSid": ACCOUNT_SID,
        "From": address,
        "ApiVersion": "2010-04-01",
    } | (media if picture else {})


class Webhook:
    """Posts to the inbound webhook in place of Twilio."""

    def __init__(self, settings: Settings, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._signed_url = settings.public_url + PATH
        self._url = f"{settings.local_url}{PATH}"

    async def post(self, form: Form, auth_token: str) -> int:
        """Post a form that is signed with a token, and return the status of the answer."""
        signature = RequestValidator(auth_token).compute_signature(self._signed_url, form)
        try:
            async with self._session.post(
                self._url,
                data=form,
                headers={"X-Twilio-Signature": signature},
                timeout=aiohttp.ClientTimeout(total=TWILIO_WAIT_SECONDS),
            ) as response:
                return response.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise CommandFailed(f"the webhook did not answer: {error!r}") from error
