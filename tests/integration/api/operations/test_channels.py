"""`/channels` over HTTP."""

from tests.harness.api import ApiClient
from tests.harness.inbox import Inbox
from tests.harness.input_events import ACCOUNT, channel, event, user
from workers.api.operations.channels import webhook_url


async def test_channels_say_who_installed_them_and_what_to_enter_at_the_provider(
    inbox: Inbox, bo: ApiClient
) -> None:
    await inbox.apply(
        channel("+15550001", channel_id="sms1", provider="sms", name="Appointments"),
        channel("+15550002", channel_id="sms2", provider="sms", name="Before"),
        event("channel.removed", {"account_id": ACCOUNT, "channel_id": "sms2"}, key=ACCOUNT),
        user("eve", account="rival"),
        channel("whatsapp:+1999", channel_id="theirs", account_id="rival", installed_by="eve"),
    )
    items = (await bo.get("/channels")).json["items"]
    names = ["Appointments", "Sales", "Before"]
    assert [(each["name"], each["removed"]) for each in items] == [
        *zip(names, [False, False, True], strict=True)
    ]
    assert items[1] == {
        "channel_id": "wa1",
        "name": "Sales",
        "provider": "whatsapp",
        "address": "whatsapp:+14155238886",
        "installed_by": "ana",
        "removed": False,
        "last_received_at": None,
        "webhook_url": f"{inbox.settings.public_url}/twilio/inbound#rc=5&rp=all",
    }


def test_a_login_of_the_public_url_is_shown_to_nobody() -> None:
    shown = webhook_url("https://us%40er:se-cret@inbox.example.com:8443/in")
    assert shown == "https://inbox.example.com:8443/in/twilio/inbound#rc=5&rp=all"
