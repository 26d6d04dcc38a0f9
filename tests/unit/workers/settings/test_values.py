"""The error for a wrong value has the variable and the reason, but no secret."""

import pytest

from workers.settings import Settings, SettingsError


def test_a_slash_at_the_end_of_a_url_is_dropped() -> None:
    settings = Settings.from_environment({"INBOX_PUBLIC_URL": "https://example.com/inbox/"})
    assert settings.public_url == "https://example.com/inbox"


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("INBOX_KAFKA", "localhost", "host:port"),
        ("INBOX_KAFKA", "localhost:9092,", "host:port"),
        ("INBOX_KAFKA", ":9092", "host:port"),
        ("INBOX_KAFKA", "localhost:0", "host:port"),
        ("INBOX_KAFKA", "localhost:65536", "'localhost:65536' is not"),
        ("INBOX_DATABASE_URL", "mysql://db/inbox", "postgresql or postgres"),
        ("INBOX_DATABASE_URL", "inbox", "must be a URL"),
        ("INBOX_DATABASE_URL", "postgresql://", "must be a URL"),
        ("INBOX_MIGRATION_DATABASE_URL", "postgresql://db:99999/inbox", "[Pp]ort"),
        ("INBOX_TOPIC_PREFIX", "in box", "at most 100 letters"),
        ("INBOX_TOPIC_PREFIX", "x" * 101, "at most 100 letters"),
        ("INBOX_TOPIC_PREFIX", "größe.", "at most 100 letters"),
        ("INBOX_PARTITIONS", "0", "from 1 to 10000"),
        ("INBOX_PARTITIONS", "many", "whole number"),
        ("INBOX_PARTITIONS", "3.5", "whole number"),
        ("INBOX_PARTITIONS", "-1", "whole number"),
        ("INBOX_PARTITIONS", "³", "whole number"),
        ("INBOX_REPLICATION", "101", "from 1 to 100"),
        ("INBOX_WEB_PORT", "70000", "from 1 to 65535"),
        ("INBOX_PUBLIC_URL", "ftp://example.com", "http or https"),
        ("INBOX_PUBLIC_URL", "http://[::1", "IPv6"),
        ("INBOX_APP_URL", "example.com", "must be a URL"),
        ("INBOX_TWILIO_API_URL", "http://", "must be a URL"),
        ("INBOX_TWILIO_ACCOUNTS", "{", "must be JSON"),
        ("INBOX_TWILIO_ACCOUNTS", "[]", "must be JSON"),
        ("INBOX_TWILIO_ACCOUNTS", '{"AC1": {}}', "account_id"),
        ("INBOX_TWILIO_ACCOUNTS", '{"AC1": {"account_id": "acme"}}', "auth_token or signing_keys"),
        ("INBOX_TWILIO_ACCOUNTS", '{"AC1": {"account_id": "a b", "auth_token": "1"}}', "regex"),
        (
            "INBOX_TWILIO_ACCOUNTS",
            '{"AC1": {"account_id": "acme", "auth_tokn": "1"}}',
            "auth_tokn",
        ),
        ("INBOX_SPOOL_BYTES", "1000", "from 65536"),
        ("INBOX_SEND_RATES", "80", "must be JSON such as"),
        ("INBOX_SEND_RATES", "{", "must be JSON such as"),
        ("INBOX_SEND_RATES", "[]", "must be JSON such as"),
        ("INBOX_SEND_RATES", '{"": "fast"}', "must be JSON such as"),
        ("INBOX_SEND_RATES", '{"": null}', "must be JSON such as"),
        ("INBOX_SEND_RATES", "{}", 'needs a rate for ""'),
        ("INBOX_SEND_RATES", '{"whatsapp:": 80}', 'needs a rate for ""'),
        ("INBOX_SEND_RATES", '{"": 0}', "above 0 and at most 10000"),
        ("INBOX_SEND_RATES", '{"": -1}', "above 0 and at most 10000"),
        ("INBOX_SEND_RATES", '{"": 10001}', "above 0 and at most 10000"),
        ("INBOX_SEND_RATES", '{"": 1, "whatsapp:": 1e400}', "must be JSON such as"),
        ("INBOX_SENDS_IN_FLIGHT", "0", "from 1 to 10000"),
        ("INBOX_SENDS_IN_FLIGHT", "10001", "from 1 to 10000"),
        ("INBOX_INSTANCE_ID", "a/b", "letters"),
        ("INBOX_BATCH_RECORDS", "0", "whole number"),
        ("INBOX_DEAD_LETTER_RUN", "0", "whole number"),
        ("INBOX_DEAD_LETTER_RATIO", "0", "above 0 and at most 1"),
        ("INBOX_DEAD_LETTER_RATIO", "1.1", "above 0 and at most 1"),
        ("INBOX_DEAD_LETTER_RATIO", "nan", "above 0 and at most 1"),
        ("INBOX_DEAD_LETTER_RATIO", "half", "above 0 and at most 1"),
        ("INBOX_STALL_SECONDS", "5", "from 10 to"),
        ("INBOX_LOG_LEVEL", "LOUD", "DEBUG, INFO, WARNING or ERROR"),
    ],
)
def test_a_bad_value_names_its_variable_and_says_what_is_wrong(
    name: str, value: str, wrong: str
) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: .*{wrong}"):
        Settings.from_environment({name: value})


def test_a_wrong_secret_is_not_quoted() -> None:
    given = '{"AC1": {"account_id": "acme", "auth_token": ["s3cret"]}}'
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({"INBOX_TWILIO_ACCOUNTS": given})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INBOX_KAFKA", "a:1;b:2"),
        ("INBOX_KAFKA", "http://a:1"),
        ("INBOX_PUBLIC_URL", "https://inbox.example.com?tenant=1"),
        ("INBOX_PUBLIC_URL", "https://inbox.example.com#top"),
    ],
)
def test_a_value_that_would_mean_something_else_is_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_environment({name: value})
