"""A wait for work that nobody does ends soon, and names what is left."""

import pytest

from bench.load.input_events import directory
from bench.load.publishing import publish
from bench.runs import workers
from db.outbox import OutboxRecord, add_outbox
from tests.harness.dead_letters import Owner
from workers.settings import Settings


async def test_a_wait_names_the_partitions_and_shards_at_which_nothing_happens(
    settings: Settings, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "STALL_SECONDS", 0.1)
    count = await publish(settings, directory())
    await owner.execute("INSERT INTO inbox.outbox_shards VALUES (0, 0), (1, 0)")
    row = OutboxRecord(settings.topic("conversations"), 0, b"k", b"{}", None)
    await add_outbox(owner, [(1, [row])])
    with pytest.raises(TimeoutError, match=f"0 of {count} applied") as raised:
        await workers.until_applied(settings, [], count)
    said = str(raised.value)
    assert f"('{settings.topic('directory')}', " in said
    assert settings.topic("links") not in said
    assert said.endswith("outbox rows by shard {1: 1}")
