"""An account at Twilio: settings for it, a part to post, and the list of its messages."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bench.mock_twilio.account import SID, TOKEN
from schemas.fields import AccountId
from tests.harness.twilio_clients import CONTACT, SENDER
from tests.unit.domain.given.reply_parts import posting
from workers.settings import Settings
from workers.twilio.client import Twilio, TwilioMessage

ACCOUNT = AccountId("acme")
ACCOUNTS = f'{{"{SID}": {{"account_id": "acme", "auth_token": "{TOKEN}"}}}}'

SEND = posting(
    from_address=SENDER, to_address=CONTACT, message_id="0190a719-ac96-7eb9-a837-cac215164834"
)


def settings(url: str, **environment: str) -> Settings:
    """Settings with one account at Twilio, whose API is at `url`."""
    usual = {
        "INBOX_TWILIO_API_URL": url,
        "INBOX_TWILIO_ACCOUNTS": ACCOUNTS,
        "INBOX_PUBLIC_URL": "https://inbox.example.com/in",
    }
    return Settings.from_environment(usual | environment)


async def listed(twilio: Twilio, **wanted: Any) -> list[TwilioMessage]:
    """The messages that the client lists, of the last minute."""
    since = datetime.now(UTC) - timedelta(minutes=1)
    return [message async for message in twilio.messages(ACCOUNT, since=since, **wanted)]
