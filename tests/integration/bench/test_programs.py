"""The benchmarks of latency and growth, so small that they show only that they are correct."""

from pathlib import Path

import pytest

from bench import api_commands, api_streams, growth, latency
from bench.checkers.promises import Broken
from bench.runs.cases import check_notified, fill, new_case
from bench.streams import latency as stream_latency
from bench.streams import many
from workers.dev.embedded.postgres import EmbeddedPostgres
from workers.settings import Settings


@pytest.mark.long
@pytest.mark.busy
async def test_every_message_of_a_steady_load_is_counted_from_the_moment_it_was_due(
    settings: Settings, tmp_path: Path
) -> None:
    plan = latency.Plan(
        percents=(10, 20), burst=5_000, seconds=1, warm_up_seconds=0.5, conversations=20
    )
    maximum, found = await latency.run(settings, tmp_path, plan)
    for load, percent in zip(found, plan.percents, strict=True):
        assert load.rate == maximum * percent / 100
        assert abs(load.messages - load.rate * plan.seconds) <= 1
        assert 0 < load.p50 <= load.p99 <= load.p999 <= load.max
        assert tuple(load.means) == latency.STEPS
        assert sum(load.means.values()) > 0


@pytest.mark.long
@pytest.mark.busy
async def test_every_click_is_counted_and_has_one_result(
    settings: Settings, tmp_path: Path
) -> None:
    plan = api_commands.Plan(
        maximum=100, burst=500, seconds=1, warm_up_seconds=1, clicks=10, conversations=20
    )
    found = await api_commands.run(settings, tmp_path, plan)
    assert (found.clicks, found.rate) == (10, 50)
    assert 0 < found.p50 <= found.p99 <= found.max


@pytest.mark.long
@pytest.mark.busy
async def test_streams_are_measured_and_what_they_say_is_compared(
    settings: Settings, tmp_path: Path
) -> None:
    plan = api_streams.Plan(
        of_many=many.Plan(streams=50, users=5, open_seconds=1, idle_seconds=1, changes=2),
        of_latency=stream_latency.Plan(rate=50, seconds=1, warm_up_seconds=1, conversations=20),
        events=800,
    )
    found = await api_streams.run(settings, tmp_path, plan)
    assert (found["many"].streams, len(found["many"].changes)) == (50, 2)
    assert len(found["many"].again.clients) == 50
    assert found["latency"].messages == 50
    assert 0 < found["latency"].p50 <= found["latency"].p99 <= found["latency"].max
    assert found["order"].published == 800


@pytest.mark.long
@pytest.mark.busy
async def test_what_is_stored_and_who_is_told_grows_as_planned(
    settings: Settings, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    plan = growth.Plan(stored=(200, 20_000), users=(3, 600), messages=300, rounds=1, backlog=1_000)
    report = await growth.run(settings, postgres, tmp_path, plan, growth.PARTS)
    assert report.keys() >= {"stored", "ratio", "users", "backlog"}


async def test_a_message_that_nobody_was_told_of_is_found_out(
    settings: Settings, postgres: EmbeddedPostgres
) -> None:
    case = await new_case(settings, postgres, "untold")
    await fill(case, 100)
    await check_notified(case)
    case.published.append("00000000-0000-5000-8000-000000000000")
    with pytest.raises(Broken, match="1 missing"):
        await check_notified(case)


def test_a_percentile_is_the_value_that_so_many_do_not_exceed() -> None:
    values = list(range(1, 1001))
    assert [latency.percentile(values, part) for part in (0.5, 0.99, 0.999, 1)] == [
        500,
        990,
        999,
        1000,
    ]
