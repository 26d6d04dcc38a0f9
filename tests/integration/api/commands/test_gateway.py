"""Commands over HTTP when workers stop, copies are killed, and answers are lost."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from msgspec import convert

from schemas.commands import ConversationClose, ConversationReopen
from schemas.fields import AccountId
from tests.harness.api import Answered, ApiClient
from tests.harness.inbox import Inbox, Owner, open_inbox
from tests.harness.input_events import conversation, message, user
from tests.harness.topics import Topics
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.api.api_pool import ApiPool
from workers.api.commands import gateway
from workers.api.commands.gateway import Commands
from workers.api.problem import Problem
from workers.api.topic_follower import TopicFollower
from workers.dev.embedded.ports import free_port
from workers.settings import Settings, required

MARIA = "whatsapp:+4915112345678"
ADDRESS = f"/conversations/{conversation(MARIA)}"


class Copies:
    """Two copies of the API, and the worker that applies what they publish."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self.settings = [settings, replace(settings, web_port=free_port())]
        self.apis = [
            Worker(each, directory / f"api{number}.log", "api")
            for number, each in enumerate(self.settings)
        ]
        ingests = replace(settings, web_port=free_port())
        self.ingest = Worker(ingests, directory / "ingest.log", "ingest,relay")

    @asynccontextmanager
    async def stopped_ingest(self) -> AsyncIterator[None]:
        """Nothing is applied meanwhile."""
        self.ingest.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.ingest.signal(signal.SIGCONT)


@pytest.fixture
async def copies(settings: Settings, tmp_path: Path) -> AsyncIterator[Copies]:
    """Both copies and the worker, ready."""
    copies = Copies(settings, tmp_path)
    workers = [copies.ingest, *copies.apis]
    await asyncio.gather(*[each.start() for each in workers])
    yield copies
    for each in workers:
        await each.stop()


def keyed(key: str) -> dict[str, Any]:
    return {"headers": {"Idempotency-Key": key}}


async def both_say(path: str, clients: list[ApiClient], status: int) -> list[Answered]:
    """Wait until all copies answer a GET with a status."""

    async def answers() -> list[Answered] | None:
        found = [await client.get(path) for client in clients]
        return found if all(each.status == status for each in found) else None

    return cast(list[Answered], await until(answers, f"{status} for {path}"))


async def test_an_outcome_is_the_same_whoever_is_asked_and_whatever_stops(
    copies: Copies, settings: Settings, topics: Topics, owner: Owner
) -> None:
    inbox = await open_inbox(settings, topics, owner)
    await inbox.apply(message(MARIA), user("zoe", account="other"))
    async with (
        ApiClient(copies.settings[0], "ana") as first,
        ApiClient(copies.settings[1], "bo") as second,
        ApiClient(copies.settings[1], "zoe", "other") as foreign,
    ):
        async with copies.stopped_ingest():
            sent = await first.post(f"{ADDRESS}/close", **keyed("a/b"))
            assert (sent.status, sent.json) == (202, {"command_id": "a/b"})
            path = sent.headers["Location"].removeprefix("/api/v1")
            # The other copy knows it too, and no other account does.
            for each in await both_say(path, [first, second], 202):
                assert each.json == {"command_id": "a/b"}
            for unknown in (await foreign.get(path), await first.get("/commands/never-sent")):
                assert (unknown.status, unknown.code) == (404, "not_found")
            # The same key again, and two equal keys at the same time.
            assert (await second.post(f"{ADDRESS}/close", **keyed("a/b"))).status == 202
            assigned = {"assignee_id": "bo"}
            raced = await asyncio.gather(
                first.post(f"{ADDRESS}/assign", assigned, **keyed("raced")),
                second.post(f"{ADDRESS}/assign", assigned, **keyed("raced")),
            )
            assert [each.status for each in raced] == [202, 202]
        # Which of them is applied first depends on their topics.
        for key in ("a%2Fb", "raced"):
            here, there = await both_say(f"/commands/{key}", [first, second], 200)
            assert here.json == there.json
        again = await second.post(f"{ADDRESS}/close", **keyed("a/b"))
        assert (again.status, again.json) == (200, (await first.get(path)).json)
        # A key stands for its first command, whatever is asked with it later.
        assert (await first.post(f"{ADDRESS}/reopen", **keyed("a/b"))).json == again.json
        rejected = await first.post(f"{ADDRESS}/delete", {"expected_version": 1}, **keyed("no"))
        assert (rejected.status, rejected.code) == (409, "stale_version")
        assert [each.json for each in await both_say("/commands/no", [first, second], 409)] == [
            rejected.json,
            rejected.json,
        ]

        # A copy is killed after it published, and before it answered.
        async with copies.stopped_ingest():
            asked = asyncio.create_task(first.post(f"{ADDRESS}/reopen", **keyed("cut")))
            await topics.read_until("lifecycle", _has("cut"))
            copies.apis[0].kill()
            with pytest.raises(aiohttp.ClientError):
                await asked
        asked_again = await second.post(f"{ADDRESS}/reopen", **keyed("cut"))
        done = (await both_say("/commands/cut", [second], 200))[0]
        assert asked_again.status in {200, 202}
        assert (await second.post(f"{ADDRESS}/reopen", **keyed("cut"))).json == done.json

        # A deletion is answered the same way, though the conversation is gone.
        await copies.apis[0].start()
        deleted = await first.post(f"{ADDRESS}/delete", **keyed("gone"))
        assert deleted.status == 200
        await inbox.apply(message("whatsapp:+4922"))
        assert (await second.post(f"{ADDRESS}/delete", **keyed("gone"))).json == deleted.json
        assert (await second.post(f"{ADDRESS}/delete", **keyed("new"))).code == "not_found"
    results = Counter(read.data["command_id"] for read in await inbox.read("results"))
    assert results == Counter(["a/b", "raced", "no", "cut", "gone"])
    kinds = Counter(read.kind for read in await inbox.read("conversations"))
    once = ("closed", "assigned", "reopened", "deleted")
    assert [kinds[f"conversation.{kind}"] for kind in once] == [1, 1, 1, 1]
    assert await inbox.read("dead-letters") == []


def _has(key: str) -> Any:
    return lambda records: any(read.event["id"] == key for read in records)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Commands]:
    """A gateway in this process, which hears nothing of topics."""
    checked = asyncio.Event()
    checked.set()
    connections = ApiPool(required(settings.api_database_url, "database"), 2)
    await connections.open()
    commands = Commands(settings, connections, checked)
    commands.listener.placed()
    commands.start()
    try:
        yield commands
    finally:
        await commands.close()
        connections.close()


async def test_a_result_is_heard_of_or_found_in_postgres(
    inbox: Inbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await inbox.apply(message(MARIA))
    given = {"account_id": "acme", "conversation_id": conversation(MARIA), "actor_id": "ana"}
    close, reopen = convert(given, ConversationClose), convert(given, ConversationReopen)
    # Whatever the machine does meanwhile.
    monkeypatch.setattr(gateway, "RESULT_SECONDS", 60.0)
    async with running(settings) as commands:
        outcome = await commands.submit(close, "missed")
        assert outcome == ("accepted", 3)
        assert await commands.submit(close, "missed") == outcome

    monkeypatch.setattr(gateway, "OVERDUE_SECONDS", 3600.0)
    async with running(settings) as commands:
        listener = commands.listener
        listener.ready.clear()
        listeners = dict.fromkeys(listener.topics, listener)
        follower = TopicFollower(settings, listeners, commands.positions_of_commands)
        following = asyncio.create_task(follower.run())
        try:
            await listener.ready.wait()
            assert await commands.submit(reopen, "heard") == ("accepted", 4)
        finally:
            following.cancel()
            await asyncio.wait([following])


async def test_the_message_of_a_reply_answers_for_no_other_command(
    inbox: Inbox, ana: ApiClient
) -> None:
    await inbox.apply(message(MARIA, sent_at=datetime.now(UTC)))
    hello = {"body": "Hello"}
    replied = await ana.post(f"{ADDRESS}/reply", hello, **keyed("key"))
    assert replied.status == 200
    # As it is 7 days later: the command is pruned, its message stays.
    await inbox.owner.execute("DELETE FROM inbox.commands")
    (told,) = await both_say("/commands/key", [ana], 200)
    assert told.json == replied.json
    assert (await ana.post(f"{ADDRESS}/reply", hello, **keyed("key"))).json == replied.json
    # Another command with its id is published, and from then on its own outcome is told.
    refused = await ana.post(f"{ADDRESS}/close", {"expected_version": 1}, **keyed("key"))
    assert (refused.status, refused.code) == (409, "stale_version")
    assert (await ana.get("/commands/key")).json == refused.json
    await inbox.owner.execute("DELETE FROM inbox.commands")
    closed = await ana.post(f"{ADDRESS}/close", **keyed("key"))
    assert (closed.status, closed.json["version"]) == (200, replied.json["version"] + 1)
    assert (await ana.get("/commands/key")).json == closed.json


@pytest.mark.parametrize(
    ("has_read_all", "is_whole", "is_sure"),
    [(True, True, True), (False, True, False), (True, False, False)],
    ids=["all is known", "not all is read", "not all is kept"],
)
async def test_only_what_was_surely_never_sent_is_not_found(
    database: Settings, has_read_all: bool, is_whole: bool, is_sure: bool
) -> None:
    async def answer(_names: object) -> bool:
        return has_read_all

    follower = cast(Any, SimpleNamespace(has_taken_all=answer))
    account = AccountId("acme")
    settings = replace(database, kafka=("127.0.0.1:1",))
    connections = ApiPool(required(settings.api_database_url, "database"), 2)
    await connections.open()
    commands = Commands(settings, connections, asyncio.Event())
    if not is_whole:
        commands._unapplied._left_out[("lifecycle", 0)] = 1
    try:
        if is_sure:
            with pytest.raises(Problem) as caught:
                await commands.outcome_of(account, "c1", follower)
            assert caught.value.code == "not_found"
        else:
            assert await commands.outcome_of(account, "c1", follower) is None
    finally:
        connections.close()
