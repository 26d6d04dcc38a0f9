"""An account at Twilio: settings that name it, a part to post for it, and what it has sent."""

from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.fields import AccountId
from tests.harness.twilio_clients import CONTACT, SENDER
from tests.unit.domain.given.sends import posting
from workers.settings import Settings
from workers.twilio import client as twilio_client
from workers.twilio.client import Twilio

ACCOUNT = AccountId("acme")
SID = "AC00000000000000000000000000000000"
ACCOUNTS = f'{{"{SID}": {{"account_id": "acme", "auth_token": "12345"}}}}'

SEND = posting(
    from_address=SENDER, to_address=CONTACT, message_id="0190a719-ac96-7eb9-a837-cac215164834"
)


def settings(url: str, **environment: str) -> Settings:
    """Settings of an account at Twilio, which is at this URL."""
    usual = {
        "INBOX_TWILIO_API_URL": url,
        "INBOX_TWILIO_ACCOUNTS": ACCOUNTS,
        "INBOX_PUBLIC_URL": "https://inbox.example.com/in",
    }
    return Settings.from_environment(usual | environment)


async def listed(twilio: Twilio, **wanted: Any) -> list[twilio_client.TwilioMessage]:
    """What the client finds in the list of the last minute."""
    since = datetime.now(UTC) - timedelta(minutes=1)
    return [message async for message in twilio.messages(ACCOUNT, since=since, **wanted)]
