"""The error for a wrong value has the variable and the reason, but no secret."""

import pytest

from tests.unit.workers.settings.given import SID
from workers.settings import Settings, SettingsError


def accounts(*sids: str, signs: str = "1") -> str:
    account = f'{{"account_id": "acme", "auth_token": "{signs}"}}'
    return "{" + ", ".join(f'"{sid}": {account}' for sid in sids) + "}"


@pytest.mark.parametrize("sid", [SID, "AC" + "0123456789abcdef" * 2, "AC" + "AB" * 16])
def test_an_account_sid_is_as_twilio_writes_it(sid: str) -> None:
    settings = Settings.from_environment({"INBOX_TWILIO_ACCOUNTS": accounts(sid)})
    assert list(settings.twilio_accounts) == [sid]


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("::", "::"),
        ("[::1]", "::1"),
        ("localhost", "localhost"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("worker_1.internal", "worker_1.internal"),
    ],
)
def test_the_web_server_listens_on_an_address_or_a_name(given: str, host: str) -> None:
    assert Settings.from_environment({"INBOX_WEB_HOST": given}).web_host == host


@pytest.mark.parametrize("given", ["https://[::1]:8443/in", "http://[2001:db8::1]"])
def test_a_public_url_may_have_an_ipv6_address(given: str) -> None:
    assert Settings.from_environment({"INBOX_PUBLIC_URL": given}).public_url == given


def test_a_slash_at_the_end_of_a_url_is_dropped() -> None:
    settings = Settings.from_environment({"INBOX_PUBLIC_URL": "https://example.com/inbox/"})
    assert settings.public_url == "https://example.com/inbox"


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("INBOX_KAFKA", "localhost", "host:port"),
        ("INBOX_KAFKA", "localhost:9092,", "host:port"),
        ("INBOX_KAFKA", ":9092", "host:port"),
        ("INBOX_KAFKA", "::1:9092", "an IPv6 address stands in brackets"),
        ("INBOX_KAFKA", "[::1:9092", "host:port"),
        ("INBOX_KAFKA", "[evil]:9092", "host:port"),
        ("INBOX_KAFKA", "a\nb:9092", "host:port"),
        ("INBOX_KAFKA", "localhost:" + "9" * 5000, "host:port"),
        ("INBOX_KAFKA", "localhost:0", "host:port"),
        ("INBOX_KAFKA", "a:1,localhost:65536", "number 2 of 2 is not"),
        ("INBOX_DATABASE_URL", "mysql://db/inbox", "postgresql or postgres"),
        ("INBOX_DATABASE_URL", "inbox", "must be a URL"),
        ("INBOX_DATABASE_URL", "postgresql://db/inbox?pgbouncer=true", "pgbouncer: says that"),
        ("INBOX_MIGRATION_DATABASE_URL", "postgresql://u:p/w@db/inbox", "/ as %2F"),
        ("INBOX_MIGRATION_DATABASE_URL", "postgresql://db:99999/inbox", "[Pp]ort"),
        ("INBOX_TOPIC_PREFIX", "in box", "at most 100 letters"),
        ("INBOX_TOPIC_PREFIX", "x" * 101, "at most 100 letters"),
        ("INBOX_TOPIC_PREFIX", "größe.", "at most 100 letters"),
        ("INBOX_PARTITIONS", "0", "from 1 to 10000"),
        ("INBOX_PARTITIONS", "many", "whole number"),
        ("INBOX_PARTITIONS", "3.5", "whole number"),
        ("INBOX_PARTITIONS", "-1", "whole number"),
        ("INBOX_PARTITIONS", "³", "whole number"),
        ("INBOX_PARTITIONS", "1" * 5000, "whole number"),
        ("INBOX_PARTITIONS", "1\udcff", "no UTF-8 text"),
        ("INBOX_REPLICATION", "101", "from 1 to 100"),
        ("INBOX_WEB_HOST", "127.0.0.1:6066", "without a port"),
        ("INBOX_WEB_HOST", "[::1]:6066", "without a port"),
        ("INBOX_WEB_HOST", "http://localhost", "IP address or the name"),
        ("INBOX_WEB_HOST", "[localhost]", "IP address or the name"),
        ("INBOX_WEB_HOST", "a b", "IP address or the name"),
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
            "field other than account_id, auth_token, previous_auth_tokens, signing_keys",
        ),
        ("INBOX_TWILIO_ACCOUNTS", accounts("AC1"), "account 1 of 1: .* 32 hexadecimal digits"),
        ("INBOX_TWILIO_ACCOUNTS", accounts("SK" + "0" * 32), "must be AC and 32 hexadecimal"),
        ("INBOX_TWILIO_ACCOUNTS", accounts(SID + "0"), "must be AC and 32 hexadecimal"),
        ("INBOX_TWILIO_ACCOUNTS", accounts(SID + "\\n"), "must be AC and 32 hexadecimal"),
        ("INBOX_TWILIO_ACCOUNTS", accounts(SID, SID.lower()), "2 of 2: .* AC in capital letters"),
        ("INBOX_TWILIO_ACCOUNTS", accounts(SID, SID), "each AccountSid once"),
        ("INBOX_TWILIO_ACCOUNTS", accounts(SID, signs="1\\n"), "ends with a blank or a line"),
        ("INBOX_DATA_DIR", "postgresql://db/inbox", "path of a directory, and is a URL"),
        ("INBOX_SPOOL_BYTES", "1000", "from 65536"),
        ("INBOX_SEND_RATES", "80", "must be JSON such as"),
        ("INBOX_SEND_RATES", "{", "must be JSON such as"),
        ("INBOX_SEND_RATES", "[]", "must be JSON such as"),
        ("INBOX_SEND_RATES", '{"": "fast"}', "must be JSON such as"),
        ("INBOX_SEND_RATES", '{"": null}', "must be JSON such as"),
        ("INBOX_SEND_RATES", "{}", 'needs a rate for ""'),
        ("INBOX_SEND_RATES", '{"whatsapp:": 80}', 'needs a rate for ""'),
        ("INBOX_SEND_RATES", '{"": 1, "WhatsApp:": 80}', "the channel in small letters"),
        ("INBOX_SEND_RATES", '{"": 1, "whatsapp:+1 415": 80}', "no blanks"),
        ("INBOX_SEND_RATES", '{"": 1, "+1415\\n": 80}', "no blanks"),
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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INBOX_KAFKA", "a:1;b:2"),
        ("INBOX_KAFKA", "http://a:1"),
        ("INBOX_PUBLIC_URL", "https://inbox.example.com?tenant=1"),
        ("INBOX_PUBLIC_URL", "https://inbox.example.com#top"),
        ("INBOX_PUBLIC_URL", "https://inbox.exa\nmple.com"),
        ("INBOX_PUBLIC_URL", "https://inbox.example.com/a b"),
        ("INBOX_PUBLIC_URL", "https://inbox.example.com/twilio/inbound"),
        ("INBOX_PUBLIC_URL", "https://inbox.example.com/in/twilio/status/"),
        ("INBOX_APP_URL", "https://u:p@inbox.example.com"),
        ("INBOX_TWILIO_API_URL", "https://u:p@api.twilio.com"),
    ],
)
def test_a_value_that_would_mean_something_else_is_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_environment({name: value})
