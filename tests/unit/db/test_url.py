"""Every form of a database's URL that asyncpg takes is taken; what is wrong is said, no secret."""

import getpass
import inspect
import socket

import pytest
from asyncpg import connect_utils

from db.session import SESSION
from db.url import HOSTS_MAX, LARGEST, POSTGRES_CONNECT_SECONDS, Address, parse_url

SECRET = "s3cret"

HOSTS: dict[str, tuple[Address, ...]] = {
    "postgresql://u:p@db/inbox": (("db", 5432),),
    "postgres://u:p@db:6432/inbox": (("db", 6432),),
    "postgresql://u:p@h1:5432,h2:5433/db": (("h1", 5432), ("h2", 5433)),
    "postgresql://h1,h2/db?port=1,2": (("h1", 5432), ("h2", 5432)),
    "postgresql:///db?host=/run/postgresql": ("/run/postgresql/.s.PGSQL.5432",),
    "postgresql://u@/db?host=/srv/pg&port=5433": ("/srv/pg/.s.PGSQL.5433",),
    "postgresql://u@%2Frun%2Fpostgresql/db": ("/run/postgresql/.s.PGSQL.5432",),
    "postgresql:///db?host=h1,h2&port=1,2": (("h1", 1), ("h2", 2)),
    "postgresql:///db?host=h1:7,/srv/pg": (("h1", 7), "/srv/pg/.s.PGSQL.5432"),
    "postgresql://u:p@[::1]:5433,[fe80::2]/db": (("::1", 5433), ("fe80::2", 5432)),
}


@pytest.fixture(autouse=True)
def no_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the variables from which asyncpg completes a URL, and with a name of a user."""
    for name in ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSSLMODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LOGNAME", "somebody")


@pytest.mark.parametrize("url", HOSTS)
def test_the_hosts_of_a_url_are_those_that_asyncpg_finds(url: str) -> None:
    assert parse_url(url).addresses == HOSTS[url]


@pytest.mark.parametrize("url", ["postgresql://", "postgresql:///", "postgresql:///db"])
def test_without_a_host_it_is_the_local_server(url: str) -> None:
    *sockets, host = parse_url(url).addresses
    assert "/var/run/postgresql/.s.PGSQL.5432" in sockets
    assert host == ("localhost", 5432)


def test_the_variables_that_asyncpg_reads_complete_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "h1,h2")
    monkeypatch.setenv("PGPORT", "1")
    assert parse_url("postgresql:///db").addresses == (("h1", 1), ("h2", 1))


def test_options_that_asyncpg_does_not_know_are_honoured() -> None:
    options = (
        "connect_timeout=3&keepalives_idle=30&keepalives_count=4&load_balance_hosts=random"
        "&application_name=mine&sslrootcert=system&target_session_attrs=primary"
    )
    url = parse_url(f"postgresql://u:p@h1,h2/db?{options}&options=endpoint%3Da-b&search_path=x")
    assert url.dsn == "postgresql://u:p@h1,h2/db?options=endpoint%3Da-b&search_path=x"
    assert url.is_shuffled
    assert url.connect_seconds == 3
    assert url.application_name == "mine"
    assert url.socket_options == (
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
    )
    context = url.tls()
    assert context is not None
    assert context.check_hostname
    assert context.get_ca_certs() or context.cert_store_stats()


@pytest.mark.parametrize(
    ("options", "keeps"),
    [("", False), ("keepalives=1", True), ("keepalives=0&keepalives_idle=9", False)],
)
def test_probes_are_sent_when_the_url_asks_for_them(options: str, keeps: bool) -> None:
    assert bool(parse_url(f"postgresql://h/db?{options}").socket_options) == keeps


@pytest.mark.parametrize(
    "option",
    [
        "gssencmode=disable",
        "gssencmode=prefer",
        "channel_binding=prefer",
        "pgbouncer=false",
        "client_encoding=UTF8",
        "load_balance_hosts=disable",
        "target_session_attrs=read-write",
        "connect_timeout=0",
        "sslcompression=0",
    ],
)
def test_an_option_that_asks_for_nothing_is_left_out(option: str) -> None:
    url = parse_url(f"postgresql://h/db?{option}")
    assert (url.dsn, url.is_shuffled) == ("postgresql://h/db", False)
    assert url.connect_seconds == POSTGRES_CONNECT_SECONDS


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("channel_binding=require", "channel_binding: is not supported.*sslmode=verify-full"),
        ("gssencmode=require", "gssencmode: is not supported: take it out"),
        ("pgbouncer=true", "pgbouncer: .* name Postgres itself"),
        ("client_encoding=latin1", "client_encoding: must be UTF8"),
        ("load_balance_hosts=all", "load_balance_hosts: must be disable or random"),
        ("target_session_attrs=standby", "target_session_attrs: must be .*: the inbox writes"),
        ("ssl=true", "ssl: .* write sslmode=require"),
        ("hostaddr=127.0.0.1", "hostaddr: .* write the address as the host"),
        ("replication=database", "replication: .* take it out"),
        ("require_auth=scram-sha-256", "require_auth: .* take it out"),
        ("connect_timeout=soon", "connect_timeout: must be a whole number"),
        ("keepalives_idle=-1", "keepalives_idle: must be a whole number"),
        *(
            (f"{name}={most + 1}", f"{name}: must be at most {most}")
            for name, most in LARGEST.items()
        ),
        ("sslmode=off", "sslmode.* must be one of"),
        (
            "sslmode=verify-full&sslrootcert=/nowhere.pem",
            "a file that cannot be used: No such file",
        ),
        ("sslmode=require&sslcert=/nowhere.pem", "a file that cannot be used: No such file"),
        ("sslrootcert=system&sslmode=require", "needs sslmode=verify-full"),
        ("sslrootcert=system&sslcert=/nowhere.pem", "a file that cannot be used: No such file"),
        ("sslnegotiation=direct", "direct TLS requires sslmode=require"),
        ("options=-c%20statement_timeout%3D0", "options: statement_timeout is set by the inbox"),
        ("options=--statement-timeout%3D0", "options: statement_timeout is set by the inbox"),
        ("options=-c%20geqo%3Doff%20-cJIT%3Don", "options: jit is set by the inbox itself"),
        ("JIT=on", "JIT: is set by the inbox itself"),
        ("port=many", "must have one port"),
        ("host=h1,h2&port=1,2,3", "match 3 port numbers to 2 hosts"),
        *((f"{name}=1", f"{name}: is set by the inbox itself") for name in SESSION),
    ],
)
def test_an_option_that_cannot_be_honoured_is_named(option: str, said: str) -> None:
    for url in (f"postgresql:///db?{option}", f"postgresql://u:{SECRET}@/db?{option}"):
        with pytest.raises(ValueError, match=said) as raised:
            parse_url(url)
        assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    "options",
    [
        "-c%20application_name%3Djitsu",
        "-c%20search_path%3Djit",
        "-c%20my.jit%3Don",
        "-c%20application_name%3Da%5C%20-c%5C%20jit%3Don",
    ],
)
def test_a_value_is_not_taken_for_the_name_of_a_setting(options: str) -> None:
    url = f"postgresql://h/db?options={options}"
    assert parse_url(url).dsn == url


@pytest.mark.parametrize("option", ["application_name", "fallback_application_name"])
def test_a_session_has_the_name_of_the_url(option: str) -> None:
    assert parse_url(f"postgresql://h/db?{option}=x").application_name == "x"
    both = parse_url("postgresql://h/db?fallback_application_name=x&application_name=y")
    assert (both.dsn, both.application_name) == ("postgresql://h/db", "y")


@pytest.mark.parametrize("name", LARGEST)
def test_a_socket_takes_the_largest_value_and_no_larger_one(name: str) -> None:
    *_, (level, option, largest) = parse_url(
        f"postgresql://h/db?{name}={LARGEST[name]}"
    ).socket_options
    with socket.socket() as made:
        made.setsockopt(level, option, largest)
        with pytest.raises(OSError, match="Invalid argument"):
            made.setsockopt(level, option, largest + 1)


def test_a_root_certificate_that_is_missing_says_what_to_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/nowhere")
    with pytest.raises(ValueError, match="sslrootcert=system"):
        parse_url("postgresql://h/db?sslmode=verify-full")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:s3cr/et@db:5432/db",
        "postgresql://u:s3cr@et@db:5432/db",
        "postgresql://u:s3cr?et@db:5432/db",
        "postgresql://u:s3cr#et@db:5432/db",
        "postgresql://u:s3cr[et@db:5432/db",
        "postgresql://u:s3cr/et?a=b@db:5432/db",
        "postgresql://u:s3cr?e=t@db:5432/db",
        "postgresql://u:s3cr\u2100et@db:5432/db",
        "postgresql://u:s3cr:et:db:5432/db",
        "postgresql://u:p@db:s3cr/db",
        "postgresql://u:p@db:99999/db",
        "postgresql://u:p@h1,,h2/db",
        "postgresql://u:p@[::1/db",
        "postgresql://u:p@db/db?s3cr",
        "postgresql://u:p@db/db?s3c%20r=1",
        "postgresql:///u:s3cr@db/db",
        "postgresql://u:s3cr et@db/db",
        "postgresql://u:s3cr\net@db/db",
    ],
)
def test_a_url_that_cannot_be_read_says_how_to_write_one_and_quotes_nothing(url: str) -> None:
    form = r"must be postgresql://user:password@host.* / as %2F"
    with pytest.raises(ValueError, match=form) as at:
        parse_url(url)
    assert "s3c" not in str(at.value)


@pytest.mark.parametrize("url", ["inbox", "mysql://u:s3cret@db/inbox", "", "//u:s3cret@db/inbox"])
def test_another_scheme_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"must be a URL with postgresql or postgres$"):
        parse_url(url)


def test_hosts_have_a_limit() -> None:
    hosts = ",".join(f"h{number}" for number in range(HOSTS_MAX + 1))
    with pytest.raises(ValueError, match=f"at most {HOSTS_MAX} hosts"):
        parse_url(f"postgresql://{hosts}/db")


def test_a_process_without_a_name_needs_a_user_in_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nobody)
    with pytest.raises(ValueError, match="names no user, and this process has none"):
        parse_url("postgresql://db/inbox")
    assert parse_url("postgresql://u@db/inbox").addresses == (("db", 5432),)


def test_asyncpg_would_pass_what_is_left_on_to_the_server() -> None:
    """If asyncpg learns one of these options, it need not be dealt with here any more."""
    options = "channel_binding=x&connect_timeout=x&keepalives=x&gssencmode=x&load_balance_hosts=x"
    names = inspect.signature(connect_utils._parse_connect_dsn_and_args).parameters  # type: ignore[attr-defined]
    unset = dict.fromkeys(names.keys() - {"dsn"})
    _, found = connect_utils._parse_connect_dsn_and_args(  # type: ignore[attr-defined]
        dsn=f"postgresql://u@h/db?{options}", **unset
    )
    assert sorted(found.server_settings) == sorted(part[:-2] for part in options.split("&"))


@pytest.mark.parametrize("name", ["password", "sslpassword"])
def test_the_rest_of_a_password_is_not_taken_for_an_option(name: str) -> None:
    # Postgres would refuse it, and its answer would quote it.
    with pytest.raises(ValueError, match="& must be %26") as caught:
        parse_url(f"postgresql://db/inbox?user=u&{name}=a&{SECRET}=1&sslmode=require")
    assert SECRET not in str(caught.value)
    options = f"{name}=a%26b&sslmode=disable&connect_timeout=3&keepalives_idle=30"
    assert parse_url(f"postgresql://db/inbox?user=u&{options}").addresses == (("db", 5432),)
