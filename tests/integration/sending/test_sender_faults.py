"""Replies to a Twilio that fails in every way, by workers that are killed at their POSTs."""

from pathlib import Path

import pytest

from bench.sending import run
from workers.settings import Settings

pytestmark = [pytest.mark.long, pytest.mark.busy, pytest.mark.seconds(100)]


async def test_every_part_is_sent_at_most_once_and_settled_right_or_not_at_all(
    settings: Settings, tmp_path: Path
) -> None:
    counted = await run(settings, tmp_path, replies=300, kills=8, seed=1)
    assert counted["parts"] >= 300
    assert counted["killed before a POST"] > 0
    assert counted["killed after a POST"] > 0
