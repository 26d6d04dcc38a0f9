"""The settings of the role `api`: its database, whom it trusts, and where it searches."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from workers.settings.database_url import postgres_url
from workers.settings.declared import setting
from workers.settings.values import file, host_patterns, http_url, integer, networks


@dataclass(frozen=True, kw_only=True, repr=False)
class ApiSettings:
    """What only the role `api` needs. None of it is set by default: it trusts nobody."""

    given_api_database_url: str | None = setting(
        "INBOX_API_DATABASE_URL",
        "URL of that database for the role `api`, best with a user of its own; "
        "without it `INBOX_DATABASE_URL` is used",
        postgres_url,
    )
    api_issuer: str | None = setting(
        "INBOX_API_ISSUER", "The `iss` of the tokens that the API takes; without it, it takes none"
    )
    api_audience: str | None = setting("INBOX_API_AUDIENCE", "The `aud` of these tokens")
    api_jwks_file: Path | None = setting(
        "INBOX_API_JWKS_FILE",
        "File of the public keys (a JWKS) that sign these tokens; it is read again for a `kid` "
        "that is not known, at most once a minute",
        file,
    )
    api_user_claim: str = setting(
        "INBOX_API_USER_CLAIM", "The claim of a token that holds the user's id", default="sub"
    )
    api_account_claim: str = setting(
        "INBOX_API_ACCOUNT_CLAIM",
        "The claim of a token that holds the account's id",
        default="account_id",
    )
    api_trusted_networks: tuple[IPv4Network | IPv6Network, ...] = setting(
        "INBOX_API_TRUSTED_NETWORKS",
        "Networks (CIDR, `10.0.0.0/8,...`) of proxies whose headers `X-Inbox-Account` and "
        "`X-Inbox-User` say who is asking; without it, none",
        networks,
        "",
    )
    api_user_rate: int = setting(
        "INBOX_API_USER_RATE",
        "Requests per second of one user that a process of the API answers, beside streams; after "
        "a pause, as many as in 10 s at once",
        integer(1, 100_000),
        "100",
    )
    api_account_rate: int = setting(
        "INBOX_API_ACCOUNT_RATE",
        "Requests per second of all users of one account, likewise",
        integer(1, 100_000),
        "1000",
    )
    api_streams_max: int = setting(
        "INBOX_API_STREAMS_MAX",
        "Largest number of streams of events that a process of the API has open",
        integer(1, 1_000_000),
        "10000",
    )
    media_hosts: tuple[str, ...] = setting(
        "INBOX_MEDIA_HOSTS",
        "Hosts from which the API fetches the files of messages, besides Twilio's API itself: "
        "names, and `*.` with the end of names",
        host_patterns,
        "*.twilio.com,*.twiliocdn.com,s3-external-1.amazonaws.com",
    )
    crm_search_url: str | None = setting(
        "INBOX_CRM_SEARCH_URL",
        "URL at which the CRM finds entities by `type` and `q`; without it there is no search",
        http_url(login=True),
    )
