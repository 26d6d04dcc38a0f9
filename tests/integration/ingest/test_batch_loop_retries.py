"""The batch loop retries transient errors of Postgres, and dead-letters refused values."""

from pathlib import Path
from typing import TypeAlias

import asyncpg

from tests.harness.commit_cut import CommitCut
from tests.harness.input_events import message
from tests.harness.topics import Topics
from tests.harness.waiting import until
from tests.harness.worker import Worker
from workers.settings import Settings, required

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

CONTACT = "whatsapp:+4911"

REFUSE = """
CREATE TABLE inbox.refusals (code text, times int);
GRANT SELECT, UPDATE ON inbox.refusals TO inbox_worker;
CREATE SEQUENCE inbox.tries;
GRANT USAGE ON inbox.tries TO inbox_worker;
CREATE FUNCTION inbox.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    refusal inbox.refusals;
BEGIN
    SELECT * INTO refusal FROM inbox.refusals;
    -- A sequence, since what is refused is rolled back.
    IF nextval('inbox.tries') <= refusal.times THEN
        RAISE EXCEPTION 'not now' USING ERRCODE = refusal.code;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER refuse BEFORE INSERT ON inbox.messages FOR EACH ROW EXECUTE FUNCTION inbox.refuse();
"""


async def _refuse(owner: Owner, code: str, times: int) -> None:
    """Refuse the next messages so often, with a SQLSTATE."""
    await owner.execute(REFUSE)
    await owner.execute("INSERT INTO inbox.refusals VALUES ($1, $2)", code, times)


async def test_a_deadlock_a_lost_race_and_a_full_disk_are_tried_again(
    topics: Topics, worker: Worker, owner: Owner
) -> None:
    await _refuse(owner, "40P01", 2)
    await topics.publish(message(CONTACT))
    await topics.read_until("conversations", 2)
    for code in ("40001", "23505", "53100"):
        await owner.execute("UPDATE inbox.refusals SET code = $1", code)
        await owner.execute("ALTER SEQUENCE inbox.tries RESTART")
        before = len(await topics.read("conversations"))
        await topics.publish(message(CONTACT))
        await topics.read_until("conversations", before + 1)
    assert await owner.fetchval("SELECT count(*) FROM inbox.messages") == 4
    assert await topics.read("dead-letters") == []
    metrics = await worker.metrics()
    for name in ("DeadlockDetectedError", "SerializationError", "DiskFullError"):
        assert f'inbox_retries_total{{error="{name}",topic="messages.received"}} 2.0' in metrics


async def test_a_record_whose_key_is_always_taken_is_set_aside(
    topics: Topics, worker: Worker, owner: Owner
) -> None:
    await _refuse(owner, "23505", 4)
    await topics.publish(message(CONTACT))
    (dead,) = await topics.read_until("dead-letters", 1)
    assert dead.header("dl_code") == "unstorable"
    await topics.publish(message(CONTACT))
    await topics.read_until("conversations", 2)


async def test_values_that_are_refused_after_a_lost_race_are_set_aside_too(
    topics: Topics, worker: Worker, owner: Owner
) -> None:
    await _refuse(owner, "23505", 1)
    await owner.execute("ALTER TABLE inbox.messages ADD CHECK (body <> 'refused')")
    await topics.publish(message(CONTACT, "refused"), message(CONTACT, "taken"))
    (dead,) = await topics.read_until("dead-letters", 1)
    assert dead.header("dl_code") == "unstorable"
    await topics.read_until("conversations", 2)
    assert [row[0] for row in await owner.fetch("SELECT body FROM inbox.messages")] == ["taken"]


async def test_a_commit_whose_answer_is_lost_is_settled_by_the_position(
    settings: Settings, topics: Topics, owner: Owner, tmp_path: Path
) -> None:
    url = required(settings.database_url, "database")
    async with CommitCut(url, b"UPDATE inbox.positions") as cut:
        environment = settings.environment() | {"INBOX_DATABASE_URL": cut.url}
        worker = Worker(Settings.from_environment(environment), tmp_path / "worker.log")
        await worker.start()
        await topics.publish(message(CONTACT))
        await topics.read_until("conversations", 2)
        assert cut.has_cut

        async def is_settled() -> bool:
            settled = 'inbox_unknown_commits_total{topic="messages.received"} 1.0'
            return settled in await worker.metrics()

        # The relay may publish what is committed before the batch loop has read the position.
        await until(is_settled, "a commit settled by the position")
        await topics.publish(message(CONTACT))
        await topics.read_until("conversations", 3)
        assert await worker.stop() == 0
    assert await owner.fetchval("SELECT count(*) FROM inbox.messages") == 2
