"""The comparison of systems: each does its work, and lost or doubled messages are counted."""

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from bench.compare import compare, machine, main, medians, preload, ratios, report, write
from bench.load.message_load import MessageLoad
from bench.peers.counting import Once, count_once
from bench.peers.systems import SYSTEMS, Run
from workers.settings import Settings

LOAD = MessageLoad(messages=300, conversations=30)
SLICE = 40
NOTIFYING = {"ours", "ours-2", "naive", "faststream"}


@pytest.mark.long
@pytest.mark.busy
async def test_every_system_applies_each_message_once_and_tells_of_it_once(
    settings: Settings, tmp_path: Path
) -> None:
    given = await preload(settings, LOAD, tmp_path, SLICE)
    done = await compare(given, list(SYSTEMS), 1, settle_seconds=0)
    assert done.keys() == SYSTEMS.keys()
    for name, runs in done.items():
        number = SLICE if name == "naive" else LOAD.messages
        once = Once(found=number, lost=0, doubled=0, strange=0)
        assert [run.rows for run in runs] == [once], name
        assert [run.notified for run in runs] == [once if name in NOTIFYING else None], name
        processes = 2 if name == "ours-2" else 1
        assert all(len(run.peak_megabytes) == processes for run in runs), name
        assert all(megabytes > 0 for run in runs for megabytes in run.peak_megabytes), name
    write(done, await machine(settings), tmp_path)
    written = msgspec.json.decode((tmp_path / "results.json").read_bytes())
    assert written["runs"].keys() == SYSTEMS.keys()
    assert written["medians"] == medians(done)
    assert (tmp_path / "results.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_lost_doubled_or_strange_is_counted() -> None:
    found = Counter(["a", "b", "b", "x"])
    assert count_once(found, {"a", "b", "c"}, 3) == Once(found=4, lost=1, doubled=1, strange=1)


def test_of_a_slice_it_does_not_matter_which_messages_are_there() -> None:
    assert count_once(Counter(["b", "c"]), {"a", "b", "c"}, 2).holds


def test_a_system_that_loses_or_doubles_is_shown_so() -> None:
    fine = Once(found=3, lost=0, doubled=0, strange=0)
    doubled = Once(found=4, lost=0, doubled=1, strange=0)
    done = {"faststream": [a_run(100.0, fine, fine), a_run(300.0, fine, doubled)]}
    assert "0 lost, 1 doubled, 0 strange" in report(done)


def test_ratios_are_of_medians_and_of_the_better_batch_peer() -> None:
    rates = {"ours": 600.0, "naive": 20.0, "faststream": 200.0, "quix": 100.0, "floor": 800.0}
    assert ratios(rates) == {"naive": 30.0, "best batch peer": 3.0, "floor": 0.75}


async def test_a_system_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        await main(["--systems", "ours,theirs"])
    assert "no such system: theirs" in capsys.readouterr().err


def a_run(rate: float, rows: Once, notified: Once) -> Run:
    return Run(messages=3, rate=rate, peak_megabytes=(1.0,), rows=rows, notified=notified)
