"""Settings come from environment variables, and a bad one says which it is and what is wrong."""

from pathlib import Path

import pytest

from workers.settings import Settings, SettingsError, masked, required
from workers.settings.kafka_security import PREFIX

SID = "AC00000000000000000000000000000000"
ACCOUNTS = '{"' + SID + '": {"account_id": "acme", "auth_token": "12345"}}'

EVERYTHING = {
    "INBOX_KAFKA": "one:9092,[::1]:9093",
    "INBOX_DATABASE_URL": "postgresql://worker:secret@db:5432/inbox",
    "INBOX_MIGRATION_DATABASE_URL": "postgres://owner:secret@db/inbox",
    "INBOX_TOPIC_PREFIX": "acme-inbox.",
    "INBOX_PARTITIONS": "64",
    "INBOX_REPLICATION": "3",
    "INBOX_WEB_HOST": "0.0.0.0",  # noqa: S104  # nothing listens here
    "INBOX_WEB_PORT": "8080",
    "INBOX_PUBLIC_URL": "https://hooks.example.com/inbox",
    "INBOX_APP_URL": "https://inbox.example.com",
    "INBOX_TWILIO_ACCOUNTS": '{"AC1": {"account_id": "acme", "auth_token": "a", '
    '"previous_auth_tokens": ["b"], "signing_keys": {"k": "s"}}}',
    "INBOX_TWILIO_API_URL": "http://127.0.0.1:4010",
    "INBOX_DATA_DIR": "/var/lib/inbox",
    "INBOX_SPOOL_BYTES": "65536",
    "INBOX_SEND_RATES": '{"": 0.5, "whatsapp:": 20, "whatsapp:+1415": 80}',
    "INBOX_SENDS_IN_FLIGHT": "8",
    "INBOX_GROUP": "inbox-2",
    "INBOX_INSTANCE_ID": "inbox-0",
    "INBOX_BATCH_RECORDS": "500",
    "INBOX_DEAD_LETTER_RUN": "10",
    "INBOX_DEAD_LETTER_RATIO": "0.25",
    "INBOX_STALL_SECONDS": "60",
    "INBOX_LOG_LEVEL": "debug",
}


def test_the_defaults_are_the_contracts() -> None:
    settings = Settings.from_environment({})
    assert (settings.kafka, settings.database_url, settings.migration_database_url) == (None,) * 3
    assert (settings.topic_prefix, settings.partitions, settings.replication) == ("inbox.", 32, 1)
    assert (settings.web_host, settings.web_port) == ("127.0.0.1", 6066)
    assert settings.public_url == settings.app_url == "http://127.0.0.1:6066"
    assert settings.twilio_accounts == {}
    assert settings.twilio_api_url == "https://api.twilio.com"
    assert settings.data_dir == Path("./.inbox")
    assert settings.send_rates == {"": 1, "messenger:": 40, "whatsapp:": 80}
    assert settings.sends_in_flight == 64


def test_every_setting_can_be_given() -> None:
    # Those of Kafka's security name files, and have to fit together: they have tests of their own.
    names = {item.name for item in Settings.variables() if not item.name.startswith(PREFIX)}
    assert names == EVERYTHING.keys()
    settings = Settings.from_environment(EVERYTHING)
    assert settings.kafka == ("one:9092", "[::1]:9093")
    assert settings.migration_database_url == EVERYTHING["INBOX_MIGRATION_DATABASE_URL"]
    assert settings.app_url == "https://inbox.example.com"
    assert settings.twilio_accounts["AC1"].signing_keys == {"k": "s"}
    assert settings.send_rates == {"": 0.5, "whatsapp:": 20, "whatsapp:+1415": 80}
    assert settings.sends_in_flight == 8
    assert (settings.dead_letter_ratio, settings.log_level) == (0.25, "DEBUG")
    assert settings.topic("results") == "acme-inbox.results"


@pytest.mark.parametrize("environment", [{}, EVERYTHING, {"INBOX_TWILIO_ACCOUNTS": ACCOUNTS}])
def test_settings_can_be_handed_to_a_process_of_ones_own(environment: dict[str, str]) -> None:
    settings = Settings.from_environment(environment)
    assert Settings.from_environment(settings.environment()) == settings


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("migration_database_url", "INBOX_DATABASE_URL", "postgresql://db/inbox"),
        ("app_url", "INBOX_PUBLIC_URL", "https://hooks.example.com"),
    ],
)
def test_one_setting_stands_in_for_another(name: str, given: str, expected: str) -> None:
    assert getattr(Settings.from_environment({given: expected}), name) == expected


@pytest.mark.parametrize("name", sorted(EVERYTHING))
def test_an_empty_variable_is_one_that_is_not_there(name: str) -> None:
    assert Settings.from_environment({name: ""}) == Settings.from_environment({})


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


def test_every_setting_says_what_it_means() -> None:
    for variable in Settings.variables():
        assert variable.meaning
        assert variable.name.startswith("INBOX_")


def test_a_password_in_the_query_of_a_url_is_masked_too() -> None:
    environment = {"INBOX_DATABASE_URL": "postgresql://db/inbox?user=w&password=s3cret"}
    assert "s3cret" not in repr(Settings.from_environment(environment))


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
