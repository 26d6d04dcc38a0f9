"""Where a file may be fetched from, and with whose credentials."""

from base64 import b64encode

import pytest

from schemas.fields import AccountId
from workers.api.media.sources import ForbiddenSource, Source, Sources, parse_url
from workers.settings.values import TwilioAccount

ACME = AccountId("acme")
OURS, THEIRS, KEYLESS = ("AC" + letter * 32 for letter in "123")
ACCOUNTS = {
    OURS: TwilioAccount(account_id=ACME, auth_token="token"),
    THEIRS: TwilioAccount(account_id=AccountId("rival"), auth_token="secret"),
    KEYLESS: TwilioAccount(account_id=ACME, signing_keys={"key": "secret"}),
}
AUTHORIZATION = {"Authorization": f"Basic {b64encode(f'{OURS}:token'.encode()).decode()}"}
HOSTS = ("files.example.com", "*.twiliocdn.com")


def path(sid: str = OURS) -> str:
    return f"/2010-04-01/Accounts/{sid}/Messages/MM{'a' * 32}/Media/ME{'b' * 32}"


def source(url: str, api_url: str = "https://api.twilio.com") -> Source:
    return Sources(api_url, HOSTS, ACCOUNTS).source(parse_url(url), ACME)


def test_a_file_at_twilio_is_fetched_with_the_credentials_of_the_account() -> None:
    found = source("https://api.twilio.com" + path())
    assert (str(found.url), found.headers) == ("https://api.twilio.com" + path(), AUTHORIZATION)


@pytest.mark.parametrize("api_url", ["http://127.0.0.1:8080", "https://edge.example.com/twilio"])
@pytest.mark.parametrize("named", ["https://api.twilio.com", "the API's own"])
def test_a_file_at_twilio_is_fetched_where_the_settings_say_that_twilio_is(
    api_url: str, named: str
) -> None:
    found = source((api_url if named == "the API's own" else named) + path(), api_url)
    assert (str(found.url), found.headers) == (api_url + path(), AUTHORIZATION)


@pytest.mark.parametrize(
    "url", ["https://files.example.com/x?a=%2F", "https://mms.twiliocdn.com:443/AC1/x"]
)
def test_other_hosts_that_are_allowed_get_no_credentials(url: str) -> None:
    assert source(url) == Source(parse_url(url), {})


@pytest.mark.parametrize(
    "url",
    [
        "https://api.twilio.com" + path(THEIRS),
        "https://api.twilio.com" + path(KEYLESS),
        "https://api.twilio.com" + path("AC" + "9" * 32),
        "https://api.twilio.com" + path().removesuffix("b"),
        "https://api.twilio.com" + path() + ".json",
        "https://api.twilio.com" + path() + "/../../../../../Messages.json",
        "https://api.twilio.com" + path().replace("/Media/", "/%4dedia/"),
        f"https://api.twilio.com/2010-04-01/Accounts/{OURS}/Messages.json",
        "http://api.twilio.com" + path(),
        "https://api.twilio.com:8443" + path(),
        "https://user@api.twilio.com" + path(),
        "https://:password@files.example.com/x",
        "https://api.twilio.com@evil.example.com" + path(),
        "https://evil.example.com\\@api.twilio.com" + path(),
        "https://api.twilio.com.evil.example.com" + path(),
        "http://files.example.com/x",
        "https://files.example.com:8443/x",
        "https://afiles.example.com/x",
        "https://a.files.example.com/x",
        "https://twiliocdn.com/x",
        "https://eviltwiliocdn.com/x",
        "https://twiliocdn.com.evil.example.com/x",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/x",
        "https://2130706433/x",
        "https://localhost/x",
        "https://files.example.com./x",
        "https://f\u0131les.example.com/x",
        "https://files.example.com/x y",
        "https://files.example.com/x\r\nX-Header: 1",
        "ftp://files.example.com/x",
        "file:///etc/passwd",
        "data:text/html,x",
        "//files.example.com/x",
        "/x",
        "https://",
        "https://files.example.com:port/x",
        "https://[files.example.com/x",
        "",
    ],
)
def test_what_is_anywhere_else_is_not_fetched(url: str) -> None:
    with pytest.raises(ForbiddenSource) as refused:
        source(url)
    assert path() not in str(refused.value)


def test_no_query_goes_to_twilios_api() -> None:
    found = source("https://api.twilio.com" + path() + "?PageSize=1000#x")
    assert str(found.url) == "https://api.twilio.com" + path()
