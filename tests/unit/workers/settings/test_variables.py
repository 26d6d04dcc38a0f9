"""A setting that is missing is reported by name, and a value is shown without its secrets."""

import pytest

from tests.unit.workers.settings.given import ACCOUNTS
from workers.settings import Settings, SettingsError, masked, required


def test_a_setting_that_a_command_needs_is_asked_for_by_name() -> None:
    assert required("x", "INBOX_KAFKA") == "x"
    with pytest.raises(SettingsError, match=r"^INBOX_KAFKA: is not set"):
        required(None, "INBOX_KAFKA")


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("INBOX_TWILIO_ACCOUNTS", ACCOUNTS, "(set)"),
        ("INBOX_TWILIO_ACCOUNTS", "{}", "{}"),
        (
            "INBOX_DATABASE_URL",
            "postgresql://worker:s3cret@db:5432/inbox",
            "postgresql://worker:***@db:5432/inbox",
        ),
        ("INBOX_DATABASE_URL", "postgresql://w:p@ss@db/inbox", "postgresql://w:***@db/inbox"),
        ("INBOX_DATABASE_URL", "postgresql://db/inbox", "postgresql://db/inbox"),
        ("INBOX_PUBLIC_URL", "https://u:p@example.com/x", "https://u:***@example.com/x"),
        ("INBOX_KAFKA", "a:1,b:2", "a:1,b:2"),
        ("INBOX_TOPIC_PREFIX", "inbox.", "inbox."),
    ],
)
def test_secrets_are_masked(name: str, value: str, shown: str) -> None:
    (variable,) = (item for item in Settings.variables() if item.name == name)
    assert masked(variable, value) == shown


def test_a_password_in_the_query_of_a_url_is_masked_too() -> None:
    environment = {"INBOX_DATABASE_URL": "postgresql://db/inbox?user=w&password=s3cret"}
    assert "s3cret" not in repr(Settings.from_environment(environment))
