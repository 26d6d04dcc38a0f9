"""Forms of up to 256 KiB are taken: by Kafka, by the disk, and as dead letters."""

import asyncio

import pytest

from bench.mock_twilio.account import SID
from schemas.topics import RECORD_BYTES_MAX
from tests.harness.command import inbox
from tests.harness.spool import Scene, started, until_drained
from tests.harness.twilio import CHANNELS, form
from tests.harness.webhook_forms import messages
from workers.webhooks.routes import BODY_BYTES_MAX

pytestmark = pytest.mark.busy

UNKNOWN = "whatsapp:+19999999999"
QUERY = "?" + "q" * 4_000


def large(number: int, filler: str, to: str = CHANNELS["wa1"]) -> str:
    """A form of the largest size: its text is a letter and one byte again and again."""
    head = form(MessageSid=f"SM{number}", To=to, AccountSid=SID, Body="")
    head = head.replace("&Body=", "") + "&Body=a"
    return head + filler * ((BODY_BYTES_MAX - len(head)) // len(filler))


FILLERS = ("x", "%01", "\x01", "%FF")


async def test_the_largest_forms_are_taken_at_once(scene: Scene) -> None:
    add_ons = form(MessageSid="SM9", AddOns='{"results":"' + "x" * 51_000 + '"}', Body="Hi")
    async with started(scene.settings, scene.log, "ingest,relay,web"):
        assert await scene.twilio.post(add_ons + "&Other=" + "y" * 24_000) == 204
        for number, filler in enumerate(FILLERS):
            assert await scene.twilio.post(large(number, filler)) == 204
        rows = await messages(scene.owner, 1 + len(FILLERS))
        records = await scene.topics.read("messages.received")
    assert rows[-1]["body"] == "Hi"
    assert all(row["body"].endswith("…") for row in rows[:-1])
    assert all(len(record.value or b"") <= RECORD_BYTES_MAX for record in records)
    # What is not used is not kept.
    assert not any(b"results" in (record.value or b"") for record in records)
    assert await scene.topics.read("dead-letters") == []


async def test_the_largest_forms_pass_through_the_disk_and_the_dead_letters(scene: Scene) -> None:
    async with started(scene.settings, scene.log, "ingest,relay,web") as worker:
        await asyncio.to_thread(scene.kafka.stop)
        for number, filler in enumerate(FILLERS):
            assert await scene.twilio.post(large(number, filler)) == 204
            unknown = large(10 + number, filler, UNKNOWN)
            assert await scene.twilio.post(unknown, query=QUERY) == 204
        await asyncio.to_thread(scene.kafka.start)
        await until_drained(worker)
        await messages(scene.owner, len(FILLERS))
        letters = await scene.topics.read_until("dead-letters", len(FILLERS))
        kept = {len(letter.value or b"") for letter in letters}
        assert min(kept) > BODY_BYTES_MAX - 3
        await scene.owner.execute("UPDATE inbox.channels SET address = $1", UNKNOWN)
        done = await inbox(scene.settings, "dead-letters", "redrive", "--all")
        redriven = f"{len(FILLERS)} redriven, 0 skipped, 0 impossible"
        assert (done.status, done.lines[-1]) == (0, redriven), done.err
        await messages(scene.owner, 2 * len(FILLERS))


async def test_a_form_of_more_is_413(scene: Scene) -> None:
    async with started(scene.settings, scene.log):
        assert await scene.twilio.post(large(1, "x")) == 204
        assert await scene.twilio.post(large(2, "x") + "xx") == 413
