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
        ("INBOX_DATABASE_URL", "postgresql://w@db", "postgresql://w@db"),
        (
            "INBOX_DATABASE_URL",
            "postgresql://w:s3cret@h1:5432,[::1]:5432/db?sslmode=require",
            "postgresql://w:***@h1:5432,[::1]:5432/db?sslmode=require",
        ),
        (
            "INBOX_DATABASE_URL",
            "postgresql:///db?host=/run/postgresql&user=w&password=s3c&ret=1&sslpassword=x",
            "postgresql:///db?host=/run/postgresql&user=w&password=***&***&sslpassword=***",
        ),
        ("INBOX_DATABASE_URL", "postgresql://w:12345?6@db/inbox", "postgresql://***"),
        ("INBOX_DATABASE_URL", "postgresql://w:p@ss/word@db/inbox", "postgresql://***"),
        (
            "INBOX_DATABASE_URL",
            "postgresql://db/x?password=s3#cret",
            "postgresql://db/x?password=***#***",
        ),
        ("INBOX_PUBLIC_URL", "https://token@example.com/x", "https://***@example.com/x"),
        ("INBOX_PUBLIC_URL", "https://u:p@example.com/x", "https://u:***@example.com/x"),
        ("INBOX_KAFKA", "a:1,b:2", "a:1,b:2"),
        ("INBOX_TOPIC_PREFIX", "inbox.", "inbox."),
    ],
)
def test_secrets_are_masked(name: str, value: str, shown: str) -> None:
    (variable,) = (item for item in Settings.variables() if item.name == name)
    assert masked(variable, value) == shown


def test_no_repr_shows_a_secret() -> None:
    given = {
        "INBOX_TWILIO_ACCOUNTS": ACCOUNTS.replace("12345", "s3cret"),
        "INBOX_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "INBOX_KAFKA_SECURITY_USERNAME": "inbox",
        "INBOX_KAFKA_SECURITY_PASSWORD": "s3cret",
    }
    settings = Settings.from_environment(given)
    for shown in (settings, settings.twilio_accounts, settings.kafka_security):
        assert "s3cret" not in repr(shown) + str(shown)


def test_a_password_in_the_query_of_a_url_is_masked_too() -> None:
    environment = {"INBOX_DATABASE_URL": "postgresql://db/inbox?user=w&password=s3cret"}
    assert "s3cret" not in repr(Settings.from_environment(environment))
