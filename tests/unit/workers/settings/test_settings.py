"""Settings come from environment variables, and have the documented defaults."""

from pathlib import Path

import pytest

from tests.unit.workers.settings.given import ACCOUNTS, SID
from workers.settings import Settings, SettingsError
from workers.settings.kafka_security import PREFIX

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
    "INBOX_TWILIO_ACCOUNTS": '{"' + SID + '": {"account_id": "acme", "auth_token": "a", '
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
    "INBOX_API_DATABASE_URL": "postgresql://api:secret@db/inbox",
    "INBOX_API_ISSUER": "https://login.example.com/",
    "INBOX_API_AUDIENCE": "inbox",
    "INBOX_API_JWKS_FILE": __file__,
    "INBOX_API_USER_CLAIM": "user",
    "INBOX_API_ACCOUNT_CLAIM": "tenant",
    "INBOX_API_TRUSTED_NETWORKS": "10.0.0.0/8, fd00::/8",
    "INBOX_API_USER_RATE": "10",
    "INBOX_API_ACCOUNT_RATE": "50",
    "INBOX_API_STREAMS_MAX": "200",
    "INBOX_MEDIA_HOSTS": "files.example.com,*.example.com",
    "INBOX_CRM_SEARCH_URL": "https://inbox:secret@crm.example.com/search",
}


@pytest.mark.parametrize(
    ("prefix", "group"),
    [
        ("inbox.", "inbox"),
        ("eu.inbox.", "eu.inbox"),
        ("inbox-", "inbox-"),
        ("inbox..", "inbox."),
        ("sales", "sales"),
        (".", "inbox"),
    ],
)
def test_the_consumer_group_follows_from_the_prefix_unless_it_is_set(
    prefix: str, group: str
) -> None:
    given = {"INBOX_TOPIC_PREFIX": prefix}
    assert Settings.from_environment(given).group == group
    assert Settings.from_environment(given | {"INBOX_GROUP": "mine"}).group == "mine"


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
    # The settings of Kafka's security depend on files and on each other: test_kafka_security.py.
    names = {item.name for item in Settings.variables() if not item.name.startswith(PREFIX)}
    assert names == EVERYTHING.keys()
    settings = Settings.from_environment(EVERYTHING)
    assert settings.kafka == ("one:9092", "[::1]:9093")
    assert settings.migration_database_url == EVERYTHING["INBOX_MIGRATION_DATABASE_URL"]
    assert settings.app_url == "https://inbox.example.com"
    assert settings.twilio_accounts[SID].signing_keys == {"k": "s"}
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
        ("api_database_url", "INBOX_DATABASE_URL", "postgresql://db/inbox"),
    ],
)
def test_one_setting_stands_in_for_another(name: str, given: str, expected: str) -> None:
    assert getattr(Settings.from_environment({given: expected}), name) == expected


@pytest.mark.parametrize("name", [variable.name for variable in Settings.variables()])
@pytest.mark.parametrize("blank", ["", " ", "\n", "\r\n", " \t\n\ufeff"], ids=repr)
def test_an_empty_or_blank_variable_is_one_that_is_not_there(name: str, blank: str) -> None:
    assert Settings.from_environment({name: blank}) == Settings.from_environment({})


EXACT = {"INBOX_DATA_DIR"}


@pytest.mark.parametrize("name", sorted(EVERYTHING.keys() - EXACT))
@pytest.mark.parametrize(
    ("before", "after"),
    [("", "\n"), ("", "\r\n"), (" ", ""), ("\ufeff", " "), ("\t\u00a0", "\u200b\n\n")],
    ids=repr,
)
def test_blanks_and_line_breaks_around_a_setting_are_no_part_of_it(
    name: str, before: str, after: str
) -> None:
    expected = Settings.from_environment(EVERYTHING)
    given = EVERYTHING | {name: before + EVERYTHING[name] + after}
    settings = Settings.from_environment(given)
    assert settings == expected
    assert settings.environment() == expected.environment()


@pytest.mark.parametrize("name", [*sorted(EXACT), f"{PREFIX}USERNAME", f"{PREFIX}PASSWORD"])
@pytest.mark.parametrize("given", [" x", "x ", "x\n", "\tx", "x\r\n", "x\u00a0"], ids=repr)
def test_blanks_that_would_be_a_part_of_a_setting_are_refused(name: str, given: str) -> None:
    sasl = {f"{PREFIX}PROTOCOL": "SASL_SSL", f"{PREFIX}USERNAME": "u", f"{PREFIX}PASSWORD": "p"}
    with pytest.raises(SettingsError, match=f"^{name}: begins or ends with a blank or a line"):
        Settings.from_environment(sasl | {name: given})


def test_links_to_the_inbox_never_hold_the_password_of_the_public_url() -> None:
    given = {"INBOX_PUBLIC_URL": "https://twilio:s3cret@hooks.example.com:8443/inbox"}
    settings = Settings.from_environment(given)
    assert settings.app_url == "https://hooks.example.com:8443/inbox"
    assert settings.public_url == given["INBOX_PUBLIC_URL"]


def test_every_setting_says_what_it_means() -> None:
    for variable in Settings.variables():
        assert variable.meaning
        assert variable.name.startswith("INBOX_")


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),  # noqa: S104  # nothing listens here
        ("::", "[::1]"),
        ("::1", "[::1]"),
        ("[2001:db8::1]", "[2001:db8::1]"),
        ("localhost", "localhost"),
    ],
)
def test_this_machine_reaches_a_worker_at_whatever_address_it_listens(
    given: str, host: str
) -> None:
    environment = {"INBOX_WEB_HOST": given, "INBOX_WEB_PORT": "81\n"}
    assert Settings.from_environment(environment).local_url == f"http://{host}:81"
