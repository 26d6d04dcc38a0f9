"""No command shows a piece of a secret, whatever is wrong with the settings or the servers."""

import re
from dataclasses import replace

import pytest

from tests.harness.command import environment_without_settings, run
from workers.settings import Settings

FIRST, LAST = "Zq9Xv7Kw", "Jh5Gy3Tb"
PIECES = [half[at : at + 4] for half in (FIRST, LAST) for at in range(len(half) - 3)]

COMMANDS = [
    ["config"],
    ["migrate"],
    ["worker", "--roles", "web"],
    ["topics"],
    ["send"],
    ["watch"],
    ["reconcile", "--since", "1h"],
    ["erase", "--account", "acme", "--contact", "+4911"],
    ["dead-letters", "list"],
    ["dead-letters", "redrive", "--all"],
    ["adopt", "--positions", "keep"],
    ["doctor"],
    ["faust", "agents"],
]

WRONG = {
    "INBOX_KAFKA": f"inbox:{FIRST}{LAST}@127.0.0.1:9092",
    "INBOX_KAFKA_SECURITY_PASSWORD": f"{FIRST}{LAST}",
    "INBOX_DATABASE_URL": f"postgresql://u:{FIRST}/{LAST}@db:5432/db",
    "INBOX_MIGRATION_DATABASE_URL": f"postgresql://u:{FIRST}#{LAST}@db:5432/db",
    "INBOX_PUBLIC_URL": f"https://u:{FIRST}?{LAST}@example.com",
    "INBOX_TWILIO_ACCOUNTS": f'{{"AC1": {{"account_id": "acme", "{FIRST}": "{LAST}"}}}}',
}


def assert_no_piece(output: str) -> None:
    """Raise AssertionError for a piece of the secret in an output."""
    assert [piece for piece in PIECES if piece in output] == [], output


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_no_command_shows_a_piece_of_a_secret(command: list[str]) -> None:
    for name, value in WRONG.items():
        ended = await run(environment_without_settings() | {name: value}, *command)
        assert_no_piece(ended.out + ended.err)
        if command == ["doctor"]:
            assert (ended.status, name in ended.out) == (1, True), ended
            continue
        assert (ended.status, ended.out) == (2, ""), ended
        assert re.fullmatch(rf"inbox: {name}: [^\n]+\n", ended.err)


@pytest.mark.parametrize(
    "query",
    ["", f"?sslmode={FIRST}", f"?password={FIRST}&{LAST}=1", f"?sslpassword={FIRST}&{LAST}=1"],
)
async def test_no_refusal_of_postgres_shows_a_piece_of_a_secret(
    settings: Settings, query: str
) -> None:
    address = str(settings.database_url).rpartition("@")[2]
    login = f"nobody:{FIRST}{LAST}@"
    if "sslpassword" in query:
        # Postgres looks at options once it has let the user in.
        login = str(settings.database_url).partition("://")[2].rpartition("@")[0] + "@"
    elif "password" in query:
        login = ""
    given = f"postgresql://{login}{address}{query}"
    environment = environment_without_settings() | settings.environment()
    environment |= {"INBOX_DATABASE_URL": given, "INBOX_MIGRATION_DATABASE_URL": given}
    for command in (["migrate"], ["erase", "--account", "acme", "--contact", "+4911"]):
        ended = await run(environment, *command)
        assert ended.status in {1, 2}
        assert_no_piece(ended.out + ended.err)


async def test_a_blank_around_a_setting_makes_no_difference(settings: Settings) -> None:
    usual = environment_without_settings()
    given = settings.environment()
    exact = {"INBOX_DATA_DIR": given.pop("INBOX_DATA_DIR")}
    around = {name: f" {value}\r\n" for name, value in given.items()}
    plain = await run(usual | given | exact, "config")
    shown = await run(usual | around | exact, "config")
    assert shown == plain
    assert (await run(usual | around | exact, "topics")).status == 0
    assert (await run(usual | replace(settings).environment(), "topics")).status == 0
