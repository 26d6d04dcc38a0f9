"""Whom the API trusts, and where it searches: nobody and nowhere, unless it is told."""

from ipaddress import ip_network

import pytest

from workers.settings import Settings, SettingsError


def test_the_api_trusts_nobody_by_itself() -> None:
    settings = Settings.from_environment({})
    assert (settings.api_issuer, settings.api_audience, settings.api_jwks_file) == (None,) * 3
    assert settings.api_trusted_networks == ()
    assert (settings.api_user_claim, settings.api_account_claim) == ("sub", "account_id")
    assert settings.crm_search_url is None


def test_networks_of_both_families_are_trusted() -> None:
    given = {"INBOX_API_TRUSTED_NETWORKS": "10.1.0.0/16,fd00::/8,127.0.0.1"}
    settings = Settings.from_environment(given)
    assert settings.api_trusted_networks == (
        ip_network("10.1.0.0/16"),
        ip_network("fd00::/8"),
        ip_network("127.0.0.1/32"),
    )


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("INBOX_API_TRUSTED_NETWORKS", "10.0.0.1/8", "no bits set behind the prefix"),
        ("INBOX_API_TRUSTED_NETWORKS", "10.0.0.0/8,,", "must be networks"),
        ("INBOX_API_TRUSTED_NETWORKS", "proxy.internal", "must be networks"),
        ("INBOX_API_JWKS_FILE", "/nowhere/keys.json", "cannot be read"),
        ("INBOX_API_DATABASE_URL", "mysql://db/inbox", "postgresql or postgres"),
        ("INBOX_API_USER_RATE", "0", "from 1 to 100000"),
        ("INBOX_API_ACCOUNT_RATE", "1.5", "from 1 to 100000"),
        ("INBOX_API_STREAMS_MAX", "many", "from 1 to 1000000"),
        *(
            ("INBOX_MEDIA_HOSTS", wrong, "must be names of hosts")
            for wrong in (
                "*",
                "*.com",
                "localhost",
                "169.254.169.254",
                "[::1]",
                "https://files.example.com",
                "files.example.com:443",
                "files.*.com",
                "a.example.com,,b.example.com",
            )
        ),
        ("INBOX_CRM_SEARCH_URL", "ftp://crm", "http or https"),
        ("INBOX_CRM_SEARCH_URL", "https://crm/?q=1", "without query"),
    ],
)
def test_a_wrong_value_is_refused(name: str, value: str, wrong: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: .*{wrong}"):
        Settings.from_environment({name: value})


def test_files_come_from_twilio_or_where_else_it_is_said() -> None:
    assert "*.twiliocdn.com" in Settings.from_environment({}).media_hosts
    given = {"INBOX_MEDIA_HOSTS": "Files.Example.com, *.example.org"}
    assert Settings.from_environment(given).media_hosts == ("files.example.com", "*.example.org")


def test_the_api_may_log_in_as_a_user_of_its_own() -> None:
    given = {
        "INBOX_DATABASE_URL": "postgresql://worker@db/inbox",
        "INBOX_API_DATABASE_URL": "postgresql://api@db/inbox",
    }
    assert Settings.from_environment(given).api_database_url == "postgresql://api@db/inbox"
