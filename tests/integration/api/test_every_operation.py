"""What holds for every operation of the table, also for those that are yet to come: who proves
nothing is 401, who has no access 403, and another account's ids are 404, as ids of nothing are."""

import time
import uuid
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from tests.harness.api import Answered, ApiClient
from tests.harness.api_calls import BODIES, given, key, path
from tests.harness.inbox import Inbox
from tests.harness.input_events import CHANNEL, command, conversation, message, user
from tests.harness.tokens import AUDIENCE, ISSUER, SigningKey, write_jwks
from workers.api.operation import Operation
from workers.api.table import OPERATIONS
from workers.settings import Settings

KEY, STRANGER = SigningKey.make("one"), SigningKey.make("one")
CONTACT, MESSAGE, COMMAND = "whatsapp:+4911", "SM" + "7" * 32, "command-of-acme"
FILE = {"url": "http://127.0.0.1:1/file", "content_type": "image/jpeg"}

GUARDED = [operation for operation in OPERATIONS if not operation.is_public]
WITH_IDS = [operation for operation in GUARDED if "{" in operation.address]

Ids = Mapping[str, str]


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Settings of an API that takes tokens as well."""
    tokens = {
        "INBOX_API_ISSUER": ISSUER,
        "INBOX_API_AUDIENCE": AUDIENCE,
        "INBOX_API_JWKS_FILE": str(write_jwks(tmp_path / "jwks", KEY)),
    }
    return Settings.from_environment(settings.environment() | tokens)


@pytest.fixture
async def ids(inbox: Inbox) -> Ids:
    """What there is in the account acme, by what stands before its id in a path. The account rival
    has a user eve, who must not get at it."""
    await inbox.apply(
        user("zoe", inbox_access=False),
        user("eve", account="rival"),
        message(CONTACT, provider_message_id=MESSAGE, media=[FILE]),
        command("assign", CONTACT, "ana", assignee_id="bo", id=COMMAND),
    )
    row = await inbox.owner.fetchrow("SELECT message_id::text FROM inbox.messages")
    assert row is not None
    return {
        "conversations": conversation(CONTACT),
        "channels": CHANNEL,
        "commands": COMMAND,
        "media": row[0],
    }


NOTHING = {
    "conversations": str(uuid.UUID(int=7)),
    "channels": "nothing",
    "commands": "nothing",
    "media": str(uuid.UUID(int=7)),
}


def test_each_operation_with_a_body_has_a_valid_one() -> None:
    with_body = {key(operation): operation.body for operation in OPERATIONS if operation.body}
    assert with_body.keys() == BODIES.keys()
    for name, body in with_body.items():
        msgspec.convert(BODIES[name], body)


async def ask(client: ApiClient, operation: Operation, ids: Ids, **headers: str) -> Answered:
    """Send a valid request."""
    return await client.request(
        operation.method, path(operation, ids), headers=headers, **given(operation)
    )


def deletes(operation: Operation) -> bool:
    """Whether nothing can be asked afterwards."""
    return operation.method == "DELETE" or operation.address.endswith("/delete")


def wrong_credentials() -> dict[str, dict[str, str]]:
    """Returns headers that prove nothing, each with what is wrong."""
    now = int(time.time())
    tokens = {
        "expired": KEY.token(exp=now - 1),
        "without an end": KEY.token(exp=None),
        "too long": KEY.token(exp=now + 13 * 3600),
        "not valid yet": KEY.token(nbf=now + 3600),
        "another issuer": KEY.token(iss="https://evil.example"),
        "another audience": KEY.token(aud="crm"),
        "forged": STRANGER.token(),
        "an unknown key": KEY.token(headers={"kid": "two"}),
        "no key": KEY.token(headers={"kid": ""}),
        "no account": KEY.token(account_id=None),
        "no user": KEY.token(sub=None),
        "no signature": KEY.token().rpartition(".")[0] + ".",
        "none": "eyJhbGciOiJub25lIiwia2lkIjoib25lIn0." + KEY.token().split(".")[1] + ".",
        "no token": "hello",
        "empty": "",
    }
    bearers = {what: {"Authorization": f"Bearer {token}"} for what, token in tokens.items()}
    proxy = {"X-Inbox-Account": "acme", "X-Inbox-User": "ana"}
    return bearers | {
        "nothing": {},
        "a password": {"Authorization": "Basic YW5hOmFuYQ=="},
        "a forged cookie": {"Cookie": f"inbox_session={STRANGER.token()}"},
        "half of a proxy's headers": {"X-Inbox-Account": "acme"},
        "a proxy's headers with a wrong id": proxy | {"X-Inbox-User": "ana,bo"},
    }


async def test_who_proves_nothing_is_401(ids: Ids, settings: Settings) -> None:
    assert GUARDED
    async with ApiClient(settings, headers={}) as client:
        for operation in GUARDED:
            for what, headers in wrong_credentials().items():
                answered = await ask(client, operation, ids, **headers)
                said = (answered.status, answered.code, "WWW-Authenticate" in answered.headers)
                assert said == (401, "unauthorized", True), (operation.name, what)


async def test_who_has_no_access_is_403_and_so_is_a_write_that_another_site_sends(
    ids: Ids, settings: Settings
) -> None:
    refused = [("zoe", "acme"), ("nobody", "acme"), ("eve", "acme"), ("ana", "rival")]
    foreign = {"Origin": "https://evil.example", "Content-Type": "application/json"}
    foreign["Cookie"] = f"inbox_session={KEY.token()}"
    async with ApiClient(settings, headers={}) as client:
        for operation in GUARDED:
            for user_id, account in refused:
                for headers in (
                    {"X-Inbox-User": user_id, "X-Inbox-Account": account},
                    {"Authorization": f"Bearer {KEY.token(sub=user_id, account_id=account)}"},
                ):
                    answered = await ask(client, operation, ids, **headers)
                    said = (answered.status, answered.code)
                    assert said == (403, "no_inbox_access"), (operation.name, headers)
            if operation.method != "GET":
                answered = await ask(client, operation, ids, **foreign)
                assert (answered.status, answered.code) == (403, "foreign_origin"), operation.name


async def test_another_accounts_ids_are_404_as_ids_of_nothing_are(
    ids: Ids, inbox: Inbox, settings: Settings, ana: ApiClient
) -> None:
    async def state() -> list[tuple[object, ...]]:
        rows = await inbox.owner.fetch("SELECT * FROM inbox.conversations")
        return [tuple(row) for row in rows]

    before = await state()
    async with ApiClient(settings, "eve", "rival") as eve:
        for operation in WITH_IDS:
            foreign = await ask(eve, operation, ids)
            assert (foreign.status, foreign.code) == (404, "not_found"), operation.name
            assert foreign.body == (await ask(eve, operation, NOTHING)).body, operation.name
    assert await state() == before
    # Whose ids they are finds what they name.
    for operation in sorted(WITH_IDS, key=deletes):
        if not operation.address.startswith("/media"):  # there is no provider
            answered = await ask(ana, operation, ids)
            assert answered.status in {200, 202, 204, 409, 422}, (operation.name, answered.body)
